"""Fixtures that every test room shares."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from haploscribe.config.options import CohortOptions
from haploscribe.examples.cohort import example_cohort

settings.register_profile("no deadline", deadline=None)  # how long a test takes is the machine's affair
settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def shared_cohort() -> Path:
    """The benchmark cohort of 358 real people on chr22, where it is at hand."""
    root = Path(os.environ.get("HAPLOSCRIBE_SHARED", Path(__file__).parents[2] / "shared"))
    cohort = root / "data" / "geuvadis-chr22"
    if not cohort.is_dir():
        pytest.skip(f"no benchmark cohort at {cohort}: set HAPLOSCRIBE_SHARED to the folder that holds data/")
    return cohort


@pytest.fixture(scope="session")
def example() -> Iterator[CohortOptions]:
    """The bundled real people."""
    with example_cohort() as options:
        yield options

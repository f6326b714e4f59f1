"""Fixtures that all tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
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


@pytest.fixture(scope="module", autouse=True)
def pages_without_regions(request: pytest.FixtureRequest) -> Iterator[None]:
    """Draw regions of genes, which is most of a small run's time, only in modules marked `regions`."""
    with pytest.MonkeyPatch.context() as patch:
        if request.node.get_closest_marker("regions") is None:
            patch.setattr("haploscribe.report.page.saved_details", lambda *_: {})
        yield


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Compute on one thread: small tensors wait for threads longer than they compute."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)

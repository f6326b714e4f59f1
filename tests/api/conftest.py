"""What the tests of the Python API share: two genes of the bundled people, and a run on them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from haploscribe.api.cohort import OpenedCohort, example_cohort
from haploscribe.api.run import read_predictions, run
from haploscribe.embedding.stage import Embedded

GENE = "ENSG00000099899.10"
OTHER_GENE = "ENSG00000128191.9"
MODELS = ("top-snp", "elastic-net", "lasso", "blup", "blup-delta")


@dataclass(frozen=True)
class Made:
    """A cohort, its tiles, and what a run on it left."""

    cohort: OpenedCohort
    embedded: Embedded
    out: Path
    predictions: pl.DataFrame
    metrics: pl.DataFrame


@pytest.fixture(scope="package")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    folder = tmp_path_factory.mktemp("api")
    store = folder / "embeddings.zarr"
    with example_cohort(genes=[GENE, OTHER_GENE], window=100_000, maf=0.05) as cohort:
        embedded = cohort.embed("kmer", store=store)
        results = run(cohort, folder / "out", models=MODELS, backbone="kmer", store=store, seed=3)
        yield Made(cohort, embedded, folder / "out", read_predictions(folder / "out"), results.metrics)

"""What the tests of the Python API share: two genes of the bundled samples, and a run on them."""

from collections.abc import Iterator

import pytest

from haploscribe.api.cohort import example_cohort
from haploscribe.api.run import read_predictions, run
from tests.fixtures.api_run import GENE, MODELS, OTHER_GENE, Made


@pytest.fixture(scope="package")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    folder = tmp_path_factory.mktemp("api")
    store = folder / "embeddings.zarr"
    with example_cohort(genes=[GENE, OTHER_GENE], window=100_000, maf=0.05) as cohort:
        embedded = cohort.embed("kmer", store=store)
        results = run(cohort, folder / "out", models=MODELS, backbone="kmer", store=store, seed=3)
        yield Made(cohort, embedded, folder / "out", read_predictions(folder / "out"), results.metrics)

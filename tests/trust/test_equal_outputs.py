"""The comparison of folders says so when something differs, and the clock is no difference."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr

from haploscribe.config.options import BackboneOptions, EvaluationOptions
from haploscribe.workflows.run.workflow import run
from tests.fixtures.equal_outputs import assert_same_results, differences
from tests.fixtures.small_cohort import write_small_cohort


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("equal")
    cohort = write_small_cohort(folder)
    run(cohort, BackboneOptions("kmer"), EvaluationOptions(models=("blup-delta",), folds=2), folder / "out")
    return folder / "out"


@pytest.fixture
def copy(results: Path, tmp_path: Path) -> Path:
    return shutil.copytree(results, tmp_path / "copy")


def change_metric(folder: Path) -> None:
    path = folder / "metrics.tsv"
    path.write_text(path.read_text().replace("false", "true", 1))


def change_version(folder: Path) -> None:
    path = folder / "run.json"
    record = json.loads(path.read_text())
    record["versions"]["numpy"] = "0"
    path.write_text(json.dumps(record))


def change_vector(folder: Path) -> None:
    path = next(path.parent for path in folder.rglob("zarr.json") if path.parent.name == "embedding")
    array = zarr.open_array(path)
    values = np.asarray(array[...])
    values[0, 0, 0] += 1
    array[...] = values


def change_page(folder: Path) -> None:
    path = folder / "report.html"
    path.write_text(path.read_text().replace("kmer", "nano"))


def lose_a_gene(folder: Path) -> None:
    (folder / "models" / "genes" / "000000.safetensors").unlink()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (change_metric, "metrics.tsv"),
        (change_version, "run.json: versions.numpy"),
        (change_vector, "embeddings.zarr: vectors/"),
        (change_page, "report.html"),
        (lose_a_gene, "models/genes/000000.safetensors: only in"),
    ],
)
def test_a_change_is_found_and_named(
    results: Path, copy: Path, change: Callable[[Path], None], name: str
) -> None:
    change(copy)
    (found,) = differences(results, copy)
    assert found.startswith(name)


def test_what_the_clock_says_is_no_difference(results: Path, copy: Path) -> None:
    path = copy / "summary.json"
    summary = json.loads(path.read_text())
    summary["wall_seconds"] = summary["embedding"]["seconds"] = 99.5
    path.write_text(json.dumps(summary))
    page = copy / "report.html"
    seconds = f"{json.loads((results / 'summary.json').read_text())['wall_seconds']:.1f} s"
    page.write_text(page.read_text().replace(f"The whole run took {seconds}", "The whole run took 3 min 1 s"))
    assert_same_results(results, copy)


def test_vectors_of_a_stopped_run_lie_in_other_parts(results: Path, copy: Path) -> None:
    part = next(path.parent.parent for path in copy.rglob("zarr.json") if path.parent.name == "embedding")
    digest, embedding = (np.asarray(zarr.open_array(part / name)[...]) for name in ("digest", "embedding"))
    for name, rows in (("a", slice(1)), ("b", slice(1, None))):
        group = zarr.create_group(part.parent / name)
        group.create_array("digest", data=digest[rows])
        group.create_array("embedding", data=embedding[rows])
    shutil.rmtree(part)
    assert_same_results(results, copy, resumed=True)

"""An estimator from a folder outside the package works in run, predict, explain and export."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from haploscribe.config.options import CohortOptions
from haploscribe.errors import InputError
from haploscribe.estimators.linear.elastic_net import ElasticNet
from haploscribe.estimators.registry import check_names, model_name, model_specs
from tests.fixtures.synthetic import Ridge as LocalRidge

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "ridge.py"
GENE = "ENSG00000183597.11"
PROGRAM = Path(sys.executable).with_name("haploscribe")


def command(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the program as a user does, in a folder."""
    line = [str(PROGRAM), *map(str, arguments)]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "workers",
    [("--jobs", 1), ("--dask", "local:2")],
    ids=["jobs", "dask"],
)
def test_an_estimator_of_the_current_folder_works_everywhere(
    example: CohortOptions, tmp_path: Path, workers: tuple[object, ...]
) -> None:
    shutil.copy(EXAMPLE, tmp_path / "my_ridge.py")
    files = ["--variants", example.variants, "--reference", example.reference]
    given = [*files, "--expression", example.expression, "--genes", GENE, "--window", 20_000, "--folds", 2]
    name = "my_ridge:Ridge(penalty=30.0)"
    done = command(tmp_path, "run", *given, "--models", f"{name},my_ridge:Ridge", *workers, "--out", "out")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "run.json").read_text())["options"]["models"] == [
        name,
        "my_ridge:Ridge",
    ]
    record = json.loads((tmp_path / "out" / "models" / "models.json").read_text())
    assert record["models"] == [
        {"name": name, "estimator": "my_ridge:Ridge", "parameters": {"penalty": 30.0}},
        {"name": "my_ridge:Ridge", "estimator": "my_ridge:Ridge", "parameters": {"penalty": 100.0}},
    ]

    predict = ["predict", "--models", "out/models", *files, *workers]
    done = command(tmp_path, *predict, "--out", "new.tsv")
    assert done.returncode == 0, done.stderr
    predicted = pl.read_csv(tmp_path / "new.tsv", separator="\t")
    assert set(predicted["model"]) == {name, "my_ridge:Ridge"}

    done = command(tmp_path, "explain", "--results", "out", "--gene", GENE, "--out", "why", *workers)
    assert done.returncode == 0, done.stderr
    effects = pl.read_csv(tmp_path / "why" / "variants.tsv", separator="\t")[f"effect_{name}"]
    assert effects.null_count() == 0

    export = ["export", "predictdb", "--results", "out", "--model", name, "--build", "b38", *workers]
    export += ["--keep-r2", 1]
    done = command(tmp_path, *export, "--min-r", 0, "--max-p", 1, "--out", "weights.db")
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(tmp_path / "weights.db") as database:
        rows = database.execute("SELECT weight FROM weights").fetchall()
    np.testing.assert_allclose(
        sorted(row[0] for row in rows), effects.filter(effects != 0).sort(), rtol=1e-12
    )

    (tmp_path / "my_ridge.py").unlink()
    shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
    done = command(tmp_path, *predict, "--out", "other.tsv")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("haploscribe: estimator my_ridge:Ridge: no module 'my_ridge' in")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("odd_")]:
        del sys.modules[name]


BASE = "from haploscribe.estimators.base import GeneEstimator\n"


@pytest.mark.parametrize(
    ("source", "named", "message"),
    [
        ("class Odd: pass\n", "Odd", "is no subclass of haploscribe.estimators.base.GeneEstimator"),
        (BASE + "class Odd(GeneEstimator):\n def fit(self, *_): return self\n", "Odd", "has no predict"),
        (BASE, "Missing", "has no 'Missing'"),
        ("raise ValueError('x')\n", "Odd", "cannot be imported (ValueError: x)"),
        (
            BASE + "class Odd(GeneEstimator):\n def __init__(self, a): pass\n fit = predict = None\n",
            "Odd",
            "cannot be made (TypeError",
        ),
        (
            BASE + "class Odd(GeneEstimator):\n def __init__(self, a=1): pass\n fit = predict = None\n",
            "Odd",
            "keep parameter 'a' as self.a",
        ),
        (BASE + "class Odd(GeneEstimator):\n fit = predict = None\n", "Odd(b=1)", "no parameter 'b'"),
        (BASE + "class Odd(GeneEstimator):\n fit = predict = None\n", "Odd(b=x)", "is no parameter"),
    ],
)
def test_a_plug_in_that_breaks_the_protocol_is_refused_before_any_work(
    folder: Path, source: str, named: str, message: str
) -> None:
    module = f"odd_{abs(hash((source, named)))}"
    (folder / f"{module}.py").write_text(source)
    with pytest.raises(InputError) as found:
        check_names((f"{module}:{named}",))
    assert message in str(found.value)
    assert len(str(found.value).splitlines()) == 1


def test_a_class_or_an_instance_becomes_a_name() -> None:
    assert model_name("blup") == "blup"
    assert model_name(ElasticNet) == "haploscribe.estimators.linear.elastic_net:ElasticNet"
    name = model_name(ElasticNet(alpha=0.2))
    assert name == "haploscribe.estimators.linear.elastic_net:ElasticNet(alpha=0.2)"
    assert model_name(LocalRidge(2.0)) == "tests.fixtures.synthetic:Ridge(penalty=2.0)"
    (spec,) = model_specs([name], seed=4).values()
    assert spec.parameters == {"alpha": 0.2, "n_folds": 10, "n_lambdas": 100, "seed": 4, "hard_calls": False}


def test_a_class_that_workers_cannot_import_is_refused() -> None:
    class Inner(LocalRidge):
        pass

    with pytest.raises(InputError, match=r"models: Inner is defined in .*put it in a file"):
        model_name(Inner())
    with pytest.raises(InputError, match="is no estimator"):
        model_name(3)

"""`run` with a zero-shot model among the others, on the bundled real people."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from haploscribe.cohort.cohort import open_cohort
from haploscribe.config.options import CohortOptions
from haploscribe.config.zero_shot import ZeroShotOptions
from haploscribe.errors import InputError
from haploscribe.evaluation.folds import make_folds
from haploscribe.zero_shot import predictions as predictions_module
from haploscribe.zero_shot.base import SingleSequenceModel
from haploscribe.zero_shot.predictions import (
    GenePredictions,
    TestTimeAugmentation,
    predict_gene,
    predict_genes,
)
from haploscribe.zero_shot.registry import read_models
from haploscribe.zero_shot.xpresso import read_xpresso
from tests.fixtures.command_line import inputs_of, run_cli
from tests.fixtures.xpresso_files import RandomXpresso
from tests.fixtures.zero_shot import scaled

GENES = ("ENSG00000128191.9", "ENSG00000099899.10")


def written(path: Path, seed: int = 0) -> Path:
    """Xpresso with random weights."""
    return RandomXpresso(seed).write(path)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("weights") / "xpresso.h5")


@pytest.fixture(scope="module")
def by_hand(
    example: CohortOptions, weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, GenePredictions]:
    """What the model says of each gene."""
    model = read_xpresso(weights)
    with open_cohort(example, tmp_path_factory.mktemp("index")) as cohort:
        return {
            gene.gene_id: predict_gene(model, cohort.genotypes, gene)
            for gene in cohort.genes
            if gene.gene_id in GENES
        }


class Runs:
    """Runs the command line on two genes, and reads what it left."""

    def __init__(self, example: CohortOptions, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.arguments = [
            "run",
            *inputs_of(example),
            "--genes",
            ",".join(GENES),
            "--force",
            "--out",
            str(out),
        ]
        self.out = out
        self.monkeypatch = monkeypatch

    def __call__(self, *options: object) -> tuple[pl.DataFrame, dict[str, dict[str, float]]]:
        assert run_cli(*self.arguments, *options, monkeypatch=self.monkeypatch) == 0
        summary = json.loads((self.out / "summary.json").read_text())
        return pl.read_parquet(self.out / "predictions.parquet"), summary["zero_shot"]


@pytest.fixture
def runs(example: CohortOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    return Runs(example, tmp_path / "out", monkeypatch)


def test_each_persons_prediction_is_the_models_and_a_second_run_predicts_nothing(
    runs: Runs, weights: Path, by_hand: dict[str, GenePredictions]
) -> None:
    options = ("--models", "blup,xpresso", "--xpresso", weights)
    predictions, cost = runs(*options, "--jobs", 1)
    sample_ids = sorted(predictions["sample_id"].unique())
    assert set(predictions["model"]) == {"blup", "xpresso"}
    for fold in make_folds(sample_ids, 5, seed=0):
        for gene_id, found in by_hand.items():
            rows = predictions.filter(gene_id=gene_id, model="xpresso", fold=fold.number)
            expected = scaled(found.samples, fold.training)[fold.test]
            np.testing.assert_allclose(rows["predicted"], expected, rtol=1e-9, atol=1e-9)
    passes = sum(found.forward_passes for found in by_hand.values())
    assert set(cost) == {"xpresso"}
    assert set(cost["xpresso"]) == {"forward_passes", "naive_forward_passes", "seconds"}
    assert cost["xpresso"]["forward_passes"] == passes
    assert cost["xpresso"]["naive_forward_passes"] == 2 * 2 * 358

    again, cost = runs(*options, "--jobs", 2)
    assert cost["xpresso"]["forward_passes"] == 0
    assert again.equals(predictions)


def test_other_weights_are_predicted_with_anew(runs: Runs, weights: Path, tmp_path: Path) -> None:
    options = ("--models", "xpresso", "--jobs", 1, "--xpresso")
    first, _ = runs(*options, weights)
    second, cost = runs(*options, written(tmp_path / "other.h5", seed=1))
    assert cost["xpresso"]["forward_passes"] > 0
    assert not second.equals(first)


def test_a_stopped_run_resumes_with_the_genes_not_predicted(
    runs: Runs, weights: Path, by_hand: dict[str, GenePredictions], monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []

    def stopping(*arguments: object) -> GenePredictions:
        if done:
            raise KeyboardInterrupt
        found = predict_gene(*arguments)  # type: ignore[arg-type]
        done.append(found.forward_passes)
        return found

    options = ("--models", "xpresso", "--xpresso", weights, "--jobs", 1)
    with monkeypatch.context() as patched:
        patched.setattr(predictions_module, "predict_gene", stopping)
        assert run_cli(*runs.arguments, *options, monkeypatch=patched) == 130
    _, cost = runs(*options)
    assert cost["xpresso"]["forward_passes"] + done[0] == sum(
        found.forward_passes for found in by_hand.values()
    )


class Watched(SingleSequenceModel):
    """A model that notes how many predictions the cache's file holds whenever it predicts."""

    name, upstream, downstream, strand_specific, logarithmic = "watched", 700, 300, True, False
    reading = ""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.held: list[int] = []

    def predict_one(self, sequence: bytes, *, reverse_complement: bool) -> float:
        self.held.append(pl.read_parquet(self.cache).height if self.cache.exists() else 0)
        return float(sequence.count(b"G"))


def test_a_killed_job_has_kept_the_genes_before(example: CohortOptions, tmp_path: Path) -> None:
    model = Watched(tmp_path / "known.parquet")
    with open_cohort(example, tmp_path / "index") as cohort:
        genes = [gene for gene in cohort.genes if gene.gene_id in GENES]
        first, second = (predict_gene(model, cohort.genotypes, gene).forward_passes for gene in genes)
        model.held.clear()
        predict_genes(
            model,
            cohort.genotypes,
            genes,
            TestTimeAugmentation(),
            model.cache,
            lambda _: None,
            save_every=0.0,
        )
    assert model.held == [0] * first + [first] * second


def test_the_config_file_gives_the_weights(runs: Runs, weights: Path, tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text(f'models = ["xpresso"]\nxpresso = "{weights}"\njobs = 1\n')
    assert set(runs("--config", config)[0]["model"]) == {"xpresso"}


def test_no_zero_shot_model_reads_nothing() -> None:
    assert read_models(["blup"], ZeroShotOptions(), "cpu") == []


def test_weights_of_another_network_are_refused_before_any_work(tmp_path: Path) -> None:
    other = RandomXpresso()
    other.layers.pop()
    with pytest.raises(InputError, match="is not the published Xpresso"):
        read_models(["xpresso"], ZeroShotOptions(xpresso=other.write(tmp_path / "model.h5")), "cpu")

"""`run` with models that learn from all genes together, at trained and at unseen genes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.evaluation.cross_validation import evaluate
from haploscribe.expression.table import read_expression
from haploscribe.results.tables import read_predictions
from haploscribe.workflows.run import held_out
from haploscribe.workflows.run.workflow import run
from haploscribe.workflows.validate import UNFINISHED_NAME
from tests.fixtures.cohorts import expression_with
from tests.fixtures.command_line import inputs_of, run_cli
from tests.fixtures.xpresso_files import RandomXpresso

GENES = ("ENSG00000183597.11", "ENSG00000099899.10", "ENSG00000185252.13", "ENSG00000099937.6")
"""Along the chromosome, at least 100 kb from each other."""


@pytest.fixture
def apart(example: CohortOptions) -> CohortOptions:
    return replace(example, genes=",".join(GENES), window=12_000)


def predictions_of(
    cohort: CohortOptions,
    out: Path,
    *,
    models: tuple[str, ...] = ("transformer-all",),
    gene_split: int | None = 2,
    jobs: int = 1,
) -> pl.DataFrame:
    evaluation = EvaluationOptions(models=models, folds=2, gene_split=gene_split)
    run(cohort, BackboneOptions("kmer"), evaluation, out, worker_options=WorkerOptions(jobs))
    return read_predictions(out)


def test_unseen_genes_are_predicted_once_in_every_held_out_person(
    apart: CohortOptions, tmp_path: Path
) -> None:
    predictions = predictions_of(apart, tmp_path / "out")
    people = sorted(read_expression(apart.expression).sample_ids)
    for (_, _), rows in predictions.group_by("gene_id", "model"):
        assert sorted(rows["sample_id"].to_list()) == people
    assert set(predictions["gene_id"]) == set(GENES)
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["options"]["gene_split"] == 2
    assert "at unseen genes" in (tmp_path / "out" / "report.html").read_text()


def test_a_held_out_genes_expression_changes_no_prediction_of_it(
    apart: CohortOptions, tmp_path: Path
) -> None:
    table = read_expression(apart.expression)
    samples = list(table.sample_ids)
    number = [gene.gene_id for gene in table.genes].index(GENES[0])
    changed = table.values.copy()
    changed[number] = np.random.default_rng(0).permutation(changed[number])
    frames = []
    for name, values in (("before", table.values), ("after", changed)):
        expression = expression_with(apart, tmp_path / f"{name}.parquet", values, samples)
        predictions = predictions_of(replace(apart, expression=expression), tmp_path / name)
        frames.append(predictions.filter(pl.col("gene_id") == GENES[0]).drop("observed"))
    assert frames[0].equals(frames[1])


def test_models_of_one_gene_and_of_all_genes_share_people_and_tables(
    apart: CohortOptions, tmp_path: Path
) -> None:
    models = ("transformer-all", "blup")
    predictions = predictions_of(apart, tmp_path / "both", models=models, gene_split=None)
    blup, shared = (predictions.filter(pl.col("model") == model) for model in ("blup", "transformer-all"))
    keys = ["gene_id", "sample_id", "fold", "observed"]
    assert blup.select(keys).equals(shared.select(keys))
    alone = predictions_of(apart, tmp_path / "alone", models=("blup",), gene_split=None)
    assert alone.equals(blup)
    assert "at genes that the models were trained on" in (tmp_path / "both" / "report.html").read_text()


@pytest.mark.slow
def test_a_stopped_run_goes_on_with_the_fits_not_done(
    apart: CohortOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = predictions_of(apart, tmp_path / "whole", jobs=2)
    done: list[tuple[int, int]] = []

    def counting(genes, block, folds, *rest):  # type: ignore[no-untyped-def]
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append((folds[0].number, block.number))
        return evaluate(genes, block, folds, *rest)

    monkeypatch.setattr(held_out, "evaluate", counting)
    with pytest.raises(KeyboardInterrupt):
        predictions_of(apart, tmp_path / "out")
    assert not (tmp_path / "out" / "summary.json").exists()
    first, done = done, []
    assert predictions_of(apart, tmp_path / "out").equals(whole)
    assert sorted(first + done) == [(fold, block) for fold in (1, 2) for block in (1, 2)]
    assert not (tmp_path / "out" / UNFINISHED_NAME).exists()


@pytest.mark.slow
def test_a_zero_shot_model_may_stand_beside(
    apart: CohortOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = RandomXpresso().write(tmp_path / "x.h5")
    arguments: list[object] = [
        "run",
        *inputs_of(apart),
        "--genes",
        apart.genes,
        "--window",
        30_000,
        "--backbone",
        "kmer",
    ]
    arguments += ["--models", "xpresso,transformer-all", "--xpresso", weights, "--jobs", 1]
    arguments += ["--folds", 2, "--gene-split", 4, "--out", tmp_path / "out"]
    assert run_cli(*arguments, monkeypatch=monkeypatch) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert {model: found["n_genes"] for model, found in summary["models"].items()} == {
        "xpresso": 4,
        "transformer-all": 4,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            "--models elastic-net,transformer-all --gene-split 2",
            "--gene-split: elastic-net learns a gene from",
        ),
        ("--models transformer-all --gene-split 1", "--gene-split 1: give 2 splits or more"),
        ("--models transformer-all --gene-split 5", "no more than genes (4)"),
        ("--models transformer-all --gene-split 2 --window 3000000", "none is left to train on"),
    ],
)
def test_a_split_that_cannot_be_is_refused_in_one_line(
    apart: CohortOptions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: str,
    message: str,
) -> None:
    out = tmp_path / "out"
    arguments = ["run", *inputs_of(apart), "--genes", apart.genes, "--backbone", "kmer", "--out", out]
    assert run_cli(*arguments, *options.split(), monkeypatch=monkeypatch) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert message in line
    assert not out.exists()

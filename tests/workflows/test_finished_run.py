"""A finished run opened again has the genes of that run, and its models are asked as `explain` asks them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from haploscribe.config.finished_runs import ExplanationOptions
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.expression.table import read_expression
from haploscribe.parallel.open import open_executor
from haploscribe.workflows.explain import observed_effects
from haploscribe.workflows.finished_run import FinishedRun, RunFolder, finished_run
from haploscribe.workflows.run.workflow import run
from tests.fixtures.explained import explain_into

ALONE = WorkerOptions(1)


@pytest.fixture(scope="module")
def named(example: CohortOptions) -> list[str]:
    """Two of the table's genes."""
    return [gene.gene_id for gene in read_expression(example.expression).genes[:2]]


@pytest.fixture(scope="module")
def results(example: CohortOptions, named: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reopened") / "results"
    cohort = replace(example, genes=",".join(named))
    run(cohort, BackboneOptions(), EvaluationOptions(models=("blup",), folds=2), out, worker_options=ALONE)
    return out


@pytest.fixture
def opened(results: Path, tmp_path: Path) -> Iterator[FinishedRun]:
    with (
        open_executor(ALONE) as executor,
        finished_run(RunFolder.read(results), executor, tmp_path / "work", genes=None, models=None) as found,
    ):
        yield found


def test_all_genes_are_those_of_the_run_not_of_its_table(opened: FinishedRun, named: list[str]) -> None:
    assert [gene.gene_id for gene in opened.cohort.genes] == named


def test_each_gene_has_the_effects_that_explain_writes(
    opened: FinishedRun, results: Path, tmp_path: Path
) -> None:
    gene = opened.cohort.genes[1]
    names, effects = observed_effects(opened, gene, 1)
    explained = explain_into(ExplanationOptions(results, gene.gene_id), ALONE, tmp_path / "explained")
    np.testing.assert_array_equal(effects["blup"], explained.effects["blup"])
    np.testing.assert_array_equal(names.positions, explained.names.positions)

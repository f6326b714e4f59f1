"""What genes share is computed once, from fitted samples, and read back as it was."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from haploscribe.config.options import CohortOptions, EvaluationOptions
from haploscribe.estimators.cross_gene.heterogeneity import Heterogeneity
from haploscribe.evaluation.folds import prepare_fold
from haploscribe.parallel.executor import Executor
from haploscribe.workflows.run.cross_gene import learn_across_genes
from haploscribe.workflows.validate import validated_cohort
from haploscribe.workflows.work import WorkContext


@pytest.fixture
def context(example: CohortOptions, tmp_path: Path) -> Iterator[WorkContext]:
    options = replace(example, genes="ENSG00000128191.9,ENSG00000099899.10")
    with validated_cohort(options, Executor(1), tmp_path / "inputs") as validated:
        evaluation = EvaluationOptions(models=("susie",), folds=2)
        yield WorkContext(replace(validated.spec, evaluation=evaluation, folder=tmp_path / "work"))


def test_heterogeneity_is_that_of_all_genes_in_fitted_samples(context: WorkContext) -> None:
    learn_across_genes(context, Executor(1), lambda _: None)
    cohort = context.cohort
    assert cohort.covariates is not None
    for fold in context.fits:
        found = Heterogeneity.open(context.cross_gene_folder("heterogeneity", fold))
        prepared = [
            prepare_fold(values, cohort.covariates, fold, "inverse-normal")
            for values in cohort.all_genes.values
        ]
        expected = Heterogeneity.of(np.stack(prepared)[:, fold.fitted], cohort.covariates[fold.fitted], None)
        for name in ("fixed", "genes", "shared", "factors"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), strict=True)


def test_a_stopped_run_computes_nothing_again(context: WorkContext) -> None:
    learn_across_genes(context, Executor(1), lambda _: None)
    written = {path: path.stat().st_mtime_ns for path in context.spec.folder.rglob("*")}
    done: list[float] = []
    learn_across_genes(context, Executor(1), done.append)
    assert done == [2]
    assert {path: path.stat().st_mtime_ns for path in context.spec.folder.rglob("*")} == written

"""What genes share is worked out once and read back as it was."""

from pathlib import Path

import numpy as np
import pytest

from haploscribe.cohort.cohort import open_cohort
from haploscribe.config.options import CohortOptions
from haploscribe.estimators.cross_gene.heterogeneity import Heterogeneity
from haploscribe.evaluation.folds import make_folds, prepare_fold
from haploscribe.workflows.run.cross_gene import read_heterogeneity, write_heterogeneity


def test_it_reads_back_as_worked_out_from_fitted_samples(example: CohortOptions, tmp_path: Path) -> None:
    with open_cohort(example, tmp_path) as cohort:
        fold = make_folds(cohort.match.shared, 3, seed=0)[1]
        write_heterogeneity(tmp_path / "h", cohort, fold, "inverse-normal")
        found = read_heterogeneity(tmp_path / "h")
        assert cohort.covariates is not None
        prepared = [
            prepare_fold(values, cohort.covariates, fold, "inverse-normal") for values in cohort.values
        ]
        expected = Heterogeneity.of(np.stack(prepared)[:, fold.fitted], cohort.covariates[fold.fitted], None)
    for name in ("fixed", "genes", "shared", "factors"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), strict=True)


def test_it_is_not_worked_out_again(
    example: CohortOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_cohort(example, tmp_path) as cohort:
        fold = make_folds(cohort.match.shared, 3, seed=0)[0]
        write_heterogeneity(tmp_path / "h", cohort, fold, "inverse-normal")
        monkeypatch.setattr(Heterogeneity, "of", None)
        write_heterogeneity(tmp_path / "h", cohort, fold, "inverse-normal")

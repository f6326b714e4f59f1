"""What all genes share in each fold, worked out once; every worker reads the same pages of memory."""

from pathlib import Path

import numpy as np

from haploscribe.atomic import written_once
from haploscribe.cohort import Cohort
from haploscribe.config.options import Normalisation
from haploscribe.estimators.heterogeneity import Heterogeneity
from haploscribe.evaluation.folds import Fold, prepare_fold

_NAMES = ("fixed", "genes", "factors", "shared")


def write_heterogeneity(folder: Path, cohort: Cohort, fold: Fold, normalisation: Normalisation) -> None:
    """Leave what all genes of the expression table share in a fold's training and validation samples.

    Parameters
    ----------
    folder
        Made, unless it is there from an earlier, stopped run.
    cohort
        The cohort.
    fold
        The fold.
    normalisation
        How to normalise expression.
    """
    if folder.is_dir():
        return
    fitted = fold.fitted
    prepared = (
        prepare_fold(values, cohort.covariates, fold, normalisation)[fitted]
        for values in cohort.all_genes.values
    )
    shared = Heterogeneity.of(
        np.stack(list(prepared)),
        None if cohort.covariates is None else cohort.covariates[fitted],
        None if cohort.hidden_factors is None else cohort.hidden_factors[fitted],
    )
    with written_once(folder) as aside:
        aside.mkdir()
        for name in _NAMES:
            np.save(aside / f"{name}.npy", getattr(shared, name), allow_pickle=False)


def read_heterogeneity(folder: Path) -> Heterogeneity:
    """Map what `write_heterogeneity` left into memory: processes of one machine share it."""
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in _NAMES}
    return Heterogeneity(**arrays)

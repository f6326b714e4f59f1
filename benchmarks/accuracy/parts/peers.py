"""Compare with models that others wrote: R's glmnet and susieR, GEMMA, and FUSION's choice among such models.

All are fitted on the training samples that ours are fitted on, with the same dosages of the cis window and
the same prepared expression, and predict the same held-out samples. Needs R with glmnet and susieR, and
GEMMA.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.accuracy.parts.part import Setting, Table, model_rows, summarised, table
from benchmarks.accuracy.peer_models import (
    PeerFold,
    blup_predictions,
    choose_model,
    gemma_version,
    r_predictions,
    r_versions,
)
from haploscribe.config.options import EvaluationOptions
from haploscribe.errors import InputError
from haploscribe.evaluation.cross_validation import GeneDataset, prediction_rows
from haploscribe.evaluation.folds import Fold
from haploscribe.evaluation.metrics import gene_metrics
from haploscribe.expression.genes import Gene
from haploscribe.parallel.executor import Executor, map_to_files
from haploscribe.results.tables import scan_predictions
from haploscribe.utils.files import atomic_write
from haploscribe.utils.progress import stage
from haploscribe.utils.types import Float64Array
from haploscribe.workflows.validate import validated_cohort
from haploscribe.workflows.work import WorkContext

EVERY = 5
"""Every fifth of the cohort's genes is taken."""
N_PENALTY, N_CHOICE = 10, 5
"""Inner folds that choose a penalty, and those that choose among models."""

OURS = ("elastic-net", "lasso", "blup", "blup-distance", "susie", "adaptive-shrinkage", "ensemble")
BLUP, CHOSEN = "gemma-blup", "best-of"
COUNTERPARTS = {
    "glmnet": "elastic-net",
    "glmnet-lasso": "lasso",
    "susieR": "susie",
    BLUP: "blup",
    CHOSEN: "ensemble",
}
"""The model of ours that each is compared with."""

FitPeers = Callable[[WorkContext, int, Path], None]
"""Fits models of others to one gene in every fold, and writes their predictions."""


def tables(setting: Setting) -> list[Table]:
    """Run, and return a table."""
    versions = f"{r_versions()}, {gemma_version()}"
    rows = rows_beside_ours(setting, EVERY, {"quick": fit_quick}, COUNTERPARTS)
    return [table("Models that others wrote", f"{_QUICK} {versions}.", rows)]


def rows_beside_ours(
    setting: Setting, every: int, fits: Mapping[str, FitPeers], counterparts: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Fit models of others at some genes, and return the rows of a table of these and ours.

    Parameters
    ----------
    setting
        Of the part.
    every
        Take every N-th gene only, or fewer.
    fits
        By the name of the folder of their predictions.
    counterparts
        The model of ours that each is compared with.
    """
    theirs, n_variants, genes = their_predictions(replace(setting, every=max(setting.every, every)), fits)
    setting.results(EvaluationOptions(models=OURS), "results")
    ours = scan_predictions(setting.out / "results").filter(pl.col("gene_id").is_in(list(n_variants)))
    require_same_folds(ours.collect(), theirs)
    metrics = gene_metrics(pl.concat([ours.collect(), theirs]), n_variants)
    return model_rows(summarised(metrics, genes), counterparts)


_QUICK = (
    f"`glmnet`: R's `cv.glmnet`, α .5, {N_PENALTY} inner folds, `lambda.min`, as PredictDB has it; "
    "`glmnet-lasso`: α 1. `susieR`: `susie`, L 10, defaults otherwise. `top1`: regression on the variant of "
    f"the largest r². `{BLUP}`: GEMMA's `-bslmm 2`, which FUSION takes for BLUP. `{CHOSEN}`: of these five, "
    f"in each fold, the one whose predictions have the largest r² in a cross-validation of {N_CHOICE} folds "
    "among the training samples. FUSION chooses so, but its lasso is PLINK's, and SuSiE is not among its "
    "models. Each is compared with ours of its kind, the choice with the best of ours, `ensemble`. All know "
    "the gene's own training samples alone; some of ours use other genes, all of the cohort."
)


def their_predictions(
    setting: Setting, fits: Mapping[str, FitPeers]
) -> tuple[pl.DataFrame, dict[str, int], Sequence[Gene]]:
    """Fit the models of others; return predictions, the number of variants by gene, and the genes.

    There is a file per gene and entry of `fits`; those that are there are not fitted again.

    Raises
    ------
    RuntimeError
        When another program fails; with its message.
    """
    executor, files = Executor(setting.jobs), []
    with validated_cohort(setting.cohort(), executor, setting.out) as validated:
        cohort = validated.cached
        ids = [gene.gene_id for gene in cohort.genes]
        spec = replace(validated.spec, folder=setting.out, evaluation=EvaluationOptions(models=OURS))
        context = WorkContext(spec, cohort=cohort)
        for name, fit in fits.items():
            items = [
                (setting.out / name / f"{gene_id}.parquet", number) for number, gene_id in enumerate(ids)
            ]
            with stage(f"Fitting models that others wrote: {name}", len(items), "genes") as advance:
                map_to_files(executor, spec, fit, items, advance, context)
            files += [path for path, _ in items]
        n_variants = dict(zip(ids, validated.scan.n_variants.tolist(), strict=True))
    spent = sum(float(pl.read_parquet_metadata(file)["seconds"]) for file in files)
    setting.spent.wall += spent / setting.jobs
    return pl.concat([pl.read_parquet(file) for file in files]), n_variants, cohort.genes


def fit_quick(context: WorkContext, number: int, path: Path) -> None:
    """Fit the models to one gene in every fold, and write their predictions."""
    started = time.monotonic()
    dataset = context.dataset()
    folds = [peer_fold(dataset, number, fold) for fold in context.folds]
    found = r_predictions(folds)
    tables = []
    for fold, given, by_model in zip(context.folds, folds, found, strict=True):
        by_model[BLUP] = blup_predictions(given)
        by_model[CHOSEN] = by_model[choose_model(given.expression, by_model)]
        tables += [rows_of(dataset, number, fold, model, one.tested) for model, one in by_model.items()]
    write_timed(path, tables, started)


def peer_fold(dataset: GeneDataset, number: int, fold: Fold) -> PeerFold:
    """Return what models are given of one gene in a fold; inner folds are drawn anew in each."""
    n_training = len(fold.fitted)
    draw = np.random.default_rng(fold.number).permutation
    return PeerFold(
        dosages=dataset.samples_of(number, fold, fold.fitted).dosages.astype(np.float64),
        expression=dataset.prepared(number, fold)[fold.fitted],
        tested=dataset.samples_of(number, fold, fold.test).dosages.astype(np.float64),
        penalty=draw(np.arange(n_training) % N_PENALTY) + 1,
        choice=draw(np.arange(n_training) % N_CHOICE) + 1,
    )


def require_same_folds(ours: pl.DataFrame, theirs: pl.DataFrame) -> None:
    """Raise InputError unless samples are in the same folds in both, with the same expression."""
    key = ["gene_id", "sample_id", "fold"]
    expected = ours.filter(model=OURS[0]).select(*key, expected="observed")
    joined = theirs.join(expected, on=key, how="left")
    if not np.allclose(joined["observed"], joined["expected"].fill_null(np.nan)):
        raise InputError("the predictions of our models are of other folds or covariates; give another --out")


def rows_of(
    dataset: GeneDataset, number: int, fold: Fold, model: str, predicted: Float64Array
) -> pl.DataFrame:
    """Return what a model predicts for a gene's test samples as rows of predictions."""
    inputs = dataset.samples_of(number, fold, fold.test)
    return prediction_rows(inputs, fold, model, dataset.prepared(number, fold)[fold.test], predicted)


def write_timed(path: Path, tables: Sequence[pl.DataFrame], started: float) -> None:
    """Write predictions, and the seconds since `started` beside them."""
    with atomic_write(path) as aside:
        pl.concat(tables).write_parquet(aside, metadata={"seconds": str(time.monotonic() - started)})

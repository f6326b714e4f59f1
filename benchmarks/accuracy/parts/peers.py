"""Compare with models that others wrote: R's glmnet and susieR, GEMMA, and FUSION's choice among such models.

All are fitted on the training samples that ours are fitted on, with the same dosages of the cis window and
the same prepared expression, and predict the same held-out samples. Needs R with glmnet and susieR, and
GEMMA.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.accuracy.parts.part import Setting, Table, model_rows, summarised, table
from benchmarks.accuracy.peer_models import (
    Chain,
    PeerFold,
    blup_predictions,
    choose_model,
    gemma_predictions,
    peer_versions,
    r_predictions,
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

EVERY, EVERY_BSLMM = 5, 15
"""Which of the cohort's genes are taken: every fifth, and for BSLMM, which takes longer, every fifteenth."""
CHAINS = tuple(Chain(warm_up=20_000, sampling=100_000, seed=seed) for seed in (1, 2))
N_PENALTY, N_CHOICE = 10, 5
"""Inner folds that choose a penalty, and those that choose among models."""

OURS = ("elastic-net", "lasso", "blup", "blup-distance", "susie", "adaptive-shrinkage", "ensemble")
BLUP, CHOSEN = "gemma-blup", "best-of"
BSLMM = {chain: f"gemma-bslmm, seed {chain.seed}" for chain in CHAINS}
COUNTERPARTS = {
    "glmnet": "elastic-net",
    "glmnet-lasso": "lasso",
    "susieR": "susie",
    BLUP: "blup",
    CHOSEN: "ensemble",
    **dict.fromkeys(BSLMM.values(), "ensemble"),
}
"""The model of ours that each is compared with."""


def tables(setting: Setting) -> list[Table]:
    """Run, and return a table with the quick models and one with BSLMM, which has fewer genes."""
    versions = peer_versions()
    theirs, n_variants, genes = their_predictions(replace(setting, every=max(setting.every, EVERY)))
    ours = our_predictions(setting, list(n_variants))
    require_same_folds(ours, theirs)
    metrics = gene_metrics(pl.concat([ours, theirs]), n_variants)
    slow = pl.col("model").is_in(BSLMM.values())
    fewer = metrics.filter(pl.col("gene_id").is_in(metrics.filter(slow)["gene_id"].implode()))
    rows = model_rows(summarised(fewer, genes), COUNTERPARTS)
    first, second = (row["mean_r"] for row in rows if row["model"] in BSLMM.values())
    return [
        table(
            "Quick models",
            f"{_QUICK} {versions}.",
            model_rows(summarised(metrics.filter(~slow), genes), COUNTERPARTS),
        ),
        table(
            "GEMMA's BSLMM, on fewer genes",
            f"{_SLOW} Mean r of the two seeds is {abs(first - second):.4f} apart.",
            rows,
        ),
    ]


_QUICK = (
    f"`glmnet`: R's `cv.glmnet`, α .5, {N_PENALTY} inner folds, `lambda.min`, as PredictDB has it; "
    "`glmnet-lasso`: α 1. `susieR`: `susie`, L 10, defaults otherwise. `top1`: regression on the variant of "
    f"the largest r². `{BLUP}`: GEMMA's `-bslmm 2`, which FUSION takes for BLUP. `{CHOSEN}`: of these five, "
    f"in each fold, the one whose predictions have the largest r² in a cross-validation of {N_CHOICE} folds "
    "among the training samples. FUSION chooses so, but its lasso is PLINK's, and SuSiE is not among its "
    "models. Each is compared with ours of its kind, the choice with the best of ours, `ensemble`. All know "
    "the gene's own training samples alone; some of ours use other genes, all of the cohort."
)
_SLOW = (
    f"`-bslmm 1`, {CHAINS[0].sampling:,} iterations after {CHAINS[0].warm_up:,} left out, two seeds, "
    "defaults otherwise, no variant filtered out; a variant's effect is α + βγ. Compared with the best of "
    "ours, `ensemble`. The others as above."
)


def their_predictions(setting: Setting) -> tuple[pl.DataFrame, dict[str, int], Sequence[Gene]]:
    """Fit the models of others; return predictions, the number of variants by gene, and the genes.

    There is a file per gene, and for BSLMM one per gene and seed; those that are there are not fitted again.

    Raises
    ------
    RuntimeError
        When another program fails; with its message.
    """
    executor = Executor(setting.jobs)
    with validated_cohort(setting.cohort(), executor, setting.out) as validated:
        cohort = validated.cached
        ids = [gene.gene_id for gene in cohort.genes]
        spec = replace(validated.spec, folder=setting.out, evaluation=EvaluationOptions(models=OURS))
        context = WorkContext(spec, cohort=cohort)
        quick = [(setting.out / "quick" / f"{gene_id}.parquet", number) for number, gene_id in enumerate(ids)]
        fewer = range(0, len(ids), max(1, EVERY_BSLMM // setting.every))
        slow = [
            (setting.out / chain.name / f"{ids[number]}.parquet", (number, chain))
            for number in fewer
            for chain in CHAINS
        ]
        with stage("Fitting models that others wrote", len(quick), "genes") as advance:
            map_to_files(executor, spec, fit_quick, quick, advance, context)
        with stage("Fitting GEMMA's BSLMM", len(slow), "genes and seeds") as advance:
            map_to_files(executor, spec, fit_bslmm, slow, advance, context)
        n_variants = dict(zip(ids, validated.scan.n_variants.tolist(), strict=True))
    files = [path for path, _ in [*quick, *slow]]
    spent = sum(float(pl.read_parquet_metadata(file)["seconds"]) for file in files)
    setting.spent.wall += spent / setting.jobs
    return pl.concat([pl.read_parquet(file) for file in files]), n_variants, cohort.genes


def fit_quick(context: WorkContext, number: int, path: Path) -> None:
    """Fit all but BSLMM to one gene in every fold, and write their predictions."""
    started = time.monotonic()
    dataset = context.dataset()
    folds = [peer_fold(dataset, number, fold) for fold in context.folds]
    found = r_predictions(folds)
    tables = []
    for fold, given, by_model in zip(context.folds, folds, found, strict=True):
        by_model[BLUP] = blup_predictions(given)
        by_model[CHOSEN] = by_model[choose_model(given.expression, by_model)]
        tables += [_rows_of(dataset, number, fold, model, one.tested) for model, one in by_model.items()]
    _write(path, tables, started)


def fit_bslmm(context: WorkContext, item: tuple[int, Chain], path: Path) -> None:
    """Fit BSLMM to one gene in every fold, with one chain each, and write its predictions."""
    started = time.monotonic()
    number, chain = item
    dataset, tables = context.dataset(), []
    for fold in context.folds:
        given = peer_fold(dataset, number, fold)
        predicted = gemma_predictions(given.dosages, given.expression, given.tested, chain)
        tables.append(_rows_of(dataset, number, fold, BSLMM[chain], predicted))
    _write(path, tables, started)


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


def our_predictions(setting: Setting, gene_ids: Sequence[str]) -> pl.DataFrame:
    """Run our models on all genes of the cohort, and return their predictions of some genes."""
    setting.results(EvaluationOptions(models=OURS), "results")
    return scan_predictions(setting.out / "results").filter(pl.col("gene_id").is_in(gene_ids)).collect()


def require_same_folds(ours: pl.DataFrame, theirs: pl.DataFrame) -> None:
    """Raise InputError unless samples are in the same folds in both, with the same expression."""
    key = ["gene_id", "sample_id", "fold"]
    expected = ours.filter(model=OURS[0]).select(*key, expected="observed")
    joined = theirs.join(expected, on=key, how="left")
    if not np.allclose(joined["observed"], joined["expected"].fill_null(np.nan)):
        raise InputError("the predictions of our models are of other folds or covariates; give another --out")


def _rows_of(
    dataset: GeneDataset, number: int, fold: Fold, model: str, predicted: Float64Array
) -> pl.DataFrame:
    inputs = dataset.samples_of(number, fold, fold.test)
    return prediction_rows(inputs, fold, model, dataset.prepared(number, fold)[fold.test], predicted)


def _write(path: Path, tables: Sequence[pl.DataFrame], started: float) -> None:
    """Write predictions, and the seconds since `started` beside them."""
    with atomic_write(path) as aside:
        pl.concat(tables).write_parquet(aside, metadata={"seconds": str(time.monotonic() - started)})

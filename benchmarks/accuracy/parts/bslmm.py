"""Compare with GEMMA's BSLMM, on the folds and inputs of the part `peers`. Needs GEMMA."""

import time
from functools import partial
from pathlib import Path

from benchmarks.accuracy.parts.part import Setting, Table, table
from benchmarks.accuracy.parts.peers import peer_fold, rows_beside_ours, rows_of, write_timed
from benchmarks.accuracy.peer_models import Chain, gemma_predictions, gemma_version
from haploscribe.workflows.work import WorkContext

EVERY = 15
"""Every fifteenth of the cohort's genes is taken: a gene takes minutes."""
CHAINS = tuple(Chain(warm_up=20_000, sampling=100_000, seed=seed) for seed in (1, 2))
BSLMM = {chain: f"gemma-bslmm, seed {chain.seed}" for chain in CHAINS}

_TEXT = (
    f"`-bslmm 1`, {CHAINS[0].sampling:,} iterations after {CHAINS[0].warm_up:,} left out, two seeds, "
    "defaults otherwise, no variant filtered out; a variant's effect is α + βγ. Compared with the best of "
    "ours, `ensemble`; some of ours use other genes, all of the cohort."
)


def tables(setting: Setting) -> list[Table]:
    """Run, and return a table."""
    version = gemma_version()
    fits = {chain.name: partial(fit_bslmm, chain=chain) for chain in CHAINS}
    rows = rows_beside_ours(setting, EVERY, fits, dict.fromkeys(BSLMM.values(), "ensemble"))
    first, second = (row["mean_r"] for row in rows if row["model"] in BSLMM.values())
    apart = f"Mean r of the two seeds is {abs(first - second):.4f} apart."
    return [table("GEMMA's BSLMM", f"{_TEXT} {apart} {version}.", rows)]


def fit_bslmm(context: WorkContext, number: int, path: Path, chain: Chain) -> None:
    """Fit BSLMM to one gene in every fold, with one chain each, and write its predictions."""
    started = time.monotonic()
    dataset, found = context.dataset(), []
    for fold in context.folds:
        given = peer_fold(dataset, number, fold)
        predicted = gemma_predictions(given.dosages, given.expression, given.tested, chain)
        found.append(rows_of(dataset, number, fold, BSLMM[chain], predicted))
    write_timed(path, found, started)

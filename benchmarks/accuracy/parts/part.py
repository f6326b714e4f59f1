"""What a part of the benchmark `accuracy` is given, and the rows that its tables have."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.common.cohort import NANO_TILE, benchmark_cohort
from benchmarks.common.measuring import Seconds
from benchmarks.common.options import RESULTS
from haploscribe.config.options import (
    DEFAULT_BACKBONE,
    BackboneOptions,
    CohortOptions,
    EvaluationOptions,
    WorkerOptions,
)
from haploscribe.config.zero_shot import ZeroShotOptions
from haploscribe.evaluation.bootstrap import genome_order
from haploscribe.evaluation.metrics import summarise_models
from haploscribe.evaluation.paired import compare_models
from haploscribe.expression.genes import Gene
from haploscribe.results.tables import Results, Summary
from haploscribe.workflows.run.workflow import run

FILTER_R, FILTER_P = 0.1, 0.05
"""PredictDB keeps the genes that a model predicts with a larger mean r and a smaller p."""

Table = dict[str, Any]
"""A title, a text, and rows: each the values of its columns by name."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What every part is given.

    Attributes
    ----------
    source
        Folder of the benchmark cohort.
    out
        Working folder of the part; what is finished there is not run again.
    every
        Take every N-th gene only.
    jobs
        Processes.
    xpresso
        Weights of the zero-shot model; None to leave it out.
    annotations
        `NAME=FILE`, the first of the cells of the cohort, the others of others.
    examples
        Folder of the study's example files, for part `other_genes`.
    genvarloader
        Python of an environment that has GenVarLoader, for part `speed`.
    pages
        Folder of the pages that part `speed` writes.
    spent
        Time of all runs so far; that of a resumable run as it measured it itself.
    """

    source: Path
    out: Path
    every: int = 1
    jobs: int = 1
    xpresso: Path | None = None
    annotations: tuple[str, ...] = ()
    examples: Path | None = None
    genvarloader: Path | None = None
    pages: Path = RESULTS
    spent: Seconds = field(default_factory=Seconds)

    def cohort(self) -> CohortOptions:
        """Return the options of the benchmark cohort; all backbones have the tiles of `nano`."""
        return benchmark_cohort(self.source, self.out, every=self.every, tile=NANO_TILE)

    def results(
        self,
        evaluation: EvaluationOptions,
        folder: str = "",
        *,
        backbone: str = DEFAULT_BACKBONE,
        cohort: CohortOptions | None = None,
    ) -> Results:
        """Run models; one embedding store, beside the folders of the parts, serves all of them.

        Parameters
        ----------
        evaluation
            The models, and how they are evaluated.
        folder
            Folder of the results, in `out`.
        backbone
            What embeds the tiles.
        cohort
            None for the benchmark cohort.
        """
        results = run(
            self.cohort() if cohort is None else cohort,
            BackboneOptions(backbone=backbone),
            evaluation,
            self.out / folder,
            self.out.parent / "embeddings.zarr",
            ZeroShotOptions(xpresso=self.xpresso if "xpresso" in evaluation.models else None),
            WorkerOptions(self.jobs),
        )
        self.spent.wall += results.summary["wall_seconds"]
        return results


Part = Callable[[Setting], list[Table]]


def table(title: str, text: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Make a table; `text` stands above it."""
    return {"title": title, "text": text, "rows": [dict(row) for row in rows]}


def summarised(metrics: pl.DataFrame, genes: Iterable[Gene]) -> Results:
    """Compare and summarise models as a run does, given their metrics and at least the genes of these."""
    measured = set(metrics["gene_id"])
    order = genome_order([gene for gene in genes if gene.gene_id in measured])
    summary = Summary(models=summarise_models(metrics, order), embedding=None, wall_seconds=0.0)
    return Results(metrics, compare_models(metrics, order), summary, {})


def model_rows(
    results: Results, against: Mapping[str, str] | str, models: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """Return a row per model, best mean r first.

    Parameters
    ----------
    results
        Of a run.
    against
        The model that each is compared with; one name for all.
    models
        Those to have a row; None for all.

    Returns
    -------
    `model`; `genes`; `mean_r`, and its standard `error` over genes; `passing`, genes that pass PredictDB's
    filter; `significant`, genes at a false discovery rate of 5 %; and where there is a model to compare with,
    `against`: the `difference` of mean r, `low` and `high` of its 95 % interval, genes `better` and `worse`,
    and the paired `p`.
    """
    compared = {(row["model_a"], row["model_b"]): row for row in results.comparison.iter_rows(named=True)}
    rows = []
    for model in models or results.summary["models"]:
        of_model = results.metrics.filter(model=model)
        r, p = of_model["pearson_r"].to_numpy(), of_model["pearson_p"].to_numpy()
        row: dict[str, Any] = {
            "model": model,
            "genes": len(r),
            "mean_r": float(r.mean()),
            "error": float(r.std(ddof=1) / np.sqrt(len(r))),
            "passing": int(((r > FILTER_R) & (p < FILTER_P)).sum()),
            "significant": results.summary["models"][model]["n_significant"],
        }
        other = against if isinstance(against, str) else against.get(model)
        if (found := compared.get((model, other))) is not None:
            row |= {"against": other, **paired(found)}
        rows.append(row)
    return sorted(rows, key=lambda row: (-row["mean_r"], row["model"]))


def named(row: Mapping[str, Any], **names: str) -> dict[str, Any]:
    """Put names in place of the model of a row."""
    return {**names, **{key: value for key, value in row.items() if key != "model"}}


def beside(results: Results, model: str, other: str) -> dict[str, Any]:
    """Return `mean_r` of a model, and what `paired` says of it beside another."""
    (row,) = results.comparison.filter(model_a=model, model_b=other).iter_rows(named=True)
    return {"mean_r": row["mean_r_a"], "against": other, **paired(row)}


def paired(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a row of `compare_models` says of model a beside model b."""
    return {
        "difference": row["mean_r_a"] - row["mean_r_b"],
        "low": row["ci_low"],
        "high": row["ci_high"],
        "better": row["n_a_better"],
        "worse": row["n_b_better"],
        "p": row["wilcoxon_p"],
    }

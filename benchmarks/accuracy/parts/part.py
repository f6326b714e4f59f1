"""What a part of the benchmark `accuracy` is given, and the rows that its tables have."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.cohort import benchmark_cohort
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.config.zero_shot import ZeroShotOptions
from haploscribe.results.tables import Results
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
    seconds
        Wall-clock seconds of each run so far, as it measured them itself.
    """

    source: Path
    out: Path
    every: int = 1
    jobs: int = 1
    xpresso: Path | None = None
    annotations: tuple[str, ...] = ()
    seconds: list[float] = field(default_factory=list)

    def cohort(self) -> CohortOptions:
        """Return the options of the benchmark cohort."""
        return benchmark_cohort(self.source, self.out, every=self.every)

    def results(self, evaluation: EvaluationOptions, folder: str = "") -> Results:
        """Run models with the default backbone; one embedding store serves all folders of results."""
        results = run(
            self.cohort(),
            BackboneOptions(),
            evaluation,
            self.out / folder,
            self.out / "embeddings.zarr",
            ZeroShotOptions(xpresso=self.xpresso if "xpresso" in evaluation.models else None),
            WorkerOptions(self.jobs),
        )
        self.seconds.append(results.summary["wall_seconds"])
        return results


Part = Callable[[Setting], list[Table]]


def table(title: str, text: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Make a table; `text` stands above it."""
    return {"title": title, "text": text, "rows": [dict(row) for row in rows]}


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

"""Rows of the tables that the page and the terminal show, and the format of their numbers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from haploscribe.evaluation.metrics import FALSE_DISCOVERY_RATE, benjamini_hochberg
from haploscribe.expression.genes import gene_label
from haploscribe.results.tables import Results

BASELINE = "elastic-net"

Direction = Literal["better", "worse", "inconclusive"]
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Versus:
    """Comparison of a model with another, by default the baseline, on the genes that both have.

    Attributes
    ----------
    n_genes
        Genes compared.
    mean_r, mean_r_baseline
        Mean Pearson r of the model and of the baseline over these genes.
    median_difference
        Median over genes of the model's r minus the baseline's.
    n_better, n_worse
        Genes where the model's r is higher, and where it is lower.
    p
        Two-sided Wilcoxon signed-rank p.
    q
        `p` after Benjamini-Hochberg over all comparisons of the same table.
    difference_ci
        95 % interval of the difference in mean r over genes; None for a single gene.
    """

    n_genes: int
    mean_r: float
    mean_r_baseline: float
    median_difference: float
    n_better: int
    n_worse: int
    p: float
    q: float
    difference_ci: Interval | None

    @property
    def mean_difference(self) -> float:
        """The model's mean r minus the baseline's."""
        return self.mean_r - self.mean_r_baseline

    @property
    def direction(self) -> Direction:
        """Which of the two is better: decided only if q is at most 5 % and mean and median agree."""
        typical = self.median_difference or self.n_better - self.n_worse
        if self.q > FALSE_DISCOVERY_RATE or self.mean_difference * typical <= 0:
            return "inconclusive"
        return "better" if typical > 0 else "worse"


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model's row of the table of models.

    Attributes
    ----------
    model
        Its name.
    n_genes
        Genes it was measured at.
    mean_r, median_r
        Of Pearson r over those genes.
    mean_r_ci
        95 % interval of the mean over genes; None for a single gene.
    n_significant
        Genes whose prediction is significant at a false discovery rate of 5 %.
    n_constant
        Genes where the prediction was constant in at least one fold (r counts as 0 there).
    versus
        Against the baseline; None for the baseline itself and where the two were not compared.
    """

    model: str
    n_genes: int
    mean_r: float
    median_r: float
    mean_r_ci: Interval | None
    n_significant: int
    n_constant: int
    versus: Versus | None


@dataclass(frozen=True, slots=True)
class GeneRow:
    """One gene's row: its variants, per model Pearson r, and how well the best model predicts it.

    Attributes
    ----------
    gene_id
        The gene's ID.
    symbol
        Its symbol; None where it is unknown.
    n_variants
        Variants in its cis window.
    r
        One Pearson r per model, in the requested order; NaN where the model has none.
    constant
        One value per model: whether the prediction was constant in at least one fold.
    best
        Index of the model with the highest r; None where no model has one.
    p, r2
        Of the best model: one-sided p, and 1 − the share of squared error left; NaN without one.
    q
        p times the number of models, as the best of several is picked, after Benjamini-Hochberg over genes.
    """

    gene_id: str
    symbol: str | None
    n_variants: int
    r: tuple[float, ...]
    constant: tuple[bool, ...]
    best: int | None
    p: float
    r2: float
    q: float

    @property
    def label(self) -> str:
        """The symbol with the ID in brackets, or the ID alone."""
        return gene_label(self.gene_id, self.symbol)

    @property
    def best_r(self) -> float:
        """The highest r of any model; −∞ where there is none."""
        return -math.inf if self.best is None else self.r[self.best]


def baseline_of(models: Sequence[str]) -> str:
    """Return the model that the others are compared with: elastic-net, or else the first."""
    return BASELINE if BASELINE in models else models[0]


def delta_name(baseline: str) -> str:
    """Return what the difference of a model's r from the baseline's is called."""
    return f"Δr vs {baseline}"


def models_in_order(results: Results) -> list[str]:
    """Return the models in the order of the run's options, then any others."""
    measured = results.summary["models"]
    requested = results.run.get("options", {}).get("models", ())
    return [
        *(model for model in requested if model in measured),
        *(m for m in measured if m not in requested),
    ]


def model_rows(results: Results) -> list[ModelRow]:
    """Return the table of models, one row per model, in the order of `models_in_order`."""
    models = models_in_order(results)
    constant = dict(results.metrics.group_by("model").agg(pl.col("constant").sum()).iter_rows())
    baseline = baseline_of(models)
    versus = _versus(results.comparison.filter(pl.col("model_b") == baseline))
    rows = []
    for model in models:
        summary = results.summary["models"][model]
        row = ModelRow(
            model=model,
            n_genes=summary["n_genes"],
            mean_r=summary["mean_r"],
            median_r=summary["median_r"],
            mean_r_ci=_interval(*(summary["mean_r_ci"] or (None, None))),
            n_significant=summary["n_significant"],
            n_constant=constant[model],
            versus=versus.get((model, baseline)),
        )
        rows.append(row)
    return rows


def pair_rows(results: Results) -> dict[tuple[str, str], Versus]:
    """Compare the models that are not the baseline with each other, in the order of `models_in_order`.

    Returns
    -------
    dict
        The later and the earlier model's name, to the later against the earlier; q over these pairs.
        Comparisons with the baseline are those of `model_rows`, so that each has one q.
    """
    models = models_in_order(results)
    index = {model: i for i, model in enumerate(models)}
    baseline = baseline_of(models)
    earlier, later = (
        pl.col(name).replace_strict(index, return_dtype=pl.Int64) for name in ("model_b", "model_a")
    )
    others = (pl.col("model_a") != baseline) & (pl.col("model_b") != baseline)
    return _versus(results.comparison.filter(others & (later > earlier)).sort(later, earlier))


def gene_rows(metrics: pl.DataFrame, models: Sequence[str]) -> list[GeneRow]:
    """Return the table of genes, in the order of `metrics`, with one r for each of `models`."""
    index = {model: i for i, model in enumerate(models)}
    variants: dict[str, int] = {}
    measured: dict[str, dict[int, _Measured]] = {}
    columns = ("gene_id", "model", "n_variants", "pearson_r", "constant", "pearson_p", "r2")
    for gene_id, model, n_variants, *numbers in metrics.select(columns).iter_rows():
        if model not in index:
            continue
        # Models may read a wider window than the cis window.
        variants[gene_id] = min(variants.get(gene_id, n_variants), n_variants)
        measured.setdefault(gene_id, {})[index[model]] = _Measured(*numbers)
    named = metrics.select("gene_id", "symbol").iter_rows() if "symbol" in metrics else ()
    symbols: dict[str, str | None] = dict(named)
    best = {gene: _best(found) for gene, found in measured.items()}
    p = np.array([math.nan if i is None else measured[gene][i].p for gene, i in best.items()])
    q = np.full(p.size, math.nan)
    tested = np.isfinite(p)
    q[tested] = benjamini_hochberg(np.minimum(p[tested] * len(models), 1.0))
    nothing = _Measured(math.nan, False, math.nan, math.nan)
    rows = []
    for (gene, found), q_value in zip(measured.items(), q.tolist(), strict=True):
        in_order = [found.get(i, nothing) for i in range(len(models))]
        at_best = nothing if (i := best[gene]) is None else found[i]
        rows.append(
            GeneRow(
                gene_id=gene,
                symbol=symbols.get(gene),
                n_variants=variants[gene],
                r=tuple(one.r for one in in_order),
                constant=tuple(one.constant for one in in_order),
                best=best[gene],
                p=at_best.p,
                r2=at_best.r2,
                q=q_value,
            )
        )
    return rows


class _Measured(NamedTuple):
    """One model's measures at one gene."""

    r: float
    constant: bool
    p: float
    r2: float


def _best(found: Mapping[int, _Measured]) -> int | None:
    """Return the model with the highest r, the first of equals; None where no model has one."""
    return max(
        (i for i in sorted(found) if math.isfinite(found[i].r)), key=lambda i: found[i].r, default=None
    )


def format_r(r: float) -> str:
    """Write a correlation, or a difference of two, with three decimals; `-` where there is none."""
    if math.isnan(r):
        return "-"
    return f"{round(r, 3) + 0.0:.3f}"  # adding 0.0 turns -0.0 into 0.0


def format_p(p: float) -> str:
    """Write a p-value with two significant digits: `0.43`, `0.0031`, `1.3e-5`, `<1e-300`."""
    if p < 1e-300:
        return "<1e-300"
    if p >= 0.995:
        return "1.0"
    mantissa, exponent = f"{p:.1e}".split("e")
    if int(exponent) >= -3:
        return f"{p:.{1 - int(exponent)}f}"
    return f"{mantissa}e{int(exponent)}"


def format_interval(interval: Interval | None) -> str:
    """Write an interval of correlations, `0.014 to 0.029`; `-` where there is none."""
    return "-" if interval is None else " to ".join(map(format_r, interval))


def _interval(low: float | None, high: float | None) -> Interval | None:
    return None if low is None or high is None else (low, high)


def _versus(comparison: pl.DataFrame) -> dict[tuple[str, str], Versus]:
    """Return each row's comparison by its two models, with p-values adjusted over all rows."""
    adjusted = benjamini_hochberg(np.asarray(comparison["wilcoxon_p"], dtype=np.float64))
    return {
        (row["model_a"], row["model_b"]): Versus(
            n_genes=row["n_genes"],
            mean_r=row["mean_r_a"],
            mean_r_baseline=row["mean_r_b"],
            median_difference=row["median_delta_r"],
            n_better=row["n_a_better"],
            n_worse=row["n_b_better"],
            p=row["wilcoxon_p"],
            q=float(q),
            difference_ci=_interval(row["ci_low"], row["ci_high"]),
        )
        for row, q in zip(comparison.iter_rows(named=True), adjusted, strict=True)
    }

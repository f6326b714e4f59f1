"""Rows of the tables that the page and the terminal show, and the format of their numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from haploscribe.evaluation.metrics import FALSE_DISCOVERY_RATE, benjamini_hochberg
from haploscribe.expression.genes import gene_label
from haploscribe.results.tables import Results

BASELINE = "elastic-net"

Direction = Literal["better", "worse", "undecided"]
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
            return "undecided"
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
    """One gene's row: its variants, and per model Pearson r and whether a fold's prediction was constant.

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
    """

    gene_id: str
    symbol: str | None
    n_variants: int
    r: tuple[float, ...]
    constant: tuple[bool, ...]

    @property
    def label(self) -> str:
        """The symbol with the ID in brackets, or the ID alone."""
        return gene_label(self.gene_id, self.symbol)


def baseline_of(models: Sequence[str]) -> str:
    """Return the model that the others are compared with: elastic-net, or else the first."""
    return BASELINE if BASELINE in models else models[0]


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
    """Compare every model with every one before it, in the order of `models_in_order`.

    Returns
    -------
    dict
        The later and the earlier model's name, to the later against the earlier.
    """
    index = {model: i for i, model in enumerate(models_in_order(results))}
    earlier, later = (
        pl.col(name).replace_strict(index, return_dtype=pl.Int64) for name in ("model_b", "model_a")
    )
    return _versus(results.comparison.filter(later > earlier).sort(later, earlier))


def gene_rows(metrics: pl.DataFrame, models: Sequence[str]) -> list[GeneRow]:
    """Return the table of genes, in the order of `metrics`, with one r for each of `models`."""
    index = {model: i for i, model in enumerate(models)}
    variants: dict[str, int] = {}
    r: dict[str, list[float]] = {}
    constant: dict[str, list[bool]] = {}
    columns = ("gene_id", "model", "n_variants", "pearson_r", "constant")
    for gene_id, model, n_variants, pearson_r, is_constant in metrics.select(columns).iter_rows():
        if model not in index:
            continue
        # Models may read a wider window than the cis window.
        variants[gene_id] = min(variants.get(gene_id, n_variants), n_variants)
        r.setdefault(gene_id, [math.nan] * len(models))[index[model]] = pearson_r
        constant.setdefault(gene_id, [False] * len(models))[index[model]] = bool(is_constant)
    named = metrics.select("gene_id", "symbol").iter_rows() if "symbol" in metrics else ()
    symbols: dict[str, str | None] = dict(named)
    return [
        GeneRow(gene, symbols.get(gene), variants[gene], tuple(r[gene]), tuple(constant[gene])) for gene in r
    ]


def genes_by_best_r(metrics: pl.DataFrame) -> list[str]:
    """Return all genes by descending best r of any model."""
    best = metrics.group_by("gene_id").agg(pl.col("pearson_r").fill_nan(None).max())
    return best.sort("pearson_r", "gene_id", descending=[True, False], nulls_last=True)["gene_id"].to_list()


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

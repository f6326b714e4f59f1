"""Show which model wins at which genes, with calibration and intervals.

Reads `predictions.parquet` and `metrics.tsv` of a finished part `models` of `accuracy`; fits nothing again.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.accuracy.gene_traits import gene_traits
from benchmarks.common.cohort import benchmark_cohort
from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import difference_cell, interval_cell, stamp, write_page
from haploscribe.cohort.cohort import open_cohort
from haploscribe.evaluation.bootstrap import block_length, resampled_means
from haploscribe.evaluation.calibration import calibrate_bins, calibrate_genes, calibrate_models
from haploscribe.evaluation.metrics import METRIC_SCHEMA, r_by_model
from haploscribe.utils.types import BoolArray, Float64Array

BASELINE, WINNER = "elastic-net", "ensemble"
TWINS = {
    "blup-delta": "blup",
    "blup-distance-delta": "blup-distance",
    "ensemble-delta": "ensemble",
    "transformer": "blup-distance",
}
"""For each model of sequence, the model of dosages that is nearest to it; exact but for `transformer`."""

HERITABILITY_EDGES = (0.01, 0.05, 0.15)
LEAD_SHARE_EDGES = (0.5, 0.75, 1.0)
LEAD_DISTANCE_EDGES = (5_000.0, 20_000.0, 40_000.0)
PREDICTED_EDGES = (0.003, 0.01, 0.03, 0.1, 0.3)
NEIGHBOUR_EDGES = (0, 10_000, 50_000, 200_000, 1_000_000)
N_LISTED = 10


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Results of a benchmark, and traits of its genes.

    Attributes
    ----------
    traits
        One row per gene, in genome order; the columns of `TRAIT_SCHEMA`.
    models
        `n_models` names, best mean r first.
    r
        float64 `(n_genes, n_models)`; rows as in `traits`.
    predictions
        The benchmark's predictions.
    n_covariates
        Covariates taken out of expression.
    """

    traits: pl.DataFrame
    models: list[str]
    r: Float64Array
    predictions: pl.DataFrame
    n_covariates: int

    def r_of(self, model: str) -> Float64Array:
        """Return one model's r, float64 `(n_genes,)`."""
        return self.r[:, self.models.index(model)]

    def difference(self, model: str, other: str) -> Float64Array:
        """Return r of one model less that of another, float64 `(n_genes,)`."""
        return self.r_of(model) - self.r_of(other)

    def unshrunk_slope(self) -> float:
        """Return the slope of a model without shrinkage: n / (n − k), over training samples."""
        n_samples, n_folds = (self.predictions[name].n_unique() for name in ("sample_id", "fold"))
        n_training = n_samples * (n_folds - 1) / n_folds
        return n_training / (n_training - self.n_covariates)

    def contrasts(self) -> list[tuple[str, str]]:
        """Return the pairs to compare: winner and baseline, each sequence model and its twin, if present."""
        pairs = [(WINNER, BASELINE), *TWINS.items()]
        return [(model, other) for model, other in pairs if {model, other} <= set(self.models)]


def read_anatomy(source: Path, results: Path) -> Anatomy:
    """Read a results folder, and the traits of its genes from the cohort's folder."""
    predictions = pl.read_parquet(results / "predictions.parquet")
    metrics = pl.read_csv(results / "metrics.tsv", separator="\t", schema=METRIC_SCHEMA)
    means = metrics.group_by("model").agg(pl.col("pearson_r").mean()).sort("pearson_r", descending=True)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        with open_cohort(benchmark_cohort(source, out), out) as cohort:
            traits = gene_traits(cohort, set(metrics["gene_id"]))
            n_covariates = 0 if cohort.covariates is None else cohort.covariates.shape[1]
    models = means["model"].to_list()
    r = r_by_model(metrics, models, traits["gene_id"].to_list())
    return Anatomy(traits, models, r, predictions, n_covariates)


def classes_of(values: Float64Array, edges: Sequence[float], unit: str = "") -> dict[str, BoolArray]:
    """Sort genes into classes by rising bounds; a gene on a bound is in the class above it.

    Returns
    -------
    For each class, in rising order, bool `(n_genes,)`: who is in it. A NaN is in none.
    """
    bounds = [-np.inf, *edges, np.inf]
    names = [
        f"below {edges[0]:,g}{unit}",
        *(f"{low:,g} to {high:,g}{unit}" for low, high in pairwise(edges)),
        f"{edges[-1]:,g}{unit} and above",
    ]
    members = [(values >= low) & (values < high) for low, high in pairwise(bounds)]
    return dict(zip(names, members, strict=True))


def model_lines(anatomy: Anatomy) -> list[str]:
    """Format every model's mean r, and its differences to the baseline and to its twin."""
    lines = [
        f"| model | mean r (95 %) | less that of {BASELINE} (95 %) | less that of its dosage twin (95 %) |",
        "|---|---|---|---|",
    ]
    for model in anatomy.models:
        twin = TWINS.get(model)
        beside = [
            "-"
            if other is None or other == model or other not in anatomy.models
            else difference_cell(anatomy.difference(model, other)) + suffix
            for other, suffix in ((BASELINE, ""), (twin, f", `{twin}`"))
        ]
        lines.append(f"| `{model}` | {interval_cell(anatomy.r_of(model))} | {' | '.join(beside)} |")
    return lines


def heritability_lines(anatomy: Anatomy) -> list[str]:
    """Format every model's mean r in each class of heritability, below its ceiling √h²."""
    h2 = anatomy.traits["heritability"].to_numpy()
    classes = classes_of(h2, HERITABILITY_EDGES)
    rows = {
        "genes": [f"{np.count_nonzero(members)}" for members in classes.values()],
        "mean h²": [f"{h2[members].mean():.3f}" for members in classes.values()],
        "mean √h²": [f"{np.sqrt(h2[members]).mean():.3f}" for members in classes.values()],
    }
    for model in anatomy.models:
        r = anatomy.r_of(model)
        rows[f"`{model}`"] = [f"{r[members].mean():.4f}" for members in classes.values()]
    return [
        f"| | {' | '.join(f'h² {name}' for name in classes)} |",
        "|---" * (len(classes) + 1) + "|",
        *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()),
    ]


def class_lines(anatomy: Anatomy) -> list[str]:
    """Format the contrasts in classes of genes, one kind of class after another."""
    contrasts = anatomy.contrasts()
    heads = [f"`{model}` less `{other}`" for model, other in contrasts]
    lines = [
        f"| genes | | mean r of {BASELINE} | {' | '.join(heads)} |",
        "|---" * (len(heads) + 3) + "|",
    ]
    for kind, classes in kinds_of_class(anatomy.traits).items():
        for name, members in classes.items():
            cells = [f"{anatomy.r_of(BASELINE)[members].mean():.3f}"]
            cells += [contrast_cell(anatomy.difference(*pair)[members]) for pair in contrasts]
            lines.append(f"| {kind} {name} | {np.count_nonzero(members)} | {' | '.join(cells)} |")
    return lines


def kinds_of_class(traits: pl.DataFrame) -> dict[str, dict[str, BoolArray]]:
    """Sort genes into classes by each trait; by those of the lead variant only where h² is .05 or more."""
    h2, share, distance = (
        traits[name].to_numpy() for name in ("heritability", "lead_share", "lead_distance")
    )
    heritable = h2 >= HERITABILITY_EDGES[1]
    variants = traits["n_variants"].cast(pl.Float64).to_numpy()
    quartiles = np.round(np.quantile(variants, [0.25, 0.5, 0.75])).tolist()
    return {
        "h²": classes_of(h2, HERITABILITY_EDGES),
        "variants in the window": classes_of(variants, quartiles),
        "lead variant's share of h²": classes_of(np.where(heritable, share, np.nan), LEAD_SHARE_EDGES),
        "lead variant to TSS": classes_of(
            np.where(heritable, np.abs(distance), np.nan), LEAD_DISTANCE_EDGES, " bp"
        ),
    }


def contrast_cell(difference: Float64Array) -> str:
    """Format a mean difference with its interval, and the numbers of genes above and below 0."""
    better, worse = np.count_nonzero(difference > 0), np.count_nonzero(difference < 0)
    return f"{difference_cell(difference, digits=3)}, {better} / {worse}"


def calibration_lines(anatomy: Anatomy) -> list[str]:
    """Format every model's slope, and predicted against explained variance by bins of genes."""
    genes = calibrate_genes(anatomy.predictions)
    whole = {
        row["model"]: row
        for row in calibrate_models(genes, anatomy.traits["gene_id"].to_list()).iter_rows(named=True)
    }
    binned = {
        (row["model"], row["bin"]): row
        for row in calibrate_bins(genes, PREDICTED_EDGES).iter_rows(named=True)
    }
    bins = list(classes_of(np.empty(0), PREDICTED_EDGES))
    lines = ["| model | slope (95 %) | predicted | explained |", "|---|---|---|---|"]
    for model in anatomy.models:
        row = whole[model]
        lines.append(
            f"| `{model}` | {row['slope']:.3f} ({row['slope_low']:.3f} to {row['slope_high']:.3f}) "
            f"| {row['predicted_variance']:.4f} | {row['explained_variance']:.4f} |"
        )
    lines += [
        "",
        "Predicted → explained variance (mean r²; genes), by the gene's predicted variance:",
        "",
        f"| model | {' | '.join(bins)} |",
        "|---" * (len(bins) + 1) + "|",
    ]
    for model in anatomy.models:
        cells = [bin_cell(binned.get((model, number))) for number in range(len(bins))]
        lines.append(f"| `{model}` | {' | '.join(cells)} |")
    return lines


def bin_cell(row: Mapping[str, Any] | None) -> str:
    """Format one bin of `calibrate_bins`; a dash where it holds no gene."""
    if row is None:
        return "-"
    variances = f"{row['predicted_variance']:.3f} → {row['explained_variance']:.3f}"
    return f"{variances} ({row['squared_r']:.3f}; {row['n_genes']})"


def gene_lines(anatomy: Anatomy) -> list[str]:
    """Format the genes where the winner gains most over the baseline, and where it loses most."""
    difference = anatomy.difference(WINNER, BASELINE)
    order = np.argsort(-difference)
    lines = [
        f"| gene | h² | variants | lead variant to TSS, bp | r of {BASELINE} | r of {WINNER} | difference |",
        "|---|---|---|---|---|---|---|",
    ]
    for place in [*order[:N_LISTED], *order[-N_LISTED:]]:
        trait = anatomy.traits.row(int(place), named=True)
        lines.append(
            f"| {trait['gene_id']} | {trait['heritability']:.3f} | {trait['n_variants']} "
            f"| {trait['lead_distance']:+,d} | {anatomy.r_of(BASELINE)[place]:.3f} "
            f"| {anatomy.r_of(WINNER)[place]:.3f} | {difference[place]:+.3f} |"
        )
    return lines


def neighbour_lines(anatomy: Anatomy) -> list[str]:
    """Format the correlation of neighbouring genes, and its effect on a standard error."""
    tss = anatomy.traits["tss"].to_numpy()
    first, second = np.triu_indices(len(tss), 1)
    apart = np.abs(tss[first] - tss[second])
    series = {
        "r, mean over models": anatomy.r,
        "difference in r, mean over pairs of models": np.column_stack(
            [anatomy.difference(a, b) for a, b in combinations(anatomy.models, 2)]
        ),
        f"`{WINNER}` less `{BASELINE}`": anatomy.difference(WINNER, BASELINE)[:, None],
    }
    within = {
        f"{low // 1000} to {high // 1000} kb": (apart >= low) & (apart < high)
        for low, high in pairwise(NEIGHBOUR_EDGES)
    }
    block = block_length(len(tss))
    lines = [
        f"| TSS apart | {' | '.join(within)} | standard error in blocks of {block} / plain |",
        "|---" * (len(within) + 2) + "|",
        f"| pairs of genes | {' | '.join(f'{np.count_nonzero(pairs):,}' for pairs in within.values())} | - |",
    ]
    for name, values in series.items():
        centred = values - values.mean(axis=0)
        ratio = resampled_means(values, block).std(axis=0) / resampled_means(values, 1).std(axis=0)
        cells = [
            f"{pair_correlations(centred[first[pairs]], centred[second[pairs]]).mean():.2f}"
            for pairs in within.values()
        ]
        lines.append(f"| {name} | {' | '.join(cells)} | {np.median(ratio):.2f} |")
    return lines


def pair_correlations(one: Float64Array, other: Float64Array) -> Float64Array:
    """Correlate paired values, float64 `(n_pairs, n_columns)`, whose order within a pair is arbitrary.

    Returns
    -------
    float64 `(n_columns,)`; Fisher's intraclass correlation about 0.
    """
    products: Float64Array = 2 * (one * other).sum(axis=0) / (one**2 + other**2).sum(axis=0)
    return products


def tally(anatomy: Anatomy) -> str:
    """Format how often the winner gains and loses over the baseline, by size."""
    difference = anatomy.difference(WINNER, BASELINE)
    counts = [
        f"by more than {size:.2f} in {np.sum(difference > size)} and {np.sum(difference < -size)}"
        for size in (0.0, 0.02, 0.05, 0.1)
    ]
    return f"`{WINNER}` is above and below `{BASELINE}` {'; '.join(counts)} of {len(difference)} genes."


def page(anatomy: Anatomy) -> list[str]:
    """Format the page, with how each table was made."""
    n_samples = anatomy.predictions["sample_id"].n_unique()
    sections = {
        "How sure are the means?": (
            "95 %: bootstrap intervals over genes, blocks of neighbouring genes resampled together. A dosage "
            "twin is the same estimator with genotypes in place of deltas; `transformer` has none, and "
            "is set beside the linear model with its prior.",
            model_lines(anatomy),
        ),
        "How much of what is heritable is predicted?": (
            "h² is the variants' share of expression beyond the covariates, by REML in all samples. Held-out "
            "samples so have a say in a gene's class, but none in its predictions. It is noisy, and measures "
            "what `blup` looks for: many small effects. √h² is the most that r can reach, where h² is right.",
            heritability_lines(anatomy),
        ),
        "Who wins where?": (
            "Mean difference in r (95 %), genes better / worse. Numbers of variants are in quartiles. The "
            "lead variant correlates best with expression in all samples; its share of h² is its R² over h². "
            f"Classes by lead variant hold genes of h² {HERITABILITY_EDGES[1]:g} and above only.",
            class_lines(anatomy),
        ),
        "Are predictions as large as they should be?": (
            "Slope of held-out expression on prediction, within folds, pooled over genes; below 1, "
            "predictions are too large. Predicted variance is the mean of predicted², explained variance the "
            "drop in mean squared error, both in units of training variance, mean over genes. A calibrated "
            "model explains what it predicts. Held-out expression has a variance of "
            f"{held_out_variance(anatomy):.2f} in these units. {anatomy.n_covariates} covariates are fitted "
            "to training expression, not to genotypes, and take signal along by chance: a true effect "
            f"estimated without error has a slope of {anatomy.unshrunk_slope():.2f}, not 1.",
            calibration_lines(anatomy),
        ),
        f"Where does {WINNER} gain and lose most?": (tally(anatomy), gene_lines(anatomy)),
        "Are neighbouring genes independent?": (
            "Correlation over pairs of genes on the same stretch. Last column: the bootstrap standard error "
            "of the mean over genes, in blocks as above, by that of genes drawn one by one; median where of "
            "several.",
            neighbour_lines(anatomy),
        ),
    }
    lines = [
        "# Who wins where",
        "",
        stamp("anatomy --source FOLDER --results FOLDER") + ".",
        "",
        f"{len(anatomy.traits)} genes, {n_samples} samples. r is the mean over folds of Pearson's "
        "correlation in held-out samples, as in `accuracy.md`.",
        "",
    ]
    for title, (text, table) in sections.items():
        lines += [f"## {title}", "", text, "", *table, ""]
    return lines


def held_out_variance(anatomy: Anatomy) -> float:
    """Average the square of held-out expression over samples and genes, in units of training variance."""
    one = anatomy.predictions.filter(pl.col("model") == BASELINE)
    return float(np.mean(one["observed"].to_numpy() ** 2))


def main(argv: Sequence[str]) -> None:
    """Read a benchmark's results and write its anatomy."""
    parser = benchmark_parser("anatomy", __doc__)
    parser.add_argument("--results", type=Path, required=True)
    arguments = parser.parse_args(argv)
    write_page(arguments.table, page(read_anatomy(arguments.source, arguments.results)))

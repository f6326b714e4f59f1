"""Draw every figure of a run, and write figures as files, for papers: SVG, and PNG and PDF on request."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from haploscribe.report.canvas import (
    Drawing,
    ModelStyle,
    PictureFormat,
    drawing,
    model_styles,
    picture,
    svg_file,
)
from haploscribe.report.gene_details import GeneDetail, Predictions
from haploscribe.report.plots import (
    differences,
    middle,
    plot_comparison,
    plot_distribution,
    plot_predictions,
    plot_scatter,
)
from haploscribe.report.region_plots import region_drawing
from haploscribe.report.tables import (
    GeneRow,
    ModelRow,
    baseline_of,
    delta_name,
    format_interval,
    format_r,
    gene_rows,
    model_rows,
    models_in_order,
)
from haploscribe.results.tables import Results
from haploscribe.utils.files import atomic_write
from haploscribe.utils.names import FileNames
from haploscribe.utils.types import Float64Array


@drawing()
def write_figures(
    results: Results,
    folder: Path,
    *,
    details: Mapping[str, GeneDetail] | None = None,
    formats: Sequence[PictureFormat] = ("svg",),
) -> list[Path]:
    """Write every figure of the page into a folder.

    Parameters
    ----------
    results
        Tables and records of a run.
    folder
        Folder of `comparison`, `distribution`, `scatter-MODEL`, `predictions-GENE` and `region-GENE`;
        created if missing.
    details
        Genes whose predictions and region are drawn.
    formats
        Each figure is written in each of these.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    InputError
        When the folder cannot be written to.
    """
    written = []
    for name, drawn in _all_figures(results, details or {}).items():
        written += write_figure(folder / name, drawn, formats)
    return written


def write_figure(path: Path, drawn: Drawing, formats: Sequence[PictureFormat] = ("svg",)) -> list[Path]:
    """Write one figure as `path` with the suffix of each format."""
    written = []
    for kind in formats:
        content = svg_file(drawn).encode() if kind == "svg" else picture(drawn.figure, kind)
        written.append(path.with_name(f"{path.name}.{kind}"))
        with atomic_write(written[-1]) as aside:
            aside.write_bytes(content)
    return written


def _all_figures(results: Results, details: Mapping[str, GeneDetail]) -> dict[str, Drawing]:
    """Draw all figures of a run, by names that are valid in a path."""
    models, rows = models_in_order(results), model_rows(results)
    series = r_by_model(gene_rows(results.metrics, models), models)
    styles = styles_of(models)
    compared = comparison_drawing(rows, styles)
    drawn = {} if compared is None else {"comparison": compared}
    drawn["distribution"] = distribution_drawing(series, styles)
    drawn |= {f"scatter-{model}": one for model, (one, _) in scatter_drawings(series, styles).items()}
    for gene, detail in details.items():
        if detail.predictions is not None:
            drawn[f"predictions-{gene}"] = predictions_drawing(gene, detail.predictions, styles)
        if detail.tracks is not None:
            drawn[f"region-{gene}"] = region_drawing(detail.tracks, styles)
    # Two names may differ only in what a path cannot hold.
    files = FileNames()
    return {files.of(re.sub(r"[^\w.+-]+", "-", name)): one for name, one in drawn.items()}


def styles_of(models: Sequence[str]) -> dict[str, ModelStyle]:
    """Return the colour and marker of each model of a run, in the order of `models_in_order`."""
    return model_styles(models, baseline_of(models))


def comparison_drawing(rows: Sequence[ModelRow], styles: Mapping[str, ModelStyle]) -> Drawing | None:
    """Draw the forest plot of a run; None where nothing was compared."""
    compared = differences(rows)
    if not compared:
        return None
    baseline = baseline_of([row.model for row in rows])
    words = "; ".join(
        f"{model} {format_r(one.mean)}" + (f" ({format_interval(one.interval)})" if one.interval else "")
        for model, one in compared.items()
    )
    ax = plot_comparison(compared, baseline, styles)
    return Drawing.of(ax, f"Mean {delta_name(baseline)} over genes, with 95 % intervals: {words}.")


def scatter_drawings(
    series: Mapping[str, Float64Array], styles: Mapping[str, ModelStyle]
) -> dict[str, tuple[Drawing, Axes]]:
    """Draw every other model against the baseline.

    Parameters
    ----------
    series
        Model name to r over genes, float64 `(n_genes,)`, NaN where it has none.
    styles
        Colour and marker of each model.
    """
    baseline = baseline_of(list(series))
    x = series[baseline]
    drawn = {}
    for model, y in series.items():
        if model != baseline:
            ax = plot_scatter(x, y, x_name=baseline, y_name=model, style=styles[model])
            words = (
                f"Scatter of Pearson r per gene, {model} against {baseline}: {model} is higher in "
                f"{int((y > x).sum())} genes, {baseline} in {int((y < x).sum())}."
            )
            drawn[model] = (Drawing.of(ax, words), ax)
    return drawn


def distribution_drawing(series: Mapping[str, Float64Array], styles: Mapping[str, ModelStyle]) -> Drawing:
    """Draw the distribution of r over genes of every model."""
    words = " ".join(f"{model}: {middle(values[np.isfinite(values)])}." for model, values in series.items())
    return Drawing.of(plot_distribution(series, styles), f"Distribution of Pearson r over genes. {words}")


def predictions_drawing(gene: str, found: Predictions, styles: Mapping[str, ModelStyle]) -> Drawing:
    """Draw the held-out predictions of a gene against what was observed."""
    ax = plot_predictions(found.observed, found.predicted, model=found.model, style=styles[found.model])
    words = (
        f"Observed expression of {gene} against the held-out prediction of {found.model}, in "
        f"{found.observed.size:,} samples."
    )
    return Drawing.of(ax, words)


def r_by_model(genes: Sequence[GeneRow], models: Sequence[str]) -> dict[str, Float64Array]:
    """Return each model's r over genes, float64 `(n_genes,)`, NaN where it has none."""
    r = np.array([gene.r for gene in genes], dtype=np.float64).reshape(len(genes), len(models))
    return {model: r[:, i] for i, model in enumerate(models)}

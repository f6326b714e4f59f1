"""Results of a run in a notebook: tables, records, and plots of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Self

from haploscribe.errors import InputError
from haploscribe.report.tables import (
    baseline_of,
    delta_name,
    format_interval,
    format_r,
    model_rows,
    models_in_order,
)
from haploscribe.results.tables import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class RunResults(Results):
    """Results of a run: the tables `metrics` and `comparison`, the records `summary` and `run`, and plots.

    A plot draws on matplotlib's axes `ax`, or on those of a new figure, which `.figure` of the axes shows in
    a notebook, and returns the axes.
    """

    @classmethod
    def of(cls, results: Results) -> Self:
        """Return the same results with their plots."""
        return cls(results.metrics, results.comparison, results.summary, results.run, results.fitted)

    def plot_comparison(self, ax: "Axes | None" = None) -> "Axes":
        """Draw a forest plot: the mean Δr of each model from the baseline's, with its 95 % interval.

        Parameters
        ----------
        ax
            Axes to draw on; None for those of a new figure.

        Raises
        ------
        InputError
            When the run has a single model.

        Examples
        --------
        >>> import haploscribe
        >>> cohort = haploscribe.example_cohort(genes=["ENSG00000128191", "ENSG00000099899"])
        >>> results = haploscribe.run(cohort, "compared", models=["elastic-net", "blup"])
        >>> results.plot_comparison().get_xlabel()
        'Δr vs elastic-net, mean and 95 % interval'
        """
        from haploscribe.report.figures import styles_of  # noqa: PLC0415 - matplotlib is for plots alone
        from haploscribe.report.plots import differences, plot_comparison  # noqa: PLC0415

        models = models_in_order(self)
        if len(models) < 2:
            raise InputError(f"{models[0]} is the only model of the run: there is nothing to compare it with")
        return plot_comparison(differences(model_rows(self)), baseline_of(models), styles_of(models), ax)

    def plot_scatter(self, model: str, ax: "Axes | None" = None) -> "Axes":
        """Draw a model's r against the baseline's, one point per gene, with the line of equality.

        Parameters
        ----------
        model
            Its name.
        ax
            Axes to draw on; None for those of a new figure.

        Raises
        ------
        InputError
            When the run has no such model, or it is the baseline.
        """
        from haploscribe.report.figures import r_by_model, styles_of  # noqa: PLC0415
        from haploscribe.report.plots import plot_scatter  # noqa: PLC0415
        from haploscribe.report.tables import gene_rows  # noqa: PLC0415

        models = models_in_order(self)
        baseline = baseline_of(models)
        others = [name for name in models if name != baseline]
        if model not in others:
            known = ", ".join(others) or "the run has none"
            raise InputError(f"model {model!r}: give one to compare with {baseline}: {known}")
        series = r_by_model(gene_rows(self.metrics, models), models)
        x, y, style = series[baseline], series[model], styles_of(models)[model]
        return plot_scatter(x, y, x_name=baseline, y_name=model, style=style, ax=ax)

    def plot_distribution(self, ax: "Axes | None" = None) -> "Axes":
        """Draw a histogram of r over genes for every model, one above the other.

        Parameters
        ----------
        ax
            Axes to draw on; None for those of a new figure.
        """
        from haploscribe.report.figures import r_by_model, styles_of  # noqa: PLC0415
        from haploscribe.report.plots import plot_distribution  # noqa: PLC0415
        from haploscribe.report.tables import gene_rows  # noqa: PLC0415

        models = models_in_order(self)
        return plot_distribution(r_by_model(gene_rows(self.metrics, models), models), styles_of(models), ax)

    def _repr_html_(self) -> str:
        rows = model_rows(self)
        heading = ("Model", "Genes", "Mean r", delta_name(baseline_of([row.model for row in rows])), "95 %")
        body = [
            (row.model, f"{row.n_genes:,}", format_r(row.mean_r), "-", "-")
            if row.versus is None
            else (
                row.model,
                f"{row.n_genes:,}",
                format_r(row.mean_r),
                format_r(row.versus.mean_difference),
                format_interval(row.versus.difference_ci),
            )
            for row in rows
        ]
        return html_table(heading, body)


def html_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a small HTML table of texts, which are escaped."""
    head = "".join(f"<th>{escape(text)}</th>" for text in heading)
    body = "".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

"""Plots of a notebook: the data of the tables on the axes that are given, and small tables as HTML."""

import json
import subprocess
import sys
from functools import partial
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure
from scipy.stats import linregress

import haploscribe
from haploscribe.api.cohort import OpenedCohort
from haploscribe.api.results import RunResults
from haploscribe.errors import InputError
from haploscribe.expression.normalise import prepare
from tests.fixtures.api_run import GENE, Made
from tests.fixtures.artists import line, points
from tests.fixtures.results import made_results, shifted

R = shifted(0.03) | {"blup": shifted(-0.01)["transformer"]}


@pytest.fixture(scope="module")
def results() -> RunResults:
    return RunResults.of(made_results(R))


class Cells(HTMLParser):
    """Text of the cells of a table, and every tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert attrs == []
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_comparison_has_every_other_model_at_its_difference(results: RunResults) -> None:
    ax = results.plot_comparison()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["transformer", "blup"]
    means = [points(one)[0] for one in ax.lines if points(one)[0].size == 1]
    base = np.array(R["elastic-net"])
    expected = [[np.mean(np.array(R[model]) - base)] for model in ("transformer", "blup")]
    np.testing.assert_allclose(means, expected)


def test_scatter_has_every_gene(results: RunResults) -> None:
    ax = results.plot_scatter("blup")
    x, y = points(line(ax, "points"))
    np.testing.assert_allclose(x, R["elastic-net"])
    np.testing.assert_allclose(y, R["blup"])


def test_distribution_has_a_row_for_each_model(results: RunResults) -> None:
    ax = results.plot_distribution()
    assert [text.get_text() for text in ax.texts][::2] == list(R)


def test_given_axes_are_drawn_on(results: RunResults) -> None:
    scatter = partial(results.plot_scatter, "blup")
    for draw in (results.plot_comparison, results.plot_distribution, scatter):
        ax = Figure().add_subplot()
        assert draw(ax=ax) is ax
        assert ax.lines


def test_a_new_figure_shows_itself_in_a_notebook(results: RunResults) -> None:
    figure = results.plot_comparison().figure
    assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[union-attr]


def test_what_cannot_be_compared_is_one_line(results: RunResults) -> None:
    with pytest.raises(InputError, match="give one to compare with elastic-net: transformer, blup"):
        results.plot_scatter("elastic-net")
    alone = RunResults.of(made_results({"blup": [0.1, 0.2]}))
    with pytest.raises(InputError, match="blup is the only model"):
        alone.plot_comparison()


def test_a_run_returns_results_with_plots_that_are_those_of_its_folder(made: Made) -> None:
    read = haploscribe.read_results(made.out)
    assert isinstance(read, RunResults)
    assert pl.DataFrame.equals(read.metrics, made.metrics)


def test_a_region_has_each_variant_at_its_position_and_its_own_test(made: Made) -> None:
    gene = made.cohort.gene(GENE)
    ax = gene.plot_region()
    x, y = points(line(ax, "tested"))
    everyone = np.ones(len(gene.y), dtype=np.bool_)
    expression = prepare(gene.y, gene.X.covariates, everyone, "inverse-normal")
    p = [linregress(column, expression).pvalue for column in gene.dosages.T.astype(np.float64)]
    np.testing.assert_allclose(x * 1e6, gene.variants["pos"].to_numpy())
    np.testing.assert_allclose(y, -np.log10(p), rtol=1e-6)
    assert points(line(ax, "tss"))[0][0] * 1e6 == pytest.approx(gene.X.gene.tss + 1)
    best = gene.variants.row(int(np.argmin(p)), named=True)
    assert ax.texts[0].get_text().startswith(f"{best['chrom']}:{best['pos']}:{best['ref']}:{best['alt']}")


def test_a_notebook_shows_small_tables(results: RunResults, made: Made) -> None:
    cohort: OpenedCohort = made.cohort
    assert Cells(cohort._repr_html_()).texts[4:7] == ["358", "2", "28"]
    shown = Cells(cohort.gene(GENE)._repr_html_()).texts
    assert shown[6:8] == [GENE, "chr22:20,117,392"]
    shown = Cells(results._repr_html_()).texts
    assert "Δr vs elastic-net" in shown
    assert [name for name in shown if name in R] == list(R)


def test_names_in_tables_are_escaped() -> None:
    name = "<img src=x onerror=alert(1)>"
    shown = Cells(RunResults.of(made_results({name: [0.1, 0.2]}))._repr_html_())
    assert name in shown.texts
    assert set(shown.tags) == {"table", "thead", "tbody", "tr", "th", "td"}


@pytest.mark.parametrize(
    "script",
    [
        "import haploscribe",
        "import haploscribe; haploscribe.example_cohort, haploscribe.run, haploscribe.explain",
        "import haploscribe.cli.main as m, click.testing as t; t.CliRunner().invoke(m.cli, '--help')",
    ],
)
def test_matplotlib_is_loaded_where_something_is_drawn(script: str) -> None:
    told = f"{script}; import sys, json; print(json.dumps('matplotlib' in sys.modules))"
    found = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert json.loads(found.stdout) is False

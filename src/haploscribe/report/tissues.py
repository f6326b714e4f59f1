"""Results of several tissues, and their page: models and genes, a column per tissue."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import polars as pl
from markupsafe import Markup

from haploscribe.expression.genes import gene_label
from haploscribe.report.page import asset, page_templates
from haploscribe.report.tables import models_in_order
from haploscribe.results.tables import Results

MOST_GENES = 1000
"""Genes on the page; the table beside it has all."""


@dataclass(frozen=True, slots=True)
class Tissues:
    """Runs of several tissues.

    Attributes
    ----------
    results
        Of each tissue, by name; all have the same models.
    r
        One row per gene and model: `gene_id`, `symbol`, `model`, and Pearson r in each tissue, null where
        its run lacks the gene.
    """

    results: Mapping[str, Results]
    r: pl.DataFrame

    @classmethod
    def of(cls, results: Mapping[str, Results]) -> Self:
        """Gather the results of each tissue."""
        return cls(results, _r_by_tissue(results))

    @property
    def models(self) -> tuple[str, ...]:
        """The models, in the order of the first run."""
        return tuple(models_in_order(next(iter(self.results.values()))))

    def best_model(self) -> str:
        """Return the model with the largest mean of r over tissues."""
        return max(
            self.models,
            key=lambda model: sum(one.summary["models"][model]["mean_r"] for one in self.results.values()),
        )


def tissues_page(tissues: Tissues) -> str:
    """Return the page's HTML; genes with the largest r of the best model in any tissue come first."""
    model, names = tissues.best_model(), tuple(tissues.results)
    r = tissues.r.filter(model=model).with_columns(largest=pl.max_horizontal(names))
    shown = r.sort("largest", "gene_id", descending=[True, False], nulls_last=True).head(MOST_GENES)
    templates = page_templates()
    return templates.get_template("tissues.html.j2").render(
        style=Markup(asset(templates, "page.css")),  # noqa: S704 - our own file
        version=next(iter(tissues.results.values())).run.get("haploscribe"),
        tissues={name: one.summary["models"] for name, one in tissues.results.items()},
        models=tissues.models,
        model=model,
        n_genes=r.height,
        genes=[
            (gene_label(row["gene_id"], row["symbol"]), [row[name] for name in names])
            for row in shown.iter_rows(named=True)
        ],
    )


def _r_by_tissue(results: Mapping[str, Results]) -> pl.DataFrame:
    """Return a row per gene and model, and a column of r per tissue."""
    columns = ("gene_id", "symbol", "model", "pearson_r")
    nameless = pl.lit(None, dtype=pl.String).alias("symbol")
    tables = [
        (one.metrics if "symbol" in one.metrics else one.metrics.with_columns(nameless)).select(columns)
        for one in results.values()
    ]
    symbols = pl.concat(tables).drop_nulls("symbol").unique("gene_id", keep="first", maintain_order=True)
    wide = pl.concat(tables).select("gene_id", "model").unique().sort("gene_id", "model")
    wide = wide.join(symbols.select("gene_id", "symbol"), on="gene_id", how="left", maintain_order="left")
    for name, table in zip(results, tables, strict=True):
        r = table.select("gene_id", "model", pl.col("pearson_r").alias(name))
        wide = wide.join(r, on=["gene_id", "model"], how="left", maintain_order="left")
    return wide.select("gene_id", "symbol", "model", *results)

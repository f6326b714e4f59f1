"""The page of several tissues: models and genes, a column per tissue."""

from typing import TYPE_CHECKING

import polars as pl
from markupsafe import Markup

from haploscribe.expression.genes import gene_label
from haploscribe.report.page import asset, page_templates

if TYPE_CHECKING:
    from haploscribe.workflows.tissues import Tissues

MOST_GENES = 1000
"""Genes on the page; the table beside it has all."""


def tissues_page(tissues: "Tissues") -> str:
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

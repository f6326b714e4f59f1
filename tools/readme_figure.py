"""Write the README's figure: the report's scatter of the transformer against elastic net, as one SVG file.

python tools/readme_figure.py --results demo-results [--out docs/images/demo-scatter.svg]
"""

import argparse
from importlib.resources import files
from pathlib import Path

from haploscribe.report.plots import axis_for, scatter_svg
from haploscribe.results.tables import read_results
from haploscribe.utils.files import atomic_write

DEFAULT_OUT = Path(__file__).parents[1] / "docs/images/demo-scatter.svg"


def standalone(svg: str, css: str) -> str:
    """Give an inline SVG what it needs to be a file: a namespace, a size, its style and a background."""
    opened = svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" width="420" ', 1)
    head, body = opened.split(">", 1)
    paper = '<rect width="360" height="354" style="fill: var(--paper); fill-opacity: 1"/>'
    return f"{head}><style>{css}</style>{paper}{body}\n"


def main() -> None:
    """Draw the figure from a results folder."""
    parser = argparse.ArgumentParser(description="Write the README's figure.")
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT)
    arguments = parser.parse_args()
    metrics = read_results(arguments.results).metrics
    r = metrics.pivot("model", index="gene_id", values="pearson_r").sort("gene_id")
    x, y = (r[model].to_numpy() for model in ("elastic-net", "transformer"))
    axis = axis_for(r.drop("gene_id").to_numpy().ravel())
    svg = scatter_svg(x, y, r["gene_id"].to_list(), x_name="elastic-net", y_name="transformer", axis=axis)
    report = files("haploscribe.report")
    css = "".join((report / name).read_text(encoding="utf-8") for name in ("page.css", "figures.css"))
    with atomic_write(arguments.out) as aside:
        aside.write_text(standalone(svg, css), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Write the README's figure: the report's scatter of the transformer against elastic net, as one SVG file.

python tools/readme_figure.py --results demo-results [--out docs/images/demo-scatter.svg]
"""

import argparse
from pathlib import Path

from haploscribe.report.canvas import svg_for_themes
from haploscribe.report.figures import r_by_model, scatter_drawings, styles_of
from haploscribe.report.tables import gene_rows, models_in_order
from haploscribe.results.tables import read_results
from haploscribe.utils.files import atomic_write

DEFAULT_OUT = Path(__file__).parents[1] / "docs/images/demo-scatter.svg"


def main() -> None:
    """Draw the figure from a results folder."""
    parser = argparse.ArgumentParser(description="Write the README's figure.")
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT)
    arguments = parser.parse_args()
    results = read_results(arguments.results)
    models = models_in_order(results)
    series = r_by_model(gene_rows(results.metrics, models), models)
    drawn, _ = scatter_drawings(series, styles_of(models))["transformer"]
    with atomic_write(arguments.out) as aside:
        aside.write_text(svg_for_themes(drawn), encoding="utf-8")


if __name__ == "__main__":
    main()

"""The page of `accuracy` and README's table are those of its JSON."""

import re

from benchmarks.accuracy.accuracy import FOREST, PARTS, README, forest, page, read_measured, with_findings
from benchmarks.common.options import RESULTS


def test_the_page_has_the_numbers_of_the_json() -> None:
    measured = read_measured()
    assert set(measured) <= set(PARTS)
    assert (RESULTS / "accuracy.md").read_text(encoding="utf-8") == page(measured)


def test_the_readme_has_the_numbers_of_the_json() -> None:
    readme = README.read_text(encoding="utf-8")
    assert with_findings(readme, read_measured()) == readme


def test_the_forest_plot_has_the_numbers_of_the_json() -> None:
    """All but the places of outlines, which may differ in the last digit between releases of matplotlib."""
    drawn, written = (
        re.sub(r"\d+\.\d+", "0", text) for text in (forest(read_measured()), FOREST.read_text())
    )
    assert drawn == written

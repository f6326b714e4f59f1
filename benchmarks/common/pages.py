"""Pages of results, and the cells on several of them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from haploscribe.evaluation.bootstrap import mean_intervals
from haploscribe.utils.types import Float64Array


def stamp(command: str) -> str:
    """Return today's date (UTC) and the command that a page or section comes from.

    Parameters
    ----------
    command
        The benchmark's name and options.
    """
    return f"{datetime.now(UTC):%Y-%m-%d}, `python -m benchmarks {command}`"


def interval_cell(values: Float64Array, digits: int = 4, sign: str = "") -> str:
    """Format the mean of float64 `(n_genes,)`, in genome order, with its 95 % interval over genes."""
    low, high = mean_intervals(values[:, None])[:, 0]
    form = f"{sign}.{digits}f"
    return f"{values.mean():{form}} ({low:{form}} to {high:{form}})"


def difference_cell(values: Float64Array, digits: int = 4) -> str:
    """Format a mean difference, float64 `(n_genes,)` in genome order, with its 95 % interval, all signed."""
    return interval_cell(values, digits, "+")


def write_page(path: Path, lines: Sequence[str]) -> None:
    """Write a page of results, and print it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines))
    print(path.read_text())


def write_section(path: Path, head: str, title: str, lines: Sequence[str]) -> None:
    """Write one section of a page in place of the one of that title, and print the page.

    Parameters
    ----------
    path
        The page. Its other sections stay.
    head
        Title and introduction of the page.
    title
        Of the section.
    lines
        Text of the section.
    """
    old = path.read_text().split("\n## ")[1:] if path.exists() else []
    sections = dict(section.split("\n", 1) for section in old)
    sections[title] = "\n" + "\n".join(lines) + "\n"
    pages = [f"## {name}\n{text.rstrip()}\n" for name, text in sorted(sections.items())]
    write_page(path, [head, "", *pages])

"""Print what workflows return."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from haploscribe.utils.names import printable


def print_results(results: Any, out: Path, *, as_json: bool) -> None:
    """Print the table of models, the answer, the path of the page and what to do next, or all as JSON."""
    from haploscribe.cohort.missing_calls import missing_notes
    from haploscribe.report.answer import answer
    from haploscribe.report.tables import model_rows
    from haploscribe.report.terminal import model_table, next_command, results_json
    from haploscribe.workflows.validate import WITHOUT_STRAND

    earlier = [name for name in results.summary["models"] if name not in results.fitted]
    if not results.fitted:
        click.echo(printable(f"{out}: complete; nothing to do (--force refits all models)"), err=True)
    elif earlier:
        added = ", ".join(results.fitted)
        click.echo(printable(f"{out}: {added} added to {', '.join(earlier)}"), err=True)
    if WITHOUT_STRAND in results.run.get("data", {}):
        click.echo(printable(f"{WITHOUT_STRAND}: {results.run['data'][WITHOUT_STRAND]}"), err=True)
    if as_json:
        click.echo(json.dumps(results_json(results), indent=2, allow_nan=False))
    else:
        print_table(model_table(results))
        print_summary(missing_notes(results.run.get("data", {})))
        found = answer(model_rows(results))
        print_text(f"{found.verdict}. {found.sentences[0]}")
        print_line("Report", out / "report.html")
        command = next_command(results, out)
        if command is not None:
            print_line("Next", command)


def print_summary(summary: Mapping[str, Any]) -> None:
    """Print names and values, one per line."""
    for name, value in summary.items():
        print_line(name, f"{value:,}" if isinstance(value, int) else value)


def print_line(name: str, value: object) -> None:
    """Print a name and a value."""
    click.echo(printable(f"{name}: {value}"))


def print_lines(lines: Sequence[str], record: Any, *, as_json: bool) -> None:
    """Print lines of text, or the record that they show as JSON."""
    click.echo(json.dumps(record, indent=2) if as_json else "\n".join(lines))


def print_text(text: str) -> None:
    """Print sentences, wrapped at words."""
    from rich.console import Console
    from rich.text import Text

    Console(highlight=False).print(Text(printable(text)))


def print_table(table: Any) -> None:
    """Print a table of rich."""
    from rich.console import Console

    Console().print(table)

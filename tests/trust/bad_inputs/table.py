"""The table of odd and broken input, and what the documentation prints of it."""

import json
from pathlib import Path
from typing import TypedDict

from tests.trust.bad_inputs import (
    combined,
    exported,
    expression,
    files,
    finished,
    gene_annotation,
    making,
    options,
    scored,
    validation,
    variant_annotations,
    variant_lists,
    variants,
)
from tests.trust.bad_inputs.rows import Row

TABLE: dict[str, tuple[Row, ...]] = {
    module.TITLE: module.ROWS
    for module in (
        files,
        variants,
        expression,
        gene_annotation,
        variant_lists,
        variant_annotations,
        options,
        finished,
        combined,
        validation,
        exported,
        making,
        scored,
    )
}
"""The rows, by what is broken."""
PRINTED = Path(__file__).parents[3] / "docs" / "bad-input-lines.json"


class PrintedRow(TypedDict):
    """A row as the documentation has it; `line` is None where the input is accepted."""

    broken: str
    verbs: list[str]
    line: str | None
    behaviour: str | None


def printed(row: Row, outcome: str) -> PrintedRow:
    """Say what the documentation prints of a row, of which `judged` has given the outcome."""
    line, behaviour = (None, outcome) if row.behaviour else (outcome, None)
    return PrintedRow(broken=row.broken, verbs=list(row.verbs), line=line, behaviour=behaviour)


def read_printed() -> dict[str, list[PrintedRow]]:
    """Read what the documentation prints, by title."""
    content: dict[str, list[PrintedRow]] = json.loads(PRINTED.read_text(encoding="utf-8"))
    return content

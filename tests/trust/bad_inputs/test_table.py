"""Every odd or broken input of the table: refused in one line, or read as is documented."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from haploscribe.cli.main import cli
from tests.trust.bad_inputs.rows import VERBS, Case, Row
from tests.trust.bad_inputs.running import judged, write_valid
from tests.trust.bad_inputs.table import TABLE, printed, read_printed

pytestmark = pytest.mark.regions


@pytest.fixture(scope="session")
def valid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The input that every row breaks a copy of."""
    folder = tmp_path_factory.mktemp("valid")
    write_valid(folder)
    return folder


def cases() -> Iterator[object]:
    for title, rows in TABLE.items():
        for number, row in enumerate(rows):
            for verb in row.verbs:
                yield pytest.param(title, number, row, verb, id=f"{row.broken}-{verb}")


@pytest.mark.parametrize(("title", "number", "row", "verb"), list(cases()))
def test_odd_and_broken_input(
    title: str,
    number: int,
    row: Row,
    verb: str,
    valid: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Each verb of a row prints the line that the documentation shows for it."""
    outcome = judged(row, verb, valid, tmp_path)
    assert capfd.readouterr() == ("", ""), "a library has written to the terminal"
    shown = read_printed()[title][number]
    assert printed(row, outcome) == shown, "run: python -m tools.bad_input_table"


def test_the_documentation_has_the_rows_of_the_table() -> None:
    shown = {title: [row["broken"] for row in rows] for title, rows in read_printed().items()}
    assert shown == {title: [row.broken for row in rows] for title, rows in TABLE.items()}


def test_rows_differ() -> None:
    names = [row.broken for rows in TABLE.values() for row in rows]
    assert len(set(names)) == len(names)
    assert len(names) >= 200


def test_every_verb_that_reads_is_tried() -> None:
    tried = {verb for rows in TABLE.values() for row in rows for verb in row.verbs}
    assert tried == set(VERBS)
    reading = {name for name, command in cli.commands.items()} - {"demo"}
    assert {verb.split()[0] for verb in tried} == reading


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"check", "pretrain", "backbones score nano"}))
def test_the_input_that_rows_break_is_fine(verb: str, valid: Path, tmp_path: Path) -> None:
    """So it is the one thing that a row breaks which is refused."""
    row = Row(broken="nothing", spoil=_nothing, verbs=(verb,), behaviour="is read")
    assert judged(row, verb, valid, tmp_path) == "is read"


def _nothing(_: Case) -> None:
    pass

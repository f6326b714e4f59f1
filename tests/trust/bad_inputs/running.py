"""Runs the rows of the table: each in a copy of the valid input, in this process."""

import io
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

from haploscribe._version import __version__
from haploscribe.config.finished_runs import ExportOptions
from haploscribe.config.options import BackboneOptions, EvaluationOptions, WorkerOptions
from haploscribe.workflows.export.workflow import export_fusion, export_predictdb
from haploscribe.workflows.run.workflow import run
from tests.fixtures.command_line import run_cli
from tests.fixtures.small_cohort import N_PEOPLE, SmallGenome, write_small_cohort
from tests.fixtures.variants import only_file
from tests.fixtures.xpresso_files import RandomXpresso
from tests.trust.bad_inputs.rows import (
    COVARIATES,
    DATABASE,
    GENE,
    NEW_PEOPLE,
    OTHER_DATABASE,
    PANEL,
    PARTS,
    POSITIONS,
    RESULTS,
    WEIGHTS,
    Case,
    Ended,
    Row,
)

LIMIT_SECONDS = 60.0
MODELS = ("elastic-net", "blup", "blup-delta")
PLAIN_NAMES = {
    " Doe-Ny": "",
    "at the start": "at_start",
    "at the end": "at_end",
    "a/b <c>, d": "middle",
    "on X": GENE,
}


def write_valid(folder: Path) -> None:
    """Write what every row breaks a copy of: the small cohort, a finished run on it, and new people."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        options = write_small_cohort(Path())
        for path in (only_file(options.variants), options.expression):  # odd names are rows of their own
            text = path.read_text()
            for odd, plain in PLAIN_NAMES.items():
                text = text.replace(odd, plain)
            path.write_text(text)
        RandomXpresso().write(Path(WEIGHTS))
        rows = [line.split("\t")[:4] for line in options.expression.read_text().splitlines()[1:]]
        Path(POSITIONS).write_text("".join("\t".join([*row, "0", "+"]) + "\n" for row in rows))
        people = options.expression.read_text().split("\n", 1)[0].split("\t")[4:]
        values = np.random.default_rng(4).standard_normal((2, N_PEOPLE)).round(3)
        rows = [["id", *people], *([f"pc{i}", *map(str, row)] for i, row in enumerate(values.tolist()))]
        Path(COVARIATES).write_text("".join("\t".join(row) + "\n" for row in rows))
        Path(NEW_PEOPLE).write_text(SmallGenome.drawn().vcf(("n1", "n2", "n3"), seed=5))
        evaluation = EvaluationOptions(models=MODELS, folds=2, normalize="none")
        with redirect_stderr(io.StringIO()):
            run(options, BackboneOptions("kmer"), evaluation, Path(RESULTS))
            for name in PARTS:
                part = replace(options, contig=f"chr{name[-1]}")
                run(part, BackboneOptions("kmer"), replace(evaluation, models=("blup",)), Path(name))
            every = ExportOptions(Path(RESULTS), "b38", min_r=0.0, max_p=1.0)
            for name in (DATABASE, OTHER_DATABASE):
                one = replace(every, models=(Path(name).stem,))
                export_predictdb(one, WorkerOptions(), Path(name))
            folder, panel = Path(PANEL).parent, Path(PANEL).name
            export_fusion(every, WorkerOptions(), folder, panel)


def ended(row: Row, verb: str, valid: Path, folder: Path) -> tuple[Case, Ended]:
    """Break a copy of the valid input, run the command in it, and check what holds for every row.

    That is: it ends in time; what was there is as it was; and if it was refused, there is nothing else, here
    or in the folder for temporary files, and one line says why.
    """
    case, temporary = Case(folder / "case", verb), folder / "tmp"
    shutil.copytree(valid, case.folder)  # dates too: an index is older or newer than its file
    temporary.mkdir()
    row.spoil(case)
    before = _content(case.folder)
    with pytest.MonkeyPatch.context() as patch, _in_time(LIMIT_SECONDS):
        patch.chdir(case.folder)
        patch.setattr(tempfile, "tempdir", str(temporary))
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            code = run_cli(*case.command(), monkeypatch=patch)
    after = _content(case.folder)
    assert code in (0, 2), f"exit {code}: {err.getvalue()}"
    left = [name for name in _content(temporary) if not name.startswith("torchinductor")]  # torch's own
    assert not left, f"temporary files were left behind: {sorted(left)}"
    changed = [name for name in before if after.get(name) != before[name]]
    assert not changed or (code, verb, changed) == (0, "report", [f"{RESULTS}/report.html"]), changed
    if code == 2:
        assert set(after) == set(before), f"left behind: {sorted(set(after) - set(before))}"
        assert len(_lines(err.getvalue())) == 1, err.getvalue()
    return case, Ended(code, out.getvalue(), err.getvalue())


def judged(row: Row, verb: str, valid: Path, folder: Path) -> str:
    """Run a row, check what it promises, and give its line or its behaviour, as the documentation has it."""
    case, result = ended(row, verb, valid, folder)
    if row.behaviour:
        assert result.code == 0, result.err
        row.holds(case, result)
        return row.behaviour
    assert result.code == 2, f"accepted: {result.out}"
    line = _lines(result.err)[0].replace(f"{case.folder.resolve()}/", "")  # some places are made absolute
    missing = [pattern for pattern in row.says if not re.search(pattern, line)]
    assert not missing, f"{missing} not in: {line}"
    if row.elsewhere is not None:
        line, n_found = re.subn(row.elsewhere, "…", line)
        assert n_found, f"{row.elsewhere} not in: {line}"
    assert str(folder) not in line
    if len(row.verbs) > 1:
        line = line.replace(f"haploscribe {verb} --help", "haploscribe VERB --help")
    return line.replace(__version__, "VERSION")


def _lines(err: str) -> list[str]:
    lines = [line for line in err.splitlines() if line.startswith("haploscribe: ")]
    assert not lines or err.endswith(f"{lines[-1]}\n"), "something was printed behind the line"
    assert "Traceback" not in err
    return lines


def _content(folder: Path) -> dict[str, bytes | None]:
    """Each file and folder, by its place; bytes of files and None for folders."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@contextmanager
def _in_time(seconds: float) -> Iterator[None]:
    """Stop the block when it takes too long."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"not done in {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

"""The table of branches taken, by room, from what `coverage json` writes."""

from pathlib import Path

import coverage
import pytest

from tools import branch_coverage


def test_branches_of_files_add_up_by_room() -> None:
    counts = {"a/b.py": (1, 2), "a/c/d.py": (3, 4), "e.py": (5, 6), "f.py": (0, 0)}
    files = {
        f"src/haploscribe/{name}": {"summary": {"covered_branches": taken, "num_branches": every}}
        for name, (taken, every) in counts.items()
    }
    assert branch_coverage.branches_by_room({"files": files}) == {".": (5, 6), "a": (4, 6)}


@pytest.mark.parametrize(("percent", "code"), [(50.0, 0), (50.1, 1)])
def test_too_few_branches_fail(
    percent: float, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "haploscribe" / "half.py"
    source.parent.mkdir()
    source.write_text("if [1]:\n    a = 1\n")
    data = coverage.CoverageData(str(tmp_path / ".coverage"))
    data.add_arcs({str(source): [(-1, 1), (1, 2), (2, -1)]})
    data.write()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(branch_coverage, "LEAST_PERCENT", percent)
    monkeypatch.delenv("COVERAGE_FILE", raising=False)
    assert branch_coverage.main() == code

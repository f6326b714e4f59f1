"""Every benchmark is listed, documented, and shows its options."""

import re
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS, main

NAMES = [name for durations in BENCHMARKS.values() for name in durations]
README = Path(__file__).parents[2] / "benchmarks" / "README.md"


def test_every_benchmark_is_listed_with_its_duration(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    printed = capsys.readouterr().out
    for durations in BENCHMARKS.values():
        for name, duration in durations.items():
            assert re.search(rf"^  {name} +{duration}  \S", printed, re.MULTILINE)


def test_every_module_with_a_main_is_a_benchmark() -> None:
    modules = {
        path.stem
        for folder in BENCHMARKS
        for path in (README.parent / folder).glob("*.py")
        if "def main(argv" in path.read_text()
    }
    assert modules == set(NAMES)


def test_the_readme_lists_them_all() -> None:
    listed = re.findall(r"^\| `(\w+)` \|.*\| (\d+ \w+) \|$", README.read_text(), re.MULTILINE)
    assert listed == [pair for durations in BENCHMARKS.values() for pair in durations.items()]


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nothing"]) == 2
    assert "no benchmark 'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize("name", NAMES)
def test_help_names_the_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if name == "growth":
        pytest.importorskip("msprime")
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    assert "--source" in printed
    assert "--table" in printed

"""Runs the examples of a page or a module."""

import doctest
import re
from pathlib import Path
from types import ModuleType


def run_page(page: Path) -> str:
    """Run a Markdown page's examples, one after another; what failed, or nothing."""
    # A fence would be read as expected output; an empty line in its place keeps line numbers.
    text = re.sub(r"^```.*$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return _run([doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)])


def run_module(module: ModuleType) -> str:
    """Run the examples of a module's docstrings; what failed, or nothing."""
    found = [test for test in doctest.DocTestFinder().find(module) if test.examples]
    assert found, f"{module.__name__} has no examples"
    return _run(found)


def _run(tests: list[doctest.DocTest]) -> str:
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in tests:
        runner.run(test, out=said.append)
    return "".join(said)

"""What the guides tell a reader to type, and to expect, is what the code takes and writes."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import numpy as np
import pytest

from haploscribe.cli.main import cli
from haploscribe.expression.genes import Gene
from haploscribe.interpret.association import MarginalAssociation
from haploscribe.interpret.explanation import AlleleNames, Explanation, write_tables

ROOT = Path(__file__).parents[2]


@cache
def written_texts() -> str:
    """All texts of the code, what is filled in left out."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "src").rglob("*.py")))
    nodes = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return "\n".join(node.value for node in nodes if isinstance(node.value, str))


def explained_phrases() -> list[str]:
    guide = (ROOT / "docs" / "your-data.md").read_text(encoding="utf-8")
    table = guide.split("## What an error line means")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return [phrase for row in rows for phrase in re.findall(r"`([^`]+)`", row)]


@pytest.mark.parametrize("phrase", explained_phrases())
def test_an_explained_line_is_written_somewhere(phrase: str) -> None:
    assert phrase in written_texts()


@pytest.mark.parametrize(
    "page", [*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")], ids=lambda path: path.name
)
def test_files_of_the_repository_that_a_page_names_are_there(page: Path) -> None:
    named = re.findall(
        r"`((?:benchmarks|docs|src|tests|tools)/[\w./*-]+)`|`(test_\w+\.py)`",
        page.read_text(encoding="utf-8"),
    )
    missing = [path or name for path, name in named if not list(ROOT.glob(path or f"tests/**/{name}"))]
    assert missing == []


def typed() -> Iterator[tuple[str, str]]:
    """Each line with `haploscribe` in a block of shell code, with its file; continued lines joined."""
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for block in re.findall(
            r"^```sh\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
        ):
            for line in block.replace("\\\n", " ").splitlines():
                if re.search(r"\bhaploscribe ", line):
                    yield path.name, line.partition("#")[0].strip()


@pytest.mark.parametrize(("page", "line"), list(typed()))
def test_typed_options_are_those_of_the_verb(page: str, line: str) -> None:
    words = line.split("haploscribe ", maxsplit=1)[1].split()
    command: click.Command = cli
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    assert command is not cli
    assert {word for word in words if word.startswith("--")} <= known


def test_the_demo_has_one_folder_everywhere() -> None:
    (out,) = (parameter for parameter in cli.commands["demo"].params if parameter.name == "out")
    files = [ROOT / name for name in ("README.md", "Makefile", ".gitignore")]
    texts = [path.read_text(encoding="utf-8") for path in (*files, *sorted((ROOT / "docs").glob("*.md")))]
    named = {found for text in texts for found in re.findall(r"\b\w+-demo\b|\bdemo-[a-z]*results\b", text)}
    assert named == {out.default}
    assert not any(re.search(r"\bdemo --out\b", text) for text in texts)


def test_the_configuration_shown_has_options_of_run() -> None:
    guide = (ROOT / "docs" / "your-data.md").read_text(encoding="utf-8")
    shown = tomllib.loads(guide.split("```toml\n")[1].split("```")[0])
    assert shown
    assert set(shown) <= {parameter.name for parameter in cli.commands["run"].params}


@pytest.fixture(scope="module")
def explanation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of one allele, one tile, and the model MODEL."""
    folder = tmp_path_factory.mktemp("explained")
    one, allele = np.zeros(1), AlleleNames(np.zeros(1, dtype=np.int64), ("A",), ("C",), (".",))
    said = {"MODEL": one}
    association = MarginalAssociation(one, one, one)
    spans = np.array([[0, 6]], dtype=np.int64)
    found = Explanation(
        Gene("g", "1", 0), allele, one, association, said, spans, said, said, allele, said, allele, said
    )
    write_tables(folder, found)
    return folder


@pytest.mark.parametrize("name", ["variants.tsv", "tiles.tsv"])
def test_the_columns_of_an_explanation_are_described(explanation: Path, name: str) -> None:
    guide = (ROOT / "docs" / "explain.md").read_text(encoding="utf-8")
    section = guide.split(f"## `{name}`")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    described = [column for row in rows for column in re.findall(r"`([^`]+)`", row)]
    assert sorted(described) == sorted((explanation / name).read_text().splitlines()[0].split("\t"))

"""Directives that write tables from the code: schemas, backbones, and the lines that odd input gets.

No library does this: what they show is of this package.
"""

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast, get_type_hints

import polars as pl
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata
from typing_extensions import is_typeddict

from haploscribe.embedding.backbones.catalogue import BACKBONES, BackboneEntry

_LINES = Path(__file__).parents[1] / "bad-input-lines.json"
_UNSURE = "not read off the published files; the checkpoint's own value is what counts."


class MarkdownDirective(SphinxDirective):
    """A directive that writes Markdown in its place."""

    def run(self) -> list[nodes.Node]:
        """Parse what `markdown` returns."""
        source, _ = self.get_source_info()
        container = nodes.Element()
        lines = StringList(self.markdown().splitlines(), source)
        self.state.nested_parse(lines, self.content_offset, container)
        return list(container.children)

    def markdown(self) -> str:
        """Return the Markdown; it holds no headings."""
        raise NotImplementedError


class SchemaTable(MarkdownDirective):
    """A table of names, types and meanings.

    The argument is where a `polars.Schema` or a `TypedDict` is defined, the content one line `name: meaning`
    for each of its names. A name without a meaning, or a meaning without a name, is an error.
    """

    required_arguments = 1
    has_content = True

    def markdown(self) -> str:
        """Write the table."""
        types = _types_of(self.arguments[0])
        pairs = (line.partition(":") for line in self.content if line.strip())
        meanings = {name.strip(): meaning.strip() for name, _, meaning in pairs}
        if set(types) != set(meanings):
            differing = ", ".join(sorted(set(types) ^ set(meanings)))
            raise self.error(f"{self.arguments[0]} and its description differ in {differing}")
        rows = [(f"`{name}`", f"`{kind}`", meanings[name]) for name, kind in types.items()]
        return table(("name", "type", "meaning"), rows)


class BadInputTable(MarkdownDirective):
    """The odd or broken inputs of one kind, with the subcommands they were tried with and what happened."""

    required_arguments = 1
    final_argument_whitespace = True

    def markdown(self) -> str:
        """Write the table."""
        self.env.note_dependency(str(_LINES))
        kinds = json.loads(_LINES.read_text(encoding="utf-8"))
        rows = [(row["broken"], ", ".join(row["verbs"]), _outcome(row)) for row in kinds[self.arguments[0]]]
        return table(("what is odd or broken", "subcommands", "what happens"), rows)


class BackboneTable(MarkdownDirective):
    """The backbones that have a name, and where their weights are."""

    def markdown(self) -> str:
        """Write the two tables."""
        columns = (
            "name",
            "family",
            "width",
            "layers",
            "longest tile",
            "tile unless asked",
            "multiple of",
            "licence of the weights",
        )
        models = table(columns, [_backbone_row(entry) for entry in BACKBONES])
        downloads = table(
            ("name", "on the Hugging Face hub", "revision"),
            [
                (f"`{entry.name}`", f"`{entry.hub_id}`", f"`{entry.revision[:12]}`")
                for entry in BACKBONES
                if entry.hub_id is not None
            ],
        )
        return f"{models}\n\n\\* {_UNSURE}\n\n{downloads}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table in Markdown; vertical bars in cells are escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


def _types_of(path: str) -> dict[str, str]:
    module, _, name = path.rpartition(".")
    found: object = getattr(import_module(module), name)
    if is_typeddict(found):
        return {key: _type_name(hint) for key, hint in get_type_hints(found).items()}
    return {column: str(kind) for column, kind in cast("Mapping[str, pl.DataType]", found).items()}


def _type_name(hint: object) -> str:
    if isinstance(hint, type) and not hasattr(hint, "__args__"):
        return "object" if is_typeddict(hint) else hint.__name__
    return str(hint).replace("haploscribe.results.tables.", "").replace("haploscribe.evaluation.metrics.", "")


def _outcome(row: dict[str, Any]) -> str:
    if row["line"] is None:
        return str(row["behaviour"])
    line = row["line"].removeprefix("haploscribe: ")
    return f"`` {line} ``" if "`" in line else f"`{line}`"


def _backbone_row(entry: BackboneEntry) -> tuple[str, ...]:
    unsure = "" if entry.confirmed else "\\*"
    return (
        f"`{entry.name}`",
        f"`{entry.family}`",
        f"{entry.dimension:,}{unsure}",
        f"{entry.n_layers}{unsure}" if entry.n_layers else "-",
        f"{entry.max_tile:,}\N{NO-BREAK SPACE}bp",
        f"{entry.default_tile:,}\N{NO-BREAK SPACE}bp",
        f"{entry.tile_multiple}\N{NO-BREAK SPACE}bp",
        f"`{entry.licence}`" if entry.n_layers else "no weights",
    )


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the directives."""
    app.add_directive("schema", SchemaTable)
    app.add_directive("bad-input", BadInputTable)
    app.add_directive("backbone-table", BackboneTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

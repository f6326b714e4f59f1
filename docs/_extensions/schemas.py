"""The directive `schema`: the columns of a table, or the keys of a record, with types from the code."""

from collections.abc import Mapping
from importlib import import_module
from typing import cast, get_type_hints

import polars as pl
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata
from typing_extensions import is_typeddict

from fragments import parsed, table


class Schema(SphinxDirective):
    """A table of names, types and meanings.

    The argument is where the schema or the `TypedDict` is defined, the content a line `name: meaning` for
    each of its names. A name without a meaning, or a meaning without a name, is an error.
    """

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Make the table."""
        types = types_of(self.arguments[0])
        pairs = (line.partition(":") for line in self.content if line.strip())
        meanings = {name.strip(): meaning.strip() for name, _, meaning in pairs}
        if set(types) != set(meanings):
            differing = ", ".join(sorted(set(types) ^ set(meanings)))
            raise self.error(f"{self.arguments[0]} and its description differ in {differing}")
        rows = [(f"`{name}`", f"`{kind}`", meanings[name]) for name, kind in types.items()]
        return parsed(self, table(("name", "type", "meaning"), rows))


def types_of(path: str) -> dict[str, str]:
    """Name the type of each column of a `polars.Schema`, or of each key of a `TypedDict`."""
    module, _, name = path.rpartition(".")
    found: object = getattr(import_module(module), name)
    if is_typeddict(found):
        return {key: _type_name(hint) for key, hint in get_type_hints(found).items()}
    return {column: str(kind) for column, kind in cast("Mapping[str, pl.DataType]", found).items()}


def _type_name(hint: object) -> str:
    if isinstance(hint, type) and not hasattr(hint, "__args__"):
        return "object" if is_typeddict(hint) else hint.__name__
    return str(hint).replace("haploscribe.results.tables.", "").replace("haploscribe.evaluation.metrics.", "")


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the directive."""
    app.add_directive("schema", Schema)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

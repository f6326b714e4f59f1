"""The directive `bad-input`: what is odd or broken, with which verbs it was tried, and what happened."""

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from fragments import parsed, table

_LINES = Path(__file__).parents[1] / "bad-input-lines.json"


class BadInput(SphinxDirective):
    """The table of one kind of input; the argument is its title."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Make the table."""
        self.env.note_dependency(str(_LINES))
        kinds = json.loads(_LINES.read_text(encoding="utf-8"))
        rows = [(row["broken"], ", ".join(row["verbs"]), _outcome(row)) for row in kinds[self.arguments[0]]]
        return parsed(self, table(("what is odd or broken", "verbs", "what happens"), rows))


def _outcome(row: dict[str, Any]) -> str:
    if row["line"] is None:
        return str(row["behaviour"])
    line = row["line"].removeprefix("haploscribe: ")
    return f"`` {line} ``" if "`" in line else f"`{line}`"


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the directive."""
    app.add_directive("bad-input", BadInput)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

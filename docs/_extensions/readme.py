"""The directive `readme`: one section of the README, without its heading, so that nothing is said twice."""

import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from fragments import parsed

_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_RELATIVE_LINK = re.compile(r"(\]\(|src=\")(?!https?:|#|/)")


class Readme(SphinxDirective):
    """The text below a heading of the README, up to the next heading."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Parse the section, its links taken from the root of the repository."""
        path = Path(self.env.srcdir) / "README.md"
        self.env.note_dependency(str(path))
        sections = sections_of(path.read_text(encoding="utf-8"))
        title = self.arguments[0]
        if title not in sections:
            raise self.error(f"README.md has no heading {title!r}; it has {', '.join(sections)}")
        return parsed(self, _RELATIVE_LINK.sub(r"\1/", sections[title]))


def sections_of(text: str) -> dict[str, str]:
    """Cut Markdown into its headings' texts; a comment in a block of shell code is no heading."""
    blanked = re.sub(
        r"^```.*?^```", lambda block: re.sub(r"[^\n]", " ", block[0]), text, flags=re.MULTILINE | re.DOTALL
    )
    headings = list(_HEADING.finditer(blanked))
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    return {heading[1]: text[heading.end() : end] for heading, end in zip(headings, ends, strict=True)}


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the directive."""
    app.add_directive("readme", Readme)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

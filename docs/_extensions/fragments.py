"""Markdown made by code, put into the page at hand."""

from collections.abc import Sequence

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective


def parsed(directive: SphinxDirective, markdown: str) -> list[nodes.Node]:
    """Parse Markdown as if it stood where the directive stands; it holds no headings."""
    source, _ = directive.get_source_info()
    container = nodes.Element()
    lines = markdown.splitlines()
    directive.state.nested_parse(StringList(lines, source), directive.content_offset, container)
    return list(container.children)


def section(
    directive: SphinxDirective, title: str, identifier: str, body: Sequence[nodes.Node]
) -> nodes.section:
    """Make a section, which the page's table of contents lists."""
    made = nodes.section(ids=[identifier], names=[identifier])
    made += nodes.title(title, "", nodes.literal(title, title))
    made += list(body)
    directive.state.document.note_explicit_target(made)
    return made


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table in Markdown; a cell's vertical bars are escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)

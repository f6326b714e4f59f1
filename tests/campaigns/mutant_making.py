"""Make the mutants of a module: its source with one expression spoilt."""

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators, operator_assignment, operator_string


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A module's source with one expression spoilt.

    Attributes
    ----------
    path
        The module's file.
    line
        Where the expression starts, from 1.
    lines
        First and last line of the statement that holds it.
    before, after
        The expression, on one line of text, and what stands in its place.
    source
        The whole module, spoilt.
    """

    path: Path
    line: int
    lines: tuple[int, int]
    before: str
    after: str
    source: str


def mutants_of(path: Path) -> list[Mutant]:
    """Return all mutants of a module, in the order of its lines."""
    wrapper = MetadataWrapper(cst.parse_module(path.read_text(encoding="utf-8")))
    visitor = _Visitor()
    wrapper.visit(visitor)
    found = []
    for node, spoilt, place, statement in visitor.found:
        before, after = (_on_one_line(wrapper.module.code_for_node(one)) for one in (node, spoilt))
        source = wrapper.module.deep_replace(node, spoilt).code
        if source != wrapper.module.code:
            lines = (statement.start.line, statement.end.line)
            found.append(Mutant(path, place.start.line, lines, before, after, source))
    return sorted(found, key=lambda mutant: mutant.line)


def _on_one_line(code: str) -> str:
    """Return the first line of code that is a block, or all of it with its lines joined."""
    lines = code.strip().splitlines()
    return lines[0] if lines[0].startswith("if ") else " ".join(line.strip() for line in lines)


def _one_string(node: cst.BaseString) -> Iterable[cst.CSTNode]:
    """Spoil text in one way: mutmut's upper and lower case say no more."""
    return list(operator_string(node))[:1]


def _condition(node: cst.If) -> Iterable[cst.If]:
    """Make an `if` that never holds, and one that always does."""
    test = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    for operator, literal in ((cst.And(), "False"), (cst.Or(), "True")):
        yield node.with_changes(
            test=cst.BooleanOperation(left=test, operator=operator, right=cst.Name(literal))
        )


def _no_call(node: cst.Expr) -> Iterable[cst.BaseSmallStatement]:
    """Leave out a statement that only calls."""
    if isinstance(node.value, cst.Call):
        yield cst.Pass(semicolon=node.semicolon)


_NOT_USED = (operator_assignment, operator_string)
_OPERATORS = (
    *((kind, make) for kind, make in mutation_operators if make not in _NOT_USED),
    (cst.BaseString, _one_string),
    (cst.If, _condition),
    (cst.Expr, _no_call),
)

# What is said to people, to type checkers and to readers is not what a module works out; nor are decorators,
# which are `dataclass(frozen=True, slots=True)` mostly.
_LEFT_ALONE = (cst.Annotation, cst.Decorator, cst.Import, cst.ImportFrom, cst.Raise, cst.TypeAlias)


class _Visitor(cst.CSTVisitor):  # type: ignore[misc]
    """Collects (node, spoilt node, place of the node, place of its statement)."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[cst.CSTNode, cst.CSTNode, CodeRange, CodeRange]] = []
        self._statements: list[CodeRange] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, _LEFT_ALONE) or (
            isinstance(node, cst.SimpleString) and node.value.startswith('"""')
        ):
            return False
        place = self.get_metadata(PositionProvider, node, None)
        if isinstance(node, cst.SimpleStatementLine):
            self._statements.append(place)
        if place is not None:
            for spoilt in _spoilt(node):
                self.found.append(
                    (node, spoilt, place, self._statements[-1] if self._statements else _head(place))
                )
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, cst.SimpleStatementLine):
            self._statements.pop()


def _head(place: CodeRange) -> CodeRange:
    """Return the first line of a place: what a compound statement's condition stands on."""
    return CodeRange(start=place.start, end=place.start)


def _spoilt(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Yield what may stand in a node's place."""
    for kind, make in _OPERATORS:
        if isinstance(node, kind):
            yield from make(node)

"""Signatures that can be read, and docstrings as they are written here, with prose under `Returns`."""

import re
from dataclasses import fields, is_dataclass

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

_ARRAY = re.compile(r"~?numpy\.ndarray\[tuple\[[^]]*\], ~?numpy\.dtype\[~?numpy\.(\w+)\]\]")


def shorten_arrays(
    _app: Sphinx,
    what: str,
    _name: str,
    found: object,
    _options: object,
    arguments: str | None,
    returned: str | None,
) -> tuple[str | None, str | None]:
    """Write an array's type as `NDArray[float64]`, and of a dataclass only names: its docstring has types.

    A protocol is never called, and has no signature.
    """
    if what == "class" and getattr(found, "_is_protocol", False):
        return "", None
    if what == "class" and is_dataclass(found):
        return f"({', '.join(field.name for field in fields(found) if field.init)})", None
    return _short(arguments), _short(returned)


def _short(text: str | None) -> str | None:
    return None if text is None else _ARRAY.sub(r"NDArray[\1]", text)


class ReturnsAsProse:
    """Takes a section `Returns` that is prose from napoleon, which would read it as a list of types."""

    def __init__(self) -> None:
        self._taken: dict[str, str] = {}

    def take(
        self, _app: Sphinx, _what: str, name: str, _found: object, _options: object, lines: list[str]
    ) -> None:
        """Before napoleon: cut the section out."""
        if "Returns" not in lines:
            return
        start = lines.index("Returns")
        end = start + 2
        while end < len(lines) and not _begins_section(lines, end):
            end += 1
        text = lines[start + 2 : end]
        if not any(line.startswith(" ") for line in text):
            self._taken[name] = " ".join(line for line in text if line)
            del lines[start:end]

    def put_back(
        self, _app: Sphinx, _what: str, name: str, _found: object, _options: object, lines: list[str]
    ) -> None:
        """After napoleon: append it as a field."""
        if name in self._taken:
            while lines and not lines[-1]:
                lines.pop()
            follows_field = bool(lines) and lines[-1].startswith((":", " "))
            lines += [*([] if follows_field else [""]), f":returns: {self._taken.pop(name)}", ""]


def _begins_section(lines: list[str], place: int) -> bool:
    return place + 1 < len(lines) and re.fullmatch("-{3,}", lines[place + 1]) is not None


def setup(app: Sphinx) -> ExtensionMetadata:
    """Listen before and after napoleon, which has the priority 500."""
    returns = ReturnsAsProse()
    app.connect("autodoc-process-signature", shorten_arrays)
    app.connect("autodoc-process-docstring", returns.take, priority=400)
    app.connect("autodoc-process-docstring", returns.put_back, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Style figures, and turn them into SVG text, PNG and PDF: the same bytes for the same figure.

Figures are drawn in the light colours of `page.css`. In a page, and in a picture that follows the reader's
theme, each colour becomes the style sheet's variable of that colour.
"""

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO, StringIO
from typing import Any, Literal, Self
from xml.etree import ElementTree as ET

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from haploscribe.utils.names import printable

FONTS = 'Arial, Helvetica, "Liberation Sans", "DejaVu Sans", sans-serif'
DOTS_PER_INCH = 300
POINTS_PER_INCH = 72
RASTER_DOTS = 150
"""Dots per inch of what is a picture within SVG."""
N_COLOURS = 8
_MARKERS = {
    "o": "M1 5a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "s": "M1.5 1.5h7v7h-7z",
    "D": "M5 .5 9.5 5 5 9.5.5 5z",
    "^": "M5 1 9.5 9h-9z",
    "v": "M5 9 9.5 1h-9z",
}
"""Markers of models, and their outlines in a square of 10 by 10 for the page's legends."""

_LONGEST_LABEL = 34

_styled: ContextVar[bool] = ContextVar("styled", default=False)
"""Whether `drawing` is entered."""

PictureFormat = Literal["svg", "png", "pdf"]


@cache
def colours(scheme: Literal["light", "dark"] = "light") -> Mapping[str, str]:
    """Return the colours of `page.css` by the names of their variables."""
    style = (files("haploscribe.report") / "page.css").read_text(encoding="utf-8")
    light, dark = re.findall(r":root \{(.*?)\n *\}", style, flags=re.DOTALL)[:2]
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", light if scheme == "light" else dark))


@dataclass(frozen=True, slots=True)
class ModelStyle:
    """Colour and marker of a model, the same in every figure of a run.

    Attributes
    ----------
    name
        The colour's variable in `page.css`, without its dashes.
    marker
        As matplotlib names it.
    """

    name: str
    marker: str

    @property
    def colour(self) -> str:
        """The colour on a light page."""
        return colours()[self.name]

    @property
    def outline(self) -> str:
        """The marker as an SVG path in a square of 10 by 10."""
        return _MARKERS[self.marker]


def model_styles(models: Sequence[str], baseline: str) -> dict[str, ModelStyle]:
    """Give the baseline the neutral colour, and the others one colour and marker each, in their order."""
    others = [model for model in models if model != baseline]
    styles, markers = {baseline: ModelStyle("m0", "o")}, list(_MARKERS)
    for i, model in enumerate(others):
        styles[model] = ModelStyle(f"m{i % (N_COLOURS - 1) + 1}", markers[i % len(markers)])
    return {model: styles[model] for model in models}


class ReportFigure(Figure):
    """A figure that a notebook shows, without pyplot."""

    def _repr_png_(self) -> bytes:
        return picture(self, "png")


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure and what it shows, in words.

    Attributes
    ----------
    figure
        The figure.
    words
        Its description, for readers who do not see it.
    """

    figure: Figure
    words: str

    @classmethod
    def of(cls, axes: Axes, words: str) -> Self:
        """Return the drawing whose figure has these axes."""
        return cls(figure_of(axes), words)


@contextmanager
def drawing() -> Iterator[None]:
    """Draw with the report's style, whatever the user's settings of matplotlib, which stay as they are.

    Once entered, entering it again costs nothing: what draws many figures enters it around all.
    """
    if _styled.get():
        yield
        return
    ink, quiet, rule = (colours()[name] for name in ("ink", "quiet", "rule"))
    style: dict[Any, Any] = {
        "axes.axisbelow": True,
        "axes.edgecolor": quiet,
        "axes.facecolor": "none",
        "axes.labelcolor": ink,
        "axes.labelsize": 9,
        "axes.linewidth": 0.75,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlelocation": "left",
        "axes.titlesize": 9,
        "axes.titleweight": "bold",
        "figure.facecolor": "none",
        "font.family": "DejaVu Sans",  # comes with matplotlib: the same layout on every machine
        "font.size": 9,
        "grid.color": rule,
        "grid.linewidth": 0.75,
        "path.simplify": False,
        "pdf.fonttype": 42,
        "svg.fonttype": "none",
        "svg.hashsalt": "haploscribe",  # identifiers within SVG follow from what is drawn alone
        "text.color": ink,
        "text.parse_math": False,  # names come from data
        "xtick.color": quiet,
        "xtick.labelcolor": quiet,
        "xtick.labelsize": 8.25,
        "ytick.color": quiet,
        "ytick.labelcolor": quiet,
        "ytick.labelsize": 8.25,
    }
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Text stays text in SVG, so the reader's fonts draw what DejaVu Sans lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(style)
        within = _styled.set(True)
        try:
            yield
        finally:
            _styled.reset(within)


def new_axes(width: float, height: float, *, left: float, bottom: float = 0.5, top: float = 0.1) -> Axes:
    """Return the axes of a new figure; all lengths in inches, margins around the axes."""
    figure = ReportFigure(figsize=(width, height), dpi=RASTER_DOTS)
    right = 0.12
    return figure.add_axes(
        (left / width, bottom / height, (width - left - right) / width, (height - bottom - top) / height)
    )


def figure_of(axes: Axes) -> Figure:
    """Return the figure that has these axes."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return figure


def label(name: str) -> str:
    """Return a name as a figure shows it: printable, and cut where it is long."""
    shown = printable(name)
    return shown if len(shown) <= _LONGEST_LABEL else f"{shown[: _LONGEST_LABEL - 1]}…"


def label_width(names: Sequence[str], size: float = 8.25) -> float:
    """Return the inches that the widest of some labels takes, at most, in points of `size`."""
    # 0.68 em a character is wider than the mean of DejaVu Sans, the widest of FONTS.
    return max((len(label(name)) for name in names), default=0) * size * 0.68 / POINTS_PER_INCH


def picture(figure: Figure, kind: Literal["png", "pdf"]) -> bytes:
    """Return a figure on white as PNG of 300 dots per inch, or as PDF."""
    buffer = BytesIO()
    metadata = {"Software": None} if kind == "png" else {"CreationDate": None}
    with drawing():
        if kind == "png":
            FigureCanvasAgg(figure)
        figure.savefig(buffer, format=kind, dpi=DOTS_PER_INCH, facecolor="white", metadata=metadata)
    return buffer.getvalue()


def svg_of_page(drawn: Drawing, name: str) -> str:
    """Return a figure as SVG within HTML: colours are the page's variables, `name` starts its identifiers."""
    root = _svg(drawn, name, "href")
    for element in root.iter():
        style = element.get("style")
        if style is not None:
            element.set("style", re.sub(r"#[0-9a-f]{6}", _variable, style))
    return ET.tostring(root, encoding="unicode")


def svg_file(drawn: Drawing) -> str:
    """Return a figure as the text of an SVG file: the light colours on white."""
    root = _svg(drawn, "m", "xlink:href")
    _make_file(root, colours()["paper"])
    root.set("xmlns:xlink", "http://www.w3.org/1999/xlink")
    return ET.tostring(root, encoding="unicode") + "\n"


def svg_for_themes(drawn: Drawing) -> str:
    """Return a figure as the text of an SVG file that follows the reader's theme, light or dark."""
    root = ET.fromstring(svg_of_page(drawn, "m"))  # noqa: S314 - our own
    _make_file(root, "var(--paper)")
    variables = ["".join(f"--{k}:{v};" for k, v in colours(scheme).items()) for scheme in ("light", "dark")]
    style = ET.Element("style")
    style.text = f":root{{{variables[0]}}}@media(prefers-color-scheme:dark){{:root{{{variables[1]}}}}}"
    root.insert(0, style)
    return ET.tostring(root, encoding="unicode") + "\n"


def axes_box(axes: Axes) -> dict[str, float]:
    """Return where axes lie in the figure's SVG, and their limits, for a script.

    Returns
    -------
    dict
        `left`, `right`, `top`, `bottom` in the units of the view box; `x0`, `x1`, `y0`, `y1` in data units.
    """
    figure = figure_of(axes)
    axes.apply_aspect()
    place, height = axes.get_position(), figure.get_figheight() * POINTS_PER_INCH
    width = figure.get_figwidth() * POINTS_PER_INCH
    (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
    box = {"left": place.x0 * width, "right": place.x1 * width, "x0": x0, "x1": x1, "y0": y0, "y1": y1}
    box |= {"top": (1 - place.y1) * height, "bottom": (1 - place.y0) * height}
    return {name: round(float(value), 4) for name, value in box.items()}


def _variable(colour: re.Match[str]) -> str:
    names = [name for name, value in colours().items() if value == colour[0]]
    return f"var(--{names[0]})" if names else colour[0]


def _make_file(root: ET.Element, paper: str) -> None:
    width, height = root.get("viewBox", "").split()[2:]
    root.set("xmlns", "http://www.w3.org/2000/svg")
    root.set("font-family", FONTS)
    root.insert(0, ET.Element("path", {"style": f"fill: {paper}", "d": f"M0 0H{width}V{height}H0z"}))


def _svg(drawn: Drawing, name: str, href: str) -> ET.Element:
    """Return matplotlib's SVG without what it needs as a document: namespaces, metadata, fonts, long numbers.

    Parameters
    ----------
    drawn
        The figure.
    name
        What its identifiers start with.
    href
        How references are written: `href`, as in HTML, or `xlink:href`, which older programs read.
    """
    buffer = StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with drawing():
        FigureCanvasSVG(drawn.figure).print_svg(buffer, metadata=nothing)  # type: ignore[no-untyped-call]
    root = ET.fromstring(buffer.getvalue())  # noqa: S314 - matplotlib's
    ids: dict[str, str] = {}
    for element in root.iter():
        element.tag = element.tag.rsplit("}", 1)[-1]
        element.text, element.tail = (
            None if not (text or "").strip() else text for text in (element.text, "")
        )
        _rename_references(element, href, ids, name)
        _shorten(element)
    for element in root.iter():
        named = element.attrib.pop("id", None)
        if named in ids:
            element.set("id", ids[named])
        _share_style(element)
    _drop_empty(root)
    attributes: dict[str, Any] = {
        "viewBox": root.get("viewBox"),
        "role": "img",
        "aria-label": printable(drawn.words),
    }
    attributes |= {"width": root.get("width"), "height": root.get("height")}
    root.attrib = attributes | {"style": "stroke-linejoin: round"}
    return root


def _rename_references(element: ET.Element, href: str, ids: dict[str, str], name: str) -> None:
    """Write a reference with a short identifier, and remember which one."""
    target = element.attrib.pop("{http://www.w3.org/1999/xlink}href", None)
    if target is None:
        return
    if target.startswith("#"):
        target = f"#{ids.setdefault(target[1:], f'{name}-{len(ids)}')}"
    element.attrib = {href: target} | element.attrib


def _shorten(element: ET.Element) -> None:
    """Round numbers to hundredths of a point; leave out names of fonts, turns by nothing, and clips.

    Nothing that is drawn here reaches beyond its axes.
    """
    element.attrib.pop("clip-path", None)
    for key in ("d", "x", "y", "transform", "points"):
        text = element.get(key)
        if text is not None:
            text = re.sub(
                r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), text
            )
            element.set(key, re.sub(r"\s*([MLCQz])\s*", r"\1", text) if key == "d" else text)
    if element.get("transform", "").startswith("rotate(-0 "):
        del element.attrib["transform"]
    style = element.get("style")
    if style is not None:
        kept = [part for part in style.split("; ") if not part.startswith("font-family")]
        element.set("style", "; ".join(kept))


def _drop_empty(parent: ET.Element) -> None:
    """Drop what draws nothing, and groups that hold one element and say nothing of it."""
    for i, child in reversed(list(enumerate(parent))):
        _drop_empty(child)
        invisible = child.tag == "path" and child.get("style") == "fill: none"
        if child.tag in {"style", "clipPath"} or invisible or (child.tag in {"g", "defs"} and not len(child)):
            del parent[i]
        elif child.tag == "g" and len(child) == 1 and not child.attrib:
            parent[i] = child[0]


def _share_style(group: ET.Element) -> None:
    """Write a style that all children have once, on the group."""
    styles = {child.get("style") for child in group}
    if group.tag != "g" or len(group) < 2 or len(styles) > 1 or group.get("style") or None in styles:
        return
    group.set("style", styles.pop() or "")
    for child in group:
        del child.attrib["style"]

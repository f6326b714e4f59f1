"""Write the page's figures as files, for papers: SVG, and PNG on request."""

import re
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path

from haploscribe.errors import InputError
from haploscribe.interpret.explanation import RegionTracks
from haploscribe.report.page import r_by_model
from haploscribe.report.plots import distribution_svg, scatters_against_baseline
from haploscribe.report.region_figure import region_svg
from haploscribe.report.tables import gene_rows, models_in_order
from haploscribe.results.tables import Results
from haploscribe.utils.files import atomic_write
from haploscribe.utils.names import FileNames

FONTS = 'Arial, Helvetica, "Liberation Sans", "DejaVu Sans", sans-serif'
DOTS_PER_INCH = 300
_CSS_DOTS_PER_INCH = 96
_SAMPLE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20" style="font-family: '
    + FONTS.replace('"', "'")
    + '"><text y="15">{}</text></svg>'
)


def write_figures(
    results: Results, folder: Path, *, regions: Mapping[str, RegionTracks] | None = None, png: bool = False
) -> list[Path]:
    """Write every figure of the page into a folder.

    Parameters
    ----------
    results
        Tables and records of a run.
    folder
        Folder of `distribution.svg`, `scatter-MODEL.svg` and `region-GENE.svg`; created if missing.
    regions
        Genes whose region is drawn.
    png
        Write each as PNG of 300 dots per inch too.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    InputError
        When the folder cannot be written to, or PNG is requested and its library or any
        font is missing.
    """
    rasterise = png_rasteriser() if png else None
    written = []
    for name, figure in page_figures(results, regions or {}).items():
        written += write_figure(folder / name, figure, rasterise)
    return written


def write_figure(path: Path, figure: str, rasterise: Callable[[str], bytes] | None = None) -> list[Path]:
    """Write one figure as `path` with the suffix .svg and, where `rasterise` is given, as .png."""
    svg = stand_alone(figure)
    written = [path.with_name(f"{path.name}.svg")]
    with atomic_write(written[0]) as aside:
        aside.write_text(svg, encoding="utf-8")
    if rasterise is not None:
        written.append(path.with_name(f"{path.name}.png"))
        with atomic_write(written[1]) as aside:
            aside.write_bytes(rasterise(svg))
    return written


def page_figures(results: Results, regions: Mapping[str, RegionTracks]) -> dict[str, str]:
    """Draw all figures of a page, by names that are valid in a path."""
    models = models_in_order(results)
    genes = gene_rows(results.metrics, models)
    series = r_by_model(genes, models)
    scatters = scatters_against_baseline(series, [gene.label for gene in genes])
    drawn = {"distribution": distribution_svg(series)}
    drawn |= {f"scatter-{model}": svg for model, svg in scatters.items()}
    drawn |= {f"region-{gene}": region_svg(tracks) for gene, tracks in regions.items()}
    # Two names may differ only in what a path cannot hold.
    files = FileNames()
    return {files.of(_plain(name)): svg for name, svg in drawn.items()}


def stand_alone(figure: str) -> str:
    """Return a figure of the page as an SVG file: with a size, the light colours and a background.

    Parameters
    ----------
    figure
        SVG text as `plots` and `region_figure` draw it.
    """
    box = re.match(r'<svg ([^>]*?)viewBox="0 0 ([\d.]+) ([\d.]+)"', figure)
    assert box is not None, "not a figure of ours"
    before, width, height = box.groups()
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {before}width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}"'
    )
    opening, body = figure[box.end() :].split(">", 1)
    paper = f'<path style="fill:#fff;stroke:none" d="M0 0H{width}V{height}H0z"/>'
    return f"{head}{opening}><style>{_light_style()}</style>{paper}{body}\n"


def _light_style() -> str:
    """Return the style of the figures with the page's light colours."""
    folder = files("haploscribe.report")
    light = (folder / "page.css").read_text(encoding="utf-8").split("@media", 1)[0]
    palette = dict(re.findall(r"--(\w+): ([^;]+);", light)) | {"plain": FONTS}
    style = (folder / "figures.css").read_text(encoding="utf-8")
    return re.sub(r"var\(--(\w+)\)", lambda name: palette[name[1]], style)


def png_rasteriser() -> Callable[[str], bytes]:
    """Return a function that turns SVG text into PNG of 300 dots per inch.

    Raises
    ------
    InputError
        When the library or any font is missing.
    """
    try:
        from resvg_py import svg_to_bytes  # noqa: PLC0415 - an extra that most installs do without
    except ImportError:
        raise InputError(
            "PNG figures need resvg-py: pip install 'haploscribe[figures]', or leave --png out for SVG alone"
        ) from None
    zoom = DOTS_PER_INCH / _CSS_DOTS_PER_INCH

    def rasterise(svg: str) -> bytes:
        return bytes(svg_to_bytes(svg_string=svg, zoom=zoom))

    # Without any font the library draws no text and does not say so.
    blank, letter = (rasterise(_SAMPLE.format(text)) for text in ("", "x"))
    if blank == letter:
        raise InputError(
            "PNG figures need a font and this machine has none: install one such as DejaVu Sans, "
            "or leave --png out for SVG alone"
        )
    return rasterise


def _plain(name: str) -> str:
    return re.sub(r"[^\w.+-]+", "-", name)

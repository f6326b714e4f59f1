"""Figures as SVG, PNG and PDF: the same bytes each time, plain, accessible, and in the page's colours."""

import re
import struct
import subprocess
import sys
from xml.etree import ElementTree as ET

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from haploscribe.report.canvas import (
    Drawing,
    axes_box,
    colours,
    drawing,
    model_styles,
    picture,
    svg_file,
    svg_for_themes,
    svg_of_page,
)
from haploscribe.report.plots import plot_scatter
from haploscribe.report.region_plots import region_drawing
from tests.fixtures.results import made_tracks

SVG = "{http://www.w3.org/2000/svg}"
MODELS = ["elastic-net", "blup", "transformer"]
STYLES = model_styles(MODELS, "elastic-net")


def scatter(n: int = 60) -> Drawing:
    x, y = np.random.default_rng(0).uniform(-0.2, 0.9, (2, n))
    ax = plot_scatter(x, y, x_name="elastic-net", y_name="blup", style=STYLES["blup"])
    assert isinstance(ax.figure, Figure)
    return Drawing(ax.figure, "60 genes")


def region(name: str = "GENE0000") -> Drawing:
    return region_drawing(made_tracks(name), STYLES)


@pytest.mark.parametrize("make", [scatter, region, lambda: scatter(3000)])
def test_the_same_data_give_the_same_bytes(make: type) -> None:
    one, other = make(), make()
    assert svg_of_page(one, "a") == svg_of_page(other, "a")
    assert svg_file(one) == svg_file(other)
    assert svg_for_themes(one) == svg_for_themes(other)
    assert picture(one.figure, "png") == picture(other.figure, "png")
    assert picture(one.figure, "pdf") == picture(other.figure, "pdf")


def test_drawing_twice_changes_nothing() -> None:
    drawn = scatter()
    first = svg_file(drawn)
    picture(drawn.figure, "png")
    assert svg_file(drawn) == first


def test_the_users_settings_stay_and_have_no_say() -> None:
    plain = svg_file(scatter())
    with matplotlib.rc_context({"font.size": 30, "text.usetex": True, "svg.fonttype": "path"}):
        before = dict(matplotlib.rcParams)
        assert svg_file(scatter()) == plain
        assert dict(matplotlib.rcParams) == before


def test_pyplot_is_never_imported() -> None:
    script = (
        "import sys, haploscribe.report.page\n"
        "assert 'matplotlib.figure' in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_page_figure_has_a_name_and_identifiers_of_its_own() -> None:
    root = ET.fromstring(svg_of_page(region(), "g7"))
    assert (root.get("role"), root.get("aria-label")) == ("img", region().words)
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    used = {(element.get("href") or "").removeprefix("#") for element in root.iter("use")}
    assert used <= set(ids)
    assert len(ids) == len(set(ids))
    assert all(name.startswith("g7-") for name in ids if name)


def test_a_page_figure_takes_all_its_colours_from_the_page() -> None:
    text = svg_of_page(region(), "g")
    assert not re.search(r"#[0-9a-f]{6}", text)
    variables = set(re.findall(r"var\(--(\w+)\)", text))
    assert {"ink", "quiet", "rule", "mark"} <= variables <= set(colours())


def test_text_stays_text_and_nothing_is_asked_for() -> None:
    for text in (svg_of_page(region(), "g"), svg_file(region()), svg_for_themes(region())):
        root = ET.fromstring(text)
        texts = [element.text for element in root.iter() if element.tag.endswith("text")]
        assert "Marginal association with expression" in texts
        assert not re.search(r"url\(|@import|font-face|<script|<style type|clip-path", text)


def test_a_file_stands_alone_in_light_colours() -> None:
    root = ET.fromstring(svg_file(scatter()))
    assert root.tag == f"{SVG}svg"
    width, height = (float((root.get(side) or "").removesuffix("pt")) for side in ("width", "height"))
    assert root.get("viewBox") == f"0 0 {width:g} {height:g}"
    paper = root[0]
    assert (paper.tag, paper.get("style")) == (f"{SVG}path", f"fill: {colours()['paper']}")
    assert "var(" not in svg_file(scatter())


def test_a_file_for_themes_has_both_palettes() -> None:
    root = ET.fromstring(svg_for_themes(scatter()))
    (style,) = root.findall(f"{SVG}style")
    light, dark = (style.text or "").split("@media")
    assert f"--ink:{colours('light')['ink']};" in light
    assert f"--ink:{colours('dark')['ink']};" in dark


def test_png_has_300_dots_per_inch() -> None:
    figure = scatter().figure
    content = picture(figure, "png")
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    assert (width, height) == pytest.approx(300 * figure.get_size_inches(), abs=1)


def test_pdf_is_one() -> None:
    content = picture(scatter().figure, "pdf")
    assert content.startswith(b"%PDF-")
    assert b"/CreationDate" not in content


def test_a_script_finds_the_points_by_the_place_of_the_axes() -> None:
    drawn = scatter()
    (ax,) = drawn.figure.axes
    box = axes_box(ax)
    (points,) = (line for line in ax.lines if line.get_gid() == "points")
    root = ET.fromstring(svg_of_page(drawn, "s"))
    uses = [(float(use.get("x") or 0), float(use.get("y") or 0)) for use in root.iter("use")]
    x, y = (np.asarray(values, dtype=np.float64) for values in (points.get_xdata(), points.get_ydata()))
    across = box["left"] + (x - box["x0"]) / (box["x1"] - box["x0"]) * (box["right"] - box["left"])
    up = box["bottom"] + (y - box["y0"]) / (box["y1"] - box["y0"]) * (box["top"] - box["bottom"])
    np.testing.assert_allclose(uses[:60], np.stack([across, up], axis=1), atol=0.02)


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", 'a"b', "$x^2$", "_a", "a\x1bb\x00", "日本", "%d{0}"]
)
def test_any_name_is_text_as_it_stands(name: str) -> None:
    tracks = made_tracks(name, n_variants=3)
    styles = model_styles(["elastic-net", name], "elastic-net")
    x = np.array([0.1, 0.2])
    ax = plot_scatter(x, x, x_name="elastic-net", y_name=name, style=styles[name])
    assert isinstance(ax.figure, Figure)
    shown = "a\\x1bb\\x00" if "\x00" in name else name
    for drawn in (region_drawing(tracks, STYLES), Drawing(ax.figure, name)):
        root = ET.fromstring(svg_file(drawn))
        assert any(shown in (element.text or "") for element in root.iter(f"{SVG}text"))
        assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
            *("svg", "g", "path", "text", "defs", "use"),
        }
        picture(drawn.figure, "png")


def test_a_models_style_is_by_its_place_among_the_others() -> None:
    models = [f"model{i}" for i in range(20)]
    styles = model_styles(["elastic-net", *models], "elastic-net")
    assert styles["elastic-net"].name == "m0"
    assert "m0" not in {styles[model].name for model in models}
    assert len({(styles[model].name, styles[model].marker) for model in models}) == 20


def test_the_style_ends_with_its_block() -> None:
    with drawing():
        assert matplotlib.rcParams["text.parse_math"] is False
    assert matplotlib.rcParams["text.parse_math"] is True

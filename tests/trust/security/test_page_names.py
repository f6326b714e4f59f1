"""HTML and SVG escape every name: read as a parser reads them."""

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from haploscribe.report.canvas import label, model_styles, svg_file
from haploscribe.report.figures import write_figures
from haploscribe.report.region_plots import region_drawing
from tests.fixtures.every_verb import Done
from tests.fixtures.hostile_page import (
    HOSTILE,
    LABELS,
    hostile_details,
    hostile_page,
    hostile_results,
    hostile_tracks,
)
from tests.fixtures.results import PageParser

HARMLESS = {"svg", "g", "path", "text", "defs", "use"}


@pytest.fixture(scope="module")
def page() -> str:
    return hostile_page()


@pytest.fixture(scope="module")
def parsed(page: str) -> PageParser:
    return PageParser(page)


def test_names_make_no_element(parsed: PageParser) -> None:
    assert {tag for tag, _ in parsed.tags}.isdisjoint(
        {"img", "textarea", "iframe", "object", "embed", "link", "a:a"}
    )
    assert [tag for tag, _ in parsed.tags].count("script") == 2
    assert len(parsed.scripts) == 1


def test_names_make_no_attribute(parsed: PageParser) -> None:
    names = {name for _, attributes in parsed.tags for name in attributes}
    assert [name for name in names if name.startswith("on")] == []
    assert names.isdisjoint({"src", "xlink:href", "srcdoc", "formaction", "action", "http-refresh"})


def test_links_go_nowhere(parsed: PageParser) -> None:
    links = {attributes["href"] or "" for _, attributes in parsed.tags if "href" in attributes}
    assert all(link.startswith("#") for link in links)


def test_every_name_is_text_where_it_belongs(parsed: PageParser) -> None:
    for table in ("inputs", "versions", "data", "stages"):
        assert set(HOSTILE) <= {row[0] for row in parsed.tables[table]}, table
    assert {f"/data/{name}/a.vcf" for name in HOSTILE} <= {
        row[1].removesuffix(row[0]) for row in parsed.tables["inputs"]
    }
    assert {row[0] for row in parsed.tables["gene-table"][1:]} == LABELS
    assert set(HOSTILE) <= {row[0] for row in parsed.tables["cost-table"][1:]}


def test_names_in_the_pages_data_are_read_back(parsed: PageParser) -> None:
    assert set(parsed.data["page-data"]["genes"]) == set(HOSTILE)


def test_the_pages_data_cannot_end_its_script(page: str) -> None:
    blocks = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, flags=re.S)
    assert len(blocks) == 1
    assert not re.search("[<>&\u2028\u2029]", "".join(blocks))


def test_the_page_says_what_it_may_load(page: str) -> None:
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert set(directives) == {"default-src", "style-src", "script-src", "img-src", "base-uri", "form-action"}
    assert directives["img-src"] == "data:"  # points of large scatters; the page has no other picture
    assert (directives["default-src"], directives["base-uri"], directives["form-action"]) == ("'none'",) * 3
    assert re.fullmatch(r"'sha256-[\w+/]+=*'", directives["script-src"])


def svg_elements(text: str) -> tuple[set[str], set[str]]:
    """Read an SVG as XML: the names of its elements, and of their attributes."""
    elements = list(ET.fromstring(text).iter())
    tags = {element.tag.rsplit("}", 1)[-1] for element in elements}
    return tags, {name for element in elements for name in element.attrib}


def test_figures_of_hostile_names_are_plain_drawings(tmp_path: Path) -> None:
    for path in write_figures(hostile_results(), tmp_path / "figures", details=hostile_details()):
        text = path.read_text(encoding="utf-8")
        tags, attributes = svg_elements(text)
        assert tags <= HARMLESS, path
        assert [name for name in attributes if name.startswith("on")] == [], path
        assert all(link.startswith("#m-") for link in re.findall(r'href="([^"]*)"', text)), path


@pytest.mark.parametrize("name", HOSTILE)
def test_the_figure_of_an_explanation_shows_the_name(name: str) -> None:
    tracks = replace(hostile_tracks(name), neighbours=(), effects={}, tile_weights={})
    root = ET.fromstring(svg_file(region_drawing(tracks, model_styles([name], name))))
    assert label(name) in {element.text for element in root.iter()}


def test_figures_that_verbs_wrote_are_plain_drawings(done: Done) -> None:
    written = list((done.folder / "out").rglob("*.svg"))
    assert written
    for path in written:
        assert svg_elements(path.read_text(encoding="utf-8"))[0] <= HARMLESS, path

"""Figures as files: complete on their own, and the same that the page shows."""

import re
import struct
import sys
from functools import partial
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import resvg_py

from haploscribe.errors import InputError
from haploscribe.report.figures import page_figures, write_figures
from haploscribe.report.page import render_page
from tests.fixtures.results import made_results, made_tracks, shifted

SVG = "{http://www.w3.org/2000/svg}"


def test_all_figures_of_the_page_are_written(tmp_path: Path) -> None:
    r = shifted(0.03) | {"blup": shifted(0.0, seed=2)["transformer"]}
    written = write_figures(made_results(r), tmp_path, regions={"GENE0001": made_tracks("GENE0001")})
    names = ["distribution", "region-GENE0001", "scatter-blup", "scatter-transformer"]
    assert sorted(path.name for path in written) == [f"{name}.svg" for name in names]
    assert set(written) == set(tmp_path.iterdir())


def test_figures_are_the_pages(tmp_path: Path) -> None:
    results = made_results(shifted(0.03))
    page = render_page(results)
    for figure in page_figures(results, {}).values():
        assert re.sub(r"^<svg [^>]*>", "", figure) in page


def test_a_figure_stands_alone(tmp_path: Path) -> None:
    for path in write_figures(made_results(shifted(0.03)), tmp_path, regions={"a": made_tracks("a")}):
        text = path.read_text(encoding="utf-8")
        root = ET.fromstring(text)
        assert root.tag == f"{SVG}svg"
        assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"
        (style,) = root.findall(f"{SVG}style")
        assert style.text
        assert "var(" not in style.text
        assert not re.search(r"url\(|@import", text)


def test_names_that_a_path_cannot_hold_give_files_of_their_own(tmp_path: Path) -> None:
    r = shifted(0.03)
    models = {"elastic-net": r["elastic-net"], "a/b": r["transformer"], "a:b": r["transformer"]}
    regions = {name: made_tracks(name) for name in ("../../up", "g")}
    written = write_figures(made_results(models), tmp_path, regions=regions)
    assert sorted(path.name for path in written) == [
        "distribution.svg",
        "region-..-..-up.svg",
        "region-g.svg",
        "scatter-a-b-2.svg",
        "scatter-a-b.svg",
    ]
    assert set(written) == set(tmp_path.iterdir())


def test_png_has_300_dots_an_inch(tmp_path: Path) -> None:
    written = write_figures(made_results(shifted(0.03)), tmp_path, png=True)
    pictures = [path for path in written if path.suffix == ".png"]
    assert [path.name for path in pictures] == ["distribution.png", "scatter-transformer.png"]
    for path in pictures:
        content = path.read_bytes()
        assert content[:8] == b"\x89PNG\r\n\x1a\n"
        root = ET.fromstring(path.with_suffix(".svg").read_text(encoding="utf-8"))
        width, height = struct.unpack(">II", content[16:24])
        assert width == pytest.approx(float(root.get("width", "")) * 300 / 96, abs=1)
        assert height == pytest.approx(float(root.get("height", "")) * 300 / 96, abs=1)


def test_without_fonts_png_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resvg_py, "svg_to_bytes", partial(resvg_py.svg_to_bytes, skip_system_fonts=True))
    with pytest.raises(InputError, match="need a font"):
        write_figures(made_results(shifted(0.03)), tmp_path / "figures", png=True)


def test_without_the_library_png_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(InputError, match=r"pip install 'haploscribe\[figures\]'"):
        write_figures(made_results(shifted(0.03)), tmp_path / "figures", png=True)
    assert not (tmp_path / "figures").exists()

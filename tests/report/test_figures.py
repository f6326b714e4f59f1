"""Figures as files: all of the page's, in each format that is asked for."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from haploscribe.report.figures import write_figures
from haploscribe.report.gene_details import GeneDetail, Predictions
from tests.fixtures.results import made_results, made_tracks, shifted

SVG = "{http://www.w3.org/2000/svg}"


def detail(gene: str) -> GeneDetail:
    predictions = Predictions("transformer", *np.random.default_rng(0).normal(size=(2, 30)))
    return GeneDetail(predictions, made_tracks(gene, n_variants=30))


def test_all_figures_of_the_page_are_written(tmp_path: Path) -> None:
    r = shifted(0.03) | {"blup": shifted(0.0, seed=2)["transformer"]}
    written = write_figures(made_results(r), tmp_path, details={"GENE0001": detail("GENE0001")})
    names = [
        *("comparison", "distribution", "predictions-GENE0001", "region-GENE0001"),
        *("scatter-blup", "scatter-transformer"),
    ]
    assert sorted(path.name for path in written) == [f"{name}.svg" for name in names]
    assert set(written) == set(tmp_path.iterdir())
    assert {ET.fromstring(path.read_text()).tag for path in written} == {f"{SVG}svg"}


def test_each_format_is_written(tmp_path: Path) -> None:
    written = write_figures(made_results(shifted(0.03)), tmp_path, formats=("svg", "png", "pdf"))
    assert {(path.stem, path.suffix) for path in written} == {
        (name, suffix)
        for name in ("comparison", "distribution", "scatter-transformer")
        for suffix in (".svg", ".png", ".pdf")
    }


def test_one_model_has_nothing_to_compare(tmp_path: Path) -> None:
    (path,) = write_figures(made_results({"blup": [0.1, 0.3, 0.2]}), tmp_path)
    assert path.name == "distribution.svg"


def test_names_that_a_path_cannot_hold_give_files_of_their_own(tmp_path: Path) -> None:
    r = shifted(0.03)
    models = {"elastic-net": r["elastic-net"], "a/b": r["transformer"], "a:b": r["transformer"]}
    tracks = replace(made_tracks(n_variants=3), effects={"a/b": np.ones(3)}, tile_weights={})
    details = {name: GeneDetail(tracks=tracks) for name in ("../../up", "g")}
    written = write_figures(made_results(models), tmp_path, details=details)
    assert sorted(path.name for path in written) == [
        "comparison.svg",
        "distribution.svg",
        "region-..-..-up.svg",
        "region-g.svg",
        "scatter-a-b-2.svg",
        "scatter-a-b.svg",
    ]
    assert set(written) == set(tmp_path.iterdir())

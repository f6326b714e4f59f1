"""The region figure puts everything where its axes say it is."""

import dataclasses
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haploscribe.expression.genes import Gene
from haploscribe.interpret.explanation import RegionTracks
from haploscribe.report.region_figure import region_svg
from haploscribe.utils.types import Float64Array
from tests.fixtures.results import made_tracks


def drawn(tracks: RegionTracks) -> ET.Element:
    return ET.fromstring(region_svg(tracks))


def groups(figure: ET.Element, css: str) -> list[ET.Element]:
    return [group for group in figure.iter("g") if css in group.get("class", "").split()]


def base_pairs(figure: ET.Element, x: Float64Array) -> Float64Array:
    """1-based positions of places on the figure, by the labels of its axis."""
    ticks = [text for text in figure.iter("text") if text.get("class") == "tick x"]
    labels = [float((tick.text or "").replace(",", "")) * 1e6 for tick in ticks]
    fitted = np.polynomial.Polynomial.fit([float(tick.get("x", "")) for tick in ticks], labels, 1)
    return np.asarray(fitted(x), dtype=np.float64)


def numbers(path: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.?\d*", path)]


def test_associations_stand_at_their_positions() -> None:
    tracks = made_tracks(n_variants=50)
    (group,) = groups(drawn(tracks), "tested")
    x = np.array([float(circle.get("cx", "")) for circle in group])
    tested = np.isfinite(tracks.log10_p)
    np.testing.assert_allclose(base_pairs(drawn(tracks), x), tracks.positions[tested] + 1, atol=60)
    y = np.array([float(circle.get("cy", "")) for circle in group])
    slope, offset = np.polyfit(y, tracks.log10_p[tested], 1)
    np.testing.assert_allclose(y * slope + offset, tracks.log10_p[tested], atol=0.03)
    assert slope < 0


def test_each_effect_is_a_stem_at_its_variant_with_its_sign() -> None:
    tracks = made_tracks(n_variants=50)
    figure = drawn(tracks)
    for model, group in zip(tracks.effects, groups(figure, "effects"), strict=True):
        effects = tracks.effects[model]
        there = np.flatnonzero(np.nan_to_num(effects))
        stems = np.array([numbers(stem.findall("path")[0].get("d", "")) for stem in group])
        np.testing.assert_allclose(base_pairs(figure, stems[:, 0]), tracks.positions[there] + 1, atol=60)
        height = stems[:, 1] - stems[:, 2]
        np.testing.assert_allclose(
            height / np.abs(height).max(), effects[there] / np.abs(effects[there]).max(), atol=0.01
        )


def test_models_differ_in_the_shape_of_their_heads() -> None:
    heads = {
        re.sub(r"^M[\d.]+ [\d.]+", "", stem.findall("path")[1].get("d", ""))
        for group in groups(drawn(made_tracks(n_variants=50)), "effects")
        for stem in group
    }
    assert len(heads) == 3


def test_tiles_are_as_wide_as_they_are_and_as_high_as_their_weight() -> None:
    tracks = made_tracks(n_variants=5)
    figure = drawn(tracks)
    (group,) = groups(figure, "tiles")
    left = np.array([float(bar.get("x", "")) for bar in group])
    right = left + [float(bar.get("width", "")) for bar in group]
    inside = np.clip(tracks.tiles, tracks.start, tracks.end)
    np.testing.assert_allclose(base_pairs(figure, left), inside[:, 0] + 1, atol=220)
    np.testing.assert_allclose(base_pairs(figure, right), inside[:, 1] + 1, atol=220)
    height = np.array([float(bar.get("height", "")) for bar in group])
    weights = tracks.tile_weights["transformer"]
    np.testing.assert_allclose(height / height.max(), weights / weights.max(), atol=0.01)


def test_genes_stand_at_their_tss_and_point_along_their_strand() -> None:
    tracks = made_tracks()
    figure = drawn(tracks)
    paths = [group.findall("path")[-1].get("d", "") for group in groups(figure, "gene")]
    genes = [tracks.gene, *tracks.neighbours]
    at = base_pairs(figure, np.array([numbers(path)[0] for path in paths]))
    np.testing.assert_allclose(at, [gene.tss + 1 for gene in genes], atol=60)
    arrows = [float(re.findall(r"h(-?\d+)", path)[0]) for path in paths]
    assert [arrow > 0 for arrow in arrows] == [gene.strand != "-" for gene in genes]
    (own,) = groups(figure, "own")
    assert [text.text for text in own.findall("text")] == [tracks.gene.gene_id]
    (line,) = (path for path in figure.findall("path") if path.get("class") == "tss")
    assert numbers(line.get("d", ""))[0] == numbers(paths[0])[0]


def test_an_annotated_gene_has_its_symbol_and_bounds() -> None:
    tracks = made_tracks()
    figure = drawn(tracks)
    (group,) = (group for group in groups(figure, "gene") if len(group.findall("path")) == 2)
    assert [text.text for text in group.findall("text")] == ["TBX1"]
    assert [title.text for title in group.findall("title")] == [
        "TBX1 (ENSG00000184058.8): TSS at 20,105,001, + strand"
    ]
    left, _, right = numbers(group.findall("path")[0].get("d", ""))
    found = base_pairs(figure, np.array([left, right]))
    np.testing.assert_allclose(found, [20_104_001, tracks.end + 1], atol=220)


def test_a_gene_without_strand_has_no_arrow() -> None:
    tracks = made_tracks()
    titles = {
        title.text or "": group.findall("path")[-1].get("d", "")
        for group in groups(drawn(tracks), "gene")
        for title in group.findall("title")
    }
    unknown = [path for title, path in titles.items() if title.endswith("strand unknown")]
    assert len(unknown) == 1
    assert not any("3l" in path for path in unknown)
    assert all("3l" in path for path in titles.values() if path not in unknown)


@settings(max_examples=40, deadline=None)
@given(
    places=st.lists(
        st.tuples(st.integers(20_000_000, 20_196_607), st.sampled_from("+-"), st.integers(1, 20)), max_size=14
    )
)
def test_names_of_genes_never_overlap(places: list[tuple[int, str, int]]) -> None:
    neighbours = tuple(
        Gene("N" * length + str(i), "22", tss, "+" if strand == "+" else "-")
        for i, (tss, strand, length) in enumerate(places)
    )
    figure = drawn(dataclasses.replace(made_tracks(n_variants=1), neighbours=neighbours))
    boxes = []
    for text in (group.findall("text")[0] for group in groups(figure, "gene")):
        x, length = float(text.get("x", "")), 7 * len(text.text or "")
        boxes.append(
            (text.get("y"), *((x, x + length) if text.get("text-anchor") == "start" else (x - length, x)))
        )
    for i, (level, left, right) in enumerate(boxes):
        for other_level, other_left, other_right in boxes[:i]:
            assert level != other_level or right < other_left or left > other_right


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", 'a"b', "a&b"])
def test_hostile_names_stay_text(name: str) -> None:
    tracks = made_tracks(name, n_variants=3)
    tracks = dataclasses.replace(
        tracks,
        names=(name,) * 3,
        effects={name: np.ones(3)},
        tile_weights={name: tracks.tile_weights["transformer"]},
    )
    figure = drawn(tracks)
    assert {element.tag for element in figure.iter()} == {
        "svg",
        "g",
        "path",
        "text",
        "title",
        "circle",
        "rect",
    }
    texts = [text.text or "" for text in figure.iter("text")]
    assert texts.count(name) == 2
    assert f"{name}, effect per copy of ALT" in texts
    assert f"{name}, weight of each tile" in texts


def test_words_name_the_first_variant_and_the_largest_effects() -> None:
    tracks = made_tracks()
    label = drawn(tracks).get("aria-label", "")
    top = tracks.names[int(np.nanargmax(tracks.log10_p))]
    largest = tracks.names[int(np.nanargmax(np.abs(tracks.effects["elastic-net"])))]
    assert label.startswith(
        "Region of GENE0000, 22:20,000,001-20,196,608: 600 variants; smallest p at " + top
    )
    assert f"largest effect of elastic-net at {largest}" in label


def test_untested_variants_leave_the_figure_without_points() -> None:
    tracks = made_tracks(n_variants=4)
    figure = drawn(dataclasses.replace(tracks, log10_p=np.full(4, np.nan)))
    assert [len(group) for group in groups(figure, "tested")] == [0]
    assert "smallest p" not in figure.get("aria-label", "")

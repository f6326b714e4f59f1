"""The region figure puts everything where its axis says it is, and leaves out nothing that matters."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import StepPatch

from haploscribe.expression.genes import Gene
from haploscribe.interpret.explanation import RegionTracks
from haploscribe.report.canvas import Drawing, model_styles
from haploscribe.report.region_plots import plot_associations, region_drawing, shown_variants
from haploscribe.utils.types import Float64Array, Int64Array
from tests.fixtures.artists import assert_ticks_apart, lines, overlapping, render
from tests.fixtures.results import made_tracks

STYLES = model_styles(["elastic-net", "blup", "transformer"], "elastic-net")


def drawn(tracks: RegionTracks, *, thin: bool = False) -> Drawing:
    return region_drawing(tracks, STYLES, thin=thin)


def axes(tracks: RegionTracks, *, thin: bool = False) -> list[Axes]:
    return drawn(tracks, thin=thin).figure.axes


def positions(megabases: object) -> Int64Array:
    """0-based positions of places along the axis, which is in Mb and 1-based."""
    return np.rint(np.asarray(megabases, dtype=np.float64) * 1e6).astype(np.int64) - 1


def values(line: Line2D) -> Float64Array:
    return np.asarray(line.get_ydata(), dtype=np.float64)


def test_associations_stand_at_their_positions() -> None:
    tracks = made_tracks()
    (tested,) = lines(axes(tracks)[1], "tested")
    there = np.isfinite(tracks.log10_p)
    np.testing.assert_array_equal(positions(tested.get_xdata()), tracks.positions[there])
    np.testing.assert_array_equal(values(tested), tracks.log10_p[there])


def test_each_effect_is_a_stem_at_its_variant_with_its_sign() -> None:
    tracks = made_tracks()
    for ax, (model, effects) in zip(axes(tracks)[2:5], tracks.effects.items(), strict=True):
        (stems,) = lines(ax, "stems")
        there = np.flatnonzero(np.nan_to_num(effects))
        x, y = np.asarray(stems.get_xdata()).reshape(-1, 3), values(stems).reshape(-1, 3)
        np.testing.assert_array_equal(positions(x[:, 1]), tracks.positions[there])
        np.testing.assert_array_equal(y[:, :2], np.stack([np.zeros(there.size), effects[there]], axis=1))
        assert np.isnan(y[:, 2]).all()
        assert stems.get_color() == STYLES[model].colour
        assert ax.get_title(loc="left") == f"{model}: effect per copy of ALT, SD of expression"
        low, high = ax.get_ylim()
        assert low <= np.nanmin(effects) <= np.nanmax(effects) <= high


def test_few_effects_have_heads_of_their_models_shape() -> None:
    heads = [lines(ax, "heads") for ax in axes(made_tracks())[2:5]]
    assert [len(found) for found in heads] == [1, 0, 1]  # blup has 600
    assert len({found[0].get_marker() for found in heads if found}) == 2


def test_tiles_are_as_wide_as_they_are_and_as_high_as_their_weight() -> None:
    tracks = made_tracks()
    (steps,) = (patch for patch in axes(tracks)[-1].patches if isinstance(patch, StepPatch))
    heights, edges, base = steps.get_data()
    assert base == 0
    np.testing.assert_array_equal(heights, tracks.tile_weights["transformer"])
    expected = np.clip([*tracks.tiles[:, 0], tracks.tiles[-1, 1]], tracks.start, tracks.end)
    np.testing.assert_allclose(np.asarray(edges) * 1e6, expected)


def test_genes_stand_at_their_tss_and_point_along_their_strand() -> None:
    tracks = made_tracks()
    ax = axes(tracks)[0]
    genes = [tracks.gene, *tracks.neighbours]
    stems = [line for line in ax.lines if line.get_gid() is None]
    assert {int(positions(line.get_xdata())[0]) for line in stems} == {gene.tss for gene in genes}
    heads = lines(ax, "strand")
    assert [head.get_marker() for head in heads] == ["<", ">", ">", "<"]  # the fourth gene has no strand
    assert [text.get_text() for text in ax.texts] == [gene.symbol or gene.gene_id for gene in genes]
    assert [text.get_fontweight() for text in ax.texts] == ["bold", *["normal"] * 4]
    for track in axes(tracks):
        (tss,) = lines(track, "tss")
        assert positions(tss.get_xdata()).tolist() == [tracks.gene.tss] * 2


def test_an_annotated_gene_has_its_extent_within_the_region() -> None:
    tracks = made_tracks()
    (body,) = lines(axes(tracks)[0], "body")
    assert positions(body.get_xdata()).tolist() == [20_104_000, tracks.end - 1]


@pytest.mark.parametrize("seed", range(5))
def test_names_of_genes_never_overlap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    neighbours = tuple(
        Gene("N" * int(rng.integers(1, 20)) + str(i), "22", int(tss), "+" if rng.integers(2) else "-")
        for i, tss in enumerate(rng.integers(20_000_000, 20_196_607, 10))
    )
    figure = drawn(dataclasses.replace(made_tracks(n_variants=1), neighbours=neighbours)).figure
    render(figure)
    assert not overlapping(list(figure.axes[0].texts))


@pytest.mark.parametrize(
    ("start", "length"),
    [(0, 50), (248_912_345, 77), (20_098_300, 1_000), (0, 196_608), (155_000_000, 5_000_000)],
)
def test_ticks_of_any_region_stand_apart(start: int, length: int) -> None:
    tracks = dataclasses.replace(made_tracks(n_variants=1), start=start, end=start + length, neighbours=())
    figure = drawn(tracks).figure
    for ax in figure.axes[1:]:
        assert_ticks_apart(ax)
    ticks = [tick for tick in figure.axes[-1].get_xticks() if start <= tick * 1e6 <= start + length]
    assert len(ticks) >= 2


def test_only_the_models_asked_for_are_drawn() -> None:
    tracks = made_tracks()
    figure = region_drawing(tracks, STYLES, models=["elastic-net", "transformer"]).figure
    titles = [ax.get_title(loc="left").split(":")[0] for ax in figure.axes[2:]]
    assert titles == ["elastic-net", "transformer", "transformer"]


def test_words_name_the_first_variant_and_the_largest_effects() -> None:
    tracks = made_tracks()
    words = drawn(tracks).words
    top = tracks.names[int(np.nanargmax(tracks.log10_p))]
    largest = tracks.names[int(np.nanargmax(np.abs(tracks.effects["elastic-net"])))]
    start = f"Region of GENE0000, 22:20,000,001-20,196,608: 600 variants; smallest p at {top}, −log10 p "
    assert words.startswith(start)
    assert f"largest effect of elastic-net at {largest}" in words
    assert top in [text.get_text() for text in axes(tracks)[1].texts]


def test_untested_variants_leave_the_figure_without_points() -> None:
    tracks = dataclasses.replace(made_tracks(n_variants=4), log10_p=np.full(4, np.nan))
    found = drawn(tracks)
    assert values(lines(found.figure.axes[1], "tested")[0]).size == 0
    assert "smallest p" not in found.words


def test_what_lies_outside_the_region_is_left_out() -> None:
    tracks = dataclasses.replace(made_tracks(), start=20_050_000, end=20_110_000)
    genes, associations, *_ = axes(tracks)
    inside = (tracks.positions >= 20_050_000) & (tracks.positions < 20_110_000)
    shown = positions(lines(associations, "tested")[0].get_xdata())
    np.testing.assert_array_equal(shown, tracks.positions[inside & np.isfinite(tracks.log10_p)])
    assert [text.get_text() for text in genes.texts] == ["GENE0000", "ENSG00000100426.2", "TBX1"]


def test_a_region_without_variants_and_tiles_is_drawn_empty() -> None:
    none = np.empty(0)
    tracks = dataclasses.replace(
        made_tracks(n_variants=1),
        positions=none.astype(np.int64),
        names=(),
        log10_p=none,
        effects={"elastic-net": none},
        tiles=np.empty((0, 2), dtype=np.int64),
        tile_weights={"transformer": none},
    )
    found = drawn(tracks)
    assert ": 0 variants." in found.words
    assert not found.figure.axes[-1].patches


def test_associations_alone_have_the_genomic_axis() -> None:
    ax = plot_associations(made_tracks())
    assert ax.get_xlabel() == "Position on chromosome 22, Mb"
    assert len(lines(ax, "tss")) == 1


@given(seed=st.integers(0, 1000), n_variants=st.integers(1, 400))
@settings(max_examples=40, deadline=None)
def test_variants_that_matter_are_never_left_out(seed: int, n_variants: int) -> None:
    tracks = made_tracks(n_variants=n_variants, seed=seed)
    shown = shown_variants(tracks)
    assert shown[tracks.log10_p > 3].all()
    sparse = np.nan_to_num(np.abs(tracks.effects["elastic-net"]))
    assert shown[(sparse > 0) & (sparse >= 0.05 * sparse.max())].all()
    assert shown[np.nanargmax(tracks.log10_p)] if np.isfinite(tracks.log10_p).any() else True


def test_the_rest_is_thinned_to_its_outline() -> None:
    tracks = made_tracks(n_variants=5000)
    shown = shown_variants(tracks)
    assert 150 < shown.sum() < 1000
    stretch = (tracks.positions - tracks.start) * 150 // (tracks.end - tracks.start)
    for k in range(150):
        inside = stretch == k
        assert np.nanmax(tracks.log10_p[inside & shown]) == np.nanmax(tracks.log10_p[inside])
    (tested,) = lines(axes(tracks, thin=True)[1], "tested")
    np.testing.assert_array_equal(
        positions(tested.get_xdata()), tracks.positions[shown & np.isfinite(tracks.log10_p)]
    )


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("names", ("a",), "names: 1 values, not 600"),
        ("log10_p", np.zeros(3), "log10_p: 3 values, not 600"),
        ("effects", {"blup": np.zeros(3)}, "effects of blup: 3 values, not 600"),
        ("tile_weights", {"nt": np.zeros(3)}, "tile weights of nt: 3 values, not 34"),
        ("end", 20_000_000, "is empty"),
    ],
)
def test_tracks_that_do_not_agree_are_refused(field: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(made_tracks(), **{field: value})  # type: ignore[arg-type]

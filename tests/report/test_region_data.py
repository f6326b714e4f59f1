"""What a region figure shows: nothing that matters is left out, and it stays small."""

import dataclasses
import json
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haploscribe.interpret.explanation import RegionTracks
from haploscribe.report.region_data import json_for_page, region_data, regions_within_budget, shown_variants
from tests.fixtures.results import made_tracks


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


def test_data_hold_what_the_tracks_hold() -> None:
    tracks = made_tracks(n_variants=80)
    data = json.loads(json.dumps(region_data(tracks, thin=False)))
    assert data["positions"] == tracks.positions.tolist()
    assert data["names"] == list(tracks.names)
    shown = np.array([np.nan if value is None else value for value in data["p"]["values"]])
    np.testing.assert_allclose(shown, tracks.log10_p, rtol=0.005)
    for track in data["effects"]:
        full = np.zeros(80)
        full[track["at"]] = track["values"]
        np.testing.assert_allclose(full, np.nan_to_num(tracks.effects[track["model"]]), rtol=0.005)
        assert track["low"] <= min(track["values"]) <= max(track["values"]) <= track["high"]
    (weights,) = data["weights"]
    np.testing.assert_allclose(weights["values"], tracks.tile_weights["transformer"], rtol=0.005)


def test_numbers_have_three_digits() -> None:
    text = json.dumps(region_data(made_tracks())["p"]["values"])
    digits = [number.lstrip("0.").replace(".", "") for number in text.strip("[]").split(", ")]
    assert max(len(number) for number in digits if number != "null") == 3


def test_thinned_data_still_count_all_variants() -> None:
    data = region_data(made_tracks(n_variants=3000))
    assert data["n_variants"] == 3000
    assert len(data["positions"]) < 1500


def test_what_lies_outside_the_region_is_left_out() -> None:
    tracks = dataclasses.replace(made_tracks(), start=20_050_000, end=20_110_000)
    data = region_data(tracks, thin=False)
    inside = (tracks.positions >= 20_050_000) & (tracks.positions < 20_110_000)
    assert data["positions"] == tracks.positions[inside].tolist()
    assert [gene[0] for gene in data["genes"]] == ["GENE0000", "ENSG00000100426.2", "ENSG00000184058.8"]
    assert data["tiles"][0][0] <= 20_050_000 < data["tiles"][0][1]
    assert data["tiles"][-1][0] < 20_110_000 <= data["tiles"][-1][1]


@given(start=st.integers(0, 3 * 10**8), length=st.integers(50, 5 * 10**6))
def test_ticks_are_round_one_based_and_inside(start: int, length: int) -> None:
    empty = made_tracks(n_variants=1)
    data = region_data(dataclasses.replace(empty, start=start, end=start + length))
    places, labels = zip(*data["ticks"], strict=True)
    assert 3 <= len(places) <= 10
    assert start <= places[0]
    assert places[-1] < start + length
    assert [round(float(label.replace(",", "")) * 1e6) for label in labels] == [place + 1 for place in places]
    assert len(set(np.diff(places))) == 1


def test_a_region_without_variants_and_tiles_is_drawn_empty() -> None:
    tracks = made_tracks(n_variants=1)
    none = np.empty(0)
    tracks = dataclasses.replace(
        tracks,
        positions=none.astype(np.int64),
        names=(),
        log10_p=none,
        effects={"elastic-net": none},
        tiles=np.empty((0, 2), dtype=np.int64),
        tile_weights={"transformer": none},
    )
    data = region_data(tracks)
    assert (data["n_variants"], data["p"]["values"], data["tiles"]) == (0, [], [])
    assert data["effects"][0]["values"] == []


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


def test_the_budget_is_kept_and_no_more_is_asked_for() -> None:
    asked = []

    def tracks_of(gene_id: str) -> RegionTracks | None:
        asked.append(gene_id)
        return None if gene_id == "none" else made_tracks(gene_id)

    size = len(json.dumps(region_data(made_tracks("a")), separators=(",", ":")))
    regions = regions_within_budget(["a", "none", "b", "c", "d", "e"], tracks_of, budget=int(2.5 * size))
    assert list(regions) == ["a", "b"]
    assert asked == ["a", "none", "b", "c"]


@given(st.text())
def test_json_in_a_page_reads_back_and_closes_nothing(name: str) -> None:
    blocks = []

    class Reader(HTMLParser):
        def handle_data(self, data: str) -> None:
            blocks.append(data)

    text = json_for_page({"name": name, "end": "</script><!--<script>"})
    Reader().feed(f'<script type="application/json">{text}</script>')
    assert json.loads("".join(blocks)) == {"name": name, "end": "</script><!--<script>"}

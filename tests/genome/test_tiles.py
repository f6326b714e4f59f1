"""The grid of tiles and a gene's share of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haploscribe.genome.tiles import Tile, cis_window, overlapping_tiles, tile_blocks, window_tiles


@given(
    length=st.integers(1, 500),
    size=st.integers(1, 60),
    start=st.integers(-20, 520),
    width=st.integers(0, 200),
)
def test_tiles_between_are_all_tiles_of_the_grid_that_overlap_the_region(
    length: int, size: int, start: int, width: int
) -> None:
    grid = [Tile("c", k, k * size, min((k + 1) * size, length)) for k in range(length) if k * size < length]
    expected = [tile for tile in grid if tile.start < start + width and tile.end > start and width]
    assert list(overlapping_tiles("c", start, start + width, size, length)) == expected


def test_a_region_outside_the_contig_has_no_tiles() -> None:
    assert overlapping_tiles("c", 100, 200, 10, 100) == ()


def test_a_tile_size_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="tile size must be positive"):
        overlapping_tiles("c", 0, 10, 0, 100)


@given(length=st.integers(1, 400), window=st.integers(0, 500), data=st.data())
def test_a_cis_window_is_what_lies_within_half_its_width_of_the_tss(
    length: int, window: int, data: st.DataObject
) -> None:
    tss = data.draw(st.integers(0, length - 1))
    found = cis_window("c", tss, window, length)
    assert list(range(found.start, found.end)) == [
        position for position in range(length) if abs(position - tss) <= window // 2
    ]


@given(length=st.integers(1, 400), size=st.integers(1, 60), window=st.integers(0, 300), data=st.data())
def test_tiles_of_a_window_cover_it_and_no_other_tile_does(
    length: int, size: int, window: int, data: st.DataObject
) -> None:
    cut_out = cis_window("c", data.draw(st.integers(0, length - 1)), window, length)
    tiles = window_tiles(cut_out, size, length)
    assert [tile.number for tile in tiles] == list(
        range(cut_out.start // size, (cut_out.end - 1) // size + 1)
    )
    assert {(tile.variants_from, tile.variants_to) for tile in tiles} == {(cut_out.start, cut_out.end)}
    assert [tile.whole() for tile in tiles] == list(
        overlapping_tiles("c", cut_out.start, cut_out.end, size, length)
    )


@settings(max_examples=50)
@given(
    length=st.integers(1, 400),
    size=st.integers(1, 5),
    places=st.lists(st.tuples(st.integers(0, 399), st.integers(0, 300)), min_size=1, max_size=5),
)
def test_blocks_hold_each_tile_of_each_window_once(
    length: int, size: int, places: list[tuple[int, int]]
) -> None:
    windows = [cis_window("c", min(tss, length - 1), window, length) for tss, window in places]
    blocks = list(tile_blocks(windows, size, {"c": length}))
    found = [tile for block in blocks for tile in block.window_tiles()]
    assert sorted(found) == sorted(
        {tile for window in windows for tile in window_tiles(window, size, length)}
    )
    assert sum(block.n_wanted for block in blocks) == len({tile.number for tile in found})
    positions = np.arange(length)
    inside = np.sum([block.in_windows(positions) for block in blocks], axis=0)
    wanted = np.any([(positions >= each.start) & (positions < each.end) for each in windows], axis=0)
    assert inside.tolist() == wanted.astype(int).tolist()


def test_a_tss_outside_the_contig_is_refused() -> None:
    with pytest.raises(ValueError, match="lies outside c"):
        cis_window("c", 100, 20, 100)

"""The grid of tiles and a gene's share of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haploscribe.genome.tiles import Tile, cis_tiles, overlapping_tiles


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


@given(
    length=st.integers(1, 400), size=st.integers(1, 60), window=st.integers(0, 300), fraction=st.floats(0, 1)
)
def test_cis_tiles_are_those_whose_centre_is_in_the_window_and_the_tss_own(
    length: int, size: int, window: int, fraction: float
) -> None:
    tss = min(int(fraction * length), length - 1)
    low, high = tss - window // 2, tss + window // 2
    expected = [
        tile
        for tile in overlapping_tiles("c", 0, length, size, length)
        if low <= (tile.start + tile.end) / 2 < high or tile.start <= tss < tile.end
    ]
    assert list(cis_tiles("c", tss, window, size, length)) == expected


@given(length=st.integers(1, 400), size=st.integers(1, 60), window=st.integers(0, 300), data=st.data())
def test_cis_tiles_are_neighbours(length: int, size: int, window: int, data: st.DataObject) -> None:
    tiles = cis_tiles("c", data.draw(st.integers(0, length - 1)), window, size, length)
    assert [tile.number for tile in tiles] == list(range(tiles[0].number, tiles[-1].number + 1))


def test_a_tss_outside_the_contig_is_refused() -> None:
    with pytest.raises(ValueError, match="lies outside c"):
        cis_tiles("c", 100, 20, 10, 100)

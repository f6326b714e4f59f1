"""Costs counted in simulated people are those that tskit's own haplotypes give, and laws are fitted right."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from benchmarks.scale.growth import count_stretch, stored_bytes
from benchmarks.scale.growth_tables import SIZES, exponents, extrapolated, with_error
from benchmarks.scale.log_plot import Panel, Series, log_log_drawing
from benchmarks.scale.simulated_samples import (
    Stretch,
    european_demography,
    first_samples,
    simulate_stretch,
    tile_variants,
)
from haploscribe.genome.haplotypes import tile_haplotypes
from haploscribe.utils.types import Float64Array

N_SAMPLES, N_TILES, TILE_SIZE = 40, 3, 600


@pytest.fixture(scope="module")
def stretch() -> Stretch:
    # many mutations, so that some fall twice on one base pair and make three alleles
    return simulate_stretch(N_SAMPLES, N_TILES, TILE_SIZE, seed=1, diversity=60)


@pytest.fixture(scope="module")
def written(stretch: Stretch) -> list[str]:
    """Both haplotypes of each person as tskit writes them, and those of the reference's owner."""
    chromosome = b"".join(stretch.references).decode()
    return list(stretch.ancestry.alignments(reference_sequence=chromosome))


def test_the_reference_is_one_more_persons_haplotype(stretch: Stretch, written: Sequence[str]) -> None:
    assert b"".join(stretch.references).decode() == written[2 * N_SAMPLES]


def test_some_variants_have_three_alleles(stretch: Stretch) -> None:
    assert any(len(record) > 2 for record in tile_variants(stretch, 0).alleles)


@pytest.mark.parametrize("n_samples", [1, 7, N_SAMPLES])
@pytest.mark.parametrize("number", range(N_TILES))
def test_each_haplotype_is_the_one_that_tskit_writes(
    stretch: Stretch, written: Sequence[str], number: int, n_samples: int
) -> None:
    tile = stretch.tiles[number]
    cohort = first_samples(tile_variants(stretch, number), n_samples)
    (found,) = tile_haplotypes([stretch.references[number]], cohort, [tile])
    ours = [found.sequences[place].decode() for place in found.index.ravel()]
    assert ours == [haplotype[tile.start : tile.end] for haplotype in written[: 2 * n_samples]]


@pytest.mark.parametrize("n_samples", [1, 7, N_SAMPLES])
def test_a_smaller_cohort_has_the_variants_that_someone_in_it_carries(
    stretch: Stretch, written: Sequence[str], n_samples: int
) -> None:
    cohort = first_samples(tile_variants(stretch, 1), n_samples)
    carried = [
        position
        for position in range(TILE_SIZE, 2 * TILE_SIZE)
        if any(haplotype[position] != written[-2][position] for haplotype in written[: 2 * n_samples])
    ]
    assert cohort.positions.tolist() == carried


def passes_by_hand(written: Sequence[str], start: int, n_samples: int, floor: float) -> int:
    """Write rare variants back to the reference, letter by letter, and count what is left."""
    reference = written[-2][start : start + TILE_SIZE]
    people = [list(haplotype[start : start + TILE_SIZE]) for haplotype in written[: 2 * n_samples]]
    for position, letter in enumerate(reference):
        most = max(Counter(haplotype[position] for haplotype in people).values())
        if 1 - most / (2 * n_samples) < floor:
            for haplotype in people:
                haplotype[position] = letter
    unique = {reference} | {"".join(haplotype) for haplotype in people}
    return len(unique) if len(unique) > 1 else 0


def test_passes_above_a_floor_are_the_sequences_without_the_rarer_variants(
    stretch: Stretch, written: Sequence[str]
) -> None:
    sizes, floors = (7, N_SAMPLES), (0.0, 0.05, 0.2, 0.51)
    passes = count_stretch(stretch, sizes, floors)[:, 1]
    expected = [
        [[passes_by_hand(written, tile.start, size, floor) for floor in floors] for size in sizes]
        for tile in stretch.tiles
    ]
    assert passes.tolist() == expected


def test_noise_does_not_compress_and_a_constant_does() -> None:
    random = np.random.default_rng(0).integers(-(2**31), 2**31, (5_000, 2)).astype(np.int32)
    assert stored_bytes(random) >= random.nbytes
    assert stored_bytes(np.zeros_like(random)) < 1_000


def test_populations_have_todays_published_sizes() -> None:
    sizes = dict(
        zip(("AFR", "EUR"), european_demography().debug().population_size_trajectory([0])[0], strict=True)
    )
    # Tennessen et al. 2012: 424,000 and 512,000, with rates of growth given to three digits
    assert sizes == pytest.approx({"AFR": 424_000, "EUR": 512_000}, rel=0.03)


@given(arrays(np.float64, (4, len(SIZES)), elements=st.floats(0.01, 1e6)))
def test_exponents_are_slopes_of_the_logarithms(values: Float64Array) -> None:
    sizes = np.array(SIZES, dtype=np.float64)
    expected = [stats.linregress(np.log(sizes), np.log(row)).slope for row in values]
    assert exponents(sizes, values) == pytest.approx(expected, abs=1e-9)


def test_a_law_of_the_last_decade_goes_on() -> None:
    sizes = np.array(SIZES, dtype=np.float64)
    law = np.stack([3 * sizes**0.4, 5 * sizes**0.2])
    law[:, sizes < 10_000] = 7  # another law before it
    assert extrapolated(law, 500_000) == pytest.approx([3 * 500_000**0.4, 5 * 500_000**0.2])


def test_what_follows_the_mean_is_its_standard_error() -> None:
    values = np.array([1.0, 2.0, 4.0, 9.0])
    assert with_error(values, 3) == f"4.000 ± {stats.sem(values):.3f}"


def test_lines_have_the_values_on_logarithmic_axes() -> None:
    x, y = np.array([100.0, 3_000.0, 100_000.0]), np.array([2.0, 50.0, 40_000.0])
    drawn = log_log_drawing([Panel("cost", (Series("a", x, y), Series("b", x, 2 * y)))], x_label="samples")
    (ax,) = drawn.figure.axes
    assert (ax.get_xscale(), ax.get_yscale(), ax.get_xlabel()) == ("log", "log", "samples")
    for line, values in zip(ax.lines, (y, 2 * y), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), x)
        np.testing.assert_array_equal(line.get_ydata(), values)
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b"]

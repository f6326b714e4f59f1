"""Variants of two stretches of a block, merged, are those of both together."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from haploscribe.genome.variants import VariantCounts, Variants
from haploscribe.results.known_variants import KnownVariants
from haploscribe.utils.types import BoolArray

N_SAMPLES = 3
Record = tuple[int, int, int]
"""Position, length of REF, and what tells records of one position apart."""


def variants_of(records: list[Record], *, partly_missing: bool) -> Variants:
    rng = np.random.default_rng(len(records))
    missing = rng.random((len(records), N_SAMPLES)) < 0.2 if partly_missing else None
    return Variants(
        contig="c",
        positions=np.array([position for position, _, _ in records], dtype=np.int64),
        identifiers=tuple(f"r{i}" for i in range(len(records))),
        alleles=tuple((b"A" * length, b"C" * (1 + kind)) for _, length, kind in records),
        genotypes=rng.integers(0, 2, (len(records), N_SAMPLES, 2)).astype(np.int8),
        sample_ids=tuple("abc"),
        counts=VariantCounts(),
        missing=missing,
    )


def reaching(variants: Variants, start: int, end: int) -> BoolArray:
    return np.asarray((variants.positions < end) & (variants.ends > start))


@given(
    records=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12), st.integers(0, 2)), max_size=25),
    bounds=st.lists(st.integers(0, 50), min_size=4, max_size=4, unique=True).map(sorted),
    overlap=st.booleans(),
    partly_missing=st.booleans(),
)
def test_the_variants_of_two_stretches_are_those_that_reach_either(
    records: list[Record], bounds: list[int], overlap: bool, partly_missing: bool
) -> None:
    variants = variants_of(sorted(records, key=lambda record: record[0]), partly_missing=partly_missing)
    spans = [(bounds[0], bounds[2]), (bounds[1], bounds[3])] if overlap else list(pairwise(bounds))[::2]
    reach = [reaching(variants, *span) for span in spans]
    known = [KnownVariants.of(variants.take(one)) for one in reach]
    expected = KnownVariants.of(variants.take(reach[0] | reach[1])).arrays()
    for found in (known[0].merge(known[1]), known[1].merge(known[0])):
        arrays = found.arrays()
        assert arrays.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_array_equal(arrays[name], values, err_msg=name)

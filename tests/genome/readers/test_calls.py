"""Calls of neighbouring stretches are joined as they are; what no reader may pass on is refused."""

from pathlib import Path

import numpy as np
import pytest

from haploscribe.errors import InputError
from haploscribe.genome.readers.calls import MISSING, CallRules, Calls, joined_calls, phased_variants

RULES = CallRules(Path("v.vcf"), assume_phased=False, max_missing=1.0)


def calls(positions: list[int], alleles: list[tuple[str, ...]], numbers: list[list[int]]) -> Calls:
    """Phased calls of one sample."""
    return Calls(
        positions=np.array(positions, dtype=np.int64),
        identifiers=tuple(f"v{position}" for position in positions),
        alleles=tuple(alleles),
        numbers=np.array(numbers, dtype=np.int16).reshape(-1, 1, 2),
        phased=np.ones((len(positions), 1), dtype=np.bool_),
    )


def refused(of: Calls) -> str:
    with pytest.raises(InputError) as error:
        phased_variants(of, "c", ("a",), RULES)
    return str(error.value)


def test_no_stretch_joins_to_no_record() -> None:
    none = joined_calls([], 3)
    assert (none.positions.shape, none.identifiers, none.alleles) == ((0,), (), ())
    assert (none.numbers.shape, none.phased.shape) == ((0, 3, 2), (0, 3))
    assert [str(array.dtype) for array in (none.positions, none.numbers, none.phased)] == [
        "int64",
        "int8",
        "bool",
    ]


@pytest.mark.parametrize("phased", [True, False])
def test_stretches_are_joined_in_order(phased: bool) -> None:
    first, second = (
        calls([1, 2], [("A", "C"), ("G", "T")], [[0, 1], [1, 1]]),
        calls([5], [("C", "A")], [[1, 0]]),
    )
    second.phased[0, 0] = phased
    joined = joined_calls([first, second], 1)
    assert joined.positions.tolist() == [1, 2, 5]
    assert joined.identifiers == ("v1", "v2", "v5")
    assert joined.alleles == (("A", "C"), ("G", "T"), ("C", "A"))
    assert joined.numbers[:, 0].tolist() == [[0, 1], [1, 1], [1, 0]]
    assert joined.phased.tolist() == [[True], [True], [phased]]


def test_records_out_of_order_are_named_as_in_the_file() -> None:
    unsorted = calls([4, 9, 8], [("A", "C")] * 3, [[0, 1]] * 3)
    assert "v.vcf is not sorted: c:9 comes after c:10" in refused(unsorted)


@pytest.mark.parametrize("n_alleles", [127, 128])
def test_the_most_alleles_that_a_site_may_have(n_alleles: int) -> None:
    alleles = ("A", *("A" * length for length in range(2, n_alleles + 1)))
    site = calls([4], [alleles], [[n_alleles - 1, 0]])
    if n_alleles > 127:
        assert "has a site with 128 alleles on c" in refused(site)
    else:
        assert phased_variants(site, "c", ("a",), RULES).genotypes.tolist() == [[[126, 0]]]


def test_a_reference_allele_that_is_no_sequence_is_refused() -> None:
    site = calls([4, 6], [("A", "C"), ("<DEL>", "C")], [[0, 1], [0, 1]])
    assert "has REF '<DEL>' at c:7" in refused(site)


def test_a_missing_allele_stands_in_for_the_reference() -> None:
    found = phased_variants(calls([4], [("A", "C")], [[MISSING, 1]]), "c", ("a",), RULES)
    assert found.genotypes.tolist() == [[[0, 1]]]
    assert found.imputed_mask is not None
    assert found.imputed_mask.tolist() == [[[True, False]]]

"""Candidate causal alleles of hand-written variants."""

from pathlib import Path

import numpy as np

from haploscribe.genome.readers.open import open_variants
from haploscribe.simulation.genes import candidate_alleles
from tests.fixtures.variants import write_vcf_lines


def test_each_common_allele_of_a_site_is_a_candidate(tmp_path: Path) -> None:
    samples = tuple("abcdefghij")
    sites = [
        (10, "A", "C,G", "0|1 1|2 2|0 0|0 0|0 0|1 0|0 2|0 0|0 0|0"),  # C: 3 of 20; G: 3 of 20
        (20, "T", "C,G", "0|1 1|1 0|0 0|0 0|0 1|0 0|0 2|0 0|0 0|0"),  # C: 4 of 20; G: 1 of 20
        (30, "A", "AT", "1|1 1|1 1|1 1|1 1|1 1|1 1|1 1|1 1|1 1|1"),  # fixed
        (40, "A", "C", "0|1 1|0 0|1 0|1 0|1 0|1 0|1 0|1 0|1 0|1"),  # its dosage does not vary
        (50, "GG", "G", "1|1 1|1 1|1 1|1 1|1 1|1 1|1 1|1 0|0 0|1"),  # a deletion, 3 of 20 without it
    ]
    lines = [
        "\t".join(["c", str(position + 1), f"s{position}", ref, alt, ".", ".", ".", "GT", *calls.split()])
        for position, ref, alt, calls in sites
    ]
    vcf = write_vcf_lines(tmp_path / "v.vcf.gz", {"c": 100}, lines, samples)
    with open_variants(vcf) as reader:
        variants = reader.read("c", 0, 100, samples)
    found = candidate_alleles(variants, 0.15)
    assert list(zip(found.positions, found.ref, found.alt, found.identifiers, strict=True)) == [
        (10, "A", "C", "s10"),
        (10, "A", "G", "s10"),
        (20, "T", "C", "s20"),
        (50, "GG", "G", "s50"),
    ]
    np.testing.assert_array_equal(found.carried.sum(axis=(1, 2)), [3, 3, 4, 17])
    assert found.carried[1, 1].tolist() == [False, True]  # b's G is on its second haplotype
    assert len(candidate_alleles(variants, 0.0).positions) == 5

"""Copied variants are the cohort's own, whatever overlaps what, and candidates are its common alleles."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haploscribe.errors import InputError
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.reference import Reference
from haploscribe.genome.variants import Variants
from haploscribe.config.simulation import SimulationOptions
from haploscribe.simulation.candidates import candidates_of
from haploscribe.workflows import simulate
from haploscribe.simulation.people import CopiedCounts, Stretch
from haploscribe.simulation.samples import copy_variants
from haploscribe.simulation.vcf_file import written_vcf
from tests.genome.drawn import (
    SAMPLES,
    DrawnContig,
    consensus,
    contigs,
    write_fasta,
    write_vcf,
    write_vcf_lines,
)


def copied(
    drawn: DrawnContig, folder: Path, stretches: list[Stretch], write: Callable[[Variants], None]
) -> CopiedCounts:
    fasta, vcf = (
        write_fasta(folder / "r.fa", {"c": drawn.sequence}),
        write_vcf(folder / "v.vcf.gz", {"c": drawn}),
    )
    with open_variants(vcf, max_missing=1) as reader, Reference.open(fasta, folder) as reference:
        return copy_variants(Genotypes(reference, reader, SAMPLES), stretches, write)


@settings(max_examples=40, deadline=None)
@given(drawn=contigs(), block=st.integers(1, 80))
def test_a_copy_gives_the_haplotypes_of_its_source(drawn: DrawnContig, block: int) -> None:
    length = len(drawn.sequence)
    with TemporaryDirectory() as name, patch("haploscribe.simulation.people._BLOCK", block):
        folder = Path(name)
        with written_vcf(folder / "copy.vcf.gz", {"c": length}, SAMPLES) as write:
            counts = copied(drawn, folder, [Stretch("c", 0, length)], write)
        for sample in SAMPLES:
            for haplotype in (0, 1):
                found = consensus(folder / "r.fa", folder / "copy.vcf.gz", sample, haplotype)
                assert found == consensus(folder / "r.fa", folder / "v.vcf.gz", sample, haplotype)
        assert counts.n_variants <= len(drawn.records)


@settings(max_examples=40, deadline=None)
@given(drawn=contigs(), cuts=st.lists(st.integers(0, 70), min_size=4, max_size=4), block=st.integers(1, 80))
def test_each_record_of_the_stretches_is_copied_once(drawn: DrawnContig, cuts: list[int], block: int) -> None:
    edges = sorted(min(cut, len(drawn.sequence)) for cut in cuts)
    stretches = [Stretch("c", *edges[:2]), Stretch("c", *edges[2:])]
    parts: list[Variants] = []
    with TemporaryDirectory() as name, patch("haploscribe.simulation.people._BLOCK", block):
        copied(drawn, Path(name), stretches, parts.append)
    expected = [
        record.position
        for record in drawn.records
        if any(
            start < end > record.position and record.end > start for _, start, end in map(_edges, stretches)
        )
        and any(
            allele in _real_alleles(record.alternates) for call in record.calls for allele in call.split("|")
        )
    ]
    assert [position for part in parts for position in part.positions.tolist()] == expected


def _edges(stretch: Stretch) -> tuple[str, int, int]:
    return stretch.contig, stretch.start, stretch.end


def _real_alleles(alternates: tuple[str, ...]) -> set[str]:
    return {str(number) for number, alt in enumerate(alternates, start=1) if alt not in {"*", "<DUP>"}}


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
    found = candidates_of(variants, 0.15)
    assert list(
        zip(found.positions, found.references, found.alternatives, found.identifiers, strict=True)
    ) == [
        (10, "A", "C", "s10"),
        (10, "A", "G", "s10"),
        (20, "T", "C", "s20"),
        (50, "GG", "G", "s50"),
    ]
    np.testing.assert_array_equal(found.carried.sum(axis=(1, 2)), [3, 3, 4, 17])
    assert found.carried[1, 1].tolist() == [False, True]  # b's G is on its second haplotype
    assert len(candidates_of(variants, 0.0).positions) == 5


@pytest.fixture
def three_people(tmp_path: Path) -> SimulationOptions:
    """Four sites, one of which is not phased and two of which have missing calls."""
    sequence = "ACGT" * 300
    reference = write_fasta(tmp_path / "r.fa", {"c": sequence})
    calls = ["0|1\t1|1\t0|0", "0/1\t0|0\t1|1", ".|.\t0|1\t1|1", "1|1\t0|1\t.|0"]
    lines = [
        f"c\t{site * 100 + 1}\t.\tA\tG\t.\t.\t.\tGT\t{texts}" for site, texts in enumerate(calls, start=1)
    ]
    variants = write_vcf_lines(tmp_path / "v.vcf.gz", {"c": len(sequence)}, lines, ("a", "b", "c"))
    return SimulationOptions(
        variants=variants, reference=reference, genes=1, causal=1, h2=0.5, window=2000, tile=300, maf=0.1
    )


def test_unphased_calls_are_refused_unless_phase_is_assumed(
    three_people: SimulationOptions, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="--assume-phased"):
        simulate(three_people, tmp_path / "out")
    facts = simulate(replace(three_people, assume_phased=True), tmp_path / "out")
    with open_variants(tmp_path / "out" / "genotypes.vcf.gz") as reader:  # refuses what is not phased
        written = reader.read("c", 0, 1200, ("a", "b", "c")).genotypes
    assert written.tolist()[1] == [[0, 1], [0, 0], [1, 1]]
    assert facts["samples"] == 3


def test_missing_calls_are_told_and_written_as_reference(
    three_people: SimulationOptions, tmp_path: Path
) -> None:
    facts = simulate(replace(three_people, assume_phased=True), tmp_path / "out")
    assert facts["missing calls, written as reference"] == "2 of 12"
    with open_variants(tmp_path / "out" / "genotypes.vcf.gz") as reader:
        variants = reader.read("c", 0, 1200, ("a", "b", "c"))
    assert variants.genotypes.tolist()[2:] == [[[0, 0], [0, 1], [1, 1]], [[1, 1], [0, 1], [0, 0]]]
    assert variants.counts.n_missing_calls == 0

"""Copies of overlapping variants, against bcftools consensus, and the layout of simulated loci."""

import itertools
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.reference import Reference
from haploscribe.genome.tiles import Interval, cis_window, window_tiles
from haploscribe.genome.variants import Variants
from haploscribe.simulation.files import vcf_writer
from haploscribe.simulation.samples import CopyCounts, copy_variants, lay_out_loci
from tests.fixtures.variants import (
    SAMPLES,
    DrawnContig,
    consensus,
    contigs,
    write_fasta,
    write_vcf,
)


def copied(
    drawn: DrawnContig, folder: Path, intervals: list[Interval], write: Callable[[Variants], None], part: int
) -> CopyCounts:
    fasta, vcf = (
        write_fasta(folder / "r.fa", {"c": drawn.sequence}),
        write_vcf(folder / "v.vcf.gz", {"c": drawn}),
    )
    with open_variants(vcf, max_missing=1) as reader, Reference.open(fasta, folder) as reference:
        genotypes = Genotypes(reference, reader, SAMPLES)
        return copy_variants(genotypes, intervals, write, bases_at_once=part)


@settings(max_examples=40, deadline=None)
@given(drawn=contigs(), part=st.integers(1, 80))
def test_a_copy_gives_the_haplotypes_of_its_source(drawn: DrawnContig, part: int) -> None:
    length = len(drawn.sequence)
    with TemporaryDirectory() as name:
        folder = Path(name)
        with vcf_writer(folder / "copy.vcf.gz", {"c": length}, SAMPLES) as write:
            counts = copied(drawn, folder, [Interval("c", 0, length)], write, part)
        for sample in SAMPLES:
            for haplotype in (0, 1):
                found = consensus(folder / "r.fa", folder / "copy.vcf.gz", sample, haplotype)
                assert found == consensus(folder / "r.fa", folder / "v.vcf.gz", sample, haplotype)
        assert counts.n_variants <= len(drawn.records)


@settings(max_examples=40, deadline=None)
@given(drawn=contigs(), cuts=st.lists(st.integers(0, 70), min_size=4, max_size=4), part=st.integers(1, 80))
def test_each_record_of_the_intervals_is_copied_once(drawn: DrawnContig, cuts: list[int], part: int) -> None:
    edges = sorted(min(cut, len(drawn.sequence)) for cut in cuts)
    intervals = [Interval("c", *edges[:2]), Interval("c", *edges[2:])]
    parts: list[Variants] = []
    with TemporaryDirectory() as name:
        copied(drawn, Path(name), intervals, parts.append, part)
    expected = [
        record.position
        for record in drawn.records
        if any(
            start < end > record.position and record.end > start for _, start, end in map(_edges, intervals)
        )
        and any(
            allele in _real_alleles(record.alternates) for call in record.calls for allele in call.split("|")
        )
    ]
    assert [position for copy in parts for position in copy.positions.tolist()] == expected


def _edges(interval: Interval) -> tuple[str, int, int]:
    return interval.contig, interval.start, interval.end


def _real_alleles(alternates: tuple[str, ...]) -> set[str]:
    return {str(number) for number, alt in enumerate(alternates, start=1) if alt not in {"*", "<DUP>"}}


def test_many_genes_go_to_several_contigs_and_have_their_own_loci() -> None:
    loci = lay_out_loci(120, 10_000, 3_000)
    assert {locus.contig for locus in loci} == {"chr1", "chr2", "chr3"}
    for locus in loci:
        length = locus.end + 90_000
        window = cis_window(locus.contig, locus.centre, 10_000, length)
        tiles = window_tiles(window, 3_000, length)
        assert locus.start <= tiles[0].start
        assert tiles[-1].end <= locus.end
    for one, other in itertools.pairwise(loci):
        assert one.contig != other.contig or one.end == other.start

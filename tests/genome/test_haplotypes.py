"""Tiles and regions against bcftools consensus."""

import subprocess
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haploscribe.genome.haplotypes import (
    LengthEdit,
    TileHaplotype,
    TileHaplotypes,
    merge_equal_tiles,
    overlaps_skipped,
    read_for_tiles,
    region_haplotypes,
    reverse_complement,
    tile_haplotypes,
)
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.reference import Reference
from haploscribe.genome.tiles import Interval, Tile, cis_window, overlapping_tiles, window_tiles
from haploscribe.genome.variants import VariantReader
from tests.fixtures.variants import (
    SAMPLES,
    DrawnContig,
    Record,
    consensus,
    contigs,
    write_fasta,
    write_vcf,
    write_vcf_lines,
)


def _tiles(reader: VariantReader, reference: Reference, tiles: tuple[Tile, ...]) -> list[TileHaplotypes]:
    sequences = [reference.fetch(tile.contig, tile.start, tile.end) for tile in tiles]
    return tile_haplotypes(sequences, read_for_tiles(reader, tiles, SAMPLES), tiles)


def _joined(tiles: list[TileHaplotypes], sample: int, haplotype: int) -> str:
    return b"".join(tile.sequences[tile.index[sample, haplotype]] for tile in tiles).decode()


def _assert_joined_tiles_are_consensus(drawn: list[DrawnContig], size: int) -> None:
    named = {f"c{number}": contig for number, contig in enumerate(drawn)}
    with TemporaryDirectory() as name:
        folder = Path(name)
        fasta = write_fasta(folder / "r.fa", {name: contig.sequence for name, contig in named.items()})
        vcf = write_vcf(folder / "v.vcf.gz", named)
        with open_variants(vcf, max_missing=1) as reader, Reference.open(fasta, folder) as reference:
            tiled = {
                contig: _tiles(reader, reference, overlapping_tiles(contig, 0, length, size, length))
                for contig, length in reference.contigs.items()
            }
        for sample, sample_id in enumerate(SAMPLES):
            for haplotype in (0, 1):
                written = {contig: _joined(tiles, sample, haplotype) for contig, tiles in tiled.items()}
                assert written == consensus(fasta, vcf, sample_id, haplotype)


@settings(max_examples=25, deadline=None)
@given(drawn=st.lists(contigs(), min_size=1, max_size=4), size=st.integers(1, 30))
def test_joined_tiles_are_what_bcftools_consensus_writes(drawn: list[DrawnContig], size: int) -> None:
    _assert_joined_tiles_are_consensus(drawn, size)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(drawn=st.lists(contigs(), min_size=1, max_size=6), size=st.integers(1, 30))
def test_joined_tiles_of_many_draws_are_what_bcftools_consensus_writes(
    drawn: list[DrawnContig], size: int
) -> None:
    _assert_joined_tiles_are_consensus(drawn, size)


@settings(max_examples=20, deadline=None)
@given(contig=contigs(), size=st.integers(1, 20), data=st.data())
def test_blocks_of_tiles_agree_with_the_whole_contig(
    contig: DrawnContig, size: int, data: st.DataObject
) -> None:
    length = len(contig.sequence)
    tiles = overlapping_tiles("c", 0, length, size, length)
    first = data.draw(st.integers(0, len(tiles) - 1))
    last = data.draw(st.integers(first + 1, len(tiles)))
    with TemporaryDirectory() as name:
        folder = Path(name)
        fasta = write_fasta(folder / "r.fa", {"c": contig.sequence})
        vcf = write_vcf(folder / "v.vcf.gz", {"c": contig})
        with open_variants(vcf, max_missing=1) as reader, Reference.open(fasta, folder) as reference:
            whole = _tiles(reader, reference, tiles)[first:last]
            block = _tiles(reader, reference, tiles[first:last])
    assert [tile.sequences for tile in block] == [tile.sequences for tile in whole]
    assert [tile.index.tolist() for tile in block] == [tile.index.tolist() for tile in whole]


def _in_window(contig: DrawnContig, window: Interval) -> DrawnContig:
    """Leave out the records whose position lies outside a window."""
    records = (record for record in contig.records if window.start <= record.position < window.end)
    return replace(contig, records=tuple(records))


@settings(max_examples=25, deadline=None)
@given(contig=contigs(), size=st.integers(1, 30), width=st.integers(0, 50), data=st.data())
def test_tiles_of_a_window_are_what_bcftools_writes_without_the_other_records(
    contig: DrawnContig, size: int, width: int, data: st.DataObject
) -> None:
    length = len(contig.sequence)
    window = cis_window("c", data.draw(st.integers(0, length - 1)), width, length)
    tiles = tuple(tile.cut(window) for tile in overlapping_tiles("c", 0, length, size, length))
    with TemporaryDirectory() as name:
        folder = Path(name)
        fasta = write_fasta(folder / "r.fa", {"c": contig.sequence})
        everything = write_vcf(folder / "v.vcf.gz", {"c": contig})
        inside = write_vcf(folder / "inside.vcf.gz", {"c": _in_window(contig, window)})
        with open_variants(everything, max_missing=1) as reader, Reference.open(fasta, folder) as reference:
            found = _tiles(reader, reference, tiles)
        for sample, sample_id in enumerate(SAMPLES):
            for haplotype in (0, 1):
                written = consensus(fasta, inside, sample_id, haplotype)
                assert written == {"c": _joined(found, sample, haplotype)}


@settings(max_examples=60, deadline=None)
@given(
    contig=contigs(),
    size=st.integers(1, 20),
    places=st.lists(st.tuples(st.integers(0, 69), st.integers(0, 50)), min_size=1, max_size=3),
)
def test_tiles_that_windows_share_are_spelled_as_each_windows_own(
    contig: DrawnContig, size: int, places: list[tuple[int, int]]
) -> None:
    length = len(contig.sequence)
    windows = [cis_window("c", min(tss, length - 1), width, length) for tss, width in places]
    tiles = tuple(tile for window in windows for tile in window_tiles(window, size, length))
    with TemporaryDirectory() as name:
        folder = Path(name)
        fasta = write_fasta(folder / "r.fa", {"c": contig.sequence})
        vcf = write_vcf(folder / "v.vcf.gz", {"c": contig})
        with open_variants(vcf, max_missing=1) as reader, Reference.open(fasta, folder) as reference:
            every = overlapping_tiles("c", 0, length, size, length)
            merged = merge_equal_tiles(read_for_tiles(reader, every, SAMPLES), tiles)
            own = [_tiles(reader, reference, (tile,))[0] for tile in tiles]
            shared = {each.tile: each for tile in merged for each in _tiles(reader, reference, (tile,))}
    assert len(set(merged)) == len(merged)
    for each in own:
        same = shared.get(each.tile) or shared[each.tile.whole()]
        assert (same.haplotypes, same.index.tolist()) == (each.haplotypes, each.index.tolist())


def test_only_tiles_that_records_outside_the_window_can_change_are_cut(tmp_path: Path) -> None:
    """Tiles of 10 bp; a deletion of 11:24, which starts before the window, displaces one of 23:33."""
    sequence = "ACGT" * 20
    records = (
        Record(11, sequence[11:24], (sequence[11],), ("0|1", "0|0")),
        Record(23, sequence[23:33], (sequence[23],), ("0|1", "0|0")),
        Record(65, sequence[65], ("G",), ("0|1", "0|0")),
    )
    vcf = write_vcf(tmp_path / "v.vcf.gz", {"c": DrawnContig(sequence, records)})
    tiles = overlapping_tiles("c", 0, 80, 10, 80)
    with open_variants(vcf) as reader:
        variants = read_for_tiles(reader, tiles, SAMPLES)

    def cut(start: int, end: int) -> list[int]:
        merged = merge_equal_tiles(variants, window_tiles(Interval("c", start, end), 10, 80))
        return [tile.number for tile in merged if not tile.is_whole]

    assert cut(0, 80) == cut(11, 66) == cut(5, 70) == []
    assert cut(12, 66) == [1, 2, 3]
    assert cut(24, 66) == [2, 3]
    assert cut(33, 65) == [3, 6]
    assert cut(40, 60) == []


@settings(max_examples=20, deadline=None)
@given(contig=contigs(), size=st.integers(1, 40))
def test_sequences_of_a_tile_are_unique_and_the_reference_comes_first(contig: DrawnContig, size: int) -> None:
    length = len(contig.sequence)
    with TemporaryDirectory() as name:
        folder = Path(name)
        fasta = write_fasta(folder / "r.fa", {"c": contig.sequence})
        vcf = write_vcf(folder / "v.vcf.gz", {"c": contig})
        with open_variants(vcf, max_missing=1) as reader, Reference.open(fasta, folder) as reference:
            found = _tiles(reader, reference, overlapping_tiles("c", 0, length, size, length))
    for tile in found:
        assert tile.sequences[0].decode() == contig.sequence[tile.tile.start : tile.tile.end]
        assert len(set(tile.sequences)) == len(tile.sequences)
        assert set(tile.index.ravel().tolist()) | {0} == set(range(len(tile.sequences)))


def _without_excluded(contig: DrawnContig, start: int, end: int) -> DrawnContig:
    """Leave out what `region_haplotypes` excludes.

    Of the records that reach into the region from the left, all but one deletion to a single base, and what
    overlaps that one; and records cut by the region's end that begin on the last base of another.
    """
    reaching = [record for record in contig.records if record.position < start < record.end]
    kept = [record for record in reaching if all(alt == record.reference[0] for alt in record.alternates)][:1]
    from_left = min((record.position for record in kept), default=start)
    last_bases = {record.end - 1 for record in contig.records}
    records = (
        record
        for record in contig.records
        if (record in kept or record.end <= from_left or record.position >= start)
        and not (record.end > end and record.position in last_bases)
    )
    return replace(contig, records=tuple(records))


@st.composite
def _contigs_with_deletion(draw: st.DrawFn) -> DrawnContig:
    contig = draw(contigs())
    position = draw(st.integers(0, len(contig.sequence) - 1))
    reference = contig.sequence[position : position + draw(st.integers(2, 9))]
    if len(reference) == 1:
        return contig
    deletion = Record(position, reference, (reference[0],), ("1|0", "0|1"))
    records = sorted((deletion, *contig.records), key=lambda record: record.position)
    return replace(contig, records=tuple(records))


@settings(max_examples=30, deadline=None)
@given(drawn=_contigs_with_deletion(), data=st.data())
def test_region_is_what_bcftools_consensus_writes(drawn: DrawnContig, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(drawn.sequence) - 1))
    end = data.draw(st.integers(start + 1, len(drawn.sequence)))
    contig = _without_excluded(drawn, start, end)
    with TemporaryDirectory() as name:
        folder = Path(name)
        fasta = write_fasta(folder / "r.fa", {"c": contig.sequence})
        vcf = write_vcf(folder / "v.vcf.gz", {"c": contig})
        with open_variants(vcf, max_missing=1) as reader, Reference.open(fasta, folder) as reference:
            variants = read_for_tiles(reader, [Tile("c", 0, start, end)], SAMPLES)
            region = region_haplotypes(reference.fetch("c", start, end), variants, "c", start, end)
        part = write_fasta(folder / "part.fa", {f"c:{start + 1}-{end}": contig.sequence[start:end]})
        for sample, sample_id in enumerate(SAMPLES):
            for haplotype in (0, 1):
                expected = consensus(part, vcf, sample_id, haplotype)["c"]
                assert _joined([region], sample, haplotype) == expected


@pytest.mark.shared
def test_real_people_are_what_bcftools_consensus_writes(shared_cohort: Path, tmp_path: Path) -> None:
    start, end = 37_000_003, 37_200_001
    vcf = shared_cohort / "genotypes.vcf.gz"
    with (
        open_variants(vcf) as reader,
        Reference.open(shared_cohort / "reference.fa.gz", tmp_path) as reference,
    ):
        samples = reader.sample_ids[::100]
        tiles = overlapping_tiles("chr22", start, end, 5994, reference.contigs["chr22"])
        variants = read_for_tiles(reader, tiles, samples)
        sequences = [reference.fetch(tile.contig, tile.start, tile.end) for tile in tiles]
        found = tile_haplotypes(sequences, variants, tiles)
    left, right = tiles[0].start, tiles[-1].end
    part = write_fasta(tmp_path / "part.fa", {f"chr22:{left + 1}-{right}": b"".join(sequences).decode()})
    assert len(variants.positions) > 200
    for sample, sample_id in enumerate(samples):
        for haplotype in (0, 1):
            assert _joined(found, sample, haplotype) == consensus(part, vcf, sample_id, haplotype)["chr22"]


def test_a_region_is_tile_number_0(tmp_path: Path) -> None:
    fasta = write_fasta(tmp_path / "r.fa", {"c": "ACGTACGTACGT"})
    vcf = write_vcf_lines(tmp_path / "v.vcf.gz", {"c": 12}, [])
    with open_variants(vcf) as reader, Reference.open(fasta, tmp_path) as reference:
        variants = read_for_tiles(reader, [Tile("c", 0, 3, 7)], SAMPLES)
        region = region_haplotypes(reference.fetch("c", 3, 7), variants, "c", 3, 7)
    assert region.tile == Tile("c", 0, 3, 7)


@pytest.fixture
def one_contig(tmp_path: Path) -> tuple[Path, Path]:
    """A contig of 24 bp, and the folder beside it."""
    return write_fasta(tmp_path / "r.fa", {"c": "ACGTACGTACGTACGTACGTACGT"}), tmp_path


def _whole(fasta: Path, folder: Path, lines: list[str]) -> list[str]:
    """Haplotypes 0 and 1 of the first sample over the whole contig."""
    vcf = write_vcf_lines(folder / "v.vcf.gz", {"c": 24}, lines)
    with open_variants(vcf, max_missing=1) as reader, Reference.open(fasta, folder) as reference:
        found = _tiles(reader, reference, (Tile("c", 0, 0, 24),))
    return [_joined(found, 0, haplotype) for haplotype in (0, 1)]


def test_carried_star_allele_is_reference_where_bcftools_writes_a_star(
    one_contig: tuple[Path, Path],
) -> None:
    fasta, folder = one_contig
    line = "c\t5\t.\tA\tG,*\t.\t.\t.\tGT\t1|2\t0|0"
    assert _whole(fasta, folder, [line]) == ["ACGTGCGTACGTACGTACGTACGT", "ACGTACGTACGTACGTACGTACGT"]
    assert "*" in consensus(fasta, folder / "v.vcf.gz", "a", 1)["c"]


def test_carried_symbolic_deletion_is_reference_where_bcftools_applies_it(
    one_contig: tuple[Path, Path],
) -> None:
    fasta, folder = one_contig
    line = "c\t5\t.\tA\t<DEL>\t.\t.\tEND=10\tGT\t1|0\t0|0"
    assert _whole(fasta, folder, [line])[0] == "ACGTACGTACGTACGTACGTACGT"
    assert len(consensus(fasta, folder / "v.vcf.gz", "a", 0)["c"]) == 19


def test_length_of_a_record_is_that_of_ref_where_bcftools_takes_info_end_and_stops(
    one_contig: tuple[Path, Path],
) -> None:
    fasta, folder = one_contig
    lines = [
        "c\t5\t.\tA\tG\t.\t.\tEND=8\tGT\t1|0\t0|0",
        "c\t7\t.\tG\tT\t.\t.\t.\tGT\t1|0\t0|0",
    ]
    assert _whole(fasta, folder, lines)[0] == "ACGTGCTTACGTACGTACGTACGT"
    with pytest.raises(pysam.SamtoolsError, match="does not match the REF allele"):
        consensus(fasta, folder / "v.vcf.gz", "a", 0)


def test_soft_masked_reference_is_read_as_upper_case_where_bcftools_loses_an_snv(tmp_path: Path) -> None:
    lower = write_fasta(tmp_path / "lower.fa", {"c": "acgtacgtacgtacgtacgtacgt"})
    upper = write_fasta(tmp_path / "upper.fa", {"c": "ACGTACGTACGTACGTACGTACGT"})
    lines = [
        "c\t5\t.\tA\tG\t.\t.\t.\tGT\t1|0\t0|0",
        "c\t5\t.\tA\tATT\t.\t.\t.\tGT\t1|0\t0|0",
    ]
    found = _whole(lower, tmp_path, lines)[0]
    assert found == consensus(upper, tmp_path / "v.vcf.gz", "a", 0)["c"]
    assert found != consensus(lower, tmp_path / "v.vcf.gz", "a", 0)["c"].upper()


def test_iupac_codes_are_n(tmp_path: Path) -> None:
    fasta = write_fasta(tmp_path / "r.fa", {"c": "ACGTRCGTACGTACGTACGTACGT"})
    line = "c\t8\t.\tT\tY\t.\t.\t.\tGT\t1|0\t0|0"
    assert _whole(fasta, tmp_path, [line]) == ["ACGTNCGNACGTACGTACGTACGT", "ACGTNCGTACGTACGTACGTACGT"]


def test_deletion_across_a_tile_edge_removes_its_bases_in_both_tiles(one_contig: tuple[Path, Path]) -> None:
    fasta, folder = one_contig
    vcf = write_vcf_lines(folder / "v.vcf.gz", {"c": 24}, ["c\t7\t.\tGTAC\tG\t.\t.\t.\tGT\t1|0\t0|0"])
    with open_variants(vcf) as reader, Reference.open(fasta, folder) as reference:
        found = _tiles(reader, reference, overlapping_tiles("c", 0, 24, 8, 24))
    assert [tile.sequences[tile.index[0, 0]] for tile in found] == [b"ACGTACG", b"GTACGT", b"ACGTACGT"]


def test_skipped_overlapping_records_are_counted_by_haplotype(one_contig: tuple[Path, Path]) -> None:
    _, folder = one_contig
    lines = [
        "c\t7\t.\tGTAC\tG\t.\t.\t.\tGT\t1|0\t1|1",
        "c\t8\t.\tT\tA\t.\t.\t.\tGT\t1|1\t0|1",
    ]
    vcf = write_vcf_lines(folder / "v.vcf.gz", {"c": 24}, lines)
    with open_variants(vcf) as reader:
        skipped = overlaps_skipped(reader.read("c", 0, 24, SAMPLES))
    np.testing.assert_array_equal(skipped, [[1, 0], [0, 1]])


def test_two_allele_patterns_that_spell_one_sequence_share_a_row(one_contig: tuple[Path, Path]) -> None:
    fasta, folder = one_contig
    lines = [
        "c\t5\t.\tA\tG\t.\t.\t.\tGT\t1|0\t0|0",
        "c\t5\t.\tAC\tGC\t.\t.\t.\tGT\t0|1\t0|0",
    ]
    vcf = write_vcf_lines(folder / "v.vcf.gz", {"c": 24}, lines)
    with open_variants(vcf) as reader, Reference.open(fasta, folder) as reference:
        (found,) = _tiles(reader, reference, (Tile("c", 0, 0, 24),))
    assert found.index.tolist() == [[1, 1], [0, 0]]


def test_edits_of_length_are_those_that_bcftools_norm_writes(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    contigs = {f"c{number}": "".join(generator.choice(list("AAC"), 40)) for number in range(60)}
    lines = []
    for number, (name, sequence) in enumerate(contigs.items()):
        start, size = int(generator.integers(20, 34)), int(generator.integers(1, 4))
        inserted = "".join(generator.choice(list("AAC"), size))
        anchor, deleted = sequence[start], sequence[start : start + 1 + size]
        ref, alt = (deleted, anchor) if number % 2 else (anchor, anchor + inserted)
        lines.append(f"{name}\t{start + 1}\t.\t{ref}\t{alt}\t.\t.\t.\tGT\t1|0\t0|0")
    fasta = write_fasta(tmp_path / "r.fa", contigs)
    vcf = write_vcf_lines(tmp_path / "v.vcf.gz", dict.fromkeys(contigs, 40), lines)
    written = subprocess.run(
        ["bcftools", "norm", "-f", fasta, vcf], capture_output=True, text=True, check=True
    ).stdout
    expected = {}
    for line in written.splitlines():
        if not line.startswith("#"):
            name, position, _, ref, alt = line.split("\t")[:5]
            expected[name] = (int(position), len(ref) - 1, len(alt) - 1)
    with open_variants(vcf) as reader, Reference.open(fasta, tmp_path) as reference:
        for name in contigs:
            (found,) = _tiles(reader, reference, (Tile(name, 0, 0, 40),))
            assert found.haplotypes[0].edits == ()
            assert found.haplotypes[1].edits == (expected[name],)


@settings(max_examples=50)
@given(drawn=contigs())
def test_edits_of_length_explain_the_length_of_every_haplotype(drawn: DrawnContig) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        fasta = write_fasta(folder / "r.fa", {"c": drawn.sequence})
        vcf = write_vcf(folder / "v.vcf.gz", {"c": drawn})
        with open_variants(vcf, max_missing=1) as reader, Reference.open(fasta, folder) as reference:
            length = reference.contigs["c"]
            tiles = _tiles(reader, reference, overlapping_tiles("c", 0, length, 8, length))
    for tile in tiles:
        size = tile.tile.end - tile.tile.start
        assert tile.haplotypes[0].edits == ()
        for haplotype in tile.haplotypes:
            end = 0
            for edit in haplotype.edits:
                assert end <= edit.start
                assert edit.alternate_length != edit.reference_length
                end = edit.start + edit.reference_length
            assert end <= size
            gained = sum(edit.alternate_length - edit.reference_length for edit in haplotype.edits)
            assert len(haplotype.sequence) == size + gained


def test_reverse_complement_leaves_n() -> None:
    assert reverse_complement(b"AACGN") == b"NCGTT"


@given(
    st.lists(
        st.tuples(st.text("ACGTN", max_size=6), st.text("ACGT", max_size=3), st.text("ACGT", max_size=3)),
        max_size=4,
    )
)
def test_edits_of_the_other_strand_spell_its_sequence(pieces: list[tuple[str, str, str]]) -> None:
    """Pieces are stretches of reference, each followed by bases that a haplotype replaces, and by what."""
    reference, sequence, edits = "", "", []
    for kept, replaced, added in pieces:
        if len(replaced) != len(added):
            edits.append(LengthEdit(len(reference + kept), len(replaced), len(added)))
            reference, sequence = reference + kept + replaced, sequence + kept + added
        else:
            reference, sequence = reference + kept + replaced, sequence + kept + replaced
    haplotype = TileHaplotype(sequence.encode(), tuple(edits))
    other = haplotype.reverse_complement()
    spelled, read, turned = b"", 0, reverse_complement(reference.encode())
    for start, replaced_length, added_length in other.edits:
        spelled += turned[read:start]
        spelled += other.sequence[len(spelled) : len(spelled) + added_length]
        read = start + replaced_length
    assert spelled + turned[read:] == other.sequence == reverse_complement(sequence.encode())
    assert other.reverse_complement() == haplotype


def test_snvs_are_no_edits_of_length(one_contig: tuple[Path, Path]) -> None:
    fasta, folder = one_contig
    lines = [
        "c\t5\t.\tAC\tGT\t.\t.\t.\tGT\t1|0\t0|0",
        "c\t7\t.\tGTAC\tG\t.\t.\t.\tGT\t0|1\t0|0",
    ]
    vcf = write_vcf_lines(folder / "v.vcf.gz", {"c": 24}, lines)
    with open_variants(vcf) as reader, Reference.open(fasta, folder) as reference:
        (found,) = _tiles(reader, reference, (Tile("c", 0, 0, 24),))
    first, second = (found.haplotypes[row] for row in found.index[0])
    assert (first.edits, second.edits) == ((), (LengthEdit(7, 3, 0),))


def test_record_to_the_left_of_a_tile_reaches_it_through_a_chain_of_overlaps(
    one_contig: tuple[Path, Path],
) -> None:
    fasta, folder = one_contig
    lines = [
        # On haplotype 0 the first displaces the second, which then cannot displace the third.
        "c\t3\t.\tGTACG\tG\t.\t.\t.\tGT\t1|0\t0|0",
        "c\t6\t.\tCGTAC\tC\t.\t.\t.\tGT\t1|1\t0|0",
        "c\t10\t.\tC\tT\t.\t.\t.\tGT\t1|1\t0|0",
    ]
    vcf = write_vcf_lines(folder / "v.vcf.gz", {"c": 24}, lines)
    with open_variants(vcf) as reader, Reference.open(fasta, folder) as reference:
        (found,) = _tiles(reader, reference, (Tile("c", 1, 8, 16),))
    assert [found.sequences[row] for row in found.index[0]] == [b"ATGTACGT", b"GTACGT"]


@pytest.mark.parametrize(
    "records",
    [
        ("5 A G", "5 A ATT"),
        ("5 A G", "5 ACG A"),
        ("5 A G", "5 A T"),
        ("5 A G", "5 ACG AT"),  # complex, although it begins with REF's first base
        ("5 A G", "5 ACG ATCG"),
        ("5 A ATT", "5 A G"),
        ("5 A ATT", "5 A AGG"),
        ("5 A ATT", "5 ACG A"),
        ("5 A G", "5 A ATT", "5 A AGG"),
        ("5 ACG A", "7 G GTT"),
        ("5 ACG A", "7 GTA G"),
        ("5 ACG A", "7 G T"),
        ("5 ACG A", "6 C CTT"),
        ("5 ACG A", "8 T C"),
        ("5 ACG TTT", "7 G GTT"),
        ("5 ACG TT", "7 G GCC", "7 GTA G"),
        ("5 AC ACTT", "6 C CGG"),
        ("5 A TA", "5 A ATT"),
        ("1 A TA", "1 AC A"),
        ("23 GT G", "24 T TAA"),
        ("24 T TAA",),
    ],
)
def test_records_that_touch_are_applied_as_bcftools_applies_them(
    one_contig: tuple[Path, Path], records: tuple[str, ...]
) -> None:
    fasta, folder = one_contig
    lines = []
    for record in records:
        position, reference, alternate = record.split()
        lines.append(f"c\t{position}\t.\t{reference}\t{alternate}\t.\t.\t.\tGT\t1|0\t0|0")
    assert _whole(fasta, folder, lines)[0] == consensus(fasta, folder / "v.vcf.gz", "a", 0)["c"]

"""Blocks of variants say what the file that they were read from says, wherever records overlap."""

from dataclasses import astuple
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haploscribe.genome.haplotypes import read_for_tiles
from haploscribe.genome.readers.cache import (
    CachedGenotypes,
    GenotypeCache,
    write_variant_block,
    write_variant_samples,
)
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.tiles import TILES_PER_BLOCK, Interval, Tile, overlapping_tiles, tile_blocks
from haploscribe.genome.variants import VariantCounts, VariantReader, Variants
from tests.fixtures.variants import SAMPLES, DrawnContig, Record, contigs, write_fasta, write_vcf


def assert_equal_variants(found: Variants, expected: Variants) -> None:
    assert found.contig == expected.contig
    assert found.alleles == expected.alleles
    assert found.identifiers == expected.identifiers
    assert found.sample_ids == expected.sample_ids
    np.testing.assert_array_equal(found.positions, expected.positions, strict=True)
    np.testing.assert_array_equal(found.genotypes, expected.genotypes, strict=True)


def left_in_blocks(reader: VariantReader, wanted: list[Tile], length: int, folder: Path) -> GenotypeCache:
    write_variant_samples(folder, SAMPLES)
    windows = [Interval(tile.contig, tile.start, tile.end) for tile in wanted]
    for block in tile_blocks(windows, 1, {"c": length}):
        write_variant_block(folder, block.number, read_for_tiles(reader, block.tiles, SAMPLES))
    return GenotypeCache(folder, 1)


@given(length=st.integers(1, 2_000), size=st.integers(1, 20), data=st.data())
def test_a_block_spans_its_tiles(length: int, size: int, data: st.DataObject) -> None:
    tiles = overlapping_tiles("c", 0, length, size, length)
    tile = data.draw(st.sampled_from(tiles))
    window = Interval("c", tile.start, tile.end)
    (block,) = tile_blocks([window, window], size, {"c": length})
    span = TILES_PER_BLOCK * size
    assert (block.start, block.end) == (
        tile.start // span * span,
        min((tile.start // span + 1) * span, length),
    )
    assert (block.number, block.windows, block.n_wanted) == (tile.start // span, (window,), 1)
    assert block.window_tiles() == (tile.cut(window),)
    assert block.tiles == tiles[block.start // size : -(-block.end // size)]


@settings(deadline=None, max_examples=60)
@given(drawn=contigs(), data=st.data())
def test_tiles_are_read_as_from_the_file(drawn: DrawnContig, data: st.DataObject) -> None:
    """Tiles of 1 bp, so that a block is 16 bp and records reach across several blocks."""
    length = len(drawn.sequence)
    tiles = overlapping_tiles("c", 0, length, 1, length)
    first = data.draw(st.integers(0, length - 1), label="first tile wanted")
    last = data.draw(st.integers(first, length - 1), label="last tile wanted")
    elsewhere = data.draw(st.lists(st.sampled_from(tiles), max_size=2), label="others wanted")
    with TemporaryDirectory() as name:
        folder = Path(name)
        vcf = write_vcf(folder / "v.vcf.gz", {"c": drawn})
        with open_variants(vcf, max_missing=1) as reader:
            wanted = sorted({*tiles[first : last + 1], *elsewhere})
            with left_in_blocks(reader, wanted, length, folder / "blocks") as blocks:
                run = tiles[first : last + 1]
                assert_equal_variants(
                    read_for_tiles(blocks, run, SAMPLES), read_for_tiles(reader, run, SAMPLES)
                )


@pytest.mark.parametrize("cache_bytes", [0, 40, 1 << 20])
def test_what_is_kept_in_memory_changes_nothing(cache_bytes: int, tmp_path: Path) -> None:
    records = tuple(Record(position, "A", ("C",), ("0|1", "1|1")) for position in range(0, 64, 5))
    vcf = write_vcf(tmp_path / "v.vcf.gz", {"c": DrawnContig("A" * 64, records)})
    tiles = overlapping_tiles("c", 0, 64, 1, 64)
    with open_variants(vcf) as reader:
        left_in_blocks(reader, list(tiles), 64, tmp_path / "blocks")
        blocks = GenotypeCache(tmp_path / "blocks", 1, cache_bytes=cache_bytes)
        for first in (0, 40, 10, 33, 0):
            run = tiles[first : first + 30]
            assert_equal_variants(read_for_tiles(blocks, run, SAMPLES), read_for_tiles(reader, run, SAMPLES))


def test_a_block_that_was_not_left_is_never_taken_for_empty(tmp_path: Path) -> None:
    tile = Tile("c", 0, 0, 6)
    write_variant_samples(tmp_path, SAMPLES)
    with pytest.raises(FileNotFoundError):
        read_for_tiles(GenotypeCache(tmp_path, 6), [tile], SAMPLES)


def test_names_and_many_alleles_are_kept(tmp_path: Path) -> None:
    alternates = tuple("ACGT"[i // 4] + "ACGT"[i % 4] for i in range(16))
    variants = Variants(
        contig="c",
        positions=np.array([3, 3], dtype=np.int64),
        identifiers=("rs1", "ä"),
        alleles=((b"A", *(text.encode() for text in alternates)), (b"AC", b"A")),
        genotypes=np.array([[[16, 0], [7, 9]], [[0, 1], [0, 0]]], dtype=np.int8),
        sample_ids=SAMPLES,
        counts=VariantCounts(),
    )
    write_variant_samples(tmp_path, SAMPLES)
    write_variant_block(tmp_path, 0, variants)
    found = GenotypeCache(tmp_path, 6).read("c", 0, 96, SAMPLES)
    assert_equal_variants(found, variants)
    assert set(astuple(found.counts)) == {0}, "what was met is told by the file's own reader, once"


def test_kept_genotypes_open_the_fasta_and_the_blocks(tmp_path: Path) -> None:
    fasta = write_fasta(tmp_path / "r.fa", {"c": "ACGTACGT"})
    Path(f"{fasta}.fai").unlink(missing_ok=True)
    drawn = DrawnContig("ACGTACGT", (Record(2, "G", ("T",), ("0|1", "1|1")),))
    tiles = overlapping_tiles("c", 0, 8, 1, 8)
    (tmp_path / "index").mkdir()
    with open_variants(write_vcf(tmp_path / "v.vcf.gz", {"c": drawn})) as reader:
        left_in_blocks(reader, list(tiles), 8, tmp_path / "blocks")
    genotypes = CachedGenotypes(fasta, tmp_path / "index", tmp_path / "blocks", 1).open()
    assert genotypes.sample_ids == SAMPLES
    (third,) = genotypes.haplotypes(genotypes.read(tiles[2:3]), tiles[2:3])
    assert (third.sequences, third.index.tolist()) == ((b"G", b"T"), [[0, 1], [1, 1]])

"""The engine embeds each unique sequence once, and stores deltas equal to the plain way's."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path

import numpy as np
import pytest

from haploscribe.cohort.cohort import Cohort, open_cohort
from haploscribe.config.options import CohortOptions
from haploscribe.embedding import engine
from haploscribe.embedding.backbones.kmer import KmerCounts
from haploscribe.embedding.deltas import DeltaReader
from haploscribe.embedding.engine import EmbeddingCounts, check_tile_size, embed_block, haplotypes_key
from haploscribe.embedding.store import EmbeddingStore, backbone_key
from haploscribe.errors import InputError
from haploscribe.genome.tiles import Interval, tile_blocks
from haploscribe.genome.variant_filter import VariantFilter
from haploscribe.utils.types import Float32Array
from haploscribe.workflows.haplotypes import haplotype_records


class CountingBackbone(KmerCounts):
    """Remembers what it was asked to embed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[bytes] = []

    def embed_sequences(self, sequences: Sequence[bytes]) -> Float32Array:
        self.seen.extend(sequences)
        return super().embed_sequences(sequences)


@pytest.fixture(scope="module")
def cohort(example: CohortOptions, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cohort]:
    options = replace(example, genes="ENSG00000128191.9", window=30_000)
    with open_cohort(options, tmp_path_factory.mktemp("index")) as opened:
        yield opened


def embed(
    cohort: Cohort, windows: Sequence[Interval], store: Path, backbone: KmerCounts
) -> tuple[DeltaReader, EmbeddingCounts]:
    opened, size = EmbeddingStore(store), cohort.options.tile_size
    blocks = list(tile_blocks(windows, size, cohort.genotypes.reference.contigs))
    done = [embed_block(block, cohort.genotypes, backbone, opened, size) for block in blocks]
    counts = reduce(EmbeddingCounts.plus, (counts for _, counts in done))
    return DeltaReader(EmbeddingStore(store), [address for address, _ in done]), counts


def test_deltas_equal_embedding_each_haplotype_on_its_own(cohort: Cohort, tmp_path: Path) -> None:
    (gene,) = cohort.genes
    tile = cohort.tiles(gene)[2]
    stored = embed(cohort, cohort.cis_windows(), tmp_path / "s.zarr", KmerCounts())[0].tile(tile)
    assert stored is not None
    samples = cohort.match.shared[:6]
    records = haplotype_records(
        cohort.options.variants,
        cohort.options.reference,
        f"{tile.contig}:{tile.start + 1}-{tile.end}",
        samples,
    )
    plain = KmerCounts().embed_sequences([sequence for _, sequence in records])
    reference = KmerCounts().embed_sequences(
        [cohort.genotypes.reference.fetch(tile.contig, tile.start, tile.end)]
    )
    carried = stored.deltas[stored.index[:6]].reshape(plain.shape)
    np.testing.assert_array_equal(carried, plain - reference)


def test_forward_passes_are_the_unique_sequences_of_tiles_with_variants(
    cohort: Cohort, tmp_path: Path
) -> None:
    (window,) = windows = cohort.cis_windows()
    backbone = CountingBackbone()
    _, counts = embed(cohort, windows, tmp_path / "s.zarr", backbone)
    per_tile = []
    for tile in cohort.tiles(cohort.genes[0]):
        inside = cohort.genotypes.read([tile]).starting_in(window.start, window.end)
        found = cohort.genotypes.haplotypes(inside, [tile.whole()])[0]
        if len(found.sequences) > 1:
            per_tile.append(set(found.sequences))
    assert counts.forward_passes == counts.unique_haplotypes == len(backbone.seen)
    assert len(backbone.seen) == sum(len(sequences) for sequences in per_tile)
    assert counts.tiles == len(per_tile)
    assert counts.naive_forward_passes == 358 * 2 * len(per_tile)


def test_a_block_tells_how_much_of_it_is_embedded(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "HAPLOTYPES_PER_CALL_ON_A_CPU", 4)
    store, contigs = EmbeddingStore(tmp_path / "s.zarr"), cohort.genotypes.reference.contigs
    (block, *_) = tile_blocks(cohort.cis_windows(), cohort.tile_size, contigs)
    shares: list[float] = []
    for n_calls in (None, 1):  # the second time all is in the store
        shares.clear()
        _, counts = embed_block(
            block, cohort.genotypes, CountingBackbone(), store, cohort.tile_size, shares.append
        )
        assert len(shares) == (n_calls or -(-counts.forward_passes // 4)) > 0
        assert sum(shares) == pytest.approx(1.0)


def test_counting_a_block_needs_no_backbone(cohort: Cohort, tmp_path: Path) -> None:
    store, contigs = EmbeddingStore(tmp_path / "s.zarr"), cohort.genotypes.reference.contigs
    for block in tile_blocks(cohort.cis_windows(), cohort.tile_size, contigs):
        _, counts = embed_block(block, cohort.genotypes, CountingBackbone(), store, cohort.tile_size)
        assert engine.count_block(block, cohort.genotypes) == replace(counts, forward_passes=0)


def test_second_run_embeds_nothing(cohort: Cohort, tmp_path: Path) -> None:
    embed(cohort, cohort.cis_windows(), tmp_path / "s.zarr", CountingBackbone())
    again = CountingBackbone()
    embed(cohort, cohort.cis_windows(), tmp_path / "s.zarr", again)
    assert again.seen == []


def test_more_tiles_embed_only_the_new_ones(cohort: Cohort, tmp_path: Path) -> None:
    tiles, windows = cohort.tiles(cohort.genes[0]), cohort.cis_windows()
    first, second = CountingBackbone(), CountingBackbone()
    embed(cohort, [replace(windows[0], end=tiles[1].end - 40)], tmp_path / "s.zarr", first)
    stored, _ = embed(cohort, windows, tmp_path / "s.zarr", second)
    assert not set(first.seen) & set(second.seen)
    whole, _ = embed(cohort, windows, tmp_path / "other.zarr", CountingBackbone())
    for tile in tiles:
        a, b = stored.tile(tile), whole.tile(tile)
        assert a is not None
        assert b is not None
        np.testing.assert_array_equal(a.deltas, b.deltas)


def people_of(cohort: Cohort, sample_ids: Sequence[str]) -> Cohort:
    return replace(cohort, genotypes=replace(cohort.genotypes, sample_ids=tuple(sample_ids)))


def distinct_sequences(cohort: Cohort) -> set[bytes]:
    """What is to be embedded for a cohort: every sequence of the tiles that carry variants."""
    tiles = cohort.tiles(cohort.genes[0])
    variants = cohort.genotypes.used(cohort.genotypes.read(tiles))
    found = [tile.sequences for tile in cohort.genotypes.haplotypes(variants, tiles)]
    return {sequence for sequences in found if len(sequences) > 1 for sequence in sequences}


def test_more_people_embed_only_haplotypes_not_seen_before(cohort: Cohort, tmp_path: Path) -> None:
    windows, everyone = cohort.cis_windows(), cohort.genotypes.sample_ids
    few = people_of(cohort, everyone[:40])
    embed(few, windows, tmp_path / "s.zarr", CountingBackbone())
    backbone = CountingBackbone()
    stored, _ = embed(cohort, windows, tmp_path / "s.zarr", backbone)
    new = distinct_sequences(cohort) - distinct_sequences(few)
    assert sorted(backbone.seen) == sorted(new)
    assert 0 < len(new) < len(distinct_sequences(cohort))
    whole, _ = embed(cohort, windows, tmp_path / "other.zarr", CountingBackbone())
    for tile in cohort.tiles(cohort.genes[0]):
        a, b = stored.tile(tile), whole.tile(tile)
        assert a is not None
        assert b is not None
        np.testing.assert_array_equal(a.deltas, b.deltas)
        np.testing.assert_array_equal(a.index, b.index)


def test_another_frequency_floor_embeds_only_haplotypes_not_seen_before(
    cohort: Cohort, tmp_path: Path
) -> None:
    windows = cohort.cis_windows()
    rare_out = replace(cohort, genotypes=replace(cohort.genotypes, filter=VariantFilter(maf=0.2)))
    embed(rare_out, windows, tmp_path / "s.zarr", CountingBackbone())
    backbone = CountingBackbone()
    embed(cohort, windows, tmp_path / "s.zarr", backbone)
    new = distinct_sequences(cohort) - distinct_sequences(rare_out)
    assert sorted(backbone.seen) == sorted(new)
    assert len(new) < len(distinct_sequences(cohort))


def test_other_samples_have_their_own_index(cohort: Cohort, tmp_path: Path) -> None:
    tiles, windows = cohort.tiles(cohort.genes[0])[:1], cohort.cis_windows()
    embed(cohort, windows, tmp_path / "s.zarr", CountingBackbone())
    fewer = people_of(cohort, cohort.genotypes.sample_ids[::-1][:50])
    stored, counts = embed(fewer, windows, tmp_path / "s.zarr", CountingBackbone())
    tile = stored.tile(tiles[0])
    assert tile is not None
    expected = fewer.genotypes.haplotypes(fewer.genotypes.read(tiles), tiles)[0]
    np.testing.assert_array_equal(tile.index, expected.index)
    assert counts.forward_passes == 0


def test_haplotypes_key_changes_with_everything_it_should(cohort: Cohort) -> None:
    (cut, *tiles) = cohort.tiles(cohort.genes[0])
    variants = cohort.genotypes.read(tiles)
    flipped = variants.genotypes.copy()
    flipped[0, 0] = 1 - flipped[0, 0]
    keys = {
        haplotypes_key(5994, b"ACGT", variants, []),
        haplotypes_key(2994, b"ACGT", variants, []),
        haplotypes_key(5994, b"ACGA", variants, []),
        haplotypes_key(5994, b"ACGT", variants, [cut]),
        haplotypes_key(5994, b"ACGT", variants, [replace(cut, variants_to=cut.variants_to + 1)]),
        haplotypes_key(5994, b"ACGT", replace(variants, genotypes=flipped), []),
        haplotypes_key(5994, b"ACGT", replace(variants, positions=variants.positions + 1), []),
        haplotypes_key(5994, b"ACGT", replace(variants, sample_ids=variants.sample_ids[::-1]), []),
        haplotypes_key(5994, b"ACGT", replace(variants, alleles=((b"A", b"AT"), *variants.alleles[1:])), []),
    }
    assert len(keys) == 9


def test_backbone_key_changes_with_every_setting() -> None:
    first, second = KmerCounts(), KmerCounts()
    second.settings = {**first.settings, "layer": 3}
    assert backbone_key(first) == backbone_key(KmerCounts())
    assert backbone_key(first) != backbone_key(second)


@pytest.mark.parametrize("size", [0, -6, 2**21])
def test_tile_size_that_the_backbone_cannot_take(size: int) -> None:
    with pytest.raises(InputError, match="--tile"):
        check_tile_size(KmerCounts(), size)

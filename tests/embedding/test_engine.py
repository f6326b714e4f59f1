"""The engine embeds each unique sequence once, and stores deltas equal to the plain way's."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from haploscribe.arrays import Float32Array
from haploscribe.cohort import Cohort, open_cohort
from haploscribe.embedding.backbones.kmer import KmerCounts
from haploscribe.embedding.engine import check_tile_size, content_key, embed_tiles
from haploscribe.embedding.store import EmbeddingStore, StoredDeltas
from haploscribe.errors import InputError
from haploscribe.genome.region import haplotype_records
from haploscribe.genome.tiles import Tile
from haploscribe.options import CohortOptions


class CountingBackbone(KmerCounts):
    """Remembers what it was asked to embed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[bytes] = []

    def embed(self, sequences: Sequence[bytes]) -> Float32Array:
        self.seen.extend(sequences)
        return super().embed(sequences)


def nothing(_: int) -> None:
    pass


@pytest.fixture(scope="module")
def cohort(example: CohortOptions, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cohort]:
    options = replace(example, genes="ENSG00000128191.9", window=30_000)
    with open_cohort(options, tmp_path_factory.mktemp("index")) as opened:
        yield opened


def embed(cohort: Cohort, tiles: Sequence[Tile], store: Path, backbone: KmerCounts) -> StoredDeltas:
    addresses, _ = embed_tiles(
        tiles, cohort.genotypes, backbone, EmbeddingStore(store), cohort.options.tile, nothing
    )
    return StoredDeltas(EmbeddingStore(store), addresses)


def test_deltas_equal_embedding_each_haplotype_on_its_own(cohort: Cohort, tmp_path: Path) -> None:
    (gene,) = cohort.genes
    tile = cohort.tiles(gene)[2]
    stored = embed(cohort, [tile], tmp_path / "s.zarr", KmerCounts()).tile(tile.contig, tile.number)
    assert stored is not None
    samples = cohort.match.shared[:6]
    records = haplotype_records(
        cohort.options.variants,
        cohort.options.reference,
        f"{tile.contig}:{tile.start + 1}-{tile.end}",
        samples,
    )
    plain = KmerCounts().embed([sequence for _, sequence in records])
    reference = KmerCounts().embed([cohort.genotypes.reference.fetch(tile.contig, tile.start, tile.end)])
    carried = stored.deltas[stored.index[:6]].reshape(plain.shape)
    np.testing.assert_array_equal(carried, plain - reference)


def test_forward_passes_are_the_unique_sequences_of_tiles_with_variants(
    cohort: Cohort, tmp_path: Path
) -> None:
    tiles = cohort.all_tiles()
    backbone = CountingBackbone()
    _, counts = embed_tiles(
        tiles, cohort.genotypes, backbone, EmbeddingStore(tmp_path / "s.zarr"), cohort.options.tile, nothing
    )
    per_tile = []
    for tile in tiles:
        found = cohort.genotypes.haplotypes(cohort.genotypes.read([tile]), [tile])[0]
        if len(found.sequences) > 1:
            per_tile.append(set(found.sequences))
    assert counts.forward_passes == counts.unique_haplotypes == len(backbone.seen)
    assert len(backbone.seen) == sum(len(sequences) for sequences in per_tile)
    assert counts.tiles == len(per_tile)
    assert counts.naive_forward_passes == 358 * 2 * len(per_tile)


def test_second_run_embeds_nothing(cohort: Cohort, tmp_path: Path) -> None:
    embed(cohort, cohort.all_tiles(), tmp_path / "s.zarr", CountingBackbone())
    again = CountingBackbone()
    embed(cohort, cohort.all_tiles(), tmp_path / "s.zarr", again)
    assert again.seen == []


def test_more_tiles_embed_only_the_new_ones(cohort: Cohort, tmp_path: Path) -> None:
    tiles = cohort.all_tiles()
    first, second = CountingBackbone(), CountingBackbone()
    embed(cohort, tiles[:2], tmp_path / "s.zarr", first)
    stored = embed(cohort, tiles, tmp_path / "s.zarr", second)
    assert not set(first.seen) & set(second.seen)
    whole = embed(cohort, tiles, tmp_path / "other.zarr", CountingBackbone())
    for tile in tiles:
        a, b = stored.tile(tile.contig, tile.number), whole.tile(tile.contig, tile.number)
        assert a is not None
        assert b is not None
        np.testing.assert_array_equal(a.deltas, b.deltas)


def test_other_samples_are_not_read_from_the_store(cohort: Cohort, tmp_path: Path) -> None:
    tiles = cohort.all_tiles()[:1]
    embed(cohort, tiles, tmp_path / "s.zarr", CountingBackbone())
    fewer = replace(
        cohort, genotypes=replace(cohort.genotypes, sample_ids=cohort.genotypes.sample_ids[::-1][:50])
    )
    stored = embed(fewer, tiles, tmp_path / "s.zarr", CountingBackbone()).tile(
        tiles[0].contig, tiles[0].number
    )
    assert stored is not None
    expected = fewer.genotypes.haplotypes(fewer.genotypes.read(tiles), tiles)[0]
    np.testing.assert_array_equal(stored.index, expected.index)


def test_content_key_changes_with_everything_it_should(cohort: Cohort) -> None:
    tiles = cohort.all_tiles()[:1]
    variants = cohort.genotypes.read(tiles)
    made_by: dict[str, str | int] = {"backbone": "kmer", "tile_size": 5994}
    flipped = variants.genotypes.copy()
    flipped[0, 0] = 1 - flipped[0, 0]
    keys = {
        content_key(made_by, b"ACGT", variants),
        content_key({**made_by, "layer": 3}, b"ACGT", variants),
        content_key({**made_by, "backbone": "other"}, b"ACGT", variants),
        content_key(made_by, b"ACGA", variants),
        content_key(made_by, b"ACGT", replace(variants, genotypes=flipped)),
        content_key(made_by, b"ACGT", replace(variants, positions=variants.positions + 1)),
        content_key(made_by, b"ACGT", replace(variants, sample_ids=variants.sample_ids[::-1])),
        content_key(made_by, b"ACGT", replace(variants, alleles=((b"A", b"AT"), *variants.alleles[1:]))),
    }
    assert len(keys) == 8
    assert content_key(dict(reversed(made_by.items())), b"ACGT", variants) in keys


@pytest.mark.parametrize("size", [0, -6, 2**21])
def test_tile_size_that_the_backbone_cannot_take(size: int) -> None:
    with pytest.raises(InputError, match="--tile"):
        check_tile_size(KmerCounts(), size)

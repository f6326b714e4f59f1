"""Effects of alleles are those of in-silico samples, embedded and predicted one allele at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks.speed.allele_effects import plain_effects
from haploscribe.embedding.engine import TileEmbedder
from haploscribe.embedding.store import EmbeddingStore
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.expression.genes import Gene
from haploscribe.genome.haplotypes import TileHaplotype
from haploscribe.interpret import allele_effects
from haploscribe.interpret.allele_effects import AlleleQuery, sequence_effects
from haploscribe.utils.types import Float32Array, Float64Array
from tests.fixtures.drawn_windows import Fingerprints, embedded, opened
from tests.fixtures.variants import DrawnContig, contigs

WINDOW, TILE = 60, 13


@dataclass
class Curved:
    """A model that is additive over haplotypes, bent over the deltas of all tiles, and reads dosages too."""

    def predict(self, inputs: GeneInputs) -> Float64Array:
        total = np.zeros((len(inputs.sample_ids), 2))
        for tile in inputs.tiles:
            weights = np.random.default_rng(tile.start).normal(size=tile.deltas.shape[2])
            total += (tile.deltas[:, 0].astype(np.float64) @ weights)[tile.index]
        return np.asarray(
            np.sin(total / 100.0).sum(axis=1) + inputs.dosages @ np.sqrt(inputs.positions + 1.0)
        )


class Remembering(Fingerprints):
    """Remembers the haplotypes that it embeds, which may be of one sequence and other edits of length."""

    def __init__(self) -> None:
        super().__init__()
        self.haplotypes: list[TileHaplotype] = []

    def embed(self, haplotypes: Sequence[TileHaplotype]) -> Float32Array:
        self.haplotypes.extend(haplotypes)
        return super().embed(haplotypes)


@settings(max_examples=15)
@given(contig=contigs(), tss=st.integers(0, 69), backgrounds=st.booleans())
def test_effects_are_those_of_one_allele_at_a_time(contig: DrawnContig, tss: int, backgrounds: bool) -> None:
    """With indels, alleles that overlap, deletions across edges of tiles, and windows that cut tiles."""
    gene = Gene("g", "c", min(tss, len(contig.sequence) - 1), "+")
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        patch.setattr(allele_effects, "ALLELES_AT_ONCE", 3)
        with opened(folder / "c", contig, [gene], WINDOW, TILE) as windows:
            query = AlleleQuery.of_all(gene, windows.cis_variants(gene))
            assume(query.alleles)
            # The models do not know one of them.
            known = np.arange(len(query.alleles)) != 1
            query = replace(query, known=known, backgrounds=backgrounds)
            models = {"curved": Curved()}
            embedder = TileEmbedder(Fingerprints(), [EmbeddingStore(folder / "s.zarr")])
            found = sequence_effects(query, models, windows, embedder, 1, lambda _: None)
            expected = plain_effects(query, models, windows, Fingerprints())
            np.testing.assert_allclose(found["curved"], expected["curved"], atol=1e-9)


@settings(max_examples=10)
@given(contig=contigs(), tss=st.integers(0, 69))
def test_nothing_is_embedded_that_a_store_has_nor_twice(contig: DrawnContig, tss: int) -> None:
    gene = Gene("g", "c", min(tss, len(contig.sequence) - 1), "+")
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        patch.setattr(allele_effects, "ALLELES_AT_ONCE", 3)
        with opened(folder / "c", contig, [gene], WINDOW, TILE) as windows:
            query = AlleleQuery.of_all(gene, windows.cis_variants(gene))
            assume(query.alleles)
            samples, further = Remembering(), Remembering()
            embedded(windows, folder / "samples.zarr", samples)
            stores = [EmbeddingStore(folder / f"{name}.zarr") for name in ("samples", "new")]

            def effects() -> Float64Array:
                models, embedder = {"curved": Curved()}, TileEmbedder(further, stores)
                return sequence_effects(query, models, windows, embedder, 1, lambda _: None)["curved"]

            found = effects()
            once = [*samples.haplotypes, *further.haplotypes]
            assert len(set(once)) == len(once)  # the contig is one block of the store
            np.testing.assert_array_equal(effects(), found)
            assert [*samples.haplotypes, *further.haplotypes] == once

"""Scores of alleles by models, against sequences spelled by hand."""

from pathlib import Path
from typing import cast

import numpy as np
import pytest

from haploscribe.annotations.models import DeltaSizes, zero_shot_effects
from haploscribe.embedding.backbones.base import Backbone
from haploscribe.embedding.backbones.registry import load_backbone
from haploscribe.expression.genes import Gene
from haploscribe.genome.haplotypes import TileHaplotype
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.reference import Reference
from haploscribe.genome.variants import Variants, alt_alleles
from haploscribe.utils.types import Float32Array
from haploscribe.zero_shot.predictions import TestTimeAugmentation
from tests.fixtures.genomes import random_bases, write_genome
from tests.fixtures.variants import write_vcf_lines
from tests.zero_shot.test_predictions import Weighted

LENGTH, TILE = 600, 120
SEQUENCE = random_bases(LENGTH)


@pytest.fixture
def reference(tmp_path: Path) -> Reference:
    return Reference.open(write_genome(tmp_path / "r.fa", chr1=SEQUENCE), tmp_path)


@pytest.fixture
def variants(tmp_path: Path) -> Variants:
    """SNVs, one of two ALT alleles, and a deletion over the edge of two tiles; carried or not."""
    records = []
    for position, length, alternates in ((30, 1, 2), (118, 6, 1), (300, 1, 1), (301, 1, 1), (590, 1, 1)):
        ref = SEQUENCE[position : position + length].decode()
        others = [base for base in "ACGT" if base != ref[0]][:alternates] if length == 1 else [ref[0]]
        call = "2|1" if alternates == 2 else "0|0"
        records.append(f"chr1\t{position + 1}\t.\t{ref}\t{','.join(others)}\t.\t.\t.\tGT\t{call}")
    with open_variants(write_vcf_lines(tmp_path / "v.vcf", {"chr1": LENGTH}, records, ("s",))) as reader:
        return reader.read("chr1", 0, LENGTH, ("s",))


def spelled(position: int, reference: bytes, alternate: bytes) -> bytes:
    return SEQUENCE[:position] + alternate + SEQUENCE[position + len(reference) :]


def test_a_zero_shot_model_reads_each_allele_alone(reference: Reference, variants: Variants) -> None:
    gene, model = Gene("g", "chr1", 300, "+"), Weighted(upstream=100, downstream=60)

    def of(sequence: bytes) -> float:
        return float(model.predict([sequence[200:360]])[0])

    expected = [
        of(spelled(*allele[:3])) - of(SEQUENCE) if 200 <= allele.position < 360 else 0.0
        for allele in alt_alleles(variants)
    ]
    found = zero_shot_effects(model, reference, gene, variants, TestTimeAugmentation())
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert np.count_nonzero(found) == 2
    assert len({sequence for sequence, _ in model.asked}) == 3


def test_the_size_is_the_length_of_the_alleles_own_delta(reference: Reference, variants: Variants) -> None:
    backbone = load_backbone("kmer")

    def embedded(sequence: bytes) -> Float32Array:
        return np.asarray(backbone.embed([TileHaplotype(sequence)])[0], dtype=np.float32)

    expected = []
    for allele in alt_alleles(variants):
        edges = sorted({allele.position // TILE, (allele.position + len(allele.reference) - 1) // TILE})
        tiles = [slice(TILE * number, TILE * (number + 1)) for number in edges]
        if len(tiles) == 1:
            deltas = [embedded(spelled(*allele[:3])[tiles[0]]) - embedded(SEQUENCE[tiles[0]])]
            expected.append(float(np.sqrt(sum(np.square(delta).sum() for delta in deltas))))
        else:
            expected.append(float("nan"))
    sizes = DeltaSizes(backbone, reference, TILE)
    found = sizes.read(variants)
    known = ~np.isnan(expected)
    np.testing.assert_allclose(found[known], np.array(expected)[known], rtol=1e-5)
    assert (found > 0.0).all()


def test_an_allele_is_embedded_once(reference: Reference, variants: Variants) -> None:
    class Counting:
        def __init__(self) -> None:
            self._backbone, self.n_embedded = load_backbone("kmer"), 0

        def embed(self, haplotypes: list[TileHaplotype]) -> Float32Array:
            self.n_embedded += len(haplotypes)
            return self._backbone.embed(haplotypes)

    backbone = Counting()
    sizes = DeltaSizes(cast("Backbone", backbone), reference, TILE)
    first = sizes.read(variants.starting_in(0, 301))
    n_before = backbone.n_embedded
    again = sizes.read(variants)
    np.testing.assert_array_equal(again[: len(first)], first)
    assert 0 < backbone.n_embedded - n_before < n_before

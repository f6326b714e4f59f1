"""Score alleles with sequence models: each on the reference, against the reference itself."""

from collections.abc import Iterator

import numpy as np

from haploscribe.embedding.backbones.base import Backbone
from haploscribe.embedding.deltas import subtract_reference
from haploscribe.embedding.engine import embed_haplotypes
from haploscribe.expression.genes import Gene
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.haplotypes import tile_haplotypes
from haploscribe.genome.readers.cache import InMemoryVariants
from haploscribe.genome.reference import Reference
from haploscribe.genome.tiles import overlapping_tiles
from haploscribe.genome.variants import Variants, alt_alleles
from haploscribe.utils.types import Float64Array
from haploscribe.zero_shot.base import SequenceModel
from haploscribe.zero_shot.predictions import TestTimeAugmentation, predict_gene

_RECORDS_AT_ONCE = 256  # the genotypes of their in silico samples are as many squared


def single_alleles(variants: Variants) -> Variants:
    """Return the records with in silico samples, each of which carries one ALT allele on haplotype 0.

    Returns
    -------
    Of one sample for each ALT allele, in the order of `alt_alleles`.
    """
    rows, alleles = variants.columns()
    genotypes = np.zeros((len(variants.alleles), len(rows), 2), dtype=np.int8)
    genotypes[rows, np.arange(len(rows)), 0] = alleles
    names = tuple(f"in-silico-{number}" for number in range(len(rows)))
    return variants.with_genotypes(genotypes, names)


def _parts(variants: Variants) -> Iterator[Variants]:
    """Yield a bounded number of records at a time."""
    for first in range(0, len(variants.positions), _RECORDS_AT_ONCE):
        yield variants.consecutive(first, first + _RECORDS_AT_ONCE)


def zero_shot_effects(
    model: SequenceModel,
    reference: Reference,
    gene: Gene,
    variants: Variants,
    augmentation: TestTimeAugmentation,
) -> Float64Array:
    """Predict how each ALT allele, alone on the reference, changes a gene's expression.

    Parameters
    ----------
    model
        The sequence model.
    reference
        The FASTA.
    gene
        The gene.
    variants
        Records of its cis window.
    augmentation
        What predictions are averaged over.

    Returns
    -------
    float64 `(n_alleles,)`, on the model's own scale; 0 for alleles beyond what it reads.
    """
    found = [np.zeros(0)]
    for part in _parts(variants):
        samples = single_alleles(part)
        genotypes = Genotypes(reference, InMemoryVariants(samples), samples.sample_ids)
        predicted = predict_gene(model, genotypes, gene, augmentation)
        found.append(predicted.haplotypes[:, 0] - predicted.reference)
    return np.concatenate(found)


class DeltaSizes:
    """Measure how far each ALT allele, alone on the reference, moves the embeddings of its tiles.

    Parameters
    ----------
    backbone
        The frozen model.
    reference
        The FASTA.
    tile_size
        Size of the grid in base pairs.
    """

    def __init__(self, backbone: Backbone, reference: Reference, tile_size: int) -> None:
        self._backbone, self._reference, self._tile_size = backbone, reference, tile_size
        self._known: dict[tuple[str, int, bytes, bytes], float] = {}

    def read(self, variants: Variants) -> Float64Array:
        """Return the Euclidean length of each allele's delta, float64 `(n_alleles,)`.

        An allele is embedded once, whatever the number of windows that it is in.
        """
        found = [np.zeros(0)]
        for part in _parts(variants):
            keys = [(part.contig, *allele[:3]) for allele in alt_alleles(part)]
            new = np.array([i for i, key in enumerate(keys) if key not in self._known], dtype=np.int64)
            if new.size:
                sizes = self._sizes(single_alleles(part).take_samples(new))
                self._known |= zip((keys[i] for i in new.tolist()), sizes.tolist(), strict=True)
            found.append(np.array([self._known[key] for key in keys]))
        return np.concatenate(found)

    def _sizes(self, samples: Variants) -> Float64Array:
        """Embed the haplotypes 0 of samples; the length of their deltas over all tiles."""
        length = self._reference.contigs[samples.contig]
        start, end = int(samples.positions[0]), min(int(samples.ends.max()), length)
        tiles = overlapping_tiles(samples.contig, start, end, self._tile_size, length)
        references = [self._reference.fetch(tile.contig, tile.start, tile.end) for tile in tiles]
        carried = [tile for tile in tile_haplotypes(references, samples, tiles) if len(tile.sequences) > 1]
        squares = np.zeros(len(samples.sample_ids))
        if not carried:  # no ALT differs from its REF
            return squares
        vectors = embed_haplotypes([each for tile in carried for each in tile.haplotypes], self._backbone)
        bounds = np.cumsum([len(tile.sequences) for tile in carried])[:-1]
        for tile, own in zip(carried, np.split(vectors, bounds), strict=True):
            deltas = subtract_reference(own).reshape(len(own), -1)
            squares += np.square(deltas, dtype=np.float64).sum(axis=1)[tile.index[:, 0]]
        return np.sqrt(squares)

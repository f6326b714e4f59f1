"""Score what each ALT allele does to the signals that a sequence model predicts of a gene."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from haploscribe.errors import InputError
from haploscribe.expression.genes import Gene
from haploscribe.genome.alleles import substitute_alleles
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.readers.cache import InMemoryVariants
from haploscribe.genome.reference import Reference
from haploscribe.genome.variants import Variants
from haploscribe.utils.types import Float64Array, Int8Array, Int64Array
from haploscribe.zero_shot.base import SequenceModel
from haploscribe.zero_shot.predictions import GeneInputs, TestTimeAugmentation, gene_inputs
from haploscribe.zero_shot.signal_model import SignalModel


@dataclass(frozen=True, slots=True)
class AlleleScores:
    """What alleles do to a gene, in each track of a model.

    Expression is what the model predicts in each track, and its logarithm that of one more, or what
    `SignalModel.pseudocounts` says; a model may predict the logarithm itself, on a scale of its own. One
    without tracks has one column.

    Attributes
    ----------
    fold
        float64 `(n_alleles, n_tracks)`; log2 of expression with the allele alone on the reference, less that
        of the reference. 0 for an allele beyond what the model reads.
    change
        float64 `(n_alleles, n_tracks)`; Euclidean length of the differences of log2 of the signal, over as
        many bins around the allele as are summed at the TSS (logD2 of Linder et al. 2025, near the allele).
        NaN where these are not all predicted, and for a model without tracks.
    own_folds
        float64 `(n_alleles, n_tracks, 2)`; log2 of a sample's expression, the mean of its haplotypes, with
        one and two copies of the allele, less that with none. One copy is on the haplotype that carries it;
        where none or both do, on either in turn. None where no sample was asked for.
    """

    fold: Float64Array
    change: Float64Array
    own_folds: Float64Array | None = None


class AlleleScorer:
    """Score alleles of one gene with a model, which reads each distinct sequence once.

    Parameters
    ----------
    model
        The sequence model.
    reference
        The FASTA.
    gene
        The gene, on a contig as the reference names it.
    variants
        All records that determine what the model reads of the gene.
    augmentation
        What predictions are averaged over.
    background
        int8 `(n_variants, 2)`; the alleles that a sample carries. None to score on the reference only.

    Attributes
    ----------
    forward_passes
        Sequences read so far, counted once per strand.
    """

    def __init__(
        self,
        model: SequenceModel,
        reference: Reference,
        gene: Gene,
        variants: Variants,
        augmentation: TestTimeAugmentation,
        background: Int8Array | None = None,
    ) -> None:
        self._model, self._reference, self._gene = model, reference, gene
        self._variants, self._augmentation, self._background = variants, augmentation, background
        self._rows, self._allele_of = variants.columns()
        self._offsets = _offsets(gene, variants)[self._rows]
        self._known: dict[bytes, Float64Array] = {}
        self._around_reference: Float64Array | None = None
        self.forward_passes = 0

    def score(self, columns: Int64Array) -> AlleleScores:
        """Score some alleles; their sequences are in memory together.

        Parameters
        ----------
        columns
            int64 `(n_alleles,)`; indices in the order of `haploscribe.genome.variants.alt_alleles`.

        Raises
        ------
        InputError
            When a prediction is not finite.
        """
        found = self._inputs(columns, np.zeros((len(self._variants.alleles), 2), dtype=np.int8))
        if self._around_reference is None:
            reference, self._around_reference = self._read(found.inputs[0], self._offsets)
            self._known[_digest(found.inputs[0])] = reference
        fold, change = [], []
        reference = self._expression(found.inputs[0])
        for column, number in zip(columns.tolist(), found.index[len(columns) :, 0].tolist(), strict=True):
            here = self._around_reference[column]
            if number == 0:  # as without the allele
                fold.append(np.zeros_like(reference))
                change.append(np.linalg.norm(0.0 * here, axis=-1))
                continue
            expression, around = self._read(found.inputs[number], self._offsets[[column]])
            self._known[_digest(found.inputs[number])] = expression
            fold.append(self._logarithm(expression) - self._logarithm(reference))
            change.append(np.linalg.norm(np.log2(around[0] + 1.0) - np.log2(here + 1.0), axis=-1))
        own = None if self._background is None else self._own_folds(columns, self._background)
        return AlleleScores(np.array(fold), np.array(change), own)

    def _own_folds(self, columns: Int64Array, background: Int8Array) -> Float64Array:
        found = self._inputs(columns, background)
        expression = np.array([self._expression(shifted) for shifted in found.inputs])
        without, with_it = expression[found.index].reshape(2, len(columns), 2, -1)
        none, two = without.mean(axis=1), with_it.mean(axis=1)
        on_first = (with_it[:, 0] + without[:, 1]) / 2.0
        on_second = (without[:, 0] + with_it[:, 1]) / 2.0
        carries = background[self._rows[columns]] == self._allele_of[columns, None]
        share = np.where(carries[:, 0] == carries[:, 1], 0.5, carries[:, 0])[:, None]
        one = share * on_first + (1.0 - share) * on_second
        logarithms = [self._logarithm(each) for each in (none, one, two)]
        return np.stack([each - logarithms[0] for each in logarithms[1:]], axis=-1)

    def _inputs(self, columns: Int64Array, background: Int8Array) -> GeneInputs:
        """Return what the model reads of in silico samples: without each allele, then with each twice."""
        variants = self._variants
        genotypes = np.concatenate(
            substitute_alleles(
                (variants.positions, variants.ends), self._rows[columns], self._allele_of[columns], background
            ),
            axis=1,
        )
        names = tuple(f"in-silico-{number}" for number in range(2 * len(columns)))
        samples = InMemoryVariants(variants.with_genotypes(genotypes, names))
        return gene_inputs(
            self._model, Genotypes(self._reference, samples, names), self._gene, self._augmentation.shifts
        )

    def _expression(self, shifted: tuple[bytes, ...]) -> Float64Array:
        """Return expression in each track, float64 `(n_tracks,)`; of a known sequence without reading it."""
        key = _digest(shifted)
        if key not in self._known:
            self._known[key] = self._read(shifted, self._offsets[:0])[0]
        return self._known[key]

    def _read(self, shifted: tuple[bytes, ...], offsets: Int64Array) -> tuple[Float64Array, Float64Array]:
        """Read a haplotype: expression, and the signal around bases at some offsets from the TSS.

        Returns
        -------
        expression
            float64 `(n_tracks,)`.
        around
            float64 `(n_offsets, n_tracks, n_bins)`; NaN where a bin is not predicted.
        """
        self.forward_passes += len(shifted) * len(self._strands)
        if not isinstance(self._model, SignalModel):
            by_strand = [self._model.predict(shifted, reverse_complement=each) for each in self._strands]
            expression, around = np.mean(by_strand, keepdims=True)[0], np.full((len(offsets), 1, 1), np.nan)
        else:
            of_shifts = [
                self._signals(self._model, sequence, offsets - shift)
                for sequence, shift in zip(shifted, self._augmentation.shifts, strict=True)
            ]
            expression, around = (np.mean(part, axis=0) for part in zip(*of_shifts, strict=True))
        if not np.isfinite(expression).all():
            raise InputError(
                f"{self._model.name} predicts no finite number; copy or download its weights again"
            )
        return expression, around

    @property
    def _strands(self) -> tuple[bool, ...]:
        return self._augmentation.strands(self._model)

    def _signals(
        self, model: SignalModel, sequence: bytes, offsets: Int64Array
    ) -> tuple[Float64Array, Float64Array]:
        wanted = [model.bins_around(offset) for offset in offsets.tolist()]
        groups = list(dict.fromkeys([model.bins, *(bins for bins in wanted if bins is not None)]))
        read = [model.read(sequence, groups, reverse_complement=each) for each in self._strands]
        expression, signal = (np.mean(part, axis=0) for part in zip(*read, strict=True))
        around = np.full((len(wanted), *signal.shape[1:]), np.nan)
        for i, bins in enumerate(wanted):
            if bins is not None:
                around[i] = signal[groups.index(bins)]
        return expression, around

    def _logarithm(self, expression: Float64Array) -> Float64Array:
        if self._model.logarithmic:
            return expression
        added = self._model.pseudocounts if isinstance(self._model, SignalModel) else 1.0
        return np.asarray(np.log2(expression + added), dtype=np.float64)


def track_names(model: SequenceModel) -> tuple[str, ...]:
    """Return the names of a model's tracks, one for each column of scores; one empty name if it has none."""
    return model.track_names if isinstance(model, SignalModel) else ("",)


def _offsets(gene: Gene, variants: Variants) -> Int64Array:
    """Return how far downstream of the TSS each record lies, by the base of its REF nearest to the TSS.

    Between that base and the TSS the sequence is that of the reference.
    """
    nearest = np.clip(gene.tss, variants.positions, variants.ends - 1)
    return np.asarray(gene.direction * (nearest - gene.tss), dtype=np.int64)


def _digest(shifted: Sequence[bytes]) -> bytes:
    return hashlib.blake2b(b" ".join(shifted), digest_size=16).digest()

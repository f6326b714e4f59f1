"""Score backbones by masked-token loss on a region, against a Markov chain of bases."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from haploscribe.embedding.backbones.checkpoint import Checkpoint
from haploscribe.embedding.backbones.devices import resolve_device
from haploscribe.embedding.backbones.nucleotide_transformer import load_masked_token_model, tokeniser_of
from haploscribe.embedding.backbones.registry import opened_checkpoint
from haploscribe.embedding.backbones.tokeniser import K, SixMerTokeniser
from haploscribe.errors import InputError
from haploscribe.pretraining.batches import choose_masked, pad_tokens, six_mer_ids
from haploscribe.pretraining.data import (
    BASES_AT_ONCE,
    GenomeSequences,
    Segment,
    intersect_regions,
    resolve_region,
    scan_genome,
    subtract_regions,
)
from haploscribe.utils.progress import stage
from haploscribe.utils.types import BoolArray, Float64Array, Int64Array, UInt8Array

ORDER = 5
N_STATES = 4**ORDER
PSEUDOCOUNT = 1.0
UNIFORM = 2.0
TOKENS_PER_BATCH = 4_096

_SEED = 0
_BASE_CODES = bytes(max(0, b"ACGT".find(letter)) for letter in range(256))
_POWERS = 4 ** np.arange(ORDER - 1, -1, -1)


@dataclass(frozen=True, slots=True)
class Score:
    """Masked-token losses on a region in bits per base: lower is better, uniform guessing gives 2.0.

    Attributes
    ----------
    backbone, region
        Name of the backbone; region, 1-based, both ends included.
    n_tokens
        Number of masked 6-mers; all losses are of the same ones.
    model
        Loss of the backbone, which sees the other 85 % of the tokens, on both sides.
    model_standard_error
        Standard error of `model`, with windows as the units.
    markov
        Loss of an order-5 Markov chain fitted on the rest of the contig, given the five bases before.
    markov_both_sides
        Loss of the same chain, given also the five bases after.
    uniform
        Loss with probability ¼ for every base.
    """

    backbone: str
    region: str
    n_tokens: int
    model: float
    model_standard_error: float
    markov: float
    markov_both_sides: float
    uniform: float = UNIFORM


class MaskedWindow(NamedTuple):
    """One sequence to score.

    Attributes
    ----------
    ids
        int64 `(length,)`; token IDs.
    masked
        bool `(length,)`; tokens to predict.
    contexts
        16 bases around each masked token: five, the 6-mer, and five.
    """

    ids: Int64Array
    masked: BoolArray
    contexts: list[bytes]


@dataclass(frozen=True, slots=True)
class MarkovChain:
    """Markov chain of order 5.

    Attributes
    ----------
    log2_next
        float64 `(1024, 4)`; log2 probability of A, C, G, T after each five bases, which are read as a
        number in base 4.
    log2_eleven
        float64 `(1024, 1024)`; log2 probability that five bases are followed, after any six, by five others.
    """

    log2_next: Float64Array
    log2_eleven: Float64Array

    def bits(self, contexts: Sequence[bytes]) -> tuple[Float64Array, Float64Array]:
        """Return the information content of 6-mers given their context.

        Parameters
        ----------
        contexts
            `n` sequences of 16 bases A, C, G, T: five, the 6-mer, and five.

        Returns
        -------
        given_left, given_both
            float64 `(n,)` each, in bits: −log2 P(6-mer | five before), and −log2 P(6-mer | five before, five
            after), the same chain with the context that a masked-token model has: by Bayes' rule, the
            probability of all eleven bases over that of the last five after any 6-mer.
        """
        letters = np.frombuffer(b"".join(contexts).translate(_BASE_CODES), dtype=np.uint8)
        codes = letters.reshape(-1, 2 * ORDER + K).astype(np.int64)
        states = np.lib.stride_tricks.sliding_window_view(codes, ORDER, axis=1) @ _POWERS
        steps = self.log2_next[states[:, :-1], codes[:, ORDER:]]
        given_left = -steps[:, :K].sum(axis=1)
        given_both = self.log2_eleven[states[:, 0], states[:, -1]] - steps.sum(axis=1)
        return given_left, given_both


class MaskedTokenScorer:
    """Compute a checkpoint's loss on masked tokens, for models of both versions.

    Parameters
    ----------
    checkpoint
        With a masked-token head.
    device
        As in `load_backbone`.
    """

    def __init__(self, checkpoint: Checkpoint, device: str) -> None:
        self._device = resolve_device(device)
        self._model: Any = load_masked_token_model(checkpoint).to(self._device)
        self._is_v2 = checkpoint.configuration.family == "nt-v2"
        self._tokenise = tokeniser_of(checkpoint)

    @torch.inference_mode()
    def bits(self, windows: Sequence[MaskedWindow]) -> list[Float64Array]:
        """Return the loss of each masked token of each window, float64 `(n_masked,)`, in bits."""
        ids, attention_mask = pad_tokens([window.ids for window in windows], self._tokenise)
        masked = np.zeros_like(attention_mask)
        for row, window in zip(masked, windows, strict=True):
            row[1 : 1 + len(window.masked)] = window.masked
        input_ids = torch.from_numpy(np.where(masked, self._tokenise.mask_id, ids)).to(self._device)
        attended = None if attention_mask.all() else torch.from_numpy(attention_mask).to(self._device)
        if self._is_v2:
            hidden = self._model.esm(input_ids, attended)
        else:
            mask = None if attended is None else attended.long()
            hidden = self._model.esm(input_ids=input_ids, attention_mask=mask).last_hidden_state
        logits = self._model.lm_head(hidden[torch.from_numpy(masked).to(self._device)])
        labels = torch.from_numpy(ids[masked]).to(self._device)
        nats = F.cross_entropy(logits.float(), labels, reduction="none").cpu().double().numpy()
        ends = np.cumsum([int(window.masked.sum()) for window in windows])[:-1]
        return np.split(nats / np.log(2), ends)


def score_backbone(
    name_or_path: str,
    reference: Path,
    region: str,
    variants: Path | None = None,
    *,
    assume_phased: bool = False,
    device: str = "auto",
    tokens_per_batch: int = TOKENS_PER_BATCH,
) -> Score:
    """Score a backbone on a region.

    The region is cut, from its start and again after every N, into windows of the longest input. In each,
    15 % of the 6-mers (by a fixed seed, so the same ones for every backbone of that length) are replaced by
    `<mask>`, all at once, and the model predicts them from all other tokens. A token's loss −log2 P(token)
    is over the whole vocabulary and covers six bases, so bits per base is the summed loss over six times the
    number of tokens. The chain's loss of the same six bases is the sum of theirs.

    Parameters
    ----------
    name_or_path
        A backbone with a masked-token head.
    reference
        FASTA.
    region
        `contig:start-end`, 1-based, both ends included.
    variants
        Phased genotypes: each window is then of a random haplotype; None for the reference.
    assume_phased
        Read unphased heterozygotes as if phased.
    device
        As in `load_backbone`.
    tokens_per_batch
        A batch is complete once it has this many tokens.

    Raises
    ------
    InputError
        When an input is invalid, the backbone has no masked-token head, or the region or the rest of its
        contig has too little sequence.
    """
    with (
        opened_checkpoint(name_or_path) as checkpoint,
        GenomeSequences.open(reference, variants, assume_phased=assume_phased) as sequences,
    ):
        place = resolve_region(region, sequences.reference, "--region")
        inside, outside = _split_contig(sequences, place)
        length = K * (checkpoint.configuration.max_tokens - 1)
        windows = _cut_windows(inside, length)
        generator = np.random.default_rng(_SEED)
        tokeniser = tokeniser_of(checkpoint)
        six_mers = six_mer_ids(checkpoint.vocabulary)
        scorer = MaskedTokenScorer(checkpoint, device)
        chain = fit_markov(_read_segments(sequences, outside))
        losses, chain_losses = [], []
        with stage(f"Scoring {checkpoint.name}", len(windows), "windows") as advance:
            batch: list[MaskedWindow] = []
            for index, window in enumerate(windows):
                sequence = sequences.haplotype_sequence(window, generator)[:length]
                batch.append(_mask_window(sequence, tokeniser, six_mers, generator))
                if index + 1 == len(windows) or sum(len(item.ids) for item in batch) >= tokens_per_batch:
                    losses += scorer.bits(batch)
                    chain_losses += [chain.bits(item.contexts) for item in batch]
                    advance(len(batch))
                    batch = []
    return _summarise(checkpoint.name, region, losses, chain_losses)


def fit_markov(sequences: Iterable[bytes]) -> MarkovChain:
    """Fit a Markov chain by counting, with a pseudocount of one per cell.

    Parameters
    ----------
    sequences
        Sequences of A, C, G and T; nothing is counted across their ends.
    """
    counts = np.full(N_STATES * 4, PSEUDOCOUNT)
    for sequence in sequences:
        codes = np.frombuffer(sequence.translate(_BASE_CODES), dtype=np.uint8)
        counts += np.bincount(_words(codes, ORDER + 1), minlength=N_STATES * 4)
    table = counts.reshape(N_STATES, 4)
    probabilities = table / table.sum(axis=1, keepdims=True)
    # A state's four successors: its last four bases and one more.
    transition = np.zeros((N_STATES, N_STATES))
    successors = (np.arange(N_STATES)[:, None] * 4 + np.arange(4)) % N_STATES
    np.put_along_axis(transition, successors, probabilities, axis=1)
    eleven = np.linalg.matrix_power(transition, ORDER + K)
    return MarkovChain(np.log2(probabilities), np.log2(eleven))


def _words(codes: UInt8Array, length: int) -> Int64Array:
    """Return each word of `length` bases as a number in base 4: int64 `(n - length + 1,)`."""
    n_words = max(0, len(codes) - length + 1)
    words = np.zeros(n_words, dtype=np.int64)
    for offset in range(length):  # a sliding window times powers of 4 would take `length` times the memory
        words *= 4
        words += codes[offset : offset + n_words]
    return words


def _split_contig(
    sequences: GenomeSequences, region: Segment
) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
    """Return the intervals without N inside the region, and in the rest of its contig."""
    reference = sequences.reference
    with stage("Reading the contig", reference.contigs[region.contig], "bp") as advance:
        scan = scan_genome(reference, advance, contigs=(region.contig,))
    inside = intersect_regions(scan.segments, [region])
    outside = subtract_regions(scan.segments, [region])
    if not any(segment.end - segment.start > ORDER for segment in outside):
        raise InputError(
            f"region {region.contig}:{region.start + 1}-{region.end} leaves nothing of its contig to fit the "
            "Markov chain on; give a smaller region"
        )
    return inside, outside


def _cut_windows(segments: Sequence[Segment], length: int) -> list[Segment]:
    """Cut segments into windows, each from its start; the last window of a segment may be shorter."""
    return [
        segment._replace(start=start, end=min(start + length, segment.end))
        for segment in segments
        for start in range(segment.start, segment.end, length)
    ]


def _read_segments(sequences: GenomeSequences, segments: Sequence[Segment]) -> Iterator[bytes]:
    """Read segments in parts that overlap by the chain's order, so that every base is counted once."""
    for segment in segments:
        for start in range(segment.start, segment.end, BASES_AT_ONCE):
            begin = max(segment.start, start - ORDER)
            yield sequences.reference_sequence(
                segment._replace(start=begin, end=min(start + BASES_AT_ONCE, segment.end))
            )


def _mask_window(
    sequence: bytes, tokeniser: SixMerTokeniser, six_mers: Int64Array, generator: np.random.Generator
) -> MaskedWindow:
    """Choose the 6-mers to predict among those with five known bases on either side."""
    ids = tokeniser(sequence)
    lengths = np.where(np.isin(ids, six_mers), K, 1)
    offsets = np.cumsum(lengths) - lengths
    masked = choose_masked(ids, six_mers, generator)
    contexts = []
    for token in np.flatnonzero(masked).tolist():
        start = int(offsets[token]) - ORDER
        context = sequence[max(start, 0) : start + 2 * ORDER + K]
        if start < 0 or len(context) < 2 * ORDER + K or b"N" in context:
            masked[token] = False
        else:
            contexts.append(context)
    return MaskedWindow(ids, masked, contexts)


def _summarise(
    backbone: str,
    region: str,
    losses: Sequence[Float64Array],
    chain_losses: Sequence[tuple[Float64Array, Float64Array]],
) -> Score:
    counts = np.array([len(window) for window in losses])
    n_tokens = int(counts.sum())
    if n_tokens < 2:
        raise InputError(f"region {region} has too little sequence without N to score; give a longer one")
    sums = np.array([window.sum() for window in losses])
    mean = sums.sum() / n_tokens
    # Standard error of a ratio of sums over windows, whose tokens are not independent.
    n_windows = max(2, len(counts))
    error = np.sqrt(((sums - mean * counts) ** 2).sum() * n_windows / (n_windows - 1)) / n_tokens
    left, both = (np.concatenate(parts).sum() / n_tokens for parts in zip(*chain_losses, strict=True))
    return Score(
        backbone=backbone,
        region=region,
        n_tokens=n_tokens,
        model=float(mean / K),
        model_standard_error=float(error / K),
        markov=float(left / K),
        markov_both_sides=float(both / K),
    )

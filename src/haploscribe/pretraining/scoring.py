"""The job behind `haploscribe backbones score`: a backbone's masked-token loss on a region."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses

from haploscribe.arrays import BoolArray, Float64Array, Int64Array
from haploscribe.embedding.backbones.checkpoint import Checkpoint
from haploscribe.embedding.backbones.devices import resolve_device
from haploscribe.embedding.backbones.nucleotide_transformer import load_masked_token_model, tokeniser_of
from haploscribe.embedding.backbones.registry import opened_checkpoint
from haploscribe.embedding.backbones.tokeniser import K, SixMerTokeniser
from haploscribe.errors import InputError
from haploscribe.pretraining.batches import padded
from haploscribe.pretraining.markov import ORDER, fit_markov
from haploscribe.pretraining.masking import choose
from haploscribe.pretraining.segments import Segment, place_region, scan_genome, within, without
from haploscribe.pretraining.vocabulary import six_mer_numbers
from haploscribe.pretraining.windows import GenomeSequences
from haploscribe.progress import stage

UNIFORM = 2.0
_SEED = 0
_TOKENS_PER_BATCH = 4_096
_PIECE = 1 << 24  # bases that the chain counts at once


@dataclass(frozen=True, slots=True)
class Score:
    """How well 6-mers of a region are guessed, in bits per base: lower is better, 2.0 is no knowledge.

    Attributes
    ----------
    backbone, region
        What was scored, and where; 1-based, both ends included.
    n_tokens
        Masked 6-mers; all figures are of the same ones.
    model
        The backbone, which sees the other 85 % of the tokens, on both sides.
    model_standard_error
        Of `model`, by windows.
    markov
        Order-5 Markov chain fitted on the rest of the contig; sees the five bases before.
    markov_both_sides
        The same chain, given also the five bases behind.
    uniform
        Every base with chance ¼.
    """

    backbone: str
    region: str
    n_tokens: int
    model: float
    model_standard_error: float
    markov: float
    markov_both_sides: float
    uniform: float = UNIFORM


class _Window(NamedTuple):
    """One sequence to score: its tokens, those to guess, and 16 bases around each of those."""

    ids: Int64Array
    guessed: BoolArray
    around: list[bytes]


def score_backbone(
    name_or_path: str,
    reference: Path,
    region: str,
    variants: Path | None = None,
    *,
    assume_phased: bool = False,
    device: str = "auto",
) -> Score:
    """Score a backbone on a region.

    The region is cut, from its start and again behind every N, into windows of the longest input. In each,
    15 % of the 6-mers (by a fixed seed, so the same ones for every backbone of that length) are shown as
    `<mask>`, all at once, and the model guesses them from all other tokens, left and right. A token's loss
    −log2 P(token) is over the whole vocabulary and stands for six bases, so bits per base is the sum of the
    losses over six times their number. A chain's loss of the same six bases is the sum of theirs.

    Parameters
    ----------
    name_or_path
        A backbone with a masked-token head.
    reference
        FASTA.
    region
        `contig:start-end`, 1-based, both ends included.
    variants
        Phased genotypes: each window is then a haplotype of a sample, both drawn; None for the reference.
    assume_phased
        Read unphased heterozygotes as if phased.
    device
        As in `load_backbone`.

    Raises
    ------
    InputError
        When an input is at fault, the backbone has no masked-token head, or the region or the rest of its
        contig holds too little sequence.
    """
    with (
        opened_checkpoint(name_or_path) as checkpoint,
        GenomeSequences.open(reference, variants, assume_phased=assume_phased) as sequences,
    ):
        place = place_region(region, sequences.reference, "--region")
        inside, outside = _split(sequences, place)
        length = K * (checkpoint.configuration.max_tokens - 1)
        windows = _windows(inside, length)
        generator = np.random.default_rng(_SEED)
        tokeniser = tokeniser_of(checkpoint)
        numbers = six_mer_numbers(checkpoint.vocabulary)
        model = _Model(checkpoint, tokeniser, device)
        chain = fit_markov(_pieces(sequences, outside))
        losses, chains = [], []
        with stage(f"Scoring {checkpoint.name}", len(windows), "windows") as advance:
            batch: list[_Window] = []
            for number, window in enumerate(windows):
                sequence = sequences.haplotype_sequence(window, generator)[:length]
                batch.append(_masked(sequence, tokeniser, numbers, generator))
                if number + 1 == len(windows) or sum(len(item.ids) for item in batch) >= _TOKENS_PER_BATCH:
                    losses += model.bits(batch)
                    chains += [chain.bits(item.around) for item in batch]
                    advance(len(batch))
                    batch = []
    return _score(checkpoint.name, region, losses, chains)


class _Model:
    """A masked-token model of either family, on a device."""

    def __init__(self, checkpoint: Checkpoint, tokeniser: SixMerTokeniser, device: str) -> None:
        self._device = resolve_device(device)
        self._model: Any = load_masked_token_model(checkpoint).to(self._device)
        self._second = checkpoint.configuration.family == "nt-v2"
        self._tokenise = tokeniser

    @torch.inference_mode()
    def bits(self, batch: Sequence[_Window]) -> list[Float64Array]:
        """Loss of each guessed token of each window, in bits."""
        ids, attend = padded([window.ids for window in batch], self._tokenise)
        guessed = np.zeros_like(attend)
        for row, window in zip(guessed, batch, strict=True):
            row[1 : 1 + len(window.guessed)] = window.guessed
        shown = torch.from_numpy(np.where(guessed, self._tokenise.mask_id, ids)).to(self._device)
        attended = None if attend.all() else torch.from_numpy(attend).to(self._device)
        if self._second:
            hidden = self._model.esm(shown, attended)
        else:
            mask = None if attended is None else attended.long()
            hidden = self._model.esm(input_ids=shown, attention_mask=mask).last_hidden_state
        logits = self._model.lm_head(hidden[torch.from_numpy(guessed).to(self._device)])
        answers = torch.from_numpy(ids[guessed]).to(self._device)
        nats = F.cross_entropy(logits.float(), answers, reduction="none").cpu().double().numpy()
        ends = np.cumsum([int(window.guessed.sum()) for window in batch])[:-1]
        return np.split(nats / np.log(2), ends)


def _split(sequences: GenomeSequences, region: Segment) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
    """Stretches without N inside the region, and in the rest of its contig."""
    reference = sequences.reference
    with stage("Reading the contig", reference.contigs[region.contig], "bp") as advance:
        scan = scan_genome(reference, advance, contigs=(region.contig,))
    inside, outside = within(scan.segments, [region]), without(scan.segments, [region])
    if not any(segment.end - segment.start > ORDER for segment in outside):
        raise InputError(
            f"region {region.contig}:{region.start + 1}-{region.end} leaves nothing of its contig to fit the "
            "Markov chain on; name a smaller region"
        )
    return inside, outside


def _windows(segments: Sequence[Segment], length: int) -> list[Segment]:
    """Cut segments into windows, each at the segment's start; the last of a segment may be shorter."""
    return [
        segment._replace(start=start, end=min(start + length, segment.end))
        for segment in segments
        for start in range(segment.start, segment.end, length)
    ]


def _pieces(sequences: GenomeSequences, segments: Sequence[Segment]) -> Iterator[bytes]:
    """Read segments in pieces that overlap by the chain's order, so that every base is counted once."""
    for segment in segments:
        for start in range(segment.start, segment.end, _PIECE):
            begin = max(segment.start, start - ORDER)
            yield sequences.reference_sequence(
                segment._replace(start=begin, end=min(start + _PIECE, segment.end))
            )


def _masked(
    sequence: bytes, tokeniser: SixMerTokeniser, six_mers: Int64Array, generator: np.random.Generator
) -> _Window:
    """Choose the 6-mers to guess among those with five known bases on either side."""
    ids = tokeniser(sequence)
    lengths = np.where(np.isin(ids, six_mers), K, 1)
    offsets = np.cumsum(lengths) - lengths
    guessed = choose(ids, six_mers, generator)
    around = []
    for token in np.flatnonzero(guessed).tolist():
        start = int(offsets[token]) - ORDER
        piece = sequence[max(start, 0) : start + 2 * ORDER + K]
        if start < 0 or len(piece) < 2 * ORDER + K or b"N" in piece:
            guessed[token] = False
        else:
            around.append(piece)
    return _Window(ids, guessed, around)


def _score(
    backbone: str,
    region: str,
    losses: Sequence[Float64Array],
    chains: Sequence[tuple[Float64Array, Float64Array]],
) -> Score:
    counts = np.array([len(window) for window in losses])
    n_tokens = int(counts.sum())
    if n_tokens < 2:
        raise InputError(f"region {region} holds too little sequence without N to score; name a longer one")
    sums = np.array([window.sum() for window in losses])
    mean = sums.sum() / n_tokens
    # Standard error of a ratio of sums over windows, whose tokens are not independent.
    n_windows = max(2, len(counts))
    error = np.sqrt(((sums - mean * counts) ** 2).sum() * n_windows / (n_windows - 1)) / n_tokens
    left, both = (np.concatenate(parts).sum() / n_tokens for parts in zip(*chains, strict=True))
    return Score(
        backbone=backbone,
        region=region,
        n_tokens=n_tokens,
        model=float(mean / K),
        model_standard_error=float(error / K),
        markov=float(left / K),
        markov_both_sides=float(both / K),
    )

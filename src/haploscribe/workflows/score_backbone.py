"""Score a backbone by its masked-token loss on a region: the subcommand `backbones score`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from haploscribe.embedding.backbones.nucleotide_transformer import tokeniser_of
from haploscribe.embedding.backbones.registry import opened_checkpoint
from haploscribe.embedding.backbones.tokeniser import K
from haploscribe.errors import InputError
from haploscribe.pretraining.batches import six_mer_ids
from haploscribe.pretraining.data import (
    BASES_AT_ONCE,
    GenomeSequences,
    Segment,
    intersect_regions,
    resolve_region,
    scan_genome,
    subtract_regions,
)
from haploscribe.pretraining.scoring import ORDER, MaskedTokenScorer, MaskedWindow, fit_markov, mask_window
from haploscribe.utils.file_lists import Files
from haploscribe.utils.progress import stage
from haploscribe.utils.types import Float64Array

UNIFORM = 2.0
TOKENS_PER_BATCH = 4_096

_SEED = 0


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


def score_backbone(
    name_or_path: str,
    reference: Path,
    region: str,
    variants: Path | Files | None = None,
    *,
    revision: str | None = None,
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
    revision, device
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
        opened_checkpoint(name_or_path, revision) as checkpoint,
        GenomeSequences.open(reference, variants, assume_phased=assume_phased) as sequences,
    ):
        segment = resolve_region(region, sequences.reference, "--region")
        inside, outside = _split_contig(sequences, segment)
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
                batch.append(mask_window(sequence, tokeniser, six_mers, generator))
                if index + 1 == len(windows) or sum(len(item.ids) for item in batch) >= tokens_per_batch:
                    losses += scorer.bits(batch)
                    chain_losses += [chain.bits(item.contexts) for item in batch]
                    advance(len(batch))
                    batch = []
    return _summarise(checkpoint.name, region, losses, chain_losses)


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

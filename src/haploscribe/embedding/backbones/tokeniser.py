"""Tokenise DNA into 6-mers, split long token lists into windows, and pool along the token axis."""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from haploscribe.embedding.backbones.frame import pieces
from haploscribe.errors import InputError
from haploscribe.genome.haplotypes import TileHaplotype
from haploscribe.utils.types import Float32Array, Float64Array, Int64Array, UInt8Array

K = 6

_N, _OTHER = 4, 5
_CODES = bytes(b"ACGTN".find(letter) % 6 for letter in range(256))  # -1, not found, becomes _OTHER
_PLACE_VALUES = 4 ** np.arange(K - 1, -1, -1)


class SixMerTokeniser:
    """Convert DNA to token IDs of a checkpoint's vocabulary, as `transformers.EsmTokenizer` does.

    From left to right: six bases A, C, G, T make one token; where fewer than six remain before the end of
    the sequence or before another letter, each is a token of its own; an N is a token and breaks the
    frame; a run of any other letters (IUPAC codes, lower case) is one `<unk>`. Nothing is prepended here:
    see `class_id`.

    Parameters
    ----------
    vocabulary
        The tokens in the order of their numbers, as the lines of `vocab.txt`. The order differs between
        checkpoints (the first and the second version differ), so it is never assumed.
    source
        Where it came from, for messages.

    Attributes
    ----------
    class_id, pad_id, mask_id, unknown_id
        Numbers of `<cls>` (put before every sequence), `<pad>`, `<mask>` and `<unk>`.
    highest_id
        The largest token ID that this tokeniser returns; the embedding table must contain it.

    Raises
    ------
    InputError
        When the vocabulary lacks a token that DNA needs.
    """

    def __init__(self, vocabulary: Sequence[str], source: str = "the vocabulary") -> None:
        numbers = {token: number for number, token in enumerate(vocabulary)}
        six_mers = ["".join(letters) for letters in product("ACGT", repeat=K)]
        needed = ["<cls>", "<pad>", "<mask>", "<unk>", *"ACGTN", *six_mers]
        missing = [token for token in needed if token not in numbers]
        if missing:
            raise InputError(
                f"{source} lacks {len(missing)} tokens, the first {missing[0]!r}; "
                "it must be the 6-mer one that came with the checkpoint"
            )
        ids = np.array([numbers[token] for token in needed], dtype=np.int64)
        self.class_id, self.pad_id, self.mask_id, self.unknown_id = (int(number) for number in ids[:4])
        self._single_ids = np.append(ids[4:9], self.unknown_id)  # by code: A, C, G, T, N, anything else
        self._six_mer_ids = ids[9:]
        self.highest_id = int(ids.max())

    def __call__(self, sequence: bytes) -> Int64Array:
        """Return the token numbers of one sequence, int64 `(n_tokens,)`, without `<cls>`."""
        codes = np.frombuffer(sequence.translate(_CODES), dtype=np.uint8)
        starts, lengths, kinds = _runs(codes)
        # Tokens of each run: 6-mers and single bases; every N; one for all other letters.
        six_mers = np.where(kinds == 0, lengths // K, 0)
        n_tokens = np.where(kinds == _OTHER, 1, lengths - (K - 1) * six_mers)
        first_token = np.cumsum(n_tokens) - n_tokens
        run = np.repeat(np.arange(len(starts)), n_tokens)
        offset = np.arange(len(run)) - first_token[run]
        is_six_mer = offset < six_mers[run]
        offsets = starts[run] + offset + (K - 1) * np.minimum(offset, six_mers[run])
        ids: Int64Array = self._single_ids[codes[offsets]]
        windows = codes[offsets[is_six_mer, None] + np.arange(K)]
        ids[is_six_mer] = self._six_mer_ids[windows @ _PLACE_VALUES]
        return ids

    def haplotype(self, haplotype: TileHaplotype) -> tuple[Int64Array, Int64Array]:
        """Tokenise a haplotype so that its 6-mers stay on the reference's grid.

        A cell of six bases that no edit of length touches is tokenised on its own: a 6-mer, or single bases
        where it holds an N or is cut short by the tile's end. What stands in touched cells is tokenised from
        left to right. Without edits and Ns these are the tokens of the sequence.

        Returns
        -------
        ids
            int64 `(n_tokens,)`.
        lengths
            int64 `(n_tokens,)`; bases of each token, 6 or 1.
        """
        parts = [
            self(piece.sequence) if piece.edited else self._cells(piece.sequence)
            for piece in pieces(haplotype, K)
        ]
        ids = np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
        return ids, np.where(np.isin(ids, self._single_ids), 1, K)

    def _cells(self, sequence: bytes) -> Int64Array:
        """Tokenise each cell of six bases by itself."""
        codes = np.frombuffer(sequence.translate(_CODES), dtype=np.uint8)
        n_cells, rest = divmod(len(codes), K)
        cells = codes[: n_cells * K].reshape(n_cells, K)
        is_six_mer = (cells < _N).all(axis=1)
        n_tokens = np.append(np.where(is_six_mer, 1, K), rest)
        cell = np.repeat(np.arange(n_cells + 1), n_tokens)
        offset = np.arange(len(cell)) - (np.cumsum(n_tokens) - n_tokens)[cell]
        ids: Int64Array = self._single_ids[codes[K * cell + offset]]
        ids[np.append(is_six_mer, False)[cell]] = self._six_mer_ids[cells[is_six_mer] @ _PLACE_VALUES]
        return ids


def _runs(codes: UInt8Array) -> tuple[Int64Array, Int64Array, npt.NDArray[np.uint8]]:
    """Return the starts, lengths and kinds (0: bases, 4: N, 5: other) of runs of one kind."""
    kinds = np.where(codes < _N, 0, codes).astype(np.uint8)
    breaks = np.flatnonzero(kinds[1:] != kinds[:-1]) + 1
    starts = np.concatenate(([0], breaks)) if len(codes) else np.empty(0, dtype=np.int64)
    lengths = np.diff(starts, append=len(codes))
    return starts, lengths, kinds[starts]


class Window(NamedTuple):
    """An interval of one sequence's tokens that is embedded in one forward pass.

    Attributes
    ----------
    start, end
        The tokens that are read, 0-based half-open, without the class token.
    keep
        Hidden states are taken from this token on; those before it belong to an earlier window.
    """

    start: int
    end: int
    keep: int


def windows(n_tokens: int, capacity: int) -> list[Window]:
    """Split a token list into windows of at most `capacity`.

    Each window but the last takes the next `capacity` tokens. The last one ends at the last token and
    extends back as far as possible, so that an overflow of a few tokens (an insertion in a tile of full
    length) is embedded with its context; only tokens that no earlier window held take their hidden state
    from it. A list that fits is one window; an empty list has none.
    """
    found = []
    for keep in range(0, n_tokens, capacity):
        end = min(keep + capacity, n_tokens)
        found.append(Window(start=max(0, end - capacity), end=end, keep=keep))
    return found


def n_bins_of(pooling: str) -> int:
    """Return the number of vectors a sequence is pooled into: 1 for `mean`, K for `bins-K`.

    Raises
    ------
    InputError
        When `pooling` is neither.
    """
    if pooling == "mean":
        return 1
    word, _, number = pooling.partition("-")
    if word == "bins" and number.isascii() and number.isdigit() and int(number) > 0:
        return int(number)
    raise InputError(
        f"pooling {pooling!r} is unknown; use 'mean', or 'bins-K' with K at least 1, as 'bins-4'"
    )


def bin_weights(lengths: Float64Array, n_bins: int) -> Float32Array:
    """Return the weights that average tokens within equal parts of a sequence.

    Token `t` fills as much of the sequence as it is long, and bin `b` covers `[b·L/K, (b+1)·L/K)` of its
    length L; a token's weight is its overlap with the bin over the bin's width. So a token on an edge is
    shared, a sequence shorter than K still fills every bin, and the mean over bins is the mean over all.

    Parameters
    ----------
    lengths
        float64 `(n_tokens,)`, in any unit.
    n_bins
        K.

    Returns
    -------
    float32 `(n_bins, n_tokens)`; rows sum to 1.
    """
    ends = np.cumsum(lengths)
    total = ends[-1] if len(ends) else 1.0
    edges = np.arange(n_bins + 1) * (total / n_bins)
    overlap = np.minimum(edges[1:, None], ends) - np.maximum(edges[:-1, None], ends - lengths)
    weights: Float32Array = (np.maximum(overlap, 0) * (n_bins / total)).astype(np.float32)
    return weights

"""The 6-mer tokeniser of the Nucleotide Transformer, vectorised."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import numpy.typing as npt

from haploscribe.errors import InputError
from haploscribe.utils.types import Int64Array, UInt8Array

K = 6

_N, _OTHER = 4, 5
_CODES = bytes(b"ACGTN".find(letter) % 6 for letter in range(256))  # -1, not found, becomes _OTHER
_PLACE_VALUES = 4 ** np.arange(K - 1, -1, -1)


class SixMerTokeniser:
    """Turns DNA into the token numbers of a checkpoint's vocabulary, as `transformers.EsmTokenizer` does.

    From left to right: six bases A, C, G, T make one token; where fewer than six stand before the end of
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
        The highest number this tokeniser can give out; the embedding table must reach it.

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
        """Token numbers of one sequence, int64 `(n_tokens,)`, without `<cls>`."""
        codes = np.frombuffer(sequence.translate(_CODES), dtype=np.uint8)
        starts, lengths, kinds = _runs(codes)
        # Tokens of each run: 6-mers and single bases; every N; one for all other letters.
        six_mers = np.where(kinds == 0, lengths // K, 0)
        n_tokens = np.where(kinds == _OTHER, 1, lengths - (K - 1) * six_mers)
        first_token = np.cumsum(n_tokens) - n_tokens
        run = np.repeat(np.arange(len(starts)), n_tokens)
        place = np.arange(len(run)) - first_token[run]
        is_six_mer = place < six_mers[run]
        offsets = starts[run] + place + (K - 1) * np.minimum(place, six_mers[run])
        ids: Int64Array = self._single_ids[codes[offsets]]
        windows = codes[offsets[is_six_mer, None] + np.arange(K)]
        ids[is_six_mer] = self._six_mer_ids[windows @ _PLACE_VALUES]
        return ids


def _runs(codes: UInt8Array) -> tuple[Int64Array, Int64Array, npt.NDArray[np.uint8]]:
    """Where runs of one kind (0: bases, 4: N, 5: other) start, how long they are, and their kind."""
    kinds = np.where(codes < _N, 0, codes).astype(np.uint8)
    breaks = np.flatnonzero(kinds[1:] != kinds[:-1]) + 1
    starts = np.concatenate(([0], breaks)) if len(codes) else np.empty(0, dtype=np.int64)
    lengths = np.diff(starts, append=len(codes))
    return starts, lengths, kinds[starts]

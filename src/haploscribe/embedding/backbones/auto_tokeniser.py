"""Tokenise DNA with the tokenizer that came with a checkpoint, and tell which bases each token covers."""

import json
import re
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from haploscribe.embedding.backbones.checkpoint import VOCABULARY_FILES
from haploscribe.errors import InputError
from haploscribe.utils.types import Float64Array, Int64Array

_BASES = frozenset("ACGT")
_WORD_MARKS = re.compile("^(##|▁|Ġ)")  # of WordPiece, SentencePiece and byte-level tokens
_PROBE = b"GATTACAGATTCCGGAACGTGCATGACCTTGAAGCTTACGATCGGTACTCAGTCCATGGCAATCT"


class Tokens(NamedTuple):
    """Tokens of a sequence, without special ones.

    Attributes
    ----------
    ids
        int64 `(n_tokens,)`.
    lengths
        float64 `(n_tokens,)`; how many bases each token covers, from the sequence's start, without a gap. Of
        overlapping words each counts as its middle base: 1.
    """

    ids: Int64Array
    lengths: Float64Array


class AutoTokeniser:
    """Convert DNA to tokens as `transformers` does with a checkpoint's own files.

    A `tokenizer.json` is read as it is, whatever the architecture; of other files (`vocab.txt`, …) the
    architecture's tokenizer is made. Where it knows no token for a stretch of bases, but one for each
    word of k bases between spaces, sequences are given to it as all their overlapping words (DNABERT).

    Parameters
    ----------
    folder
        Folder of the checkpoint.
    configuration
        The checkpoint's `PreTrainedConfig`, which names the tokenizer where the files do not.

    Attributes
    ----------
    prefix, suffix
        int64; special tokens before and behind every token list (class, separator, begin, end).
    word_size
        Bases of an overlapping word; 0 where sequences are read as they are.
    longest
        Bases of the vocabulary's longest token.
    max_tokens
        The longest token list that the files allow, special tokens included; very large where they do not
        say.
    highest_id
        The largest token number.

    Raises
    ------
    InputError
        When the files are missing or unreadable, or tokens do not add up to the sequence.
    """

    def __init__(self, folder: Path, configuration: Any) -> None:
        self._folder = folder
        self._tokenizer = _load(folder, configuration)
        numbers: dict[str, int] = self._tokenizer.get_vocab()
        self.highest_id = max(numbers.values(), default=-1)
        self.max_tokens = int(self._tokenizer.model_max_length)
        words = [_WORD_MARKS.sub("", token) for token in numbers]
        self.longest = max((len(word) for word in words if word and set(word.upper()) <= _BASES), default=0)
        self._unknown_ids = _unknown_ids(self._tokenizer)
        self.word_size = 0
        try:
            self(_PROBE)
        except InputError as error:
            self.word_size = self.longest
            if not self._knows_words():
                raise error from None
        self(_PROBE + b"NN" + _PROBE)
        self.prefix, self.suffix = self._special_tokens()

    def __call__(self, sequence: bytes) -> Tokens:
        """Tokenise one sequence of upper-case A, C, G, T and N.

        Raises
        ------
        InputError
            When the tokens do not cover the sequence's bases one after the other, or are unknown ones.
        """
        text = sequence.decode("ascii")
        ids, pieces = self._words(text) if self.word_size else self._pieces(text)
        unknown = [pieces[i] for i in np.flatnonzero(np.isin(ids, self._unknown_ids))]
        # A word with an N may be unknown; elsewhere Ns alone may be.
        if any("N" not in piece or (not self.word_size and piece.strip("N")) for piece in unknown):
            raise self._refusal("knows no token for some bases")
        lengths = [1 if self.word_size else len(piece) for piece in pieces]
        return Tokens(ids, np.array(lengths, dtype=np.float64))

    def _pieces(self, text: str) -> tuple[Int64Array, list[str]]:
        """Return the tokens of a sequence, and the bases that each covers."""
        if self._tokenizer.is_fast:
            found = self._tokenizer(
                text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
            )
            ids, offsets = found["input_ids"], found["offset_mapping"]
            pieces = [text[start:end] for start, end in offsets]
            gapless = [start for start, _ in offsets] == [0, *accumulate(map(len, pieces))][:-1]
        else:  # written in Python, without offsets; pieces are spelled as they were
            pieces = self._tokenizer.tokenize(text)
            ids, gapless = self._tokenizer.convert_tokens_to_ids(pieces), True
        if not gapless or "".join(pieces) != text:
            raise self._refusal("gives tokens that do not add up to the sequence")
        return self._numbers(ids), pieces

    def _words(self, text: str) -> tuple[Int64Array, list[str]]:
        """Return the tokens of a sequence's overlapping words, and the words."""
        starts = range(len(text) - self.word_size + 1)
        words = [text[start : start + self.word_size] for start in starts]
        ids = self._tokenizer(" ".join(words), add_special_tokens=False, verbose=False)["input_ids"]
        if len(ids) != len(words):
            raise self._refusal("gives tokens that do not add up to the sequence")
        return self._numbers(ids), words

    def _numbers(self, ids: list[int | None]) -> Int64Array:
        if None in ids:  # a vocabulary without a token for what it does not know
            raise self._refusal("knows no token for some bases")
        return np.array(ids, dtype=np.int64)

    def _knows_words(self) -> bool:
        try:
            return self.word_size > 1 and len(self(_PROBE).ids) > 0
        except InputError:
            return False

    def _special_tokens(self) -> tuple[Int64Array, Int64Array]:
        """Return the tokens that the tokenizer puts before and behind a sequence."""
        text = " ".join(self._words(_PROBE.decode())[1]) if self.word_size else _PROBE.decode()
        bare = list(self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
        full = list(self._tokenizer(text, verbose=False)["input_ids"])
        start = next((i for i in range(len(full)) if full[i : i + len(bare)] == bare), None)
        if start is None:
            raise self._refusal("changes tokens when it adds special ones")
        prefix, suffix = full[:start], full[start + len(bare) :]
        return np.array(prefix, dtype=np.int64), np.array(suffix, dtype=np.int64)

    def _refusal(self, fault: str) -> InputError:
        return InputError(
            f"the tokenizer in {self._folder} {fault} (A, C, G, T, N in upper case); it must be the one of a "
            "DNA model, as it came with the checkpoint"
        )


def _load(folder: Path, configuration: Any) -> Any:
    """Load the tokenizer of a folder; no file is downloaded, and no code of the folder runs."""
    from transformers import AutoTokenizer, PreTrainedTokenizerFast  # noqa: PLC0415 - slow to import

    if not any((folder / name).is_file() for name in VOCABULARY_FILES):
        raise InputError(
            f"{folder} has no vocabulary (tokenizer.json, vocab.txt, …); download the checkpoint's tokenizer "
            "too"
        )
    options = {"local_files_only": True, "trust_remote_code": False}
    try:
        # AutoTokenizer may rebuild the architecture's usual tokenizer from a file that holds another.
        if (folder / "tokenizer.json").is_file():
            return PreTrainedTokenizerFast.from_pretrained(str(folder), **options)
        return AutoTokenizer.from_pretrained(str(folder), config=configuration, **options)
    except Exception as error:  # transformers raises anything on files that it cannot read
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(
            f"cannot read the tokenizer in {folder} ({reason}); give a tokenizer.json, or the files that "
            "came with the checkpoint"
        ) from None


def _unknown_ids(tokenizer: Any) -> list[int]:
    """Return the numbers that stand for what has no token; the files may name it in two places."""
    found = [tokenizer.unk_token_id]
    if tokenizer.is_fast:
        model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
        token = model.get("unk_token")
        found += [model.get("unk_id"), None if token is None else tokenizer.convert_tokens_to_ids(token)]
    return [number for number in found if number is not None]

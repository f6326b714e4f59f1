"""The 6-mer vocabulary of the second Nucleotide Transformer."""

from collections.abc import Sequence
from itertools import product

import numpy as np

from haploscribe.utils.types import Int64Array

VOCABULARY: tuple[str, ...] = (
    *("<unk>", "<pad>", "<mask>", "<cls>", "<eos>", "<bos>"),
    *("".join(letters) for letters in product("ATCG", repeat=6)),
    *"ATCGN",
)
"""4,107 tokens in the order of the published implementation in JAX (InstaDeepAI/nucleotide-transformer)."""


def six_mer_numbers(vocabulary: Sequence[str]) -> Int64Array:
    """Find the tokens that are six bases: int64 `(4096,)`."""
    return np.array(
        [number for number, token in enumerate(vocabulary) if len(token) == 6 and set(token) <= set("ACGT")],
        dtype=np.int64,
    )

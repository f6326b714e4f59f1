"""One source of randomness a purpose, so that what is drawn for one does not depend on the others."""

import hashlib

import numpy as np


def generator_for(seed: int, purpose: str) -> np.random.Generator:
    """Make the generator of one purpose.

    Parameters
    ----------
    seed
        `--seed`.
    purpose
        Such as a gene's id.
    """
    digest = hashlib.blake2b(f"{seed} {purpose}".encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest))

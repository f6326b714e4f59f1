"""Keep htslib from writing to the terminal what an InputError is about to say."""

from collections.abc import Iterator
from contextlib import contextmanager

import pysam


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the messages of pysam's htslib within the block."""
    before = pysam.set_verbosity(0)
    try:
        yield
    finally:
        pysam.set_verbosity(before)

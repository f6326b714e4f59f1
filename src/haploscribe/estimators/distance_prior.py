"""How much a variant may matter by its distance to the TSS alone."""

import numpy as np

from haploscribe.arrays import Float32Array, Float64Array, Int64Array

PRIOR_REACH = 15_000.0
"""Base pairs over which what is expected of a variant falls by e.

It and the floor were chosen in a study of BLUP on Geuvadis genes of chromosome 22, genes of our benchmark
among them: two numbers for all genes, but not independent of that benchmark."""
PRIOR_FLOOR = 0.02
"""What remains far away, so that distal variants and tiles are still heard."""


def variance_prior(distances: Float32Array | Int64Array) -> Float64Array:
    """Weigh variants or tiles by the variance expected of them: exp(−|d| / 15 kb) + .02.

    Parameters
    ----------
    distances
        float32 or int64 `(n,)`; base pairs to the TSS, of either sign.

    Returns
    -------
    float64 `(n,)`; relative weights, not summing to anything.
    """
    weights: Float64Array = np.exp(-np.abs(distances.astype(np.float64)) / PRIOR_REACH) + PRIOR_FLOOR
    return weights

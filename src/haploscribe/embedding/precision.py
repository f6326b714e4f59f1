"""Half precision is judged by the deltas it returns: one SNP moves an embedding by a thousandth."""

import numpy as np

from haploscribe.errors import InputError
from haploscribe.utils.types import Float32Array, Float64Array

LEAST_COSINE = 0.99
"""Of 99 deltas in 100, between half precision and float32."""


def delta_cosines(deltas: Float32Array, exact: Float32Array) -> Float64Array:
    """Compare deltas with those in float32.

    Parameters
    ----------
    deltas, exact
        float32 `(n, n_bins, dimension)`; of the same haplotypes, none of them the reference.

    Returns
    -------
    float64 `(n,)`; cosines of the angles between them, 0 where one of two is zero.
    """
    a, b = (values.reshape(len(values), -1).astype(np.float64) for values in (deltas, exact))
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    products = np.einsum("ij,ij->i", a, b)
    return np.asarray(np.divide(products, lengths, out=np.zeros(len(a)), where=lengths > 0))


def require_surviving(cosines: Float64Array, backbone: str) -> None:
    """Refuse a precision that deltas do not survive.

    Parameters
    ----------
    cosines
        float64 `(n,)`; of `delta_cosines`. None may be none.
    backbone
        Its name, for the message.

    Raises
    ------
    InputError
        When the 1st percentile is below `LEAST_COSINE`.
    """
    if cosines.size and (least := float(np.quantile(cosines, 0.01))) < LEAST_COSINE:
        raise InputError(
            f"--precision mixed: deltas of backbone {backbone} do not survive it (cosine to float32 "
            f"{least:.3f} in {cosines.size} haplotypes of these people, {LEAST_COSINE} wanted); "
            "use --precision float32"
        )

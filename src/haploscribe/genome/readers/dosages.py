"""Express the dosages of calls as expected copies on each haplotype."""

import numpy as np

from haploscribe.utils.types import BoolArray, Float32Array, Float64Array


def split_dosages(called: Float32Array, haploid: BoolArray, dosages: Float64Array) -> Float32Array:
    """Split dosages over the haplotypes, as PLINK 2 does: a heterozygote's carrier takes the first copy.

    Parameters
    ----------
    called
        float32 `(n_columns, n_samples, 2)`; from `haploscribe.genome.readers.calls.called_copies`.
    haploid
        bool `(n_columns, n_samples)`; calls of one allele, whose first haplotype takes all.
    dosages
        float64 `(n_columns, n_samples)`; copies in all, 0 to 2; NaN where there is none.

    Returns
    -------
    float32 `(n_columns, n_samples, 2)`
        Two numbers whose sum is the dosage; those of the call where there is none.
    """
    second_carries = called[..., 1] > called[..., 0]
    one_carries = haploid | second_carries | (called[..., 0] > called[..., 1])
    total = dosages.astype(np.float32)
    most = np.where(one_carries, np.minimum(total, 1.0), total / 2.0)
    least = total - most
    split = np.stack(
        [np.where(second_carries, least, most), np.where(second_carries, most, least)],
        axis=2,
        dtype=np.float32,
    )
    return np.where(np.isnan(total)[..., None], called, split)


def scale_to(haplotypes: Float64Array, dosages: Float64Array) -> Float32Array:
    """Scale dosages of haplotypes, rounded one by one in the file, so that they add up to the call's dosage.

    Parameters
    ----------
    haplotypes
        float64 `(…, 2)`; 0 to 1.
    dosages
        float64 `(…,)`; 0 to 2; NaN where only the haplotypes' are known.
    """
    total = haplotypes.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = np.where(np.isnan(dosages), 1.0, dosages / total)[..., None]
    halves = np.where(np.isnan(dosages), total, dosages)[..., None] / 2.0
    return np.where(total[..., None] > 0.0, haplotypes * factor, halves).astype(np.float32)

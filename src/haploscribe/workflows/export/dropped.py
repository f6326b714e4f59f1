"""Measure what is lost of a model where tools drop all variants but SNVs whose alleles tell the strand.

FUSION (https://github.com/gusevlab/fusion_twas, `allele.qc` of `FUSION.assoc_test.R`) and FOCUS
(https://github.com/mancusolab/focus, `data/alleles.py`) drop A/T and C/G variants, and all with an allele of
several bases.
"""

from collections.abc import Iterable

import numpy as np
import polars as pl

from haploscribe.genome.alleles import is_ambiguous
from haploscribe.utils.types import BoolArray, Float64Array
from haploscribe.workflows.export.weights import GeneVariants, GeneWeights

DROPPED_SCHEMA = pl.Schema(
    {
        "gene_id": pl.String,
        "model": pl.String,
        "n_weights": pl.Int64,
        "n_dropped": pl.Int64,
        "lost": pl.Float64,
    }
)
"""The columns, in order; one row per gene and model.

`n_dropped` of the `n_weights` other than 0 are of variants that are dropped. `lost` is 1 − r², r the
correlation over the training samples of what all weights predict with what the others do; 1 where none is
left.
"""


def is_dropped(variants: GeneVariants) -> BoolArray:
    """Return which variants are A/T, C/G or no SNV, bool `(n_variants,)`."""
    dropped = [
        len(ref) > 1 or len(alt) > 1 or is_ambiguous(ref.encode(), alt.encode())
        for ref, alt in zip(variants.refs, variants.alts, strict=True)
    ]
    return np.array(dropped, dtype=np.bool_)


def dropped_rows(genes: Iterable[GeneWeights]) -> pl.DataFrame:
    """Return the rows of some genes, of models that have a weight, with the columns of `DROPPED_SCHEMA`."""
    rows = []
    for gene in genes:
        dropped = is_dropped(gene.variants)
        for model in gene.models:
            n_weights = int(np.count_nonzero(model.weights))
            if n_weights:
                n_dropped = int(np.count_nonzero(model.weights[dropped]))
                lost = _lost(model.weights, np.where(dropped, 0.0, model.weights), gene.variants.covariance)
                rows.append((gene.gene.gene_id, model.model, n_weights, n_dropped, lost))
    return pl.DataFrame(rows, schema=DROPPED_SCHEMA, orient="row")


def _lost(whole: Float64Array, kept: Float64Array, covariance: Float64Array) -> float:
    """Return 1 − r² of the predictions of two sets of weights, from the covariance of the dosages."""
    if not kept.any():
        return 1.0
    pairs = ((whole, kept), (whole, whole), (kept, kept))
    both, one, other = (float(first @ covariance @ second) for first, second in pairs)
    if one <= 0.0 or other <= 0.0:
        return 1.0
    return max(1.0 - both**2 / (one * other), 0.0)

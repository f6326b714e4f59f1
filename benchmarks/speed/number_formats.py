"""Embed real haplotypes in several number formats, and compare their deltas."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.common.cohort import benchmark_cohort, haplotypes_of
from benchmarks.speed.encoders import encode
from haploscribe.cohort.cohort import open_cohort
from haploscribe.embedding.backbones.devices import each_by_one_thread
from haploscribe.embedding.backbones.token_backbone import TOKENS_PER_BATCH, TOKENS_PER_BATCH_ON_A_GPU
from haploscribe.embedding.engine import MIN_COSINE, delta_cosines
from haploscribe.utils.types import Float64Array, Int64Array

EVERY = 10
"""Tiles are taken from the windows of every so many genes."""

DELTA_COLUMNS = ("median cosine", "1st percentile", "share ≥ .99", "median error / delta", "survives")
DELTAS = (
    "Deltas of unique haplotypes of real samples on chr22, in each scheme against float32: cosine, and the "
    "length of their difference over the length of the float32 delta. Mixed: weights, residual stream, layer "
    "norms and pooling in float32, matrix products and attention in half precision (`torch.autocast`). A "
    f"scheme survives when 99 deltas of 100 have a cosine of at least {MIN_COSINE}."
)
"""What the columns mean."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """Number format of a forward pass.

    Attributes
    ----------
    name
        For the table.
    weights
        Of weights and the residual stream.
    products
        Of matrix products and attention; None for `weights`.
    tf32
        Let a GPU round the factors of float32 products to TF32.
    """

    name: str
    weights: torch.dtype
    products: torch.dtype | None = None
    tf32: bool = False


FLOAT32 = Scheme("float32", torch.float32)
TF32 = Scheme("TF32", torch.float32, tf32=True)
FLOAT16_MIXED = Scheme("float16, mixed", torch.float32, torch.float16)
BFLOAT16_MIXED = Scheme("bfloat16, mixed", torch.float32, torch.bfloat16)


def embed(esm: Any, scheme: Scheme, ids: Int64Array) -> Float64Array:
    """Embed sequences of one length, batched as `TokenBackbone` does: float64 `(n, hidden_size)`.

    Hidden states are averaged over tokens, the class token left out, in float32, or in float64 where they
    are. The encoder stays in the scheme's precision.
    """
    device = next(esm.parameters()).device
    torch.backends.cuda.matmul.allow_tf32 = scheme.tf32
    esm.to(scheme.weights)
    budget = TOKENS_PER_BATCH.get(device.type, TOKENS_PER_BATCH_ON_A_GPU)
    batches = torch.split(torch.from_numpy(ids), max(1, budget // ids.shape[1]))

    def pooled(batch: Tensor) -> Tensor:
        # Entered in each thread: both modes are a thread's own.
        mixed = torch.autocast(device.type, dtype=scheme.products, enabled=scheme.products is not None)
        with torch.inference_mode(), mixed:
            hidden = encode(esm, batch.to(device))[:, 1:]
            return hidden.to(torch.promote_types(hidden.dtype, torch.float32)).mean(dim=1)

    parts = each_by_one_thread(pooled, batches) if device.type == "cpu" else [pooled(one) for one in batches]
    embeddings: Float64Array = torch.cat(parts).double().cpu().numpy()
    return embeddings


def deltas_of(embeddings: Float64Array, n_sequences: Sequence[int]) -> Float64Array:
    """Subtract each tile's reference, its first row: float64 `(n_haplotypes, hidden_size)`."""
    tiles = np.split(embeddings, np.cumsum(n_sequences)[:-1])
    return np.concatenate([tile[1:] - tile[0] for tile in tiles])


def delta_cells(deltas: Float64Array, expected: Float64Array) -> str:
    """Compare a scheme's deltas with those of float32, float64 `(n_haplotypes, hidden_size)` both."""
    with np.errstate(invalid="ignore"):  # a scheme may overflow, or lose a delta: no cosine, which fails
        cosines = np.nan_to_num(delta_cosines(deltas.astype(np.float32), expected.astype(np.float32)))
        errors = np.linalg.norm(deltas - expected, axis=1) / np.linalg.norm(expected, axis=1)
    low = float(np.quantile(cosines, 0.01))
    return (
        f"{np.median(cosines):.5f} | {low:.5f} | {np.mean(cosines >= MIN_COSINE):.3f} | "
        f"{np.median(errors):.1e} | {'yes' if low >= MIN_COSINE else 'no'}"
    )


def sample_haplotypes(source: Path, tile: int, n_tiles: int, n_haplotypes: int) -> list[tuple[bytes, ...]]:
    """Return the reference and some haplotypes of tiles across the cohort, all of one length.

    Parameters
    ----------
    source
        Folder of the cohort.
    tile
        Size of tiles in base pairs.
    n_tiles, n_haplotypes
        Number of tiles, and of haplotypes of each beside its reference, at most.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = benchmark_cohort(source, Path(folder), every=EVERY, tile=tile)
        with open_cohort(options, Path(folder)) as cohort:
            haplotypes = haplotypes_of(cohort, cohort.cis_windows())
    whole = [
        each.sequences
        for each in haplotypes
        if len(each.sequences) > 1 and all(len(s) == tile and b"N" not in s for s in each.sequences)
    ]
    spread = [whole[index] for index in np.linspace(0, len(whole) - 1, n_tiles).astype(int)]
    return [sequences[: 1 + n_haplotypes] for sequences in spread]

"""Compare deltas in half precision with those in float32, on real haplotypes.

Embeds unique haplotypes of tiles across the cohort in float32 and in each scheme. `random-500m` has the shape
of `nt-v2-500m` and random weights: it shows what depth does to rounding errors, not what training does. One
section per backbone and device; the others stay.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common.cohort import benchmark_cohort, haplotypes_of
from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import stamp, write_section
from benchmarks.speed.encoders import RANDOM_500M, encode, encoder_module
from haploscribe.cohort.cohort import open_cohort
from haploscribe.config.options import DEFAULT_TILE
from haploscribe.embedding.backbones.devices import resolve_device
from haploscribe.embedding.backbones.tokeniser import SixMerTokeniser
from haploscribe.genome.haplotypes import TileHaplotypes
from haploscribe.utils.types import Float64Array, Int64Array

HEAD = (
    "# What half precision leaves of deltas\n\nUnique haplotypes of real samples on chr22, their delta in "
    "each scheme against the delta in float32: cosine, and the length of their difference over the length of "
    "the float32 delta. Hidden states are averaged in float32, or in float64 where they are. Mixed: weights, "
    "residual stream, layer norms and pooling in float32, matrix products and attention in half precision "
    "(`torch.autocast`). A scheme survives when 99 deltas of 100 have a cosine of at least .99."
)
SURVIVES = 0.99
EVERY = 10
"""Tiles are taken from the windows of every so many genes."""


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
SCHEMES = (
    Scheme("float16, mixed", torch.float32, torch.float16),
    Scheme("bfloat16, mixed", torch.float32, torch.bfloat16),
    Scheme("float16 throughout", torch.float16),
    Scheme("bfloat16 throughout", torch.bfloat16),
    Scheme("float64 (what float32 itself loses)", torch.float64),
)
ON_A_GPU = (Scheme("TF32", torch.float32, tf32=True),)


def embed(esm: Any, scheme: Scheme, ids: Int64Array) -> Float64Array:
    """Embed sequences one by one: float64 `(n, hidden_size)`; `esm` is left in the scheme's precision."""
    device = next(esm.parameters()).device
    torch.backends.cuda.matmul.allow_tf32 = scheme.tf32
    esm.to(scheme.weights)
    rows = []
    with (
        torch.inference_mode(),
        torch.autocast(device.type, dtype=scheme.products, enabled=scheme.products is not None),
    ):
        for row in torch.from_numpy(ids).to(device):
            hidden = encode(esm, row[None])[0, 1:]
            pooled = hidden.to(torch.promote_types(hidden.dtype, torch.float32)).mean(dim=0)
            rows.append(pooled.double().cpu().numpy())
    return np.stack(rows)


def deltas_of(embeddings: Float64Array, n_sequences: Sequence[int]) -> Float64Array:
    """Subtract each tile's reference, its first row: float64 `(n_haplotypes, hidden_size)`."""
    tiles = np.split(embeddings, np.cumsum(n_sequences)[:-1])
    return np.concatenate([tile[1:] - tile[0] for tile in tiles])


def scheme_row(scheme: Scheme, deltas: Float64Array, expected: Float64Array) -> str:
    """Compare a scheme's deltas with those of float32, float64 `(n_haplotypes, hidden_size)` both."""
    sizes = np.linalg.norm(expected, axis=1)
    with np.errstate(invalid="ignore"):  # a scheme may overflow, or lose a delta: no cosine, which fails
        cosines = np.nan_to_num((deltas * expected).sum(axis=1) / (np.linalg.norm(deltas, axis=1) * sizes))
        errors = np.linalg.norm(deltas - expected, axis=1) / sizes
    low = float(np.quantile(cosines, 0.01))
    return (
        f"| {scheme.name} | {np.median(cosines):.5f} | {low:.5f} | {np.mean(cosines >= SURVIVES):.3f} | "
        f"{np.median(errors):.1e} | {'yes' if low >= SURVIVES else 'no'} |"
    )


def chosen(haplotypes: Sequence[TileHaplotypes], n_tiles: int, n_sequences: int) -> list[tuple[bytes, ...]]:
    """Return the reference and some haplotypes of tiles across the cohort, all of one length."""
    size = haplotypes[0].tile.end - haplotypes[0].tile.start
    whole = [
        tile.sequences
        for tile in haplotypes
        if len(tile.sequences) > 1 and all(len(s) == size and b"N" not in s for s in tile.sequences)
    ]
    spread = [whole[index] for index in np.linspace(0, len(whole) - 1, n_tiles).astype(int)]
    return [sequences[: 1 + n_sequences] for sequences in spread]


def section(
    arguments: argparse.Namespace, tiles: Sequence[tuple[bytes, ...]], esm: Any, tokenise: SixMerTokeniser
) -> list[str]:
    """Compare all schemes on one model."""
    ids = np.stack([np.concatenate(([tokenise.class_id], tokenise(s))) for tile in tiles for s in tile])
    n_sequences = [len(tile) for tile in tiles]
    expected = deltas_of(embed(esm, FLOAT32, ids), n_sequences)
    embedding_size = float(np.sqrt(np.mean(embed(esm, FLOAT32, ids[:1]) ** 2)))
    original = {name: tensor.clone() for name, tensor in esm.state_dict().items()}
    rows = []
    for scheme in (*SCHEMES, *(ON_A_GPU if arguments.device.startswith("cuda") else ())):
        esm.float().load_state_dict(original)
        rows.append(scheme_row(scheme, deltas_of(embed(esm, scheme, ids), n_sequences), expected))
        print(rows[-1], file=sys.stderr)  # a large model takes minutes a row
    command = (
        f"half_precision --source FOLDER --backbone {arguments.backbone} --device {arguments.device} "
        f"--tiles {arguments.tiles} --haplotypes {arguments.haplotypes} --tile {arguments.tile}"
    )
    return [
        f"{stamp(command)}, torch {torch.__version__}. {len(expected)} "
        f"haplotypes of {len(tiles)} tiles, {ids.shape[1]:,} tokens each; root mean square of a delta "
        f"{np.sqrt(np.mean(expected**2)):.1e}, of an embedding {embedding_size:.2f}.",
        "",
        "| scheme | median cosine | 1st percentile | share ≥ .99 | median error / delta | survives |",
        "|---|---|---|---|---|---|",
        *rows,
    ]


def main(argv: Sequence[str]) -> None:
    """Run the benchmark and write its section."""
    parser = benchmark_parser("half_precision", __doc__)
    parser.add_argument("--backbone", default="nano", help=f"a name, a folder, or {RANDOM_500M}")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--tiles", type=int, default=20)
    parser.add_argument("--haplotypes", type=int, default=3, help="at most so many of each tile")
    parser.add_argument("--tile", type=int, default=DEFAULT_TILE, help="in base pairs")
    arguments = parser.parse_args(argv)
    # As in a run: what precision a library chooses by itself must not enter.
    torch.set_float32_matmul_precision("highest")
    with tempfile.TemporaryDirectory() as folder:
        options = benchmark_cohort(arguments.source, Path(folder), every=EVERY, tile=arguments.tile)
        with open_cohort(options, Path(folder)) as cohort:
            haplotypes = haplotypes_of(cohort, cohort.cis_windows())
    esm, tokenise = encoder_module(arguments.backbone)
    esm.to(resolve_device(arguments.device))
    tiles = chosen(haplotypes, arguments.tiles, arguments.haplotypes)
    lines = section(arguments, tiles, esm, tokenise)
    write_section(arguments.table, HEAD, f"`{arguments.backbone}` on {arguments.device}", lines)

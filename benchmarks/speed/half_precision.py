"""Compare deltas in half precision with those in float32, on real haplotypes.

Embeds unique haplotypes of tiles across the cohort with a backbone, in float32 and in each scheme. One
section per backbone and device; the others stay.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import stamp, write_section
from benchmarks.speed.encoders import encoder_module, token_numbers
from benchmarks.speed.number_formats import (
    BFLOAT16_MIXED,
    DELTA_COLUMNS,
    DELTAS,
    FLOAT16_MIXED,
    FLOAT32,
    TF32,
    Scheme,
    delta_cells,
    deltas_of,
    embed,
    sample_haplotypes,
)
from haploscribe.config.options import DEFAULT_TILE
from haploscribe.embedding.backbones.devices import resolve_device
from haploscribe.utils.types import Int64Array

HEAD = f"# What half precision leaves of deltas\n\n{DELTAS}"
SCHEMES = (
    FLOAT16_MIXED,
    BFLOAT16_MIXED,
    Scheme("float16 throughout", torch.float16),
    Scheme("bfloat16 throughout", torch.bfloat16),
    Scheme("float64 (what float32 itself loses)", torch.float64),
)
ON_A_GPU = (TF32,)


def section(
    arguments: argparse.Namespace, ids: Int64Array, n_sequences: Sequence[int], esm: Any
) -> list[str]:
    """Compare all schemes on one model."""
    embeddings = embed(esm, FLOAT32, ids)
    expected = deltas_of(embeddings, n_sequences)
    delta_size, embedding_size = (np.sqrt(np.mean(values**2)) for values in (expected, embeddings))
    original = {name: tensor.clone() for name, tensor in esm.state_dict().items()}
    rows = []
    for scheme in (*SCHEMES, *(ON_A_GPU if arguments.device.startswith("cuda") else ())):
        esm.float().load_state_dict(original)
        deltas = deltas_of(embed(esm, scheme, ids), n_sequences)
        rows.append(f"| {scheme.name} | {delta_cells(deltas, expected)} |")
        print(rows[-1], file=sys.stderr)  # a large model takes minutes a row
    command = (
        f"half_precision --source FOLDER --backbone {arguments.backbone} --device {arguments.device} "
        f"--tiles {arguments.tiles} --haplotypes {arguments.haplotypes} --tile {arguments.tile}"
    )
    return [
        f"{stamp(command)}, torch {torch.__version__}. {len(expected)} haplotypes of {len(n_sequences)} "
        f"tiles, {ids.shape[1]:,} tokens each; root mean square of a delta {delta_size:.1e}, of an embedding "
        f"{embedding_size:.2f}.",
        "",
        f"| scheme | {' | '.join(DELTA_COLUMNS)} |",
        "|---" * (1 + len(DELTA_COLUMNS)) + "|",
        *rows,
    ]


def main(argv: Sequence[str]) -> None:
    """Run the benchmark and write its section."""
    parser = benchmark_parser("half_precision", __doc__)
    parser.add_argument("--backbone", default="nano", help="a name or a folder")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--tiles", type=int, default=20)
    parser.add_argument("--haplotypes", type=int, default=3, help="at most so many of each tile")
    parser.add_argument("--tile", type=int, default=DEFAULT_TILE, help="in base pairs")
    arguments = parser.parse_args(argv)
    # As in a run: what precision a library chooses by itself must not enter.
    torch.set_float32_matmul_precision("highest")
    tiles = sample_haplotypes(arguments.source, arguments.tile, arguments.tiles, arguments.haplotypes)
    esm, tokenise = encoder_module(arguments.backbone)
    esm.to(resolve_device(arguments.device))
    ids = token_numbers(tokenise, [sequence for tile in tiles for sequence in tile])
    lines = section(arguments, ids, [len(tile) for tile in tiles], esm)
    write_section(arguments.table, HEAD, f"`{arguments.backbone}` on {arguments.device}", lines)

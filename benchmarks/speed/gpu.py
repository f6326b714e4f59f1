"""Measure the 500 M-parameter architectures on a GPU: speed and deltas in each number format.

Embeds real haplotypes with the published architectures of both versions and random weights, which change no
speed; what training does to deltas they do not show. Then the embedding stage, from the VCF to the store, is
timed against its bare model: does the device wait? On a CPU one thread computes, and its processor seconds
count. Takes about 10 minutes. The page is written after each architecture, so that a run cut short keeps what
it has. One section per device; the others stay.
"""

import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common.cohort import NANO_TILE, benchmark_cohort, haplotypes_of, passes_of_genome
from benchmarks.common.measuring import Seconds, repeated
from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import stamp, write_section
from benchmarks.speed.embedding_stage import run_stage, typical_stretch
from benchmarks.speed.encoders import (
    encoder_module,
    operations_per_token,
    random_encoder,
    shape_of,
    token_numbers,
    write_random_checkpoint,
)
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
from haploscribe.cohort.cohort import open_cohort
from haploscribe.config.options import DEFAULT_TILE
from haploscribe.embedding.backbones.devices import resolve_device
from haploscribe.embedding.backbones.esm import EsmConfiguration
from haploscribe.embedding.backbones.registry import load_backbone
from haploscribe.embedding.backbones.tokeniser import SixMerTokeniser
from haploscribe.genome.tiles import TILES_PER_BLOCK
from haploscribe.parallel.threads import threads
from haploscribe.pretraining.batches import VOCABULARY
from haploscribe.utils.types import Float64Array, Int64Array

HEAD = (
    "# The large architectures, by device and number format\n\nRandom weights, tiles of "
    f"{DEFAULT_TILE:,} bp (1,000 tokens), batches as the program makes them. The peak is that of a large "
    "matrix product in the same format, device and run. Hours are for the unique haplotypes of the cohort's "
    "samples on the whole genome, scaled from its chromosome by length without N, on one such device. A CPU "
    "core's time is its processor seconds. "
    f"{DELTAS}\n\nThe embedding stage reads variants, spells haplotypes, embeds and stores them: one block "
    f"of {TILES_PER_BLOCK} tiles, against the bare model on the same sequences, ready as tokens."
)
ARCHITECTURES = ("nt-500m-1000g", "nt-v2-500m")
COLUMNS = (
    *("architecture", "scheme", "tokens/s", "peak, TFLOP/s", "share of the peak", "hours", "GPU memory, GiB"),
    *DELTA_COLUMNS,
)
STAGE_COLUMNS = ("backbone", "precision", "tile", "tokens/s of the stage", "of the bare model", "share")
TILES = {"cpu": 2}
TILES_ON_A_GPU = 40
PRODUCT_SIZE = {"cpu": 2_048}
PRODUCT_SIZE_ON_A_GPU = 8_192
TINY_PRODUCT_SIZE = 256


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured, and where.

    Attributes
    ----------
    device
        Where the models run.
    seconds
        Each measure is repeated until so many seconds have passed.
    tiny
        Take narrow architectures of a few layers, and one tile in the stage.
    """

    device: torch.device
    seconds: float
    tiny: bool

    @property
    def on_a_gpu(self) -> bool:
        """Whether the device is a GPU."""
        return self.device.type == "cuda"

    @property
    def schemes(self) -> tuple[Scheme, ...]:
        """Number formats to measure, float32 first."""
        return (FLOAT32, *((TF32,) if self.on_a_gpu else ()), BFLOAT16_MIXED, FLOAT16_MIXED)

    def configuration(self, name: str) -> EsmConfiguration:
        """Return the dimensions of an architecture."""
        full = shape_of(name)
        narrow = replace(full, hidden_size=64, n_layers=2, n_heads=4, feed_forward_size=128)
        return narrow if self.tiny else full

    def where(self) -> str:
        """Name the device, as the title of its section."""
        name = torch.cuda.get_device_name(self.device) if self.on_a_gpu else "One CPU core"
        return name + ", tiny" * self.tiny

    def median_seconds(self, times: Iterable[Seconds]) -> float:
        """Return the median time: wall-clock on a GPU, processor time on a CPU, which others use too."""
        return float(np.median([each.wall if self.on_a_gpu else each.processor for each in times]))


@dataclass(frozen=True, slots=True)
class Measured:
    """An architecture in one scheme.

    Attributes
    ----------
    scheme
        Number format.
    tokens_per_second
        Of forward passes on ready-made tokens.
    operations_per_second, peak
        Floating-point operations per second: of their matrix products, and of one large product.
    gibibytes
        Most memory that PyTorch held on the GPU; None on a CPU.
    deltas
        float64 `(n_haplotypes, hidden_size)`.
    """

    scheme: Scheme
    tokens_per_second: float
    operations_per_second: float
    peak: float
    gibibytes: float | None
    deltas: Float64Array


def peak_rate(plan: Plan, scheme: Scheme) -> float:
    """Return the floating-point operations per second of a large linear layer in a scheme."""
    full = PRODUCT_SIZE.get(plan.device.type, PRODUCT_SIZE_ON_A_GPU)
    size = TINY_PRODUCT_SIZE if plan.tiny else full
    torch.backends.cuda.matmul.allow_tf32 = scheme.tf32
    factor = torch.randn(size, size, device=plan.device).to(scheme.products or scheme.weights)

    def product() -> None:
        # As a layer of the model takes it: a plain product in float16 has no fast path on CPUs.
        torch.nn.functional.linear(factor, factor)
        if plan.on_a_gpu:
            torch.cuda.synchronize(plan.device)

    product()  # a first one loads kernels
    return 2 * size**3 / plan.median_seconds(repeated(product, plan.seconds)[1])


def embedding_rate(plan: Plan, esm: Any, scheme: Scheme, ids: Int64Array) -> tuple[Float64Array, float]:
    """Embed sequences, int64 `(n, length)`, again and again: vectors as `embed` does, tokens per second."""
    embed(esm, scheme, ids[:1])  # a first pass loads kernels
    found, times = repeated(lambda: embed(esm, scheme, ids), plan.seconds)
    return found[0], ids.size / plan.median_seconds(times)


def measure_architecture(
    plan: Plan, configuration: EsmConfiguration, ids: Int64Array, n_sequences: Sequence[int]
) -> Iterator[Measured]:
    """Measure one architecture with random weights in each scheme.

    Parameters
    ----------
    plan
        What is measured, and where.
    configuration
        Dimensions of the architecture.
    ids
        int64 `(n, length)`; tokens of the haplotypes of tiles, each tile's reference first.
    n_sequences
        Number of sequences of each tile.
    """
    esm = random_encoder(configuration).to(plan.device)
    operations = operations_per_token(configuration, ids.shape[1])
    for scheme in plan.schemes:
        if plan.on_a_gpu:
            torch.cuda.reset_peak_memory_stats(plan.device)
        embeddings, rate = embedding_rate(plan, esm, scheme, ids)
        held = torch.cuda.max_memory_allocated(plan.device) / 2**30 if plan.on_a_gpu else None
        deltas = deltas_of(embeddings, n_sequences)
        yield Measured(scheme, rate, operations * rate, peak_rate(plan, scheme), held, deltas)


def architecture_rows(name: str, measured: Iterable[Measured], passes: float, length: int) -> Iterator[str]:
    """Format what was measured of an architecture; float32 comes first, and its deltas are compared with."""
    expected: Float64Array | None = None
    for each in measured:
        if expected is None:
            expected, compared = each.deltas, " | ".join("-" for _ in DELTA_COLUMNS)
        else:
            compared = delta_cells(each.deltas, expected)
        yield (
            f"| `{name}` | {each.scheme.name} | {each.tokens_per_second:,.0f} | {each.peak / 1e12:.2f} "
            f"| {100 * each.operations_per_second / each.peak:.0f} % "
            f"| {passes * length / each.tokens_per_second / 3600:,.0f} "
            f"| {'-' if each.gibibytes is None else f'{each.gibibytes:.1f}'} | {compared} |"
        )


def stage_rows(plan: Plan, source: Path, name: str, checkpoint: str, tile: int) -> Iterator[str]:
    """Time the embedding stage on one block of tiles against its bare model.

    Parameters
    ----------
    plan
        What is measured, and where.
    source
        Folder of the cohort.
    name
        Of the backbone, for the table.
    checkpoint
        Its name or folder, for `load_backbone`.
    tile
        Size of tiles in base pairs.
    """
    esm, tokenise = encoder_module(checkpoint)
    esm.to(plan.device)
    with tempfile.TemporaryDirectory() as folder:
        options = benchmark_cohort(source, Path(folder), tile=tile)
        with open_cohort(options, Path(folder)) as cohort:
            haplotypes = haplotypes_of(cohort, cohort.cis_windows())
            stretch = typical_stretch(haplotypes, 1 if plan.tiny else TILES_PER_BLOCK)
            ids = token_numbers(tokenise, [sequence for each in stretch for sequence in each.sequences])
            precisions = {"float32": FLOAT32, **({"mixed": FLOAT16_MIXED} if plan.on_a_gpu else {})}
            for precision, scheme in precisions.items():
                bare = embedding_rate(plan, esm, scheme, ids)[1]
                backbone = load_backbone(checkpoint, device=str(plan.device), precision=precision)
                backbone.embed(stretch[0].haplotypes[:1])  # a first pass loads kernels
                stages, _ = repeated(lambda: run_stage(cohort, stretch, backbone), plan.seconds)  # noqa: B023
                tokens = stages[0].passes * ids.shape[1]
                rate = tokens / plan.median_seconds(stage.taken for stage in stages)
                yield (
                    f"| `{name}` | {precision} | {tile:,} bp | {rate:,.0f} | {bare:,.0f} "
                    f"| {100 * rate / bare:.0f} % |"
                )


def all_stage_rows(plan: Plan, source: Path) -> Iterator[str]:
    """Time the stage with `nano`, and where that does not take hours with the second architecture."""
    yield from stage_rows(plan, source, "nano", "nano", NANO_TILE)
    if plan.on_a_gpu or plan.tiny:
        name = ARCHITECTURES[1]
        with tempfile.TemporaryDirectory() as folder:
            write_random_checkpoint(plan.configuration(name), Path(folder))
            yield from stage_rows(plan, source, name, folder, DEFAULT_TILE)


def table_lines(columns: Sequence[str], rows: Sequence[str]) -> list[str]:
    """Format a table; nothing without rows."""
    return ["", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", *rows] if rows else []


def shown(rows: Iterable[str]) -> Iterator[str]:
    """Print each row to standard error when it is made."""
    for row in rows:
        print(row, file=sys.stderr, flush=True)
        yield row


def main(argv: Sequence[str]) -> None:
    """Run the benchmark and write its section."""
    parser = benchmark_parser("gpu", __doc__)
    parser.add_argument("--device", default="auto", help="default: a GPU where there is one, else the CPU")
    parser.add_argument(
        "--tiles", type=int, help=f"(default {TILES_ON_A_GPU} on a GPU, {TILES['cpu']} on a CPU)"
    )
    parser.add_argument("--haplotypes", type=int, default=3, help="at most so many of each tile")
    parser.add_argument(
        "--seconds", type=float, default=3, help="repeat each measure for so long (default 3)"
    )
    parser.add_argument(
        "--tiny", action="store_true", help="narrow architectures of a few layers, for trials"
    )
    arguments = parser.parse_args(argv)
    # As in a run: what precision a library chooses by itself must not enter.
    torch.set_float32_matmul_precision("highest")
    plan = Plan(resolve_device(arguments.device), arguments.seconds, arguments.tiny)
    n_tiles = arguments.tiles or TILES.get(plan.device.type, TILES_ON_A_GPU)

    passes = passes_of_genome(arguments.source)
    tiles = sample_haplotypes(arguments.source, DEFAULT_TILE, n_tiles, arguments.haplotypes)
    ids = token_numbers(SixMerTokeniser(VOCABULARY), [sequence for tile in tiles for sequence in tile])
    command = (
        f"gpu --source FOLDER --device {plan.device} --tiles {n_tiles} --haplotypes {arguments.haplotypes} "
        f"--seconds {plan.seconds:g}{' --tiny' * plan.tiny}"
    )
    about = (
        f"{stamp(command)}, torch {torch.__version__}. {len(ids) - len(tiles)} haplotypes of {len(tiles)} "
        f"tiles; {passes / 1e6:.1f} million forward passes for the genome."
    )
    rows: list[str] = []
    stages: list[str] = []

    def write() -> None:
        lines = [about, *table_lines(COLUMNS, rows), *table_lines(STAGE_COLUMNS, stages)]
        write_section(arguments.table, HEAD, plan.where(), lines)

    lengths = [len(tile) for tile in tiles]
    with nullcontext() if plan.on_a_gpu else threads(1):
        for name in ARCHITECTURES:
            measured = measure_architecture(plan, plan.configuration(name), ids, lengths)
            rows += shown(architecture_rows(name, measured, passes, ids.shape[1]))
            write()
        stages += shown(all_stage_rows(plan, arguments.source))
    write()

"""Measure the speed of the published 500 M-parameter architectures, and estimate the time of a whole genome.

The cohort's unique haplotypes on its chromosome are counted and scaled to the genome. Weights are random,
which changes no speed. One section per device; on a CPU a handful of sequences takes minutes.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.common.cohort import benchmark_cohort, haplotypes_of
from benchmarks.common.measuring import seconds_of
from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import stamp, write_section
from benchmarks.speed.encoders import encode, operations_per_token, random_encoder, shape_of
from haploscribe.cohort.cohort import open_cohort
from haploscribe.config.options import DEFAULT_TILE
from haploscribe.embedding.backbones.devices import resolve_device
from haploscribe.embedding.backbones.token_backbone import TOKENS_PER_BATCH, TOKENS_PER_BATCH_ON_A_GPU
from haploscribe.genome.tiles import Interval

HEAD = (
    "# Speed of the published 500 M-parameter architectures\n\nRandom weights, tiles of 5,994 bp (1,000 "
    "tokens), full batches. The peak is that of a large matrix product in the same precision, device and "
    "run. Hours are for the unique haplotypes of the cohort's samples on the whole genome, scaled from its "
    "chromosome by length without N, on one such device. Which precision may be used: `half_precision.md`."
)
MODELS = ("nt-500m-1000g", "nt-v2-500m")
WINDOW = 1_000
GENOME_BASES = 2_937_639_396  # A, C, G and T of GRCh38's 24 assembled chromosomes
PRODUCT_SIZE = {"cpu": 2_048}
PRODUCT_SIZE_ON_A_GPU = 8_192


def device_seconds(device: torch.device, work: Callable[[], object], repeats: int) -> float:
    """Return the wall-clock seconds of some work on a device, the best of some repeats after a warm-up."""

    def finished() -> None:
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    finished()
    return seconds_of(finished, repeats)


def passes_of_genome(source: Path, tile: int = DEFAULT_TILE) -> float:
    """Count the unique haplotypes of the cohort's chromosome, by tile size, and scale them to the genome."""
    with tempfile.TemporaryDirectory() as folder:
        options = benchmark_cohort(source, Path(folder), tile=tile)
        with open_cohort(options, Path(folder)) as cohort:
            contig = cohort.genes[0].contig
            length = cohort.genotypes.reference.contigs[contig]
            whole = [Interval(contig, 0, length)]
            counts = [len(tile.sequences) for tile in haplotypes_of(cohort, whole)]
            sequence = cohort.genotypes.reference.fetch(contig, 0, length)
    passes = sum(count for count in counts if count > 1)
    return passes * GENOME_BASES / (length - sequence.count(b"N"))


def model_rows(name: str, device: torch.device, n_batches: int, passes: float) -> list[str]:
    """Measure one architecture in each precision."""
    esm: Any = random_encoder(name).to(device)
    n = max(1, TOKENS_PER_BATCH.get(device.type, TOKENS_PER_BATCH_ON_A_GPU) // WINDOW)
    ids = torch.randint(6, 4_096, (n, WINDOW), device=device)
    size = PRODUCT_SIZE.get(device.type, PRODUCT_SIZE_ON_A_GPU)
    left = torch.randn(size, size, device=device)
    operations = operations_per_token(shape_of(name), WINDOW)
    rows = []
    precisions = [("float32", False), ("bfloat16, mixed", False)]
    for precision, tf32 in [*precisions, *([("TF32", True)] if device.type == "cuda" else [])]:
        torch.backends.cuda.matmul.allow_tf32 = tf32
        half = precision.startswith("bfloat16")
        factor = left.bfloat16() if half else left
        with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=half):
            peak = 2 * size**3 / device_seconds(device, lambda factor=factor: factor @ factor, 5)  # type: ignore[misc]
            rate = ids.numel() / device_seconds(device, lambda: encode(esm, ids), n_batches)
        rows.append(
            f"| {name} | {precision} | {rate:,.0f} | {peak / 1e12:.2f} "
            f"| {100 * operations * rate / peak:.0f} % | {passes * WINDOW / rate / 3600:,.0f} |"
        )
    return rows


def main(argv: Sequence[str]) -> None:
    """Run the benchmark and write its section."""
    parser = benchmark_parser("large_models", __doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batches", type=int, default=2, help="batches of which the fastest counts")
    arguments = parser.parse_args(argv)
    device = resolve_device(arguments.device)
    passes = passes_of_genome(arguments.source)
    rows = [row for name in MODELS for row in model_rows(name, device, arguments.batches, passes)]
    where = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"{torch.get_num_threads()} CPU cores"
    )
    command = f"large_models --source FOLDER --device {arguments.device} --batches {arguments.batches}"
    lines = [
        f"{stamp(command)}, torch {torch.__version__}. {passes / 1e6:.1f} "
        "million forward passes for the genome.",
        "",
        "| architecture | precision | tokens/s | peak, TFLOP/s | share of the peak | hours |",
        "|---|---|---|---|---|---|",
        *rows,
    ]
    write_section(arguments.table, HEAD, where, lines)

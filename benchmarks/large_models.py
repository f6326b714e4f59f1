"""Speed of the published 500 M-parameter architectures, and what a whole genome would take.

    python -m benchmarks.large_models --source FOLDER [--device cuda]

FOLDER is the benchmark cohort's, as for `benchmarks.geuvadis_chr22`: its chromosome is counted, people and
unique haplotypes, and scaled to the genome. Weights are random: they change no speed. Writes
`benchmarks/results/large_models.md`, one section a device; on a CPU a handful of sequences takes minutes.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from benchmarks.cohort import benchmark_cohort, haplotypes_of
from benchmarks.embedding import operations_per_token
from benchmarks.model_shapes import encode, random_encoder, shape_of
from benchmarks.tables import write_sections
from haploscribe.cohort.cohort import open_cohort
from haploscribe.embedding.backbones.devices import resolve_device
from haploscribe.embedding.backbones.nucleotide_transformer import TOKENS_PER_BATCH, TOKENS_PER_BATCH_ON_A_GPU
from haploscribe.genome.tiles import overlapping_tiles

TABLE = Path(__file__).parent / "results" / "large_models.md"
HEAD = (
    "# Speed of the published 500 M-parameter architectures\n\nRandom weights, tiles of 5,994 bp (1,000 "
    "tokens), full batches. The peak is that of a large matrix product in the same precision, device and "
    "run. Hours are for the unique haplotypes of the cohort's people on the whole genome, scaled from its "
    "chromosome by length without N, on one such device. Which precision may be used: `half_precision.md`."
)
MODELS = ("nt-500m-1000g", "nt-v2-500m")
WINDOW = 1_000
GENOME_BASES = 2_937_639_396  # A, C, G and T of GRCh38's 24 assembled chromosomes
PRODUCT_SIZE = {"cpu": 2_048}
PRODUCT_SIZE_ON_A_GPU = 8_192


def seconds_of(device: torch.device, work: Callable[[], object], repeats: int) -> float:
    """Wall-clock time of some work on a device, the best of some repeats after one that warms up."""
    times = []
    for _ in range(1 + repeats):
        started = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - started)
    return min(times[1:])


def passes_of_genome(source: Path) -> float:
    """Count the unique haplotypes of the cohort's chromosome and scale them to the genome."""
    with tempfile.TemporaryDirectory() as folder:
        options = benchmark_cohort(source, Path(folder))
        with open_cohort(options, Path(folder)) as cohort:
            contig = cohort.genes[0].contig
            length = cohort.genotypes.reference.contigs[contig]
            tiles = overlapping_tiles(contig, 0, length, options.tile, length)
            counts = [len(tile.sequences) for tile in haplotypes_of(cohort, tiles)]
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
            peak = 2 * size**3 / seconds_of(device, lambda factor=factor: factor @ factor, 5)  # type: ignore[misc]
            rate = ids.numel() / seconds_of(device, lambda: encode(esm, ids), n_batches)
        rows.append(
            f"| {name} | {precision} | {rate:,.0f} | {peak / 1e12:.2f} "
            f"| {100 * operations * rate / peak:.0f} % | {passes * WINDOW / rate / 3600:,.0f} |"
        )
    return rows


def main() -> None:
    """Run the benchmark and write its section."""
    parser = argparse.ArgumentParser(description="Speed of the published 500 M-parameter architectures.")
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batches", type=int, default=2, help="batches of which the fastest counts")
    parser.add_argument("--table", type=Path, default=TABLE)
    arguments = parser.parse_args()
    device = resolve_device(arguments.device)
    passes = passes_of_genome(arguments.source)
    rows = [row for name in MODELS for row in model_rows(name, device, arguments.batches, passes)]
    where = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"{torch.get_num_threads()} CPU cores"
    )
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d}, `python -m benchmarks.large_models --source FOLDER --device "
        f"{arguments.device} --batches {arguments.batches}`, torch {torch.__version__}. {passes / 1e6:.1f} "
        "million forward passes for the genome.",
        "",
        "| architecture | precision | tokens/s | peak, TFLOP/s | share of the peak | hours |",
        "|---|---|---|---|---|---|",
        *rows,
    ]
    write_sections(arguments.table, HEAD, where, lines)


if __name__ == "__main__":
    main()

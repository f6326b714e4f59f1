"""Measure how forward passes, bytes and time grow from 100 to 100,000 simulated samples.

Needs the extra `benchmarks` (msprime). Each stretch is one ancestry of 100,000 samples and cohorts are its
first 100, 358, … samples, so that they differ in size alone; stretches are independent, and the number after
± is the standard error over them. With `--source`, the simulation is compared with real samples. Processor
time of one thread. Draws `growth.svg` too.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import zarr
from zarr.core.buffer import Buffer
from zarr.storage import MemoryStore

from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import stamp, write_page
from benchmarks.scale import growth_tables
from benchmarks.scale.growth_tables import FLOORS, SIZES, TILE, Growth, PassCost, with_error
from benchmarks.scale.simulated_samples import Stretch, first_samples, simulate_stretch, tile_variants
from haploscribe.config.options import DEFAULT_WINDOW
from haploscribe.embedding.backbones.registry import load_backbone
from haploscribe.expression.table import read_expression
from haploscribe.genome.dosages import minor_allele_frequencies
from haploscribe.genome.haplotypes import TileHaplotype, read_for_tiles, tile_haplotypes
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.reference import Reference
from haploscribe.genome.tiles import Tile, cis_window, overlapping_tiles
from haploscribe.genome.variants import Variants
from haploscribe.utils.types import Float64Array, Int32Array

DIVERSITY = 1.4
"""Brings common variants per tile (MAF ≥ 5 % in 358 samples) to the 5.0 of the benchmark cohort."""
MEAN_RECOMBINATION, CHR22_RECOMBINATION = 1.25e-8, 2.1e-8
"""Per base pair and generation: of the genome, and of chromosome 22 (74 cM over the 35 Mb sequenced)."""
CHECK_STRETCHES, CHECK_TILES, CHECK_FLOOR = 30, 60, 0.05


def count_stretch(stretch: Stretch, sizes: Sequence[int], floors: Sequence[float]) -> Float64Array:
    """Return the cost of each tile of a stretch; the genotypes of one tile at a time are in memory.

    Returns
    -------
    float64 `(n_tiles, 4, n_sizes, n_floors)`: variants, forward passes, bytes of the index as stored,
    processor seconds of `tile_haplotypes`.
    """
    counts = np.zeros((len(stretch.tiles), 4, len(sizes), len(floors)))
    for number in range(len(stretch.tiles)):
        variants = tile_variants(stretch, number)
        for i, size in enumerate(sizes):
            cohort = first_samples(variants, size)
            frequencies = minor_allele_frequencies(cohort)
            for j, floor in enumerate(floors):
                counts[number, :, i, j] = _cost(cohort.take(frequencies >= floor), stretch, number)
    return counts


def _cost(variants: Variants, stretch: Stretch, number: int) -> tuple[float, float, float, float]:
    """Return the cost of one tile of one cohort."""
    started = time.process_time()
    (haplotypes,) = tile_haplotypes([stretch.references[number]], variants, [stretch.tiles[number]])
    seconds = time.process_time() - started
    unique = len(haplotypes.sequences)
    return len(variants.positions), unique if unique > 1 else 0, stored_bytes(haplotypes.index), seconds


def stored_bytes(index: Int32Array) -> int:
    """Return the bytes of an index, compressed as in the embedding store, without its metadata."""
    kept: dict[str, Buffer] = {}
    zarr.create_array(MemoryStore(kept), data=index, chunks=index.shape)
    return sum(len(buffer) for key, buffer in kept.items() if key.startswith("c/"))


def measure(n_stretches: int, n_tiles: int) -> Growth:
    """Simulate independent stretches of the largest cohort, and count all cohorts in each."""
    counts = []
    for seed in range(1, n_stretches + 1):
        stretch = simulate_stretch(
            SIZES[-1],
            n_tiles,
            TILE,
            seed,
            recombination_rate=MEAN_RECOMBINATION,
            diversity=DIVERSITY,
        )
        counts.append(count_stretch(stretch, SIZES, FLOORS).mean(axis=0))
        print(f"stretch {seed} of {n_stretches}", file=sys.stderr)
    return Growth(*np.stack(counts, axis=1))


def cost_of_a_pass(n_sequences: int = 64) -> PassCost:
    """Measure a forward pass of `nano` on random sequences, on one thread."""
    torch.set_num_threads(1)
    backbone = load_backbone("nano")
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)
    rows = np.random.default_rng(0).choice(letters, (n_sequences, TILE))
    haplotypes = [TileHaplotype(row.tobytes()) for row in rows]
    backbone.embed(haplotypes[:8])  # the first call sets up what later calls find ready
    started = time.process_time()
    vectors = backbone.embed(haplotypes)
    return PassCost((time.process_time() - started) / n_sequences, vectors[0].nbytes)


def real_tiles(source: Path) -> tuple[int, Float64Array]:
    """Count the whole tiles of all genes' windows in the benchmark cohort that carry variants.

    Returns
    -------
    n_samples
        Samples of the cohort.
    counts
        float64 `(n_tiles, 2)`; variants and forward passes.
    """
    counts = []
    with tempfile.TemporaryDirectory() as folder, open_variants(source / "genotypes.vcf.gz") as reader:
        reference = Reference.open(source / "reference.fa.gz", Path(folder))
        sample_ids = reader.sample_ids
        tiles: set[Tile] = set()
        for gene in read_expression(source / "expression.rpkm.bed.gz").genes:
            length = reference.contigs[gene.contig]
            window = cis_window(gene.contig, gene.tss, DEFAULT_WINDOW, length)
            tiles.update(overlapping_tiles(gene.contig, window.start, window.end, TILE, length))
        for tile in sorted(tiles):
            variants = read_for_tiles(reader, [tile], sample_ids)
            sequence = reference.fetch(tile.contig, tile.start, tile.end)
            (haplotypes,) = tile_haplotypes([sequence], variants, [tile])
            if len(haplotypes.sequences) > 1:
                counts.append((len(variants.positions), len(haplotypes.sequences)))
    return len(sample_ids), np.array(counts, dtype=np.float64)


def simulated_tiles(n_samples: int, recombination_rate: float) -> Float64Array:
    """Return the means over simulated tiles that carry variants: float64 `(n_stretches, 2)`."""
    means = []
    for seed in range(1, CHECK_STRETCHES + 1):
        stretch = simulate_stretch(
            n_samples,
            CHECK_TILES,
            TILE,
            1_000 + seed,  # not the seeds of the large cohort
            recombination_rate=recombination_rate,
            diversity=DIVERSITY,
        )
        counts = count_stretch(stretch, [n_samples], [CHECK_FLOOR])[:, :2, 0, 0]
        means.append(counts[counts[:, 1] > 0].mean(axis=0))
    return np.array(means)


def check_lines(source: Path) -> Iterator[str]:
    """Compare the simulation with the benchmark cohort, at its size and MAF floor."""
    n_samples, real = real_tiles(source)
    variants, passes = real.mean(axis=0)
    yield from (
        "## Common variants, simulated and real",
        "",
        f"{n_samples} samples, MAF ≥ 5 %, tiles that carry variants. Real: the windows of all genes of the "
        "benchmark cohort, chromosome 22. Simulated: the number of variants is set to agree (it is "
        f"{DIVERSITY:g} times that of the published model, which was fitted to exomes); the number of "
        "sequences is what is checked. Chromosome 22 recombines more than the genome's mean, which the "
        "other tables are for; real recombination is crowded into hotspots, which leaves fewer "
        "sequences than the same rate spread evenly.",
        "",
        "| samples | variants per tile | forward passes per tile | times fewer |",
        "|---|---|---|---|",
        f"| real | {variants:.1f} | {passes:.1f} | {2 * n_samples / passes:.1f} |",
    )
    for name, rate in (("chromosome 22", CHR22_RECOMBINATION), ("the genome's mean", MEAN_RECOMBINATION)):
        found = simulated_tiles(n_samples, rate)
        yield (
            f"| simulated, recombination of {name} ({rate:g}) | {with_error(found[:, 0], 1)} "
            f"| {with_error(found[:, 1], 1)} | {2 * n_samples / found[:, 1].mean():.1f} |"
        )
    yield ""


def heading_lines(arguments: argparse.Namespace, cost: PassCost) -> Iterator[str]:
    """Format title, command and settings."""
    source = " --source FOLDER" if arguments.source else ""
    command = f"growth --stretches {arguments.stretches} --tiles {arguments.tiles}{source}"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    yield from (
        "# Growth of cost with the number of samples",
        "",
        f"{stamp(command)}; {time.process_time():.0f} s of one thread, at most {peak:.1f} GB of memory.",
        "",
        "Simulated Europeans (msprime; demography of Tennessen et al. 2012, whose recent growth makes rare "
        "variants many), SNVs only; the reference genome is one more sample's haplotype. "
        f"{arguments.stretches} independent stretches of {arguments.tiles} tiles of {TILE:,} bp; "
        f"± is the standard error over stretches. `nano` takes {1000 * cost.seconds:.1f} ms a forward pass "
        "in this run; seconds are of the processor, on one thread.",
        "",
        f"![Passes, bytes and seconds per tile against samples]({arguments.table.stem}.svg)",
        "",
    )


def main(argv: Sequence[str]) -> None:
    """Run the benchmark and write its tables and its figure."""
    parser = benchmark_parser("growth", __doc__, source=False)
    parser.add_argument("--stretches", type=int, default=10, help="independent stretches (default 10)")
    parser.add_argument("--tiles", type=int, default=30, help="tiles of each stretch (default 30)")
    arguments = parser.parse_args(argv)
    if arguments.stretches < 2 or arguments.tiles < 1:
        parser.error("a standard error takes at least 2 stretches, of at least 1 tile")
    cost = cost_of_a_pass()
    growth = measure(arguments.stretches, arguments.tiles)
    lines = [
        *growth_tables.size_lines(growth, cost),
        *growth_tables.exponent_lines(growth),
        *growth_tables.genome_lines(growth, cost),
        *(check_lines(arguments.source) if arguments.source else ()),
        *growth_tables.rare_variant_lines(growth),
    ]
    arguments.table.parent.mkdir(parents=True, exist_ok=True)
    arguments.table.with_suffix(".svg").write_text(growth_tables.figure(growth, cost))
    write_page(arguments.table, [*heading_lines(arguments, cost), *lines])

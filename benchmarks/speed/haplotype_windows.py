"""Build the unique haplotypes of all samples over windows, as `haplotypes` times it.

Run alone (`python -m benchmarks.speed.haplotype_windows --source FOLDER`) it prints JSON: the seconds and the
peak memory of one process that does nothing else.
"""

import argparse
import json
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np

from benchmarks.common.measuring import Seconds, peak_mebibytes, timed
from haploscribe.genome.haplotypes import TileHaplotypes, read_for_tiles, tile_haplotypes
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.reference import Reference
from haploscribe.genome.tiles import Tile, overlapping_tiles
from haploscribe.genome.variants import VariantReader

GENOTYPES, FASTA = "genotypes.vcf.gz", "reference.fa.gz"
CONTIG, FIRST, LAST = "chr22", 20_000_000, 49_000_000
WINDOW, TILE = 196_608, 5_994
SIZES = (358, 3_580, 35_800, 100_000)
N_REPEATS = 3


@dataclass
class StepSeconds:
    """Seconds by step."""

    read: Seconds = field(default_factory=Seconds)
    build: Seconds = field(default_factory=Seconds)
    join: Seconds = field(default_factory=Seconds)


@dataclass(frozen=True)
class Cohort:
    """The opened files."""

    reader: VariantReader
    reference: Reference

    @classmethod
    def open(cls, source: Path, stack: ExitStack) -> Self:
        """Open a folder with `genotypes.vcf.gz` and `reference.fa.gz` until the stack closes."""
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        return cls(
            stack.enter_context(open_variants(source / GENOTYPES)),
            stack.enter_context(Reference.open(source / FASTA, scratch)),
        )

    def windows(self, n_windows: int) -> list[tuple[Tile, ...]]:
        """Return windows evenly spaced over the contig, each as the tiles that cover it."""
        length = self.reference.contigs[CONTIG]
        starts = (FIRST + (LAST - FIRST) * number // n_windows for number in range(n_windows))
        return [overlapping_tiles(CONTIG, start, start + WINDOW, TILE, length) for start in starts]

    def haplotypes(self, tiles: tuple[Tile, ...], took: StepSeconds) -> list[TileHaplotypes]:
        """Read the variants of one window and build its tiles' unique haplotypes."""
        with timed(took.read):
            variants = read_for_tiles(self.reader, tiles, self.reader.sample_ids)
        with timed(took.build):
            references = [self.reference.fetch(tile.contig, tile.start, tile.end) for tile in tiles]
            return tile_haplotypes(references, variants, tiles)


def joined(found: list[TileHaplotypes], took: StepSeconds) -> list[bytes]:
    """Return each sample's two full sequences, sample by sample, which tiles normally avoid."""
    with timed(took.join):
        carried = zip(*(tile.index.ravel().tolist() for tile in found), strict=True)
        return [
            b"".join(tile.sequences[row] for tile, row in zip(found, rows, strict=True)) for rows in carried
        ]


@dataclass(frozen=True)
class Growth:
    """Least processor seconds for one window with more samples."""

    n_samples: int
    n_variants: int
    build: float
    one_pass: float


def growth(cohort: Cohort, tiles: tuple[Tile, ...]) -> list[Growth]:
    """Time one window for growing numbers of samples, whose haplotypes are drawn from the real ones."""
    rng = np.random.default_rng(0)
    real = read_for_tiles(cohort.reader, tiles, cohort.reader.sample_ids)
    flat = real.genotypes.reshape(len(real.genotypes), -1)
    references = [cohort.reference.fetch(tile.contig, tile.start, tile.end) for tile in tiles]
    found = []
    for n_samples in SIZES:
        carried = rng.integers(0, flat.shape[1], 2 * n_samples)
        drawn = np.take(flat, carried, axis=1).reshape(len(flat), n_samples, 2)
        names = tuple(str(number) for number in range(n_samples))
        variants = replace(real, genotypes=drawn, sample_ids=names)
        build, one_pass = ([Seconds() for _ in range(N_REPEATS)] for _ in range(2))
        for number in range(N_REPEATS):
            with timed(build[number]):
                tile_haplotypes(references, variants, tiles)
            with timed(one_pass[number]):
                drawn.max()
        least = [min(each.processor for each in seconds) for seconds in (build, one_pass)]
        found.append(Growth(n_samples, len(flat), least[0], least[1]))
    return found


def main() -> None:
    """Build all windows once, and print seconds and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--windows", type=int, default=5)
    arguments = parser.parse_args()
    took = StepSeconds()
    with ExitStack() as stack:
        cohort = Cohort.open(arguments.source, stack)
        for tiles in cohort.windows(arguments.windows):
            cohort.haplotypes(tiles, took)
        mebibytes = peak_mebibytes()
        for tiles in cohort.windows(arguments.windows):
            joined(cohort.haplotypes(tiles, StepSeconds()), took)
    seconds = {"read": took.read.wall, "build": took.build.wall, "join": took.join.wall}
    print(json.dumps(seconds | {"mebibytes": mebibytes}))


if __name__ == "__main__":
    main()

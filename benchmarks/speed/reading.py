"""Compare reading a region of a VCF or BCF with `bcftools query` of the same region.

All samples, regions of 196 kb, 1 Mb and 10 Mb. Haploscribe reads and checks the region and returns the
genotypes as an array; `bcftools query` writes position, alleles and genotypes as text, to nothing and to a
pipe that is read to its end. They take turns, several times; the medians are compared.
"""

import statistics
import subprocess
import tempfile
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.common.measuring import Seconds, timed
from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import stamp, write_page
from benchmarks.common.ratios import Ratio, write_ratios
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.variants import VariantReader

CONTIG, START = "chr22", 30_000_000
LENGTHS = (196_608, 1_000_000, 10_000_000)
N_REPEATS = 7


@dataclass(frozen=True)
class Reading:
    """Median times of one region of one file."""

    kind: str
    length: int
    n_records: int
    ours: Seconds
    nothing: Seconds
    pipe: Seconds
    peak_bytes: float

    @property
    def ratio(self) -> float:
        """Time of bcftools over ours, the least of the four ratios."""
        return min(
            self.nothing.wall / self.ours.wall,
            self.nothing.processor / self.ours.processor,
            self.pipe.wall / self.ours.wall,
            self.pipe.processor / self.ours.processor,
        )

    def compared(self, n_samples: int) -> Ratio:
        """Return the processor times beside those of bcftools, whose text goes to nothing."""
        data = f"{self.length:,} bp of {self.kind}, {n_samples} samples"
        return Ratio("`bcftools query`", data, "processor", self.nothing.processor, self.ours.processor)

    def line(self) -> str:
        """Format as a row of the table."""
        cells = [f"{each.wall:.4f} / {each.processor:.4f}" for each in (self.ours, self.nothing, self.pipe)]
        return (
            f"| {self.kind} | {self.length:,} | {self.n_records:,} | {' | '.join(cells)} | "
            f"{self.ratio:.2f} | {self.peak_bytes:,.0f} |"
        )


def query(path: Path, end: int, output: int) -> None:
    """Run `bcftools query` of a region, to nothing or to a pipe that is read to its end."""
    command = ["bcftools", "query", "-f", "%POS\t%REF\t%ALT[\t%GT]\n"]
    subprocess.run(
        [*command, "-r", f"{CONTIG}:{START + 1}-{end}", str(path)], stdout=output, check=True, bufsize=1 << 20
    )


def median(seconds: list[Seconds]) -> Seconds:
    """Return the medians of wall and of processor time."""
    return Seconds(
        statistics.median(each.wall for each in seconds),
        statistics.median(each.processor for each in seconds),
    )


def reading(reader: VariantReader, kind: str, length: int) -> Reading:
    """Time one region."""
    end, path = START + length, reader.path
    assert isinstance(path, Path)
    ours, nothing, pipe = ([Seconds() for _ in range(N_REPEATS)] for _ in range(3))
    for number in range(N_REPEATS):
        with timed(ours[number]):
            variants = reader.read(CONTIG, START, end, reader.sample_ids)
        with timed(nothing[number]):
            query(path, end, subprocess.DEVNULL)
        with timed(pipe[number]):
            query(path, end, subprocess.PIPE)
    require_equal(path, end, variants.genotypes.astype(np.uint8).tobytes())
    n_records = variants.counts.n_records
    del variants
    tracemalloc.start()
    reader.read(CONTIG, START, end, reader.sample_ids)
    peak = tracemalloc.get_traced_memory()[1] / n_records
    tracemalloc.stop()
    return Reading(kind, length, n_records, median(ours), median(nothing), median(pipe), peak)


def require_equal(path: Path, end: int, genotypes: bytes) -> None:
    """Check that genotypes equal those of bcftools; all are phased and of one digit here."""
    command = ["bcftools", "query", "-f", "[%GT]", "-r", f"{CONTIG}:{START + 1}-{end}", str(path)]
    text = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    digits = text.translate(None, delete=b"|")
    assert digits.translate(bytes((code - 48) % 256 for code in range(256))) == genotypes, path


def verdict(kind: str, ratios: list[float]) -> str:
    """Format whether the floor is reached in all regions."""
    return (
        f"{kind}: ratio {min(ratios):.2f} or more; floor 1: {'reached' if min(ratios) >= 1 else 'MISSED'}.  "
    )


def main(argv: Sequence[str]) -> None:
    """Time all regions of a VCF and of a BCF copy of it, and write the page."""
    parser = benchmark_parser("reading", __doc__, ratios=True)
    arguments = parser.parse_args(argv)
    found = []
    with tempfile.TemporaryDirectory() as name:
        vcf, bcf = arguments.source / "genotypes.vcf.gz", Path(name) / "genotypes.bcf"
        subprocess.run(["bcftools", "view", "-Ob", "-o", str(bcf), str(vcf)], check=True)
        subprocess.run(["bcftools", "index", str(bcf)], check=True)
        for kind, path in (("VCF", vcf), ("BCF", bcf)):
            with open_variants(path) as reader:
                reader.read(CONTIG, START, START + LENGTHS[0], reader.sample_ids)
                n_samples = len(reader.sample_ids)
                found += [reading(reader, kind, length) for length in LENGTHS]
    version = subprocess.run(["bcftools", "--version"], capture_output=True, text=True, check=True).stdout
    lines = [
        f"# Reading a region of {n_samples} samples",
        "",
        f"{stamp('reading --source FOLDER')}, {version.splitlines()[0]}. Geuvadis, chr22. Wall / processor "
        f"seconds, medians of {N_REPEATS} "
        "rounds in which the three take turns; ratio: bcftools over Haploscribe, the least of the four. "
        "bcftools starts a process for each region, Haploscribe has the file open. Genotypes are equal. "
        f"Memory is the peak of what Python and numpy allocate; the genotypes themselves are "
        f"{2 * n_samples} bytes a record.",
        "",
        "| file | bp | records | Haploscribe | `bcftools query` | into a pipe | ratio | bytes a record |",
        "|---|---|---|---|---|---|---|---|",
        *(each.line() for each in found),
        "",
        *(verdict(kind, [each.ratio for each in found if each.kind == kind]) for kind in ("VCF", "BCF")),
        "",
        "Calls are decoded from the text of many records at once; htslib writes that of a BCF's records.",
        "",
    ]
    write_page(arguments.table, lines)
    write_ratios(arguments.ratios, [each.compared(n_samples) for each in found])

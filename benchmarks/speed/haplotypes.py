"""Compare unique haplotypes of all samples with `bcftools consensus` and GenVarLoader.

For each window of 196,608 bp, the default tiles that cover it: Haploscribe reads the variants and builds the
unique haplotypes of every tile; `bcftools consensus -H 1` and `-H 2` write each sample's two sequences. Each
sample's tiles, joined, must equal those sequences. GenVarLoader runs in an environment of its own, on the
same windows and samples. One after the other, window by window, on the same machine.
"""

import hashlib
import json
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.common.measuring import Seconds, import_seconds, json_of, timed
from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import stamp, write_page
from benchmarks.common.ratios import CONSENSUS, Ratio, write_ratios
from benchmarks.speed.haplotype_windows import (
    CONTIG,
    FASTA,
    GENOTYPES,
    N_REPEATS,
    TILE,
    WINDOW,
    Cohort,
    Growth,
    StepSeconds,
    growth,
    joined,
)
from haploscribe.genome.tiles import Tile

PEER = Path(__file__).with_name("genvarloader_peer.py")
INSTALL_SIZE = Path(__file__).with_name("install_size.py")
TARGET = 10


def consensus(vcf: Path, part: Path, sample: str, haplotype: int) -> bytes:
    """Run `bcftools consensus` for one haplotype, 1 or 2, of one sample."""
    command = ["bcftools", "consensus", "-s", sample, "-H", str(haplotype), "-f", str(part), str(vcf)]
    return subprocess.run(command, check=True, capture_output=True).stdout


def consensus_of_all(
    cohort: Cohort, source: Path, tiles: tuple[Tile, ...], folder: Path, took: Seconds
) -> list[bytes]:
    """Return both sequences of every sample over one window, in the order of `joined`."""
    start, end = tiles[0].start, tiles[-1].end
    part = folder / "part.fa"
    part.write_bytes(
        b">%s:%d-%d\n%s\n" % (CONTIG.encode(), start + 1, end, cohort.reference.fetch(CONTIG, start, end))
    )
    with timed(took):
        written = [
            consensus(source / GENOTYPES, part, sample, haplotype)
            for sample in cohort.reader.sample_ids
            for haplotype in (1, 2)
        ]
    return [b"".join(fasta.splitlines()[1:]) for fasta in written]


def genvarloader(python: str, source: Path, windows: list[tuple[Tile, ...]]) -> dict[str, Any]:
    """Run GenVarLoader on copies of the files, as it writes beside them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in (*source.glob(f"{GENOTYPES}*"), *source.glob(f"{FASTA}*")):
            shutil.copy(file, folder)
        stretches = [(CONTIG, tiles[0].start, tiles[-1].end) for tiles in windows]
        (folder / "windows.json").write_text(json.dumps(stretches))
        return json_of([python, str(PEER), str(folder)])


def n_equal(found: dict[str, Any], sample_ids: tuple[str, ...], sequences: list[bytes]) -> int:
    """Count GenVarLoader's haplotypes that equal ours; both are ordered by window, sample and haplotype."""
    place = {name: number for number, name in enumerate(found["samples"])}
    n_samples = len(sample_ids)
    theirs = (
        found["digests"][2 * (window * n_samples + place[name]) + haplotype]
        for window in range(len(sequences) // (2 * n_samples))
        for name in sample_ids
        for haplotype in (0, 1)
    )
    return sum(
        hashlib.sha256(sequence).hexdigest() == digest
        for sequence, digest in zip(sequences, theirs, strict=True)
    )


def both_steps(took: StepSeconds) -> Seconds:
    """Return the time of reading and of building."""
    return Seconds(took.read.wall + took.build.wall, took.read.processor + took.build.processor)


def consensus_lines(took: StepSeconds, bcftools: Seconds, n_runs: int) -> list[str]:
    """Format our times beside those of bcftools."""
    ours = both_steps(took)
    rows = {
        "Haploscribe, reading the VCF": took.read,
        "Haploscribe, unique haplotypes of the tiles": took.build,
        "**Haploscribe, both**": ours,
        "Haploscribe, both, and all sequences written out": Seconds(
            ours.wall + took.join.wall, ours.processor + took.join.processor
        ),
        f"`bcftools consensus`, {n_runs:,} runs": bcftools,
    }
    lines = ["| | wall s | processor s |", "|---|---|---|"]
    lines += [f"| {name} | {each.wall:.3f} | {each.processor:.3f} |" for name, each in rows.items()]
    ratio = min(bcftools.wall / ours.wall, bcftools.processor / ours.processor)
    passed = "reached" if ratio >= TARGET else "MISSED"
    return [*lines, "", f"Ratio {ratio:,.0f} (the lesser of wall and processor; floor {TARGET}: {passed})."]


def install_size(python: str, package: str, *without: str) -> tuple[int, float]:
    """Return the packages that a package needs in an environment, itself included, and their MiB."""
    found = json_of([python, str(INSTALL_SIZE), package, *without])
    return found["packages"], found["mebibytes"]


def genvarloader_lines(found: dict[str, Any], python: str, alone: dict[str, Any], equal: str) -> list[str]:
    """Format GenVarLoader's figures beside ours."""
    seconds = {name: wall for name, (wall, _) in found["seconds"].items()}
    (n_ours, size_ours), (n_bare, size_bare) = (
        install_size(sys.executable, "haploscribe", *without) for without in ((), ("torch",))
    )
    n_theirs, size_theirs = install_size(python, "genvarloader")
    modules = "haploscribe.genome.haplotypes, haploscribe.genome.readers.open, haploscribe.genome.reference"
    ours_import, theirs_import = (
        import_seconds(sys.executable, modules),
        import_seconds(python, "genvarloader"),
    )
    once = alone["read"] + alone["build"]
    return [
        f"| | Haploscribe | GenVarLoader {found['version']} |",
        "|---|---|---|",
        f"| before the first haplotype: its dataset written and opened, s | 0 | "
        f"{seconds['write'] + seconds['open']:.2f} |",
        f"| all haplotypes for the first time, s | {once:.3f} | {seconds['first']:.3f} |",
        f"| and once more, s | {once:.3f} | {seconds['again']:.3f} |",
        f"| the same, each sequence written out in full, s | {once + alone['join']:.3f} | "
        f"{seconds['again']:.3f} |",
        f"| in all, for the first time, s | {once:.3f} | "
        f"{seconds['write'] + seconds['open'] + seconds['first']:.2f} |",
        f"| peak memory, MiB | {alone['mebibytes']:.0f} | {found['mebibytes']:.0f} |",
        f"| import (of ours, the genome modules), s | {ours_import:.2f} | {theirs_import:.2f} |",
        f"| packages installed | {n_ours} ({n_bare} without torch) | {n_theirs} |",
        f"| installed files, MiB | {size_ours:.0f} ({size_bare:.0f} without torch) | {size_theirs:.0f} |",
        "",
        f"GenVarLoader's haplotypes that equal ours: {equal}. It writes each out in full, ours are unique "
        "sequences and who carries them. Not tried: indels (these samples' variants are SNVs) and sites of "
        "several ALT alleles, which GenVarLoader wants split. Its import and its reading of the FASTA into a "
        "cache (in opening) are one-off costs; ours reads the VCF anew each time. Installed: the package and "
        f"all it requires without extras; torch is {version('torch')} here.",
    ]


def genvarloader_ratios(found: dict[str, Any], alone: dict[str, Any], data: str) -> list[Ratio]:
    """Compare with GenVarLoader for the first time, its dataset written, and once that is open."""
    wall = {name: seconds for name, (seconds, _) in found["seconds"].items()}
    ours = alone["read"] + alone["build"]
    first = wall["write"] + wall["open"] + wall["first"]
    return [
        Ratio("GenVarLoader, for the first time", data, "wall", first, ours),
        Ratio("GenVarLoader, once more", data, "wall", wall["again"], ours),
    ]


def growth_lines(found: list[Growth]) -> list[str]:
    """Format the growth of time with samples."""
    before, last = found[-2:]
    exponent = math.log(last.build / before.build) / math.log(last.n_samples / before.n_samples)
    return [
        "Unique haplotypes of the first window's tiles, its real haplotypes drawn with replacement; beside "
        "it, one pass over the genotypes (their maximum): what memory allows. Processor seconds, the least "
        f"of {N_REPEATS}.",
        "",
        "| samples | unique haplotypes, s | one pass, s | ns an allele |",
        "|---|---|---|---|",
        *(
            f"| {each.n_samples:,} | {each.build:.4f} | {each.one_pass:.4f} | "
            f"{1e9 * each.build / (2 * each.n_samples * each.n_variants):.2f} |"
            for each in found
        ),
        "",
        f"From the last but one row to the last, seconds grow as samples to the power of {exponent:.2f}.",
    ]


def main(argv: Sequence[str]) -> None:
    """Run all and write the page."""
    parser = benchmark_parser("haplotypes", __doc__, ratios=True)
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--genvarloader", metavar="PYTHON", help="interpreter of its own environment")
    arguments = parser.parse_args(argv)
    took, bcftools, sequences, n_unequal = StepSeconds(), Seconds(), list[bytes](), 0
    with ExitStack() as stack:
        cohort = Cohort.open(arguments.source, stack)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        windows = cohort.windows(arguments.windows)
        sample_ids = cohort.reader.sample_ids
        for tiles in windows:
            repeats = [StepSeconds() for _ in range(N_REPEATS)]
            found = [joined(cohort.haplotypes(tiles, each), each) for each in repeats]
            for step in ("read", "build", "join"):
                into = getattr(took, step)
                into.wall += sum(getattr(each, step).wall for each in repeats) / N_REPEATS
                into.processor += sum(getattr(each, step).processor for each in repeats) / N_REPEATS
            expected = consensus_of_all(cohort, arguments.source, tiles, folder, bcftools)
            n_unequal += sum(a != b for a, b in zip(found[0], expected, strict=True))
            sequences += found[0]
        cohort_growth = growth(cohort, windows[0])
    command = f"haplotypes --source FOLDER --windows {arguments.windows} --genvarloader PYTHON"
    data = f"{len(windows)} windows of {WINDOW:,} bp, {len(sample_ids)} samples"
    ratios = [Ratio(CONSENSUS, data, "processor", bcftools.processor, both_steps(took).processor)]
    lines = [
        f"# Haplotypes of {len(sample_ids)} samples over {len(windows)} windows of {WINDOW:,} bp",
        "",
        f"{stamp(command)}. Geuvadis, chr22, both haplotypes of all samples, over "
        f"the tiles of {TILE:,} bp that cover each window. One process each, the same machine, one after the "
        f"other. Sums over the windows; ours are means of {N_REPEATS}.",
        "",
        *consensus_lines(took, bcftools, len(sequences)),
        f"Of {len(sequences):,} sequences, {n_unequal} differ from what `bcftools consensus` writes.",
        "",
        "## More samples",
        "",
        *growth_lines(cohort_growth),
        "",
    ]
    if arguments.genvarloader:
        theirs = genvarloader(arguments.genvarloader, arguments.source, windows)
        module = [sys.executable, "-m", "benchmarks.speed.haplotype_windows"]
        alone = json_of([*module, "--source", str(arguments.source), "--windows", str(arguments.windows)])
        equal = f"{n_equal(theirs, sample_ids, sequences):,} of {len(sequences):,}"
        lines += [
            "## GenVarLoader",
            "",
            *genvarloader_lines(theirs, arguments.genvarloader, alone, equal),
            "",
        ]
        ratios += genvarloader_ratios(theirs, alone, data)
    write_page(arguments.table, lines)
    if n_unequal:
        sys.exit("sequences differ from those of bcftools consensus")
    write_ratios(arguments.ratios, ratios)

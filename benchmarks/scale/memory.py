"""Measure the peak memory of `haploscribe run` against samples and genes.

More genes than the benchmark cohort has are made by placing more TSSs on the chromosome; more samples, by
joining segments of real haplotypes. Their expression is random. Measured: peak proportional set size of all
processes of a run, and of the largest of them.
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.common.measuring import Peak, haploscribe_command, peak_of
from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import stamp, write_page
from benchmarks.scale.synthetic_cohort import synthetic_cohort

MODELS = "elastic-net,blup-distance,blup-delta"
SIZES = ((358, 20), (1_000, 20), (3_000, 20), (358, 75), (358, 300), (358, 1_200))
"""Samples and genes."""


def peak_with(source: Path, folder: Path, n_samples: int, n_genes: int, jobs: int) -> Peak:
    """Measure the peak memory of a run."""
    folder.mkdir(parents=True, exist_ok=True)
    files = synthetic_cohort(source, folder, n_samples, n_genes)
    arguments: list[object] = ["run", "--variants", files.variants, "--expression", files.expression]
    arguments += ["--reference", source / "reference.fa.gz", "--backbone", "kmer", "--models", MODELS]
    arguments += ["--folds", 2, "--jobs", jobs, "--out", folder / "results"]
    return peak_of(haploscribe_command(*arguments), folder / "log.txt")


def main(argv: Sequence[str]) -> None:
    """Run all sizes, and write the table after each."""
    parser = benchmark_parser("memory", __doc__, out=True, jobs=True)
    arguments = parser.parse_args(argv)
    lines = [
        "# Peak memory",
        "",
        stamp(f"memory --source FOLDER --jobs {arguments.jobs}") + ".",
        "",
        f"`haploscribe run` with {arguments.jobs} workers, backbone `kmer`, models "
        f"{MODELS.replace(',', ', ')}, 2 folds, cis windows of 196,608 bp. 358 samples are the benchmark "
        "cohort's; more are joined from pieces of their haplotypes. Proportional set size: pages that "
        "processes share count once.",
        "",
        "| samples | genes | all processes, GiB | largest process, GiB |",
        "|---|---|---|---|",
    ]
    for n_samples, n_genes in SIZES:
        folder = arguments.out / f"{n_samples}-{n_genes}"
        peak = peak_with(arguments.source, folder, n_samples, n_genes, arguments.jobs)
        lines.append(
            f"| {n_samples:,} | {n_genes:,} | {peak.total / 2**30:.2f} | {peak.largest / 2**30:.2f} |"
        )
        write_page(arguments.table, [*lines, ""])

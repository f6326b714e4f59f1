"""Processor time of fitting one gene against people, stage by stage.

    python -m benchmarks.fitting --source FOLDER [--genes N]

FOLDER is the benchmark cohort's, as for `benchmarks.geuvadis_chr22`. The default models of `run`, 5 folds,
one process of one thread: processor time, so that other work on the machine changes it little. Real genes of
the benchmark's people; and genes with random expression of made people (`benchmarks.memory`), for the growth.
The table has two genes for every made person: a genome has more genes than most cohorts people.
Compilation is left out: one gene is done before. Writes `benchmarks/results/fitting.md`.
"""

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

# One thread, before numpy is loaded.
os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})

import numpy as np

from benchmarks.cohort import benchmark_cohort
from benchmarks.memory import cohort_of
from benchmarks.tables import write_table
from haploscribe.cohort.validated import checked_cohort
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions
from haploscribe.embedding.stage import LoadedBackbone, embed_tiles
from haploscribe.parallel.executor import LocalWorkers
from haploscribe.workflows.run.context import gene_jobs
from haploscribe.workflows.run.cross_gene import learn_priors
from haploscribe.workflows.run.gene_fits import fit_genes

TABLE = Path(__file__).parent / "results" / "fitting.md"
SIZES = (179, 358, 716, 1_432)
ALL_GENES = 20_000
EXTRAPOLATED_TO = 3_202


@dataclass(frozen=True, slots=True)
class Seconds:
    """Processor seconds a gene of each stage."""

    lessons: float
    fits: float


def seconds_of(options: CohortOptions, folder: Path) -> Seconds:
    """Time all genes of a cohort but the first, which is done before the clock is read."""
    workers = LocalWorkers(1)
    with checked_cohort(options, workers, folder) as checked:
        loaded = LoadedBackbone.of(BackboneOptions("kmer"), options.tile)
        store = folder / "embeddings.zarr"
        embedded = embed_tiles(checked.surveyed, checked.kept, loaded, store, workers)
        n_genes = len(checked.cohort.genes)
        jobs = gene_jobs(checked, EvaluationOptions(), embedded, folder / "done")
        cohort, clock = checked.surveyed, [time.process_time()]

        def look(_: int) -> None:
            clock.append(time.process_time())

        priors = learn_priors(jobs, cohort, workers, look)
        lessons = clock[-1] - clock[2]
        clock.clear()
        fit_genes(jobs, cohort, workers, {}, priors, look)
        fits = clock[-1] - clock[1]
    return Seconds(lessons / (n_genes - 1), fits / (n_genes - 1))


def real_genes(source: Path, folder: Path, n_genes: int) -> CohortOptions:
    """Describe every N-th gene of the benchmark cohort."""
    return benchmark_cohort(source, folder, every=300 // n_genes)


def made_people(source: Path, folder: Path, n_people: int, n_genes: int) -> CohortOptions:
    """Describe genes of made people."""
    files = cohort_of(source, folder, n_people, n_genes, n_far=2 * n_people)
    genes = tuple(f"G{i:06d}" for i in range(n_genes))
    return CohortOptions(files.variants, source / "reference.fa.gz", files.expression, genes=genes)


def main() -> None:
    """Time all sizes and write the table."""
    parser = argparse.ArgumentParser(description="Processor time of fitting against people.")
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--genes", type=int, default=6)
    arguments = parser.parse_args()
    rows, made = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        place = folder / "real"
        real = seconds_of(real_genes(arguments.source, place, arguments.genes), place)
        rows.append(("358, real expression", real))
        for n_people in SIZES:
            place = folder / str(n_people)
            place.mkdir()
            found = seconds_of(made_people(arguments.source, place, n_people, arguments.genes), place)
            rows.append((f"{n_people}, random expression", found))
            made.append(found)
    lessons, fits = (np.array([getattr(seconds, stage) for seconds in made]) for stage in ("lessons", "fits"))
    powers = [float(np.log2(seconds[-1] / seconds[-2])) for seconds in (lessons, fits)]
    more = EXTRAPOLATED_TO / 358
    grown = real.lessons * more ** powers[0] + real.fits * more ** powers[1]
    lines = [
        "# Time of fitting a gene",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, `python -m benchmarks.fitting --source FOLDER "
        f"--genes {arguments.genes}`.",
        "",
        f"Default models of `run` ({', '.join(EvaluationOptions().models)}), 5 folds, backbone `kmer`, one "
        "thread; processor seconds a gene. `comparing` is the first pass, which learns from other genes.",
        "",
        "| people | comparing, s | fitting, s |",
        "|---|---|---|",
        *(f"| {name} | {seconds.lessons:.2f} | {seconds.fits:.2f} |" for name, seconds in rows),
        "",
        f"From {SIZES[-2]:,} to {SIZES[-1]:,} people, comparing grows as people to the power of "
        f"{powers[0]:.2f}, fitting as to that of {powers[1]:.2f}.",
        "",
        f"{ALL_GENES:,} genes of 358 people take {ALL_GENES * (real.lessons + real.fits) / 3600:,.0f} core "
        f"hours. Those of {EXTRAPOLATED_TO:,} people, **extrapolated** by these powers, "
        f"{ALL_GENES * grown / 3600:,.0f}.",
        "",
    ]
    write_table(TABLE, lines)


if __name__ == "__main__":
    main()

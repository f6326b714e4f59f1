"""Measure the processor time of fitting one gene against the number of samples, by stage.

The default models of `run`, 5 folds, one process of one thread: processor time, so that other work on the
machine changes it little. Real genes of the benchmark cohort; and, for the growth, genes with random
expression of synthetic samples. Their table has two genes per synthetic sample: a genome has more genes than
most cohorts have samples. Compilation is left out: one gene is done before.
"""

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

# One thread, before numpy is loaded.
os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})

import numpy as np

from benchmarks.common.cohort import benchmark_cohort
from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import stamp, write_page
from benchmarks.scale.synthetic_cohort import synthetic_cohort
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions
from haploscribe.embedding.stage import STORE_NAME, LoadedBackbone
from haploscribe.evaluation.cross_validation import evaluate, one_gene
from haploscribe.parallel.executor import Executor
from haploscribe.workflows.embed import embed_windows
from haploscribe.workflows.run.cross_gene import learn_across_genes
from haploscribe.workflows.validate import validated_cohort
from haploscribe.workflows.work import WorkContext, write_block_keys

SIZES = (179, 358, 716, 1_432)
ALL_GENES = 20_000
EXTRAPOLATED_TO = 3_202


@dataclass(frozen=True, slots=True)
class Seconds:
    """Processor seconds per gene of each stage."""

    comparing: float
    fits: float


def seconds_of(options: CohortOptions, folder: Path) -> Seconds:
    """Time all genes of a cohort but the first, which is done before the clock starts."""
    executor = Executor(1)
    with validated_cohort(options, executor, folder) as validated:
        cached, store = validated.cached, folder / STORE_NAME
        loaded = LoadedBackbone.load(BackboneOptions("kmer"), options.tile_size)
        embedded = embed_windows(cached, validated.spec, loaded, store, executor)
        keys, n_genes = folder / "blocks.jsonl", len(cached.genes)
        write_block_keys(keys, embedded.keys)
        spec = replace(
            validated.spec,
            folder=folder / "done",
            evaluation=EvaluationOptions(),
            store=store,
            block_keys=keys,
        )
        context, clock = WorkContext(spec, cohort=cached), list[float]()
        # The clock is read before the first gene and after each.
        learn_across_genes(context, executor, lambda _: clock.append(time.process_time()))
        comparing = clock[-1] - clock[1]
        clock = []
        for number in range(n_genes):
            fit_gene(context, number)
            clock.append(time.process_time())
        fits = clock[-1] - clock[0]
    return Seconds(comparing / (n_genes - 1), fits / (n_genes - 1))


def fit_gene(context: WorkContext, number: int) -> None:
    """Fit one gene in every fold and predict its held-out samples."""
    makers = {name: spec.make for name, spec in context.estimators.items()}
    evaluate(context.dataset(), one_gene(number), context.folds, makers)


def real_genes(source: Path, folder: Path, n_genes: int) -> CohortOptions:
    """Return the options of every N-th gene of the benchmark cohort."""
    return benchmark_cohort(source, folder, every=300 // n_genes)


def synthetic_options(source: Path, folder: Path, n_samples: int, n_genes: int) -> CohortOptions:
    """Return the options of genes of synthetic samples."""
    files = synthetic_cohort(source, folder, n_samples, n_genes, n_far=2 * n_samples)
    genes = tuple(f"G{i:06d}" for i in range(n_genes))
    return CohortOptions(files.variants, source / "reference.fa.gz", files.expression, genes=genes)


def main(argv: Sequence[str]) -> None:
    """Time all sizes and write the table."""
    parser = benchmark_parser("fitting", __doc__)
    parser.add_argument("--genes", type=int, default=6)
    arguments = parser.parse_args(argv)
    rows, synthetic = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        work = folder / "real"
        real = seconds_of(real_genes(arguments.source, work, arguments.genes), work)
        rows.append(("358, real expression", real))
        for n_samples in SIZES:
            work = folder / str(n_samples)
            work.mkdir()
            found = seconds_of(synthetic_options(arguments.source, work, n_samples, arguments.genes), work)
            rows.append((f"{n_samples}, random expression", found))
            synthetic.append(found)
    powers = [
        float(np.log2(seconds[-1] / seconds[-2]))
        for seconds in ([each.comparing for each in synthetic], [each.fits for each in synthetic])
    ]
    more = EXTRAPOLATED_TO / 358
    grown = real.comparing * more ** powers[0] + real.fits * more ** powers[1]
    lines = [
        "# Time of fitting a gene",
        "",
        stamp(f"fitting --source FOLDER --genes {arguments.genes}") + ".",
        "",
        f"Default models of `run` ({', '.join(EvaluationOptions().models)}), 5 folds, backbone `kmer`, one "
        "thread; processor seconds per gene. `comparing` is the first pass, which learns from other genes.",
        "",
        "| samples | comparing, s | fitting, s |",
        "|---|---|---|",
        *(f"| {name} | {seconds.comparing:.2f} | {seconds.fits:.2f} |" for name, seconds in rows),
        "",
        f"From {SIZES[-2]:,} to {SIZES[-1]:,} samples, comparing grows as samples to the power of "
        f"{powers[0]:.2f}, fitting as to that of {powers[1]:.2f}.",
        "",
        f"{ALL_GENES:,} genes of 358 samples take "
        f"{ALL_GENES * (real.comparing + real.fits) / 3600:,.0f} core hours. "
        f"Those of {EXTRAPOLATED_TO:,} samples, **extrapolated** by these powers, "
        f"{ALL_GENES * grown / 3600:,.0f}.",
        "",
    ]
    write_page(arguments.table, lines)

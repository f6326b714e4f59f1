"""Measure the processor time of fitting one gene against the number of samples, by stage.

The default models of `run`, 5 folds, one process of one thread: processor time, so that other work on the
machine changes it little. Real genes of the benchmark cohort; and, for the growth, genes with random
expression of synthetic samples. Their table has two genes per synthetic sample: a genome has more genes than
most cohorts have samples.
"""

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path

# One thread, before numpy is loaded.
os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})

import numpy as np

from benchmarks.common.cohort import benchmark_cohort
from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import stamp, write_page
from benchmarks.scale.synthetic_cohort import synthetic_cohort
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions
from haploscribe.embedding.stage import STORE_NAME, LoadedBackbone, with_tile
from haploscribe.evaluation.cross_validation import evaluate, one_gene
from haploscribe.parallel.executor import Executor
from haploscribe.workflows.embed import embed_windows
from haploscribe.workflows.run.cross_gene import learn_across_genes
from haploscribe.workflows.run.held_out import gene_items
from haploscribe.workflows.run.save_models import TrainedWith, save_models
from haploscribe.workflows.validate import validated_cohort
from haploscribe.workflows.work import WorkContext, write_block_keys

SIZES = (358, 716, 1_432)
ALL_GENES = 20_000
EXTRAPOLATED_TO = 3_202


@dataclass(frozen=True, slots=True)
class Seconds:
    """Processor seconds of each stage, per gene but for `heterogeneity`, which a run computes once."""

    heterogeneity: float
    comparing: float
    folds: float
    keeping: float


def seconds_of(options: CohortOptions, folder: Path) -> Seconds:
    """Time the stages of a run; comparing and folds without the first gene, which compiles what they call."""
    executor, backbone = Executor(1), BackboneOptions()
    options, _ = with_tile(options, backbone)
    with validated_cohort(options, executor, folder) as validated:
        cached, store = validated.cached, folder / STORE_NAME
        loaded = LoadedBackbone.load(backbone, options.tile_size)
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
        started = time.process_time()
        # The clock is read before the first gene and after each.
        learn_across_genes(context, executor, lambda _: clock.append(time.process_time()))
        heterogeneity, comparing = clock[0] - started, clock[-1] - clock[1]
        clock = []
        for number in range(n_genes):
            fit_gene(context, number)
            clock.append(time.process_time())
        folds = clock[-1] - clock[0]
        kept = folder / "models"
        kept.mkdir()
        started = time.process_time()
        trained = TrainedWith(backbone, loaded.key, zero_shot=None)
        save_models(context, validated, executor, gene_items(context, {}), kept, trained)
        keeping = time.process_time() - started
    return Seconds(heterogeneity, comparing / (n_genes - 1), folds / (n_genes - 1), keeping / n_genes)


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
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        work = folder / "real"
        found = seconds_of(real_genes(arguments.source, work, arguments.genes), work)
        rows.append(("358, real expression", found))
        for n_samples in SIZES:
            work = folder / str(n_samples)
            work.mkdir()
            found = seconds_of(synthetic_options(arguments.source, work, n_samples, arguments.genes), work)
            rows.append((f"{n_samples}, random expression", found))
    real, *synthetic = (astuple(seconds) for _, seconds in rows)
    powers = np.log2(np.divide(synthetic[-1], synthetic[-2]))
    grown = np.multiply(real, (EXTRAPOLATED_TO / 358) ** powers)
    models = ", ".join(EvaluationOptions().models)
    hours, hours_grown = (
        (once + ALL_GENES * sum(per_gene)) / 3600 for once, *per_gene in (real, grown.tolist())
    )
    lines = [
        "# Time of fitting a gene",
        "",
        stamp(f"fitting --source FOLDER --genes {arguments.genes}") + ".",
        "",
        f"Default models of `run` ({models}), backbone `{BackboneOptions().backbone}`, one thread; processor "
        "seconds. Expression heterogeneity is learned once per run, in every fold, from all genes of the "
        "table; the rest is per gene. `comparing` learns effect-size priors from other genes; `keeping` fits "
        "all samples and computes the weight of each tile.",
        "",
        "| samples | heterogeneity of a run, s | comparing, s | 5 folds, s | keeping, s |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | " + " | ".join(f"{each:.2f}" for each in astuple(seconds)) + " |"
            for name, seconds in rows
        ),
        "",
        f"From {SIZES[-2]:,} to {SIZES[-1]:,} samples, with two genes of the table per sample, heterogeneity "
        f"grows as samples to the power of {powers[0]:.2f}; comparing of {powers[1]:.2f}, fitting in folds "
        f"of {powers[2]:.2f}, and keeping of {powers[3]:.2f}.",
        "",
        f"{ALL_GENES:,} genes of 358 samples take {hours:,.0f} core hours. Those of "
        f"{EXTRAPOLATED_TO:,} samples, **extrapolated** by these powers, {hours_grown:,.0f}.",
        "",
    ]
    write_page(arguments.table, lines)

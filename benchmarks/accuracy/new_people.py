"""Predict samples that were in no file of the run, and check the standard errors.

First, simulated expression on the cohort's samples: models of 250 of them (`run`) predict the other 108
(`predict`), whose genetic values are known, so that standard errors and each haplotype's share can be
compared with the truth. Then real expression: models of CEU, GBR and TSI predict FIN from a file of FIN alone
(`populations.tsv` of the cohort). Dosage models only.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pysam.bcftools

from benchmarks.common.cohort import benchmark_cohort, read_populations
from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import interval_cell, stamp, write_page
from haploscribe.config.finished_runs import PredictionOptions
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.config.simulation import Architecture, SimulationOptions
from haploscribe.expression.covariates import read_covariates
from haploscribe.expression.normalise import prepare
from haploscribe.expression.table import ExpressionTable, read_expression, select_genes
from haploscribe.utils.types import Float64Array
from haploscribe.workflows.predict.workflow import predict
from haploscribe.workflows.run.workflow import run
from haploscribe.workflows.simulate import simulate

MODELS = ("elastic-net", "top-snp", "blup", "susie", "ensemble")
UNSURE = ("blup", "susie")
N_TRAINING, SEED, H2 = 250, 0, 0.3
ARCHITECTURES: tuple[Architecture, ...] = ("sparse", "polygenic")


def write_expression(table: ExpressionTable, sample_ids: Sequence[str], path: Path) -> Path:
    """Write the expression of some samples as QTLtools' BED."""
    kept = table.take_samples(sample_ids)
    columns = {
        "#chr": [gene.contig for gene in kept.genes],
        "start": [gene.tss for gene in kept.genes],
        "end": [gene.tss + 1 for gene in kept.genes],
        "pid": [gene.gene_id for gene in kept.genes],
        "gid": [gene.gene_id for gene in kept.genes],
        "strand": [gene.strand for gene in kept.genes],
    }
    values = {sample_id: kept.values[:, i] for i, sample_id in enumerate(kept.sample_ids)}
    pl.DataFrame(columns | values).write_parquet(path)
    return path


def trained_and_predicted(
    cohort: CohortOptions, normalize: str, variants: Path, folder: Path, jobs: int
) -> pl.DataFrame:
    """Run on a cohort, and predict the samples of another file with its saved models."""
    workers = WorkerOptions(jobs)
    evaluation = EvaluationOptions(models=MODELS, folds=2, normalize=normalize)  # type: ignore[arg-type]
    run(cohort, BackboneOptions(), evaluation, folder / "results", worker_options=workers)
    file = folder / "predictions.parquet"
    predict(PredictionOptions(folder / "results" / "models", variants, cohort.reference), workers, file)
    return pl.read_parquet(file)


def pearson(a: Float64Array, b: Float64Array) -> float:
    """Correlate two columns; 0 where one is constant."""
    return float(np.corrcoef(a, b)[0, 1]) if np.ptp(a) > 0 and np.ptp(b) > 0 else 0.0


def simulated_lines(
    architecture: Architecture, source: Path, n_genes: int, out: Path, jobs: int
) -> list[str]:
    """Format how predictions of simulated expression agree with the true genetic values."""
    folder = out / architecture
    cohort = CohortOptions(
        variants=folder / "simulated" / "genotypes.vcf.gz",
        reference=source / "reference.fa.gz",
        expression=folder / "simulated" / "expression.bed.gz",
    )
    options = SimulationOptions(
        genes=n_genes,
        seed=SEED,
        variants=source / "genotypes.vcf.gz",
        reference=cohort.reference,
        architecture=architecture,
        h2=H2,
    )
    simulate(options, folder / "simulated")
    table = read_expression(cohort.expression)
    shuffled = np.random.default_rng(SEED).permutation(sorted(table.sample_ids)).tolist()
    training, new = shuffled[:N_TRAINING], shuffled[N_TRAINING:]
    expression = write_expression(table, training, folder / "training.parquet")
    assert isinstance(cohort.variants, Path)
    found = trained_and_predicted(
        replace(cohort, expression=expression), "none", cohort.variants, folder, jobs
    ).filter(pl.col("sample_id").is_in(new))

    in_training = table.take_samples(training).values
    scale = pl.DataFrame(
        {
            "gene_id": [gene.gene_id for gene in table.genes],
            "level": in_training.mean(axis=1),
            "spread": in_training.std(axis=1),
        }
    )
    truth = pl.read_parquet(folder / "simulated" / "genetic_values.parquet")
    joined = found.join(truth, on=["gene_id", "sample_id"], suffix="_true").join(scale, on="gene_id")
    true_value = (pl.col("genetic_value") - pl.col("level")) / pl.col("spread")
    joined = joined.with_columns(true_value=true_value, error=pl.col("predicted") - true_value)
    lines = [
        f"## Simulated: {architecture}, h² {H2}, {table.values.shape[0]} genes",
        "",
        f"{len(training)} samples in training, {len(new)} predicted. r: with the true genetic value, and of "
        "a haplotype's share with its true share, mean over genes. RMSE: of the true genetic value, in "
        "standard deviations of expression. Inside: how often the true value lies within 1.96 standard "
        "errors.",
        "",
        "| model | r with the truth | r of a haplotype's share | RMSE | mean standard error | inside, 95 "
        "% wanted |",
        "|---|---|---|---|---|---|",
    ]
    for model in MODELS:
        rows = joined.filter(model=model)
        by_gene = rows.partition_by("gene_id", maintain_order=True)
        of_value = np.array([pearson(g["predicted"].to_numpy(), g["true_value"].to_numpy()) for g in by_gene])
        of_share = np.array(
            [
                pearson(
                    np.concatenate([g["haplotype_0"].to_numpy(), g["haplotype_1"].to_numpy()]),
                    np.concatenate([g["haplotype_0_true"].to_numpy(), g["haplotype_1_true"].to_numpy()]),
                )
                for g in by_gene
            ]
        )
        rmse = float(np.sqrt((rows["error"].to_numpy() ** 2).mean()))
        unsure = "- | -"
        if model in UNSURE:
            sure = rows.filter(pl.col("standard_error").is_not_null())
            inside = (sure["error"].abs() <= 1.96 * sure["standard_error"]).to_numpy()
            unsure = f"{sure['standard_error'].to_numpy().mean():.3f} | {inside.mean():.1%}"
        lines.append(
            f"| {model} | {interval_cell(of_value, 3)} | {interval_cell(of_share, 3)} | {rmse:.3f} | "
            f"{unsure} |"
        )
    return [*lines, ""]


def real_lines(source: Path, every: int, out: Path, jobs: int) -> list[str]:
    """Format how models of CEU, GBR and TSI predict FIN from a file that holds FIN alone."""
    folder = out / "real"
    cohort = benchmark_cohort(source, folder, every=every)
    populations = read_populations(source)
    table = select_genes(read_expression(cohort.expression), str(cohort.genes))
    new = [sample_id for sample_id in table.sample_ids if populations.get(sample_id) == "FIN"]
    training = [
        sample_id for sample_id in table.sample_ids if sample_id in populations and sample_id not in new
    ]
    names, variants = folder / "finns.txt", folder / "finns.vcf.gz"
    names.write_text("\n".join(new) + "\n")
    view = ("-S", str(names), "-Oz", "-o", str(variants), str(cohort.variants))
    pysam.bcftools.view(*view, catch_stdout=False)
    expression = write_expression(table, training, folder / "training.parquet")
    found = trained_and_predicted(
        replace(cohort, expression=expression, genes=None), "inverse-normal", variants, folder, jobs
    )

    assert cohort.covariates is not None
    sample_ids = [*training, *new]
    covariates = read_covariates(cohort.covariates).take_samples(sample_ids).values
    is_training = np.arange(len(sample_ids)) < len(training)
    observed = {
        gene.gene_id: prepare(values, covariates, is_training, "inverse-normal")[len(training) :]
        for gene, values in zip(table.genes, table.take_samples(sample_ids).values, strict=True)
    }
    index_of = {sample_id: i for i, sample_id in enumerate(new)}
    lines = [
        f"## Real: FIN, {len(new)} samples, predicted by models of {len(training)} of CEU, GBR and TSI",
        "",
        f"Every {every}th gene of the table: {len(table.genes)}. Their file holds FIN alone; mean over "
        "genes of r with what is observed, covariates regressed out on the training samples.",
        "",
        "| model | mean r | genes |",
        "|---|---|---|",
    ]
    for model in MODELS:
        by_gene = found.filter(model=model).partition_by("gene_id", maintain_order=True)
        r = []
        for rows in by_gene:
            order = [index_of[sample_id] for sample_id in rows["sample_id"]]
            r.append(pearson(rows["predicted"].to_numpy(), observed[rows["gene_id"][0]][order]))
        lines.append(f"| {model} | {interval_cell(np.array(r), 3)} | {len(r)} |")
    return [*lines, ""]


def main(argv: Sequence[str]) -> None:
    """Run the benchmark and write its table."""
    parser = benchmark_parser("new_people", __doc__, out=True, every=4, jobs=True)
    parser.add_argument("--genes", type=int, default=100, help="simulated genes of each architecture")
    arguments = parser.parse_args(argv)
    lines = [
        "# New people",
        "",
        stamp(f"new_people --source FOLDER --genes {arguments.genes} --every {arguments.every}") + ".",
        "",
    ]
    for architecture in ARCHITECTURES:
        lines += simulated_lines(
            architecture, arguments.source, arguments.genes, arguments.out, arguments.jobs
        )
    lines += real_lines(arguments.source, arguments.every, arguments.out, arguments.jobs)
    write_page(arguments.table, lines)

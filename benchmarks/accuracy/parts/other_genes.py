"""Compare models on genes that no choice was made on.

The models that `ensemble` averages, and how other genes are used, were chosen on genes of the benchmark
cohort. The study's example files (Debian package `qtltools-example`: `genotypes.chr22.vcf.gz` and
`genes.50percent.chr22.bed.gz`, GRCh37) hold the same samples and some 300 further genes of chromosome 22. The
benchmark cohort's covariates are used, its genes are left out. Dosage models only, as these files come
without a FASTA of GRCh37.
"""

import gzip
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from benchmarks.accuracy.parts.part import Setting, Table, model_rows, summarised, table
from benchmarks.common.measuring import timed
from haploscribe.config.options import DEFAULT_WINDOW, CohortOptions
from haploscribe.estimators.cross_gene.effect_prior import HasemanElstonMoments
from haploscribe.estimators.cross_gene.heterogeneity import Heterogeneity
from haploscribe.estimators.cross_gene.learners import (
    EffectPriorLearner,
    EffectPriorModel,
    HeterogeneityModel,
)
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.registry import model_specs
from haploscribe.evaluation.cross_gene import CrossGeneTraining, far_genes
from haploscribe.evaluation.cross_validation import GeneDataset, evaluate, one_gene
from haploscribe.evaluation.folds import Fold, make_folds, prepare_fold
from haploscribe.evaluation.metrics import gene_metrics
from haploscribe.expression.covariates import read_covariates
from haploscribe.expression.genes import Gene
from haploscribe.expression.table import read_expression
from haploscribe.genome.dosages import dosages
from haploscribe.genome.readers.open import open_variants
from haploscribe.utils.files import atomic_write
from haploscribe.utils.types import Float64Array

BASELINE = "elastic-net"
MODELS = (
    BASELINE,
    "top-snp",
    "lasso",
    "blup",
    "blup-distance",
    "susie",
    "adaptive-shrinkage",
    "ensemble",
)


def tables(setting: Setting) -> list[Table]:
    """Run, and return one table."""
    assert setting.examples is not None
    study = read_study(setting.examples, setting.cohort(), setting.every)
    metrics = all_metrics(study, setting)
    text = (
        "Genes of the study's example files that are not in the benchmark cohort, with its samples, folds, "
        "covariates and window. Priors are learned from these genes alone, each gene's from those at least "
        "1 Mb away."
    )
    return [table("Further genes", text, model_rows(summarised(metrics, study.genes), BASELINE))]


def read_genes(path: Path) -> tuple[list[Gene], tuple[str, ...], Float64Array]:
    """Read the example table: chr, start, end, gene, length, strand, and one column per sample.

    Returns
    -------
    genes
        `n_genes` genes, in the file's order.
    sample_ids
        `n_samples` names.
    rpkm
        float64 `(n_genes, n_samples)`.
    """
    with gzip.open(path, "rt", encoding="utf-8") as file:
        header, *rows = (line.rstrip("\n").split("\t") for line in file)
    assert header[:6] == ["#chr", "start", "end", "gene", "length", "strand"], header[:6]
    genes = [Gene(row[3], row[0], int(row[2]) - 1, "-" if row[5] == "-" else "+") for row in rows]
    return genes, tuple(header[6:]), np.array([row[6:] for row in rows], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Study:
    """Genes to evaluate, and the data to evaluate them with.

    Attributes
    ----------
    genes, rpkm
        `n_genes` genes and their raw expression, float64 `(n_genes, n_samples)`.
    sample_ids
        `n_samples` names.
    covariates
        float64 `(n_samples, n_covariates)`.
    genotypes
        The VCF.
    folds
        The folds.
    table, shared
        All genes of the example table, and for each fold what they share.
    """

    genes: list[Gene]
    rpkm: Float64Array
    sample_ids: tuple[str, ...]
    covariates: Float64Array
    genotypes: Path
    folds: tuple[Fold, ...]
    table: list[Gene]
    shared: tuple[Heterogeneity, ...]

    def inputs(self, number: int) -> GeneInputs:
        """Read a gene's dosages."""
        gene, half = self.genes[number], DEFAULT_WINDOW // 2
        with open_variants(self.genotypes) as reader:
            variants = reader.read(gene.contig, max(0, gene.tss - half), gene.tss + half, self.sample_ids)
        return GeneInputs(gene, self.sample_ids, *dosages(variants))

    def prepared(self, number: int, fold: Fold) -> Float64Array:
        """Prepare a gene's expression, in the training samples of a fold."""
        return prepare_fold(self.rpkm[number], self.covariates, fold, "inverse-normal")[fold.fitted]

    def measure(self, number: int) -> list[HasemanElstonMoments]:
        """Compute the moments of one gene in every fold."""
        inputs, learner = self.inputs(number), EffectPriorLearner()
        with threadpool_limits(1):
            return [
                learner.measure(inputs.take(fold.fitted), self.prepared(number, fold)) for fold in self.folds
            ]

    def metrics(self, number: int, priors: Sequence[EffectPriorModel]) -> pl.DataFrame:
        """Cross-validate a gene as the main benchmark does."""
        gene = self.genes[number]
        far_in_table, far = far_genes(self.table, gene), far_genes(self.genes, gene)

        def cross_gene(_: int, fold: Fold) -> CrossGeneTraining:
            i = fold.number - 1
            shared = HeterogeneityModel(self.shared[i]).adjustment(far_in_table)
            return CrossGeneTraining((shared, priors[i].adjustment(far)))

        dataset = GeneDataset(self.inputs, self.rpkm, self.covariates, "inverse-normal", cross_gene)
        makers = {name: spec.make for name, spec in model_specs(MODELS, 0).items()}
        with threadpool_limits(1):
            predictions = evaluate(dataset, one_gene(number), self.folds, makers)
        return gene_metrics(predictions, {gene.gene_id: len(dataset.gene(number).positions)})


def read_study(examples: Path, cohort: CohortOptions, every: int) -> Study:
    """Read all but genotypes; keep the genes with variants that are not in the cohort."""
    table, sample_ids, rpkm = read_genes(examples / "genes.50percent.chr22.bed.gz")
    assert cohort.covariates is not None
    assert cohort.hidden_factors is not None
    covariates = read_covariates(cohort.covariates).take_samples(sample_ids).values
    factors = read_covariates(cohort.hidden_factors).take_samples(sample_ids).values
    folds = make_folds(sample_ids, 5, 0)
    shared = []
    for fold in folds:
        prepared = [prepare_fold(values, covariates, fold, "inverse-normal")[fold.fitted] for values in rpkm]
        shared.append(Heterogeneity.of(np.stack(prepared), covariates[fold.fitted], factors[fold.fitted]))
    known = {gene.gene_id for gene in read_expression(cohort.expression).genes}
    chosen = [i for i, gene in enumerate(table) if gene.gene_id not in known][::every]
    study = Study(
        [table[i] for i in chosen],
        rpkm[chosen],
        sample_ids,
        covariates,
        examples / "genotypes.chr22.vcf.gz",
        folds,
        table,
        tuple(shared),
    )
    kept = [i for i in range(len(chosen)) if study.inputs(i).positions.size]
    return replace(study, genes=[study.genes[i] for i in kept], rpkm=study.rpkm[kept])


def all_metrics(study: Study, setting: Setting) -> pl.DataFrame:
    """Return the metrics of every gene, after the first pass over all of them.

    There is a file per gene; those that are there are not fitted again.
    """
    numbers = range(len(study.genes))
    folder = setting.out / f"every-{setting.every}"
    parallel = Parallel(n_jobs=setting.jobs)
    with timed(setting.spent):
        measured: list[list[HasemanElstonMoments]] = parallel(
            delayed(study.measure)(number) for number in numbers
        )
    priors = [EffectPriorLearner().combine(moments) for moments in zip(*measured, strict=True)]
    files = [folder / f"{study.genes[number].gene_id}.parquet" for number in numbers]
    parallel(delayed(_write_metrics)(study, number, priors, files[number]) for number in numbers)
    spent = sum(float(pl.read_parquet_metadata(file)["seconds"]) for file in files)
    setting.spent.wall += spent / setting.jobs
    return pl.concat([pl.read_parquet(file) for file in files])


def _write_metrics(study: Study, number: int, priors: Sequence[EffectPriorModel], path: Path) -> None:
    if not path.exists():
        started = time.monotonic()
        found = study.metrics(number, priors)
        with atomic_write(path) as aside:
            found.write_parquet(aside, metadata={"seconds": str(time.monotonic() - started)})

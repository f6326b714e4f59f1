"""Whether the lead over elastic net holds on genes that nothing was chosen on.

    python -m benchmarks.other_genes --source FOLDER --examples FOLDER [--every N] [--jobs J]

The constants of the distance prior, and which models `ensemble` averages, were chosen on genes of the
benchmark cohort. The study's example files (Debian package `qtltools-example`: `genotypes.chr22.vcf.gz` and
`genes.50percent.chr22.bed.gz`, GRCh37) hold the same people and some 300 genes of chromosome 22 more.
`--source` is the benchmark cohort's folder: its covariates are used, its genes are left out. Models of
dosages only, as no FASTA of GRCh37 is at hand. Writes `benchmarks/results/other_genes.md`.
"""

import argparse
import gzip
import os
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from benchmarks.cohort import benchmark_cohort
from benchmarks.tables import lead_lines
from haploscribe.arrays import Float64Array
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.registry import estimator_factories
from haploscribe.evaluation.cross_validation import evaluate_gene
from haploscribe.evaluation.folds import make_folds
from haploscribe.evaluation.metrics import gene_metrics
from haploscribe.expression.covariates import read_covariates
from haploscribe.expression.genes import Gene
from haploscribe.expression.table import read_expression
from haploscribe.genome.variants import dosages, open_variants
from haploscribe.options import DEFAULT_WINDOW

TABLE = Path(__file__).parent / "results" / "other_genes.md"
MODELS = (
    "elastic-net",
    "top-snp",
    "lasso",
    "blup",
    "blup-distance",
    "susie",
    "adaptive-shrinkage",
    "ensemble",
)


def read_genes(path: Path) -> tuple[list[Gene], tuple[str, ...], Float64Array]:
    """Read the example table: chr, start, end, gene, length, strand, and a column a person.

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


def fitted_metrics(
    gene: Gene, rpkm: Float64Array, sample_ids: tuple[str, ...], genotypes: Path, covariates: Path
) -> pl.DataFrame | None:
    """Cross-validate one gene as the main benchmark does; None where its window holds no variant."""
    half = DEFAULT_WINDOW // 2
    with open_variants(genotypes) as reader:
        start, end = max(0, gene.tss - half), gene.tss + half
        positions, copies = dosages(reader.read(gene.contig, start, end, sample_ids))
    if not positions.size:
        return None
    with threadpool_limits(1):
        predictions = evaluate_gene(
            GeneInputs(gene, sample_ids, positions, copies),
            rpkm,
            read_covariates(covariates).take_samples(sample_ids).values,
            make_folds(sample_ids, 5, 0),
            estimators=estimator_factories(MODELS, 0),
            normalisation="inverse-normal",
        )
    return gene_metrics(predictions, {gene.gene_id: len(positions)})


def all_metrics(arguments: argparse.Namespace, covariates: Path, known: Sequence[str]) -> pl.DataFrame:
    """Measure every gene that is not among the known ones."""
    genes, sample_ids, rpkm = read_genes(arguments.examples / "genes.50percent.chr22.bed.gz")
    genotypes = arguments.examples / "genotypes.chr22.vcf.gz"
    chosen = [i for i, gene in enumerate(genes) if gene.gene_id not in set(known)][:: arguments.every]
    found: list[pl.DataFrame | None] = Parallel(n_jobs=arguments.jobs)(
        delayed(fitted_metrics)(genes[i], rpkm[i], sample_ids, genotypes, covariates) for i in chosen
    )
    return pl.concat([table for table in found if table is not None])


def main() -> None:
    """Run the benchmark and write its table."""
    parser = argparse.ArgumentParser(description="Genes that nothing was chosen on.")
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--examples", type=Path, required=True)
    parser.add_argument("--every", type=int, default=1, help="take every N-th gene only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--table", type=Path, default=TABLE)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cohort = benchmark_cohort(arguments.source, Path(folder))
        assert cohort.covariates is not None
        known = [gene.gene_id for gene in read_expression(cohort.expression).genes]
        metrics = all_metrics(arguments, cohort.covariates, known)
    lines = [
        "# Genes that nothing was chosen on",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, `python -m benchmarks.other_genes --source FOLDER --examples FOLDER "
        f"--every {arguments.every}`.",
        "",
        f"{metrics['gene_id'].n_unique()} genes of chromosome 22 outside the 300 of the benchmark cohort, "
        "the same 358 people, 5 folds, covariates and window. r is the mean over folds of Pearson's "
        "correlation in held-out people; paired p is Wilcoxon's signed-rank test "
        "across genes against elastic net, two-sided. The expression PCs come with the data and were made "
        "from all people.",
        "",
        *lead_lines(metrics),
        "",
    ]
    arguments.table.parent.mkdir(parents=True, exist_ok=True)
    arguments.table.write_text("\n".join(lines))
    print(arguments.table.read_text())


if __name__ == "__main__":
    main()

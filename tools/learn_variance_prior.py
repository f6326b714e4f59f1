"""Learn the variance prior that ships with the package, and print it.

    python tools/learn_variance_prior.py --source FOLDER

FOLDER is the benchmark cohort's, as for `benchmarks accuracy`: all its samples, and its genes at least
1 Mb from every gene of the bundled example, so that the example's figures owe the prior nothing.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.common.cohort import benchmark_cohort
from haploscribe.cohort.cohort import open_cohort
from haploscribe.estimators.cross_gene.effect_prior import HasemanElstonMoments, variance_moments
from haploscribe.estimators.inputs import gene_inputs
from haploscribe.evaluation.cross_gene import far_genes
from haploscribe.examples.cohort import example_cohort
from haploscribe.expression.normalise import prepare
from haploscribe.expression.table import read_expression


def main() -> None:
    """Print the weights of the default prior and what they mean."""
    parser = argparse.ArgumentParser(description="Learn the variance prior that ships with the package.")
    parser.add_argument("--source", type=Path, required=True)
    arguments = parser.parse_args()
    with example_cohort() as bundled:
        in_example = {gene.gene_id for gene in read_expression(bundled.expression).genes}
    total, n_genes = HasemanElstonMoments.none(), 0
    with tempfile.TemporaryDirectory() as folder:
        options = benchmark_cohort(arguments.source, Path(folder))
        with open_cohort(options, Path(folder)) as cohort:
            # By name: the example's contig is cut out of the chromosome, and counts from there.
            example = [gene for gene in cohort.genes if gene.gene_id in in_example]
            everyone = np.ones(len(cohort.match.shared), dtype=np.bool_)
            for gene, values in zip(cohort.genes, cohort.values, strict=True):
                if far_genes(example, gene).all():
                    inputs = gene_inputs(cohort, gene, None)
                    expression = prepare(values, cohort.covariates, everyone, "inverse-normal")
                    total += variance_moments(inputs.dosages, inputs.distances(), expression)
                    n_genes += 1
    prior = total.prior()
    assert prior is not None
    print(f"{n_genes} genes")
    print(tuple(float(f"{weight:.4g}") for weight in prior.weights))
    distances = np.array([-1e5, -3e4, -1e4, -3e3, -1e3, -1.0, 0.0, 1e3, 3e3, 1e4, 3e4, 1e5])
    print(pl.DataFrame({"distance": distances, "variance": prior.variances(distances).round(4)}))


if __name__ == "__main__":
    main()

"""Genes with fitted models, made to be exported."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.linear.blup import DosageBlup
from haploscribe.estimators.linear.elastic_net import ElasticNet
from haploscribe.expression.genes import Gene
from haploscribe.utils.types import Float32Array, Float64Array
from haploscribe.workflows.export.weights import GeneVariants, GeneWeights, ModelWeights

N_SAMPLES = 150
ALLELES = [("A", "G"), ("C", "T"), ("G", "GTT"), ("CAT", "C")]


@dataclass(frozen=True)
class Fitted:
    """What is exported of a gene, and what its models predict for their training samples."""

    gene: GeneWeights
    dosages: Float32Array
    predicted: dict[str, Float64Array]


def fitted_gene(
    seed: int, gene_id: str = "ENSG00000100181.22", n_variants: int = 15, contig: str = "chr22"
) -> Fitted:
    """Fit elastic net and BLUP to a simulated gene, three of whose variants matter."""
    rng = np.random.default_rng(seed)
    frequencies = rng.uniform(0.1, 0.6, n_variants)
    dosages = rng.binomial(2, frequencies, (N_SAMPLES, n_variants)).astype(np.float32)
    dosages[:, 1] = np.where(rng.random(N_SAMPLES) < 0.8, dosages[:, 0], dosages[:, 1])  # LD
    expression = dosages[:, :3] @ np.array([0.6, -0.4, 0.5]) + rng.normal(size=N_SAMPLES) + 3.0
    positions = np.sort(rng.choice(10**6, n_variants, replace=False)) + 16_000_000
    inputs = GeneInputs(
        Gene(gene_id, contig, int(positions[5]), "-"),
        tuple(f"sample-{i}" for i in range(N_SAMPLES)),
        positions,
        dosages,
    )
    models = {
        "elastic-net": ElasticNet().fit(inputs, expression),
        "blup": DosageBlup().fit(inputs, expression),
    }
    weights = tuple(
        ModelWeights(name, model.coefficients_, model.intercept_, 0.1 + i / 10, 0.01 / (i + 1), 0.02)
        for i, (name, model) in enumerate(models.items())
    )
    variants = GeneVariants(
        positions=positions,
        identifiers=tuple(f"rs{position}" if i % 5 else "." for i, position in enumerate(positions)),
        refs=tuple(ALLELES[i % 4][0] for i in range(n_variants)),
        alts=tuple(ALLELES[i % 4][1] for i in range(n_variants)),
        frequencies=dosages.mean(axis=0, dtype=np.float64) / 2,
        covariance=np.cov(dosages.astype(np.float64), rowvar=False),
    )
    gene = GeneWeights(
        gene_id, "TOMM22", contig, inputs.gene.tss, N_SAMPLES, n_variants + 7, variants, weights
    )
    return Fitted(gene, dosages, {name: model.predict(inputs) for name, model in models.items()})


def simple_gene(
    gene_id: str = "ENSG1",
    gene_name: str = "ONE",
    identifiers: Sequence[str] = ("rs1", "rs2"),
    positions: Sequence[int] = (99, 199),
    alts: Sequence[str] | None = None,
    weights: Sequence[float] | None = None,
    contig: str = "22",
) -> GeneWeights:
    """Make a gene with one model, `blup`, that gives each variant a weight."""
    n = len(identifiers)
    variants = GeneVariants(
        np.array(positions),
        tuple(identifiers),
        ("A",) * n,
        ("G",) * n if alts is None else tuple(alts),
        np.full(n, 0.25),
        np.eye(n) + 0.125,
    )
    values = np.arange(1.0, n + 1) if weights is None else np.array(weights, dtype=np.float64)
    model = ModelWeights("blup", values, 0.5, 0.3, 0.01, 0.02)
    return GeneWeights(gene_id, gene_name, contig, 150, 80, n, variants, (model,))


def twas_z(predicted: Float64Array, phenotype: Float64Array) -> float:
    """Correlate predicted expression with a phenotype, as a z-score: r · √(n − 1)."""
    return float(np.corrcoef(predicted, phenotype)[0, 1] * np.sqrt(len(phenotype) - 1))


def gwas_z(dosages: Float32Array, phenotype: Float64Array) -> Float64Array:
    """Give the z-score of each variant alone, float64 `(n_variants,)`."""
    return np.array([twas_z(column.astype(np.float64), phenotype) for column in dosages.T])

"""Genes of the benchmark cohort, prepared plainly, as published pipelines do."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pysam
import pysam.bcftools
from scipy.special import ndtri

from haploscribe.arrays import Float32Array, Float64Array, Int64Array
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.expression.genes import Gene

HALF_WINDOW = 98_304
EXPRESSION_PCS = 25


@dataclass(frozen=True)
class RealGene:
    """One gene of real people: inputs, RPKM and the covariates `(n_samples, 28)`."""

    inputs: GeneInputs
    rpkm: Float64Array
    covariates: Float64Array

    def normalised(self, train: Int64Array, test: Int64Array) -> tuple[Float64Array, Float64Array]:
        """Inverse-normal expression, residual on covariates; both maps learned from `train` alone."""
        ranks = np.arange(1, len(train) + 1)
        normal = np.asarray(ndtri((ranks - 0.5) / len(train)))
        expression = np.interp(self.rpkm, np.sort(self.rpkm[train]), normal)
        design = np.column_stack([np.ones(len(self.rpkm)), self.covariates])
        residual = expression - design @ np.linalg.lstsq(design[train], expression[train])[0]
        return residual[train], residual[test]


def _covariates(path: Path, sample_ids: list[str]) -> Float64Array:
    header, *rows = (line.split() for line in path.read_text().splitlines())
    places = [header.index(sample_id) for sample_id in sample_ids]
    kept = [row for row in rows if row[0].startswith("genotype")]
    kept += [row for row in rows if row[0].startswith("expression")][:EXPRESSION_PCS]
    return np.array([[float(row[place]) for place in places] for row in kept]).T


def _variants(vcf: Path) -> list[tuple[int, Float32Array]]:
    """0-based position and dosages, float32 `(n_samples,)`, of biallelic phased records, by bcftools."""
    found = []
    for line in str(pysam.bcftools.query("-f", "%POS\t[%GT]\n", str(vcf))).splitlines():
        position, calls = line.split("\t")
        alleles = np.frombuffer(calls.replace("|", "").encode(), dtype=np.uint8).reshape(-1, 2)
        assert set(calls) <= set("01|")
        found.append((int(position) - 1, (alleles == ord("1")).sum(axis=1).astype(np.float32)))
    return found


def real_genes(cohort: Path, n_genes: int, half_window: int = HALF_WINDOW) -> list[RealGene]:
    """Genes evenly spaced among those above 0.1 RPKM in half the people and with 50 variants or more."""
    with gzip.open(cohort / "expression.rpkm.bed.gz", "rt") as lines:
        header, *rows = (line.rstrip("\n").split("\t") for line in lines)
    sample_ids = header[6:]
    vcf = cohort / "genotypes.vcf.gz"
    with pysam.VariantFile(str(vcf)) as file:
        order = [list(file.header.samples).index(sample_id) for sample_id in sample_ids]
    variants = _variants(vcf)
    positions = np.array([start for start, _ in variants])
    covariates = _covariates(cohort / "covariates.txt", sample_ids)
    found = []
    for row in rows:
        rpkm = np.array(row[6:], dtype=np.float64)
        gene = Gene(row[3], row[0], int(row[2]) - 1)
        first, last = np.searchsorted(positions, [gene.tss - half_window, gene.tss + half_window])
        if np.mean(rpkm > 0.1) >= 0.5 and last - first >= 50:
            found.append((gene, rpkm, int(first), int(last)))
    chosen = [found[int(place)] for place in np.linspace(0, len(found) - 1, n_genes)]
    return [
        RealGene(
            GeneInputs(
                gene,
                tuple(sample_ids),
                positions[first:last].astype(np.int64),
                np.array([dosages for _, dosages in variants[first:last]]).T[order],
            ),
            rpkm,
            covariates,
        )
        for gene, rpkm, first, last in chosen
    ]

"""Weights of real genes, given back to real people by plink2 and R."""

import sqlite3
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest

from haploscribe.estimators.linear.blup import DosageBlup
from haploscribe.estimators.linear.elastic_net import ElasticNet
from haploscribe.interpret.association import marginal_association
from haploscribe.utils.types import Float64Array
from haploscribe.workflows.export.fusion import write_fusion
from haploscribe.workflows.export.predictdb import write_predictdb
from haploscribe.workflows.export.weights import GeneVariants, GeneWeights, ModelWeights
from tests.fixtures.exported import Fitted
from tests.fixtures.peers import require_program
from tests.fixtures.r_session import r_session
from tests.fixtures.real_genes import RealGene, real_genes

pytestmark = [pytest.mark.shared, pytest.mark.slow]


def fit(real: RealGene, vcf: pysam.VariantFile) -> Fitted:
    """Fit both models to all people; the VCF's records and the inputs' columns are the same."""
    inputs, everyone = real.inputs, np.arange(len(real.rpkm))
    expression = real.normalised(everyone, everyone)[0]
    positions = inputs.positions
    records = list(vcf.fetch(inputs.gene.contig, positions[0], positions[-1] + 1))
    assert [record.start for record in records] == positions.tolist()
    models = {
        "elastic-net": ElasticNet().fit(inputs, expression),
        "blup": DosageBlup().fit(inputs, expression),
    }
    association = marginal_association(inputs.dosages, expression)
    t = association.slope / association.standard_error
    gene = GeneWeights(
        inputs.gene,
        len(everyone),
        len(records),
        GeneVariants(
            positions,
            tuple(record.id or "." for record in records),
            tuple(record.ref for record in records),
            tuple(record.alts[0] for record in records),
            inputs.dosages.mean(axis=0, dtype=np.float64) / 2,
            np.cov(inputs.dosages.astype(np.float64), rowvar=False),
        ),
        tuple(
            ModelWeights(name, model.coefficients_, model.intercept_, 0.2, 0.01, 0.02)
            for name, model in models.items()
        ),
        marginal_scores=t / np.sqrt(t**2 + len(everyone) - 2) * np.sqrt(len(everyone) - 1),
    )
    return Fitted(gene, inputs.dosages, {name: model.predict(inputs) for name, model in models.items()})


@pytest.fixture(scope="module")
def reals(shared_cohort: Path) -> list[RealGene]:
    return real_genes(shared_cohort, 3)


@pytest.fixture(scope="module")
def genes(reals: list[RealGene], shared_cohort: Path) -> list[Fitted]:
    with pysam.VariantFile(str(shared_cohort / "genotypes.vcf.gz")) as vcf:
        return [fit(real, vcf) for real in reals]


def plink2_scores(
    vcf: Path, weights: pd.DataFrame, sample_ids: tuple[str, ...], folder: Path
) -> Float64Array:
    plink2 = require_program("plink2")
    weights.to_csv(folder / "weights", sep="\t", index=False)
    score = ["--score", "weights", "1", "2", "3", "header", "cols=scoresums"]
    command = [plink2, "--vcf", str(vcf), "--threads", "1", *score, "--out", "x"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    table = pd.read_csv(folder / "x.sscore", sep="\t")
    of_sample = dict(zip(table["#IID"], table.iloc[:, -1], strict=True))
    return np.array([of_sample[sample_id] for sample_id in sample_ids])


def test_plink2_gives_people_our_predictions(
    genes: list[Fitted], reals: list[RealGene], shared_cohort: Path, tmp_path: Path
) -> None:
    write_predictdb(tmp_path / "x.db", (fitted.gene for fitted in genes), "blup", "b38")
    connection = sqlite3.connect(tmp_path / "x.db")
    table = pd.read_sql_query("SELECT rsid, eff_allele, weight, gene FROM weights", connection)
    connection.close()
    for fitted, real in zip(genes, reals, strict=True):
        weights = table[table["gene"] == fitted.gene.gene.gene_id].drop(columns="gene")
        vcf = shared_cohort / "genotypes.vcf.gz"
        scores = plink2_scores(vcf, weights, real.inputs.sample_ids, tmp_path)
        expected = fitted.predicted["blup"] - fitted.gene.weights_of("blup").intercept
        np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)  # plink2 prints six digits


def test_r_gives_people_our_predictions_from_each_model(genes: list[Fitted], tmp_path: Path) -> None:
    write_fusion(tmp_path / "out", (fitted.gene for fitted in genes), "LCL", "b38")
    for place, fitted in enumerate(genes, start=1):
        fitted.dosages.astype(np.float64).T.tofile(tmp_path / "dosages")
        script = f"""
        wgtlist <- read.table("out/LCL.pos", head = TRUE, as.is = TRUE)
        load(file.path("out", wgtlist$WGT[{place}]))
        x <- matrix(readBin("dosages", "double", 1e8), ncol = nrow(snps))
        x <- scale(x, haploscribe$dosage.mean, haploscribe$dosage.sd)
        y <- sweep(x %*% wgt.matrix[, 1:2], 2, haploscribe$intercept, "+")
        stopifnot(identical(wgtlist$ID[{place}], "{fitted.gene.gene.gene_id}"))
        writeBin(as.vector(y), "predicted")
        """
        r_session(script, tmp_path)
        predicted = np.fromfile(tmp_path / "predicted").reshape(2, -1)
        expected = [fitted.predicted["elastic-net"], fitted.predicted["blup"]]
        np.testing.assert_allclose(predicted, expected, rtol=0, atol=1e-9)


def test_plink2_finds_the_same_marginal_associations(
    genes: list[Fitted], reals: list[RealGene], shared_cohort: Path, tmp_path: Path
) -> None:
    plink2 = require_program("plink2")
    real, everyone = reals[0], np.arange(len(reals[0].rpkm))
    expression = real.normalised(everyone, everyone)[0]
    ids = real.inputs.sample_ids
    pd.DataFrame({"#IID": ids, "y": expression}).to_csv(tmp_path / "y", sep="\t", index=False)
    first, last = real.inputs.positions[[0, -1]] + 1
    region = ["--chr", "22", "--from-bp", str(first), "--to-bp", str(last)]
    glm = ["--pheno", "y", "--glm", "allow-no-covars", "omit-ref", "cols=chrom,pos,ref,alt,beta,se,p"]
    vcf = ["--vcf", str(shared_cohort / "genotypes.vcf.gz")]
    subprocess.run([plink2, *vcf, *region, *glm, "--out", "x"], cwd=tmp_path, check=True, capture_output=True)
    table = pd.read_csv(tmp_path / "x.y.glm.linear", sep="\t")
    found = marginal_association(real.inputs.dosages, expression)
    np.testing.assert_allclose(found.slope, table["BETA"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.standard_error, table["SE"], rtol=1e-4)
    np.testing.assert_allclose(found.log10_p, np.log10(table["P"]), rtol=1e-4, atol=1e-5)

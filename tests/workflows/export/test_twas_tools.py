"""Exports read by the programs that they are for, from the weights to the association with a phenotype."""

import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pysam
import pytest
from scipy.stats import chi2, linregress

from haploscribe.config.finished_runs import CovarianceOptions, ExportOptions, PredictionOptions
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.examples.cohort import example_cohort
from haploscribe.results.tables import read_results
from haploscribe.utils.types import Float64Array
from haploscribe.workflows.export.covariance import export_covariance
from haploscribe.workflows.export.predictdb import SnpKey
from haploscribe.workflows.export.workflow import export_fusion, export_predictdb
from haploscribe.workflows.predict.workflow import predict
from haploscribe.workflows.run.workflow import run
from tests.fixtures.exported import query, twas_z
from tests.fixtures.peers import require_program
from tests.fixtures.twas_tools import TwasTools, make_twas_tools
from tests.fixtures.variants import only_file

pytestmark = pytest.mark.slow

GENES = ("ENSG00000128191.9", "ENSG00000099899.10", "ENSG00000183597.11")
CAUSAL = GENES[1]
MODELS = ("elastic-net", "blup")
HERE = WorkerOptions()
KEPT = {"AC", "AG", "CA", "CT", "GA", "GT", "TC", "TG"}
"""REF and ALT of the variants that FOCUS does not drop."""


@dataclass(frozen=True)
class Study:
    """A run, the people it was trained on, and a phenotype of theirs that one gene's expression moves.

    Attributes
    ----------
    cohort
        The example; two variants of three have an rsID, the others no name; every seventh is an insertion.
    results
        A run of three genes.
    variants
        One row per variant: position (1-based), ref, alt, rsid (its name in the exports) and varID.
    dosages
        Copies of ALT, `(n_samples, n_variants)`.
    predicted
        What `predict` says of the same people: columns sample_id, gene_id, model and predicted.
    phenotype
        `(n_samples,)`.
    """

    cohort: CohortOptions
    results: Path
    variants: pd.DataFrame
    dosages: Float64Array
    predicted: pl.DataFrame
    phenotype: Float64Array

    def expression(self, gene_id: str, model: str) -> Float64Array:
        """Predicted expression of a gene, `(n_samples,)`."""
        return _in_order(self.predicted, gene_id, model)

    def gwas(self, key: str, *, swapped: bool) -> pd.DataFrame:
        """A regression of the phenotype on each variant; every second one counts REF where `swapped`."""
        fits = [linregress(column, self.phenotype) for column in self.dosages.T]
        sign = np.where(np.arange(len(fits)) % 2, -1 if swapped else 1, 1)
        ref, alt = self.variants["ref"], self.variants["alt"]
        return pd.DataFrame(
            {
                "CHR": 22,
                "SNP": self.variants[key],
                "BP": self.variants["position"],
                "A1": np.where(sign > 0, alt, ref),
                "A2": np.where(sign > 0, ref, alt),
                "BETA": sign * [fit.slope for fit in fits],
                "Z": sign * [fit.rvalue * np.sqrt(len(self.phenotype) - 1) for fit in fits],
                "N": len(self.phenotype),
            }
        )

    def columns(self, names: Iterable[str], key: str = "rsid") -> Float64Array:
        """Dosages of variants by name."""
        places = {name: place for place, name in enumerate(self.variants[key])}
        return self.dosages[:, [places[name] for name in names]]


def _in_order(predicted: pl.DataFrame, gene_id: str, model: str) -> Float64Array:
    rows = predicted.filter(gene_id=gene_id, model=model).sort("sample_id")
    return rows["predicted"].to_numpy()


def write_genotypes(example: CohortOptions, path: Path) -> None:
    """Write the example's genotypes with names of both kinds, and insertions in place of some SNVs."""
    with (
        pysam.VariantFile(str(only_file(example.variants))) as read,
        pysam.VariantFile(str(path), "w", header=read.header) as written,
    ):
        for i, record in enumerate(read):
            record.id = f"rs{i}" if i % 3 else None
            if i % 7 == 0:
                record.alts = (f"{record.ref}TT",)
            written.write(record)
    pysam.tabix_index(str(path), preset="vcf")


def read_variants(path: Path) -> tuple[pd.DataFrame, Float64Array]:
    """Read variants, and dosages of people sorted by name; constant variants are left out."""
    rows, dosages = [], []
    with pysam.VariantFile(str(path)) as file:
        for record in file:
            assert record.alts is not None
            (alt,) = record.alts
            name = f"chr22_{record.pos}_{record.ref}_{alt}_b38"
            calls = [sum(map(int, record.samples[sample]["GT"])) for sample in sorted(file.header.samples)]
            if len(set(calls)) > 1:
                rows.append((record.pos, record.ref, alt, record.id or name, name))
                dosages.append(calls)
    columns = ["position", "ref", "alt", "rsid", "varID"]
    return pd.DataFrame(rows, columns=columns), np.array(dosages, dtype=np.float64).T


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> TwasTools:
    return make_twas_tools(tmp_path_factory.mktemp("modules"))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    folder = tmp_path_factory.mktemp("study")
    with example_cohort() as example:
        write_genotypes(example, folder / "genotypes.vcf.gz")
        cohort = replace(
            example, variants=folder / "genotypes.vcf.gz", genes=",".join(GENES), window=60_000, maf=0.05
        )
        evaluation = EvaluationOptions(models=MODELS, folds=2)
        run(cohort, BackboneOptions("kmer"), evaluation, folder / "results")
        asked = PredictionOptions(folder / "results" / "models", cohort.variants, cohort.reference)
        predict(asked, HERE, folder / "predicted.parquet")
        predicted = pl.read_parquet(folder / "predicted.parquet")
        causal = _in_order(predicted, CAUSAL, "elastic-net")
        noise = np.random.default_rng(0).normal(size=len(causal))
        variants, dosages = read_variants(folder / "genotypes.vcf.gz")
        phenotype = (causal - causal.mean()) / causal.std() + noise
        yield Study(cohort, folder / "results", variants, dosages, predicted, phenotype)


def options(study: Study, *models: str) -> ExportOptions:
    return ExportOptions(study.results, "b38", models, min_r=0.0, max_p=1.0, keep_r2=1.0)


@pytest.fixture(scope="module")
def exported(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the databases of both models and FUSION's files of both, in `weights`."""
    folder = tmp_path_factory.mktemp("exported")
    for model in MODELS:
        export_predictdb(options(study, model), HERE, folder / f"{model}.db")
    export_fusion(options(study, *MODELS), HERE, folder / "weights", "LCL")
    return folder


def s_predixcan(tools: TwasTools, database: Path, gwas: pd.DataFrame, out: Path, *more: object) -> None:
    """Run it on a GWAS, whose names need not be rsIDs."""
    gwas.to_csv(out.with_suffix(".gwas"), sep="\t", index=False)
    tools.pytwas(
        *("spredixcan", "--model_db_path", database, "--covariance", database.with_suffix(".txt.gz")),
        *("--gwas_file", out.with_suffix(".gwas"), "--snp_column", "SNP", "--effect_allele_column", "A1"),
        *("--non_effect_allele_column", "A2", "--zscore_column", "Z", "--beta_column", "BETA"),
        *("--keep_non_rsid", *more, "--output_file", out),
        folder=out.parent,
    )


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("snp_key", ["rsid", "varID"])
def test_s_predixcan_finds_the_association_of_predicted_expression(
    tools: TwasTools, study: Study, tmp_path: Path, snp_key: SnpKey, *, swapped: bool
) -> None:
    export_predictdb(options(study, "elastic-net"), HERE, tmp_path / "lcl.db", snp_key)
    gwas = study.gwas(snp_key, swapped=swapped)
    key = ("--model_db_snp_key", snp_key)
    s_predixcan(tools, tmp_path / "lcl.db", gwas, tmp_path / "found.csv", *key)
    found = pd.read_csv(tmp_path / "found.csv").set_index("gene")
    assert set(found.index) == set(GENES)
    metrics = read_results(study.results).metrics
    for gene_id, row in found.iterrows():
        expression = study.expression(str(gene_id), "elastic-net")
        assert row["zscore"] == pytest.approx(twas_z(expression, study.phenotype), abs=1e-5)  # z as float32
        slope = linregress(expression, study.phenotype).slope
        assert row["effect_size"] == pytest.approx(slope, rel=1e-6)
        assert row["var_g"] == pytest.approx(expression.var(ddof=1), rel=1e-6)
        assert row["n_snps_used"] == row["n_snps_in_model"] == row["n_snps_in_cov"] > 1
        (r,) = metrics.filter(gene_id=gene_id, model="elastic-net")["pearson_r"]
        assert row["pred_perf_r2"] == pytest.approx(max(r, 0) ** 2)


def test_s_multixcan_finds_what_both_models_explain_together(
    tools: TwasTools, study: Study, exported: Path, tmp_path: Path
) -> None:
    """Its statistic z'R⁻¹z is (n − 1) R² of the phenotype's regression on both predictions."""
    databases = [exported / f"{model}.db" for model in MODELS]
    for folder in ("models", "found"):
        (tmp_path / folder).mkdir()
    for model, database in zip(MODELS, databases, strict=True):
        (tmp_path / "models" / database.name).symlink_to(database)
        gwas = study.gwas("rsid", swapped=True)
        s_predixcan(tools, database, gwas, tmp_path / "found" / f"{model}.csv")
    joint = CovarianceOptions(tmp_path / "models", study.cohort.variants)
    export_covariance(joint, tmp_path / "joint.txt.gz")
    tools.pytwas(
        *("smultixcan", "--models_folder", "models", "--snp_covariance", "joint.txt.gz"),
        *("--spredixcan_folder", "found", "--cutoff_condition_number", "1e6", "--output", "joint.txt"),
        folder=tmp_path,
    )
    found = pd.read_csv(tmp_path / "joint.txt", sep="\t").set_index("gene")
    assert set(found.index) == set(GENES)
    phenotype = study.phenotype - study.phenotype.mean()
    for gene_id, row in found.iterrows():
        both = np.column_stack([study.expression(str(gene_id), model) for model in MODELS])
        both -= both.mean(axis=0)
        fitted = both @ np.linalg.lstsq(both, phenotype)[0]
        statistic = (len(phenotype) - 1) * (fitted @ fitted) / (phenotype @ phenotype)
        assert row["n_indep"] == 2
        assert np.log(row["pvalue"]) == pytest.approx(np.log(chi2.sf(statistic, 2)), abs=1e-3)


PREDIXCAN = """
import pandas as pd, pytwas
model = pytwas.load_model("DATABASE", snp_key="varID")
dosages = pd.read_csv("dosages.tsv", sep="\\t", index_col=0)
alleles = pd.read_csv("alleles.tsv", sep="\\t", index_col=0)
phenotype = pd.read_csv("phenotype.tsv", sep="\\t", index_col=0)["y"]
pytwas.predict_expression(model, dosages, dosage_alleles=alleles).to_csv("predicted.tsv", sep="\\t")
pytwas.predixcan(model, dosages, phenotype, dosage_alleles=alleles, output_file="association.csv")
"""


@pytest.mark.parametrize("model", MODELS)
def test_predixcan_predicts_people_as_we_do(
    tools: TwasTools, study: Study, exported: Path, tmp_path: Path, model: str
) -> None:
    """Predictions lack the intercept; a swapped variant's dosage is that of REF."""
    swapped = np.arange(len(study.variants)) % 2 == 1
    names, ref, alt = (study.variants[column] for column in ("varID", "ref", "alt"))
    dosages = np.where(swapped, 2 - study.dosages, study.dosages)
    pd.DataFrame(dosages, columns=names).to_csv(tmp_path / "dosages.tsv", sep="\t")
    alleles = {"effect_allele": np.where(swapped, ref, alt), "non_effect_allele": np.where(swapped, alt, ref)}
    pd.DataFrame(alleles, index=names).to_csv(tmp_path / "alleles.tsv", sep="\t")
    pd.DataFrame({"y": study.phenotype}).to_csv(tmp_path / "phenotype.tsv", sep="\t")
    database = exported / f"{model}.db"
    tools.script(PREDIXCAN.replace("DATABASE", str(database)), tmp_path)
    predicted = pd.read_csv(tmp_path / "predicted.tsv", sep="\t")
    association = pd.read_csv(tmp_path / "association.csv").set_index("gene")
    intercepts = query(database, "SELECT gene, intercept FROM extra").set_index("gene")["intercept"]
    assert set(association.index) == set(GENES)
    for gene_id in GENES:
        expression = study.expression(gene_id, model)
        np.testing.assert_allclose(predicted[gene_id] + intercepts[gene_id], expression, rtol=0, atol=1e-9)
        fit = linregress(expression, study.phenotype)
        assert association.loc[gene_id, "effect"] == pytest.approx(fit.slope, rel=1e-6)
        assert association.loc[gene_id, "zscore"] == pytest.approx(fit.slope / fit.stderr, rel=1e-6)


@pytest.fixture(scope="module")
def ld_reference(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prefix of PLINK files of the study's people."""
    plink2 = require_program("plink2")
    prefix = tmp_path_factory.mktemp("ld") / "ld"
    command = [plink2, "--vcf", str(study.cohort.variants), "--threads", "1"]
    names = ["--set-missing-var-ids", "chr@_#_$r_$a_b38"]
    subprocess.run([*command, *names, "--make-bed", "--out", str(prefix)], check=True, capture_output=True)
    return prefix


def kept_by_focus(weights: pd.DataFrame) -> pd.DataFrame:
    """Leave out A/T and C/G variants and indels."""
    return weights[(weights["ref_allele"] + weights["eff_allele"]).isin(KEPT)]


def focus_database(path: Path) -> pd.DataFrame:
    """Every weight in FOCUS's database, with its gene."""
    return query(
        path,
        "SELECT ens_gene_id AS gene, snp, pos, effect_allele, alt_allele, effect, ref_name, tissue "
        "FROM weight JOIN model ON model.id = model_id JOIN molecularfeature ON molecularfeature.id = mol_id "
        "JOIN refpanel ON refpanel.id = ref_id",
    )


def finemap(
    tools: TwasTools, study: Study, ld_reference: Path, database: Path, *more: object
) -> pd.DataFrame:
    """Fine-map the study's GWAS with FOCUS; return its table without the null model, by gene."""
    folder = database.parent
    study.gwas("rsid", swapped=True).to_csv(folder / "gwas.tsv", sep="\t", index=False)
    panel = ("--chr", 22, "--locations", "38:EUR")
    tools.focus(
        "finemap", "gwas.tsv", ld_reference, database, *panel, *more, "--output", "lcl", folder=folder
    )
    found = pd.read_csv(folder / "lcl.focus.tsv", sep="\t").set_index("ens_gene_id")
    assert "NULL.MODEL" in found.index
    return found.drop(index="NULL.MODEL")


IMPORT = ("--tissue", "lcl", "--name", "geuvadis", "--assay", "rnaseq")


def test_focus_reads_a_predictdb_database(
    tools: TwasTools, study: Study, exported: Path, ld_reference: Path, tmp_path: Path
) -> None:
    tools.focus(
        "import", exported / "elastic-net.db", "predixcan", *IMPORT, "--output", "focus", folder=tmp_path
    )
    weights = query(exported / "elastic-net.db", "SELECT * FROM weights")
    theirs = focus_database(tmp_path / "focus.db")
    both = weights.merge(theirs, left_on=["gene", "rsid"], right_on=["gene", "snp"], validate="1:1")
    assert len(both) == len(weights) == len(theirs)
    np.testing.assert_array_equal(both["effect"], both["weight"])
    assert (both["effect_allele"] == both["eff_allele"]).all()
    assert (both["alt_allele"] == both["ref_allele"]).all()
    assert (both["pos"].astype(str) == both["varID"].str.split("_").str[1]).all()
    assert set(both["ref_name"] + " " + both["tissue"]) == {"geuvadis lcl"}

    found = finemap(tools, study, ld_reference, tmp_path / "focus.db")
    assert set(found.index) == set(GENES)
    for gene_id, row in found.iterrows():
        kept = kept_by_focus(weights[weights["gene"] == gene_id])
        dosages, w = study.columns(kept["rsid"]), kept["weight"].to_numpy()
        z = np.array([twas_z(column, study.phenotype) for column in dosages.T])
        correlation = np.corrcoef(dosages, rowvar=False) + 0.1 * np.eye(len(w))  # FOCUS's --ridge-term
        expected = w @ z / np.sqrt(w @ correlation @ w)
        assert row["twas_z_pop1"] == pytest.approx(expected, rel=6e-3)  # FOCUS writes three digits
    assert found["pips_pop1"].between(0, 1).all()
    assert found["pips_pop1"].idxmax() == CAUSAL
    assert found.loc[CAUSAL, "in_cred_set_pop1"] == 1


def test_focus_finds_the_association_of_predicted_expression_from_fusion_files(
    tools: TwasTools, study: Study, exported: Path, ld_reference: Path, tmp_path: Path
) -> None:
    """Their weights are of scaled dosages, as FOCUS's statistic wants them; PredictDB's are not."""
    tools.focus(
        *(
            "import",
            "LCL.pos",
            "fusion",
            *IMPORT,
            "--use-ens-id",
            "--from-gencode",
            "--output",
            tmp_path / "focus",
        ),
        folder=exported / "weights",
    )
    theirs = focus_database(tmp_path / "focus.db")
    metrics = read_results(study.results).metrics.sort("pearson_r", descending=True)
    best = {gene_id: metrics.filter(gene_id=gene_id)["model"][0] for gene_id in GENES}
    dropped = pl.read_csv(exported / "weights" / "LCL.dropped.tsv", separator="\t")
    found = finemap(tools, study, ld_reference, tmp_path / "focus.db", "--ridge-term", 0)
    assert set(found.index) == set(GENES)
    for gene_id, row in found.iterrows():
        model = best[str(gene_id)]
        weights = query(exported / f"{model}.db", f"SELECT * FROM weights WHERE gene = '{gene_id}'")
        both = weights.merge(
            theirs[theirs["gene"] == gene_id], left_on="rsid", right_on="snp", validate="1:1"
        )
        assert row["inference_pop1"] == {"elastic-net": "enet"}.get(model, model)
        sd = study.columns(both["rsid"]).std(axis=0, ddof=1)
        np.testing.assert_allclose(both["effect"], both["weight"] * sd, rtol=1e-6)
        assert (both["effect_allele"] == both["eff_allele"]).all()
        kept = kept_by_focus(weights)
        expression = study.columns(kept["rsid"]) @ kept["weight"].to_numpy()
        (loss,) = dropped.filter(gene_id=gene_id, model=model).iter_rows(named=True)
        assert len(kept) == loss["n_weights"] - loss["n_dropped"] < len(weights)
        r = np.corrcoef(expression, study.expression(str(gene_id), model))[0, 1]
        assert loss["lost"] == pytest.approx(1 - r**2, abs=1e-6)
        assert row["twas_z_pop1"] == pytest.approx(twas_z(expression, study.phenotype), rel=6e-3)

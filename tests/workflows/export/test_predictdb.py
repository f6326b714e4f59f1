"""The PredictDB files, read back as MetaXcan reads them."""

import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haploscribe.errors import InputError
from haploscribe.workflows.export.predictdb import SnpKey, write_predictdb
from tests.fixtures.exported import Fitted, fitted_gene, gwas_z, query, read_covariance, simple_gene, twas_z
from tests.fixtures.peers import require_program

EXTRA = "gene, genename, `n.snps.in.model`, `pred.perf.R2`, `pred.perf.pval`, `pred.perf.qval`"


def read_weights(database: Path, key: str = "rsid") -> pd.DataFrame:
    """The query of MetaXcan's PredictionModel.py."""
    return query(database, f"SELECT {key} AS name, gene, weight, ref_allele, eff_allele FROM weights")


@pytest.fixture(scope="module")
def genes() -> list[Fitted]:
    return [fitted_gene(1, "ENSG1"), fitted_gene(2, "ENSG2", n_variants=9, contig="1")]


@pytest.mark.parametrize("model", ["elastic-net", "blup"])
def test_weights_predict_as_the_model_does(genes: list[Fitted], model: str, tmp_path: Path) -> None:
    write_predictdb(tmp_path / "x.db", (fitted.gene for fitted in genes), model, "b38")
    weights = read_weights(tmp_path / "x.db", "varID")
    intercepts = query(tmp_path / "x.db", "SELECT gene, intercept FROM extra").set_index("gene").intercept
    for fitted in genes:
        of_gene = weights[weights.gene == fitted.gene.gene.gene_id]
        positions = [int(name.split("_")[1]) - 1 for name in of_gene.name]
        dosages = fitted.dosages[:, np.searchsorted(fitted.gene.variants.positions, positions)]
        predicted = intercepts[fitted.gene.gene.gene_id] + dosages @ of_gene.weight.to_numpy()
        np.testing.assert_allclose(predicted, fitted.predicted[model], rtol=0, atol=1e-9)


def test_plink2_scores_people_with_them_as_the_model_does(genes: list[Fitted], tmp_path: Path) -> None:
    plink2 = require_program("plink2")
    fitted = genes[0]
    write_predictdb(tmp_path / "x.db", [fitted.gene], "elastic-net", "b38")
    columns = ["name", "eff_allele", "weight"]
    read_weights(tmp_path / "x.db", "varID")[columns].to_csv(tmp_path / "score", sep="\t", index=False)
    calls = np.array(["0/0", "0/1", "1/1"])[fitted.dosages.astype(int)]
    samples = [f"s{i}" for i in range(len(calls))]
    variants = fitted.gene.variants
    lines = [
        "##fileformat=VCFv4.2",
        "##contig=<ID=chr22>",
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="">',
    ]
    lines.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t" + "\t".join(samples))
    for i, (position, ref, alt) in enumerate(
        zip(variants.positions + 1, variants.refs, variants.alts, strict=True)
    ):
        name = f"chr22_{position}_{ref}_{alt}_b38"
        lines.append("\t".join(["chr22", str(position), name, ref, alt, ".", ".", ".", "GT", *calls[:, i]]))
    (tmp_path / "x.vcf").write_text("\n".join(lines) + "\n")
    subprocess.run(
        [
            plink2,
            "--vcf",
            "x.vcf",
            "--score",
            "score",
            "1",
            "2",
            "3",
            "header",
            "cols=scoresums",
            "--out",
            "x",
        ],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    scores = pd.read_csv(tmp_path / "x.sscore", sep="\t").iloc[:, -1].to_numpy()
    expected = fitted.predicted["elastic-net"] - fitted.gene.models[0].intercept
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)  # plink2 prints six digits


@pytest.mark.parametrize("snp_key", ["rsid", "varID"])
def test_s_predixcan_gives_the_z_of_individual_data(
    genes: list[Fitted], snp_key: SnpKey, tmp_path: Path
) -> None:
    """Σ w z σ / √(w'Σw), from the exported files and a GWAS, is the association of predicted expression."""
    fitted = genes[0]
    write_predictdb(tmp_path / "x.db", [fitted.gene], "elastic-net", "b38", snp_key)
    weights = read_weights(tmp_path / "x.db", snp_key)
    covariance = read_covariance(tmp_path / "x.db", "ENSG1", list(weights.name))
    phenotype = np.random.default_rng(0).normal(size=len(fitted.dosages))
    rows = np.flatnonzero(fitted.gene.models[0].weights)
    z = gwas_z(fitted.dosages[:, rows], phenotype)
    w = weights.weight.to_numpy()
    summary = np.sum(w * z * np.sqrt(np.diag(covariance))) / np.sqrt(w @ covariance @ w)
    assert summary == pytest.approx(twas_z(fitted.predicted["elastic-net"], phenotype), abs=1e-6)


def test_extra_says_how_the_model_did(genes: list[Fitted], tmp_path: Path) -> None:
    write_predictdb(tmp_path / "x.db", (fitted.gene for fitted in genes), "blup", "b38")
    extra = query(tmp_path / "x.db", f"SELECT {EXTRA} FROM extra ORDER BY gene")
    assert extra.to_numpy().tolist() == [
        ["ENSG1", "TOMM22", 15, pytest.approx(0.04), 0.005, 0.02],
        ["ENSG2", "TOMM22", 9, pytest.approx(0.04), 0.005, 0.02],
    ]
    assert query(tmp_path / "x.db", 'SELECT "n.snps.in.window" FROM extra').iloc[:, 0].tolist() == [
        22,
        16,
    ]
    assert query(tmp_path / "x.db", "SELECT * FROM sample_info").to_numpy().tolist() == [[150]]


def test_the_column_without_which_focus_imports_nothing_is_there(tmp_path: Path) -> None:
    write_predictdb(tmp_path / "x.db", [simple_gene()], "blup", "b38")
    assert query(tmp_path / "x.db", "SELECT gene_type FROM extra").gene_type.tolist() == [None]


def test_indexes_are_those_of_predictdb(tmp_path: Path) -> None:
    write_predictdb(tmp_path / "x.db", [simple_gene()], "blup", "b38")
    names = query(tmp_path / "x.db", "SELECT name FROM sqlite_master WHERE type = 'index' ORDER BY name").name
    assert names.tolist() == ["extra_gene", "weights_gene", "weights_rsid", "weights_rsid_gene"]


def test_weights_of_zero_and_genes_without_any_are_left_out_and_counted(tmp_path: Path) -> None:
    genes = [simple_gene("ENSG1", weights=(0, 2)), simple_gene("ENSG2", weights=(0, 0))]
    counts = write_predictdb(tmp_path / "x.db", genes, "blup", "b38")
    assert (counts.n_genes, counts.n_without_weights, counts.n_weights, counts.n_without_rsid) == (1, 1, 1, 0)
    assert read_weights(tmp_path / "x.db").to_numpy().tolist() == [["rs2", "ENSG1", 2.0, "A", "G"]]
    assert query(tmp_path / "x.db", "SELECT gene FROM extra").gene.tolist() == ["ENSG1"]


def test_a_name_has_the_same_alleles_in_all_genes(tmp_path: Path) -> None:
    genes = [
        simple_gene("ENSG1", identifiers=("rs1",), positions=(99,)),
        simple_gene("ENSG2", identifiers=("rs1", "rs1"), positions=(99, 99), alts=("T", "G")),
    ]
    counts = write_predictdb(tmp_path / "x.db", genes, "blup", "b38")
    assert read_weights(tmp_path / "x.db").name.tolist() == ["rs1", "chr22_100_A_T_b38", "rs1"]
    assert counts.n_without_rsid == 1


def test_the_same_genes_give_the_same_bytes(genes: list[Fitted], tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_predictdb(tmp_path / name / "x.db", (fitted.gene for fitted in genes), "blup", "b38")
    for file in ("x.db", "x.txt.gz"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_no_weights_at_all_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no gene has a weight other than 0 in blup"):
        write_predictdb(tmp_path / "x.db", [simple_gene(weights=(0, 0))], "blup", "b38")
    assert not list(tmp_path.iterdir())


def test_a_database_by_another_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"does not end in \.db"):
        write_predictdb(tmp_path / "x.sqlite", [simple_gene()], "blup", "b38")


def test_a_gene_that_comes_twice_is_our_fault(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ENSG1 comes twice"):
        write_predictdb(tmp_path / "x.db", [simple_gene(), simple_gene()], "blup", "b38")


odd_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None)
@given(gene_id=odd_text, gene_name=odd_text, identifiers=st.tuples(odd_text, odd_text))
def test_whatever_the_ids_readers_find_every_variant_and_gene(
    gene_id: str, gene_name: str, identifiers: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    database = tmp_path_factory.mktemp("odd") / "x.db"
    try:
        write_predictdb(database, [simple_gene(gene_id, gene_name, identifiers)], "blup", "b38")
    except InputError as error:
        assert "gene id" in str(error)  # noqa: PT017
        return
    weights = read_weights(database)
    assert weights.gene.tolist() == [gene_id] * 2
    np.testing.assert_array_equal(
        read_covariance(database, gene_id, weights.name.tolist()), np.eye(2) + 0.125
    )
    assert query(database, "SELECT genename FROM extra").genename.tolist() == [gene_name]

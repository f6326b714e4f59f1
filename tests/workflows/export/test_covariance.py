"""Covariances of the variants of several databases, held against numpy and PLINK."""

import sqlite3
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from haploscribe.config.finished_runs import CovarianceOptions
from haploscribe.errors import InputError
from haploscribe.utils.file_lists import Files
from haploscribe.workflows.export.covariance import export_covariance
from haploscribe.workflows.export.predictdb import SnpKey, write_predictdb
from haploscribe.workflows.export.weights import GeneWeights
from tests.fixtures.exported import query, simple_gene
from tests.fixtures.peers import require_program

POSITIONS = (99, 199, 299, 399)
N_SAMPLES = 40
SAMPLES = [f"s{i}" for i in range(N_SAMPLES)]


@pytest.fixture
def dosages() -> NDArray[np.int64]:
    return np.random.default_rng(3).binomial(2, 0.3, (len(POSITIONS), N_SAMPLES))


@pytest.fixture
def genotypes(dosages: NDArray[np.int64], tmp_path: Path) -> Path:
    """The variants of the databases, A to G, on the contig chr22; another name for it than theirs."""
    calls = np.array(["0/0", "1/0", "1/1"])[dosages]
    rows = [
        f"chr22\t{position + 1}\trs{i}\tA\tG\t.\t.\t.\tGT\t" + "\t".join(calls[i])
        for i, position in enumerate(POSITIONS)
    ]
    header = [
        "##fileformat=VCFv4.2",
        "##contig=<ID=chr22>",
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="">',
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t" + "\t".join(SAMPLES),
    ]
    path = tmp_path / "genotypes.vcf"
    path.write_text("\n".join([*header, *rows]) + "\n")
    return path


def gene(gene_id: str, *rows: int) -> GeneWeights:
    """A gene with weights of some of the variants."""
    return simple_gene(
        gene_id, identifiers=[f"rs{row}" for row in rows], positions=[POSITIONS[r] for r in rows]
    )


def write_database(path: Path, *genes: GeneWeights) -> Path:
    write_predictdb(path, genes, "blup", "b38")
    return path


def entries(path: Path, gene_id: str) -> dict[tuple[str, str], float]:
    table = pd.read_csv(path, sep=r"\s+")
    assert not table.duplicated(["GENE", "RSID1", "RSID2"]).any()
    return {(row.RSID1, row.RSID2): row.VALUE for row in table[table["GENE"] == gene_id].itertuples()}


@pytest.mark.parametrize("snp_key", ["rsid", "varID"])
def test_covariances_are_of_the_variants_of_all_databases(
    genotypes: Path, dosages: NDArray[np.int64], tmp_path: Path, snp_key: SnpKey
) -> None:
    one = write_database(tmp_path / "one.db", gene("ENSG2", 0), gene("ENSG1", 1, 2))
    two = write_database(tmp_path / "two.db", gene("ENSG1", 0, 2, 3))
    options = CovarianceOptions(Files([one, two]), genotypes)
    found = export_covariance(options, tmp_path / "joint.txt.gz", snp_key)
    assert (found.n_databases, found.n_genes, found.n_samples, found.n_variants) == (2, 2, N_SAMPLES, 5)
    names = [
        f"rs{i}" if snp_key == "rsid" else f"chr22_{position + 1}_A_G_b38"
        for i, position in enumerate(POSITIONS)
    ]
    expected = np.cov(dosages)
    assert entries(tmp_path / "joint.txt.gz", "ENSG1") == {
        (names[i], names[j]): pytest.approx(expected[i, j], rel=1e-8) for i in range(4) for j in range(i, 4)
    }
    assert list(pd.read_csv(tmp_path / "joint.txt.gz", sep=" ")["GENE"].unique()) == ["ENSG1", "ENSG2"]


def test_covariances_of_chosen_samples_are_plinks(
    genotypes: Path, dosages: NDArray[np.int64], tmp_path: Path
) -> None:
    plink2 = require_program("plink2")
    database = write_database(tmp_path / "one.db", gene("ENSG1", 0, 1, 2, 3))
    (tmp_path / "keep").write_text("\n".join(SAMPLES[5:30]) + "\n")
    arguments = (
        "--vcf",
        genotypes,
        "--keep",
        tmp_path / "keep",
        "--export",
        "A",
        "--out",
        tmp_path / "plink",
    )
    subprocess.run([plink2, *map(str, arguments)], check=True, capture_output=True)
    table = pd.read_csv(tmp_path / "plink.raw", sep="\t").iloc[:, 6:].to_numpy()  # copies of REF
    export_covariance(CovarianceOptions(database, genotypes, tmp_path / "keep"), tmp_path / "x.txt.gz")
    found = entries(tmp_path / "x.txt.gz", "ENSG1")
    expected = np.cov(table, rowvar=False)
    for (one, other), value in found.items():
        assert value == pytest.approx(expected[int(one[2:]), int(other[2:])], rel=1e-8)


def test_missing_calls_are_the_mean_of_the_others(
    genotypes: Path, dosages: NDArray[np.int64], tmp_path: Path
) -> None:
    lines = genotypes.read_text().splitlines()
    fields = lines[4].split("\t")
    fields[9] = fields[12] = "./."
    genotypes.write_text("\n".join([*lines[:4], "\t".join(fields), *lines[5:]]) + "\n")
    known = dosages[0].astype(float)
    known[[0, 3]] = np.delete(known, [0, 3]).mean()
    database = write_database(tmp_path / "one.db", gene("ENSG1", 0))
    export_covariance(CovarianceOptions(database, genotypes), tmp_path / "x.txt.gz")
    assert entries(tmp_path / "x.txt.gz", "ENSG1") == {
        ("rs0", "rs0"): pytest.approx(known.var(ddof=1), rel=1e-8)
    }


def test_variants_that_the_genotypes_lack_are_counted(genotypes: Path, tmp_path: Path) -> None:
    """Another allele at the same place is another variant."""
    other = replace(gene("ENSG2", 1, 2), variants=replace(gene("ENSG2", 1, 2).variants, alts=("C", "G")))
    elsewhere = simple_gene("ENSG3", identifiers=("rs8",), positions=(150,))
    database = write_database(tmp_path / "one.db", other, elsewhere)
    found = export_covariance(CovarianceOptions(database, genotypes), tmp_path / "x.txt.gz")
    assert (found.n_genes, found.n_variants, found.n_missing, found.n_genes_without) == (1, 1, 2, 1)
    assert list(entries(tmp_path / "x.txt.gz", "ENSG2")) == [("rs2", "rs2")]


def test_a_name_of_two_variants_is_refused(genotypes: Path, tmp_path: Path) -> None:
    one = write_database(tmp_path / "one.db", gene("ENSG1", 0))
    two = write_database(tmp_path / "two.db", simple_gene("ENSG1", identifiers=("rs0",), positions=(199,)))
    options = CovarianceOptions(Files([one, two]), genotypes)
    with pytest.raises(
        InputError, match=r"two\.db: at gene ENSG1, rs0 is chr22_200_A_G_b38, in another database"
    ):
        export_covariance(options, tmp_path / "x.txt.gz")
    assert not (tmp_path / "x.txt.gz").exists()
    export_covariance(options, tmp_path / "x.txt.gz", "varID")
    assert query(one, "SELECT varID FROM weights")["varID"].tolist() == ["chr22_100_A_G_b38"]


def test_a_database_by_others_is_read(genotypes: Path, tmp_path: Path) -> None:
    """It has the columns of PredictDB, and no more."""
    with sqlite3.connect(tmp_path / "gtex.db") as connection:
        connection.execute(
            "CREATE TABLE weights (gene TEXT, rsid TEXT, varID TEXT, ref_allele TEXT, weight REAL)"
        )
        connection.execute("INSERT INTO weights VALUES ('ENSG1', 'rs1', 'chr22_200_A_G_b38', 'A', 0.5)")
    connection.close()
    export_covariance(CovarianceOptions(tmp_path / "gtex.db", genotypes), tmp_path / "x.txt.gz")
    assert list(entries(tmp_path / "x.txt.gz", "ENSG1")) == [("rs1", "rs1")]

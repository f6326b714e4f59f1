"""Exports of some genes each, merged, are the export of all of them."""

import gzip
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from haploscribe.errors import InputError
from haploscribe.utils.file_lists import Files
from haploscribe.workflows.export.fusion import write_fusion
from haploscribe.workflows.export.merge import merge_exports
from haploscribe.workflows.export.predictdb import SnpKey, covariance_path, write_predictdb
from haploscribe.workflows.export.weights import GeneWeights
from tests.fixtures.exported import fitted_gene, query, read_covariance, simple_gene

P_VALUES = {"ENSG1": 0.01, "ENSG2": 0.04, "ENSG3": 0.02, "ENSG4": 0.5, "ENSG5": 0.03}
"""Of all genes fitted; ENSG4 and ENSG5 are not exported."""
RUNS = (("ENSG1", "ENSG3", "ENSG4"), ("ENSG2", "ENSG5"))


def genes(names: Sequence[str]) -> list[GeneWeights]:
    """Genes with p of `P_VALUES`, and q of Benjamini and Hochberg over those of their run."""
    q = dict(zip(names, false_discovery_control([P_VALUES[name] for name in names]), strict=True))
    made = []
    for name in names:
        if name in ("ENSG1", "ENSG2", "ENSG3"):
            gene = fitted_gene(int(name[-1]), name, contig=f"chr{name[-1]}").gene
            models = tuple(
                replace(model, pearson_p=P_VALUES[name], pearson_q=float(q[name])) for model in gene.models
            )
            made.append(replace(gene, models=models))
    return made


def write_database(path: Path, names: Sequence[str], snp_key: SnpKey = "rsid") -> Path:
    path.parent.mkdir(exist_ok=True)
    fitted = {name: P_VALUES[name] for name in names}
    write_predictdb(path, genes(names), "blup", "b38", snp_key, fitted)
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("snp_key", ["rsid", "varID"])
def test_databases_become_that_of_all_genes(snp_key: SnpKey, tmp_path: Path) -> None:
    parts = [write_database(tmp_path / f"{i}.db", names, snp_key) for i, names in enumerate(RUNS)]
    write_database(tmp_path / "whole" / "x.db", sorted(P_VALUES), snp_key)
    merged = merge_exports(Files(parts), tmp_path / "merged" / "x.db")
    assert (merged.n_exports, merged.n_genes) == (2, 3)
    assert files(tmp_path / "merged") == files(tmp_path / "whole")


def test_panels_become_that_of_all_genes(tmp_path: Path) -> None:
    for name, of in (("A", RUNS[0]), ("B", RUNS[1]), ("LCL", sorted(P_VALUES))):
        write_fusion(tmp_path / name, genes(of), name, "b38")
    merge_exports(Files([tmp_path / "A" / "A.pos", tmp_path / "B" / "B.pos"]), tmp_path / "out" / "LCL.pos")
    assert files(tmp_path / "out") == files(tmp_path / "LCL")


def test_what_was_lost_by_making_models_linear_is_merged_too(tmp_path: Path) -> None:
    header = "gene_id\tmodel\tpredicted_sd\tlinear_sd\tlost\trmse\n"
    rows = ["ENSG1\ttransformer\t0.5\t0.5\t0.25\t0.5\n", "ENSG2\ttransformer\t0.0\t0.0\t\t\n"]
    for i, names in enumerate(RUNS):
        write_database(tmp_path / f"{i}.db", names)
        (tmp_path / f"{i}.linearised.tsv").write_text(header + rows[i])
    merge_exports(tmp_path / "{contig}.db", tmp_path / "x.db")
    assert (tmp_path / "x.linearised.tsv").read_text() == header + "".join(rows)


def test_a_name_that_two_variants_have_stays_with_the_first(tmp_path: Path) -> None:
    """PrediXcan keeps a name's first alleles for all genes."""
    first, second = simple_gene("ENSG1"), simple_gene("ENSG2", positions=(99, 299), contig="21")
    for gene in (first, second):
        p = {gene.gene.gene_id: 0.01}
        write_predictdb(tmp_path / f"{gene.gene.gene_id}.db", [gene], "blup", "b38", fitted=p)
    merge_exports(tmp_path / "{contig}.db", tmp_path / "out" / "x.db")
    names = query(tmp_path / "out" / "x.db", "SELECT rsid FROM weights ORDER BY rowid")["rsid"].tolist()
    assert names == ["rs1", "rs2", "chr21_100_A_G_b38", "chr21_300_A_G_b38"]
    found = read_covariance(tmp_path / "out" / "x.db", "ENSG2", names[2:])
    np.testing.assert_array_equal(found, second.variants.covariance)


def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    one, two = (write_database(tmp_path / f"{i}.db", names) for i, names in enumerate(RUNS))
    other_key = write_database(tmp_path / "key.db", RUNS[1], "varID")
    other_samples = tmp_path / "samples.db"
    write_predictdb(other_samples, [simple_gene("ENSG9")], "blup", "b38", fitted={"ENSG9": 0.1})
    with pytest.raises(InputError, match=r"gene ENSG1 is in .*0\.db and in .*0\.db; merge exports of other"):
        merge_exports(Files([one, one]), tmp_path / "x.db")
    with pytest.raises(
        InputError, match=r"0\.db is of blup, b38, rsid, .*key\.db of blup, b38, varID; merge"
    ):
        merge_exports(Files([one, other_key]), tmp_path / "x.db")
    with pytest.raises(InputError, match=r"0\.db is of 150, .*samples\.db of 80; merge exports that share"):
        merge_exports(Files([one, other_samples]), tmp_path / "x.db")
    with gzip.open(covariance_path(two), "at") as file:
        file.write("more")
    covariance_path(two).write_bytes(covariance_path(two).read_bytes()[:-9])
    with pytest.raises(InputError, match=r"1\.txt\.gz is missing or damaged .*; export it again"):
        merge_exports(Files([one, two]), tmp_path / "x.db")
    covariance_path(one).replace(covariance_path(two))
    with pytest.raises(InputError, match=r"1\.txt\.gz lacks gene ENSG2 of the database beside it"):
        merge_exports(two, tmp_path / "x.db")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(("x", "."))]


def test_a_damaged_table_of_losses_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    one = write_database(tmp_path / "0.db", RUNS[0])
    (tmp_path / "0.linearised.tsv").write_text("gene_id\tmodel\n")
    with pytest.raises(InputError, match=r"0\.linearised\.tsv is missing, damaged or of another version"):
        merge_exports(one, tmp_path / "out" / "x.db")
    assert not (tmp_path / "out").exists()


def test_a_database_without_the_p_of_a_gene_is_refused(tmp_path: Path) -> None:
    write_predictdb(tmp_path / "0.db", genes(RUNS[0]), "blup", "b38")
    with pytest.raises(InputError, match=r"0\.db was not written by .* of this version; export it again"):
        merge_exports(tmp_path / "0.db", tmp_path / "x.db")

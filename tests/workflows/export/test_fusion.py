"""FUSION's files, read back by R as FUSION.assoc_test.R reads them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from haploscribe.errors import InputError
from haploscribe.evaluation.heritability import Heritability
from haploscribe.workflows.export.fusion import write_fusion
from haploscribe.workflows.export.variant_ids import check_gene_id
from tests.fixtures.exported import Fitted, fitted_gene, gwas_z, simple_gene, twas_z
from tests.fixtures.r_session import r_session

READ = """
wgtlist <- read.table("out/LCL.pos", head = TRUE, as.is = TRUE)
load(file.path("out", wgtlist$WGT[1]))
"""
FULL = "formatC({}, digits = 17, format = 'g')"


def written(fitted: Fitted, folder: Path) -> list[str]:
    """Export one gene, and give the names R loads."""
    write_fusion(folder / "out", [fitted.gene], "LCL", "b38")
    return r_session(f"{READ} cat(sort(setdiff(ls(), 'wgtlist')), sep = '\\n')", folder)


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    made = fitted_gene(1)
    scores = gwas_z(made.dosages, made.predicted["blup"])
    return replace(
        made, gene=replace(made.gene, heritability=Heritability(0.2, 0.05, 1e-4), marginal_scores=scores)
    )


def test_a_file_holds_what_fusion_saves(fitted: Fitted, tmp_path: Path) -> None:
    objects = ["wgt.matrix", "snps", "cv.performance", "hsq", "hsq.pv", "N.tot", "haploscribe"]
    assert sorted(written(fitted, tmp_path)) == sorted(objects)


def test_the_list_of_files_says_where_genes_are(fitted: Fitted, tmp_path: Path) -> None:
    written(fitted, tmp_path)
    header, row = (tmp_path / "out" / "LCL.pos").read_text().splitlines()
    tss = str(fitted.gene.gene.tss + 1)
    file = "LCL/LCL.ENSG00000100181.22.wgt.RDat"
    assert header.split("\t") == ["PANEL", "WGT", "ID", "CHR", "P0", "P1", "N", "DIR"]
    assert row.split("\t") == ["LCL", file, "ENSG00000100181.22", "22", tss, tss, "150", "."]
    assert (tmp_path / "out" / file).is_file()


def test_each_object_is_of_the_kind_and_value_that_fusion_expects(fitted: Fitted, tmp_path: Path) -> None:
    written(fitted, tmp_path)
    script = f"""{READ}
    stopifnot(is.matrix(wgt.matrix), is.double(wgt.matrix), is.data.frame(snps), is.matrix(cv.performance))
    stopifnot(identical(rownames(wgt.matrix), snps[, 2]), identical(names(snps), paste0("V", 1:6)))
    stopifnot(identical(colnames(wgt.matrix), c("enet", "blup", "top1")))
    stopifnot(identical(dimnames(cv.performance), list(c("rsq", "pval"), colnames(wgt.matrix))))
    stopifnot(all.equal(as.vector(cv.performance), c(.01, .01, .04, .005, NA, NA)))
    stopifnot(identical(hsq, c(.2, .05)), identical(hsq.pv, 1e-4), identical(N.tot, 150L))
    stopifnot(is.integer(snps$V1), is.integer(snps$V4), is.character(snps$V5), is.character(snps$V6))
    cat(do.call(paste, snps), names(which.max(cv.performance[1, ])), sep = "\\n")
    """
    variants = fitted.gene.variants
    table = zip(variants.identifiers, variants.positions + 1, variants.alts, variants.refs, strict=True)
    expected = [
        f"22 {name if name != '.' else f'chr22_{position}_{ref}_{alt}_b38'} 0 {position} {alt} {ref}"
        for name, position, alt, ref in table
    ]
    assert r_session(script, tmp_path) == [*expected, "blup"]


@pytest.mark.parametrize(("model", "column"), [("elastic-net", "enet"), ("blup", "blup")])
def test_weights_predict_in_r_as_the_model_does(
    fitted: Fitted, model: str, column: str, tmp_path: Path
) -> None:
    written(fitted, tmp_path)
    np.savetxt(tmp_path / "dosages", fitted.dosages)
    script = f"""{READ}
    x <- scale(as.matrix(read.table("dosages")), haploscribe$dosage.mean, haploscribe$dosage.sd)
    which <- match("{column}", colnames(wgt.matrix))
    cat({FULL.format("haploscribe$intercept[which] + x %*% wgt.matrix[, which]")})
    """
    predicted = np.array(r_session(script, tmp_path)[0].split(), dtype=np.float64)
    np.testing.assert_allclose(predicted, fitted.predicted[model], rtol=0, atol=1e-9)


def test_the_statistic_of_fusion_is_that_of_individual_data(fitted: Fitted, tmp_path: Path) -> None:
    """w'z / √(w'Rw) with R the correlation of dosages, alleles of half the LD panel turned round."""
    written(fitted, tmp_path)
    phenotype = np.random.default_rng(0).normal(size=len(fitted.dosages))
    turned = np.arange(fitted.dosages.shape[1]) % 2 == 0
    np.savetxt(tmp_path / "panel", np.where(turned, 2 - fitted.dosages, fitted.dosages))
    np.savetxt(tmp_path / "z", gwas_z(fitted.dosages, phenotype) * np.where(turned, -1, 1))
    np.savetxt(tmp_path / "turned", turned.astype(int))
    script = f"""{READ}
    x <- scale(as.matrix(read.table("panel")))
    z <- scan("z", quiet = TRUE)
    turned <- scan("turned", quiet = TRUE) == 1
    counted <- ifelse(turned, snps[, 6], snps[, 5])  # the panel's A1
    flip <- snps[, 5] != counted
    wgt.matrix[flip, ] <- -wgt.matrix[flip, ]
    w <- wgt.matrix[, "blup"]
    cat({FULL.format("sum(w * z) / sqrt(w %*% cor(x) %*% w)")})
    """
    statistic = float(r_session(script, tmp_path)[0])
    assert statistic == pytest.approx(twas_z(fitted.predicted["blup"], phenotype), abs=1e-9)


def test_what_is_not_known_is_na(tmp_path: Path) -> None:
    write_fusion(tmp_path / "out", [simple_gene(contig="chrX")], "LCL", "b38")
    script = f"{READ} cat(hsq, hsq.pv, is.na(hsq[1]) && !is.nan(hsq[1]), snps$V1, wgtlist$CHR)"
    assert r_session(script, tmp_path) == ["NA NA NA TRUE X X X"]


def test_fusion_never_chooses_a_model_without_weights(tmp_path: Path) -> None:
    gene = simple_gene()
    empty = replace(gene.models[0], model="elastic-net", weights=np.zeros(2), pearson_r=0.9)
    write_fusion(tmp_path / "out", [replace(gene, models=(empty, *gene.models))], "LCL", "b38")
    assert r_session(f"{READ} cat(names(which.max(cv.performance[1, ])))", tmp_path) == ["blup"]


def test_variants_that_do_not_vary_are_left_out_and_predictions_stay(tmp_path: Path) -> None:
    gene = simple_gene()
    covariance = np.diag([0.0, 0.5])
    gene = replace(
        gene, variants=replace(gene.variants, covariance=covariance, frequencies=np.array([1, 0.25]))
    )
    write_fusion(tmp_path / "out", [gene], "LCL", "b38")
    script = f"""{READ}
    scaled <- scale(t(2), haploscribe$dosage.mean, haploscribe$dosage.sd)
    cat(rownames(wgt.matrix), haploscribe$intercept + scaled %*% wgt.matrix)
    """
    assert r_session(script, tmp_path) == ["rs2 6.5"]  # .5 + 2 copies at 1 + 2 copies at 2


def exportable(gene_id: str) -> bool:
    try:
        check_gene_id(gene_id)
    except InputError:
        return False
    return True


odd_ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(exportable)


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(gene_ids=st.lists(odd_ids, min_size=30, max_size=60, unique=True))
@example(gene_ids=["../a", "a;b%", "a\\b", "é", "."])
def test_r_finds_each_gene_whatever_its_id(
    gene_ids: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("odd")
    write_fusion(folder / "out", [simple_gene(gene_id) for gene_id in gene_ids], "LCL", "b38")
    script = """
    wgtlist <- read.table("out/LCL.pos", head = TRUE, as.is = TRUE)
    for (file in wgtlist$WGT) load(file.path("out", file))
    writeLines(vapply(as.character(wgtlist$ID), function(x) paste(charToRaw(x), collapse = ""), ""))
    """
    assert r_session(script, folder) == [gene_id.encode().hex() for gene_id in gene_ids]
    assert len(list((folder / "out" / "LCL").iterdir())) == len(gene_ids)


def test_genes_without_weights_are_left_out_and_counted(tmp_path: Path) -> None:
    genes = [simple_gene("ENSG1", identifiers=("rs1", ".")), simple_gene("ENSG2", weights=(0, 0))]
    counts = write_fusion(tmp_path / "out", genes, "LCL", "b38")
    assert (counts.n_genes, counts.n_without_weights, counts.n_weights, counts.n_without_rsid) == (1, 1, 2, 1)
    assert len((tmp_path / "out" / "LCL.pos").read_text().splitlines()) == 2


def test_a_panel_is_replaced_whole_and_with_the_same_bytes(tmp_path: Path) -> None:
    def contents() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}

    write_fusion(tmp_path / "out", [simple_gene("ENSG1")], "LCL", "b38")
    first = contents()
    write_fusion(tmp_path / "out", [simple_gene("ENSG2")], "LCL", "b38")
    write_fusion(tmp_path / "out", [simple_gene("ENSG1")], "LCL", "b38")
    assert contents() == first


def test_a_folder_that_holds_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "LCL").mkdir()
    (tmp_path / "LCL" / "thesis.tex").touch()
    with pytest.raises(InputError, match="holds more than weights"):
        write_fusion(tmp_path, [simple_gene()], "LCL", "b38")
    assert (tmp_path / "LCL" / "thesis.tex").exists()


def test_no_weights_at_all_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no gene has a weight"):
        write_fusion(tmp_path, [simple_gene(weights=(0, 0))], "LCL", "b38")
    assert not list(tmp_path.iterdir())


def test_a_gene_that_comes_twice_is_our_fault(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ENSG1 comes twice"):
        write_fusion(tmp_path, [simple_gene(), simple_gene()], "LCL", "b38")


def test_the_performance_of_the_top_snp_is_that_of_the_marginal_column(
    tmp_path: Path, fitted: Fitted
) -> None:
    """FUSION predicts from the strongest variant of `top1` alone: that is the model `top-snp`."""
    enet, blup = fitted.gene.models
    models = (replace(enet, model="top-snp", pearson_r=0.4, pearson_p=0.003), blup)
    made = replace(fitted, gene=replace(fitted.gene, models=models))
    written(made, tmp_path)
    columns, rsq, p = r_session(
        f"""{READ}
        writeLines(c(paste(colnames(wgt.matrix), collapse = " "),
                     {FULL.format('cv.performance["rsq", "top1"]')},
                     {FULL.format('cv.performance["pval", "top1"]')}))
        """,
        tmp_path,
    )
    assert columns == "blup top1"
    assert float(rsq) == pytest.approx(0.16)
    assert float(p) == 0.003

"""Names of exported variants, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haploscribe.errors import InputError
from haploscribe.workflows.export.variant_ids import (
    check_gene_id,
    check_label,
    positional_name,
    positional_names,
    variant_names,
)
from tests.fixtures.exported import simple_gene


@pytest.mark.parametrize(
    ("contig", "name"),
    [("22", "chr22_100_A_G_b38"), ("chrX", "chrX_100_A_G_b38"), ("MT", "chrM_100_A_G_b38")],
)
def test_positional_names_are_those_of_gtex(contig: str, name: str) -> None:
    assert positional_name(contig, 99, "A", "G", "b38") == name


def test_a_record_that_comes_twice_is_refused() -> None:
    gene = simple_gene(identifiers=("rs1", "rs2"), positions=(99, 99))
    with pytest.raises(InputError, match=r"chr22_100_A_G_b38 comes twice .*--rm-dup exact"):
        positional_names(gene.gene.contig, gene.variants, "b38")


@pytest.mark.parametrize(
    ("identifier", "name"),
    [
        ("rs7", "rs7"),
        ("rs7;rs8", "rs7"),
        ("22:100:A:G", "22:100:A:G"),
        ("chr22_100_A_G_b38", "chr22_100_A_G_b38"),
        (".", "place_b38"),
        ("", "place_b38"),
        ("1234", "place_b38"),
        ("22_16847963", "22_16847963"),
        ("NA", "place_b38"),
        ('rs"7', "place_b38"),
        ("rs 7", "place_b38"),
        ("rsé", "place_b38"),
        ("other_b38", "place_b38"),
    ],
)
def test_the_name_in_the_genotype_file_is_kept_where_tools_can_read_it(identifier: str, name: str) -> None:
    place = name if name.endswith("_b38") else "place_b38"
    assert variant_names([identifier], [place], "b38") == (name,)


def test_alleles_of_one_record_get_distinct_names() -> None:
    assert variant_names(["rs1", "rs1", "rs2"], ["a_b38", "b_b38", "c_b38"], "b38") == ("rs1", "b_b38", "rs2")


@given(st.lists(st.sampled_from(["rs1", "rs2", ".", "a_b38", "b_b38", "rs1;rs2", "5"]), max_size=6))
def test_names_are_always_distinct(identifiers: list[str]) -> None:
    places = [f"{letter}_b38" for letter in "abcdef"[: len(identifiers)]]
    assert len(set(variant_names(identifiers, places, "b38"))) == len(identifiers)


@pytest.mark.parametrize(
    "gene_id", ["", "a b", "a\tb", 'a"b', "a'b", "a#b", "123", "1e5", "nan", "NA", "None", "True"]
)
def test_gene_ids_that_readers_take_for_something_else_are_refused(gene_id: str) -> None:
    with pytest.raises(InputError, match="cannot be exported"):
        check_gene_id(gene_id)


@pytest.mark.parametrize("gene_id", ["ENSG00000100181.22", "a;b,c", "a/b", "é", "HLA-DRB1", "100A", "1_2"])
def test_other_gene_ids_are_not(gene_id: str) -> None:
    check_gene_id(gene_id)


@pytest.mark.parametrize("label", ["", "b 38", "../x", "a/b", ".b38", "b38\n"])
def test_labels_that_do_not_go_into_file_names_are_refused(label: str) -> None:
    with pytest.raises(InputError, match="choose a plain word"):
        check_label(label, "panel")

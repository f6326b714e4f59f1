"""Who may teach whom."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from haploscribe.evaluation.lessons import FAR, far_genes, near_genes
from haploscribe.expression.genes import Gene

GENES = st.lists(
    st.tuples(st.sampled_from(["chr1", "chr2"]), st.integers(0, 5) | st.integers(0, 3 * FAR)), max_size=12
).map(lambda places: [Gene(f"G{i}", contig, tss, "+") for i, (contig, tss) in enumerate(places)])


@given(GENES)
def test_near_genes_are_those_not_far(genes: list[Gene]) -> None:
    for gene, near in zip(genes, near_genes(genes), strict=True):
        np.testing.assert_array_equal(near, np.flatnonzero(~far_genes(genes, gene)))


def test_genes_exactly_1_mb_apart_are_far() -> None:
    genes = [Gene("a", "chr1", 0, "+"), Gene("b", "chr1", FAR, "+"), Gene("c", "chr1", FAR - 1, "-")]
    assert [near.tolist() for near in near_genes(genes)] == [[0, 2], [1, 2], [0, 1, 2]]

"""Splits of genes: contiguous, each gene held out once, and none near a held-out gene trained on."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from haploscribe.expression.genes import Gene, single_split, split_genes

PLACES = st.lists(
    st.tuples(st.sampled_from(["21", "22"]), st.integers(0, 60), st.integers(1, 12)), min_size=2, max_size=25
)


def made(places: list[tuple[str, int, int]]) -> tuple[list[Gene], np.ndarray]:
    """Genes G0, G1, … and their spans, from contig, start and length."""
    genes = [Gene(f"G{i}", contig, start + length // 2) for i, (contig, start, length) in enumerate(places)]
    return genes, np.array([(start, start + length) for _, start, length in places], dtype=np.int64)


@settings(max_examples=150)
@given(PLACES, st.data())
def test_a_gene_is_trained_on_exactly_where_it_overlaps_no_held_out_gene(
    places: list[tuple[str, int, int]], data: st.DataObject
) -> None:
    genes, spans = made(places)
    for block in split_genes(genes, spans, data.draw(st.integers(1, len(genes)))):
        bases = {(places[i][0], base) for i in block.held_out for base in range(spans[i, 0], spans[i, 1])}
        apart = {
            i
            for i, (contig, start, length) in enumerate(places)
            if not bases & {(contig, base) for base in range(start, start + length)}
        }
        assert set(block.training.tolist()) == apart
        assert len(block.training) == len(apart)


@given(PLACES, st.data())
def test_blocks_are_runs_of_genes_along_the_genome_of_nearly_one_size(
    places: list[tuple[str, int, int]], data: st.DataObject
) -> None:
    genes, spans = made(places)
    n_blocks = data.draw(st.integers(1, len(genes)))
    blocks = split_genes(genes, spans, n_blocks)
    joined = np.concatenate([block.held_out for block in blocks]).tolist()
    assert sorted(joined) == list(range(len(genes)))
    along = [(genes[i].contig, genes[i].tss) for i in joined]
    assert along == sorted(along)
    sizes = [len(block.held_out) for block in blocks]
    assert len(blocks) == n_blocks
    assert max(sizes) - min(sizes) <= 1


@given(PLACES, st.integers(0, 99))
def test_blocks_do_not_depend_on_the_order_of_genes(places: list[tuple[str, int, int]], seed: int) -> None:
    genes, spans = made(places)
    order = np.random.default_rng(seed).permutation(len(genes))
    shuffled = split_genes([genes[i] for i in order], spans[order], 2)
    for one, other in zip(split_genes(genes, spans, 2), shuffled, strict=True):
        assert one.held_out.tolist() == order[other.held_out].tolist()
        assert one.training.tolist() == order[other.training].tolist()


def test_windows_that_touch_without_overlap_leave_a_gene_to_learn_from() -> None:
    genes, spans = made([("22", 0, 10), ("22", 10, 10), ("22", 19, 10)])
    first, *_ = split_genes(genes, spans, 3)
    assert first.training.tolist() == [1, 2]


def test_without_a_split_every_gene_is_learned_from_and_predicted() -> None:
    (block,) = single_split(3)
    assert block.training.tolist() == block.held_out.tolist() == [0, 1, 2]

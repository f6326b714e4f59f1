"""6-mers stay on the reference's grid: against a base-by-base computation, and on drawn VCFs."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haploscribe.embedding.backbones.tokeniser import SixMerTokeniser
from haploscribe.genome.haplotypes import LengthEdit, TileHaplotype, read_for_tiles, tile_haplotypes
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.reference import Reference
from haploscribe.genome.tiles import overlapping_tiles
from tests.fixtures.backbones import V2_VOCABULARY
from tests.fixtures.variants import SAMPLES, DrawnContig, contigs, write_fasta, write_vcf

TOKENISE = SixMerTokeniser(V2_VOCABULARY)


def tokens_of(haplotype: TileHaplotype) -> list[str]:
    ids, lengths = TOKENISE.haplotype(haplotype)
    tokens = [V2_VOCABULARY[number] for number in ids]
    assert lengths.tolist() == [len(token) for token in tokens]
    return tokens


def plain_tokens(sequence: str) -> list[str]:
    return [V2_VOCABULARY[number] for number in TOKENISE(sequence.encode())]


@st.composite
def edited(draw: st.DrawFn) -> tuple[str, list[tuple[LengthEdit, str]]]:
    """A tile as it is apart from edits of length, and the edits with the bases that they put in."""
    tile = draw(st.text("ACGT", min_size=1, max_size=50).map(lambda text: text + "N" * (len(text) % 9 == 0)))
    edits, end = [], 0
    while (start := end + draw(st.integers(0, 14))) <= len(tile):
        removed = draw(st.integers(0, min(14, len(tile) - start)))
        put_in = draw(st.text("ACGT", max_size=14).filter(lambda text: len(text) != removed))  # noqa: B023
        edits.append((LengthEdit(start, removed, len(put_in)), put_in))
        end = start + removed
    return tile, edits


def by_base(tile: str, edits: list[tuple[LengthEdit, str]]) -> list[str]:
    """Label every base of the haplotype with a set of cells that belong together, and tokenise by label."""
    n_cells = -(-len(tile) // 6)
    group_of = {cell: {cell} for cell in range(-1, n_cells)}
    touched = set()
    for (start, removed, _), _ in edits:
        cells = {base // 6 for base in range(start, start + removed)} or {(start - 1) // 6}
        joined = set().union(*(group_of[cell] for cell in cells))
        group_of |= dict.fromkeys(joined, joined)
        touched |= joined
    labelled = [(base, index // 6) for index, base in enumerate(tile)]
    for (start, removed, _), put_in in reversed(edits):
        label = start // 6 if removed else (start - 1) // 6
        labelled[start : start + removed] = [(base, label) for base in put_in]
    tokens: list[str] = []
    done: set[int] = set()
    for _, cell in list(labelled):
        if cell in done:
            continue
        done |= group_of[cell]
        content = "".join(base for base, label in labelled if label in group_of[cell])
        tokens += plain_tokens(content) if cell in touched or "N" not in content else list(content)
    return tokens


@settings(max_examples=300, deadline=None)
@given(drawn=edited())
def test_tokens_are_those_of_each_cell_and_of_each_group_of_edited_cells(
    drawn: tuple[str, list[tuple[LengthEdit, str]]],
) -> None:
    tile, edits = drawn
    sequence = tile
    for (start, removed, _), put_in in reversed(edits):
        sequence = sequence[:start] + put_in + sequence[start + removed :]
    haplotype = TileHaplotype(sequence.encode(), tuple(edit for edit, _ in edits))
    assert tokens_of(haplotype) == by_base(tile, edits)


@pytest.mark.parametrize(
    ("sequence", "edit", "expected"),
    [
        pytest.param("AACCGTGATTACACGTAC", None, "AACCGT GATTAC ACGTAC", id="none"),
        pytest.param("AACCGTGATTTACACGTAC", (9, 0, 1), "AACCGT GATTTA C ACGTAC", id="insertion in a cell"),
        pytest.param("AACCGTTGATTACACGTAC", (6, 0, 1), "AACCGT T GATTAC ACGTAC", id="between cells"),
        pytest.param("TAACCGTGATTACACGTAC", (0, 0, 1), "T AACCGT GATTAC ACGTAC", id="before the first"),
        pytest.param("AACCGTGATTACACGTACT", (18, 0, 1), "AACCGT GATTAC ACGTAC T", id="behind the last"),
        pytest.param("AACCGTGATTCACGTAC", (10, 1, 0), "AACCGT G A T T C ACGTAC", id="deletion in a cell"),
        pytest.param("AACCGATTACACGTAC", (5, 2, 0), "AACCGA T T A C ACGTAC", id="deletion across cells"),
        pytest.param("AACCGTACGTAC", (6, 6, 0), "AACCGT ACGTAC", id="deletion of a cell"),
        pytest.param("AACCGTAAAAAAGATTACACGTAC", (6, 0, 6), "AACCGT AAAAAA GATTAC ACGTAC", id="a cell more"),
        pytest.param("", (0, 18, 0), "", id="deletion of the tile"),
        pytest.param("AACNGTGATTACACGTAC", None, "A A C N G T GATTAC ACGTAC", id="N"),
    ],
)
def test_a_variant_moves_the_tokens_that_it_touches(
    sequence: str, edit: tuple[int, int, int] | None, expected: str
) -> None:
    edits = () if edit is None else (LengthEdit(*edit),)
    assert tokens_of(TileHaplotype(sequence.encode(), edits)) == expected.split()


@settings(max_examples=60, deadline=None)
@given(drawn=contigs(), n_cells=st.integers(1, 5))
def test_haplotypes_of_drawn_variants(drawn: DrawnContig, n_cells: int) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        fasta = write_fasta(folder / "r.fa", {"c": drawn.sequence})
        vcf = write_vcf(folder / "v.vcf.gz", {"c": drawn})
        with open_variants(vcf, max_missing=1) as reader, Reference.open(fasta, folder) as reference:
            length = reference.contigs["c"]
            tiles = overlapping_tiles("c", 0, length, 6 * n_cells, length)
            variants = read_for_tiles(reader, tiles, SAMPLES)
            sequences = [reference.fetch("c", tile.start, tile.end) for tile in tiles]
    for found in tile_haplotypes(sequences, variants, tiles):
        for haplotype in found.haplotypes:
            tokens = tokens_of(haplotype)
            assert "".join(tokens) == haplotype.sequence.decode()
            if not haplotype.edits:
                assert tokens == plain_tokens(haplotype.sequence.decode())

"""The plain loop is a fair peer, and the benchmarks of the embedding stage run."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.common.pages import write_section
from benchmarks.speed import embedding, half_precision
from benchmarks.speed.encoders import token_numbers
from benchmarks.speed.plain_loop import Way, embed_all, transformers_encoder
from haploscribe.embedding.backbones.nucleotide_transformer import tokeniser_of
from haploscribe.embedding.backbones.registry import load_backbone, opened_checkpoint
from haploscribe.genome.haplotypes import TileHaplotype

RANDOM = np.random.default_rng(5)
SEQUENCES = [bytes(RANDOM.choice(list(b"ACGT"), 300).tolist()) for _ in range(5)]


@pytest.mark.parametrize("side_by_side", [False, True])
def test_the_plain_loop_computes_what_the_backbone_does(side_by_side: bool) -> None:
    with opened_checkpoint("nano") as checkpoint:
        encoder, tokenise = transformers_encoder(checkpoint), tokeniser_of(checkpoint)
    plain = embed_all(encoder, token_numbers(tokenise, SEQUENCES), Way(2, side_by_side))
    np.testing.assert_allclose(
        load_backbone("nano").embed([TileHaplotype(s) for s in SEQUENCES])[:, 0], plain, atol=1e-5
    )


def test_a_section_takes_the_place_of_its_namesake(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    for title, line in (("b", "old"), ("a", "first"), ("b", "new")):
        write_section(page, "# Head", title, [line])
    assert page.read_text() == "# Head\n\n## a\n\nfirst\n\n## b\n\nnew\n"


@pytest.mark.slow
@pytest.mark.shared
def test_the_stage_beats_the_plain_loop_and_its_vectors_are_the_same(
    shared_cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[embedding.Comparison] = []
    comparison_lines = embedding.comparison_lines

    def keeping(comparison: embedding.Comparison) -> list[str]:
        found.append(comparison)
        return comparison_lines(comparison)

    monkeypatch.setattr(embedding, "comparison_lines", keeping)
    table = tmp_path / "table.md"
    embedding.main(f"--source {shared_cohort} --tiles 1 --every 100 --table {table}".split())
    assert max(found[0].embeddings_apart, found[0].deltas_apart) < 1e-5
    assert found[0].loop_seconds > 10 * found[0].stage.taken.wall
    assert "times fewer" in table.read_text()


@pytest.mark.slow
@pytest.mark.shared
def test_half_precision_is_measured(shared_cohort: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.md"
    half_precision.main(f"--source {shared_cohort} --tiles 2 --haplotypes 2 --table {table}".split())
    rows = [line.split(" | ") for line in table.read_text().splitlines() if "float64 (" in line]
    assert float(rows[0][2]) > 0.999  # float32 itself keeps the delta

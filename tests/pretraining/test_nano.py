"""Masked-token loss of the bundled weights on held-out sequence."""

from pathlib import Path

import pytest

from haploscribe.workflows.score import score_backbone


@pytest.mark.slow
@pytest.mark.shared
def test_nano_beats_a_markov_chain_that_sees_both_sides(shared_cohort: Path) -> None:
    score = score_backbone(
        "nano", shared_cohort / "reference.fa.gz", "chr22:46,000,001-47,000,000", device="cpu"
    )
    assert score.n_tokens > 20_000
    # As order-5 chains go on held-out chromosome 22, known from elsewhere (1.918).
    assert score.markov == pytest.approx(1.918, abs=0.02)
    assert score.model + 5 * score.model_standard_error < score.markov_both_sides

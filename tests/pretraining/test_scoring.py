"""Bits per base of sources with known entropy, and Markov chains counted another way."""

import itertools
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import EsmForMaskedLM

from haploscribe.embedding.backbones.checkpoint import CheckpointFolder, read_checkpoint
from haploscribe.embedding.backbones.nucleotide_transformer import tokeniser_of
from haploscribe.errors import InputError
from haploscribe.pretraining.scoring import MaskedTokenScorer, MaskedWindow, fit_markov
from haploscribe.workflows.pretrain import pretrain
from haploscribe.workflows.score_backbone import score_backbone
from tests.fixtures.backbones import write_v1, write_v2
from tests.fixtures.genomes import random_bases, tiny, write_genome, write_variants


def counted(sequences: list[bytes]) -> dict[tuple[str, str], float]:
    """P(base | five before) with one pseudocount, counted in a dictionary."""
    counts: Counter[tuple[str, str]] = Counter()
    for sequence in sequences:
        text = sequence.decode()
        counts.update((text[i - 5 : i], text[i]) for i in range(5, len(text)))
    totals = Counter({c: sum(counts[c, base] for base in "ACGT") for c in {key[0] for key in counts}})
    contexts = ("".join(letters) for letters in itertools.product("ACGT", repeat=5))
    return {(c, base): (counts[c, base] + 1) / (totals[c] + 4) for c in contexts for base in "ACGT"}


def bits(chances: dict[tuple[str, str], float], text: str) -> float:
    """−log2 of the chance of all bases behind the first five."""
    return -sum(math.log2(chances[text[i - 5 : i], text[i]]) for i in range(5, len(text)))


SKEWED = [random_bases(4_000, seed).replace(b"CG", b"TA") for seed in range(2)]


def test_the_markov_chain_equals_a_count_in_a_dictionary() -> None:
    chances = counted(SKEWED)
    around = [SKEWED[0][start : start + 16] for start in range(100, 130)]
    given_left, _ = fit_markov(SKEWED).bits(around)
    np.testing.assert_allclose(given_left, [bits(chances, piece[:11].decode()) for piece in around])


def test_knowing_both_sides_is_bayes_rule_over_all_six_mers() -> None:
    chances = counted(SKEWED)
    piece = SKEWED[1][200:216].decode()
    six_mers = ("".join(letters) for letters in itertools.product("ACGT", repeat=6))
    evidence = sum(2 ** -bits(chances, piece[:5] + six_mer + piece[11:]) for six_mer in six_mers)
    _, given_both = fit_markov(SKEWED).bits([piece.encode()])
    assert given_both[0] == pytest.approx(bits(chances, piece) + math.log2(evidence))


def test_nothing_is_counted_across_stretches() -> None:
    pieces = [b"ACGTAC" * 3, b"ACGTAC"]
    chain = fit_markov(pieces)
    given_left, _ = chain.bits([b"ACGTACACGTACAAAA"])
    assert given_left[0] == pytest.approx(bits(counted(pieces), "ACGTACACGTA"))


@pytest.fixture(scope="module")
def random_genome(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("genome") / "random.fa"
    return write_genome(path, c=random_bases(400_000))


@pytest.mark.slow
def test_a_uniform_random_genome_holds_two_bits_a_base(random_genome: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    pretrain(tiny(random_genome, steps=200, checkpoint_every=200), folder)
    score = score_backbone(str(folder), random_genome, "c:350,001-390,000")
    assert score.n_tokens == pytest.approx(0.15 * 40_000 / 6 * 8 / 10, rel=0.15)  # the ends are never masked
    for figure in (score.markov, score.markov_both_sides, score.uniform):
        assert figure == pytest.approx(2.0, abs=0.02)
    assert 1.99 < score.model < 2.1


@pytest.mark.slow
def test_a_trained_model_beats_the_chain_where_context_is_long(tmp_path: Path) -> None:
    """A base follows from the one 12 before it, which five bases of context cannot tell."""
    genome = write_genome(
        tmp_path / "genome.fa", c=b"".join(random_bases(12, seed) * 8 for seed in range(300))
    )
    pretrain(
        tiny(genome, window=96, steps=600, checkpoint_every=600, batch=16, hidden_size=32),
        tmp_path / "model",
    )
    score = score_backbone(str(tmp_path / "model"), genome, "c:1-9,600")
    assert score.model < score.markov - 0.02


def test_a_score_is_the_same_each_time_and_in_any_batch(random_genome: Path, tmp_path: Path) -> None:
    folder = str(write_v2(tmp_path / "model"))
    once = score_backbone(folder, random_genome, "c:1-6,000")
    again = score_backbone(folder, random_genome, "c:1-6,000", tokens_per_batch=30)
    assert again.n_tokens == once.n_tokens
    assert again.model == pytest.approx(once.model, rel=1e-6)


def test_losses_are_those_of_transformers(tmp_path: Path) -> None:
    folder = write_v1(tmp_path / "model")
    checkpoint = read_checkpoint(CheckpointFolder(folder, "v1"))
    tokeniser = tokeniser_of(checkpoint)
    windows = []
    for length, masked in ((66, (1, 4)), (48, (3,))):
        ids = tokeniser(random_bases(length, seed=length))
        windows.append(MaskedWindow(ids, np.isin(np.arange(len(ids)), masked), []))
    found = np.concatenate(MaskedTokenScorer(checkpoint, "cpu").bits(windows))

    expected = []
    model = EsmForMaskedLM.from_pretrained(folder).eval()
    for window in windows:
        tokens = torch.tensor([[tokeniser.class_id, *window.ids]])
        places = 1 + np.flatnonzero(window.masked)
        shown = tokens.clone()
        shown[0, places] = tokeniser.mask_id
        with torch.inference_mode():
            chances = model(input_ids=shown).logits.log_softmax(-1)[0, places]
        expected += [
            -float(row[token]) / math.log(2) for row, token in zip(chances, tokens[0, places], strict=True)
        ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_with_variants_the_haplotypes_are_scored(random_genome: Path, tmp_path: Path) -> None:
    """All samples carry a deletion of 600 bases, so fewer tokens are left to mask."""
    sequence = random_genome.read_text().split("\n")[1]
    record = (1_000, sequence[999:1_600], sequence[999], "1|1\t1|1")
    variants = write_variants(tmp_path / "variants.vcf", "c", 400_000, [record])
    folder = str(write_v2(tmp_path / "model"))
    without = score_backbone(folder, random_genome, "c:901-1,700")
    with_deletion = score_backbone(folder, random_genome, "c:901-1,700", variants)
    assert with_deletion.n_tokens < without.n_tokens


@pytest.mark.parametrize(
    ("region", "said"),
    [
        ("c:1-400,000", "leaves nothing of its contig"),
        ("c:1-20", "too little sequence"),
        ("c:390,000-400,001", "--region c:390,000-400,001 ends after the end of c"),
        ("d:1-400", "contig d is not in"),
        ("nonsense", "--region nonsense"),
    ],
)
def test_regions_that_cannot_be_scored(region: str, said: str, random_genome: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said) as refused:
        score_backbone(str(write_v2(tmp_path / "model")), random_genome, region)
    assert "\n" not in str(refused.value)


def test_kmer_has_no_masked_token_head(random_genome: Path) -> None:
    with pytest.raises(InputError, match="guesses no tokens"):
        score_backbone("kmer", random_genome, "c:1-6,000")


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

"""What `check` says of genes that no model can learn much from, and of the time that a run will take."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from haploscribe.config.options import BackboneOptions, EvaluationOptions, WorkerOptions
from haploscribe.embedding.backbones.kmer import KmerCounts
from haploscribe.utils.types import Float32Array
from haploscribe.workflows.check import Checked, check
from haploscribe.workflows.estimate import Estimate
from haploscribe.workflows.run.workflow import run
from tests.fixtures.cohorts import write_cohort


def test_genes_without_variation_and_with_many_zeros_are_named(tmp_path: Path) -> None:
    cohort = write_cohort(tmp_path)
    header, first, second, third, *others = cohort.expression.read_text().splitlines()
    n_people = len(header.split("\t")) - 4
    n_zeros = n_people // 2 + 1

    def with_values(row: str, values: list[str]) -> str:
        return "\t".join([*row.split("\t")[:4], *values])

    changed = [
        with_values(first, ["7"] * n_people),
        with_values(second, ["0"] * n_zeros + ["1"] * (n_people - n_zeros)),
        with_values(third, ["0"] * (n_people // 2) + ["1"] * (n_people - n_people // 2)),
    ]
    cohort.expression.write_text("\n".join([header, *changed, *others]) + "\n")
    found = check(cohort, WorkerOptions()).facts
    names = [row.split("\t")[3] for row in (first, second)]
    assert found["genes without variation"] == f"1 ({names[0]})"
    zeros = found["genes with zeros in over half of the samples"]
    assert zeros == f"1 ({names[1]})"


DELTAS = EvaluationOptions(models=("blup-delta",), folds=2)
SECONDS = 0.01


class SlowKmer(KmerCounts):
    """A backbone that takes a hundredth of a second for each sequence."""

    def embed_sequences(self, sequences: Sequence[bytes]) -> Float32Array:
        """Wait, and count."""
        time.sleep(SECONDS * len(sequences))
        return super().embed_sequences(sequences)


def test_the_sequences_to_embed_are_those_that_a_run_embeds(tmp_path: Path) -> None:
    cohort, kmer = write_cohort(tmp_path / "cohort"), BackboneOptions("kmer")
    checked = check(cohort, WorkerOptions(), DELTAS, kmer)
    embedding = run(cohort, kmer, DELTAS, tmp_path / "out").summary["embedding"]
    assert embedding is not None
    assert checked.facts["distinct sequences to embed"] == embedding["unique_haplotypes"] > 0


def test_the_time_is_that_of_the_backbone_for_each_sequence(tmp_path: Path) -> None:
    cohort = write_cohort(tmp_path / "cohort")
    slow = BackboneOptions(f"{SlowKmer.__module__}:{SlowKmer.__name__}")
    estimate = check(cohort, WorkerOptions(), DELTAS, slow).estimate
    assert estimate is not None
    assert estimate.n_sequences is not None
    assert SECONDS * estimate.n_sequences < estimate.seconds


def test_models_that_are_not_timed_are_named(tmp_path: Path) -> None:
    models = ("blup", "transformer-all", "xpresso")
    evaluation, kmer = EvaluationOptions(models=models), BackboneOptions("kmer")
    estimate = check(write_cohort(tmp_path), WorkerOptions(), evaluation, kmer).estimate
    assert estimate is not None
    assert estimate.not_counted == ("transformer-all", "xpresso")
    assert estimate.seconds > 0.0


@pytest.mark.parametrize(
    ("seconds", "not_counted", "said"),
    [
        (20.0, (), "about a minute"),
        (601.0, (), "about 10 minutes"),
        (3 * 3_600.0, ("borzoi", "mine"), "about 3 hours without borzoi, mine"),
    ],
)
def test_the_verdict_is_rough(seconds: float, not_counted: tuple[str, ...], said: str) -> None:
    checked = Checked({}, 1_358, 300, Estimate(seconds, 10, not_counted))
    assert checked.verdict() == f"OK. 1,358 samples × 300 genes, {said}"


def test_the_inputs_alone_take_no_time() -> None:
    assert Checked({}, 358, 17, None).verdict() == "OK. 358 samples × 17 genes"

"""Training learns, resumes to the bit, and leaves a folder that loads like any checkpoint."""

import json
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from haploscribe.config.pretraining import PretrainingOptions
from haploscribe.embedding.backbones.checkpoint import CheckpointFolder, read_checkpoint
from haploscribe.embedding.backbones.nucleotide_transformer import load_masked_token_model
from haploscribe.embedding.backbones.registry import load_backbone
from haploscribe.errors import InputError
from haploscribe.genome.haplotypes import TileHaplotype
from haploscribe.pretraining.model import checkpoint_weights, initial_model
from haploscribe.pretraining.training import STATE_FILE, read_state
from haploscribe.workflows import pretrain as pretrain_module
from haploscribe.workflows.pretrain import pretrain
from tests.fixtures.genomes import random_bases, tiny, write_genome

MODEL_FILES = {"config.json", "vocab.txt", "model.safetensors", "README.md", "losses.tsv"}


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random sequence of two stretches."""
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    return write_genome(path, c=random_bases(3_000) + b"N" * 10 + random_bases(1_000, seed=1))


@pytest.fixture(scope="module")
def finished(genome: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[PretrainingOptions, Path]:
    """A run of 30 steps that nothing stopped."""
    options = tiny(genome, hold_out=("c:3,011-4,010",))
    out = tmp_path_factory.mktemp("finished") / "model"
    pretrain(options, out)
    return options, out


def losses_of(folder: Path) -> list[list[str]]:
    return [line.split("\t") for line in (folder / "losses.tsv").read_text().splitlines()]


def stopped_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[PretrainingOptions, Path], None]:
    """Train, and stop as Ctrl-C does when so many steps are done."""

    @contextmanager
    def stage(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        done = 0

        def advance(units: int) -> None:
            nonlocal done
            done += units
            if unit == "steps" and done >= steps:
                raise KeyboardInterrupt

        yield advance

    def train(options: PretrainingOptions, out: Path) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(pretrain_module, "stage", stage)
            with pytest.raises(KeyboardInterrupt):
                pretrain(options, out)

    return train


@pytest.mark.slow
def test_the_loss_falls_on_a_periodic_genome(tmp_path: Path) -> None:
    genome = write_genome(tmp_path / "genome.fa", c=random_bases(25) * 60)
    options = tiny(
        genome,
        hold_out=("c:1,200-1,500",),
        steps=200,
        checkpoint_every=50,
        hidden_size=32,
        batch=8,
        learning_rate=0.02,
    )
    pretrain(options, tmp_path / "model")
    header, *rows = losses_of(tmp_path / "model")
    assert header == ["step", "training_bits_per_base", "held_out_bits_per_base"]
    first, last = (np.array(row, dtype=float) for row in (rows[0], rows[-1]))
    assert last[0] == 200
    assert last[1] < first[1] < 2.1
    # 25 6-mers on the strand that is scored are log2(25) / 6 = 0.77 bits a base: less takes their neighbours.
    assert last[2] < 0.7


@pytest.mark.parametrize("stop", [1, *(pytest.param(stop, marks=pytest.mark.slow) for stop in (10, 17, 29))])
def test_a_stopped_run_ends_with_the_bytes_of_one_that_was_not(
    stop: int, finished: tuple[PretrainingOptions, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, uninterrupted = finished
    stopped_after(stop, monkeypatch)(options, tmp_path / "model")
    pretrain(options, tmp_path / "model")
    for name in {*MODEL_FILES, STATE_FILE}:
        assert (tmp_path / "model" / name).read_bytes() == (uninterrupted / name).read_bytes(), name


@pytest.mark.slow
def test_a_run_stopped_on_the_plateau_may_become_longer(
    genome: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretrain(tiny(genome, steps=40), tmp_path / "long")
    stopped_after(15, monkeypatch)(tiny(genome, steps=20), tmp_path / "model")  # the rate decays from 15 on
    pretrain(tiny(genome, steps=40), tmp_path / "model")
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("model", "long")]
    assert weights[0] == weights[1]


def test_a_finished_run_cannot_become_longer(finished: tuple[PretrainingOptions, Path]) -> None:
    options, out = finished
    with pytest.raises(InputError, match="has begun to decay; --steps 60 cannot resume"):
        pretrain(replace(options, steps=60), out)


def test_another_seed_in_the_same_folder_is_refused(finished: tuple[PretrainingOptions, Path]) -> None:
    options, out = finished
    with pytest.raises(InputError, match="seed 0, not 1"):
        pretrain(replace(options, seed=1), out)


def test_another_genome_in_the_same_folder_is_refused(
    finished: tuple[PretrainingOptions, Path], tmp_path: Path
) -> None:
    options, out = finished
    other = write_genome(tmp_path / "other.fa", c=random_bases(4_010, seed=2))
    with pytest.raises(InputError, match="training run with reference"):
        pretrain(replace(options, reference=other), out)


def test_the_folder_is_a_checkpoint_of_the_family(finished: tuple[PretrainingOptions, Path]) -> None:
    options, out = finished
    assert {path.name for path in out.iterdir()} == {*MODEL_FILES, STATE_FILE}
    backbone = load_backbone(str(out))
    assert backbone.max_tile == options.window
    assert backbone.embed([TileHaplotype(b"ACGTAC" * 10)]).shape == (1, 1, 16)


def test_the_loaded_model_computes_what_the_trained_one_did(
    finished: tuple[PretrainingOptions, Path],
) -> None:
    _, out = finished
    checkpoint = read_checkpoint(CheckpointFolder(out, "trained"))
    state = read_state(out)
    assert state is not None
    trained = initial_model(checkpoint.configuration, seed=1)
    trained.load_state_dict(state.weights())
    ids = torch.from_numpy(np.random.default_rng(0).integers(6, 4_102, size=(3, 10)))
    with torch.inference_mode():
        torch.testing.assert_close(load_masked_token_model(checkpoint)(ids), trained(ids))


def test_six_mers_share_the_vectors_of_their_subwords(finished: tuple[PretrainingOptions, Path]) -> None:
    _, out = finished
    checkpoint = read_checkpoint(CheckpointFolder(out, "trained"))
    state = read_state(out)
    assert state is not None
    tensors = state.weights()
    table = "esm.embeddings.word_embeddings.parametrizations.weight"
    tensors[f"{table}.original"] = torch.zeros_like(tensors[f"{table}.original"])
    rows = checkpoint_weights(checkpoint.configuration, tensors)["esm.embeddings.word_embeddings.weight"]
    row = {token: rows[number] for number, token in enumerate(checkpoint.vocabulary)}
    # With words of up to three bases, a change at one end adds to a change at the other.
    left, right, both = (row[token] - row["AAAAAA"] for token in ("CAAAAA", "AAAAAG", "CAAAAG"))
    torch.testing.assert_close(left + right, both)
    assert not row["<mask>"].any()


def test_the_card_tells_data_steps_seed_and_losses(finished: tuple[PretrainingOptions, Path]) -> None:
    _, out = finished
    card = (out / "README.md").read_text()
    last = losses_of(out)[-1]
    for fact in ("blake2b-256:", "c:3011-4010", "3,000 bases", "| seed | 0 |", "| **30** |", last[1][:5]):
        assert fact in card


def test_weights_decide_the_revision_of_the_backbone(
    finished: tuple[PretrainingOptions, Path], tmp_path: Path
) -> None:
    options, out = finished
    pretrain(replace(options, seed=9), tmp_path / "other")
    revisions = {load_backbone(str(folder)).settings["revision"] for folder in (out, tmp_path / "other")}
    assert len(revisions) == 2


@pytest.mark.slow
def test_a_full_disk_leaves_the_last_checkpoint_and_the_run_resumes(
    finished: tuple[PretrainingOptions, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, uninterrupted = finished
    out = tmp_path / "model"
    stopped_after(10, monkeypatch)(options, out)
    before = (out / STATE_FILE).read_bytes()
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, unlimited[1]))  # writing fails half-way
    try:
        with pytest.raises(InputError, match="no disk space left for") as refused:
            pretrain(options, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert "\n" not in str(refused.value)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {STATE_FILE: before}
    pretrain(options, out)
    assert (out / "model.safetensors").read_bytes() == (uninterrupted / "model.safetensors").read_bytes()


def test_a_damaged_state_is_refused_in_one_line(
    finished: tuple[PretrainingOptions, Path], tmp_path: Path
) -> None:
    options, out = finished
    (tmp_path / STATE_FILE).write_bytes((out / STATE_FILE).read_bytes()[:1_000])
    with pytest.raises(InputError, match="delete it to start again") as refused:
        pretrain(options, tmp_path)
    assert "\n" not in str(refused.value)


def test_a_loss_that_is_not_finite_stops_the_run(genome: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lower --learning-rate"):
        pretrain(tiny(genome, learning_rate=1e30), tmp_path / "model")


def test_the_configuration_is_one_transformers_can_read(finished: tuple[PretrainingOptions, Path]) -> None:
    from transformers import EsmConfig

    _, out = finished
    content = json.loads((out / "config.json").read_text())
    configuration = EsmConfig.from_pretrained(out)
    assert configuration.hidden_size == content["hidden_size"] == 16
    stored = load_file(out / "model.safetensors")
    assert stored["esm.embeddings.word_embeddings.weight"].shape == (configuration.vocab_size, 16)

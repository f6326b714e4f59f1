"""`pretrain` and `backbones score` on the command line; bad input is one line and exit code 2."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.fixtures.backbones import write_v2
from tests.fixtures.command_line import run_cli
from tests.fixtures.genomes import random_bases, write_genome, write_variants

TINY = (
    *("--window", 60, "--hidden-size", 16, "--layers", 1, "--heads", 2, "--feed-forward", 16),
    *("--batch", 2, "--steps", 4, "--device", "cpu"),
)
QUERY = "esm.encoder.layer.1.attention.self.query.weight"

Refused = Callable[..., str]


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    return write_genome(tmp_path / "genome.fa", c=random_bases(2_000))


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Give a command that must be refused; have the one line that says why."""

    def run_and_read(*arguments: object) -> str:
        assert run_cli(*arguments, monkeypatch=monkeypatch) == 2
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("haploscribe: ")]
        assert len(lines) == 1
        return lines[0]

    return run_and_read


def test_a_trained_folder_can_be_scored(
    genome: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model"
    assert run_cli("pretrain", "--reference", genome, "--out", out, *TINY, monkeypatch=monkeypatch) == 0
    assert "steps: 4" in capsys.readouterr().out
    arguments = ("backbones", "score", out, "--reference", genome, "--region", "c:1-900", "--json")
    assert run_cli(*arguments, monkeypatch=monkeypatch) == 0
    score = json.loads(capsys.readouterr().out)
    assert score["backbone"] == "model"
    assert score["uniform"] == 2.0
    assert run_cli(*arguments[:-1], monkeypatch=monkeypatch) == 0
    assert f"{score['model']:.4f} ± " in capsys.readouterr().out


def test_a_config_file_holds_out_several_regions(
    genome: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "pretrain.toml"
    config.write_text('hold-out = ["c:1-200", "c:1,801-2,000"]\nhidden-size = 16\n')
    out = tmp_path / "model"
    arguments = ("pretrain", "--reference", genome, "--out", out, "--config", config, *TINY)
    assert run_cli(*arguments, monkeypatch=monkeypatch) == 0
    assert "c:1-200, c:1801-2000" in (out / "README.md").read_text()


@pytest.mark.parametrize(
    ("sequence", "said"),
    [
        (b"ACGTACGTACGTACG", "no 60 bp without N"),
        (b"N" * 500, "the longest part has 0 bp"),
        ((b"ACGT" * 10 + b"N") * 20, "the longest part has 40 bp"),
    ],
    ids=["short", "all-N", "broken"],
)
def test_too_little_sequence(sequence: bytes, said: str, tmp_path: Path, refused: Refused) -> None:
    path = write_genome(tmp_path / "short.fa", c=sequence)
    assert said in refused("pretrain", "--reference", path, "--out", tmp_path / "model", *TINY)
    assert not (tmp_path / "model").exists()


def test_variants_of_another_contig(genome: Path, tmp_path: Path, refused: Refused) -> None:
    variants = write_variants(tmp_path / "other.vcf", "d", 100, [(5, "A", "C", "0|1\t0|0")])
    arguments = ("--reference", genome, "--variants", variants)
    message = refused("pretrain", *arguments, "--out", tmp_path / "model", *TINY)
    assert "none of the contigs" in message
    assert not (tmp_path / "model").exists()
    assert "none of the contigs" in refused(
        *("backbones", "score", write_v2(tmp_path / "tiny"), *arguments, "--region", "c:1-500")
    )


def test_variants_of_another_build(genome: Path, tmp_path: Path, refused: Refused) -> None:
    bases = random_bases(2_000).decode()
    records = [(at + 1, "ACGT"["ACGT".index(bases[at]) - 1], "N", "0|1\t0|0") for at in range(0, 2_000, 40)]
    variants = write_variants(tmp_path / "shifted.vcf", "c", 2_000, records)
    arguments = ("--reference", genome, "--variants", variants, "--out", tmp_path / "model")
    assert "REF" in refused("pretrain", *arguments, *TINY)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--hold-out", "c:1-2,000", "--window"),
        ("--hold-out", "c:1-2,001", "--hold-out c:1-2,001 ends after the end of c"),
        ("--hold-out", "nonsense", "--hold-out nonsense"),
        ("--window", 64, "multiple of 6"),
        ("--heads", 3, "3 heads"),
        ("--steps", 0, "--steps 0"),
        ("--learning-rate", 0, "--learning-rate 0"),
        ("--device", "cuda:99", "cuda:99"),
        ("--reference", "no-such.fa", "no-such.fa"),
    ],
)
def test_options_out_of_range(
    option: str, value: object, said: str, genome: Path, tmp_path: Path, refused: Refused
) -> None:
    arguments = ("pretrain", "--reference", genome, "--out", tmp_path / "model", *TINY, option, value)
    assert said in refused(*arguments)
    assert not (tmp_path / "model").exists()


def missing(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors[QUERY]
    save_file(tensors, folder / "model.safetensors")


def extra(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    save_file(tensors | {"more": torch.zeros(1)}, folder / "model.safetensors")


def misshapen(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    save_file(tensors | {QUERY: torch.zeros(2, 2)}, folder / "model.safetensors")


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (missing, f"lacks {QUERY}"),
        (extra, "unexpected more"),
        (misshapen, "another shape"),
        (pickled, "pickled"),
    ],
)
def test_a_spoilt_checkpoint_is_not_scored(
    spoil: Callable[[Path], None], said: str, genome: Path, tmp_path: Path, refused: Refused
) -> None:
    folder = write_v2(tmp_path / "spoilt")
    spoil(folder)
    assert said in refused("backbones", "score", folder, "--reference", genome, "--region", "c:1-900")

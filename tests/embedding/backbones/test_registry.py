"""The table of backbones and loading by name."""

import subprocess
import sys
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from haploscribe.embedding.backbones.catalogue import BACKBONES, BackboneEntry
from haploscribe.embedding.backbones.registry import load_backbone, opened_checkpoint
from haploscribe.errors import InputError
from haploscribe.genome.haplotypes import TileHaplotype
from tests.fixtures.backbones import write_v2
from tests.fixtures.ntv3 import TINY

PUBLISHED = [entry for entry in BACKBONES if entry.hub_id is not None]


def test_what_the_package_carries_and_the_published_checkpoints_are_listed() -> None:
    assert {entry.name for entry in BACKBONES} == {
        *("random", "kmer", "nano"),
        *("nt-500m-human-ref", "nt-500m-1000g", "nt-2.5b-1000g", "nt-2.5b-multi-species"),
        *("nt-v2-50m", "nt-v2-100m", "nt-v2-250m", "nt-v2-500m"),
        *("ntv3-8m", "ntv3-100m", "ntv3-650m", "ntv3-8m-8kb", "ntv3-100m-8kb", "ntv3-650m-8kb"),
    }


@pytest.mark.parametrize("entry", PUBLISHED, ids=[entry.name for entry in PUBLISHED])
def test_dimensions_add_up_to_the_size_in_the_name(entry: BackboneEntry) -> None:
    hidden, inner = entry.dimension, entry.feed_forward_size
    matrices = 2 if entry.family == "nt-v1" else 3  # the gate is one more
    parameters = entry.n_layers * (4 * hidden**2 + matrices * hidden * inner)
    parameters += 2 * entry.vocabulary_size * hidden + hidden**2
    if entry.family == "ntv3":  # seven halvings and doublings, each with kernels of five bases and of one
        parameters += 2 * 7 * (5 + 1) * hidden**2
    size = next(word for word in entry.name.split("-") if word[0].isdigit())
    named = float(size[:-1]) * {"m": 1e6, "b": 1e9}[size[-1]]
    assert parameters == pytest.approx(named, rel=0.12)


def test_the_table_needs_no_torch() -> None:
    script = (
        "import sys, haploscribe.embedding.backbones.registry as r\n"
        "r.load_backbone('kmer'), r.load_backbone('random')\n"
        "print({'torch', 'transformers', 'huggingface_hub', 'safetensors'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_kmer_loads_by_name() -> None:
    assert load_backbone("kmer").embed([TileHaplotype(b"ACGTACG")]).sum() == 2


def test_a_folder_loads_by_path(tmp_path: Path) -> None:
    backbone = load_backbone(str(write_v2(tmp_path / "mine")), layer=1, pooling="bins-2")
    assert (backbone.name, backbone.embed([TileHaplotype(b"ACGTACGTACGT")]).shape) == ("mine", (1, 2, 24))


def offline_hub(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))


@pytest.mark.parametrize("entry", PUBLISHED, ids=[entry.name for entry in PUBLISHED])
def test_a_hub_name_without_the_hub_says_what_to_do(
    entry: BackboneEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline_hub(monkeypatch, tmp_path)
    with pytest.raises(InputError, match=f"hf download {entry.hub_id} .*give its path") as refused:
        load_backbone(entry.name)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("asked", ["nt-v2-100m", "InstaDeepAI/nucleotide-transformer-v2-100m-multi-species"])
def test_a_hub_name_loads_from_the_cache_with_the_commit_as_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--InstaDeepAI--nucleotide-transformer-v2-100m-multi-species"
    folder = write_v2(repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    offline_hub(monkeypatch, tmp_path)
    backbone = load_backbone(asked)
    assert (backbone.name, backbone.settings["revision"]) == ("nt-v2-100m", commit)
    expected = load_backbone(str(folder)).embed([TileHaplotype(b"GATTACAGATTACA")])
    np.testing.assert_array_equal(backbone.embed([TileHaplotype(b"GATTACAGATTACA")]), expected)


def test_ntv3_loads_from_the_cache_with_the_longest_tile_of_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--InstaDeepAI--NTv3_8M_pre_8kb"
    copytree(TINY, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    offline_hub(monkeypatch, tmp_path)
    backbone = load_backbone("ntv3-8m-8kb")
    assert (backbone.max_tile, backbone.settings["revision"]) == (8_192, commit)
    folder = load_backbone(str(TINY))
    assert folder.max_tile == 2**20
    haplotypes = [TileHaplotype(b"GATTACAGATTACA")]
    np.testing.assert_array_equal(backbone.embed(haplotypes), folder.embed(haplotypes))


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'enformer'.*known: random, kmer, nano, nt-500m-human-ref"):
        load_backbone("enformer")


@pytest.mark.parametrize("name", ["random", "kmer"])
def test_a_backbone_without_weights_refuses_what_it_does_not_have(name: str) -> None:
    with pytest.raises(InputError, match=f"{name}' has no layer; leave out --layer"):
        load_backbone(name, layer=3)
    with (
        pytest.raises(InputError, match=f"{name}' has no weights and guesses no tokens"),
        opened_checkpoint(name),
    ):
        pass


def test_nano_loads_from_the_package_and_is_what_the_table_says() -> None:
    entry = next(entry for entry in BACKBONES if entry.name == "nano")
    with opened_checkpoint("nano") as checkpoint:
        sizes = {path.name: path.stat().st_size for path in checkpoint.folder.iterdir()}
        configuration = checkpoint.configuration
    assert sum(sizes.values()) <= 8_000_000
    assert {"README.md", "losses.tsv"} <= set(sizes)
    shape = (configuration.n_layers, configuration.n_heads, configuration.feed_forward_size)
    assert shape == (entry.n_layers, entry.n_heads, entry.feed_forward_size)
    assert configuration.vocabulary_size == entry.vocabulary_size
    backbone = load_backbone("nano")
    assert (backbone.name, backbone.max_tile, backbone.tile_multiple) == ("nano", entry.max_tile, 6)
    assert backbone.embed([TileHaplotype(b"ACGT" * 1_498)]).shape == (1, 1, entry.dimension)

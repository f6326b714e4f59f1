"""Loading by name, through the hub's own client, from a stand-in of the hub."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from haploscribe.config.options import BackboneOptions
from haploscribe.embedding.backbones.catalogue import BACKBONES, BackboneEntry
from haploscribe.embedding.backbones.registry import check_backbone_name, load_backbone
from haploscribe.embedding.stage import LoadedBackbone
from haploscribe.errors import InputError
from haploscribe.zero_shot.enformer.configuration import HUB_NAMES
from haploscribe.zero_shot.weights_folder import locate
from tests.fixtures.backbones import embed_sequences, write_v2
from tests.fixtures.every_verb import commands, run_verb, write_cohort
from tests.fixtures.hub import StandInHub, serve, use_hub

PUBLISHED = [entry for entry in BACKBONES if entry.hub_id is not None]
OTHER = "some-lab/dna-model"
SEQUENCES = [b"GATTACAGATTACA"]
UNWANTED = (
    "pytorch_model.bin",
    "training_args.pt",
    "modeling_esm.py",
    "README.md",
    "jax_model/model.safetensors",
    "onnx/config.json",
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as published: safetensors beside pickles, code and other formats."""
    folder = write_v2(tmp_path_factory.mktemp("published") / "checkpoint")
    (folder / "tokenizer_config.json").write_text("{}")
    for name in UNWANTED:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"never fetched")
    return folder


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Path:
    """The same checkpoint with its weights in two files."""
    folder = tmp_path_factory.mktemp("published") / "sharded"
    folder.mkdir()
    tensors = load_file(checkpoint / "model.safetensors")
    names = sorted(tensors)
    shards = {
        "model-00001-of-00002.safetensors": names[: len(names) // 2],
        "model-00002-of-00002.safetensors": names[len(names) // 2 :],
    }
    for shard, held in shards.items():
        save_file({name: tensors[name] for name in held}, folder / shard)
    weight_map = {name: shard for shard, held in shards.items() for name in held}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    for name in ("config.json", "vocab.txt"):
        (folder / name).write_bytes((checkpoint / name).read_bytes())
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StandInHub]:
    with serve() as served:
        use_hub(monkeypatch, served.endpoint, tmp_path / "cache")
        yield served


def cut_off(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Point this process at a port where nobody listens; the cache stays."""
    with serve() as gone:
        address = gone.endpoint
    use_hub(monkeypatch, address, cache)


def refusal(name: str, revision: str | None = None) -> str:
    with pytest.raises(InputError) as refused:
        load_backbone(name, revision=revision)
    said = str(refused.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize("entry", BACKBONES, ids=[entry.name for entry in BACKBONES])
def test_every_row_names_a_revision(entry: BackboneEntry) -> None:
    assert (entry.revision == "-") == (entry.hub_id is None)
    assert entry.revision


def test_rows_ask_for_the_revisions_that_hold_safetensors() -> None:
    # What the hub held when the rows were written: only pickles on `main` of other models.
    on_main = {entry.name for entry in PUBLISHED if entry.revision == "main"}
    assert on_main == {"nt-v2-100m", "ntv3-8m-8kb", "ntv3-100m-8kb", "ntv3-650m-8kb"}
    assert dict(HUB_NAMES) == {"EleutherAI/enformer-official-rough": "refs/pr/1"}


@pytest.mark.parametrize("entry", PUBLISHED, ids=[entry.name for entry in PUBLISHED])
def test_a_name_loads_the_revision_of_its_row(
    entry: BackboneEntry, hub: StandInHub, checkpoint: Path
) -> None:
    assert entry.hub_id is not None
    held = hub.add(entry.hub_id, checkpoint, entry.revision)
    for other in {"main", "refs/pr/1"} - {entry.revision}:
        hub.add(entry.hub_id, checkpoint, other, without="model.safetensors")
    if len(entry.revision) == 40:  # a commit is its own name
        hub.repositories[entry.hub_id].commits[entry.revision] = hub.repositories[entry.hub_id].commits[held]
        held = entry.revision
    backbone = load_backbone(entry.name)
    assert (backbone.name, backbone.settings["revision"]) == (entry.name, held)
    assert hub.revisions_asked() == {entry.revision}
    expected = load_backbone(str(checkpoint))
    np.testing.assert_array_equal(embed_sequences(backbone, SEQUENCES), embed_sequences(expected, SEQUENCES))


def test_only_safetensors_and_the_tokenisers_files_are_fetched(hub: StandInHub, checkpoint: Path) -> None:
    hub.add(OTHER, checkpoint, "main")
    load_backbone(f"hf:{OTHER}")
    wanted = {"config.json", "vocab.txt", "tokenizer_config.json"}
    assert hub.fetched() - {"model.safetensors"} == wanted
    elsewhere = [path for method, path in hub.asked if method == "GET" and path.startswith("/elsewhere/")]
    assert [path.rsplit("/", 1)[1] for path in elsewhere] == ["model.safetensors"]
    assert not {path for _, path in hub.asked if path.endswith(UNWANTED)}


def test_shards_load_like_one_file(hub: StandInHub, checkpoint: Path, sharded: Path) -> None:
    hub.add(OTHER, sharded, "main")
    backbone, expected = load_backbone(f"hf:{OTHER}"), load_backbone(str(checkpoint))
    np.testing.assert_array_equal(embed_sequences(backbone, SEQUENCES), embed_sequences(expected, SEQUENCES))


def test_any_repository_loads_with_its_prefix_by_any_revision(hub: StandInHub, checkpoint: Path) -> None:
    commit = hub.add(OTHER, checkpoint, "main", "v1", "refs/pr/3")
    for revision in (None, "v1", "refs/pr/3", commit):
        backbone = load_backbone(f"hf:{OTHER}", revision=revision)
        assert (backbone.name, backbone.settings["revision"]) == ("dna-model", commit)
    assert hub.revisions_asked() == {"main", "v1", "refs/pr/3", commit}


def test_a_repository_of_the_table_is_its_row_with_the_prefix_too(hub: StandInHub, checkpoint: Path) -> None:
    entry = next(entry for entry in PUBLISHED if entry.revision.startswith("refs/"))
    assert entry.hub_id is not None
    hub.add(entry.hub_id, checkpoint, entry.revision)
    assert load_backbone(f"hf:{entry.hub_id}").name == entry.name
    assert hub.revisions_asked() == {entry.revision}


def test_what_a_branch_was_is_recorded(hub: StandInHub, checkpoint: Path, tmp_path: Path) -> None:
    first = hub.add(OTHER, checkpoint, "main")
    options = LoadedBackbone.load(BackboneOptions(f"hf:{OTHER}")).options
    assert options == BackboneOptions(f"hf:{OTHER}", first)
    hub.add(OTHER, write_v2(tmp_path / "newer", num_hidden_layers=2), "main")
    now = LoadedBackbone.load(BackboneOptions(f"hf:{OTHER}"))
    assert now.options.revision != first
    assert LoadedBackbone.load(options).key != now.key
    assert LoadedBackbone.load(options).backbone.settings["revision"] == first


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (None, r"\(HTTP 401\); accept its licence on .*/some-lab/dna-model, then run"),
        ("hf_mine", r"\(HTTP 403\); accept its licence on .*/some-lab/dna-model with the account of your"),
    ],
)
def test_a_gated_repository_says_what_to_accept(
    token: str | None,
    said: str,
    hub: StandInHub,
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    hub.add(OTHER, checkpoint, "main")
    hub.repositories[OTHER].gated = True
    if token is not None:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(InputError, match=f"^{OTHER} is gated {said}.*'hf auth login'"):
        load_backbone(f"hf:{OTHER}")
    assert not hub.fetched()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("hf_mine", 404)])
def test_an_unknown_repository(
    token: str | None, status: int, hub: StandInHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    if token is not None:
        monkeypatch.setenv("HF_TOKEN", token)
    assert refusal("hf:some-lab/none") == (
        f"the hub shows no repository some-lab/none (HTTP {status}); check the name or, if it is private, "
        "run 'hf auth login'"
    )


def test_a_token_that_is_refused(hub: StandInHub) -> None:
    hub.failing = 403
    said = refusal(f"hf:{OTHER}")
    assert said.startswith(f"the hub refuses your token for {OTHER} (HTTP 403); run 'hf auth login'")


def test_an_unknown_revision(hub: StandInHub, checkpoint: Path) -> None:
    hub.add(OTHER, checkpoint, "main")
    said = refusal(f"hf:{OTHER}", "v9")
    assert said.startswith("some-lab/dna-model has no revision v9; give a --revision with config.json and")


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("config.json", "no config.json; give a --revision"),
        ("model.safetensors", r"only pickled weights \(pytorch_model.bin\), which can run code when read"),
    ],
)
def test_a_revision_that_lacks_a_file_is_refused_before_any_download(
    missing: str, said: str, hub: StandInHub, checkpoint: Path
) -> None:
    hub.add(OTHER, checkpoint, "main", without=missing)
    with pytest.raises(InputError, match=f"^some-lab/dna-model at revision main has {said}"):
        load_backbone(f"hf:{OTHER}")
    assert not hub.fetched()


def test_a_revision_without_weights(hub: StandInHub, sharded: Path) -> None:
    hub.add(OTHER, sharded, "main", without="model.safetensors.index.json")
    assert "at revision main has no model.safetensors; give a --revision" in refusal(f"hf:{OTHER}")
    assert not hub.fetched()


def test_a_missing_shard(hub: StandInHub, sharded: Path) -> None:
    hub.add(OTHER, sharded, "main", without="model-00002-of-00002.safetensors")
    assert "lists missing shards: model-00002-of-00002.safetensors" in refusal(f"hf:{OTHER}")


def test_pickles_of_a_published_name_say_which_revision_has_none(hub: StandInHub, checkpoint: Path) -> None:
    entry = next(entry for entry in PUBLISHED if entry.revision.startswith("refs/"))
    assert entry.hub_id is not None
    hub.add(entry.hub_id, checkpoint, "main", without="model.safetensors")
    said = refusal(entry.name, "main")
    assert "has only pickled weights (pytorch_model.bin)" in said
    assert said.endswith(f"give --revision {entry.revision}, which has safetensors")
    assert not hub.fetched()


@pytest.mark.parametrize("revision", ["main", None])
def test_without_network_the_copy_of_last_time_is_read(
    revision: str | None, hub: StandInHub, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commit = hub.add(OTHER, checkpoint, "main")
    asked = f"hf:{OTHER}"
    before = load_backbone(asked)
    cut_off(monkeypatch, tmp_path / "cache")
    for again in (revision, commit):
        backbone = load_backbone(asked, revision=again)
        assert backbone.settings == before.settings
        np.testing.assert_array_equal(
            embed_sequences(backbone, SEQUENCES), embed_sequences(before, SEQUENCES)
        )


def test_a_hub_that_fails_is_like_none(hub: StandInHub, checkpoint: Path) -> None:
    hub.add(OTHER, checkpoint, "main")
    load_backbone(f"hf:{OTHER}")
    hub.failing = 503
    assert load_backbone(f"hf:{OTHER}").name == "dna-model"


def test_without_network_and_without_a_copy(
    hub: StandInHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cut_off(monkeypatch, tmp_path / "cache")
    said = refusal(f"hf:{OTHER}", "v1")
    assert said.startswith(f"cannot download {OTHER} (ConnectError: ")
    assert f"hf download {OTHER} --revision v1 --local-dir FOLDER" in said


def test_an_incomplete_copy_is_none(
    hub: StandInHub, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub.add(OTHER, checkpoint, "main")
    load_backbone(f"hf:{OTHER}")
    (weights,) = (tmp_path / "cache").rglob("snapshots/*/model.safetensors")
    weights.unlink()
    cut_off(monkeypatch, tmp_path / "cache")
    assert "no complete copy is cached" in refusal(f"hf:{OTHER}")


def test_enformer_is_asked_for_where_its_safetensors_are(hub: StandInHub, checkpoint: Path) -> None:
    (name,) = HUB_NAMES
    hub.add(name, checkpoint, "refs/pr/1")
    assert (locate(None, HUB_NAMES) / "model.safetensors").is_file()
    assert hub.revisions_asked() == {"refs/pr/1"}


@pytest.mark.parametrize("name", ["nano", "kmer", "here", "tests.fixtures.hub:StandInHub"])
def test_a_revision_is_for_the_hub_alone(
    name: str, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    said = f"^--revision main: backbone {name} is not on the Hugging Face hub; leave it out"
    with pytest.raises(InputError, match=said):
        load_backbone(name, revision="main")
    with pytest.raises(InputError, match=said):
        check_backbone_name(name, "main")


@pytest.mark.parametrize("name", ["hf:", "hf:nano", "hf:a/b/c", "hf:../up", "hf:a/..", "hf:a b/c"])
def test_what_is_no_repository_is_never_asked_for(name: str, hub: StandInHub) -> None:
    assert "is no repository of the hub; give hf:OWNER/NAME" in refusal(name)
    assert not hub.asked


def embed_from_hub(folder: Path) -> list[str]:
    embed = commands(write_cohort(folder / "cohort"), folder, 1, None)["embed"]
    return [*embed, f"--backbone=hf:{OTHER}", "--revision=refs/pr/3", "--tile=60", "--device=cpu"]


def test_the_command_line_says_it_in_one_line(hub: StandInHub, checkpoint: Path, tmp_path: Path) -> None:
    hub.add(OTHER, checkpoint, "refs/pr/3")
    hub.repositories[OTHER].gated = True
    code, printed = run_verb(embed_from_hub(tmp_path))
    assert code == 2
    assert printed.startswith(f"haploscribe: {OTHER} is gated (HTTP 401); accept its licence on")
    assert printed.count("\n") == 1
    assert not (tmp_path / "store.zarr").exists()


@pytest.mark.slow
def test_a_finished_run_asks_for_the_commit_that_it_was_trained_with(
    hub: StandInHub, checkpoint: Path, tmp_path: Path
) -> None:
    hub.add(OTHER, checkpoint, "main")
    verbs = commands(write_cohort(tmp_path / "cohort"), tmp_path / "out", 1, None)
    run = [*verbs["run"], f"--backbone=hf:{OTHER}", "--tile=60"]
    assert run_verb(run)[0] == 0
    hub.add(OTHER, write_v2(tmp_path / "newer", num_hidden_layers=2), "main")
    for command in (verbs["predict"], verbs["explain"], [*run, "--models=blup-distance-delta"]):
        code, printed = run_verb(command)
        assert code == 0, printed
    other = [f"--backbone=hf:{OTHER}", f"--out={tmp_path / 'other.tsv'}"]
    code, printed = run_verb([*verbs["predict"], *other])
    assert code == 2
    assert f"backbone hf:{OTHER} is dna-model." in printed


@pytest.mark.slow
def test_the_command_line_embeds_from_the_hub(hub: StandInHub, checkpoint: Path, tmp_path: Path) -> None:
    """A process of its own, pointed at the hub as users do it."""
    hub.add(OTHER, checkpoint, "refs/pr/3")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    there = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "home"), "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(
        [sys.executable, "-m", "haploscribe", *embed_from_hub(tmp_path)],
        capture_output=True,
        text=True,
        env=kept | there,
        check=True,
    )
    assert "backbone: dna-model" in done.stdout
    assert hub.revisions_asked() == {"refs/pr/3"}
    assert not {path for _, path in hub.asked if path.endswith(UNWANTED)}

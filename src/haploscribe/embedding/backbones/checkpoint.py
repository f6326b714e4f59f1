"""Read a checkpoint folder: configuration, vocabulary and weights, from disk or from the hub."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from haploscribe.embedding.backbones.esm import EsmConfiguration, parse_configuration
from haploscribe.errors import InputError

CONFIGURATION_FILE = "config.json"
VOCABULARY_FILE = "vocab.txt"
WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
_DOWNLOADED = (CONFIGURATION_FILE, VOCABULARY_FILE, "*.safetensors", INDEX_FILE)
HUB_TIMEOUT = 10.0
"""Seconds to wait for the hub before using the cache."""
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A checkpoint on disk; the weights are not read yet.

    Attributes
    ----------
    name
        Name of the backbone in outputs.
    folder
        Folder of the files.
    revision
        The hub's commit hash, or `sha256:…`, a digest of all files that decide the vectors.
    configuration
        Parsed `config.json`.
    vocabulary
        Lines of `vocab.txt`: tokens in the order of their numbers.
    """

    name: str
    folder: Path
    revision: str
    configuration: EsmConfiguration
    vocabulary: tuple[str, ...]


def download(hub_id: str, revision: str) -> tuple[Path, str]:
    """Download a checkpoint's files from the Hugging Face hub, or find them in its cache; never code.

    `revision` is resolved on the hub once; the cache is used as is only when the hub does not answer.

    Returns
    -------
    tuple
        The folder, and the commit hash of `revision`.

    Raises
    ------
    InputError
        When the hub cannot be reached and the cache has no copy, or has no such revision.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when the library is imported
    from huggingface_hub import HfApi, snapshot_download  # noqa: PLC0415 - slow to import; only needed for the hub

    try:
        commit = HfApi().model_info(hub_id, revision=revision, timeout=HUB_TIMEOUT).sha
        folder = snapshot_download(hub_id, revision=commit, allow_patterns=list(_DOWNLOADED))
    except Exception as error:  # connection errors differ between versions of huggingface_hub
        cached = _cached(hub_id, revision)
        if cached is None:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise InputError(
                f"cannot download {hub_id} ({reason}) and no copy is cached; on a machine with access run "
                f"'hf download {hub_id} --revision {revision} --local-dir FOLDER', copy FOLDER here and give "
                "its path instead"
            ) from None
        folder = cached
    return Path(folder), Path(folder).name


def _cached(hub_id: str, revision: str) -> str | None:
    from huggingface_hub import snapshot_download  # noqa: PLC0415
    from huggingface_hub.errors import LocalEntryNotFoundError  # noqa: PLC0415

    try:
        return snapshot_download(hub_id, revision=revision, local_files_only=True)
    except LocalEntryNotFoundError:
        return None


def read_checkpoint(folder: Path, name: str, revision: str | None = None) -> Checkpoint:
    """Read a checkpoint folder in the hub's format, except for the weights.

    Parameters
    ----------
    folder
        Holds `config.json`, `vocab.txt` and `model.safetensors` or its shards with their index.
    name
        Name of the backbone.
    revision
        Known revision; if None, a digest of the files.

    Raises
    ------
    InputError
        When a file is missing or unreadable.
    """
    content = _read_json(folder / CONFIGURATION_FILE)
    vocabulary = tuple(line.strip() for line in _read_text(folder / VOCABULARY_FILE).splitlines())
    files = [folder / CONFIGURATION_FILE, folder / VOCABULARY_FILE, *_weight_files(folder)]
    return Checkpoint(
        name=name,
        folder=folder,
        revision=revision or _digest(files),
        configuration=parse_configuration(content, str(folder / CONFIGURATION_FILE)),
        vocabulary=vocabulary,
    )


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Read all tensors of a checkpoint folder, by their published names.

    Raises
    ------
    InputError
        When there are no safetensors, or a file is damaged.
    """
    from safetensors import SafetensorError  # noqa: PLC0415 - with its torch part, only here
    from safetensors.torch import load_file  # noqa: PLC0415

    tensors: dict[str, Tensor] = {}
    for file in _weight_files(folder):
        try:
            tensors |= load_file(file)
        except (SafetensorError, OSError) as error:
            raise InputError(f"cannot read {file} ({error}); download it again") from None
    return tensors


def _weight_files(folder: Path) -> list[Path]:
    """Find the safetensors of a checkpoint: one file, or the shards that an index names."""
    if (folder / WEIGHTS_FILE).is_file():
        return [folder / WEIGHTS_FILE]
    if (folder / INDEX_FILE).is_file():
        named = _read_json(folder / INDEX_FILE).get("weight_map", {})
        names = sorted(set(map(str, named.values()))) if isinstance(named, dict) else []
        elsewhere = [name for name in names if name != Path(name).name or not name.endswith(".safetensors")]
        if elsewhere:
            raise InputError(
                f"{folder / INDEX_FILE} names {elsewhere[0]!r}, which is no safetensors file of its folder; "
                "download it again"
            )
        shards = [folder / name for name in names]
        missing = [shard.name for shard in shards if not shard.is_file()]
        if missing or not shards:
            raise InputError(f"{folder / INDEX_FILE} lists missing shards: {', '.join(missing)}")
        return shards
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        raise InputError(
            f"{folder} has only pickled weights ({pickles[0]}), which can run code when read; only "
            f"safetensors load: convert them to {WEIGHTS_FILE} or download a revision that has it"
        )
    raise InputError(f"{folder} has no {WEIGHTS_FILE}; give the folder of a downloaded checkpoint")


def _digest(files: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return f"sha256:{total.hexdigest()}"


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise InputError(f"cannot read {file}: {reason}; a checkpoint folder needs it") from None


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(_read_text(file))
    except json.JSONDecodeError as error:
        raise InputError(f"{file} is not JSON (line {error.lineno}); download it again") from None
    if not isinstance(content, dict):
        raise InputError(f"{file} is not a JSON object; download it again")
    return content


def check_tensors(
    tensors: Mapping[str, Tensor],
    shapes: Mapping[str, tuple[int, ...]],
    source: str,
    *,
    model: str,
    remedy: str,
) -> None:
    """Check that a checkpoint holds exactly the tensors of a model, in their shapes.

    Parameters
    ----------
    tensors
        Tensors of the checkpoint.
    shapes
        Shapes of the model's tensors, by name.
    source
        Where the tensors came from, for the message.
    model, remedy
        Name of the model, and how to fix a mismatch, for the message.

    Raises
    ------
    InputError
        When a tensor is missing, unexpected, of another shape or not finite.
    """
    both = shapes.keys() & tensors.keys()
    complaints = {
        "lacks": shapes.keys() - tensors.keys(),
        "has unexpected": tensors.keys() - shapes.keys(),
        "has, of another shape than config.json says,": {
            name for name in both if tuple(tensors[name].shape) != shapes[name]
        },
        "has, with values that are not finite,": {
            name for name in both if not torch.isfinite(tensors[name]).all()
        },
    }
    found = [f"{complaint} {_listed(names)}" for complaint, names in complaints.items() if names]
    if found:
        raise InputError(f"the weights in {source} do not fit {model}: it {'; it '.join(found)}; {remedy}")


def _listed(names: Iterable[str], limit: int = 3) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - limit} more" if len(ordered) > limit else ""
    return ", ".join(ordered[:limit]) + more

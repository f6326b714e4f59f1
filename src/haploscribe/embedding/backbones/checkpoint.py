"""Read a checkpoint folder: configuration, vocabulary and weights."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from haploscribe.embedding.backbones.esm import EsmConfiguration, parse_configuration
from haploscribe.errors import InputError

CONFIGURATION_FILE = "config.json"
VOCABULARY_FILE = "vocab.txt"
WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
VOCABULARY_FILES = (
    "tokenizer.json",
    VOCABULARY_FILE,
    "vocab.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
)
TOKENIZER_FILES = (
    *VOCABULARY_FILES,
    "merges.txt",
    "added_tokens.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
)
"""Files of a checkpoint that decide its tokens; no checkpoint has all."""
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")


class CheckpointFolder(NamedTuple):
    """A folder with a checkpoint in the hub's format; nothing is read yet.

    Attributes
    ----------
    folder
        Holds `config.json`, `model.safetensors` or its shards with their index, and a tokeniser's files.
    name
        Name of the backbone in outputs.
    revision
        The hub's commit hash; None for a folder of the user's, whose digest takes its place.
    max_tile
        The longest tile in base pairs as the table has it, for models whose files do not say; None for a
        folder of the user's.
    """

    folder: Path
    name: str
    revision: str | None = None
    max_tile: int | None = None


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


def read_checkpoint(found: CheckpointFolder) -> Checkpoint:
    """Read a checkpoint folder of the Nucleotide Transformer, except for the weights.

    Raises
    ------
    InputError
        When a file is missing or unreadable.
    """
    folder = found.folder
    content = read_json(folder / CONFIGURATION_FILE)
    configuration = parse_configuration(content, str(folder / CONFIGURATION_FILE))
    vocabulary = tuple(line.strip() for line in read_text(folder / VOCABULARY_FILE).splitlines())
    return Checkpoint(
        name=found.name,
        folder=folder,
        revision=found.revision or digest_checkpoint(folder, [VOCABULARY_FILE]),
        configuration=configuration,
        vocabulary=vocabulary,
    )


def has_six_mers(folder: Path) -> bool:
    """Return whether a checkpoint folder has the vocabulary of a Nucleotide Transformer."""
    return (folder / VOCABULARY_FILE).is_file() and "A" * 6 in read_text(folder / VOCABULARY_FILE).split()


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Read all tensors of a checkpoint folder, by their published names.

    Raises
    ------
    InputError
        When there are no safetensors, or a file is damaged.
    """
    tensors: dict[str, Tensor] = {}
    for file in _weight_files(folder):
        tensors |= read_tensors(file)
    return tensors


def read_tensors(file: Path) -> dict[str, Tensor]:
    """Read all tensors of a safetensors file, by name.

    Raises
    ------
    InputError
        When it cannot be read, or is none.
    """
    from safetensors import SafetensorError  # noqa: PLC0415 - with its torch part, only here
    from safetensors.torch import load_file  # noqa: PLC0415

    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise InputError(f"cannot read {file} ({error}); download it again") from None


def _weight_files(folder: Path) -> list[Path]:
    """Find the safetensors of a checkpoint: one file, or the shards that an index names."""
    if (folder / WEIGHTS_FILE).is_file():
        return [folder / WEIGHTS_FILE]
    if (folder / INDEX_FILE).is_file():
        named = read_json(folder / INDEX_FILE).get("weight_map", {})
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
    pickles = pickled_weights(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if pickles:
        raise InputError(
            f"{folder} has only pickled weights ({pickles[0]}), which can run code when read; only "
            f"safetensors load: convert them to {WEIGHTS_FILE} or download a revision that has it"
        )
    raise InputError(f"{folder} has no {WEIGHTS_FILE}; give the folder of a downloaded checkpoint")


def pickled_weights(names: Iterable[str]) -> list[str]:
    """Return the names of files that hold pickled weights, sorted."""
    return sorted(name for name in names if Path(name).suffix in _PICKLES)


def digest_checkpoint(folder: Path, others: Iterable[str]) -> str:
    """Digest a checkpoint's configuration, tokeniser files (`others`, by name) and weights: `sha256:…`.

    Raises
    ------
    InputError
        When there are no safetensors.
    """
    total = hashlib.sha256()
    for file in [folder / CONFIGURATION_FILE, *(folder / name for name in others), *_weight_files(folder)]:
        with file.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return f"sha256:{total.hexdigest()}"


def read_text(file: Path) -> str:
    """Read a text file of a checkpoint folder.

    Raises
    ------
    InputError
        When it is missing or not UTF-8.
    """
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise InputError(f"cannot read {file}: {reason}; a checkpoint folder needs it") from None


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object from a file of a checkpoint folder.

    Raises
    ------
    InputError
        When it is missing or not a JSON object.
    """
    try:
        content = json.loads(read_text(file))
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
    refuse_misfit(complaints, source, model=model, remedy=remedy)


def refuse_misfit(complaints: Mapping[str, Collection[str]], source: str, *, model: str, remedy: str) -> None:
    """Raise InputError where there are complaints of tensors, by verb; the rest as in `check_tensors`."""
    found = [f"{complaint} {_listed(names)}" for complaint, names in complaints.items() if names]
    if found:
        raise InputError(f"the weights in {source} do not fit {model}: it {'; it '.join(found)}; {remedy}")


def _listed(names: Iterable[str], limit: int = 3) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - limit} more" if len(ordered) > limit else ""
    return ", ".join(ordered[:limit]) + more

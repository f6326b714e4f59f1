"""Load a backbone: by name, from a folder or from outside the package."""

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from haploscribe.embedding.backbones.base import Backbone, ValidatedBackbone
from haploscribe.embedding.backbones.both_strands import read_strands
from haploscribe.embedding.backbones.catalogue import BACKBONES, WEIGHTLESS, BackboneEntry
from haploscribe.errors import InputError
from haploscribe.utils.plugins import Plugin, find_plugin, load_plugin, registered_names, source_digest

if TYPE_CHECKING:
    from haploscribe.embedding.backbones.checkpoint import Checkpoint, CheckpointFolder

DEFAULT_LAYER = -1
DEFAULT_POOLING = "mean"
DEFAULT_PRECISION = "float32"
DEFAULT_STRANDS = "forward"

_NO_SIX_MERS = "guesses no 6-mers; name a Nucleotide Transformer of version 1 or 2"

GROUP = "haploscribe.backbones"
"""Entry-point group in which installed packages register backbones by short name."""

HUB_PREFIX = "hf:"
"""Marks any repository of the Hugging Face hub, so that a mistyped folder is never asked for there."""
_REPOSITORY = re.compile(r"(?!.*(?:--|\.\.))[^\W_][\w.-]*/(?P<name>[^\W_](?:[\w.-]*\w)?)", re.ASCII)
_OTHER_REVISION = (
    "give a --revision with config.json and model.safetensors (a commit, a branch, or refs/pr/N for a pull "
    "request), or a folder that has them"
)


class HubModel(NamedTuple):
    """A checkpoint on the Hugging Face hub.

    Attributes
    ----------
    hub_id
        Repository, `OWNER/NAME`.
    name
        Name of the backbone in outputs.
    revision, remedy
        As in `haploscribe.embedding.backbones.hub.download`.
    entry
        Its row of the table, where there is one.
    """

    hub_id: str
    name: str
    revision: str
    remedy: str = _OTHER_REVISION
    entry: BackboneEntry | None = None


def load_backbone(
    name_or_path: str,
    *,
    revision: str | None = None,
    layer: int = DEFAULT_LAYER,
    pooling: str = DEFAULT_POOLING,
    device: str = "cpu",
    precision: str = DEFAULT_PRECISION,
    strands: str = DEFAULT_STRANDS,
    plugin_folder: str | None = None,
) -> Backbone:
    """Load a backbone.

    Parameters
    ----------
    name_or_path
        A short name or a hub id of the table; any other repository of the Hugging Face hub as
        `hf:OWNER/NAME`; a class or an instance of a backbone as `module:Name`, or by the short name that an
        installed package registers; or a folder with a checkpoint in the hub's format (`config.json`,
        `model.safetensors`, a tokenizer's files) of the Nucleotide Transformer, of NTv3, or of an
        architecture that `transformers` has. A folder is never looked up on the hub; names go before
        folders, so a folder called like a name is given as `./name`.
    revision
        Of a repository of the hub: a commit, branch or tag, or `refs/pr/N`; None for the table's, and `main`
        for repositories that are not in it.
    layer, pooling, device, precision
        As in `NucleotideTransformer`, `NTv3Backbone` and `AutoModelBackbone`. `kmer` and `random` have no
        layers and one vector, and run on the CPU. A class from outside the package is given those that its
        `__init__` names.
    strands
        `forward`; or `both`, for the mean of a haplotype's vectors and those of its reverse complement.
    plugin_folder
        As `folder` in `haploscribe.utils.plugins.load_plugin`.

    Raises
    ------
    InputError
        When there is no such backbone, an option does not fit it, it does not follow the protocol, or its
        files cannot be had or do not fit.
    """
    options: dict[str, str | int] = {"layer": layer, "pooling": pooling}
    options |= {"device": device, "precision": precision}
    kind = _kind(name_or_path, revision)
    return read_strands(_load(kind, name_or_path, options, plugin_folder), strands)


def _load(
    kind: BackboneEntry | HubModel | Plugin | None,
    name_or_path: str,
    options: Mapping[str, str | int],
    plugin_folder: str | None,
) -> Backbone:
    """Load a backbone of the forward strand."""
    if isinstance(kind, Plugin):
        found = load_plugin(name_or_path, GROUP, "backbone", plugin_folder)
        return make_backbone(found, name_or_path, str(kind), source_digest(kind), options)
    if isinstance(kind, BackboneEntry) and kind.name in WEIGHTLESS:
        _refuse_options(kind.name, options, ())
        return WEIGHTLESS[kind.name]()
    with _opened_folder(kind, name_or_path) as found:
        return _load_folder(found, options)


def check_backbone_name(name_or_path: str, revision: str | None = None) -> None:
    """Raise InputError where `load_backbone` would find nothing by this name; loads no weights."""
    if isinstance(_kind(name_or_path, revision), Plugin):
        load_plugin(name_or_path, GROUP, "backbone")


def is_on_hub(name_or_path: str) -> bool:
    """Return whether `load_backbone` would ask the Hugging Face hub for it."""
    return isinstance(_kind(name_or_path), HubModel)


def table_entry(name_or_path: str) -> BackboneEntry | None:
    """Return the row of the table that a short name or a hub id stands for; None for any other backbone."""
    kind = _kind(name_or_path)
    return kind.entry if isinstance(kind, HubModel) else kind if isinstance(kind, BackboneEntry) else None


def make_backbone(
    found: object, text: str, plugin: str, source: str, options: Mapping[str, str | int]
) -> ValidatedBackbone:
    """Create a backbone from a class or an instance outside the package, and check it.

    Parameters
    ----------
    found
        The class, which is instantiated, or the instance.
    text
        What the user called it, for messages.
    plugin, source
        As in `ValidatedBackbone`.
    options
        `layer`, `pooling`, `device` and `precision`; a class is given those that its `__init__` names.

    Raises
    ------
    InputError
        When it does not follow the protocol, does not take an option, or cannot be instantiated.
    """
    taken: tuple[str, ...] = ()
    backbone = found
    # Names may come from results folders, so nothing is called but a class with the methods of a backbone.
    if isinstance(found, type) and callable(getattr(found, "embed", None)):
        names = inspect.signature(found).parameters
        taken = tuple(name for name in options if name in names)
        _refuse_options(text, options, taken)
        try:
            backbone = found(**{name: options[name] for name in taken})
        except InputError:
            raise
        except Exception as error:  # a plug-in may raise anything
            raise InputError(
                f"backbone {text} cannot be created ({type(error).__name__}: {error})"
            ) from error
    else:
        _refuse_options(text, options, taken)
    return ValidatedBackbone(plugin, source, backbone)


def _refuse_options(name: str, options: Mapping[str, str | int], taken: Iterable[str]) -> None:
    """Raise InputError for options that a backbone does not take, unless they are the defaults."""
    defaults = {"layer": DEFAULT_LAYER, "pooling": DEFAULT_POOLING, "precision": DEFAULT_PRECISION}
    refused = [key for key in defaults if key not in taken and options[key] != defaults[key]]
    if refused:
        given = ", ".join(f"--{key}" for key in refused)
        raise InputError(f"backbone {name!r} has no {' or '.join(refused)}; leave out {given}")


@contextmanager
def opened_checkpoint(name_or_path: str, revision: str | None = None) -> Iterator["Checkpoint"]:
    """Locate the checkpoint of a backbone (package, hub or folder) for the duration of the block.

    Parameters
    ----------
    name_or_path, revision
        As in `load_backbone`.

    Raises
    ------
    InputError
        When there is no such backbone, it has no weights, or its files cannot be had or read.
    """
    from haploscribe.embedding.backbones.checkpoint import read_checkpoint  # noqa: PLC0415

    kind = _kind(name_or_path, revision)
    if isinstance(kind, Plugin):
        raise InputError(f"backbone {name_or_path} is a plug-in, which has no checkpoint; name another")
    if isinstance(kind, BackboneEntry) and kind.name in WEIGHTLESS:
        raise InputError(f"backbone {kind.name!r} has no weights and guesses no tokens; name another")
    if isinstance(kind, HubModel) and kind.entry is not None and kind.entry.family == "ntv3":
        raise InputError(f"backbone {kind.name!r} {_NO_SIX_MERS}")  # before it is downloaded
    with _opened_folder(kind, name_or_path) as found:
        if _checkpoint_kind(found) != "six-mers":
            raise InputError(f"backbone {name_or_path!r} {_NO_SIX_MERS}")
        yield read_checkpoint(found)


@contextmanager
def _opened_folder(kind: BackboneEntry | HubModel | None, name_or_path: str) -> Iterator["CheckpointFolder"]:
    """Locate the folder of a checkpoint (package, hub or disk) for the duration of the block."""
    from haploscribe.embedding.backbones.checkpoint import CheckpointFolder  # noqa: PLC0415
    from haploscribe.embedding.backbones.hub import download  # noqa: PLC0415

    if kind is None:
        folder = Path(name_or_path)
        yield CheckpointFolder(folder, folder.resolve().name)
    elif isinstance(kind, HubModel):
        folder, commit = download(kind.hub_id, kind.revision, kind.remedy)
        yield CheckpointFolder(folder, kind.name, commit, None if kind.entry is None else kind.entry.max_tile)
    else:
        # The package may be in a zip file: the folder then exists within the block only.
        with as_file(files(__package__) / kind.name) as folder:
            yield CheckpointFolder(folder, kind.name)


def _load_folder(found: "CheckpointFolder", options: Mapping[str, Any]) -> Backbone:
    """Load a checkpoint folder as the backbone that its `config.json` describes."""
    # Importing torch takes seconds; the table and backbones without weights do not need it.
    from haploscribe.embedding.backbones.auto_model import AutoModelBackbone  # noqa: PLC0415
    from haploscribe.embedding.backbones.checkpoint import read_checkpoint  # noqa: PLC0415
    from haploscribe.embedding.backbones.ntv3 import NTv3Backbone  # noqa: PLC0415
    from haploscribe.embedding.backbones.nucleotide_transformer import NucleotideTransformer  # noqa: PLC0415

    kind = _checkpoint_kind(found)
    if kind == "six-mers":
        return NucleotideTransformer(read_checkpoint(found), **options)
    return NTv3Backbone(found, **options) if kind == "ntv3" else AutoModelBackbone(found, **options)


def _checkpoint_kind(found: "CheckpointFolder") -> Literal["six-mers", "ntv3", "other"]:
    """Tell by its configuration and vocabulary which class reads a checkpoint, be it one that it refuses."""
    from haploscribe.embedding.backbones.checkpoint import (  # noqa: PLC0415
        CONFIGURATION_FILE,
        has_six_mers,
        read_json,
    )

    model_type = read_json(found.folder / CONFIGURATION_FILE).get("model_type")
    if str(model_type).lower().startswith("ntv3"):
        return "ntv3"
    # The published v2 files name no model_type.
    return (
        "six-mers" if model_type is None or (model_type == "esm" and has_six_mers(found.folder)) else "other"
    )


def _kind(name_or_path: str, revision: str | None = None) -> BackboneEntry | HubModel | Plugin | None:
    """Find a row of the table, a repository of the hub or a plug-in; None for a folder."""
    hub_id = name_or_path.removeprefix(HUB_PREFIX)
    entry = next((row for row in BACKBONES if row.name == name_or_path or row.hub_id == hub_id), None)
    if entry is not None and entry.hub_id is not None:
        if revision is None or revision == entry.revision:
            return HubModel(entry.hub_id, entry.name, entry.revision, entry=entry)
        remedy = f"give --revision {entry.revision}, which has safetensors"
        return HubModel(entry.hub_id, entry.name, revision, remedy, entry)
    if name_or_path.startswith(HUB_PREFIX):
        repository = _REPOSITORY.fullmatch(hub_id)
        if repository is None:
            raise InputError(f"backbone {name_or_path!r} is no repository of the hub; give hf:OWNER/NAME")
        return HubModel(hub_id, repository["name"], revision or "main")
    kind = entry or find_plugin(name_or_path, GROUP)
    if kind is None and not Path(name_or_path).is_dir():
        known = ", ".join((*(row.name for row in BACKBONES), *registered_names(GROUP)))
        raise InputError(
            f"no backbone is called {name_or_path!r} and no such folder exists; known: {known}; any other of "
            "the Hugging Face hub: hf:OWNER/NAME"
        )
    if revision is not None:
        raise InputError(
            f"--revision {revision}: backbone {name_or_path} is not on the Hugging Face hub; leave it out"
        )
    return kind

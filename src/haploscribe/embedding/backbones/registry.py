"""List the backbones, and load one by name, from a folder or from outside the package."""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from haploscribe.embedding.backbones.base import Backbone, ValidatedBackbone
from haploscribe.embedding.backbones.kmer import DIMENSION, KmerCounts
from haploscribe.errors import InputError
from haploscribe.utils.plugins import Plugin, find_plugin, load_plugin, registered_names, source_digest

if TYPE_CHECKING:
    from haploscribe.embedding.backbones.checkpoint import Checkpoint
    from haploscribe.embedding.backbones.esm import Family

_LICENCE = "CC-BY-NC-SA-4.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneEntry:
    """One backbone of the table.

    Attributes
    ----------
    name
        Short name, as on the command line.
    hub_id
        Repository on the Hugging Face hub; None where the weights are in the package, or none are needed.
    revision
        What is downloaded: a commit hash, or a branch, whose newest commit is taken; `-` where nothing is.
    family
        Architecture.
    dimension
        Length of one vector.
    n_layers, n_heads, feed_forward_size, vocabulary_size
        Dimensions of the model; 0 where there is none.
    tile_multiple, max_tile
        As in `Backbone`, in base pairs.
    licence
        SPDX identifier of the weights' licence; this package's own where there are none.
    confirmed
        False where a dimension was not read off the published files. The table only informs: a model is
        built from the checkpoint's own `config.json`.
    """

    name: str
    hub_id: str | None
    revision: str
    family: "Literal['kmer'] | Family"
    dimension: int
    n_layers: int
    n_heads: int
    feed_forward_size: int
    vocabulary_size: int
    tile_multiple: int
    max_tile: int
    licence: str
    confirmed: bool


def _first_version(
    name: str, repository: str, *, dimension: int, n_layers: int, confirmed: bool
) -> BackboneEntry:
    return BackboneEntry(
        name=name,
        hub_id=f"InstaDeepAI/nucleotide-transformer-{repository}",
        revision="main",
        family="nt-v1",
        dimension=dimension,
        n_layers=n_layers,
        n_heads=20,
        feed_forward_size=4 * dimension,
        vocabulary_size=4105,
        tile_multiple=6,
        max_tile=5_994,
        licence=_LICENCE,
        confirmed=confirmed,
    )


def _second_version(
    size: str, *, dimension: int, n_layers: int, confirmed: bool, revision: str = "main"
) -> BackboneEntry:
    return BackboneEntry(
        name=f"nt-v2-{size}",
        hub_id=f"InstaDeepAI/nucleotide-transformer-v2-{size}-multi-species",
        revision=revision,
        family="nt-v2",
        dimension=dimension,
        n_layers=n_layers,
        n_heads=16,
        feed_forward_size=4 * dimension,
        vocabulary_size=4107,
        tile_multiple=6,
        max_tile=12_282,
        licence=_LICENCE,
        confirmed=confirmed,
    )


BACKBONES: tuple[BackboneEntry, ...] = (
    BackboneEntry(
        name=KmerCounts.name,
        hub_id=None,
        revision="-",
        family="kmer",
        dimension=DIMENSION,
        n_layers=0,
        n_heads=0,
        feed_forward_size=0,
        vocabulary_size=0,
        tile_multiple=KmerCounts.tile_multiple,
        max_tile=KmerCounts.max_tile,
        licence="Apache-2.0",
        confirmed=True,
    ),
    BackboneEntry(
        name="nano",
        hub_id=None,
        revision="-",
        family="nt-v2",
        dimension=128,
        n_layers=4,
        n_heads=4,
        feed_forward_size=256,
        vocabulary_size=4107,
        tile_multiple=6,
        max_tile=5_994,
        licence="Apache-2.0",
        confirmed=True,
    ),
    _first_version("nt-500m-human-ref", "500m-human-ref", dimension=1280, n_layers=24, confirmed=True),
    _first_version("nt-500m-1000g", "500m-1000g", dimension=1280, n_layers=24, confirmed=True),
    _first_version("nt-2.5b-1000g", "2.5b-1000g", dimension=2560, n_layers=32, confirmed=False),
    _first_version(
        "nt-2.5b-multi-species", "2.5b-multi-species", dimension=2560, n_layers=32, confirmed=False
    ),
    _second_version(
        "50m",
        dimension=512,
        n_layers=12,
        confirmed=True,
        revision="81b29e5786726d891dbf929404ef20adca5b36f1",
    ),
    _second_version("100m", dimension=512, n_layers=22, confirmed=False),
    _second_version("250m", dimension=768, n_layers=24, confirmed=False),
    _second_version("500m", dimension=1024, n_layers=29, confirmed=True),
)
"""Every backbone by short name, simplest first."""

DEFAULT_LAYER = -1
DEFAULT_POOLING = "mean"
DEFAULT_PRECISION = "float32"

GROUP = "haploscribe.backbones"
"""Entry-point group in which installed packages register backbones by short name."""


def load_backbone(
    name_or_path: str,
    *,
    layer: int = DEFAULT_LAYER,
    pooling: str = DEFAULT_POOLING,
    device: str = "cpu",
    precision: str = DEFAULT_PRECISION,
    plugin_folder: str | None = None,
) -> Backbone:
    """Load a backbone.

    Parameters
    ----------
    name_or_path
        A short name or a hub id of the table; a class or an instance of a backbone as `module:Name`, or by
        the short name that an installed package registers; or a folder with a checkpoint of the Nucleotide
        Transformer in the hub's format (`config.json`, `vocab.txt`, `model.safetensors`). A folder is never
        looked up on the hub; names go before folders, so a folder called like a name is given as `./name`.
    layer, pooling, device, precision
        As in `NucleotideTransformer`. `kmer` has no layers and one vector of counts, and runs on the CPU. A
        class from outside the package is given those that its `__init__` names.
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
    kind = _kind(name_or_path)
    if isinstance(kind, Plugin):
        found = load_plugin(name_or_path, GROUP, "backbone", plugin_folder)
        return make_backbone(found, name_or_path, str(kind), source_digest(kind), options)
    if kind is not None and kind.family == "kmer":
        _refuse_options(kind.name, options, ())
        return KmerCounts()
    # Importing torch takes seconds; the table and `kmer` do not need it.
    from haploscribe.embedding.backbones.nucleotide_transformer import NucleotideTransformer  # noqa: PLC0415

    with opened_checkpoint(name_or_path) as checkpoint:
        return NucleotideTransformer(
            checkpoint, layer=layer, pooling=pooling, device=device, precision=precision
        )


def check_backbone(name_or_path: str) -> None:
    """Raise InputError where `load_backbone` would find nothing by this name; loads no weights."""
    if isinstance(_kind(name_or_path), Plugin):
        load_plugin(name_or_path, GROUP, "backbone")


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
def opened_checkpoint(name_or_path: str) -> Iterator["Checkpoint"]:
    """Locate the checkpoint of a backbone (package, hub or folder) for the duration of the block.

    Parameters
    ----------
    name_or_path
        As in `load_backbone`.

    Raises
    ------
    InputError
        When there is no such backbone, it has no weights, or its files cannot be had or read.
    """
    from haploscribe.embedding.backbones.checkpoint import download, read_checkpoint  # noqa: PLC0415

    entry = _kind(name_or_path)
    if isinstance(entry, Plugin):
        raise InputError(f"backbone {name_or_path} is a plug-in, which has no checkpoint; name another")
    if entry is None:
        folder = Path(name_or_path)
        yield read_checkpoint(folder, folder.resolve().name)
    elif entry.family == "kmer":
        raise InputError(
            f"backbone {entry.name!r} counts 6-mers and guesses no tokens; name another backbone"
        )
    elif entry.hub_id is None:
        # The package may be in a zip file: the folder then exists within the block only.
        with as_file(files(__package__) / entry.name) as folder:
            yield read_checkpoint(folder, entry.name)
    else:
        folder, revision = download(entry.hub_id, entry.revision)
        yield read_checkpoint(folder, entry.name, revision)


def _kind(name_or_path: str) -> BackboneEntry | Plugin | None:
    """Find a row of the table or a plug-in; None for a folder."""
    entry = next((entry for entry in BACKBONES if name_or_path in (entry.name, entry.hub_id)), None)
    if entry is not None or (plugin := find_plugin(name_or_path, GROUP)) is None:
        if entry is None and not Path(name_or_path).is_dir():
            known = ", ".join((*(entry.name for entry in BACKBONES), *registered_names(GROUP)))
            raise InputError(
                f"no backbone is called {name_or_path!r} and no such folder exists; known: {known}"
            )
        return entry
    return plugin

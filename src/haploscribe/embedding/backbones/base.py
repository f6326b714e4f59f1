"""Define the backbone protocol, and check backbones from outside the package against it."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from haploscribe.config.options import DEFAULT_TILE
from haploscribe.errors import InputError
from haploscribe.genome.haplotypes import TileHaplotype
from haploscribe.utils.types import Float32Array


class Backbone(Protocol):
    """A frozen model that embeds the haplotypes of tiles as vectors.

    It may have attributes `default_tile` and `device`: see `default_tile` and `device_name`.

    Attributes
    ----------
    name
        Short name, as on the command line and in `summary.json`.
    settings
        All that decides the vectors besides the haplotype (revision, layer, pooling, …), as strings and
        integers; part of the embedding store's content key.
    tile_multiple
        Tile sizes must be a multiple of this many base pairs.
    max_tile
        The longest tile in base pairs.
    """

    name: str
    settings: Mapping[str, str | int]
    tile_multiple: int
    max_tile: int

    def embed(self, haplotypes: Sequence[TileHaplotype]) -> Float32Array:
        """Embed haplotypes of tiles; their sequences may differ in length.

        Returns
        -------
        float32 `(n_haplotypes, n_bins, dimension)`; each row depends on its own haplotype alone.
        """
        ...


def default_tile(backbone: Backbone) -> int:
    """Return the tile size in base pairs that a backbone is used with unless another is asked for.

    Its attribute `default_tile` where it has one; else the longest that it takes up to 5,994.
    """
    own: int | None = getattr(backbone, "default_tile", None)
    if own is not None:
        return own
    multiple = backbone.tile_multiple
    return max(min(DEFAULT_TILE, backbone.max_tile) // multiple, 1) * multiple


def device_name(backbone: Backbone) -> str:
    """Return the device that a backbone computes on, its attribute `device`; `cpu` where it has none."""
    return str(getattr(backbone, "device", "cpu"))


class SequenceBackbone(ABC):
    """A backbone that reads the sequence of a haplotype and nothing else; see `Backbone`."""

    name: str
    settings: Mapping[str, str | int]
    tile_multiple: int
    max_tile: int

    def embed(self, haplotypes: Sequence[TileHaplotype]) -> Float32Array:
        """Embed the sequences of haplotypes: float32 `(n_haplotypes, n_bins, dimension)`."""
        return self.embed_sequences([haplotype.sequence for haplotype in haplotypes])

    @abstractmethod
    def embed_sequences(self, sequences: Sequence[bytes]) -> Float32Array:
        """Embed sequences of upper-case A, C, G, T and N; they may differ in length.

        Returns
        -------
        float32 `(n_sequences, n_bins, dimension)`; each row depends on its own sequence alone.
        """


class ValidatedBackbone:
    """A backbone from outside the package, checked against the protocol, with its origin in its settings.

    Parameters
    ----------
    plugin
        Where it is from, `module:Name`.
    source
        Digest of the module's source, or its version: vectors of a module that changed are not reused.
    backbone
        The instance.

    Raises
    ------
    InputError
        When an attribute or `embed` is missing or of another type.
    """

    def __init__(self, plugin: str, source: str, backbone: Any) -> None:
        missing = [name for name, _, _ in _ATTRIBUTES if not hasattr(backbone, name)]
        faults = [f"it lacks {', '.join(missing)}"] if missing else []
        faults += [
            f"{name} must be {what}, not {getattr(backbone, name)!r:.60}"
            for name, what, is_valid in _ATTRIBUTES
            if name not in missing and not is_valid(getattr(backbone, name))
        ]
        self.device = device_name(backbone)
        own = getattr(backbone, "default_tile", None)
        if own is not None and not faults:
            multiple, longest = backbone.tile_multiple, backbone.max_tile
            if not _is_positive(own) or own % multiple or own > longest:
                faults = [f"default_tile must be a multiple of {multiple} up to {longest}, not {own!r:.60}"]
        if faults:
            raise InputError(f"backbone {plugin} does not follow the protocol: {'; '.join(faults)}")
        self.name: str = backbone.name
        self.settings: Mapping[str, str | int] = {**backbone.settings, "plugin": plugin, "source": source}
        self.tile_multiple: int = backbone.tile_multiple
        self.max_tile: int = backbone.max_tile
        self.default_tile = default_tile(backbone)
        self._plugin = plugin
        self._embed = backbone.embed

    def embed(self, haplotypes: Sequence[TileHaplotype]) -> Float32Array:
        """Embed haplotypes: float32 `(n_haplotypes, n_bins, dimension)`.

        Raises
        ------
        InputError
            When the backbone returns something else, or values that are not finite.
        """
        found: Float32Array = self._embed(haplotypes)
        fault = vectors_fault(found, len(haplotypes))
        if fault is not None:
            raise InputError(f"backbone {self._plugin}: embed must return {fault}")
        return found


def vectors_fault(found: object, n_haplotypes: int) -> str | None:
    """Return what vectors must be that these are not; None where nothing is wrong."""
    if not isinstance(found, np.ndarray) or len(found.shape) != 3 or len(found) != n_haplotypes:
        shape = getattr(found, "shape", type(found).__name__)
        return f"an array ({n_haplotypes}, n_bins, dimension), not {shape}"
    if found.dtype != np.float32:
        return f"float32, not {found.dtype}"
    return None if np.isfinite(found).all() else "finite values"


def _is_positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_name(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[\w-][\w.-]{0,99}", value) is not None


def _is_settings(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(key, str) and isinstance(setting, str | int) for key, setting in value.items()
    )


_ATTRIBUTES = (
    ("name", "a short name of letters, digits, '.', '_' and '-'", _is_name),
    ("settings", "a mapping of names to strings or integers", _is_settings),
    ("tile_multiple", "a positive integer", _is_positive),
    ("max_tile", "a positive integer", _is_positive),
    ("embed", "a method", callable),
)

"""Embed both strands of a haplotype and average: reverse-complement averaging, for any backbone."""

from collections.abc import Mapping, Sequence

import numpy as np

from haploscribe.embedding.backbones.base import Backbone, default_tile, device_name
from haploscribe.errors import InputError
from haploscribe.genome.haplotypes import TileHaplotype
from haploscribe.utils.types import Float32Array


def read_strands(backbone: Backbone, strands: str) -> Backbone:
    """Return a backbone that reads the forward strand (`forward`) or averages over both (`both`).

    Raises
    ------
    InputError
        When `strands` is neither.
    """
    if strands not in ("forward", "both"):
        raise InputError(f"strands {strands!r} is unknown; use forward or both")
    return BothStrands(backbone) if strands == "both" else backbone


class BothStrands:
    """Average a backbone's vectors of each haplotype and of its reverse complement; see `Backbone`.

    Bin `k` of the reverse complement is averaged with bin `n_bins - 1 - k` of the forward strand, which is
    the same stretch of the tile. So the other strand of a haplotype has the same vectors, bins reversed.

    Parameters
    ----------
    backbone
        The backbone of one strand.
    """

    def __init__(self, backbone: Backbone) -> None:
        self.name = backbone.name
        self.settings: Mapping[str, str | int] = {**backbone.settings, "strands": "both"}
        self.tile_multiple = backbone.tile_multiple
        self.max_tile = backbone.max_tile
        self.default_tile = default_tile(backbone)
        self.device = device_name(backbone)
        self._backbone = backbone

    def embed(self, haplotypes: Sequence[TileHaplotype]) -> Float32Array:
        """Embed haplotypes: float32 `(n_haplotypes, n_bins, dimension)`, two passes of the backbone each."""
        vectors = self._backbone.embed(haplotypes)
        other = self._backbone.embed([haplotype.reverse_complement() for haplotype in haplotypes])
        averaged: Float32Array = (vectors + other[:, ::-1]) * np.float32(0.5)
        return averaged

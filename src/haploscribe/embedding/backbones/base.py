"""What every backbone offers."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from haploscribe.arrays import Float32Array


class Backbone(Protocol):
    """A frozen model that turns DNA sequences into vectors.

    Attributes
    ----------
    name
        Short name, as on the command line and in `summary.json`.
    settings
        All that decides the vectors besides the sequence (revision, layer, pooling, …), as strings and
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

    def embed(self, sequences: Sequence[bytes]) -> Float32Array:
        """Embed sequences of upper-case A, C, G, T and N; they may differ in length.

        Returns
        -------
        float32 `(n_sequences, n_bins, dimension)`; each row depends on its own sequence alone.
        """
        ...

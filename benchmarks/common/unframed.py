"""`nano` with the tokens that its tokeniser makes of a sequence by itself."""

from collections.abc import Mapping, Sequence

from haploscribe.embedding.backbones.registry import load_backbone
from haploscribe.genome.haplotypes import TileHaplotype
from haploscribe.utils.types import Float32Array


class UnframedNano:
    """`nano` with 6-mers counted from the tile's start, whatever the indels: the tokens as published."""

    def __init__(self) -> None:
        self._backbone = load_backbone("nano")
        self.name = "nano-unframed"
        self.settings: Mapping[str, str | int] = {**self._backbone.settings, "frame": "none"}
        self.tile_multiple = self._backbone.tile_multiple
        self.max_tile = self._backbone.max_tile

    def embed(self, haplotypes: Sequence[TileHaplotype]) -> Float32Array:
        """Embed haplotypes: float32 `(n_haplotypes, 1, dimension)`."""
        return self._backbone.embed([TileHaplotype(haplotype.sequence) for haplotype in haplotypes])

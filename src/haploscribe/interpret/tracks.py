"""Collect what tests and models find along the cis window of one gene."""

from collections.abc import Mapping
from dataclasses import dataclass

from haploscribe.expression.genes import Gene
from haploscribe.utils.types import Float64Array, Int64Array


@dataclass(frozen=True, slots=True)
class RegionTracks:
    """A gene's region: genes, variants and tiles, with the results of tests and models.

    Coordinates are 0-based and half-open.

    Attributes
    ----------
    gene
        The gene.
    neighbours
        Other genes; those whose TSS lies outside the region are not drawn.
    contig
        As the reference FASTA names it.
    start, end
        The region.
    positions
        int64 `(n_variants,)`: first base of each variant's REF.
    names
        `n_variants` names, `22:123:A:G` or an rsID.
    log10_p
        float64 `(n_variants,)`: −log10 p of the marginal association with expression; NaN where it could
        not be tested.
    effects
        Model name to float64 `(n_variants,)`: the change in expression per copy of ALT; NaN for none.
    tiles
        int64 `(n_tiles, 2)`: start and end of each tile.
    tile_weights
        Sequence model's name to float64 `(n_tiles,)`; NaN for none.

    Raises
    ------
    ValueError
        When lengths do not agree, or the region is empty.
    """

    gene: Gene
    neighbours: tuple[Gene, ...]
    contig: str
    start: int
    end: int
    positions: Int64Array
    names: tuple[str, ...]
    log10_p: Float64Array
    effects: Mapping[str, Float64Array]
    tiles: Int64Array
    tile_weights: Mapping[str, Float64Array]

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ValueError(f"the region {self.start} to {self.end} is empty")
        n_variants, n_tiles = len(self.positions), len(self.tiles)
        lengths = {
            "names": (len(self.names), n_variants),
            "log10_p": (len(self.log10_p), n_variants),
            **{f"effects of {model}": (len(of), n_variants) for model, of in self.effects.items()},
            **{f"tile weights of {model}": (len(of), n_tiles) for model, of in self.tile_weights.items()},
        }
        for what, (found, expected) in lengths.items():
            if found != expected:
                raise ValueError(f"{what}: {found} values, not {expected}")

"""Describe output tracks; without torch, for the command line."""

import math
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Track:
    """An output track: one experiment that a model was trained to predict.

    Models are trained on compressed values, so that a few high bins do not dominate the loss: a count `c` in
    a bin becomes `scale * clip(c ** power)`, where `clip(v)` is `v` up to `soft_clip` and
    `soft_clip + sqrt(v - soft_clip)` above (Linder et al. 2025, methods). In a shifted track it
    becomes `clip((1 + scale * c) ** power - 1)`, where `clip(v)` is `v` up to `soft_clip` and
    `soft_clip - 1 + sqrt(v - soft_clip + 1)` above. The defaults compress nothing.

    Attributes
    ----------
    index
        0-based, in the output head.
    opposite_index
        Index of the same experiment's track of the other strand; None for an unstranded experiment.
    scale, power, soft_clip, shifted
        See above.
    over_exons
        Expression is the mean over the gene's exons, not the sum at the TSS.
    name
        What the user calls it; tracks of one name are replicates. No part of its identity.
    """

    index: int
    opposite_index: int | None = None
    scale: float = 1.0
    power: float = 1.0
    soft_clip: float = math.inf
    shifted: bool = False
    over_exons: bool = False
    name: str = field(default="", compare=False)

    def strand_index(self, *, opposite_strand: bool) -> int:
        """Return the index of the experiment's track of one strand."""
        return self.opposite_index if opposite_strand and self.opposite_index is not None else self.index

    def __str__(self) -> str:
        """Describe the indices of both strands, the compression, and where it is read."""
        indices = f"{self.index}" if self.opposite_index is None else f"{self.index}/{self.opposite_index}"
        if self.over_exons:
            indices += " over exons"
        if (self.scale, self.power, self.soft_clip) == (1.0, 1.0, math.inf):
            return indices
        shifted = ", shifted" if self.shifted else ""
        return f"{indices} (scale {self.scale}, power {self.power}, soft clip {self.soft_clip}{shifted})"

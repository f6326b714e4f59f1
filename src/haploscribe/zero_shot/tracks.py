"""Tracks of a sequence model's output: which ones are read, and how their values are brought to a count."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Track:
    """One experiment that a model was trained to predict.

    Models are trained on squashed values, so that a few high bins do not outweigh all others: of the count
    `c` in a bin, `scale * squeeze(c ** power)`, where `squeeze` leaves values up to `soft_clip` alone and
    makes `soft_clip + sqrt(v - soft_clip)` of a higher `v` (Linder et al. 2025, methods; the defaults squash
    nothing).

    Attributes
    ----------
    place
        0-based, in the output head.
    opposite
        Place of the same experiment's track of the other strand; None where it does not tell the strands
        apart.
    scale, power, soft_clip
        See above.
    """

    place: int
    opposite: int | None = None
    scale: float = 1.0
    power: float = 1.0
    soft_clip: float = math.inf

    def on(self, *, opposite_strand: bool) -> int:
        """Give the place of the experiment's track of one strand."""
        return self.opposite if opposite_strand and self.opposite is not None else self.place

    def __str__(self) -> str:
        """Name the places, strand by strand, and the squashing."""
        places = f"{self.place}" if self.opposite is None else f"{self.place}/{self.opposite}"
        if (self.scale, self.power, self.soft_clip) == (1.0, 1.0, math.inf):
            return places
        return f"{places} (scale {self.scale}, power {self.power}, soft clip {self.soft_clip})"

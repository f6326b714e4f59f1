"""What a fitted estimator has learned, as arrays and numbers by name: the form in which models are kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class State:
    """All that `predict` needs of a fitted estimator, and nothing of the people it was fitted on.

    Attributes
    ----------
    numbers
        Single numbers by name; counts are whole.
    arrays
        Arrays by name, in the precision that prediction uses, so that what is read back predicts the same.
    parts
        States of what the estimator is made of, by name.
    """

    numbers: Mapping[str, float] = field(default_factory=dict)
    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    parts: Mapping[str, "State"] = field(default_factory=dict)

    def without(self, part: str) -> Self:
        """Leave a part out, if it is there."""
        return replace(self, parts={name: state for name, state in self.parts.items() if name != part})

"""Inputs that every estimator on dosages must stand."""

import numpy as np
import pytest

nothing_to_learn = pytest.mark.parametrize(
    ("dosages", "expression"),
    [
        (np.zeros((20, 0)), np.arange(20.0)),
        (np.ones((20, 3)), np.arange(20.0)),
        (np.arange(60.0).reshape(20, 3) % 3, np.full(20, 9.5)),
    ],
    ids=["no variants", "constant variants", "constant expression"],
)
"""Dosages `(20, p)` and expression `(20,)`; the only sensible prediction is the mean, 9.5."""

"""Kernels give the same bits when they are compiled as when they come from the cache."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_FITS = """
import hashlib
import numpy as np
from haploscribe.estimators.adaptive_shrinkage import fit_adaptive_shrinkage
from haploscribe.estimators.penalty_choice import cross_validated_path

rng = np.random.default_rng(0)
dosages = rng.binomial(2, 0.3, (286, 200)).astype(np.float64)
expression = 0.2 * dosages[:, :5].sum(axis=1) + rng.normal(size=286)
expression -= expression.mean()
features = (dosages - dosages.mean(axis=0)) / dosages.std(axis=0)
ones, zeros = np.ones(200), np.zeros(200)
shrunk = fit_adaptive_shrinkage(features, expression, ones, zeros)
held_out = np.array_split(rng.permutation(286), 5)
path = cross_validated_path(dosages, expression, held_out, alpha=0.5, n_lambdas=50)
for found in (shrunk.means, path.coefficients):
    print(hashlib.sha256(np.ascontiguousarray(found).tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_the_first_run_gives_the_bits_of_all_later_ones(tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    runs = [
        subprocess.run(
            [sys.executable, "-c", _FITS], env=environment, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert list(tmp_path.rglob("*.nbc"))
    assert runs[0] == runs[1]

"""Kernels compute what their source says, with the same bits compiled as from the cache."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from haploscribe.estimators.linear.adaptive_shrinkage import fit_adaptive_shrinkage
from haploscribe.estimators.solvers.penalty_choice import cross_validated_path
from haploscribe.utils.types import Float64Array

_ROOT = Path(__file__).parents[3]
_FITS = """
import hashlib
import numpy as np
from haploscribe.estimators.linear.adaptive_shrinkage import fit_adaptive_shrinkage
from haploscribe.estimators.solvers.penalty_choice import cross_validated_path

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


def fits() -> dict[str, Float64Array]:
    """A lasso of dependent columns, an elastic net that leaves samples out, and adaptive shrinkage."""
    rng = np.random.default_rng(4)
    few = rng.integers(0, 2, (12, 10)).astype(np.float64)
    dependent = np.hstack([few, few[:, :5] + few[:, 5:]])
    many = np.cumsum(rng.normal(size=(20, 24)), axis=1)
    found = {}
    for name, features, alpha in (("lasso", dependent, 1.0), ("elastic net", many, 0.5)):
        outcome = features[:, :4].sum(axis=1) + rng.normal(size=len(features))
        held_out = np.array_split(rng.permutation(len(features)), 2)
        path = cross_validated_path(features, outcome, held_out, alpha=alpha, n_lambdas=12, every_lambda=True)
        found[name] = path.coefficients
    features = (few - few.mean(axis=0)) / few.std(axis=0)
    outcome = features[:, 0] + rng.normal(size=12)
    ones, zeros = np.ones(10), np.zeros(10)
    found["shrunk"] = fit_adaptive_shrinkage(features, outcome - outcome.mean(), ones, zeros).means
    return found


def test_compiled_kernels_compute_what_their_source_says(tmp_path: Path) -> None:
    """Python interprets the same source in another process: fused and reordered sums aside, it agrees."""
    kept = tmp_path / "interpreted.npz"
    script = f"import numpy as np; from {__name__} import fits; np.savez({str(kept)!r}, **fits())"
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    subprocess.run([sys.executable, "-c", script], env=environment, cwd=_ROOT, check=True)
    with np.load(kept) as interpreted:
        for name, compiled in fits().items():
            assert np.count_nonzero(compiled) > 2
            np.testing.assert_allclose(compiled, interpreted[name], atol=1e-8, err_msg=name)

"""A fit takes one core where genes are fitted side by side."""

import os
import subprocess
import sys

_FIT = """
import time
import numpy as np
from threadpoolctl import threadpool_info
from haploscribe.estimators.solvers.penalty_choice import cross_validated_path
from haploscribe.parallel.threads import threads

rng = np.random.default_rng(0)
dosages = rng.binomial(2, 0.3, (280, 3000)).astype(np.float64)
expression = dosages[:, :5].sum(axis=1) + rng.normal(size=280)
held_out = np.array_split(rng.permutation(280), 3)

def fit(n_lambdas):
    cross_validated_path(dosages, expression, held_out, alpha=0.5, n_lambdas=n_lambdas)

with threads(1):
    fit(2)  # compiles, and loads every library
    assert {pool["num_threads"] for pool in threadpool_info()} == {1}, threadpool_info()
    everyone, alone = time.process_time(), time.thread_time()
    fit(20)
    print(time.process_time() - everyone, time.thread_time() - alone)
"""


def test_fit_under_the_limit_leaves_other_threads_idle() -> None:
    """Processor time of all threads is that of one, however busy the machine."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", _FIT], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    everyone, alone = map(float, done.stdout.split())
    assert everyone < 1.5 * alone

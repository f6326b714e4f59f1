"""R's susieR, the authors' own SuSiE, that ours is held to."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from haploscribe.utils.types import Float64Array
from tests.support import require_program

_SCRIPT = """
options(warn = 2)
suppressMessages(library(susieR))
arguments <- commandArgs(TRUE)
for (i in seq_len(as.integer(arguments[1]))) {
  input <- file(paste0(i, ".in"), "rb")
  shape <- readBin(input, "double", 3)
  y <- readBin(input, "double", shape[1])
  weights <- readBin(input, "double", shape[2])
  x <- matrix(readBin(input, "double", shape[1] * shape[2]), shape[1])
  close(input)
  started <- proc.time()
  fit <- susie(x, y, L = shape[3], standardize = TRUE, prior_weights = weights,
               estimate_prior_variance = TRUE, estimate_residual_variance = TRUE, coverage = NULL)
  seconds <- sum((proc.time() - started)[c("user.self", "sys.self")])
  output <- file(paste0(i, ".out"), "wb")
  writeBin(as.numeric(c(seconds, fit$sigma2, length(fit$V), fit$V, coef(fit), susie_get_pip(fit),
                        t(fit$alpha), t(fit$mu), length(fit$elbo), fit$elbo)), output)
  close(output)
}
"""


@dataclass(frozen=True)
class Problem:
    """Dosages `(n, p)`, expression `(n,)`, prior inclusion weights `(p,)` and L."""

    dosages: Float64Array
    expression: Float64Array
    weights: Float64Array
    n_effects: int = 5


@dataclass(frozen=True)
class SusierFit:
    """What `susie` found, and its processor time; `alpha` and `mean` are `(L, p)`."""

    seconds: float
    residual_variance: float
    prior_variance: Float64Array
    intercept: float
    coefficients: Float64Array
    pip: Float64Array
    alpha: Float64Array
    mean: Float64Array
    elbo: Float64Array


def susier(problems: Sequence[Problem], folder: Path) -> list[SusierFit]:
    """Run `susie` with its defaults on each problem, in one R process."""
    rscript = require_program("Rscript")
    for number, problem in enumerate(problems, 1):
        shape = np.array([*problem.dosages.shape, problem.n_effects])
        numbers = (shape, problem.expression, problem.weights, problem.dosages.ravel(order="F"))
        np.concatenate(numbers, dtype=np.float64).tofile(folder / f"{number}.in")
    (folder / "susier.R").write_text(_SCRIPT)
    command = [rscript, "susier.R", str(len(problems))]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [
        _read(folder / f"{number}.out", problem.weights.size) for number, problem in enumerate(problems, 1)
    ]


def _read(path: Path, n_variants: int) -> SusierFit:
    numbers = np.fromfile(path)
    n_effects = int(numbers[2])
    size = n_effects * n_variants
    ends = np.cumsum([3, n_effects, 1, n_variants, n_variants, size, size, 1])
    head, prior_variance, intercept, coefficients, pip, alpha, mean, _, elbo = np.split(numbers, ends)
    return SusierFit(
        seconds=float(head[0]),
        residual_variance=float(head[1]),
        prior_variance=prior_variance,
        intercept=float(intercept[0]),
        coefficients=coefficients,
        pip=pip,
        alpha=alpha.reshape(n_effects, n_variants),
        mean=mean.reshape(n_effects, n_variants),
        elbo=elbo,
    )

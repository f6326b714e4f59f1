"""R's glmnet, the elastic net that ours is held to."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from haploscribe.utils.types import Float64Array, Int64Array
from tests.support import require_program

# Fold 0 is never held out. Where some sample is in it, cv.glmnet does not apply, and its steps are spelt out.
_SCRIPT = """
options(warn = 2)
suppressMessages(library(glmnet))
arguments <- commandArgs(TRUE)
for (i in seq_len(as.integer(arguments[1]))) {
  input <- file(paste0(i, ".in"), "rb")
  shape <- readBin(input, "double", 3)
  fold <- readBin(input, "double", shape[1])
  y <- readBin(input, "double", shape[1])
  x <- matrix(readBin(input, "double", shape[1] * shape[2]), shape[1])
  close(input)
  threshold <- as.numeric(arguments[2])
  started <- proc.time()
  if (all(fold > 0)) {
    fit <- cv.glmnet(x, y, foldid = fold, alpha = shape[3], thresh = threshold, maxit = 1e8)
    lambda <- fit$lambda
    error <- fit$cvm
    least <- fit$lambda.min
    full <- fit$glmnet.fit
  } else {
    held <- fold == 1
    full <- glmnet(x, y, alpha = shape[3], thresh = threshold, maxit = 1e8)
    rest <- glmnet(x[!held, ], y[!held], alpha = shape[3], thresh = threshold, maxit = 1e8)
    lambda <- full$lambda
    error <- colMeans((y[held] - predict(rest, x[held, ], s = lambda))^2)
    least <- lambda[which.min(error)]
  }
  seconds <- sum((proc.time() - started)[c("user.self", "sys.self")])
  output <- file(paste0(i, ".out"), "wb")
  path <- as.vector(as.matrix(coef(full)))
  writeBin(c(seconds, least, length(lambda), lambda, error, as.vector(coef(full, s = least)), path), output)
  close(output)
}
"""


@dataclass(frozen=True)
class Problem:
    """Dosages `(n, p)`, expression `(n,)` and each sample's inner fold from 1 on, 0 for never held out."""

    dosages: Float64Array
    expression: Float64Array
    fold: Int64Array
    alpha: float = 0.5

    @property
    def held_out(self) -> list[Int64Array]:
        return [np.flatnonzero(self.fold == fold) for fold in range(1, int(self.fold.max()) + 1)]


@dataclass(frozen=True)
class GlmnetFit:
    """What `cv.glmnet` found, and its processor time; coefficients and intercept at `lambda.min`.

    `path` holds those of all λ, `(n_lambdas, 1 + n_variants)`, the intercept first.
    """

    seconds: float
    lambda_min: float
    lambdas: Float64Array
    errors: Float64Array
    intercept: float
    coefficients: Float64Array
    path: Float64Array


def cv_glmnet(problems: Sequence[Problem], folder: Path, threshold: float = 1e-7) -> list[GlmnetFit]:
    """Run `cv.glmnet` on each problem, in one R process; 1e-7 is glmnet's own threshold."""
    rscript = require_program("Rscript")
    for number, problem in enumerate(problems, 1):
        shape = np.array([*problem.dosages.shape, problem.alpha])
        numbers = (shape, problem.fold, problem.expression, problem.dosages.ravel(order="F"))
        np.concatenate(numbers, dtype=np.float64).tofile(folder / f"{number}.in")
    (folder / "cv_glmnet.R").write_text(_SCRIPT)
    command = [rscript, "cv_glmnet.R", str(len(problems)), str(threshold)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [
        _read(folder / f"{number}.out", problem.dosages.shape[1])
        for number, problem in enumerate(problems, 1)
    ]


def _read(path: Path, n_variants: int) -> GlmnetFit:
    numbers = np.fromfile(path)
    n_lambdas = int(numbers[2])
    ends = np.cumsum([n_lambdas, n_lambdas, 1 + n_variants])
    lambdas, errors, least, all_lambdas = np.split(numbers[3:], ends)
    return GlmnetFit(
        float(numbers[0]),
        float(numbers[1]),
        lambdas,
        errors,
        float(least[0]),
        least[1:],
        all_lambdas.reshape(n_lambdas, 1 + n_variants),
    )

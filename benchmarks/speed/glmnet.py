"""Fit the elastic net with R's `cv.glmnet`."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from haploscribe.utils.types import Float64Array, Int64Array

_SCRIPT = """
options(warn = 2)
suppressMessages(library(glmnet))
input <- file("problem", "rb")
shape <- readBin(input, "double", 3)
fold <- readBin(input, "double", shape[1])
y <- readBin(input, "double", shape[1])
x <- matrix(readBin(input, "double", shape[1] * shape[2]), shape[1])
close(input)
threshold <- as.numeric(commandArgs(TRUE)[1])
started <- proc.time()
fit <- cv.glmnet(x, y, foldid = fold, alpha = shape[3], thresh = threshold, maxit = 1e8)
seconds <- sum((proc.time() - started)[c("user.self", "sys.self")])
path <- as.vector(as.matrix(coef(fit$glmnet.fit)))
output <- file("fit", "wb")
writeBin(c(seconds, fit$lambda.min, length(fit$lambda), fit$lambda, fit$cvm, path), output)
close(output)
"""


@dataclass(frozen=True)
class Problem:
    """Dosages `(n, p)`, expression `(n,)`, and each sample's inner fold from 1 on."""

    dosages: Float64Array
    expression: Float64Array
    fold: Int64Array
    alpha: float = 0.5

    @property
    def held_out(self) -> list[Int64Array]:
        """Samples of each inner fold."""
        return [np.flatnonzero(self.fold == fold) for fold in range(1, int(self.fold.max()) + 1)]


@dataclass(frozen=True)
class GlmnetFit:
    """Processor seconds and fit of `cv.glmnet`.

    `path` holds the coefficients at all λ, float64 `(n_lambdas, 1 + n_variants)`, the intercept first;
    `errors` is the cross-validated mean squared error at each λ.
    """

    seconds: float
    lambda_min: float
    lambdas: Float64Array
    errors: Float64Array
    path: Float64Array


def cv_glmnet(problem: Problem, folder: Path, threshold: float = 1e-7) -> GlmnetFit:
    """Run `cv.glmnet` in a new R process, its files in `folder`; 1e-7 is glmnet's default threshold."""
    shape = np.array([*problem.dosages.shape, problem.alpha])
    numbers = (shape, problem.fold, problem.expression, problem.dosages.ravel(order="F"))
    np.concatenate(numbers, dtype=np.float64).tofile(folder / "problem")
    (folder / "cv_glmnet.R").write_text(_SCRIPT)
    subprocess.run(["Rscript", "cv_glmnet.R", str(threshold)], cwd=folder, check=True)
    found = np.fromfile(folder / "fit")
    n_lambdas = int(found[2])
    lambdas, errors, path = np.split(found[3:], [n_lambdas, 2 * n_lambdas])
    return GlmnetFit(float(found[0]), float(found[1]), lambdas, errors, path.reshape(n_lambdas, -1))

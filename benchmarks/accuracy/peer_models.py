"""Predict expression with models that others wrote: glmnet and susieR in R, and GEMMA.

`choose_model` chooses among them as FUSION does.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from haploscribe.utils.types import Float64Array, Int64Array

R_MODELS = ("top1", "glmnet", "glmnet-lasso", "susieR")
"""Regression on the variant of the largest r²; `cv.glmnet`, α .5 and 1, at `lambda.min`; `susie`, L 10."""

_SCRIPT = """
suppressMessages({library(glmnet); library(susieR)})
top1 <- function(x, y, new, penalty) {
  best <- which.max(suppressWarnings(cor(x, y))^2)
  as.vector(cbind(1, new[, best]) %*% coef(lm.fit(cbind(1, x[, best]), y)))
}
net <- function(alpha) function(x, y, new, penalty) {
  as.vector(predict(cv.glmnet(x, y, alpha = alpha, foldid = penalty), new, s = "lambda.min"))
}
single_effects <- function(x, y, new, penalty) predict(susie(x, y, L = min(10, ncol(x))), new)
models <- list(top1, net(0.5), net(1), single_effects)

input <- file("problem", "rb")
output <- file("predictions", "wb")
numbers <- function(n) readBin(input, "double", n)
for (i in seq_len(numbers(1))) {
  shape <- numbers(3)
  y <- numbers(shape[1])
  penalty <- numbers(shape[1])
  choice <- numbers(shape[1])
  x <- matrix(numbers(shape[1] * shape[3]), shape[1])
  new <- matrix(numbers(shape[2] * shape[3]), shape[2])
  for (model in models) {
    inner <- numeric(shape[1])
    for (fold in unique(choice)) {
      held <- choice == fold
      inner[held] <- model(x[!held, ], y[!held], x[held, , drop = FALSE], penalty[!held])
    }
    writeBin(c(model(x, y, new, penalty), inner), output)
  }
}
close(output)
"""

_VERSIONS = """
cat("R", paste(R.version$major, R.version$minor, sep = "."))
for (name in c("glmnet", "susieR")) cat(",", name, format(packageVersion(name)))
"""


@dataclass(frozen=True, slots=True)
class PeerFold:
    """What models are given in one fold.

    Attributes
    ----------
    dosages, expression
        float64 `(n_training, n_variants)` and `(n_training,)`; of the training samples.
    tested
        float64 `(n_test, n_variants)`; dosages of the test samples.
    penalty, choice
        int64 `(n_training,)`; each training sample's inner fold, from 1 on: to choose a model's penalty, and
        to choose among models.
    """

    dosages: Float64Array
    expression: Float64Array
    tested: Float64Array
    penalty: Int64Array
    choice: Int64Array


@dataclass(frozen=True, slots=True)
class PeerPredictions:
    """What one model predicts in one fold.

    Attributes
    ----------
    tested
        float64 `(n_test,)`; of the test samples.
    inner
        float64 `(n_training,)`; of each training sample, fitted without its inner fold `choice`.
    """

    tested: Float64Array
    inner: Float64Array


@dataclass(frozen=True, slots=True)
class Chain:
    """A Markov chain of GEMMA's BSLMM: iterations left out first, iterations that count, and the seed."""

    warm_up: int
    sampling: int
    seed: int

    @property
    def name(self) -> str:
        """Return a name that tells chains apart."""
        return f"bslmm-{self.warm_up}-{self.sampling}-{self.seed}"


def r_predictions(folds: Sequence[PeerFold]) -> list[dict[str, PeerPredictions]]:
    """Fit `R_MODELS` in every fold of a gene, in one R process; return each fold's predictions by model.

    Raises
    ------
    RuntimeError
        When R fails; with its message.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "models.R").write_text(_SCRIPT)
        parts = [np.array([len(folds)])]
        for fold in folds:
            columns = (fold.dosages.ravel(order="F"), fold.tested.ravel(order="F"))
            shape = np.array([len(fold.dosages), *fold.tested.shape])
            parts += [shape, fold.expression, fold.penalty, fold.choice, *columns]
        np.concatenate(parts, dtype=np.float64).tofile(folder / "problem")
        output_of(["Rscript", "models.R"], folder)
        numbers = np.fromfile(folder / "predictions")
    lengths = [size for fold in folds for _ in R_MODELS for size in (len(fold.tested), len(fold.dosages))]
    assert sum(lengths) == len(numbers)
    arrays = iter(np.split(numbers, np.cumsum(lengths)[:-1]))
    return [{model: PeerPredictions(next(arrays), next(arrays)) for model in R_MODELS} for _ in folds]


def blup_predictions(fold: PeerFold) -> PeerPredictions:
    """Fit GEMMA's BLUP (`-bslmm 2`, as FUSION has it) in a fold."""
    inner = np.empty(len(fold.expression))
    for number in np.unique(fold.choice):
        held = fold.choice == number
        inner[held] = gemma_predictions(fold.dosages[~held], fold.expression[~held], fold.dosages[held])
    return PeerPredictions(gemma_predictions(fold.dosages, fold.expression, fold.tested), inner)


def gemma_predictions(
    dosages: Float64Array, expression: Float64Array, tested: Float64Array, chain: Chain | None = None
) -> Float64Array:
    """Fit GEMMA's BSLMM, or its BLUP where no chain is given, and predict test samples.

    GEMMA is given all samples, those to test without expression. A variant's effect is α + βγ of its table.

    Parameters
    ----------
    dosages, expression
        float64 `(n_training, n_variants)` and `(n_training,)`.
    tested
        float64 `(n_test, n_variants)`.
    chain
        Of the BSLMM.

    Returns
    -------
    float64 `(n_test,)`.

    Raises
    ------
    RuntimeError
        When GEMMA fails; with its message.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_bimbam(folder, np.concatenate([dosages, tested]), expression)
        output_of(["gemma", *GEMMA_INPUT, *gemma_model(chain)], folder)
        header, *rows = (line.split() for line in (folder / GEMMA_EFFECTS).read_text().splitlines())
    effects = np.zeros(dosages.shape[1])  # variants that do not vary in training have no row
    for row in rows:
        found = dict(zip(header, row, strict=True))
        effect = float(found["alpha"])
        if chain is not None:
            effect += float(found["beta"]) * float(found["gamma"])
        effects[int(found["rs"])] = effect
    predicted: Float64Array = expression.mean() + (tested - dosages.mean(axis=0)) @ effects
    return predicted


GEMMA_INPUT = ("-g", "dosages", "-p", "expression", "-o", "fit")
"""Options that name the files of `write_bimbam`, and the output."""

GEMMA_EFFECTS = Path("output") / "fit.param.txt"
"""The effects of variants."""


def gemma_model(chain: Chain | None) -> list[str]:
    """Return the options of the BSLMM with a chain, or of the BLUP; no variant is filtered out."""
    filters = ["-maf", "0", "-r2", "1"]
    if chain is None:
        return [*filters, "-bslmm", "2"]
    lengths = ["-w", str(chain.warm_up), "-s", str(chain.sampling), "-seed", str(chain.seed)]
    return [*filters, "-bslmm", "1", *lengths]


def write_bimbam(folder: Path, dosages: Float64Array, expression: Float64Array) -> None:
    """Write `dosages` and `expression` as GEMMA reads them, variants named by their index.

    Parameters
    ----------
    folder
        An existing folder.
    dosages
        float64 `(n_samples, n_variants)`.
    expression
        float64 `(n_training,)`; of the first samples. It is missing in the others.
    """
    columns = enumerate(dosages.T.tolist())
    lines = [f"{number}, A, C, {', '.join(map(repr, column))}\n" for number, column in columns]
    (folder / "dosages").write_text("".join(lines))
    values = [*map(repr, expression.tolist()), *["NA"] * (len(dosages) - len(expression))]
    (folder / "expression").write_text("\n".join(values) + "\n")


def choose_model(expression: Float64Array, predicted: Mapping[str, PeerPredictions]) -> str:
    """Return the model whose inner predictions explain most of the training samples' expression.

    As FUSION does, by r² whatever the sign of r; a model whose predictions do not vary explains nothing.

    Parameters
    ----------
    expression
        float64 `(n_training,)`.
    predicted
        By model; of those that tie, the first is chosen.
    """

    def explained(model: str) -> float:
        inner = predicted[model].inner
        return float(np.corrcoef(inner, expression)[0, 1] ** 2) if np.ptp(inner) > 0 else 0.0

    return max(predicted, key=explained)


def r_versions() -> str:
    """Return the versions of R and its packages.

    Raises
    ------
    RuntimeError
        When one of them is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        return output_of(["Rscript", "-e", _VERSIONS], Path(folder))


def gemma_version() -> str:
    """Return the version of GEMMA.

    Raises
    ------
    RuntimeError
        When it is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        found = re.search(r"GEMMA (\S+)", output_of(["gemma", "-h"], Path(folder)))
    assert found is not None
    return f"GEMMA {found[1]}"


def output_of(command: Sequence[str], folder: Path) -> str:
    """Run a program on one thread in a folder, and return what it prints.

    Raises
    ------
    RuntimeError
        When it is not installed or fails; with the end of what it says.
    """
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, cwd=folder, env=os.environ | one_thread, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise RuntimeError(f"{command[0]} is not installed") from None
    if done.returncode:
        said = f"{done.stdout}{done.stderr}"[-2000:]
        raise RuntimeError(f"{' '.join(command)} failed with {done.returncode}:\n{said}")
    return done.stdout

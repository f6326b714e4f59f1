"""Time of one elastic-net fit, ours against R's `cv.glmnet`, on real genes in the same run.

    python -m benchmarks.elastic_net --source FOLDER [--genes N] [--half-window BP]

FOLDER holds `genotypes.vcf.gz`, `expression.rpkm.bed.gz` and `covariates.txt` of the benchmark cohort. Each
fit is one outer training set: 286 people, the variants within 98 kb of the TSS (or BP), 10 inner folds,
100 λ, α 0.5, one thread. Needs R with glmnet. Compilation is left out: the first fit is done once before.
Times are of the processor, so that other work on the machine changes them little.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

# One thread for both, before numpy is loaded.
os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})

import numpy as np
from tests.estimators.glmnet import Problem, cv_glmnet
from tests.estimators.real_genes import HALF_WINDOW, real_genes

from haploscribe.estimators.elastic_net import cross_validated_path


def problems(source: Path, n_genes: int, half_window: int) -> list[Problem]:
    """One training set a gene, four fifths of the people."""
    found = []
    for gene in real_genes(source, n_genes, half_window):
        people = np.random.default_rng(0).permutation(len(gene.rpkm))
        train, test = np.sort(people[len(people) // 5 :]), people[: len(people) // 5]
        fold = np.random.default_rng(1).permutation(np.arange(len(train)) % 10) + 1
        expression, _ = gene.normalised(train, test)
        found.append(Problem(gene.inputs.dosages[train].astype(np.float64), expression, fold))
    return found


def seconds_of(problem: Problem) -> float:
    """Processor time of one fit."""
    started = time.process_time()
    cross_validated_path(problem.dosages, problem.expression, problem.held_out, alpha=0.5, n_lambdas=100)
    return time.process_time() - started


def main() -> None:
    """Time both programs on the same problems and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", type=Path, required=True, help="folder of the benchmark cohort")
    parser.add_argument("--genes", type=int, default=20, help="number of genes (default 20)")
    parser.add_argument(
        "--half-window", type=int, default=HALF_WINDOW, help="bp to either side of the TSS (default 98304)"
    )
    options = parser.parse_args()
    fits = problems(options.source, options.genes, options.half_window)
    seconds_of(fits[0])
    ours = np.array([seconds_of(problem) for problem in fits])
    with tempfile.TemporaryDirectory() as folder:
        theirs = np.array([fit.seconds for fit in cv_glmnet(fits, Path(folder))])
    print("variants\tours_s\tglmnet_s\tratio")
    for problem, mine, other in zip(fits, ours, theirs, strict=True):
        print(f"{problem.dosages.shape[1]}\t{mine:.3f}\t{other:.3f}\t{mine / other:.2f}")
    print(
        f"median\t{np.median(ours):.3f}\t{np.median(theirs):.3f}\t{np.median(ours / theirs):.2f}\n"
        f"total\t{ours.sum():.3f}\t{theirs.sum():.3f}\t{ours.sum() / theirs.sum():.2f}"
    )


if __name__ == "__main__":
    main()

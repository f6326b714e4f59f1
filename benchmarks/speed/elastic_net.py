"""Compare the time of one elastic-net fit with R's `cv.glmnet`, on real genes in the same run.

Each fit is one outer training set: four fifths of the samples, the variants within 98 kb or 1 Mb of the TSS,
10 inner folds, 100 λ, α 0.5, one thread. Genes with 500 to 5,000 variants are taken. Needs R with glmnet.
Compilation is left out: the first fit is done once before. Times of fits are processor time, so that other
work on the machine changes them little; the two programs take turns, gene by gene. Genes per second in two
processes are wall-clock.
"""

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# One thread for both, before numpy is loaded.
os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})

import numpy as np
from joblib import Parallel, delayed, parallel_config
from threadpoolctl import threadpool_limits

from benchmarks.common.cohort import benchmark_cohort
from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import stamp, write_page
from benchmarks.common.ratios import Ratio, write_ratios
from benchmarks.speed.glmnet import GlmnetFit, Problem, cv_glmnet
from haploscribe.estimators.solvers.columns import distinct_columns
from haploscribe.estimators.solvers.penalty_choice import CrossValidatedPath, cross_validated_path
from haploscribe.expression.covariates import read_covariates
from haploscribe.expression.normalise import prepare
from haploscribe.expression.table import read_expression
from haploscribe.genome.dosages import dosages
from haploscribe.genome.readers.open import open_variants
from haploscribe.utils.types import Float64Array

HALF_WINDOWS = (98_304, 1_000_000)
CONTIG_END = 2**29
"""Beyond the end of any human chromosome, in base pairs."""
LOWEST_RPKM, FEWEST_CANDIDATE = 0.1, 50
FEWEST_VARIANTS, MOST_VARIANTS = 500, 5_000
N_LAMBDAS, N_FOLDS = 100, 10
N_PROCESSES, N_PARALLEL, N_ROUNDS = 2, 12, 3


@dataclass(frozen=True)
class Comparison:
    """One gene's fit by both programs.

    `floor` is the processor time of one matrix product of the distinct columns with the residuals of all fits
    at all λ, without which it is not known that a path is optimal. Of the minimised function on all samples,
    `above` is the most by which ours lies above glmnet's at any λ, `apart` how far both are from each other
    at glmnet's `lambda.min` (both relative), `below` the most by which ours lies below at any λ. `all_fitted`
    tells whether fitting every λ in every fold chooses the same. Where glmnet chooses another λ, `converged`
    tells whether it chooses ours once its threshold is 1e-11.
    """

    half_window: int
    n_variants: int
    n_distinct: int
    seconds: float
    glmnet_seconds: float
    floor: float
    above: float
    below: float
    apart: float
    same_lambda: bool
    converged: bool
    all_fitted: bool

    @property
    def ratio(self) -> float:
        """Our time over glmnet's."""
        return self.seconds / self.glmnet_seconds

    @property
    def lambda_is_glmnets(self) -> str:
        """Whether both choose the same λ."""
        if self.same_lambda:
            return "yes"
        return "at 1e-11" if self.converged else "no"


def problems(source: Path, n_genes: int, half_window: int, folder: Path) -> list[Problem]:
    """Return one training set per gene with a suitable number of variants, four fifths of the samples.

    Genes are evenly spaced among those above 0.1 RPKM in half the samples and with 50 variants or more.
    """
    cohort = benchmark_cohort(source, folder)
    table = read_expression(cohort.expression)
    assert cohort.covariates is not None
    covariates = read_covariates(cohort.covariates).take_samples(table.sample_ids).values
    contig = table.genes[0].contig
    with open_variants(cohort.variants) as reader:
        variants = reader.read(contig, 0, CONTIG_END, table.sample_ids)
    positions, x = dosages(variants)
    ends = {
        number: np.searchsorted(positions, [gene.tss - half_window, gene.tss + half_window])
        for number, gene in enumerate(table.genes)
        if np.mean(table.values[number] > LOWEST_RPKM) >= 0.5
    }
    candidates = [number for number, (first, last) in ends.items() if last - first >= FEWEST_CANDIDATE]
    found = []
    for index in np.linspace(0, len(candidates) - 1, n_genes).astype(int).tolist():
        number = candidates[index]
        first, last = ends[number]
        if not FEWEST_VARIANTS <= last - first <= MOST_VARIANTS:
            continue
        shuffled = np.random.default_rng(0).permutation(len(x))
        train = np.sort(shuffled[len(x) // 5 :])
        fold = np.random.default_rng(1).permutation(np.arange(len(train)) % N_FOLDS) + 1
        is_training = np.isin(np.arange(len(x)), train)
        prepared = prepare(table.values[number], covariates, is_training, "inverse-normal")
        found.append(Problem(x[train, first:last].astype(np.float64), prepared[train], fold))
    return found


def fit(problem: Problem, *, every_lambda: bool = False) -> CrossValidatedPath:
    """Fit one gene as `elastic-net` does."""
    return cross_validated_path(
        problem.dosages,
        problem.expression,
        problem.held_out,
        alpha=problem.alpha,
        n_lambdas=N_LAMBDAS,
        every_lambda=every_lambda,
    )


def compare(problem: Problem, half_window: int, folder: Path) -> Comparison:
    """Fit one gene by both programs, one after the other."""
    started = time.process_time()
    ours = fit(problem)
    seconds = time.process_time() - started
    theirs = cv_glmnet(problem, folder)
    every = fit(problem, every_lambda=True)
    distinct = problem.dosages.T[distinct_columns(problem.dosages).columns]
    residuals = np.ones((len(problem.expression), (1 + N_FOLDS) * N_LAMBDAS))
    started = time.process_time()
    distinct @ residuals
    floor = time.process_time() - started
    excess = objective_excess(problem, every, theirs)
    same = _same_lambda(ours, theirs)
    converged = same or _same_lambda(ours, cv_glmnet(problem, folder, threshold=1e-11))
    return Comparison(
        half_window,
        problem.dosages.shape[1],
        len(distinct),
        seconds,
        theirs.seconds,
        floor,
        float(excess.max()),
        float(-excess.min()),
        float(np.abs(excess[int(np.argmin(theirs.errors))])),
        same,
        converged,
        ours.chosen == every.chosen and np.allclose(ours.coefficients[-1], every.coefficients[every.chosen]),
    )


def _same_lambda(ours: CrossValidatedPath, theirs: GlmnetFit) -> bool:
    return bool(np.isclose(ours.lambdas[ours.chosen], theirs.lambda_min, rtol=1e-6))


def objective_excess(problem: Problem, ours: CrossValidatedPath, theirs: GlmnetFit) -> Float64Array:
    """Compare what both minimise, x and y standardised: ours / glmnet's - 1, float64 `(n_lambdas,)`."""
    np.testing.assert_allclose(ours.lambdas, theirs.lambdas, rtol=1e-6)
    spread, scale = problem.dosages.std(axis=0), problem.expression.std()
    alpha, penalties = problem.alpha, ours.lambdas / scale

    def objective(intercepts: Float64Array, coefficients: Float64Array) -> Float64Array:
        residuals = problem.expression - intercepts[:, None] - coefficients @ problem.dosages.T
        slopes = coefficients * (spread / scale)
        l1, l2 = np.abs(slopes).sum(axis=1), np.sum(slopes**2, axis=1)
        loss = np.mean((residuals / scale) ** 2, axis=1) / 2
        return np.asarray(loss + penalties * (alpha * l1 + (1 - alpha) / 2 * l2))

    mine = objective(ours.intercepts, ours.coefficients)
    return np.asarray(mine / objective(theirs.path[:, 0], theirs.path[:, 1:]) - 1)


def _fit_in_worker(problem: Problem, threads: int | None) -> None:
    with threadpool_limits(threads):
        fit(problem)


def genes_a_second(chosen: list[Problem], n_processes: int, threads: int | None) -> float:
    """Return genes per second in some processes, each with so many BLAS threads, or one per core."""
    cores = os.cpu_count() or 1
    with parallel_config(backend="loky", inner_max_num_threads=cores):
        parallel = Parallel(n_jobs=n_processes)
        parallel(delayed(_fit_in_worker)(chosen[0], threads) for _ in range(2 * n_processes))  # started, warm
        started = time.perf_counter()
        parallel(delayed(_fit_in_worker)(problem, threads) for problem in chosen)
    return len(chosen) / (time.perf_counter() - started)


def lines_of_windows(fits: list[Comparison]) -> list[str]:
    """Format a row for each window, and one for all."""
    lines = [
        "| half window | genes | variants | ours s | glmnet s | ratio | ratio by gene | floor s | same λ |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    windows = sorted({found.half_window for found in fits})
    for name, kept in [
        *((f"{window:,} bp", [found for found in fits if found.half_window == window]) for window in windows),
        ("both", fits),
    ]:
        counts = [found.n_variants for found in kept]
        ours, theirs = (sum(found.seconds for found in kept), sum(found.glmnet_seconds for found in kept))
        ratios = np.array([found.ratio for found in kept])
        lines.append(
            f"| {name} | {len(kept)} | {min(counts):,} to {max(counts):,} | {ours:.2f} | {theirs:.2f} "
            f"| {ours / theirs:.2f} | {np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f}) "
            f"| {sum(found.floor for found in kept):.2f} | {sum(found.same_lambda for found in kept)} |"
        )
    return lines


def ratio_of(fits: list[Comparison], half_window: int) -> Ratio:
    """Sum the times of all genes with one window."""
    kept = [found for found in fits if found.half_window == half_window]
    theirs, ours = (sum(getattr(found, name) for found in kept) for name in ("glmnet_seconds", "seconds"))
    data = f"{len(kept)} genes, ±{half_window:,} bp"
    return Ratio("R's `cv.glmnet`, for the same models", data, "processor", theirs, ours)


def lines_of_genes(fits: list[Comparison]) -> list[str]:
    """Format a row for each gene."""
    return [
        "| variants | distinct | ours s | glmnet s | ratio | above | below | at the chosen λ | same λ |",
        "|---|---|---|---|---|---|---|---|---|",
        *(
            f"| {found.n_variants:,} | {found.n_distinct:,} | {found.seconds:.3f} "
            f"| {found.glmnet_seconds:.3f} | {found.ratio:.2f} | {found.above:.0e} | {found.below:.0e} "
            f"| {found.apart:.0e} | {found.lambda_is_glmnets} |"
            for found in sorted(fits, key=lambda found: found.n_variants)
        ),
    ]


def lines_of_processes(chosen: list[Problem]) -> list[str]:
    """Measure genes per second in one process and in several, with and without a limit of threads."""
    ways: list[tuple[str, int, int | None]] = [
        ("1 process, 1 thread", 1, 1),
        (f"{N_PROCESSES} processes, 1 thread each", N_PROCESSES, 1),
        (f"{N_PROCESSES} processes, no limit", N_PROCESSES, None),
    ]
    speeds: dict[str, list[float]] = {name: [] for name, _, _ in ways}
    for _ in range(N_ROUNDS):
        for name, n_processes, threads in ways:
            speeds[name].append(genes_a_second(chosen, n_processes, threads))
    return [
        "| | genes/s |",
        "|---|---|",
        *(f"| {name} | {max(found):.2f} |" for name, found in speeds.items()),
    ]


def main(argv: Sequence[str]) -> None:
    """Compare both programs on the same problems and write the tables."""
    parser = benchmark_parser("elastic_net", __doc__, ratios=True)
    parser.add_argument("--genes", type=int, default=40, help="genes drawn for each window (default 40)")
    arguments = parser.parse_args(argv)
    fits, wide = [], []
    with tempfile.TemporaryDirectory() as folder:
        for half_window in HALF_WINDOWS:
            wide = problems(arguments.source, arguments.genes, half_window, Path(folder))
            fit(wide[0])
            fits += [compare(problem, half_window, Path(folder)) for problem in wide]
    processes = wide[:N_PARALLEL]
    lines = [
        "# Elastic net: time of a fit, against R's cv.glmnet",
        "",
        f"{stamp(f'elastic_net --source FOLDER --genes {arguments.genes}')} on `{arguments.source.name}`.",
        "",
        f"{len(wide[0].expression)} samples, {N_FOLDS} inner folds, {N_LAMBDAS} λ, α 0.5, one thread, "
        "processor time. The floor is one matrix product of the distinct columns with the residuals of all "
        "fits at all λ.",
        "",
        *lines_of_windows(fits),
        "",
        "The minimised function, relative to glmnet's: at any λ of any gene ours is at most "
        f"{max(found.above for found in fits):.0e} above and {max(found.below for found in fits):.0e} below "
        "(glmnet stops at its threshold of 1e-7); at the chosen λ they are at most "
        f"{max(found.apart for found in fits):.0e} apart. Fitting every λ in every fold chooses the same "
        f"model in {sum(found.all_fitted for found in fits)} of {len(fits)} genes. The chosen λ is glmnet's "
        f"in {sum(found.same_lambda for found in fits)}, and in {sum(found.converged for found in fits)} "
        "once glmnet's threshold is 1e-11.",
        "",
        f"Genes a second by the clock, {len(processes)} genes within {HALF_WINDOWS[-1]:,} bp, best of "
        f"{N_ROUNDS} rounds on {os.cpu_count()} cores:",
        "",
        *lines_of_processes(processes),
        "",
        "Gene by gene; the minimised function at the worst λ, ours relative to glmnet's:",
        "",
        *lines_of_genes(fits),
        "",
    ]
    write_page(arguments.table, lines)
    write_ratios(arguments.ratios, [ratio_of(fits, half_window) for half_window in HALF_WINDOWS])

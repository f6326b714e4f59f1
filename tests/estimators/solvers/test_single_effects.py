"""SuSiE against the authors' own susieR and dense normal likelihoods, and what must hold of any fit."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from haploscribe.estimators.solvers.single_effects import SusieFit, fit_susie
from haploscribe.utils.types import Float64Array, Int64Array
from tests.fixtures.real_genes import real_genes
from tests.fixtures.susier import Problem, SusierFit, susier


def _problem(
    n_samples: int, n_variants: int, seed: int, effects: tuple[float, ...] = (1.0, -0.7), n_effects: int = 5
) -> Problem:
    """Haplotypes of variants in linkage disequilibrium, the first few of them, spread out, causal."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=(2, n_samples, n_variants))
    for variant in range(1, n_variants):
        signal[:, :, variant] = 0.9 * signal[:, :, variant - 1] + np.sqrt(0.19) * signal[:, :, variant]
    dosages = (signal > 0.5).sum(axis=0).astype(np.float64)
    causal = np.linspace(0, n_variants - 1, len(effects) + 2).astype(np.int64)[1:-1]
    expression = 3.0 + dosages[:, causal] @ np.array(effects) + rng.normal(0, 1.5, n_samples)
    return Problem(dosages, expression, np.ones(n_variants), n_effects)


def _with(
    problem: Problem, dosages: Float64Array | None = None, weights: Float64Array | None = None
) -> Problem:
    dosages = problem.dosages if dosages is None else dosages
    weights = np.ones(dosages.shape[1]) if weights is None else weights
    return Problem(dosages, problem.expression, weights, problem.n_effects)


def _ours(problem: Problem) -> SusieFit:
    return fit_susie(problem.dosages, problem.expression, problem.weights, problem.n_effects)


_BASE = _problem(100, 40, seed=1)
PROBLEMS = {
    "more samples than variants": _BASE,
    "more variants than samples": _problem(80, 300, seed=2),
    "no effect": _problem(100, 60, seed=3, effects=(0.0,)),
    "one single effect": _problem(120, 80, seed=4, n_effects=1),
    "more effects than variants": _problem(60, 3, seed=5),
    "one variant": _problem(60, 1, seed=6, effects=(1.0,)),
    "ten effects": _problem(300, 100, seed=7, effects=(1.0, 0.8, -0.6, 0.5), n_effects=10),
    "prior weights": _with(_BASE, weights=np.linspace(5.0, 0.1, 40)),
    "prior weight of nothing": _with(_BASE, weights=np.repeat([0.0, 1.0], 20)),
    "copied and reversed variants": _with(_BASE, np.hstack([_BASE.dosages, 2.0 - _BASE.dosages[:, 5:30]])),
    "imputed dosages": _with(_BASE, 0.93 * _BASE.dosages + 0.04),
    "explained in full": Problem(_BASE.dosages, _BASE.dosages[:, 7] * 2.0, _BASE.weights),
    "another unit": Problem(_BASE.dosages, 30.0 * _BASE.expression + 1e4, _BASE.weights),
}


@pytest.fixture(scope="module")
def susier_fits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SusierFit]:
    fits = susier(list(PROBLEMS.values()), tmp_path_factory.mktemp("susier"))
    return dict(zip(PROBLEMS, fits, strict=True))


@pytest.mark.parametrize("name", PROBLEMS)
def test_posterior_equals_susier(name: str, susier_fits: dict[str, SusierFit]) -> None:
    theirs, ours = susier_fits[name], _ours(PROBLEMS[name])
    unit = PROBLEMS[name].expression.std()
    np.testing.assert_allclose(ours.alpha, theirs.alpha, atol=1e-6)
    np.testing.assert_allclose(ours.alpha * ours.mean / unit, theirs.alpha * theirs.mean / unit, atol=1e-6)
    np.testing.assert_allclose(ours.coefficients / unit, theirs.coefficients / unit, atol=1e-6)
    np.testing.assert_allclose(ours.pip, theirs.pip, atol=1e-6)
    assert ours.intercept == pytest.approx(theirs.intercept, abs=1e-6 * unit)


@pytest.mark.parametrize("name", PROBLEMS)
def test_variances_and_every_evidence_bound_equal_susier(
    name: str, susier_fits: dict[str, SusierFit]
) -> None:
    theirs, ours = susier_fits[name], _ours(PROBLEMS[name])
    np.testing.assert_allclose(ours.prior_variance, theirs.prior_variance, rtol=1e-5, atol=1e-9)
    assert ours.residual_variance == pytest.approx(theirs.residual_variance, rel=1e-7)
    np.testing.assert_allclose(ours.elbo, theirs.elbo, atol=1e-5)


@pytest.mark.slow
@pytest.mark.shared
def test_real_genes_equal_susier_but_where_its_search_stops_lower(
    shared_cohort: Path, tmp_path: Path
) -> None:
    """R's one-dimensional search for an effect's prior variance can settle on the lower of two peaks."""
    problems = []
    train: Int64Array = np.flatnonzero(np.arange(358) % 5 > 0)
    for gene in real_genes(shared_cohort, 40):
        expression, _ = gene.normalised(train, train)
        dosages = gene.inputs.dosages[train].astype(np.float64)
        varying = np.ptp(dosages, axis=0) > 0.0
        weights = gene.inputs.prior.variances(gene.inputs.distances())
        problems.append(Problem(dosages[:, varying], expression, weights[varying]))
    unequal = 0
    for problem, theirs in zip(problems, susier(problems, tmp_path), strict=True):
        ours = _ours(problem)
        passes = min(ours.elbo.size, theirs.elbo.size)
        gain = ours.elbo[:passes] - theirs.elbo[:passes]
        if np.abs(gain).max() > 1e-5:
            unequal += 1
            assert gain[np.flatnonzero(np.abs(gain) > 1e-5)[0]] > 0.0
        else:
            assert ours.elbo.size == theirs.elbo.size
            np.testing.assert_allclose(ours.coefficients, theirs.coefficients, atol=1e-6)
            np.testing.assert_allclose(ours.pip, theirs.pip, atol=1e-6)
    assert unequal <= 3


def _log_likelihoods(problem: Problem, prior_variance: float, residual_variance: float) -> Float64Array:
    """log N(y − ȳ; 0, V xⱼxⱼ' + σ² I) of each variant, by dense matrices."""
    standardised = problem.dosages - problem.dosages.mean(axis=0)
    standardised /= standardised.std(axis=0, ddof=1)
    noise = residual_variance * np.eye(len(standardised))
    deviation = problem.expression - problem.expression.mean()
    covariances = [prior_variance * np.outer(x, x) + noise for x in standardised.T]
    return np.array([multivariate_normal.logpdf(deviation, cov=covariance) for covariance in covariances])


def test_single_effect_is_the_exact_posterior() -> None:
    """With one effect nothing is approximate: the bound is the evidence itself."""
    problem = _problem(40, 12, seed=8, n_effects=1)
    problem = _with(problem, weights=np.arange(1.0, 13.0))
    fit = _ours(problem)
    joint = _log_likelihoods(problem, float(fit.prior_variance[0]), fit.residual_variance)
    joint += np.log(problem.weights / problem.weights.sum())
    evidence = np.logaddexp.reduce(joint)
    np.testing.assert_allclose(fit.alpha[0], np.exp(joint - evidence), rtol=1e-8)
    assert fit.elbo[-1] == pytest.approx(evidence, abs=1e-9)


def test_prior_variance_is_at_the_highest_of_two_peaks() -> None:
    """One variant is likely and moderately associated, the other is unlikely and strongly associated."""
    rng = np.random.default_rng(0)
    columns = np.linalg.qr(np.column_stack([np.ones(100), rng.normal(size=(100, 3))]))[0]
    outcome = columns[:, 1:] @ np.sqrt([3.0, 57.0, 40.0])
    problem = Problem(columns[:, 1:3], outcome, np.exp([0.0, -27.0]), n_effects=1)
    fit = _ours(problem)
    log_weights = np.log(problem.weights / problem.weights.sum())
    grid = np.geomspace(1e-3, 10.0, 100)
    heights = np.array(
        [
            np.logaddexp.reduce(log_weights + _log_likelihoods(problem, variance, fit.residual_variance))
            for variance in grid.tolist()
        ]
    )
    peaks = np.flatnonzero((heights[1:-1] > heights[:-2]) & (heights[1:-1] > heights[2:])) + 1
    assert len(peaks) == 2
    assert fit.prior_variance[0] == pytest.approx(grid[heights.argmax()], rel=0.06)


@st.composite
def _odd_problems(draw: st.DrawFn) -> Problem:
    """Few samples, dosages with copies and constants, and expression of any unit."""
    n_samples, n_variants = draw(st.integers(2, 30)), draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    distinct = rng.integers(0, 3, (n_samples, n_variants)).astype(np.float64)
    dosages = distinct[:, draw(st.lists(st.integers(0, n_variants - 1), min_size=1, max_size=20))]
    unit = 10.0 ** draw(st.integers(-6, 6))
    effect = draw(st.sampled_from([0.0, 1.0, 30.0]))
    expression = unit * (effect * dosages[:, 0] + rng.normal(size=n_samples))
    weights = rng.uniform(1e-3, 1.0, size=(dosages.shape[1],))
    return Problem(dosages, expression, weights, draw(st.integers(1, 6)))


@given(problem=_odd_problems())
def test_evidence_bound_never_falls(problem: Problem) -> None:
    elbo = _ours(problem).elbo
    assert np.all(np.diff(elbo) >= -1e-9 * np.abs(elbo[1:]) - 1e-9)


@given(problem=_odd_problems())
def test_inclusion_of_each_effect_sums_to_one(problem: Problem) -> None:
    fit = _ours(problem)
    assert len(fit.alpha) == min(problem.n_effects, np.sum(np.ptp(problem.dosages, axis=0) > 0))
    np.testing.assert_allclose(fit.alpha.sum(axis=1), 1.0)


@given(problem=_odd_problems(), data=st.data())
def test_order_of_variants_changes_nothing(problem: Problem, data: st.DataObject) -> None:
    order = np.array(data.draw(st.permutations(range(problem.weights.size))))
    fit = _ours(problem)
    other = _ours(_with(problem, problem.dosages[:, order], problem.weights[order]))
    np.testing.assert_allclose(other.pip, fit.pip[order], atol=1e-6)
    unit = problem.expression.std()
    np.testing.assert_allclose(other.coefficients / unit, fit.coefficients[order] / unit, atol=1e-6)


@given(problem=_odd_problems(), reversed_=st.booleans())
def test_a_copy_shares_inclusion_and_effect_equally(problem: Problem, *, reversed_: bool) -> None:
    copy = 2.0 - problem.dosages[:, 0] if reversed_ else problem.dosages[:, 0]
    dosages = np.column_stack([problem.dosages, copy])
    fit = _ours(_with(problem, dosages, np.append(problem.weights, problem.weights[0])))
    np.testing.assert_allclose(fit.alpha[:, -1], fit.alpha[:, 0], rtol=1e-6, atol=1e-12)
    unit, sign = problem.expression.std(), -1.0 if reversed_ else 1.0
    np.testing.assert_allclose(
        fit.coefficients[-1] / unit, sign * fit.coefficients[0] / unit, rtol=1e-6, atol=1e-9
    )


@given(problem=_odd_problems(), constant=st.sampled_from([0.0, 1.0, 2.0, 0.1]))
def test_constant_variant_changes_nothing(problem: Problem, constant: float) -> None:
    dosages = np.column_stack([problem.dosages, np.full(len(problem.dosages), constant)])
    fit, other = _ours(problem), _ours(_with(problem, dosages, np.append(problem.weights, 1.0)))
    np.testing.assert_array_equal(other.pip, np.append(fit.pip, 0.0))
    np.testing.assert_array_equal(other.coefficients, np.append(fit.coefficients, 0.0))


@given(problem=_odd_problems(), unit=st.sampled_from([1e-8, 1e-3, 1e5]))
def test_coefficients_follow_the_unit_of_the_outcome(problem: Problem, unit: float) -> None:
    fit = _ours(problem)
    other = fit_susie(problem.dosages, unit * problem.expression, problem.weights, problem.n_effects)
    size = problem.expression.std()
    np.testing.assert_allclose(
        other.coefficients / (unit * size), fit.coefficients / size, rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize(
    ("features", "outcome"),
    [
        (np.zeros((20, 0)), np.arange(20.0)),
        (np.full((20, 3), 0.1), np.arange(20.0)),
        (np.arange(60.0).reshape(20, 3) % 7, np.full(20, 9.3)),
    ],
    ids=["no features", "constant features", "constant outcome"],
)
def test_nothing_to_learn_gives_the_mean(features: Float64Array, outcome: Float64Array) -> None:
    fit = fit_susie(features, outcome, np.ones(features.shape[1]))
    assert fit.intercept == pytest.approx(outcome.mean())
    np.testing.assert_array_equal(fit.pip, 0.0)
    np.testing.assert_array_equal(fit.coefficients, 0.0)
    assert fit.converged


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_causal_variants_are_found_among_ten_thousand(seed: int) -> None:
    rng = np.random.default_rng(seed)
    dosages = rng.binomial(2, 0.3, (300, 10_000)).astype(np.float64)
    outcome = 1.5 * dosages[:, 17] - 1.5 * dosages[:, 9_000] + rng.normal(size=300)
    fit = fit_susie(dosages, outcome, np.ones(10_000))
    assert fit.converged
    np.testing.assert_array_equal(np.flatnonzero(fit.pip > 0.99), [17, 9_000])

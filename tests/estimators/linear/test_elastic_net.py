"""The elastic net against R's glmnet, and what it does with odd input."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haploscribe.errors import InputError
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.linear.elastic_net import ElasticNet
from haploscribe.estimators.registry import model_specs
from haploscribe.estimators.solvers.columns import distinct_columns
from haploscribe.estimators.solvers.penalty_choice import CrossValidatedPath, cross_validated_path
from haploscribe.expression.genes import Gene
from haploscribe.utils.types import Float64Array, Int64Array
from tests.fixtures.gene_inputs import nothing_to_learn
from tests.fixtures.glmnet import GlmnetFit, Problem, cv_glmnet
from tests.fixtures.real_genes import real_genes


def _dosages(n_samples: int, n_variants: int, rng: np.random.Generator) -> Float64Array:
    """Dosages of variants in linkage disequilibrium, mild enough for glmnet to converge to many digits."""
    signal = rng.normal(size=(2, n_samples, n_variants))
    for variant in range(1, n_variants):
        signal[:, :, variant] += signal[:, :, variant - 1] / 2
    return np.asarray((signal > 0.5).sum(axis=0), dtype=np.float64)


def _problem(n_samples: int, n_variants: int, seed: int, n_folds: int = 5, alpha: float = 0.5) -> Problem:
    rng = np.random.default_rng(seed)
    dosages = _dosages(n_samples, n_variants, rng)
    expression = 3 + 2 * dosages[:, 1] - dosages[:, -1] + rng.normal(0, 2, n_samples)
    return Problem(dosages, expression, rng.permutation(np.arange(n_samples) % n_folds) + 1, alpha)


def _with(problem: Problem, extra: Float64Array) -> Problem:
    dosages = np.column_stack([problem.dosages, extra])
    return Problem(dosages, problem.expression, problem.fold, problem.alpha)


def _inputs(dosages: Float64Array) -> GeneInputs:
    n_samples, n_variants = dosages.shape
    return GeneInputs(
        Gene("ENSG1", "chr1", 1000),
        tuple(f"S{sample}" for sample in range(n_samples)),
        np.arange(n_variants, dtype=np.int64),
        dosages.astype(np.float32),
    )


def _ours(problem: Problem, *, every_lambda: bool = False) -> CrossValidatedPath:
    return cross_validated_path(
        problem.dosages,
        problem.expression,
        problem.held_out,
        alpha=problem.alpha,
        n_lambdas=100,
        every_lambda=every_lambda,
    )


_BASE = _problem(60, 30, seed=1)
_FIRST_FOLD_ALONE = (_BASE.fold == 1).astype(np.float64)[:, None]
PROBLEMS = {
    "more samples than variants": _BASE,
    "more variants than samples": _problem(60, 100, seed=2),
    "more variants than samples in inner folds only": _problem(60, 55, seed=3),
    "lasso": _problem(80, 40, seed=4, alpha=1.0),
    "lasso of more variants than samples": _problem(60, 100, seed=2, alpha=1.0),
    "mostly ridge": _problem(60, 40, seed=5, alpha=0.1),
    "leave a few out": _problem(41, 20, seed=6, n_folds=10),
    "copied and reversed variants": _with(_BASE, np.hstack([_BASE.dosages[:, :9], 2 - _BASE.dosages[:, 3:]])),
    "scaled copies": _with(_BASE, np.where(_BASE.dosages[:, :4] > 0, 2.0, 0.0)),
    "constant variants": _with(_BASE, np.tile([0.0, 2.0], (60, 1))),
    "variant constant outside a fold": _with(_BASE, _FIRST_FOLD_ALONE),
    "imputed dosages": _with(_BASE, _BASE.dosages[:, :5] * 0.9 + 0.07),
    "one validation set": Problem(_BASE.dosages, _BASE.expression, (_BASE.fold == 2).astype(np.int64)),
    "lasso, one validation set": Problem(
        _BASE.dosages, _BASE.expression, (_BASE.fold == 2).astype(np.int64), alpha=1.0
    ),
}


@pytest.fixture(scope="module")
def glmnet_fits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, GlmnetFit]:
    fits = cv_glmnet(list(PROBLEMS.values()), tmp_path_factory.mktemp("glmnet"), threshold=1e-13)
    return dict(zip(PROBLEMS, fits, strict=True))


@pytest.mark.parametrize("name", PROBLEMS)
def test_lambdas_and_errors_equal_glmnet(name: str, glmnet_fits: dict[str, GlmnetFit]) -> None:
    theirs, ours = glmnet_fits[name], _ours(PROBLEMS[name], every_lambda=True)
    np.testing.assert_allclose(ours.lambdas, theirs.lambdas, rtol=1e-10)
    np.testing.assert_allclose(ours.mean_squared_errors, theirs.errors, rtol=1e-4)


@pytest.mark.parametrize("name", PROBLEMS)
def test_coefficients_at_least_error_equal_glmnet(name: str, glmnet_fits: dict[str, GlmnetFit]) -> None:
    theirs, ours = glmnet_fits[name], _ours(PROBLEMS[name])
    assert ours.lambdas[ours.chosen] == pytest.approx(theirs.lambda_min, rel=1e-10)
    np.testing.assert_allclose(ours.coefficients[ours.chosen], theirs.coefficients, atol=2e-5)
    assert ours.intercepts[ours.chosen] == pytest.approx(theirs.intercept, abs=1e-4)


@settings(max_examples=40, deadline=None)
@given(
    n_samples=st.integers(20, 60),
    n_variants=st.integers(2, 80),
    effect=st.sampled_from([0.0, 1.0, 20.0]),
    n_folds=st.integers(1, 8),
    alpha=st.sampled_from([0.2, 0.5, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_lambdas_that_cannot_win_change_nothing(
    n_samples: int, n_variants: int, effect: float, n_folds: int, alpha: float, seed: int
) -> None:
    """No effect has λ chosen at the path's start, a large one near its end, which glmnet's rules may cut."""
    rng = np.random.default_rng(seed)
    dosages = _dosages(n_samples, n_variants, rng)
    dosages[:2, 0] = 0, 1
    expression = effect * dosages[:, 0] + rng.normal(size=n_samples)
    fold = rng.permutation(np.arange(n_samples) % max(n_folds, 2)) + 1
    problem = Problem(dosages, expression, np.where(fold <= n_folds, fold, 0), alpha)
    every, ours = _ours(problem, every_lambda=True), _ours(problem)
    assert ours.chosen == every.chosen == ours.lambdas.size - 1
    np.testing.assert_array_equal(ours.lambdas, every.lambdas[: every.chosen + 1])
    np.testing.assert_allclose(ours.coefficients[-1], every.coefficients[every.chosen], atol=1e-8)
    assert ours.intercepts[-1] == pytest.approx(every.intercepts[every.chosen], abs=1e-8)
    seen = np.isfinite(ours.mean_squared_errors)
    np.testing.assert_allclose(
        ours.mean_squared_errors[seen], every.mean_squared_errors[: every.chosen + 1][seen], rtol=1e-8
    )


@given(
    matrix=st.integers(2, 12).flatmap(
        lambda n: st.lists(
            st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=n, max_size=n), min_size=1, max_size=8
        )
    )
)
def test_distinct_columns_are_those_not_perfectly_correlated(matrix: list[list[float]]) -> None:
    columns = np.array(matrix).T
    distinct = distinct_columns(columns)
    for i in range(columns.shape[1]):
        for j in range(i):
            if distinct.group[i] >= 0 and distinct.group[j] >= 0:
                correlation = np.corrcoef(columns[:, i], columns[:, j])[0, 1]
                assert (distinct.group[i] == distinct.group[j]) == bool(abs(correlation) > 1 - 1e-9)
                if distinct.group[i] == distinct.group[j]:
                    assert np.sign(distinct.slope[i] * distinct.slope[j]) == np.sign(correlation)
    np.testing.assert_array_equal(distinct.group >= 0, np.ptp(columns, axis=0) > 0)


def test_prediction_follows_the_allele_that_matters() -> None:
    rng = np.random.default_rng(7)
    dosages = _dosages(200, 40, rng)
    expression = dosages[:, 20] + rng.normal(0, 0.5, 200)
    model = ElasticNet().fit(_inputs(dosages[:150]), expression[:150])
    assert np.corrcoef(model.predict(_inputs(dosages[150:])), expression[150:])[0, 1] > 0.6
    assert 0 < model.n_selected < 40


def test_same_seed_gives_the_same_model_and_another_draws_other_folds() -> None:
    problem = _problem(60, 100, seed=8)
    lambdas = [
        ElasticNet(seed=seed).fit(_inputs(problem.dosages), problem.expression).lambda_
        for seed in (0, 0, 1, 2, 3)
    ]
    assert lambdas[0] == lambdas[1]
    assert len(set(lambdas)) > 1


@pytest.mark.parametrize(
    ("model", "name"), [("elastic-net", "one validation set"), ("lasso", "lasso, one validation set")]
)
def test_validation_set_chooses_lambda_in_place_of_inner_folds(
    model: str, name: str, glmnet_fits: dict[str, GlmnetFit]
) -> None:
    theirs, problem = glmnet_fits[name], PROBLEMS[name]
    fitted: Any = model_specs([model], seed=0)[model].make()
    assert isinstance(fitted, ElasticNet)
    fitted.fit(_inputs(problem.dosages), problem.expression, validation=problem.fold == 1)
    assert fitted.lambda_ == pytest.approx(theirs.lambda_min)
    np.testing.assert_allclose(fitted.coefficients_, theirs.coefficients, atol=2e-5)


@pytest.mark.parametrize("seed", range(4))
def test_lasso_of_variants_that_inner_folds_cannot_tell_apart_is_fitted(seed: int) -> None:
    """Each variant has two near copies, another in one sample: without that sample they are the same."""
    rng = np.random.default_rng(seed)
    distinct = rng.binomial(2, 0.3, (40, 60)).astype(np.float64)
    dosages = np.tile(distinct, (1, 3))
    dosages[rng.integers(0, 40, 120), np.arange(60, 180)] = rng.integers(0, 3, 120)
    expression = dosages[:, 0] - dosages[:, 3] + rng.normal(size=40)
    held_out = np.array_split(rng.permutation(40), 10)
    path = cross_validated_path(dosages, expression, held_out, alpha=1.0, n_lambdas=100, every_lambda=True)
    standardised = (dosages - dosages.mean(axis=0)) / dosages.std(axis=0)
    residual = expression[:, None] - path.intercepts - dosages @ path.coefficients.T
    np.testing.assert_allclose(np.abs(standardised.T @ residual / 40).max(axis=0), path.lambdas, rtol=1e-6)
    assert np.isfinite(path.mean_squared_errors).all()


@nothing_to_learn
def test_nothing_to_learn_predicts_the_training_mean(dosages: Float64Array, expression: Float64Array) -> None:
    model = ElasticNet().fit(_inputs(dosages), expression)
    np.testing.assert_allclose(model.predict(_inputs(dosages)), 9.5)
    assert model.n_selected == 0


def test_expression_constant_outside_a_fold_is_fitted() -> None:
    problem = _problem(20, 5, seed=9, n_folds=2)
    expression = np.where(problem.fold == 1, problem.expression, 1.0)
    path = cross_validated_path(
        problem.dosages, expression, problem.held_out, alpha=0.5, n_lambdas=100, every_lambda=True
    )
    assert np.isfinite(path.mean_squared_errors).all()


def test_one_variant_is_enough() -> None:
    dosages = np.tile([0.0, 1.0, 2.0, 1.0], 10)[:, None]
    expression = dosages[:, 0] + np.random.default_rng(0).normal(0, 0.1, 40)
    assert ElasticNet().fit(_inputs(dosages), expression).coefficients_[0] == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    "options", [{"alpha": 0.0}, {"alpha": 1.5}, {"n_folds": 1}, {"n_lambdas": 1}], ids=lambda o: next(iter(o))
)
def test_option_out_of_range_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(InputError, match="elastic net"):
        ElasticNet(**options)  # type: ignore[arg-type]


def test_missing_expression_is_refused_by_sample() -> None:
    expression = np.arange(20.0)
    expression[3] = np.nan
    with pytest.raises(InputError, match=r"expression of gene ENSG1.*1 samples.*S3"):
        ElasticNet().fit(_inputs(np.ones((20, 1))), expression)


def test_missing_dosage_is_refused_by_sample() -> None:
    dosages = np.ones((20, 2))
    dosages[5, 1] = np.nan
    with pytest.raises(InputError, match=r"dosages of gene ENSG1.*S5"):
        ElasticNet().fit(_inputs(dosages), np.arange(20.0))


def test_fewer_samples_than_folds_are_refused() -> None:
    with pytest.raises(InputError, match="9 training samples are too few for 10 inner folds"):
        ElasticNet().fit(_inputs(np.ones((9, 1))), np.arange(9.0))


@pytest.mark.parametrize("for_validation", [False, True])
def test_split_without_training_or_validation_samples_is_refused(for_validation: bool) -> None:
    with pytest.raises(InputError, match="fix the split"):
        ElasticNet().fit(_inputs(np.ones((20, 1))), np.arange(20.0), np.full(20, for_validation))


@pytest.mark.parametrize("seed", [3, 130, 223, 592])
def test_path_that_ends_before_the_lambda_that_folds_prefer_is_chosen_from(seed: int) -> None:
    """With seed 3 its last λ is chosen, with the others one before."""
    rng = np.random.default_rng(seed)
    n_samples, n_variants = int(rng.integers(10, 40)), int(rng.integers(2, 12))
    dosages = rng.binomial(2, 0.3, (n_samples, n_variants)).astype(np.float64)
    dosages[:2, 0] = 0, 1
    expression = rng.choice([3.0, 20.0, 100.0]) * dosages[:, 0] + rng.normal(size=n_samples)
    fold = np.empty(n_samples, dtype=np.int64)
    for number, held_out in enumerate(
        np.array_split(rng.permutation(n_samples), int(rng.integers(2, 6))), start=1
    ):
        fold[held_out] = number
    problem = Problem(dosages, expression, fold)
    every, ours = _ours(problem, every_lambda=True), _ours(problem)
    assert every.lambdas.size < 100
    assert ours.chosen == every.chosen
    np.testing.assert_allclose(ours.coefficients[-1], every.coefficients[every.chosen], atol=1e-8)


def _pearson_r(predicted: Float64Array, observed: Float64Array) -> float:
    return float(np.corrcoef(predicted, observed)[0, 1]) if np.ptp(predicted) > 1e-12 else 0.0


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "alpha", "n_genes", "largest"), [("elastic-net", 0.5, 5, 0.01), ("lasso", 1.0, 3, 0.02)]
)
def test_accuracy_on_real_genes_equals_glmnet(
    name: str, alpha: float, n_genes: int, largest: float, shared_cohort: Path, tmp_path: Path
) -> None:
    """The lasso has many minima where an inner fold cannot tell variants apart; each has its own best λ."""
    genes = real_genes(shared_cohort, n_genes)
    make: Any = model_specs([name], seed=0)[name].make
    n_samples, n_folds = len(genes[0].rpkm), 5
    outer = np.random.default_rng(0).permutation(np.arange(n_samples) % n_folds)
    problems, ours, tests = [], [], []
    for gene in genes:
        for fold in range(n_folds):
            train: Int64Array = np.flatnonzero(outer != fold)
            test: Int64Array = np.flatnonzero(outer == fold)
            expression, observed = gene.normalised(train, test)
            inner = np.random.default_rng(0).permutation(np.arange(len(train)) % 10) + 1
            dosages = gene.inputs.dosages.astype(np.float64)
            model = make().fit(gene.inputs.take(train), expression)
            ours.append(_pearson_r(model.predict(gene.inputs.take(test)), observed))
            tests.append((dosages[test], observed))
            problems.append(Problem(dosages[train], expression, inner, alpha))
    theirs = [
        _pearson_r(fit.intercept + dosages @ fit.coefficients, observed)
        for fit, (dosages, observed) in zip(cv_glmnet(problems, tmp_path), tests, strict=True)
    ]
    by_gene = np.reshape(np.subtract(ours, theirs), (len(genes), n_folds)).mean(axis=1)
    print(f"mean r {np.mean(ours):.4f}, glmnet {np.mean(theirs):.4f}, gene by gene {np.round(by_gene, 4)}")
    assert abs(by_gene.mean()) <= 0.005
    assert np.abs(by_gene).max() <= largest

"""BLUP against the textbook formulas, solved densely: no eigenvectors, no centring, no dictionaries."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from haploscribe.errors import InputError
from haploscribe.estimators.inputs import GeneInputs, TileDeltas
from haploscribe.estimators.linear.blup import DeltaBlup, DosageBlup
from haploscribe.estimators.solvers.reml import KernelEigen, fit_reml, haplotype_counts
from haploscribe.expression.genes import Gene
from haploscribe.utils.types import Float64Array

N_TRAIN, N_TEST = 120, 30
TRAIN, TEST = np.arange(N_TRAIN), np.arange(N_TRAIN, N_TRAIN + N_TEST)


def _inputs(seed: int, n_variants: int = 40, n_tiles: int = 3) -> GeneInputs:
    rng = np.random.default_rng(seed)
    n_samples = N_TRAIN + N_TEST
    tiles = []
    for tile in range(n_tiles):
        n_unique = 5 + tile
        deltas = rng.normal(0, 1e-3, (n_unique, 2, 4)).astype(np.float32)
        deltas[0] = 0
        index = rng.integers(0, n_unique, (n_samples, 2)).astype(np.int32)
        tiles.append(TileDeltas(1000 * tile, 1000 * (tile + 1), deltas, index))
    return GeneInputs(
        Gene("ENSG1", "chr1", 1000),
        tuple(f"S{sample}" for sample in range(n_samples)),
        np.arange(n_variants, dtype=np.int64),
        rng.binomial(2, rng.uniform(0.1, 0.9, n_variants), (n_samples, n_variants)).astype(np.float32),
        tuple(tiles),
    )


def _dosage_features(inputs: GeneInputs) -> Float64Array:
    train = inputs.dosages[TRAIN].astype(np.float64)
    return np.asarray((inputs.dosages - train.mean(axis=0)) / train.std(axis=0))


def _delta_features(inputs: GeneInputs) -> Float64Array:
    """Samples × features by expansion: whitened, each tile scaled, centred on training samples."""
    haplotypes = [tile.deltas[tile.index].astype(np.float64) for tile in inputs.tiles]
    centred = [part - part[TRAIN].mean(axis=(0, 1)) for part in haplotypes]
    covariance = sum(np.einsum("shbd,shbe->de", part[TRAIN], part[TRAIN]) for part in centred) / (2 * N_TRAIN)
    values, vectors = np.linalg.eigh(covariance)
    white = [part @ (vectors / np.sqrt(values + 0.1 * values.mean())) for part in centred]
    scaled = [part / np.sqrt(np.square(part[TRAIN]).sum(axis=(2, 3)).mean()) for part in white]
    return np.hstack([part.sum(axis=1).reshape(len(part), -1) for part in scaled])


def _outcome(features: Float64Array, h2: float, seed: int) -> Float64Array:
    rng = np.random.default_rng(seed)
    genetic = features @ rng.normal(size=features.shape[1])
    genetic *= np.sqrt(h2) / genetic.std()
    return np.asarray(5 + genetic + rng.normal(0, np.sqrt(1 - h2), len(features)))


def _minus_restricted_likelihood(kernel: Float64Array, outcome: Float64Array, ratio: float) -> float:
    """−ℓ of Patterson & Thompson, by determinants and a dense solve, σ²_g profiled out."""
    n = len(outcome)
    covariance = kernel + ratio * np.eye(n)
    ones = np.ones(n)
    inverse_y, inverse_1 = np.linalg.solve(covariance, np.column_stack([outcome, ones])).T
    mean = (ones @ inverse_y) / (ones @ inverse_1)
    quadratic = (outcome - mean) @ (inverse_y - mean * inverse_1)
    log_determinants = np.linalg.slogdet(covariance)[1] + np.log(ones @ inverse_1)
    return float((n - 1) * np.log(quadratic) + log_determinants) / 2


def _dense_blup(features: Float64Array, outcome: Float64Array) -> tuple[Float64Array, float]:
    """Predict the test samples by REML and generalised least squares; also the best variance ratio."""
    kernel, cross = features[TRAIN] @ features[TRAIN].T, features[TEST] @ features[TRAIN].T
    size = np.trace(kernel) / N_TRAIN
    best = minimize_scalar(
        lambda log_ratio: _minus_restricted_likelihood(kernel, outcome, size * np.exp(log_ratio)),
        bounds=(np.log(1e-5), np.log(1e5)),
        method="bounded",
        options={"xatol": 1e-9},
    )
    ratio = size * float(np.exp(best.x))
    covariance, ones = kernel + ratio * np.eye(N_TRAIN), np.ones(N_TRAIN)
    mean = (ones @ np.linalg.solve(covariance, outcome)) / (ones @ np.linalg.solve(covariance, ones))
    return mean + cross @ np.linalg.solve(covariance, outcome - mean), ratio


@pytest.mark.parametrize("n_variants", [40, N_TRAIN - 1, N_TRAIN, 300])
@pytest.mark.parametrize("h2", [0.2, 0.6, 0.9])
def test_dosage_blup_equals_dense_reml_and_gls(h2: float, n_variants: int) -> None:
    inputs = _inputs(1, n_variants)
    features = _dosage_features(inputs)
    outcome = _outcome(features, h2, seed=2)[TRAIN]
    expected, _ = _dense_blup(features, outcome)
    model = DosageBlup().fit(inputs.take(TRAIN), outcome)
    np.testing.assert_allclose(model.predict(inputs.take(TEST)), expected, atol=1e-5)


def test_blup_by_distance_is_blup_on_features_scaled_by_the_root_of_the_prior() -> None:
    inputs = _inputs(seed=21)
    inputs.positions[:] = 2_000 * np.arange(inputs.positions.size)
    prior = inputs.prior.variances(inputs.positions - 1000.0)
    features = _dosage_features(inputs) * np.sqrt(prior)
    outcome = _outcome(features, 0.6, seed=22)[TRAIN]
    expected, _ = _dense_blup(features, outcome)
    model = DosageBlup(by_distance=True).fit(inputs.take(TRAIN), outcome)
    np.testing.assert_allclose(model.predict(inputs.take(TEST)), expected, atol=1e-5)


def test_delta_blup_by_distance_scales_every_bins_features_by_the_root_of_the_prior() -> None:
    inputs = _inputs(seed=23)
    # Bins of 500 bp from 0 on, four features each; the TSS is at 1000.
    centres = 500 * np.arange(6) + 249.5
    prior = inputs.prior.variances(centres - 1000.0)
    features = _delta_features(inputs) * np.repeat(np.sqrt(prior), 4)
    outcome = _outcome(features, 0.6, seed=24)[TRAIN]
    expected, _ = _dense_blup(features, outcome)
    model = DeltaBlup(by_distance=True).fit(inputs.take(TRAIN), outcome)
    np.testing.assert_allclose(model.predict(inputs.take(TEST)), expected, atol=1e-5)


@pytest.mark.parametrize("n_tiles", [3, 20], ids=["fewer features than samples", "more"])
@pytest.mark.parametrize("h2", [0.2, 0.6, 0.9])
def test_delta_blup_equals_dense_reml_and_gls_on_expanded_deltas(h2: float, n_tiles: int) -> None:
    inputs = _inputs(seed=3, n_tiles=n_tiles)
    features = _delta_features(inputs)
    outcome = _outcome(features, h2, seed=4)[TRAIN]
    expected, _ = _dense_blup(features, outcome)
    model = DeltaBlup().fit(inputs.take(TRAIN), outcome)
    np.testing.assert_allclose(model.predict(inputs.take(TEST)), expected, atol=1e-5)


def test_variance_ratio_is_at_the_peak_of_the_restricted_likelihood() -> None:
    features = _dosage_features(_inputs(seed=5))
    outcome = _outcome(features, 0.5, seed=6)[TRAIN]
    _, expected = _dense_blup(features, outcome)
    centred = features[TRAIN] - features[TRAIN].mean(axis=0)
    fit = fit_reml(KernelEigen.of_features(centred), outcome)
    assert fit.variance_ratio == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("n_features", [5, 119, 120, 400])
@pytest.mark.parametrize("repeated", [False, True])
def test_either_side_of_the_features_gives_the_spectrum_of_their_kernel(
    n_features: int, repeated: bool
) -> None:
    features = np.random.default_rng(n_features).normal(size=(120, n_features))
    if repeated:  # fewer directions than either side
        features = features[:, np.arange(n_features) % 5]
    found, kernel = KernelEigen.of_features(features), features @ features.T
    rank = min(120, 5 if repeated else n_features)
    assert found.values.shape == (rank,)
    assert (np.diff(found.values) > 0).all()
    np.testing.assert_allclose((found.vectors * found.values) @ found.vectors.T, kernel, atol=1e-9 * rank)
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(rank), atol=1e-9)


def test_heritability_is_recovered_on_average() -> None:
    rng = np.random.default_rng(7)
    features = rng.normal(size=(400, 200))
    features -= features.mean(axis=0)
    kernel = KernelEigen.of_features(features)
    estimates = [fit_reml(kernel, _outcome(features, 0.4, seed)).heritability for seed in range(20)]
    assert np.mean(estimates) == pytest.approx(0.4, abs=0.06)


def test_heritability_does_not_depend_on_the_unit_of_kernel_or_outcome() -> None:
    features = _delta_features(_inputs(seed=8))[TRAIN]
    features = features - features.mean(axis=0)
    kernel, outcome = features @ features.T, _outcome(features, 0.5, seed=9)
    assert fit_reml(KernelEigen.of(1e8 * kernel), 1e-3 * outcome).heritability == pytest.approx(
        fit_reml(KernelEigen.of(kernel), outcome).heritability, rel=1e-6
    )


def test_delta_predictions_do_not_depend_on_the_dictionary() -> None:
    """New people bring a dictionary of their own: other rows in another order, tiles missing or new."""
    inputs = _inputs(seed=10)
    outcome = _outcome(_delta_features(inputs), 0.6, seed=11)[TRAIN]
    model = DeltaBlup().fit(inputs.take(TRAIN), outcome)
    people = inputs.take(TEST)
    reversed_rows = tuple(
        TileDeltas(
            tile.start,
            tile.end,
            np.concatenate([tile.deltas[:1], tile.deltas[:0:-1]]),
            np.where(tile.index > 0, len(tile.deltas) - tile.index, 0).astype(np.int32),
        )
        for tile in reversed(people.tiles)
    )
    unseen = TileDeltas(9000, 10000, people.tiles[0].deltas, people.tiles[0].index)
    other = GeneInputs(
        people.gene, people.sample_ids, people.positions, people.dosages, (*reversed_rows, unseen)
    )
    np.testing.assert_allclose(model.predict(other), model.predict(people), rtol=1e-12)


def test_tile_without_variants_among_new_people_counts_as_reference() -> None:
    inputs = _inputs(seed=12)
    outcome = _outcome(_delta_features(inputs), 0.6, seed=13)[TRAIN]
    model = DeltaBlup().fit(inputs.take(TRAIN), outcome)
    people = inputs.take(TEST)
    first = people.tiles[0]
    reference = TileDeltas(first.start, first.end, first.deltas, np.zeros_like(first.index))
    explicit, absent = (
        GeneInputs(people.gene, people.sample_ids, people.positions, people.dosages, tiles)
        for tiles in ((reference, *people.tiles[1:]), people.tiles[1:])
    )
    np.testing.assert_allclose(model.predict(absent), model.predict(explicit), rtol=1e-12)


def test_deltas_of_another_backbone_are_refused() -> None:
    inputs = _inputs(seed=14)
    model = DeltaBlup().fit(inputs.take(TRAIN), _outcome(_delta_features(inputs), 0.6, seed=15)[TRAIN])
    first = inputs.tiles[0]
    other = TileDeltas(first.start, first.end, first.deltas[..., :3], first.index)
    people = GeneInputs(inputs.gene, inputs.sample_ids, inputs.positions, inputs.dosages, (other,))
    with pytest.raises(InputError, match=r"tile 0-1000 at gene ENSG1: \(2, 3\) .* \(2, 4\)"):
        model.predict(people)


@pytest.mark.parametrize("estimator", [DosageBlup, DeltaBlup])
def test_constant_expression_predicts_itself(estimator: type[DosageBlup | DeltaBlup]) -> None:
    inputs = _inputs(seed=16)
    model = estimator().fit(inputs.take(TRAIN), np.full(N_TRAIN, 2.7))
    np.testing.assert_allclose(model.predict(inputs.take(TEST)), 2.7)
    assert model.h2_ == 0


@pytest.mark.parametrize("estimator", [DosageBlup, DeltaBlup])
def test_nothing_to_learn_from_predicts_the_training_mean(estimator: type[DosageBlup | DeltaBlup]) -> None:
    inputs = _inputs(seed=17, n_variants=0, n_tiles=0)
    model = estimator().fit(inputs.take(TRAIN), np.arange(N_TRAIN, dtype=np.float64))
    np.testing.assert_allclose(model.predict(inputs.take(TEST)), (N_TRAIN - 1) / 2)
    assert model.h2_ == 0


def test_constant_variant_gets_no_effect() -> None:
    inputs = _inputs(seed=18)
    inputs.dosages[:, 3] = 2
    model = DosageBlup().fit(
        inputs.take(TRAIN), _outcome(inputs.dosages.astype(np.float64), 0.6, seed=19)[TRAIN]
    )
    assert model.coefficients_[3] == 0
    assert np.count_nonzero(model.coefficients_) == inputs.positions.size - 1


@pytest.mark.parametrize("estimator", [DosageBlup, DeltaBlup])
def test_missing_expression_is_refused(estimator: type[DosageBlup | DeltaBlup]) -> None:
    expression = np.zeros(N_TRAIN)
    expression[0] = np.inf
    with pytest.raises(InputError, match="expression of gene ENSG1"):
        estimator().fit(_inputs(seed=20).take(TRAIN), expression)


def test_haplotype_counts_count_both_copies() -> None:
    index = np.array([[0, 0], [1, 2], [2, 1]], dtype=np.int32)
    np.testing.assert_array_equal(haplotype_counts(index, 3), [[2, 0, 0], [0, 1, 1], [0, 1, 1]])

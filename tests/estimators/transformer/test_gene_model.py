"""The transformer: what it can learn, what it must not see, and that its short cuts change nothing."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, optimize, stats
from torch import nn

from haploscribe.errors import InputError
from haploscribe.estimators.cross_gene.effect_prior import DEFAULT_PRIOR, EffectVariancePrior
from haploscribe.estimators.delta_scores import fit_delta_whitening
from haploscribe.estimators.inputs import GeneInputs, TileDeltas
from haploscribe.estimators.transformer.gene_model import Transformer, best_linear_effects
from haploscribe.estimators.transformer.network import (
    HaplotypeNetwork,
    Tokens,
    attention_prior,
    difference_loss,
    training_epochs,
)
from haploscribe.expression.genes import Gene, Strand
from haploscribe.utils.types import Float32Array, Float64Array

TILE = 6_000
TSS = 30_500
FALLING = EffectVariancePrior((0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.02))
"""By e over 10 kb, alike on both sides."""


def made_inputs(
    n_samples: int = 120, n_tiles: int = 8, n_bins: int = 1, seed: int = 0, strand: Strand = "+"
) -> GeneInputs:
    """Tiles of six unique haplotypes with random deltas of dimension 20, carried at random."""
    rng = np.random.default_rng(seed)
    tiles = []
    for tile in range(n_tiles):
        deltas = rng.normal(size=(6, n_bins, 20)).astype(np.float32)
        deltas[0] = 0.0
        index = rng.choice(6, size=(n_samples, 2), p=[0.4, 0.25, 0.15, 0.1, 0.05, 0.05]).astype(np.int32)
        tiles.append(TileDeltas(tile * TILE, (tile + 1) * TILE, deltas, index))
    return GeneInputs(
        gene=Gene("GENE", "22", TSS, strand),
        sample_ids=tuple(f"S{sample}" for sample in range(n_samples)),
        positions=np.empty(0, dtype=np.int64),
        dosages=np.empty((n_samples, 0), dtype=np.float32),
        tiles=tuple(tiles),
        prior=FALLING,
    )


def planted_expression(inputs: GeneInputs, heritability: float = 0.7, seed: int = 1) -> Float64Array:
    """Additive over haplotypes, linear in the deltas of the tile of the TSS and of the next."""
    rng = np.random.default_rng(seed)
    genetic = np.zeros(len(inputs.sample_ids))
    for tile in inputs.tiles[5:7]:
        per_row = tile.deltas.reshape(len(tile.deltas), -1) @ rng.normal(size=tile.deltas[0].size)
        genetic += per_row[tile.index].sum(axis=1)
    genetic = (genetic - genetic.mean()) / genetic.std()
    noise = rng.normal(size=genetic.size)
    expression: Float64Array = 3.0 + np.sqrt(heritability) * genetic + np.sqrt(1.0 - heritability) * noise
    return expression


def small(seed: int = 0) -> Transformer:
    return Transformer(max_epochs=3, width=8, seed=seed)


def read(inputs: GeneInputs, n_scores: int = 64) -> tuple[Tokens, Float32Array]:
    """Tokens and their distances to the TSS, the basis fitted on these inputs."""
    basis = fit_delta_whitening(inputs, n_scores)
    assert basis is not None
    tiles = basis.scored(inputs)
    return Tokens.of(tiles), np.concatenate([tile.distances(inputs.gene) for tile in tiles])


def untrained_network(
    tokens: Tokens, distances: Float32Array, width: int = 8, **shape: int
) -> HaplotypeNetwork:
    return HaplotypeNetwork(
        tokens.rows.shape[1],
        distances,
        DEFAULT_PRIOR.variances(distances),
        np.zeros((len(distances), 0), dtype=np.float32),
        width=width,
        n_layers=shape.get("n_layers", 1),
        n_heads=2,
        token_norm=1.0,
        generator=torch.Generator().manual_seed(5),
    )


def trained_network(tokens: Tokens, distances: Float32Array, n_layers: int = 1) -> HaplotypeNetwork:
    """A network whose every weight matters: no readout is left at zero."""
    network = untrained_network(tokens, distances, n_layers=n_layers)
    generator = torch.Generator().manual_seed(6)
    for parameter in (network.linear_value, *network.parameters()):
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return network.requires_grad_(requires_grad=False)


# What it learns


def test_learns_a_planted_signal_and_nothing_from_permuted_expression() -> None:
    inputs = made_inputs(n_samples=300)
    expression = planted_expression(inputs)
    train, test = np.arange(200), np.arange(200, 300)
    permuted = np.random.default_rng(2).permutation(expression)

    learned = Transformer().fit(inputs.take(train), expression[train]).predict(inputs.take(test))
    chance = Transformer().fit(inputs.take(train), permuted[train]).predict(inputs.take(test))

    assert np.corrcoef(learned, expression[test])[0, 1] > 0.6
    assert abs(np.corrcoef(chance, permuted[test])[0, 1]) < 0.25


def test_gradient_training_learns_what_the_linear_start_cannot() -> None:
    inputs = made_inputs(n_samples=200, n_tiles=3)
    sign = np.where(np.arange(6) % 2, 1.0, -1.0)
    product = sign[inputs.tiles[0].index] * sign[inputs.tiles[1].index]
    expression = product.sum(axis=1) - product.sum(axis=1).mean()
    tokens, distances = read(inputs)
    network = untrained_network(tokens, distances, width=32)
    attention = torch.softmax(network.prior, dim=0).numpy().astype(np.float64)
    effects = best_linear_effects(tokens, attention, expression)
    network.linear_value.data = torch.from_numpy(effects).float()
    before = np.var(expression - network.outputs(tokens))
    epochs = training_epochs(
        network,
        tokens,
        torch.from_numpy(expression).float(),
        1e-2,
        torch.Generator().manual_seed(0),
    )
    for _ in range(60):
        next(epochs)

    assert np.var(expression - network.outputs(tokens)) < 0.5 * before


def test_validation_samples_decide_how_long_to_train() -> None:
    inputs = made_inputs()
    noise = np.random.default_rng(3).normal(size=120)
    # Held-out samples that repeat training samples are predicted the better the longer the training.
    twice = inputs.take(np.tile(np.arange(120), 2))
    copies = np.arange(240) >= 120
    unlike = np.concatenate([noise, -noise])

    estimator = Transformer(learning_rate=1e-2, max_epochs=4)
    assert estimator.fit(twice, np.concatenate([noise, noise]), copies).n_epochs_ == 4
    assert estimator.fit(twice, unlike, copies).n_epochs_ == 0


# What the form of the model promises


def test_haplotypes_may_be_swapped() -> None:
    inputs = made_inputs()
    fitted = small().fit(inputs, planted_expression(inputs))
    swapped = replace(
        inputs, tiles=tuple(replace(tile, index=tile.index[:, ::-1].copy()) for tile in inputs.tiles)
    )

    np.testing.assert_allclose(fitted.predict(swapped), fitted.predict(inputs), rtol=0, atol=1e-5)


@pytest.mark.parametrize("n_layers", [0, 1, 2])
def test_the_two_haplotypes_add_up(n_layers: int) -> None:
    inputs = made_inputs()
    tokens, distances = read(inputs)
    network = trained_network(tokens, distances, n_layers)
    twice = [replace(tokens, index=tokens.index[:, [haplotype, haplotype]]) for haplotype in (0, 1)]

    expected = (network.outputs(twice[0]) + network.outputs(twice[1])) / 2.0
    np.testing.assert_allclose(network.outputs(tokens), expected, atol=1e-4)


def test_positions_are_read_along_the_strand() -> None:
    forward, reverse = made_inputs(strand="+"), made_inputs(strand="-")
    mirrored = replace(
        reverse,
        tiles=tuple(
            replace(tile, start=2 * TSS + 1 - tile.end, end=2 * TSS + 1 - tile.start)
            for tile in reverse.tiles
        ),
    )
    expression = planted_expression(forward)

    along = small().fit(forward, expression).predict(forward)
    np.testing.assert_array_equal(small().fit(mirrored, expression).predict(mirrored), along)
    np.testing.assert_array_equal(read(forward)[1], -read(reverse)[1])


def test_distance_is_to_the_centre_of_a_bin() -> None:
    inputs = made_inputs(n_tiles=1, n_bins=2)

    # bases 0..2999 and 3000..5999
    np.testing.assert_allclose(read(inputs)[1], [1499.5 - TSS, 4499.5 - TSS])


def test_attention_starts_as_the_root_of_the_variance_prior() -> None:
    variances = DEFAULT_PRIOR.variances(np.array([0.0, -15_000.0, 1e9]))
    np.testing.assert_allclose(torch.exp(2.0 * attention_prior(variances)), variances, rtol=1e-5)


def test_annotations_are_read_unless_they_are_not_to_be() -> None:
    """They move predictions through the prior and as features, and are kept with the model."""
    plain, rng = made_inputs(), np.random.default_rng(3)
    expression = planted_expression(plain)
    positions = np.sort(rng.integers(0, 8 * TILE, 60))
    dosages = rng.binomial(2, 0.4, (len(expression), 60)).astype(np.float32)
    plain = replace(plain, positions=positions, dosages=dosages)
    drawn = rng.normal(size=(60, 2)).astype(np.float32)
    prior = replace(DEFAULT_PRIOR, annotation_effects=(1.0, -0.5))
    annotated = replace(plain, annotations=drawn, prior=prior)
    model, twin = small().fit(annotated, expression), small()
    twin.annotations = False
    twin.fit(twin.select(annotated), expression)
    without = small().fit(replace(plain, prior=DEFAULT_PRIOR), expression).predict(plain)
    assert not np.allclose(model.predict(plain), without)
    np.testing.assert_array_equal(twin.predict(plain), without)
    restored = small().restore(model.state())
    np.testing.assert_array_equal(restored.predict(plain), model.predict(plain))


def test_samples_without_a_difference_to_the_reference_get_one_prediction() -> None:
    inputs = made_inputs()
    fitted = small().fit(inputs, planted_expression(inputs))
    reference = replace(
        inputs, tiles=tuple(replace(tile, index=np.zeros_like(tile.index)) for tile in inputs.tiles)
    )

    predicted = fitted.predict(reference)
    np.testing.assert_allclose(predicted, predicted[0], atol=1e-6)
    np.testing.assert_allclose(predicted, fitted.predict(replace(reference, tiles=())), atol=1e-6)


def test_a_unique_haplotype_unseen_in_training_is_read_from_its_delta() -> None:
    inputs = made_inputs()
    fitted = small().fit(inputs, planted_expression(inputs))
    tile = inputs.tiles[5]
    # a new row that is a copy of an old one must be predicted as the old one
    longer = replace(
        tile,
        deltas=np.concatenate([tile.deltas, tile.deltas[2:3]]),
        index=np.where(tile.index == 2, 6, tile.index),
    )
    renamed = replace(inputs, tiles=(*inputs.tiles[:5], longer, *inputs.tiles[6:]))

    np.testing.assert_allclose(fitted.predict(renamed), fitted.predict(inputs), atol=1e-5)


# That the short cuts are exact


@pytest.mark.parametrize("n_bins", [1, 3])
def test_gathered_tokens_are_the_expanded_scores(n_bins: int) -> None:
    inputs = made_inputs(n_bins=n_bins)
    basis = fit_delta_whitening(inputs, 64)
    assert basis is not None
    tiles = basis.scored(inputs)
    tokens = Tokens.of(tiles)

    expanded = np.concatenate([tile.scores[tile.index] for tile in tiles], axis=2)
    np.testing.assert_array_equal(tokens.rows[tokens.index], expanded)
    parted = np.stack([rows[index] for rows, index in tokens.by_token()], axis=2)
    np.testing.assert_array_equal(parted, expanded)
    assert torch.all(tokens.token[tokens.index] == torch.arange(8 * n_bins))


def test_network_is_torchs_encoder_on_expanded_tokens_then_pooling() -> None:
    inputs = made_inputs(n_samples=20)
    tokens, distances = read(inputs)
    network = trained_network(tokens, distances)
    state = network.state_dict()
    oracle = nn.TransformerEncoderLayer(
        8, 2, 16, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    weights = {name: torch.zeros_like(value) for name, value in oracle.state_dict().items()}
    weights["norm1.weight"] = weights["norm2.weight"] = torch.ones(8)
    weights["self_attn.in_proj_weight"] = state["layers.0.query_key_value"].T
    weights["self_attn.out_proj.weight"] = state["layers.0.attention_out"].T
    weights["linear1.weight"] = state["layers.0.hidden"].T
    weights["linear1.bias"] = state["layers.0.hidden_bias"]
    weights["linear2.weight"] = state["layers.0.hidden_out"].T
    oracle.load_state_dict(weights)

    scores = tokens.rows[tokens.index].flatten(0, 1)
    with torch.no_grad():
        encoded = oracle(scores @ state["embedding"] + state["features"] @ state["position"])
    encoded = nn.functional.layer_norm(encoded, (8,))
    attention = torch.softmax(state["prior"] + encoded @ state["encoder_logit"], dim=1)
    values = (scores * state["linear_value"]).sum(dim=2) + encoded @ state["encoder_value"]
    expected = (attention * values).sum(dim=1).view(20, 2).sum(dim=1)
    np.testing.assert_allclose(network.outputs(tokens), expected, rtol=1e-3, atol=1e-3)


def test_untrained_network_is_the_linear_model_on_attended_scores() -> None:
    inputs = made_inputs()
    tokens, distances = read(inputs)
    network = trained_network(tokens, distances)
    network.encoder_logit.zero_()
    network.encoder_value.zero_()

    attention = torch.softmax(network.prior, dim=0)
    diploid = tokens.rows[tokens.index].sum(dim=1)
    expected = np.einsum("ntk,t,tk->n", diploid, attention, network.linear_value)
    np.testing.assert_allclose(network.outputs(tokens), expected, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 5, width=32), st.floats(-5, 5, width=32)), min_size=1, max_size=12))
def test_difference_loss_is_over_all_pairs_with_sign(pairs: list[tuple[float, float]]) -> None:
    observed, predicted = torch.tensor(pairs).T
    differences = (observed[:, None] - observed) - (predicted[:, None] - predicted)

    expected = differences.square().mean() / 2.0
    torch.testing.assert_close(difference_loss(predicted, observed), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("n_samples", "n_scores"), [(40, 3), (25, 30)])
def test_linear_effects_are_ridge_at_the_greatest_restricted_likelihood(
    n_samples: int, n_scores: int
) -> None:
    rng = np.random.default_rng(4)
    index, attention = rng.integers(0, 20, size=(n_samples, 2, 2)), np.array([0.7, 0.3])
    tokens = Tokens(
        torch.from_numpy(rng.normal(size=(40, n_scores)).astype(np.float32)),
        torch.arange(40) % 2,
        torch.from_numpy(2 * index + np.arange(2)),
    )
    scores = tokens.rows[tokens.index].sum(dim=1).numpy().astype(np.float64)
    x = np.hstack([0.7 * scores[:, 0], 0.3 * scores[:, 1]])
    y = x @ rng.normal(size=2 * n_scores) + rng.normal(size=n_samples)
    contrasts = linalg.null_space(np.ones((1, n_samples))).T

    def negative_likelihood(log_penalty: float) -> float:
        """Minus the log-density of error contrasts under a normal law, at its best scale."""
        covariance = contrasts @ (x @ x.T + np.exp(log_penalty) * np.eye(n_samples)) @ contrasts.T
        scale = (contrasts @ y) @ linalg.solve(covariance, contrasts @ y) / (n_samples - 1)
        return -float(stats.multivariate_normal(cov=scale * covariance).logpdf(contrasts @ y))

    penalty = np.exp(optimize.minimize_scalar(negative_likelihood, bounds=(-5, 8), method="bounded").x)
    centred = x - x.mean(axis=0)
    normal = centred.T @ centred + penalty * np.eye(2 * n_scores)
    expected = linalg.solve(normal, centred.T @ (y - y.mean())).reshape(2, n_scores)
    np.testing.assert_allclose(best_linear_effects(tokens, attention, y), expected, rtol=1e-3, atol=1e-4)


# Seeds and leaks


def test_same_seed_same_bits_whatever_the_global_state() -> None:
    inputs = made_inputs(seed=3)
    expression = planted_expression(inputs)
    torch.manual_seed(1)
    first = small().fit(inputs, expression)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    second = small().fit(inputs, expression)

    assert first.n_epochs_ > 0  # so that the seed has had its say
    assert first.predict(inputs).tobytes() == second.predict(inputs).tobytes()
    assert torch.equal(torch.get_rng_state(), state)


def test_another_seed_gives_another_network() -> None:
    inputs = made_inputs(seed=3)
    expression = planted_expression(inputs)

    assert np.any(
        small(0).fit(inputs, expression).predict(inputs) != small(1).fit(inputs, expression).predict(inputs)
    )


def test_fitted_estimator_survives_pickling() -> None:
    inputs = made_inputs()
    fitted = small().fit(inputs, planted_expression(inputs))

    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(inputs), fitted.predict(inputs))


# Odd inputs


@pytest.mark.parametrize("case", ["no tiles", "one unique haplotype", "constant expression"])
def test_mean_is_predicted_where_there_is_nothing_to_learn_from(case: str) -> None:
    inputs = made_inputs()
    expression = planted_expression(inputs)
    if case == "no tiles":
        inputs = replace(inputs, tiles=())
    elif case == "one unique haplotype":
        tiles = (replace(tile, index=np.full_like(tile.index, 3)) for tile in inputs.tiles)
        inputs = replace(inputs, tiles=tuple(tiles))
    else:
        expression = np.full(120, 0.1)

    np.testing.assert_array_equal(
        small().fit(inputs, expression).predict(inputs), np.full(120, expression.mean())
    )


@settings(max_examples=15, deadline=None)
@given(
    n_samples=st.integers(8, 20),
    n_tiles=st.integers(1, 3),
    n_bins=st.integers(1, 3),
    seed=st.integers(0, 999),
)
def test_any_shape_fits_and_predicts_finite_numbers(
    n_samples: int, n_tiles: int, n_bins: int, seed: int
) -> None:
    inputs = made_inputs(n_samples, n_tiles, n_bins, seed)
    expression = np.random.default_rng(seed).normal(size=n_samples)
    predicted = small(seed).fit(inputs, expression).predict(inputs)

    assert predicted.shape == (n_samples,)
    assert np.isfinite(predicted).all()
    np.testing.assert_allclose(predicted.mean(), expression.mean(), atol=1e-4)


def test_tile_of_another_dimension_is_refused() -> None:
    inputs = made_inputs()
    fitted = small().fit(inputs, planted_expression(inputs))
    tile = inputs.tiles[2]
    other = replace(inputs, tiles=(replace(tile, deltas=tile.deltas[:, :, :7]),))

    with pytest.raises(InputError, match=r"tile 12000-18000 at gene GENE: \(1, 7\) .* \(1, 20\)"):
        fitted.predict(other)


def test_deltas_that_are_not_finite_are_refused() -> None:
    inputs = made_inputs()
    inputs.tiles[2].deltas[1, 0, 0] = np.nan

    with pytest.raises(InputError, match="tile 12000-18000 at gene GENE: not finite"):
        small().fit(inputs, np.arange(120.0))


def test_validation_set_of_nobody_is_refused() -> None:
    inputs = made_inputs()

    with pytest.raises(InputError, match="0 of 120 samples are for validation"):
        small().fit(inputs, planted_expression(inputs), np.zeros(120, dtype=np.bool_))

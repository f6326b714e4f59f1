"""The transformer of all genes: what it carries to genes never seen, and what it must not look at."""

import pickle
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from haploscribe.errors import InputError
from haploscribe.estimators.cross_gene.effect_prior import DEFAULT_PRIOR, EffectVariancePrior
from haploscribe.estimators.inputs import GeneInputs, TileDeltas
from haploscribe.estimators.linear.blup import DeltaBlup
from haploscribe.estimators.transformer.multi_gene_axes import fit_multi_gene_axes
from haploscribe.estimators.transformer.multi_gene_model import MultiGeneTransformer
from haploscribe.estimators.transformer.multi_gene_network import (
    GeneTokens,
    MultiGeneNetwork,
    multi_gene_training_epochs,
    starting_logits,
)
from haploscribe.expression.genes import Gene
from haploscribe.utils.types import Float32Array, Float64Array

TILE = 6_000
APART = 20  # tiles from one gene's first to the next one's
DIMENSION = 8


def made_genes(
    n_genes: int, n_samples: int = 100, n_tiles: int = 4, n_bins: int = 1, seed: int = 0, size: int = TILE
) -> list[GeneInputs]:
    """Genes far from each other, each with tiles of five unique haplotypes, random and carried at random."""
    rng = np.random.default_rng(seed)
    genes = []
    for number in range(n_genes):
        first = number * APART * TILE
        tiles = []
        for tile in range(n_tiles):
            deltas = rng.normal(size=(5, n_bins, DIMENSION)).astype(np.float32)
            deltas[0] = 0.0
            index = rng.choice(5, size=(n_samples, 2), p=[0.4, 0.2, 0.2, 0.1, 0.1]).astype(np.int32)
            tiles.append(TileDeltas(first + tile * size, first + (tile + 1) * size, deltas, index))
        genes.append(
            GeneInputs(
                gene=Gene(f"GENE{number}", "22", first + 2 * TILE, "+"),
                sample_ids=tuple(f"S{sample}" for sample in range(n_samples)),
                positions=np.empty(0, dtype=np.int64),
                dosages=np.empty((n_samples, 0), dtype=np.float32),
                tiles=tuple(tiles),
            )
        )
    return genes


def planted(genes: Sequence[GeneInputs], *, shared: bool, h2: float = 0.6) -> list[Float64Array]:
    """Expression to which a delta at the TSS adds its product with a direction: one, or a gene's own."""
    rng = np.random.default_rng(7)
    direction = rng.normal(size=DIMENSION)
    found = []
    for inputs in genes:
        own = direction if shared else rng.normal(size=DIMENSION)
        genetic = sum((tile.deltas.sum(axis=1) @ own)[tile.index].sum(axis=1) for tile in inputs.tiles[1:3])
        noise = rng.normal(size=len(inputs.sample_ids))
        values = np.sqrt(h2) * (genetic - np.mean(genetic)) / np.std(genetic) + np.sqrt(1 - h2) * noise
        found.append((values - values.mean()) / values.std())
    return found


def mean_r(
    fitted: MultiGeneTransformer, genes: Sequence[GeneInputs], expression: Sequence[Float64Array]
) -> float:
    predicted = [fitted.predict(inputs) for inputs in genes]
    return float(np.mean([np.corrcoef(p, y)[0, 1] for p, y in zip(predicted, expression, strict=True)]))


def quick(**options: float) -> MultiGeneTransformer:
    return MultiGeneTransformer(**({"width": 8, "max_epochs": 1} | options))  # type: ignore[arg-type]


# What it learns


def test_an_effect_that_genes_share_is_carried_to_genes_never_seen() -> None:
    genes = made_genes(30, n_samples=30)
    expression = planted(genes, shared=True)
    fitted = MultiGeneTransformer(max_epochs=10, learning_rate=5e-3).fit(genes[:24], expression[:24])
    assert mean_r(fitted, genes[24:], expression[24:]) > 0.4


def test_an_effect_of_a_genes_own_is_learned_for_new_people() -> None:
    genes = made_genes(6, n_samples=200)
    expression = planted(genes, shared=False)
    train, test = np.arange(150), np.arange(150, 200)
    fitted = quick().fit([inputs.take(train) for inputs in genes], [values[train] for values in expression])
    tested = [inputs.take(test) for inputs in genes]
    assert mean_r(fitted, tested, [values[test] for values in expression]) > 0.6


def test_short_tiles_share_tokens_and_one_that_is_missing_is_the_reference() -> None:
    genes = made_genes(6, n_samples=60, n_tiles=30, size=1_000)
    fitted = quick().fit(genes, planted(genes, shared=False))
    seen = fitted.genes_["GENE0"]
    assert len(seen.tiles) == 30
    assert len(seen.effects) < 30
    lost = genes[0].tiles[3]
    without = replace(genes[0], tiles=tuple(tile for tile in genes[0].tiles if tile is not lost))
    emptied = tuple(
        replace(tile, index=np.zeros_like(tile.index)) if tile is lost else tile for tile in genes[0].tiles
    )
    reference = fitted.predict(replace(genes[0], tiles=emptied))
    np.testing.assert_allclose(fitted.predict(without), reference, rtol=0, atol=1e-6)
    assert np.abs(reference - fitted.predict(genes[0])).max() > 1e-4


def test_permuted_expression_teaches_nothing_of_genes_never_seen() -> None:
    genes = made_genes(30, n_samples=50)
    rng = np.random.default_rng(3)
    permuted = [rng.permutation(values) for values in planted(genes, shared=True)]
    fitted = MultiGeneTransformer(max_epochs=6, learning_rate=5e-3).fit(genes[:24], permuted[:24])
    predicted = [fitted.predict(inputs) for inputs in genes[24:]]
    explained = [y.var() - (y - p).var() for p, y in zip(predicted, permuted[24:], strict=True)]
    assert np.mean(explained) < 0.02


class _Falling(EffectVariancePrior):
    """What the shared network's attention starts from, as a prior."""

    def variances(self, distances: Float32Array | Float64Array) -> Float64Array:
        return np.asarray(np.exp(2.0 * starting_logits(distances.astype(np.float32)).numpy().astype(float)))


def test_without_gradient_training_a_seen_gene_is_blup_under_what_attention_starts_from() -> None:
    (inputs,) = made_genes(1, n_samples=150, n_tiles=6)
    inputs = replace(inputs, prior=_Falling(DEFAULT_PRIOR.weights))
    (values,) = planted([inputs], shared=False)
    blup = DeltaBlup(by_distance=True).fit(inputs, values)
    fitted = MultiGeneTransformer(max_epochs=0).fit([inputs], [values])
    np.testing.assert_allclose(fitted.predict(inputs), blup.predict(inputs), atol=1e-3)


def test_genes_in_one_place_leave_the_networks_silent() -> None:
    (inputs,) = made_genes(1)
    neighbour = replace(inputs, gene=replace(inputs.gene, gene_id="NEIGHBOUR"))
    (values,) = planted([inputs], shared=True)
    fitted = quick().fit([inputs, neighbour], [values, values])
    assert fitted.n_epochs_ == 0
    unseen = made_genes(2)[1]
    np.testing.assert_array_equal(fitted.predict(unseen), np.zeros(100))


# The loss


def test_a_training_step_descends_the_signed_differences_of_all_pairs_within_genes() -> None:
    genes = made_genes(3, n_samples=20)
    expression = planted(genes, shared=True)
    axes = fit_multi_gene_axes(genes, 4)
    assert axes is not None
    read = [GeneTokens.of(axes.scored(inputs), inputs.gene) for inputs in genes]
    networks = [
        MultiGeneNetwork(
            axes.axes.shape[1],
            width=8,
            n_layers=1,
            n_heads=2,
            generator=torch.Generator().manual_seed(1),
        )
        for _ in range(2)
    ]
    epochs = multi_gene_training_epochs(networks[0], read, expression, 1e-2, seed=0)
    next(epochs), next(epochs)

    pairs = []
    for tokens, values in zip(read, expression, strict=True):
        predicted = networks[1](tokens)
        observed = torch.from_numpy(values.astype(np.float32))
        signed = (predicted[:, None] - predicted) - (observed[:, None] - observed)
        pairs.append(signed.square().sum() / (2 * len(observed) ** 2))
    optimiser = torch.optim.AdamW(networks[1].parameters(), lr=1e-2, weight_decay=0.1)
    torch.stack(pairs).mean().backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    for one, other in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-3)


# What it must not see


def test_the_network_of_a_seen_gene_did_not_learn_from_it() -> None:
    genes = made_genes(9)
    expression = planted(genes, shared=True)
    before = quick(learning_rate=5e-3).fit(genes, expression)
    changed = [*expression[:4], np.roll(expression[4], 1), *expression[5:]]
    after = quick(learning_rate=5e-3).fit(genes, changed)
    assert before.n_epochs_ == after.n_epochs_ == 1
    number = before.genes_["GENE4"].network
    tokens = GeneTokens.of(before.axes_.scored(genes[4]), genes[4].gene)  # type: ignore[union-attr]
    same = [
        np.array_equal(one.outputs(tokens), other.outputs(tokens))
        for one, other in zip(before.networks_, after.networks_, strict=True)
    ]
    assert same == [i == number for i in range(3)]


@pytest.mark.parametrize("seen", [True, False])
def test_what_is_predicted_for_one_person_does_not_depend_on_the_others(seen: bool) -> None:
    genes = made_genes(9)
    expression = planted(genes, shared=True)
    fitted = quick().fit(genes[:8], expression[:8])
    inputs = genes[0 if seen else 8]
    together = fitted.predict(inputs)
    alone = [float(fitted.predict(inputs.take(np.array([i])))[0]) for i in range(5)]
    np.testing.assert_allclose(alone, together[:5], atol=1e-5)


def test_rows_that_no_training_sample_carries_have_no_influence() -> None:
    genes = made_genes(6)
    expression = planted(genes, shared=True)
    stranger = np.full((1, 1, DIMENSION), 100.0, dtype=np.float32)
    longer = [
        replace(
            inputs,
            tiles=tuple(
                replace(tile, deltas=np.concatenate([tile.deltas, stranger])) for tile in inputs.tiles
            ),
        )
        for inputs in genes
    ]
    with_strangers = quick().fit(longer, expression).predict(genes[0])
    np.testing.assert_allclose(with_strangers, quick().fit(genes, expression).predict(genes[0]), atol=1e-4)


def test_validation_samples_decide_how_long_to_train_on_the_others() -> None:
    genes = made_genes(18, n_samples=60)
    expression = planted(genes, shared=True)
    judged = np.arange(60) >= 40
    contrary = [np.where(judged, -values, values) for values in expression]
    options = {"max_epochs": 4, "learning_rate": 5e-3}
    assert MultiGeneTransformer(**options).fit(genes, expression, judged).n_epochs_ > 0  # type: ignore[arg-type]
    assert MultiGeneTransformer(**options).fit(genes, contrary, judged).n_epochs_ == 0  # type: ignore[arg-type]


# Seeds and copies


def test_same_seed_same_bits_whatever_the_global_state() -> None:
    genes = made_genes(8)
    expression = planted(genes, shared=True)
    torch.manual_seed(1)
    first = MultiGeneTransformer(learning_rate=5e-3, max_epochs=2).fit(genes, expression)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    second = MultiGeneTransformer(learning_rate=5e-3, max_epochs=2).fit(genes, expression)
    assert first.n_epochs_ > 0  # so that the seed has had its say
    assert first.predict(genes[3]).tobytes() == second.predict(genes[3]).tobytes()
    assert torch.equal(torch.get_rng_state(), state)


def test_fitted_estimator_survives_pickling() -> None:
    genes = made_genes(8)
    fitted = quick().fit(genes, planted(genes, shared=True))
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(genes[1]), fitted.predict(genes[1]))


def test_haplotypes_may_be_swapped() -> None:
    genes = made_genes(8)
    fitted = quick().fit(genes, planted(genes, shared=True))
    tiles = (replace(tile, index=tile.index[:, ::-1].copy()) for tile in genes[2].tiles)
    swapped = replace(genes[2], tiles=tuple(tiles))
    np.testing.assert_allclose(fitted.predict(swapped), fitted.predict(genes[2]), atol=1e-5)


# Odd inputs


def test_a_seen_gene_reads_the_tiles_it_had_in_training() -> None:
    genes = made_genes(8)
    fitted = quick().fit(genes, planted(genes, shared=True))
    inputs = genes[0]
    first, *rest = inputs.tiles
    as_reference = replace(first, index=np.zeros_like(first.index))
    beyond = replace(first, start=10 * TILE, end=11 * TILE)
    np.testing.assert_array_equal(
        fitted.predict(replace(inputs, tiles=tuple(rest))),
        fitted.predict(replace(inputs, tiles=(as_reference, *rest))),
    )
    np.testing.assert_array_equal(
        fitted.predict(replace(inputs, tiles=(*inputs.tiles, beyond))), fitted.predict(inputs)
    )


def test_a_person_without_variants_is_the_zero_of_a_gene_never_seen() -> None:
    genes = made_genes(10, n_samples=50)
    fitted = quick(learning_rate=5e-3).fit(genes[:9], planted(genes[:9], shared=True))
    assert fitted.n_epochs_ > 0
    tiles = (replace(tile, index=np.zeros((1, 2), dtype=np.int32)) for tile in genes[9].tiles)
    plain = replace(genes[9].take(np.array([0])), tiles=tuple(tiles))
    np.testing.assert_allclose(fitted.predict(plain), [0.0], atol=1e-6)


@pytest.mark.parametrize("case", ["no tiles anywhere", "no tiles at the gene", "constant expression"])
def test_the_mean_is_predicted_where_there_is_nothing_to_learn_from(case: str) -> None:
    genes = made_genes(4)
    expression = planted(genes, shared=True)
    if case == "no tiles anywhere":
        genes = [replace(inputs, tiles=()) for inputs in genes]
    elif case == "no tiles at the gene":
        genes[1] = replace(genes[1], tiles=())
    else:
        expression[1] = np.full(100, 0.1)
    predicted = quick(max_epochs=0).fit(genes, expression).predict(genes[1])
    np.testing.assert_allclose(predicted, np.full(100, expression[1].mean()), atol=1e-6)


@settings(max_examples=10, deadline=None)
@given(
    n_genes=st.integers(1, 5),
    n_samples=st.integers(4, 12),
    n_tiles=st.integers(1, 3),
    n_bins=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_any_shape_fits_and_predicts_finite_numbers(
    n_genes: int, n_samples: int, n_tiles: int, n_bins: int, seed: int
) -> None:
    *genes, unseen = made_genes(n_genes + 1, n_samples, n_tiles, n_bins, seed)
    expression = list(np.random.default_rng(seed).normal(size=(n_genes, n_samples)))
    fitted = quick().fit(genes, expression)
    for inputs in (genes[0], unseen):
        predicted = fitted.predict(inputs)
        assert predicted.shape == (n_samples,)
        assert np.isfinite(predicted).all()
    np.testing.assert_allclose(fitted.predict(genes[0]).mean(), expression[0].mean(), atol=1e-4)


def test_scores_of_training_people_are_uncorrelated_and_of_variance_one() -> None:
    genes = made_genes(6, n_samples=400)
    axes = fit_multi_gene_axes(genes, DIMENSION)
    assert axes is not None
    scores = [tile.scores[tile.index, 0].reshape(800, -1) for g in genes for tile in axes.scored(g)]
    covariance = np.mean([np.cov(found.T, ddof=0) for found in scores], axis=0)
    np.testing.assert_allclose(covariance - np.diag(np.diag(covariance)), 0.0, atol=1e-4)
    np.testing.assert_allclose(np.trace(covariance) / DIMENSION, 1.0, atol=1e-4)


def test_a_tile_that_genes_share_counts_once_and_one_that_a_window_cuts_is_another() -> None:
    one, other = made_genes(2)
    axes, twice = fit_multi_gene_axes([one, other], 4), fit_multi_gene_axes([one, other, one], 4)
    first, *tiles = one.tiles
    cut = replace(first, index=np.minimum(first.index, 1))
    further = fit_multi_gene_axes([one, other, replace(one, tiles=(cut, *tiles))], 4)
    assert axes is not None
    assert twice is not None
    assert further is not None
    np.testing.assert_array_equal(axes.axes, twice.axes)
    assert np.abs(further.axes - axes.axes).max() > 1e-3


def test_wide_deltas_keep_their_products() -> None:
    rng = np.random.default_rng(0)
    genes = []
    for inputs in made_genes(2, n_tiles=2):
        tiles = (
            replace(tile, deltas=rng.normal(size=(5, 1, 2_000)).astype(np.float32)) for tile in inputs.tiles
        )
        genes.append(replace(inputs, tiles=tuple(tiles)))
    axes = fit_multi_gene_axes(genes, 64)
    assert axes is not None
    assert axes.axes.shape == (2_000, 16)  # 4 tiles × (5 unique haplotypes − 1)
    ((first, *_), raw) = axes.scored(genes[0]), genes[0].tiles[0].deltas[:, 0]
    kept, whole = (rows - rows.mean(axis=0) for rows in (first.scores[:, 0], raw))
    assert np.corrcoef((kept @ kept.T).ravel(), (whole @ whole.T).ravel())[0, 1] > 0.95


def test_tiles_of_another_dimension_are_refused() -> None:
    genes = made_genes(3)
    fitted = quick().fit(genes, planted(genes, shared=True))
    tiles = tuple(replace(tile, deltas=tile.deltas[:, :, :5]) for tile in genes[1].tiles)
    with pytest.raises(InputError, match="gene GENE1: dimension 5 where 8 is expected"):
        fitted.predict(replace(genes[1], tiles=tiles))


def test_deltas_that_are_not_finite_are_refused() -> None:
    genes = made_genes(3)
    genes[1].tiles[2].deltas[1, 0, 0] = np.nan
    with pytest.raises(InputError, match="at gene GENE1: not finite"):
        quick().fit(genes, planted(made_genes(3), shared=True))


def test_a_validation_set_of_nobody_is_refused() -> None:
    genes = made_genes(3)
    with pytest.raises(InputError, match="0 of 100 samples are for validation"):
        quick().fit(genes, planted(genes, shared=True), np.zeros(100, dtype=np.bool_))

"""A transformer over the tile deltas of one gene, for one gene at a time."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from itertools import islice
from typing import ClassVar, Self

import numpy as np
import torch

from haploscribe.errors import InputError
from haploscribe.estimators.base import GeneEstimator, State, require_complete
from haploscribe.estimators.delta_scores import (
    N_SCORES,
    DeltaWhitening,
    TileScores,
    bin_annotations,
    bin_variances,
    fit_delta_whitening,
)
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.solvers.reml import fit_haplotype_effects
from haploscribe.estimators.transformer.network import (
    HaplotypeNetwork,
    Tokens,
    position_features,
    restore_weights,
    training_epochs,
    weights_state,
)
from haploscribe.estimators.transformer.token_pooling import grouped, pooled, scaled_for_pooling
from haploscribe.utils.types import BoolArray, Float64Array

_NEGLIGIBLE = 1e-6  # relative size of what is rounding error in float32
_INNER_SHARE = 0.2  # of the training samples, held out to stop early


class Transformer(GeneEstimator):
    """Expression as f(haplotype 0) + f(haplotype 1), with f a small transformer over the gene's tile deltas.

    Each bin of a tile is a token: the scores of its delta (`haploscribe.estimators.delta_scores`). Short
    tiles share one (`token_pooling`). Its position is the signed distance to the TSS along the gene's strand.
    An encoder lets the tokens of a haplotype see each other, attention pools them, and the two haplotypes
    are summed.

    A few hundred samples are too few to learn all this from nothing. So the network starts as the linear
    model that it contains: attention falls with distance to the TSS, and values are BLUP effects of the
    scores, their penalty by REML. These effects stay; gradient training adds what the encoder has to say
    on attention and values, for as many epochs as help in an inner split of the training samples, which
    may be none. The network that predicts starts again, on all samples given, and is trained for that many.

    Parameters
    ----------
    n_scores
        Scores of a token at most.
    width, n_layers, n_heads
        Of the encoder.
    learning_rate
        Of AdamW.
    max_epochs, patience
        Epochs at most, and epochs without improvement after which training stops.
    seed
        Draws starting weights, inner split and order of samples. The same seed gives the same bits on one
        machine with one number of threads; the global random state is neither read nor changed.
    annotations
        Read what annotations say of variants, where a run has them; see `Estimator.annotations`.

    Attributes
    ----------
    intercept_
        Mean of the training samples' expression less that of the network's contribution.
    n_epochs_
        Epochs of gradient training that the inner split asked for; 0 leaves the linear model.
    basis_, network_
        What turns deltas into tokens, and tokens into standardised expression, on the CPU; None where there
        was nothing to learn from (no tiles, no variation), and the intercept is predicted.
    """

    reads_deltas: ClassVar[bool] = True
    uses_other_genes: bool = True

    def __init__(
        self,
        *,
        n_scores: int = N_SCORES,
        width: int = 32,
        n_layers: int = 1,
        n_heads: int = 2,
        learning_rate: float = 2e-3,
        max_epochs: int = 4,
        patience: int = 1,
        seed: int = 0,
        annotations: bool = True,
    ) -> None:
        self.n_scores = n_scores
        self.width = width
        self.n_layers = n_layers
        self.n_heads = n_heads
        self.learning_rate = learning_rate
        self.max_epochs = max_epochs
        self.patience = patience
        self.seed = seed
        self.annotations = annotations

    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        """Choose the number of epochs in the inner split, train on all samples given; see `Estimator.fit`.

        Raises
        ------
        InputError
            For values that are not finite, tiles that disagree in dimension, or fewer than two samples on
            either side of the inner split.
        """
        require_complete(inputs, expression)
        held_out = self._held_out(len(expression)) if validation is None else validation
        if held_out.sum() < 2 or (~held_out).sum() < 2:
            raise InputError(
                f"transformer: {held_out.sum()} of {held_out.size} samples are for validation, but it takes "
                "two and two others: fix the split or give more samples"
            )
        self.intercept_, self.n_epochs_ = float(expression.mean()), 0
        self.network_: HaplotypeNetwork | None = None
        self.basis_: DeltaWhitening | None = None
        self._scale = float(expression.std())
        if self._scale > _NEGLIGIBLE * float(np.abs(expression).max()):
            self.basis_ = fit_delta_whitening(inputs, self.n_scores)
        if self.basis_ is not None:
            self.basis_ = scaled_for_pooling(self.basis_, inputs)
            tiles = pooled(self.basis_.scored(inputs), inputs.gene)
            tokens = Tokens.of(tiles)
            standardised = (expression - self.intercept_) / self._scale
            network = self._untrained(tokens, tiles, inputs)
            self.n_epochs_ = self._choose_epochs(deepcopy(network), tokens, standardised, held_out)
            for _ in islice(self._states(network, tokens, standardised), self.n_epochs_ + 1):
                pass
            self.intercept_ -= self._scale * float(network.outputs(tokens).mean())
            self.network_ = network.requires_grad_(requires_grad=False)
        return self

    def predict(self, inputs: GeneInputs) -> Float64Array:
        """Predict expression from both haplotypes; see `Estimator.predict`."""
        if self.basis_ is None or self.network_ is None:
            return np.full(len(inputs.sample_ids), self.intercept_)
        tiles = pooled(self.basis_.scored(inputs), inputs.gene)
        return self.intercept_ + self._scale * self.network_.outputs(Tokens.of(tiles))

    def attention(self, inputs: GeneInputs) -> dict[int, float]:
        """Average the attention to each tile over the haplotypes of some samples.

        Returns
        -------
        By the tile's start; tiles of one token share its attention equally. Adds up to 1, and is empty where
        there was nothing to learn from.
        """
        if self.basis_ is None or self.network_ is None:
            return {}
        tiles = self.basis_.scored(inputs)
        groups = grouped(tiles, inputs.gene)
        by_bin = self.network_.mean_attention(Tokens.of(pooled(tiles, inputs.gene)))
        by_group = np.split(by_bin, np.cumsum([group[0].scores.shape[1] for group in groups])[:-1])
        return {
            tile.start: float(part.sum()) / len(group)
            for group, part in zip(groups, by_group, strict=True)
            for tile in group
        }

    def state(self) -> State:
        """Return level, scale, basis and weights; see `Estimator.state`."""
        numbers = {"intercept": self.intercept_, "scale": self._scale, "n_epochs": self.n_epochs_}
        if self.basis_ is None or self.network_ is None:
            return State(numbers)
        return State(numbers, parts={"basis": self.basis_.state(), "network": weights_state(self.network_)})

    def restore(self, state: State) -> Self:
        """Set what `state` returned; see `Estimator.restore`."""
        self.intercept_, self._scale = state.numbers["intercept"], state.numbers["scale"]
        self.n_epochs_ = int(state.numbers["n_epochs"])
        self.basis_ = self.network_ = None
        if "network" in state.parts:
            self.basis_ = DeltaWhitening.restored(state.parts["basis"])
            weights = state.parts["network"]
            n_tokens, n_scores = weights.arrays["linear_value"].shape
            distances = np.zeros(n_tokens, dtype=np.float32)
            n_annotations = weights.arrays["features"].shape[1] - position_features(distances).shape[1]
            # Where tokens lie and what is expected of them is among the weights.
            self.network_ = HaplotypeNetwork(
                n_scores,
                distances,
                np.ones(n_tokens),
                np.zeros((n_tokens, n_annotations), dtype=np.float32),
                width=self.width,
                n_layers=self.n_layers,
                n_heads=self.n_heads,
                token_norm=1.0,
                generator=torch.Generator(),
            )
            restore_weights(self.network_, weights)
        return self

    def _held_out(self, n_samples: int) -> BoolArray:
        drawn = np.random.default_rng(self.seed).permutation(n_samples)
        return drawn < round(_INNER_SHARE * n_samples)

    def _untrained(self, tokens: Tokens, tiles: Sequence[TileScores], inputs: GeneInputs) -> HaplotypeNetwork:
        carried = tokens.rows[torch.from_numpy(np.unique(tokens.index.numpy()))]
        return HaplotypeNetwork(
            tokens.rows.shape[1],
            np.concatenate([tile.distances(inputs.gene) for tile in tiles]),
            np.concatenate([bin_variances(tile, inputs) for tile in tiles]),
            np.concatenate([bin_annotations(tile, inputs) for tile in tiles]),
            width=self.width,
            n_layers=self.n_layers,
            n_heads=self.n_heads,
            token_norm=float(carried.square().sum(dim=1).mean().sqrt()),
            generator=torch.Generator().manual_seed(self.seed),
        )

    def _choose_epochs(
        self, network: HaplotypeNetwork, tokens: Tokens, expression: Float64Array, held_out: BoolArray
    ) -> int:
        """Count the epochs after which held-out samples are predicted best; of equals, the fewest."""
        inner, outer = np.flatnonzero(~held_out), np.flatnonzero(held_out)
        losses: list[float] = []
        best = 0
        for _ in islice(self._states(network, tokens.take(inner), expression[inner]), self.max_epochs + 1):
            losses.append(float((expression[outer] - network.outputs(tokens.take(outer))).var()))
            best = int(np.argmin(losses))
            if len(losses) > best + self.patience:
                break
        return best

    def _states(self, network: HaplotypeNetwork, tokens: Tokens, expression: Float64Array) -> Iterator[None]:
        """Set the network to the linear model, then train it in place: one state for each item drawn."""
        attention = torch.softmax(network.prior, dim=0).numpy().astype(np.float64)
        network.linear_value.copy_(torch.from_numpy(best_linear_effects(tokens, attention, expression)))
        yield
        target = torch.from_numpy(expression.astype(np.float32))
        generator = torch.Generator().manual_seed(self.seed)
        yield from training_epochs(network, tokens, target, self.learning_rate, generator)


def best_linear_effects(tokens: Tokens, attention: Float64Array, expression: Float64Array) -> Float64Array:
    """BLUP of the effects of scores under fixed attention, with the variance ratio by REML.

    Parameters
    ----------
    tokens
        Of the samples.
    attention
        float64 `(n_tokens,)`; what each token's scores are multiplied by.
    expression
        float64 `(n_samples,)`.

    Returns
    -------
    float64 `(n_tokens, n_scores)`; X'(XX' + δI)⁻¹(y − ȳ) with X the attended scores, centred, which is
    (X'X + δI)⁻¹X'(y − ȳ).
    """
    parts = tokens.by_token()
    attended = [rows * share for (rows, _), share in zip(parts, attention, strict=True)]
    return np.stack(fit_haplotype_effects(attended, [index for _, index in parts], expression)[1])

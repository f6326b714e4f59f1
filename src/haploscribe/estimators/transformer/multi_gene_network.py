"""The network that all genes share: from a haplotype's delta tokens to what it adds to expression."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from haploscribe.estimators.delta_scores import TileScores
from haploscribe.estimators.transformer.gene_model import best_linear_effects
from haploscribe.estimators.transformer.network import (
    N_FREQUENCIES,
    EncoderLayer,
    Tokens,
    difference_loss,
    drawn_weights,
    layer_normalised,
    position_features,
)
from haploscribe.expression.genes import Gene
from haploscribe.utils.types import Float32Array, Float64Array, Int64Array

_WEIGHT_DECAY = 0.1
_GENES_A_STEP = 4
_SAMPLES_A_GENE = 96  # a gene's samples in one step, at most: the next visit draws others
_REACH = 15_000.0  # base pairs over which attention falls by e before training
_FLOOR = 0.02
_PREDICTED_AT_ONCE = 256  # samples; bounds memory, not speed
_NEGLIGIBLE = 1e-6  # variances this much smaller than the mean are float32 rounding error


@dataclass(frozen=True, slots=True)
class GeneTokens:
    """A gene as the network reads it.

    Attributes
    ----------
    tiles
        One at least, scored on the shared axes; genes that lie close share the arrays.
    distances
        float32 `(n_tokens,)`; base pairs from the TSS to each token's centre, positive downstream.
    """

    tiles: tuple[TileScores, ...]
    distances: Float32Array

    @classmethod
    def of(cls, tiles: Sequence[TileScores], gene: Gene) -> Self:
        """Place tiles about the gene's TSS."""
        return cls(tuple(tiles), np.concatenate([tile.distances(gene) for tile in tiles]))

    @property
    def n_samples(self) -> int:
        """How many samples."""
        return len(self.tiles[0].index)

    def take(self, samples: Int64Array | slice) -> Self:
        """Keep some samples, in the order given."""
        tiles = (replace(tile, index=tile.index[samples]) for tile in self.tiles)
        return replace(self, tiles=tuple(tiles))

    def reference(self) -> Self:
        """Take one sample that carries the reference on both haplotypes."""
        nobody = np.zeros((1, 2), dtype=np.int32)
        return replace(self, tiles=tuple(replace(tile, index=nobody) for tile in self.tiles))

    def tokens(self) -> Tokens:
        """Join the tiles; to be held while in use only, as the joined index is what takes memory."""
        return Tokens.of(self.tiles)


def starting_logits(distances: Float32Array) -> Tensor:
    """Attention logits before anything is learned, `log √(exp(−|d| / 15 kb) + .02)`, float32 `(n_tokens,)`.

    Tokens are whole tiles: what `GeneInputs.prior` says within a tile's length is too fine for them.
    """
    variance = np.exp(-np.abs(distances.astype(np.float64)) / _REACH) + _FLOOR
    return torch.from_numpy((0.5 * np.log(variance)).astype(np.float32))


class MultiGeneNetwork(nn.Module):
    """f(haplotype 0) + f(haplotype 1), with one f for all genes.

    A token is the scores of its delta and the signed distance to the TSS; no weight belongs to a gene. An
    encoder lets the tokens of a haplotype see each other, and attention, which starts as the distance prior,
    pools what they say. That readout starts at zero, so that an untrained network is silent.

    Parameters
    ----------
    n_scores
        Scores of a token.
    width, n_layers, n_heads
        Of the encoder.
    generator
        Source of the starting weights; the global one is left alone.
    """

    def __init__(
        self, n_scores: int, *, width: int, n_layers: int, n_heads: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.embedding = drawn_weights(generator, n_scores, width)
        self.position = drawn_weights(generator, 1 + 2 * N_FREQUENCIES, width)
        self.layers = nn.ModuleList(EncoderLayer(width, n_heads, generator) for _ in range(n_layers))
        self.attention_logit = nn.Parameter(torch.zeros(width))
        self.value = nn.Parameter(torch.zeros(width))

    def forward(self, gene: GeneTokens) -> Tensor:
        """Predict each sample, float32 `(n_samples,)`, up to the gene's intercept."""
        tokens = gene.tokens()
        index = tokens.index.flatten(0, 1)
        # Projected once for each distinct row, gathered after.
        positions = position_features(gene.distances) @ self.position
        encoded = nn.functional.embedding(index, tokens.rows @ self.embedding) + positions
        for layer in self.layers:
            encoded = layer(encoded)
        encoded = layer_normalised(encoded)
        attention = torch.softmax(starting_logits(gene.distances) + encoded @ self.attention_logit, dim=1)
        return (attention * (encoded @ self.value)).sum(dim=1).view(-1, 2).sum(dim=1)

    def outputs(self, gene: GeneTokens) -> Float64Array:
        """Predict without gradients, a bounded number of samples at once; float64 `(n_samples,)`."""
        with torch.no_grad():
            parts = [
                self(gene.take(slice(first, first + _PREDICTED_AT_ONCE)))
                for first in range(0, gene.n_samples, _PREDICTED_AT_ONCE)
            ]
        return torch.cat(parts).numpy().astype(np.float64)


def multi_gene_training_epochs(
    network: MultiGeneNetwork,
    genes: Sequence[GeneTokens],
    expression: Sequence[Float64Array],
    learning_rate: float,
    seed: int,
) -> Iterator[None]:
    """Train a network in place, one epoch of AdamW for each item drawn; the first is the start itself.

    An epoch visits each gene once, in random order, with a random part of its samples. A step takes the
    mean of `difference_loss` over a few genes: signed differences are between samples of one gene, never
    between genes.

    Parameters
    ----------
    network
        Where to start; changed in place.
    genes, expression
        Of the samples to learn from; expression float64 `(n_samples,)` a gene.
    learning_rate
        Of AdamW.
    seed
        Of the order of genes and the choice of samples; the global random state is left alone.
    """
    yield
    optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=_WEIGHT_DECAY)
    random = np.random.default_rng(seed)
    while True:
        order = random.permutation(len(genes))
        for step in np.split(order, range(_GENES_A_STEP, len(order), _GENES_A_STEP)):
            optimiser.zero_grad()
            for number in step.tolist():
                samples = random.permutation(len(expression[number]))[:_SAMPLES_A_GENE]
                target = torch.from_numpy(expression[number][samples].astype(np.float32))
                loss = difference_loss(network(genes[number].take(samples)), target)
                (loss / len(step)).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        yield


def own_effects(gene: GeneTokens, expression: Float64Array) -> Float32Array:
    """Estimate a gene's own linear effects of scores: BLUP with the distance prior, the penalty by REML.

    Each token's scores are brought to variance 1 over haplotypes, as in `delta_scores`, and multiplied by
    the attention that a network starts from.

    Parameters
    ----------
    gene
        Of the training samples.
    expression
        float64 `(n_samples,)`.

    Returns
    -------
    float32 `(n_tokens, n_scores)`; what a haplotype's scores are multiplied by, as they are. 0 for a token
    in which the samples do not differ.
    """
    tokens = gene.tokens()
    variance = tokens.rows[tokens.index].numpy().var(axis=(0, 1), dtype=np.float64).sum(axis=1)
    varying = variance > _NEGLIGIBLE * variance.mean()
    scale = np.where(varying, 1.0 / np.sqrt(np.where(varying, variance, 1.0)), 0.0)
    scale *= torch.softmax(starting_logits(gene.distances), dim=0).numpy()
    effects = best_linear_effects(tokens, scale, expression) * scale[:, None]
    return effects.astype(np.float32)


def own_outputs(gene: GeneTokens, effects: Float32Array) -> Float64Array:
    """Predict each sample from a gene's own effects, float64 `(n_samples,)`, up to the intercept."""
    tokens = gene.tokens()
    by_row = (tokens.rows * torch.from_numpy(effects)[tokens.token]).sum(dim=1).numpy().astype(np.float64)
    added: Float64Array = by_row[tokens.index.numpy()].sum(axis=(1, 2))
    return added

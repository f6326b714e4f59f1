"""The transformer itself: from the delta tokens of two haplotypes to one number a sample."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from haploscribe.estimators.base import State
from haploscribe.estimators.delta_scores import TileScores
from haploscribe.utils.types import Float32Array, Float64Array, Int64Array


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of some samples, dictionary-encoded: nothing here is as large as samples × tokens × scores.

    Attributes
    ----------
    rows
        float32 `(n_rows, n_scores)`; one row for each bin of each unique haplotype of each tile.
    token
        int64 `(n_rows,)`; which token each row may stand for.
    index
        int64 `(n_samples, 2, n_tokens)`; the rows that haplotype 0 and 1 of each sample carry.
    """

    rows: Tensor
    token: Tensor
    index: Tensor

    @classmethod
    def of(cls, tiles: Sequence[TileScores]) -> Self:
        """Make a token of every bin of every tile, in order."""
        rows, token, index = [], [], []
        n_rows = n_tokens = 0
        for tile in tiles:
            n_unique, n_bins, n_scores = tile.scores.shape
            bins = np.arange(n_bins)
            rows.append(tile.scores.reshape(-1, n_scores))
            token.append(np.tile(n_tokens + bins, n_unique))
            index.append(n_rows + tile.index.astype(np.int64)[:, :, None] * n_bins + bins)
            n_rows, n_tokens = n_rows + n_unique * n_bins, n_tokens + n_bins
        return cls(
            torch.from_numpy(np.concatenate(rows)),
            torch.from_numpy(np.concatenate(token)),
            torch.from_numpy(np.concatenate(index, axis=2)),
        )

    def take(self, samples: Int64Array | Tensor | slice) -> Self:
        """Keep some samples; the rows stay, shared."""
        return type(self)(self.rows, self.token, self.index[samples])

    def by_token(self) -> list[tuple[Float64Array, Int64Array]]:
        """Part the dictionary: for each token its rows, `(n_unique, n_scores)`, and the index into them.

        The index is int64 `(n_samples, 2)`.
        """
        order = np.argsort(self.token.numpy(), kind="stable")
        of_token = np.split(order, np.cumsum(np.bincount(self.token.numpy()))[:-1])
        rows, index = self.rows.numpy().astype(np.float64), self.index.numpy()
        return [(rows[own], np.searchsorted(own, index[:, :, token])) for token, own in enumerate(of_token)]


N_FREQUENCIES = 4
"""Octaves of the Fourier features of position."""

_BATCH_SIZE = 96  # samples a step, about
_WEIGHT_DECAY = 0.1
_READ_AT_ONCE = 128  # haplotypes; their activations fit a cache


def position_features(distances: Float32Array) -> Tensor:
    """Describe where tokens lie: signed distance to the TSS on a log scale, and Fourier features of it.

    Parameters
    ----------
    distances
        float32 `(n_tokens,)`; base pairs from the TSS to the token's centre, positive downstream along
        the gene's strand.

    Returns
    -------
    float32 `(n_tokens, 1 + 2 · N_FREQUENCIES)`; x = sign(d) · log(1 + |d| / 1 kb) / log(101), which is
    ±1 at 100 kb, then sin and cos of π 2^j x / 2.
    """
    signed = np.sign(distances) * np.log1p(np.abs(distances) / 1_000.0) / np.log(101.0)
    angles = signed[:, None] * (np.pi / 2.0) * 2.0 ** np.arange(N_FREQUENCIES)
    features = np.concatenate([signed[:, None], np.sin(angles), np.cos(angles)], axis=1)
    return torch.from_numpy(features.astype(np.float32))


def attention_prior(variances: Float64Array) -> Tensor:
    """Attention logits before anything is learned: the log of the root of the variance prior, `(n_tokens,)`.

    A token's share of the variance goes with its attention squared, hence the root: the linear model
    that a network starts from is BLUP under the same prior.
    """
    return torch.from_numpy((0.5 * np.log(variances)).astype(np.float32))


class EncoderLayer(nn.Module):
    """One pre-norm layer of multi-head self-attention and feed-forward."""

    def __init__(self, width: int, n_heads: int, generator: torch.Generator) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.query_key_value = drawn_weights(generator, width, 3 * width)
        self.attention_out = drawn_weights(generator, width, width)
        self.hidden = drawn_weights(generator, width, 2 * width)
        self.hidden_bias = nn.Parameter(torch.zeros(2 * width))
        self.hidden_out = drawn_weights(generator, 2 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map `(n_haplotypes, n_tokens, width)` to the same shape."""
        n_haplotypes, n_tokens, width = tokens.shape
        projected = layer_normalised(tokens) @ self.query_key_value
        heads = projected.view(n_haplotypes, n_tokens, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = heads.unbind()
        # Fused: without it, backbones pooled in bins, which give hundreds of tokens, take gigabytes.
        mixed = functional.scaled_dot_product_attention(query, key, value)
        tokens = tokens + mixed.transpose(1, 2).reshape(n_haplotypes, n_tokens, width) @ self.attention_out
        normalised = layer_normalised(tokens).view(-1, width)
        hidden = functional.gelu(torch.addmm(self.hidden_bias, normalised, self.hidden)) @ self.hidden_out
        return tokens + hidden.view_as(tokens)


class HaplotypeNetwork(nn.Module):
    """f(haplotype 0) + f(haplotype 1), with one f that reads a haplotype's tokens.

    f is attention pooling, Σ_t a_t v_t. Logits of `a` are those of the prior plus a readout of the
    encoder; values are a linear readout of the token's scores, with weights of that token's own, plus a
    readout of the encoder. Both readouts of the encoder start at zero, so that before training f is linear
    in the deltas.

    `linear_value`, the readout of the scores, float32 `(n_tokens, n_scores)`, is set by the caller and not
    trained: its best value has a closed form, and training it further changed nothing on real genes.

    Parameters
    ----------
    n_scores
        Scores of a token.
    distances
        float32 `(n_tokens,)`; signed distance of each token to the TSS in base pairs.
    variances
        float64 `(n_tokens,)`; what the effect-size prior expects of each token.
    annotations
        float32 `(n_tokens, n_annotations)`; further features of each token beside its position.
    width, n_layers, n_heads
        Of the encoder.
    token_norm
        Typical Euclidean norm of a token's scores; embedded tokens then start with unit variance.
    generator
        Source of the starting weights; the global one is left alone.
    """

    linear_value: Tensor
    prior: Tensor
    features: Tensor

    def __init__(
        self,
        n_scores: int,
        distances: Float32Array,
        variances: Float64Array,
        annotations: Float32Array,
        *,
        width: int,
        n_layers: int,
        n_heads: int,
        token_norm: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.register_buffer("prior", attention_prior(variances))
        positions = position_features(distances)
        self.register_buffer("features", torch.cat([positions, torch.from_numpy(annotations)], dim=1))
        self.register_buffer("linear_value", torch.zeros(len(distances), n_scores))
        self.embedding = drawn_weights(generator, n_scores, width, norm=token_norm)
        self.position = drawn_weights(generator, self.features.shape[1], width)
        self.layers = nn.ModuleList(EncoderLayer(width, n_heads, generator) for _ in range(n_layers))
        self.encoder_logit = nn.Parameter(torch.zeros(width))
        self.encoder_value = nn.Parameter(torch.zeros(width))

    def forward(self, tokens: Tokens) -> Tensor:
        """Predict each sample, float32 `(n_samples,)`, up to the intercept."""
        values = self._haplotype_values(*self._read_rows(tokens), tokens.index.flatten(0, 1))
        return values.view(-1, 2).sum(dim=1)

    def outputs(self, tokens: Tokens) -> Float64Array:
        """Predict without gradients; float64 `(n_samples,)`.

        Each distinct haplotype is read once, and a bounded number of them at a time.
        """
        index, of_haplotype = _distinct_haplotypes(tokens)
        with torch.no_grad():
            rows = self._read_rows(tokens)
            parts = [self._haplotype_values(*rows, part) for part in torch.split(index, _READ_AT_ONCE)]
        values: Float64Array = torch.cat(parts).numpy().astype(np.float64)
        return np.asarray(values[of_haplotype].reshape(-1, 2).sum(axis=1))

    def mean_attention(self, tokens: Tokens) -> Float64Array:
        """Average the attention to each token over haplotypes; float64 `(n_tokens,)`, adding up to 1."""
        index, of_haplotype = _distinct_haplotypes(tokens)
        with torch.no_grad():
            embedded = tokens.rows @ self.embedding
            parts = [self._attended(embedded, part)[0] for part in torch.split(index, _READ_AT_ONCE)]
        attention: Float64Array = torch.cat(parts).numpy().astype(np.float64)
        return np.asarray(attention[of_haplotype].mean(axis=0))

    def _read_rows(self, tokens: Tokens) -> tuple[Tensor, Tensor | None]:
        """Return the linear value of each row, `(n_rows,)`, and its embedding, `(n_rows, width)`.

        No embedding where the encoder adds nothing, as before training, and no gradient is asked for.
        """
        linear = (tokens.rows * self.linear_value[tokens.token]).sum(dim=1)
        readouts = (self.encoder_logit, self.encoder_value)
        if torch.is_grad_enabled() or any(bool(readout.any()) for readout in readouts):
            return linear, tokens.rows @ self.embedding
        return linear, None

    def _haplotype_values(self, linear: Tensor, embedded: Tensor | None, index: Tensor) -> Tensor:
        """Compute f of haplotypes, float32 `(n_haplotypes,)`, from `(n_haplotypes, n_tokens)` rows."""
        value = linear[index]
        if embedded is None:
            attention = torch.softmax(self.prior, dim=0)
        else:
            attention, encoded = self._attended(embedded, index)
            value = value + encoded @ self.encoder_value
        return (attention * value).sum(dim=1)

    def _attended(self, embedded: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return each haplotype's attention, `(n_haplotypes, n_tokens)`, and its encoded tokens."""
        encoded = functional.embedding(index, embedded) + self.features @ self.position
        for layer in self.layers:
            encoded = layer(encoded)
        encoded = layer_normalised(encoded)
        return torch.softmax(self.prior + encoded @ self.encoder_logit, dim=1), encoded


def _distinct_haplotypes(tokens: Tokens) -> tuple[Tensor, Int64Array]:
    """Return the distinct haplotypes of all samples.

    Returns
    -------
    index
        int64 `(n_distinct, n_tokens)`; the rows that each carries.
    of_haplotype
        int64 `(2 · n_samples,)`; which of them each haplotype is, sample by sample.
    """
    index = np.ascontiguousarray(tokens.index.flatten(0, 1).numpy())
    as_one = index.view(f"V{index.shape[1] * index.itemsize}").ravel()
    _, first, of_haplotype = np.unique(as_one, return_index=True, return_inverse=True)
    return torch.from_numpy(index[first]), of_haplotype


def difference_loss(predicted: Tensor, observed: Tensor) -> Tensor:
    """Half the mean squared error of signed differences between all pairs of samples.

    Σ_ij ((o_i − o_j) − (p_i − p_j))² / 2n² is the variance of the residuals o − p, which costs n instead
    of n² and does not depend on an intercept; that is the mean of the training samples, set apart.
    """
    return (observed - predicted).var(correction=0)


def training_epochs(
    network: HaplotypeNetwork,
    tokens: Tokens,
    expression: Tensor,
    learning_rate: float,
    generator: torch.Generator,
) -> Iterator[None]:
    """Train a network in place, one epoch of AdamW for each item drawn.

    Parameters
    ----------
    network
        Where to start; changed in place, all but `linear_value`.
    tokens, expression
        Of the training samples; expression float32 `(n_samples,)`, standardised.
    learning_rate
        Of AdamW.
    generator
        Source of the order of samples; the global one is left alone.
    """
    optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=_WEIGHT_DECAY)
    n_samples = len(expression)
    n_batches = max(1, round(n_samples / _BATCH_SIZE))
    while True:
        for batch in torch.randperm(n_samples, generator=generator).tensor_split(n_batches):
            loss = difference_loss(network(tokens.take(batch)), expression[batch])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        yield


def drawn_weights(
    generator: torch.Generator, n_in: int, n_out: int, norm: float | None = None
) -> nn.Parameter:
    """Draw normal weights that give unit variance for inputs of this Euclidean norm (default √n_in)."""
    return nn.Parameter(torch.randn(n_in, n_out, generator=generator) / (n_in**0.5 if norm is None else norm))


def layer_normalised(tokens: Tensor) -> Tensor:
    """Centre each token's numbers and scale them to variance 1."""
    return functional.layer_norm(tokens, tokens.shape[-1:])


def weights_state(network: nn.Module) -> State:
    """Return a network's weights and buffers by name."""
    return State(arrays={name: weights.numpy() for name, weights in network.state_dict().items()})


def restore_weights(network: nn.Module, state: State) -> None:
    """Put weights and buffers into a network of the same shape, for prediction only."""
    network.load_state_dict({name: torch.from_numpy(weights) for name, weights in state.arrays.items()})
    network.requires_grad_(requires_grad=False)

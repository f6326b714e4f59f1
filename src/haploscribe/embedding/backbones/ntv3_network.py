"""The NTv3 architecture: convolutions down to one state per 128 bases, a transformer, convolutions back up.

Parameters carry the names of the published checkpoints, so a state dict needs no renaming. Architecture:
Boshar et al., "A foundational model for joint sequence-function multi-species modeling at scale for
long-range genomic prediction", 2025.
"""

from collections.abc import Iterator
from itertools import islice, pairwise
from typing import cast

import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor, nn

from haploscribe.embedding.backbones.esm_v2 import rotary_angles, rotate
from haploscribe.embedding.backbones.ntv3_configuration import VOCABULARY, NTv3Configuration, Upsampling

_STEM_SIZE, _KERNEL_SIZE = 15, 5
# Of the convolutions; the configuration's epsilon is the transformer's.
_CONVOLUTION_EPSILON = 1e-5


class NTv3ForMaskedTokens(nn.Module):
    """NTv3 with the masked-token head.

    Parameters
    ----------
    configuration
        Dimensions and options of the checkpoint.
    """

    def __init__(self, configuration: NTv3Configuration) -> None:
        super().__init__()
        self.core = NTv3(configuration)

    def forward(self, ids: Tensor) -> Tensor:
        """Return logits `(n, length, 11)` of token IDs, as in `NTv3.hidden_states`."""
        *_, last = self.core.hidden_states(ids)
        logits: Tensor = self.core.lm_head(last)
        return logits


class NTv3(nn.Module):
    """Embeddings, convolutions down, transformer and convolutions up; the head is a part by name only."""

    def __init__(self, configuration: NTv3Configuration) -> None:
        super().__init__()
        widths = configuration.widths
        steps = list(pairwise(widths))
        self.configuration = configuration
        self.embed_layer = nn.Embedding(len(VOCABULARY), configuration.token_size)
        self.stem = Stem(configuration)
        self.conv_tower_blocks = nn.ModuleList(TowerBlock(above, below) for above, below in steps)
        self.transformer_blocks = nn.ModuleList(
            TransformerBlock(configuration) for _ in range(configuration.n_layers)
        )
        self.deconv_tower_blocks = nn.ModuleList(
            TowerBlock(below, above, configuration.upsampling) for above, below in reversed(steps)
        )
        self.lm_head = MaskedTokenHead(configuration)

    def hidden_states(self, ids: Tensor) -> Iterator[Tensor]:
        """Compute the hidden states, one after another.

        Parameters
        ----------
        ids
            int64 `(n, length)`; `length` is a multiple of the configuration's `unit`. Every token is
            attended to.

        Yields
        ------
        float `(n, length / stride, width)`: of each halving, before it; of each transformer layer; of each
        doubling, the skip added. `NTv3Configuration.state_shapes` has their shapes. What is not asked for is
        not computed.
        """
        states = self.stem(self.embed_layer(ids).transpose(1, 2))
        skips = []
        for block in self.conv_tower_blocks:
            if self.configuration.skips:
                skips.append(states)
            states = block(states)
            yield states.transpose(1, 2)
            states = F.avg_pool1d(states, 2)
        states = states.transpose(1, 2)
        rotation = rotary_angles(states.shape[1], self.configuration.head_size, states.device)
        cosine, sine = rotation.cos(), rotation.sin()
        for block in self.transformer_blocks:
            states = block(states, cosine, sine)
            yield states
        states = states.transpose(1, 2)
        for block in self.deconv_tower_blocks:
            states = block(states)
            if skips:
                states = states + skips.pop()
            yield states.transpose(1, 2)

    def hidden_state(self, ids: Tensor, layer: int) -> Tensor:
        """Compute one of the hidden states by its index, and nothing after it."""
        return next(islice(self.hidden_states(ids), layer, None))


class Stem(nn.Module):
    """The first convolution, from token embeddings to states per base."""

    def __init__(self, configuration: NTv3Configuration) -> None:
        super().__init__()
        self.conv = nn.Conv1d(configuration.token_size, configuration.base_size, _STEM_SIZE)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map `(n, token_size, length)` to `(n, base_size, length)`."""
        return _gelu(_correlate(self.conv, tokens))


class TowerBlock(nn.Module):
    """A convolution and a residual one of kernel 1, on states `(n, width, length)`.

    Parameters
    ----------
    width_in, width_out
        Widths of the states before and after.
    upsampling
        How the length is doubled; None where it stays.
    """

    def __init__(self, width_in: int, width_out: int, upsampling: Upsampling | None = None) -> None:
        super().__init__()
        # The stored order of weights is that of the published modules.
        kind = nn.ConvTranspose1d if upsampling == "conv_transpose" else nn.Conv1d
        point = nn.Conv1d if upsampling is None else nn.ConvTranspose1d
        self.conv = NormedConvolution(kind(width_in, width_out, _KERNEL_SIZE), upsampling)
        self.res_conv = nn.ModuleDict({"conv_block": NormedConvolution(point(width_out, width_out, 1))})

    def forward(self, states: Tensor) -> Tensor:
        """Return states `(n, width_out, length)`, or twice as long."""
        states = self.conv(states)
        return states + cast("Tensor", self.res_conv["conv_block"](states))


class NormedConvolution(nn.Module):
    """Layer norm over the width, upsampling where asked for, convolution, GELU."""

    def __init__(self, conv: nn.Conv1d | nn.ConvTranspose1d, upsampling: Upsampling | None = None) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(conv.in_channels, eps=_CONVOLUTION_EPSILON)
        self.conv = conv
        self.upsampling = upsampling

    def forward(self, states: Tensor) -> Tensor:
        """Map `(n, width_in, length)` to `(n, width_out, length)`, or twice as long."""
        states = self.layer_norm(states.transpose(1, 2)).transpose(1, 2)
        if self.upsampling == "repeat+conv":
            states = states.repeat_interleave(2, dim=2)
        elif self.upsampling == "conv_transpose":
            pairs = F.pad(states[..., None], (1, 0))  # zero, value: values stand at odd positions
            states = pairs.flatten(2)
        return _gelu(_correlate(self.conv, states))


def _correlate(layer: nn.Conv1d | nn.ConvTranspose1d, states: Tensor) -> Tensor:
    """Correlate with a layer's kernel, zeros beyond both ends; the length stays.

    A transposed layer stores `(in, out, kernel)`. Its kernel is not turned round: that is what the published
    models do.
    """
    weight = layer.weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose1d) else layer.weight
    return F.conv1d(states, weight, layer.bias, padding=weight.shape[2] // 2)


def _gelu(states: Tensor) -> Tensor:
    return F.gelu(states, approximate="tanh")


class TransformerBlock(nn.Module):
    """Pre-norm self-attention with rotary positions, then a gated feed-forward."""

    def __init__(self, configuration: NTv3Configuration) -> None:
        super().__init__()
        hidden, inner = configuration.hidden_size, configuration.feed_forward_size
        self.self_attention_layer_norm = nn.LayerNorm(hidden, eps=configuration.layer_norm_epsilon)
        self.sa_layer = SelfAttention(configuration)
        self.final_layer_norm = nn.LayerNorm(hidden, eps=configuration.layer_norm_epsilon)
        self.fc1 = nn.Linear(hidden, 2 * inner, bias=False)
        self.fc2 = nn.Linear(inner, hidden, bias=False)

    def forward(self, states: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """Return states `(n, length, hidden_size)`."""
        states = states + self.sa_layer(self.self_attention_layer_norm(states), cosine, sine)
        gate, value = self.fc1(self.final_layer_norm(states)).chunk(2, dim=-1)
        return states + cast("Tensor", self.fc2(F.silu(gate) * value))


class SelfAttention(nn.Module):
    """Attention of all states to all, without a mask."""

    def __init__(self, configuration: NTv3Configuration) -> None:
        super().__init__()
        hidden = configuration.hidden_size
        self.head_size = configuration.head_size
        self.query_head, self.key_head, self.value_head = (
            nn.ModuleDict({"linear": nn.Linear(hidden, hidden)}) for _ in range(3)
        )
        self.mha_output = nn.Linear(hidden, hidden)

    def forward(self, states: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """Return what is added to the states, `(n, length, hidden_size)`."""
        query, key, value = (
            head["linear"](states).unflatten(-1, (-1, self.head_size)).transpose(1, 2)
            for head in (self.query_head, self.key_head, self.value_head)
        )
        mixed = F.scaled_dot_product_attention(rotate(query, cosine, sine), rotate(key, cosine, sine), value)
        attended: Tensor = self.mha_output(mixed.transpose(1, 2).flatten(2))
        return attended


class MaskedTokenHead(nn.Module):
    """Map hidden states per base to logits over the vocabulary; GELU comes first."""

    def __init__(self, configuration: NTv3Configuration) -> None:
        super().__init__()
        width = configuration.base_size
        self.hidden_layers = nn.ModuleList(
            nn.Linear(width, width) for _ in range(configuration.n_head_layers)
        )
        self.head = nn.Linear(width, len(VOCABULARY))

    def forward(self, states: Tensor) -> Tensor:
        """Return logits `(n, length, 11)` of states `(n, length, base_size)`."""
        states = _gelu(states)
        for layer in self.hidden_layers:
            states = _gelu(layer(states))
        logits: Tensor = self.head(states)
        return logits

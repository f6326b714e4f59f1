"""The NTv3 architecture: convolutions down to one state per 128 bases, a transformer, convolutions back up.

Parameters carry the names of the published checkpoints, so a state dict needs no renaming. Architecture:
Boshar et al., "A foundational model for joint sequence-function multi-species modeling at scale for
long-range genomic prediction", 2025.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor, nn

from haploscribe.embedding.backbones.esm_v2 import rotary_angles, rotate
from haploscribe.errors import InputError

Upsampling = Literal["repeat+conv", "conv_transpose"]

VOCABULARY: Mapping[str, int] = {
    token: number
    for number, token in enumerate(("<unk>", "<pad>", "<mask>", "<cls>", "<eos>", "<bos>", *"ATCGN"))
}
"""Number of each token, the same in every checkpoint."""

_STEM_SIZE, _KERNEL_SIZE = 15, 5
# Of the convolutions; the configuration's epsilon is the transformer's.
_CONVOLUTION_EPSILON = 1e-5

_SIZES = {
    "token_embed_dim": "token_size",
    "conv_init_embed_dim": "base_size",
    "embed_dim": "hidden_size",
    "ffn_embed_dim": "feed_forward_size",
    "num_layers": "n_layers",
    "num_downsamples": "n_downsamples",
    "attention_heads": "n_heads",
    "key_size": "head_size",
    "num_hidden_layers_head": "n_head_layers",
}
_MAY_BE_ZERO = ("num_layers", "num_hidden_layers_head")
_FIXED = {
    "model_type": "ntv3",
    "architectures": ["NTv3PreTrained"],
    "alphabet_size": len(VOCABULARY),
    "pad_token_id": VOCABULARY["<pad>"],
    "mask_token_id": VOCABULARY["<mask>"],
}
_FIXED_IF_PRESENT = {"deconv_phase": "odd", "tie_word_embeddings": False}
_PARTS = (
    *("embedding", "stem", "down_convolution", "up_convolution", "lmhead", "layernorm", "modulation"),
    *("transformer_qkvo", "transformer_ffn"),
)
_PRECISIONS = tuple(f"{part}_{of}_dtype" for part in _PARTS for of in ("compute", "param"))
_WITHOUT_EFFECT = (
    *("_name_or_path", "auto_map", "dtype", "torch_dtype", "transformers_version"),
    *("attention_maps_to_save", "deconv_layers_to_save", "embeddings_layers_to_save"),
    *("use_remat_in_convs", "use_remat_in_transformer"),
)


_ONLY_THESE = "of 2025, and no other NTv3 loads; use one of these, as ntv3-100m"


class StateShape(NamedTuple):
    """Shape of one hidden state.

    Attributes
    ----------
    stride
        Bases per state.
    width
        Length of a state.
    """

    stride: int
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NTv3Configuration:
    """Dimensions and options of an NTv3 model.

    Attributes
    ----------
    token_size, base_size, hidden_size
        Widths of the token embeddings, of the states per base, and of the transformer.
    feed_forward_size
        Width after the gate.
    n_layers, n_downsamples
        Numbers of transformer layers, and of halvings before (and doublings after) them.
    n_heads, head_size
        Attention; their product is `hidden_size`.
    n_head_layers
        Hidden layers of the masked-token head.
    layer_norm_epsilon
        Added to the variance in the transformer's layer norms.
    upsampling
        How a state becomes two: `repeat+conv` repeats it, `conv_transpose` puts a zero before it.
    skips
        Whether what entered a halving is added after its doubling.
    """

    token_size: int
    base_size: int
    hidden_size: int
    feed_forward_size: int
    n_layers: int
    n_downsamples: int
    n_heads: int
    head_size: int
    n_head_layers: int
    layer_norm_epsilon: float
    upsampling: Upsampling
    skips: bool

    @property
    def unit(self) -> int:
        """Return the number of bases that a sequence's length must be a multiple of."""
        return 1 << self.n_downsamples

    @property
    def widths(self) -> tuple[int, ...]:
        """Return the width at each level, from one state per base to one per `unit`."""
        return tuple(map(int, np.linspace(self.base_size, self.hidden_size, self.n_downsamples + 1)))

    @property
    def state_shapes(self) -> tuple[StateShape, ...]:
        """Return the shape of each hidden state, in the order of `NTv3.hidden_states`."""
        levels = range(self.n_downsamples)
        return (
            *(StateShape(2**level, self.widths[level + 1]) for level in levels),
            *(StateShape(self.unit, self.hidden_size) for _ in range(self.n_layers)),
            *(StateShape(2**level, self.widths[level]) for level in reversed(levels)),
        )


def parse_ntv3_configuration(content: Mapping[str, Any], source: str) -> NTv3Configuration:
    """Check and parse the content of a `config.json`; what is not known to be the same model is refused.

    Parameters
    ----------
    content
        The parsed file.
    source
        Where it came from, for messages.

    Raises
    ------
    InputError
        When a value is missing or impossible, or describes another model, such as a post-trained one.
    """
    fixed = {**_FIXED, **{key: value for key, value in _FIXED_IF_PRESENT.items() if key in content}}
    fixed |= {key: "float32" for key in _PRECISIONS if key in content}
    for key, value in fixed.items():
        if content.get(key) != value:
            raise InputError(
                f"{source}: {key} is {content.get(key)!r:.60}, but {value!r} in the pre-trained NTv3 models "
                f"{_ONLY_THESE}"
            )
    known = {
        *fixed,
        *_SIZES,
        *_WITHOUT_EFFECT,
        "layer_norm_eps",
        "deconv_upsample_type",
        "use_skip_connection",
    }
    if unknown := sorted(content.keys() - known):
        raise InputError(
            f"{source} has {unknown[0]!r:.60}, which is not in the pre-trained NTv3 models {_ONLY_THESE}"
        )
    sizes = {name: _size(content, key, source) for key, name in _SIZES.items()}
    epsilon = content.get("layer_norm_eps")
    if isinstance(epsilon, bool) or not isinstance(epsilon, float | int) or not 0 <= epsilon < 1:
        raise InputError(f"{source} has no usable 'layer_norm_eps' ({epsilon!r}); it must be from 0 to 1")
    upsampling, skips = content.get("deconv_upsample_type"), content.get("use_skip_connection")
    if upsampling not in ("repeat+conv", "conv_transpose"):
        raise InputError(
            f"{source} has no usable 'deconv_upsample_type' ({upsampling!r}); it must be 'repeat+conv' or "
            "'conv_transpose'"
        )
    if not isinstance(skips, bool):
        raise InputError(
            f"{source} has no usable 'use_skip_connection' ({skips!r}); it must be true or false"
        )
    configuration = NTv3Configuration(
        layer_norm_epsilon=float(epsilon),
        upsampling=cast("Upsampling", upsampling),
        skips=skips,
        **sizes,
    )
    if configuration.n_heads * configuration.head_size != configuration.hidden_size:
        raise InputError(
            f"{source}: attention_heads × key_size must be embed_dim {configuration.hidden_size}, not "
            f"{configuration.n_heads} × {configuration.head_size}"
        )
    if configuration.head_size % 2:
        raise InputError(f"{source}: key_size {configuration.head_size} must be even")
    return configuration


def _size(content: Mapping[str, Any], key: str, source: str) -> int:
    value = content.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < (key not in _MAY_BE_ZERO):
        raise InputError(f"{source} has no usable {key!r} ({value!r}); it must be a positive integer")
    return value


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

"""Configuration and vocabulary of NTv3 checkpoints."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

import numpy as np

from haploscribe.embedding.backbones.configuration import layer_norm_epsilon, positive_integer
from haploscribe.errors import InputError

Upsampling = Literal["repeat+conv", "conv_transpose"]

NTV3_TILE = 2**13
"""Base pairs of a tile where none is asked for."""
VOCABULARY: Mapping[str, int] = {
    token: number
    for number, token in enumerate(("<unk>", "<pad>", "<mask>", "<cls>", "<eos>", "<bos>", *"ATCGN"))
}
"""Number of each token, the same in every checkpoint."""

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
    sizes = {
        name: positive_integer(content.get(key), key, source, or_zero=key in _MAY_BE_ZERO)
        for key, name in _SIZES.items()
    }
    epsilon = layer_norm_epsilon(content, source)
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
        layer_norm_epsilon=epsilon,
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

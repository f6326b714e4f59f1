"""Configuration of ESM-like checkpoints, and the first Nucleotide Transformer architecture (ESM)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import nn

from haploscribe.embedding.backbones.configuration import layer_norm_epsilon, positive_integer
from haploscribe.errors import InputError

Family = Literal["nt-v1", "nt-v2"]

POSITION_OFFSET = 2
"""Of `max_position_embeddings`, this many are not for tokens: ESM numbers positions from the padding
token's number plus one, and that is 2 here."""

_SIZES = {
    "vocab_size": "vocabulary_size",
    "hidden_size": "hidden_size",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "intermediate_size": "feed_forward_size",
    "max_position_embeddings": "n_positions",
    "pad_token_id": "pad_id",
    "mask_token_id": "mask_id",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EsmConfiguration:
    """Dimensions and options of an ESM-like model.

    Attributes
    ----------
    family
        `nt-v1`: learned positions, GELU, biases; `nt-v2`: rotary positions, SwiGLU without biases.
    vocabulary_size, hidden_size, n_layers, n_heads, feed_forward_size
        Dimensions; `feed_forward_size` is the width after the gate.
    n_positions
        `max_position_embeddings`: the longest token list, class token included, plus two.
    pad_id, mask_id
        Token numbers of padding and mask.
    layer_norm_epsilon
        Added to the variance in every layer norm.
    token_dropout
        Rescale embeddings for the share of masked tokens, also where none is masked.
    tied
        The masked-token head reads the token embeddings instead of a table of its own.
    """

    family: Family
    vocabulary_size: int
    hidden_size: int
    n_layers: int
    n_heads: int
    feed_forward_size: int
    n_positions: int
    pad_id: int = 1
    mask_id: int = 2
    layer_norm_epsilon: float = 1e-12
    token_dropout: bool = False
    tied: bool = False

    @property
    def head_size(self) -> int:
        """Return the width of one attention head."""
        return self.hidden_size // self.n_heads

    @property
    def max_tokens(self) -> int:
        """Return the length of the longest token list, class token included."""
        return self.n_positions - POSITION_OFFSET


def parse_configuration(content: Mapping[str, Any], source: str) -> EsmConfiguration:
    """Check and parse the content of a `config.json`.

    Parameters
    ----------
    content
        The parsed file.
    source
        Where it came from, for messages.

    Raises
    ------
    InputError
        When a dimension is missing or impossible, or the model is of neither family.
    """
    kind = content.get("model_type", "esm")  # the published v2 files carry none
    if kind != "esm":
        raise InputError(f"{source} describes a {kind!r} model, not a Nucleotide Transformer")
    sizes = {
        name: positive_integer(content.get(key), key, source, or_zero=key in _MAY_BE_ZERO)
        for key, name in _SIZES.items()
    }
    configuration = EsmConfiguration(
        family=_family(content, source),
        layer_norm_epsilon=layer_norm_epsilon(content, source, default=1e-12),
        token_dropout=bool(content.get("token_dropout", False)),
        # transformers ties by default; the published files set false.
        tied=bool(content.get("tie_word_embeddings", True)),
        **sizes,
    )
    _check_dimensions(configuration, source)
    return configuration


_MAY_BE_ZERO = ("pad_token_id", "mask_token_id")


def _family(content: Mapping[str, Any], source: str) -> Family:
    """Return the family, from the architecture."""
    if content.get("emb_layer_norm_before"):
        raise InputError(f"{source} sets emb_layer_norm_before, which no Nucleotide Transformer does")
    positions = content.get("position_embedding_type", "absolute")
    has_bias = content.get("add_bias_fnn", True)
    families = (
        (("absolute", True), "nt-v1"),
        (("rotary", False), "nt-v2"),
    )  # compared: JSON cannot be hashed
    family = next((name for described, name in families if described == (positions, has_bias)), None)
    if family is None:
        raise InputError(
            f"{source} describes neither family of the Nucleotide Transformer (position_embedding_type "
            f"{positions!r}, add_bias_fnn {has_bias!r}); v1 is absolute with bias, v2 rotary without"
        )
    return cast("Family", family)


def _check_dimensions(configuration: EsmConfiguration, source: str) -> None:
    rotary = configuration.family == "nt-v2"
    if configuration.hidden_size % configuration.n_heads or (rotary and configuration.head_size % 2):
        raise InputError(
            f"{source}: hidden_size {configuration.hidden_size} does not divide into "
            f"{configuration.n_heads} heads{' of even width' if rotary else ''}"
        )
    if configuration.pad_id != POSITION_OFFSET - 1:
        raise InputError(f"{source}: pad_token_id is {configuration.pad_id}, but the family's is 1")
    if configuration.max_tokens < POSITION_OFFSET:
        raise InputError(f"{source}: max_position_embeddings {configuration.n_positions} leaves no tokens")


def native_esm(configuration: EsmConfiguration) -> Any:
    """Build `transformers.EsmForMaskedLM` with the checkpoint's dimensions, weights not yet loaded.

    Token dropout is as in the configuration: it rescales embeddings in evaluation too. The contact
    head, which is for proteins and affects no hidden state, is left out.
    """
    from transformers import EsmConfig, EsmForMaskedLM  # noqa: PLC0415 - slow to import; v2 does without

    model = EsmForMaskedLM(
        EsmConfig(
            vocab_size=configuration.vocabulary_size,
            hidden_size=configuration.hidden_size,
            num_hidden_layers=configuration.n_layers,
            num_attention_heads=configuration.n_heads,
            intermediate_size=configuration.feed_forward_size,
            max_position_embeddings=configuration.n_positions,
            pad_token_id=configuration.pad_id,
            mask_token_id=configuration.mask_id,
            layer_norm_eps=configuration.layer_norm_epsilon,
            token_dropout=configuration.token_dropout,
            position_embedding_type="absolute",
            emb_layer_norm_before=False,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            # A tied head is given its copy of the table when the weights are read.
            tie_word_embeddings=False,
            attn_implementation="sdpa",
        )
    )
    del model.esm.contact_head
    # Not part of a checkpoint, so loading does not fill it on a model built without storage.
    model.esm.embeddings.position_ids = torch.arange(configuration.n_positions, device="cpu")[None]
    return model


def keep_layers(esm: Any, layer: int) -> None:
    """Drop the layers after `layer`, so that the encoder's output is `hidden_states[layer]`.

    The final layer norm belongs to the last layer's hidden state alone and goes with the layers.
    """
    if layer < len(esm.encoder.layer):
        esm.encoder.layer = esm.encoder.layer[:layer]
        esm.encoder.emb_layer_norm_after = nn.Identity()

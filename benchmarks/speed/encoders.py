"""Build encoders to measure: of a checkpoint, or in the shape of a published one with random weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import parametrize

from haploscribe.embedding.backbones.catalogue import BACKBONES
from haploscribe.embedding.backbones.esm import POSITION_OFFSET, EsmConfiguration, native_esm
from haploscribe.embedding.backbones.esm_v2 import EsmV2
from haploscribe.embedding.backbones.nucleotide_transformer import load_masked_token_model, tokeniser_of
from haploscribe.embedding.backbones.registry import opened_checkpoint
from haploscribe.embedding.backbones.tokeniser import K, SixMerTokeniser
from haploscribe.pretraining.model import (
    checkpoint_weights,
    initial_model,
    published_configuration,
    write_model_folder,
)
from haploscribe.utils.types import Int64Array

SEED = 0


def shape_of(name: str) -> EsmConfiguration:
    """Return the dimensions of a backbone of the registry."""
    entry = next(entry for entry in BACKBONES if entry.name == name)
    return EsmConfiguration(
        family="nt-v1" if entry.family == "nt-v1" else "nt-v2",
        vocabulary_size=entry.vocabulary_size,
        hidden_size=entry.dimension,
        n_layers=entry.n_layers,
        n_heads=entry.n_heads,
        feed_forward_size=entry.feed_forward_size,
        n_positions=entry.max_tile // K + 1 + POSITION_OFFSET,
        token_dropout=entry.family == "nt-v1",
    )


def operations_per_token(configuration: EsmConfiguration, length: int) -> int:
    """Count the floating-point operations of one token's matrix products, a multiply-add as two.

    Four projections of `hidden_size`², the feed-forward (three matrices where it is gated, else two), and
    attention's two products with all `length` tokens.
    """
    hidden, inner = configuration.hidden_size, configuration.feed_forward_size
    feed_forward = (3 if configuration.family == "nt-v2" else 2) * hidden * inner
    return configuration.n_layers * 2 * (4 * hidden**2 + feed_forward + 2 * length * hidden)


def random_encoder(configuration: EsmConfiguration) -> Any:
    """Build an encoder with random weights, the same each time, in float32."""
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        if configuration.family == "nt-v1":
            return native_esm(configuration).esm.eval().requires_grad_(False)
        model = initial_model(configuration, SEED)
    parametrize.remove_parametrizations(model.esm.embeddings.word_embeddings, "weight")
    return model.esm.eval().requires_grad_(False)


def write_random_checkpoint(configuration: EsmConfiguration, folder: Path) -> None:
    """Write a checkpoint of the second version with the weights of `random_encoder`, for `load_backbone`."""
    described = published_configuration(
        hidden_size=configuration.hidden_size,
        layers=configuration.n_layers,
        heads=configuration.n_heads,
        feed_forward=configuration.feed_forward_size,
        window=K * (configuration.max_tokens - 1),
    )
    weights = checkpoint_weights(configuration, dict(initial_model(configuration, SEED).state_dict()))
    write_model_folder(folder, described, weights, card="Random weights.\n", losses="")


def encoder_module(name_or_path: str) -> tuple[Any, SixMerTokeniser]:
    """Load a backbone's encoder in float32, and its tokeniser."""
    with opened_checkpoint(name_or_path) as checkpoint:
        esm = load_masked_token_model(checkpoint).esm
        return esm.requires_grad_(False), tokeniser_of(checkpoint)


def token_numbers(tokenise: SixMerTokeniser, sequences: Sequence[bytes]) -> Int64Array:
    """Tokenise sequences of one length, the class token first: int64 `(n, length)`."""
    return np.stack([np.concatenate(([tokenise.class_id], tokenise(sequence))) for sequence in sequences])


def encode(esm: Any, ids: Tensor) -> Tensor:
    """Return the last hidden states `(n, length, hidden_size)` of int64 `(n, length)` without padding."""
    hidden: Tensor = esm(ids) if isinstance(esm, EsmV2) else esm(input_ids=ids).last_hidden_state
    return hidden

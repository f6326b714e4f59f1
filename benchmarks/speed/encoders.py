"""Build encoders to measure: of a checkpoint, or with the shape of a large one and random weights."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from haploscribe.embedding.backbones.catalogue import BACKBONES
from haploscribe.embedding.backbones.esm import POSITION_OFFSET, EsmConfiguration, native_esm
from haploscribe.embedding.backbones.esm_v2 import EsmV2
from haploscribe.embedding.backbones.nucleotide_transformer import load_masked_token_model, tokeniser_of
from haploscribe.embedding.backbones.registry import opened_checkpoint
from haploscribe.embedding.backbones.tokeniser import K, SixMerTokeniser
from haploscribe.pretraining.batches import VOCABULARY
from haploscribe.pretraining.model import initial_model

RANDOM_500M = "random-500m"
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


def random_encoder(name: str) -> Any:
    """Build the encoder of a backbone of the registry with random weights, the same each time, in float32."""
    configuration = shape_of(name)
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        if configuration.family == "nt-v1":
            return native_esm(configuration).esm.eval().requires_grad_(False)
        model = initial_model(configuration, SEED)
    parametrize.remove_parametrizations(model.esm.embeddings.word_embeddings, "weight")
    return model.esm.eval().requires_grad_(False)


def encoder_module(name_or_path: str) -> tuple[Any, SixMerTokeniser]:
    """Load a backbone's encoder in float32, or make `random-500m`, and its tokeniser."""
    if name_or_path == RANDOM_500M:
        return random_encoder("nt-v2-500m"), SixMerTokeniser(VOCABULARY)
    with opened_checkpoint(name_or_path) as checkpoint:
        esm = load_masked_token_model(checkpoint).esm
        return esm.requires_grad_(False), tokeniser_of(checkpoint)


def encode(esm: Any, ids: Tensor) -> Tensor:
    """Return the last hidden states `(n, length, hidden_size)` of int64 `(n, length)` without padding."""
    hidden: Tensor = esm(ids) if isinstance(esm, EsmV2) else esm(input_ids=ids).last_hidden_state
    return hidden

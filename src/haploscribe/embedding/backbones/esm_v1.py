"""The first Nucleotide Transformer architecture: ESM as transformers implements it."""

from typing import Any

import torch
from torch import nn

from haploscribe.embedding.backbones.esm_configuration import EsmConfiguration


def native_esm(configuration: EsmConfiguration) -> Any:
    """Build `transformers.EsmForMaskedLM` with the checkpoint's dimensions, weights not yet loaded.

    Token dropout stays as the configuration says: it rescales embeddings in evaluation too. The contact
    head, which is made for proteins and touches no hidden state, is left out.
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
    # Not part of a checkpoint, so no loading would fill it on a model that was built without storage.
    model.esm.embeddings.position_ids = torch.arange(configuration.n_positions, device="cpu")[None]
    return model


def keep_layers(esm: Any, layer: int) -> None:
    """Drop the layers after `layer`, so that the encoder's output is `hidden_states[layer]`.

    The final layer norm belongs to the last layer's hidden state alone and goes with the layers.
    """
    if layer < len(esm.encoder.layer):
        esm.encoder.layer = esm.encoder.layer[:layer]
        esm.encoder.emb_layer_norm_after = nn.Identity()

"""A trained model as a folder in the hub's own format: `config.json`, `vocab.txt`, `model.safetensors`."""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from haploscribe.atomic import written_aside
from haploscribe.embedding.backbones.checkpoint import CONFIGURATION_FILE, VOCABULARY_FILE, WEIGHTS_FILE
from haploscribe.embedding.backbones.esm import POSITION_OFFSET
from haploscribe.embedding.backbones.tokeniser import K
from haploscribe.pretraining.vocabulary import VOCABULARY


def configuration_content(
    *, hidden_size: int, layers: int, heads: int, feed_forward: int, window: int
) -> dict[str, Any]:
    """Write a model's dimensions as the published `config.json` of the second version does.

    Parameters
    ----------
    hidden_size, layers, heads, feed_forward
        Dimensions.
    window
        Longest input in base pairs: what it is trained on, since rotary positions further apart than any in
        training mean nothing to it.
    """
    return {
        "architectures": ["EsmForMaskedLM"],
        "model_type": "esm",
        "vocab_size": len(VOCABULARY),
        "hidden_size": hidden_size,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": feed_forward,
        "max_position_embeddings": window // K + 1 + POSITION_OFFSET,
        "position_embedding_type": "rotary",
        "add_bias_fnn": False,
        "emb_layer_norm_before": False,
        "token_dropout": False,
        "tie_word_embeddings": False,
        "layer_norm_eps": 1e-12,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "pad_token_id": VOCABULARY.index("<pad>"),
        "mask_token_id": VOCABULARY.index("<mask>"),
        "torch_dtype": "float32",
    }


def write_model(
    folder: Path, configuration: Mapping[str, Any], weights: Mapping[str, Tensor], card: str, losses: str
) -> None:
    """Write the files of a model: each is replaced whole, once all are written.

    Parameters
    ----------
    folder
        Where they go; exists.
    configuration
        Content of `config.json`.
    weights
        Tensors by their published names.
    card
        The model card, `README.md`.
    losses
        The loss curve, `losses.tsv`.

    Raises
    ------
    InputError
        When a file cannot be written.
    """
    files = {
        CONFIGURATION_FILE: (json.dumps(configuration, indent=2) + "\n").encode(),
        VOCABULARY_FILE: ("\n".join(VOCABULARY) + "\n").encode(),
        "losses.tsv": losses.encode(),
        "README.md": card.encode(),
        # "format": "pt" is what transformers looks for before it reads the tensors.
        WEIGHTS_FILE: save(dict(weights), metadata={"format": "pt"}),
    }
    with ExitStack() as together:
        for name, content in files.items():
            together.enter_context(written_aside(folder / name)).write_bytes(content)

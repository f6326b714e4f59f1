"""Strict reading of NTv3 folders: what does not fit is refused in one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from haploscribe.embedding.backbones.registry import load_backbone, opened_checkpoint
from haploscribe.errors import InputError
from haploscribe.genome.haplotypes import TileHaplotype
from tests.fixtures.ntv3 import TINY, Tensors, copy_tiny, edit_weights

QUERY = "core.transformer_blocks.1.sa_layer.query_head.linear.weight"
FREQUENCIES = "core.transformer_blocks.0.sa_layer.rotary_embedding.inv_freq"
BASES = b"GATTACACGTTGCAACGTGCAATT"


def refusal(folder: Path, **options: Any) -> str:
    with pytest.raises(InputError) as refused:
        load_backbone(str(folder), **options)
    message = str(refused.value)
    assert "\n" not in message
    assert len(message) < 500
    return message


def vectors(folder: Path) -> object:
    return load_backbone(str(folder)).embed([TileHaplotype(BASES)])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model_type": "ntv3_posttrained"}, "model_type is 'ntv3_posttrained', but 'ntv3'"),
        (
            {"architectures": ["NTv3PostTrained"]},
            "['NTv3PostTrained'], but ['NTv3PreTrained']",
        ),
        ({"architectures": None}, "architectures is None"),
        ({"alphabet_size": 12}, "alphabet_size is 12, but 11"),
        ({"pad_token_id": 0}, "pad_token_id is 0, but 1"),
        ({"deconv_phase": "even"}, "deconv_phase is 'even', but 'odd'"),
        ({"tie_word_embeddings": True}, "tie_word_embeddings is True"),
        ({"up_convolution_compute_dtype": "bfloat16"}, "is 'bfloat16', but 'float32'"),
        (
            {"conditions_names": ["species"]},
            "has 'conditions_names', which is not in the pre-trained",
        ),
        ({"embed_dim": None}, "no usable 'embed_dim' (None)"),
        ({"num_layers": -1}, "no usable 'num_layers' (-1)"),
        ({"num_downsamples": 0}, "no usable 'num_downsamples' (0)"),
        ({"key_size": 8.0}, "no usable 'key_size' (8.0)"),
        ({"attention_heads": 5}, "must be embed_dim 32, not 5 × 8"),
        ({"attention_heads": 32, "key_size": 1}, "key_size 1 must be even"),
        ({"layer_norm_eps": None}, "no usable 'layer_norm_eps' (None)"),
        ({"layer_norm_eps": "1e-5"}, "no usable 'layer_norm_eps' ('1e-5')"),
        ({"deconv_upsample_type": None}, "no usable 'deconv_upsample_type' (None)"),
        ({"deconv_upsample_type": "repeat_conv"}, "'repeat+conv' or 'conv_transpose'"),
        ({"use_skip_connection": None}, "no usable 'use_skip_connection' (None)"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_another_configuration_is_refused(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    message = refusal(copy_tiny(tmp_path / "model", **changes))
    assert says in message
    assert f"{tmp_path / 'model' / 'config.json'}" in message


@pytest.mark.parametrize("key", ["deconv_phase", "tie_word_embeddings", "stem_compute_dtype", "torch_dtype"])
def test_values_that_have_one_meaning_may_be_left_out(tmp_path: Path, key: str) -> None:
    np.testing.assert_array_equal(vectors(copy_tiny(tmp_path / "model", **{key: None})), vectors(TINY))


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda tensors: tensors.pop(QUERY), f"lacks {QUERY}"),
        (lambda tensors: tensors.update(extra=torch.zeros(1)), "unexpected extra"),
        (lambda tensors: tensors.update({QUERY: torch.zeros(2, 2)}), "another shape than config.json says"),
        (lambda tensors: tensors[QUERY].fill_(torch.nan), "values that are not finite"),
        (lambda tensors: tensors[FREQUENCIES].mul_(0.5), "rotary position base of 10,000"),
    ],
    ids=["missing", "unexpected", "shape", "nan", "rotary"],
)
def test_other_tensors_are_refused(tmp_path: Path, edit: Callable[[Tensors], Any], says: str) -> None:
    assert says in refusal(edit_weights(copy_tiny(tmp_path / "model"), edit))


@pytest.mark.parametrize("key", ["num_hidden_layers_head", "num_downsamples", "num_layers"])
def test_a_configuration_of_another_size_does_not_fit_the_weights(tmp_path: Path, key: str) -> None:
    size = json.loads((TINY / "config.json").read_text())[key]
    assert "do not fit NTv3: it lacks" in refusal(copy_tiny(tmp_path / "model", **{key: size + 1}))


def test_buffers_are_not_needed(tmp_path: Path) -> None:
    def change(tensors: Tensors) -> None:
        for name in [name for name in tensors if name.endswith("inv_freq")]:
            del tensors[name]
        tables = ("cos_cached", "sin_cached")  # stored by a model that has been run
        tensors |= {FREQUENCIES.replace("inv_freq", table): torch.full((1, 3), torch.nan) for table in tables}

    folder = edit_weights(copy_tiny(tmp_path / "model"), change)
    np.testing.assert_array_equal(vectors(folder), vectors(TINY))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot read"),
        ('{"A": 6, "C": 7, "G": 8, "T": 9}', "does not number its tokens as NTv3 does"),
        ("[]", "is not a JSON object"),
    ],
    ids=["missing", "other", "list"],
)
def test_another_vocabulary_is_refused(tmp_path: Path, content: str | None, says: str) -> None:
    folder = copy_tiny(tmp_path / "model")
    (folder / "vocab.json").unlink()
    if content is not None:
        (folder / "vocab.json").write_text(content)
    message = refusal(folder)
    assert says in message
    assert "vocab.json" in message


def test_pickles_are_not_read(tmp_path: Path) -> None:
    folder = copy_tiny(tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "only pickled weights (pytorch_model.bin)" in refusal(folder)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"layer": 8}, "layer 8 does not exist; this checkpoint has 0 (the first halving) to 7"),
        ({"layer": -9}, "layer -9 does not exist"),
        ({"pooling": "max"}, "pooling 'max' is unknown"),
        ({"precision": "mixed"}, "has no mixed precision; use --precision float32"),
        ({"precision": "bfloat16"}, "precision 'bfloat16' is unknown"),
        ({"device": "cuda:77"}, "device 'cuda:77'"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_an_option_that_does_not_fit_is_refused(options: dict[str, Any], says: str) -> None:
    assert says in refusal(TINY, **options)


def test_it_guesses_no_six_mers() -> None:
    for name in ("ntv3-8m", "InstaDeepAI/NTv3_650M_pre", str(TINY)):
        with (
            pytest.raises(InputError, match="guesses no 6-mers"),
            opened_checkpoint(name),
        ):
            pass

"""Load a Nucleotide Transformer checkpoint strictly and embed sequences with it."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from haploscribe.embedding.backbones.checkpoint import (
    VOCABULARY_FILE,
    Checkpoint,
    check_tensors,
    read_weights,
)
from haploscribe.embedding.backbones.devices import resolve_device
from haploscribe.embedding.backbones.esm import EsmConfiguration, keep_layers, native_esm
from haploscribe.embedding.backbones.esm_v2 import EsmV2ForMaskedTokens, check_rotary_frequencies
from haploscribe.embedding.backbones.token_backbone import (
    TokenBackbone,
    TokenWindow,
    resolve_layer,
    resolve_precision,
    split_tokens,
)
from haploscribe.embedding.backbones.tokeniser import (
    K,
    SixMerTokeniser,
    bin_weights,
    n_bins_of,
)
from haploscribe.errors import InputError
from haploscribe.genome.haplotypes import TileHaplotype


class NucleotideTransformer(TokenBackbone):
    """Embed DNA with a frozen Nucleotide Transformer.

    A haplotype is tokenised (6-mers on the reference's grid; see `SixMerTokeniser.haplotype`), preceded by
    the class token, and its hidden states at one layer are averaged over the bases that the tokens spell,
    the class token left out; where all tokens are 6-mers, that is the mean over tokens. A haplotype with
    insertions or Ns may have more tokens than the model reads at once (a class token and `max_tile / 6`
    more). Nothing is dropped then: the first window starts at the first token, each further one takes the
    next stretch, and the last one ends at the last token and extends back as far as possible, giving hidden
    states only to the tokens that no window before it held. All are pooled together. A sequence without
    bases (its tile deleted) is embedded as zeros.

    Parameters
    ----------
    checkpoint
        A checkpoint folder that was read.
    layer
        Index into the hidden states: 0 is the embeddings, `i` the output of layer `i`; negative counts
        from the end, and the last one has passed the final layer norm. Layers above are not computed.
    pooling
        `mean`: one vector; `bins-K`: K vectors, means over equal parts of the sequence.
    device
        A torch device (`cpu`, `cuda`, `cuda:1`, …), or `auto`: a GPU where there is one.
    precision
        `float32`; or `mixed`, for GPUs: matrix products and attention in float16, the weights, the residual
        stream, layer norms and pooling in float32. Deltas survive that; those of one haplotype in thirty do
        not survive bfloat16 (`nano` on real haplotypes, benchmarks/results/half_precision.md).

    Raises
    ------
    InputError
        When the layer, pooling or precision does not exist, the device is not there, or the checkpoint is
        not one of the Nucleotide Transformer.
    """

    tile_multiple = K

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        layer: int = -1,
        pooling: str = "mean",
        device: str = "cpu",
        precision: str = "float32",
    ) -> None:
        configuration = checkpoint.configuration
        self.n_bins = n_bins_of(pooling)
        self.layer = resolve_layer(layer, configuration.n_layers)
        self.device = resolve_device(device)
        self._tokenise = tokeniser_of(checkpoint)
        self._capacity = configuration.max_tokens - 1
        self.max_tile = K * self._capacity
        self.dimension = configuration.hidden_size
        self.name = checkpoint.name
        self.settings: Mapping[str, str | int] = {
            "family": configuration.family,
            "revision": checkpoint.revision,
            "layer": self.layer,
            "pooling": pooling,
            "dtype": resolve_precision(precision),
            "frame": "reference grid",
        }
        self.mixed = precision == "mixed"
        model = load_masked_token_model(checkpoint)
        self._hidden_states = _encoder(model.esm, configuration.family, self.layer, self.device)

    def windows(self, haplotype: TileHaplotype) -> Iterator[TokenWindow]:
        """Split a haplotype's tokens into windows, each with the class token before it."""
        tokens, lengths = self._tokenise.haplotype(haplotype)
        weights = bin_weights(lengths / K, self.n_bins)
        class_id = np.array([self._tokenise.class_id])
        return split_tokens(tokens, weights, self._capacity, before=class_id, behind=class_id[:0])

    def hidden_states(self, ids: Tensor) -> Tensor:
        """Compute hidden states `(n, n_tokens, dimension)` of token IDs."""
        return self._hidden_states(ids)


def _encoder(esm: Any, family: str, layer: int, device: torch.device) -> Callable[[Tensor], Tensor]:
    """Return the function from token numbers `(n, length)`, none of them padding, to one layer's states."""
    esm.requires_grad_(False)
    if family == "nt-v2":
        esm.to(device)
        return lambda ids: esm(ids, layer=layer)
    keep_layers(esm, layer)
    esm.to(device)
    return lambda ids: esm(input_ids=ids).last_hidden_state


def tokeniser_of(checkpoint: Checkpoint) -> SixMerTokeniser:
    """Return a checkpoint's tokeniser.

    Raises
    ------
    InputError
        When `vocab.txt` lacks tokens that DNA needs, or does not fit `config.json`.
    """
    tokeniser = SixMerTokeniser(checkpoint.vocabulary, str(checkpoint.folder / VOCABULARY_FILE))
    configuration = checkpoint.configuration
    if tokeniser.highest_id >= configuration.vocabulary_size:
        raise InputError(
            f"{checkpoint.folder}: vocab.txt numbers its tokens up to {tokeniser.highest_id}, but "
            f"config.json has room for {configuration.vocabulary_size}; both "
            "must come from the same checkpoint"
        )
    if (tokeniser.pad_id, tokeniser.mask_id) != (configuration.pad_id, configuration.mask_id):
        raise InputError(
            f"{checkpoint.folder}: vocab.txt and config.json disagree on the numbers of <pad> or <mask>; "
            "both must come from the same checkpoint"
        )
    return tokeniser


_FREQUENCIES = re.compile(r"esm\.(encoder\.layer\.\d+\.attention\.self\.)?rotary_embeddings\.inv_freq")
# In the published files, but no part of the computation: the protein contact head, position numbers that
# older versions of transformers stored, and under rotary positions a table of learned ones.
_UNUSED = re.compile(r"esm\.contact_head\.regression\.(weight|bias)|esm\.embeddings\.position_ids")
_UNUSED_IN_V2 = re.compile(r"esm\.embeddings\.position_embeddings\.weight")
# Transformers 5 saves layer norms under their old TensorFlow names (gamma, beta).
_RENAMED = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}

_HEAD_TABLE, _TOKEN_TABLE = "lm_head.decoder.weight", "esm.embeddings.word_embeddings.weight"


def load_masked_token_model(checkpoint: Checkpoint) -> Any:
    """Build the checkpoint's model, head included, and load its weights in float32 on the CPU.

    Returns
    -------
    EsmV2ForMaskedTokens or transformers.EsmForMaskedLM
        In evaluation mode. Both have the encoder as `.esm`.

    Raises
    ------
    InputError
        When a tensor is missing, unexpected or of another shape than `config.json` says.
    """
    configuration = checkpoint.configuration
    with torch.device("meta"):  # no storage and no random numbers for weights that are replaced next
        if configuration.family == "nt-v2":
            model: Any = EsmV2ForMaskedTokens(configuration)
        else:
            model = native_esm(configuration)
    tensors = _known_tensors(read_weights(checkpoint.folder), configuration, str(checkpoint.folder))
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    check_tensors(
        tensors,
        shapes,
        str(checkpoint.folder),
        model="the model",
        remedy="give the folder of a masked-token checkpoint of the Nucleotide Transformer, as downloaded",
    )
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
    return model.eval()


def _known_tensors(
    tensors: Mapping[str, Tensor], configuration: EsmConfiguration, source: str
) -> dict[str, Tensor]:
    """Drop the tensors of published files that the model does not use, and fill in a tied head."""
    rotary = configuration.family == "nt-v2"
    used: dict[str, Tensor] = {}
    for stored, tensor in tensors.items():
        name = _current_name(stored)
        if name != stored and name in tensors:  # both spellings: the old one is left to be rejected
            name = stored
        if rotary and _FREQUENCIES.fullmatch(name):
            check_rotary_frequencies(tensor, configuration.head_size, f"{name} in {source}")
        elif not (_UNUSED.fullmatch(name) or (rotary and _UNUSED_IN_V2.fullmatch(name))):
            used[name] = tensor
    if configuration.tied and _TOKEN_TABLE in used:
        used.setdefault(_HEAD_TABLE, used[_TOKEN_TABLE])
    return used


def _current_name(stored: str) -> str:
    for old, new in _RENAMED.items():
        if stored.endswith(old):
            return stored.removesuffix(old) + new
    return stored

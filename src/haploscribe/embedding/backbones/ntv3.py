"""Load a pre-trained NTv3 checkpoint strictly and embed sequences with it."""

import re
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from haploscribe.embedding.backbones.checkpoint import (
    CONFIGURATION_FILE,
    CheckpointFolder,
    check_tensors,
    digest_checkpoint,
    read_json,
    read_weights,
)
from haploscribe.embedding.backbones.devices import resolve_device
from haploscribe.embedding.backbones.esm_v2 import check_rotary_frequencies
from haploscribe.embedding.backbones.ntv3_configuration import (
    NTV3_TILE,
    VOCABULARY,
    NTv3Configuration,
    parse_ntv3_configuration,
)
from haploscribe.embedding.backbones.ntv3_network import NTv3ForMaskedTokens
from haploscribe.embedding.backbones.token_backbone import (
    TokenBackbone,
    TokenWindow,
    resolve_layer,
    resolve_precision,
)
from haploscribe.embedding.backbones.tokeniser import bin_weights, n_bins_of
from haploscribe.errors import InputError
from haploscribe.genome.haplotypes import TileHaplotype
from haploscribe.utils.types import Float32Array, Int64Array

VOCABULARY_FILE = "vocab.json"
LONGEST_TILE = 2**20
"""Base pairs that the models were trained to read, but for those of the table that say less."""

_IDS = np.array([VOCABULARY.get(chr(letter).upper(), VOCABULARY["<unk>"]) for letter in range(256)])
_FREQUENCIES = re.compile(r"core\.transformer_blocks\.\d+\.sa_layer\.rotary_embedding\.inv_freq")
# Stored by a model that has been run; computed anew here.
_UNUSED = re.compile(r"core\.transformer_blocks\.\d+\.sa_layer\.rotary_embedding\.(cos|sin)_cached")


class NTv3Backbone(TokenBackbone):
    """Embed DNA with a frozen, pre-trained NTv3.

    Every base is a token. A sequence is padded with N on the right to its own next multiple of 128 (two to
    the power of the model's halvings) and read in one pass, whatever its length; the hidden states at one
    layer are averaged over its bases, the padding left out. Where a state stands for several bases, it counts
    by the share of them that is no padding. A sequence without bases (its tile deleted) is embedded as zeros.

    Parameters
    ----------
    found
        A checkpoint folder.
    layer
        Index into the hidden states as the model publishes them: one of each halving, one of each transformer
        layer, one of each doubling. -1 is one state per base; `-1 − halvings` is the last transformer layer,
        one state per 128 bases. Later ones are not computed.
    pooling
        `mean`: one vector; `bins-K`: K vectors, means over equal parts of the sequence.
    device
        A torch device (`cpu`, `cuda`, `cuda:1`, …), or `auto`: a GPU where there is one.
    precision
        `float32`.

    Raises
    ------
    InputError
        When the layer, pooling or precision does not exist, the device is not there, or the folder does not
        hold a pre-trained NTv3.
    """

    def __init__(
        self,
        found: CheckpointFolder,
        *,
        layer: int = -1,
        pooling: str = "mean",
        device: str = "cpu",
        precision: str = "float32",
    ) -> None:
        configuration = read_ntv3_configuration(found.folder)
        shapes = configuration.state_shapes
        self.n_bins = n_bins_of(pooling)
        self.layer = resolve_layer(layer, len(shapes) - 1, first="the first halving")
        self.device = resolve_device(device)
        self._unit = configuration.unit
        self._stride, self.dimension = shapes[self.layer]
        self.tile_multiple = configuration.unit
        self.max_tile = found.max_tile or LONGEST_TILE
        self.default_tile = min(NTV3_TILE, self.max_tile)
        self.name = found.name
        self.settings: Mapping[str, str | int] = {
            "family": "ntv3",
            "revision": found.revision or digest_checkpoint(found.folder, [VOCABULARY_FILE]),
            "layer": self.layer,
            "pooling": pooling,
            "dtype": resolve_precision(precision),
        }
        if precision == "mixed":
            raise InputError(
                f"backbone {found.name}: NTv3 computes in float32, as published, and has no mixed precision; "
                "use --precision float32"
            )
        self._core = load_ntv3(found.folder, configuration).core.to(self.device)

    def windows(self, haplotype: TileHaplotype) -> Iterator[TokenWindow]:
        """Tokenise and pad a haplotype: one window, or none where it has no bases."""
        n_bases = len(haplotype.sequence)
        if n_bases:
            ids = tokenise(haplotype.sequence, self._unit)
            yield TokenWindow(ids, _state_weights(n_bases, len(ids), self.n_bins, self._stride))

    def hidden_states(self, ids: Tensor) -> Tensor:
        """Compute hidden states `(n, n_states, dimension)` of token IDs."""
        # On a GPU convolutions would round their factors to 10 bits. The switch is the process's, so it is
        # left alone where several threads compute.
        exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False) if ids.is_cuda else nullcontext()
        with exact:
            return self._core.hidden_state(ids, self.layer)


def tokenise(sequence: bytes, unit: int = 1) -> Int64Array:
    """Return the token IDs of a sequence, padded with N on the right to a multiple of `unit`.

    Lower case is read as upper case; letters but A, C, G, T and N are `<unk>`. Nothing is prepended.
    """
    padding = b"N" * (-len(sequence) % unit)
    ids: Int64Array = _IDS[np.frombuffer(sequence + padding, dtype=np.uint8)]
    return ids


def _state_weights(n_bases: int, n_tokens: int, n_bins: int, stride: int) -> Float32Array:
    """Return the weights that average states over bases, float32 `(n_bins, n_tokens / stride)`."""
    bases = np.clip(n_bases - np.arange(0, n_tokens, stride), 0, stride)  # of each state, without padding
    return bin_weights(bases.astype(np.float64), n_bins)


def read_ntv3_configuration(folder: Path) -> NTv3Configuration:
    """Read and check `config.json` and `vocab.json`.

    Raises
    ------
    InputError
        When one is missing or unreadable, or is not that of a pre-trained NTv3.
    """
    configuration = parse_ntv3_configuration(
        read_json(folder / CONFIGURATION_FILE), str(folder / CONFIGURATION_FILE)
    )
    if read_json(folder / VOCABULARY_FILE) != VOCABULARY:
        raise InputError(
            f"{folder / VOCABULARY_FILE} does not number its tokens as NTv3 does (A 6, T 7, C 8, G 9, N 10); "
            "all files must come from the same checkpoint"
        )
    return configuration


def load_ntv3(folder: Path, configuration: NTv3Configuration) -> NTv3ForMaskedTokens:
    """Build a checkpoint's model, head included, and load its weights in float32 on the CPU.

    Returns
    -------
    NTv3ForMaskedTokens
        In evaluation mode, without gradients.

    Raises
    ------
    InputError
        When a tensor is missing, unexpected or of another shape than `config.json` says.
    """
    with torch.device("meta"):  # no storage and no random numbers for weights that are replaced next
        model = NTv3ForMaskedTokens(configuration)
    tensors = {}
    for name, tensor in read_weights(folder).items():
        if _FREQUENCIES.fullmatch(name):
            check_rotary_frequencies(tensor, configuration.head_size, f"{name} in {folder}")
        elif not _UNUSED.fullmatch(name):
            tensors[name] = tensor
    check_tensors(
        tensors,
        {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()},
        str(folder),
        model="NTv3",
        remedy="give the folder of a pre-trained NTv3, as downloaded",
    )
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
    return model.eval().requires_grad_(False)

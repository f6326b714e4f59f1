"""Embed sequences with any checkpoint whose architecture is one of `transformers`' own, or of `gpn`."""

import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from haploscribe.embedding.backbones.auto_tokeniser import AutoTokeniser
from haploscribe.embedding.backbones.checkpoint import (
    CONFIGURATION_FILE,
    TOKENIZER_FILES,
    CheckpointFolder,
    digest_checkpoint,
    read_json,
    read_weights,
    refuse_misfit,
)
from haploscribe.embedding.backbones.devices import resolve_device
from haploscribe.embedding.backbones.token_backbone import (
    TokenBackbone,
    TokenWindow,
    resolve_layer,
    resolve_precision,
    split_tokens,
)
from haploscribe.embedding.backbones.tokeniser import bin_weights, n_bins_of
from haploscribe.errors import InputError
from haploscribe.genome.haplotypes import TileHaplotype

_LONGEST = 2**20
"""Tokens read at once, and base pairs of a tile, where the checkpoint sets no limit."""

_GPN_TYPES = ("GPN", "ConvNet")
# Parts that no hidden state reads, and buffers that older versions of transformers stored.
_UNUSED = re.compile(r"(^|\.)(pooler\..*|contact_head\..*|position_ids|token_type_ids|inv_freq|masked_bias)$")


class AutoModelBackbone(TokenBackbone):
    """Embed DNA with a frozen model that `transformers` has a class for, by the checkpoint's own tokenizer.

    A sequence's tokens, between the special ones of the tokenizer, go through the model. Its hidden states
    at one layer are averaged over the bases: a token weighs as many as it covers, special ones nothing. Of
    overlapping words (DNABERT) each counts as its middle base. Where there are more tokens than the model
    takes, they are read in windows as by `NucleotideTransformer`. A sequence without tokens (its tile
    deleted) is embedded as zeros.

    `max_tile` is what the model could read at once if every token were the vocabulary's longest.

    Parameters
    ----------
    found
        Folder with `config.json`, safetensors and a tokenizer's files.
    layer
        Index into the hidden states: 0 is the embeddings, `i` the output of layer `i`; negative counts from
        the end, and the last one is the model's output, past its final norm. All layers are computed. Models
        of `gpn` have the last alone.
    pooling
        `mean`: one vector; `bins-K`: K vectors, means over equal stretches of bases.
    device, precision
        As in `NucleotideTransformer`.

    Raises
    ------
    InputError
        When an option does not exist, the device is not there, or the files are not those of one model that
        reads DNA tokens and returns a hidden state for each.
    """

    tile_multiple = 1

    def __init__(
        self,
        found: CheckpointFolder,
        *,
        layer: int = -1,
        pooling: str = "mean",
        device: str = "cpu",
        precision: str = "float32",
    ) -> None:
        self.n_bins = n_bins_of(pooling)
        self.device = resolve_device(device)
        self.name = found.name
        self.mixed = precision == "mixed"
        dtype = resolve_precision(precision)
        folder = found.folder
        present = [name for name in TOKENIZER_FILES if (folder / name).is_file()]
        revision = found.revision or digest_checkpoint(folder, present)
        content = read_json(folder / CONFIGURATION_FILE)
        with _quiet():
            model_class, configuration = _architecture(content, str(folder / CONFIGURATION_FILE))
            self._tokenise = AutoTokeniser(folder, configuration)
            self._model = _load_model(model_class, configuration, folder)
        self._check_vocabulary(folder)
        self._capacity = _max_tokens(self._model, self._tokenise.max_tokens) - self._n_special
        if self._capacity < 1:
            raise InputError(f"{folder}: the files leave no room for tokens beside the special ones")
        reach = (
            self._capacity + self._tokenise.word_size - 1
            if self._tokenise.word_size
            else self._capacity * max(self._tokenise.longest, 1)
        )
        self.max_tile = min(reach, _LONGEST)
        self._model.to(self.device)
        self.layer, self._state, self.dimension = self._probe(layer)
        package = "gpn" if configuration.model_type in _GPN_TYPES else "transformers"
        self.settings: Mapping[str, str | int] = {
            "family": configuration.model_type,
            "revision": revision,
            "source": f"{package} {version(package)}",
            "layer": self.layer,
            "pooling": pooling,
            "dtype": dtype,
        }

    @property
    def _n_special(self) -> int:
        return len(self._tokenise.prefix) + len(self._tokenise.suffix)

    def windows(self, haplotype: TileHaplotype) -> Iterator[TokenWindow]:
        """Split a haplotype's tokens into windows, each between the tokenizer's special tokens."""
        if not haplotype.sequence:
            return iter(())
        tokens = self._tokenise(haplotype.sequence)
        weights = bin_weights(tokens.lengths, self.n_bins)
        prefix, suffix = self._tokenise.prefix, self._tokenise.suffix
        return split_tokens(tokens.ids, weights, self._capacity, before=prefix, behind=suffix)

    def hidden_states(self, ids: Tensor) -> Tensor:
        """Compute hidden states `(n, n_tokens, dimension)` of token IDs.

        Raises
        ------
        InputError
            When the architecture does not take so many tokens.
        """
        try:
            return self._state(ids)
        except (IndexError, ValueError) as error:
            raise InputError(
                f"backbone {self.name} cannot read {ids.shape[1]} tokens at once "
                f"({str(error).partition(chr(10))[0]:.200}); give a shorter --tile"
            ) from None

    def _probe(self, layer: int) -> tuple[int, Callable[[Tensor], Tensor], int]:
        """Read a few tokens, and return the layer's index, the function to its states and their dimension."""
        ids = np.concatenate((self._tokenise.prefix, self._tokenise(b"ACGTTGCA").ids, self._tokenise.suffix))
        sent = torch.from_numpy(ids[None, : self._capacity + self._n_special]).to(self.device)
        with torch.inference_mode():
            found = self._model(input_ids=sent, output_hidden_states=True)
        last = found.last_hidden_state
        if last.ndim != 3 or last.shape[:2] != sent.shape:
            raise InputError(
                f"backbone {self.name}: the model returns no hidden state for each token; give one that does"
            )
        states = getattr(found, "hidden_states", None)
        if states is None and layer != -1:
            raise InputError(f"backbone {self.name} returns its last layer alone; leave out --layer")
        index = -1 if states is None else resolve_layer(layer, len(states) - 1)
        dimension = int(last.shape[2] if states is None else states[index].shape[2])
        if states is None or index == len(states) - 1:
            return index, lambda ids: self._model(input_ids=ids).last_hidden_state.float(), dimension
        return index, lambda ids: self._layer_of(ids, index), dimension

    def _layer_of(self, ids: Tensor, index: int) -> Tensor:
        # Recent versions keep the listed states alone; to others the list says to keep all.
        state: Tensor = self._model(input_ids=ids, output_hidden_states=[index]).hidden_states[index]
        return state.float()

    def _check_vocabulary(self, folder: Path) -> None:
        size = self._model.config.vocab_size
        if self._tokenise.highest_id >= size:
            raise InputError(
                f"{folder}: the tokenizer numbers its tokens up to {self._tokenise.highest_id}, but "
                f"config.json has room for {size}; both must come from the same checkpoint"
            )


def _architecture(content: Mapping[str, Any], source: str) -> tuple[Any, Any]:
    """Return the model's class and its configuration, both of code that is installed.

    Raises
    ------
    InputError
        When there is no such class, or it is not one that reads tokens alone.
    """
    from transformers import CONFIG_MAPPING, MODEL_MAPPING  # noqa: PLC0415 - slow to import

    kind = content.get("model_type")
    if "auto_map" in content:
        raise InputError(
            f"{source} names code of its own (auto_map), which is never run; give a checkpoint of an "
            f"architecture that transformers has, or take the entry out where it is {kind!r} all the same"
        )
    if kind in _GPN_TYPES:
        _register_gpn()
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        raise InputError(
            f"{source}: model_type {kind!r} is unknown to the installed transformers; convert the "
            "checkpoint, or write a backbone of your own as module:Name"
        )
    if content.get("quantization_config"):
        raise InputError(f"{source} says that the weights are quantised; give them in full precision")
    try:
        configuration = CONFIG_MAPPING[kind].from_dict(
            # Attention kernels may be named by a hub's address.
            {key: value for key, value in content.items() if "attn_implementation" not in key}
        )
        model_class = MODEL_MAPPING[type(configuration)]
    except Exception as error:  # transformers raises anything on values that it cannot use
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(f"{source} cannot be used ({reason:.200}); download it again") from None
    reads_tokens = getattr(model_class, "main_input_name", None) == "input_ids"
    # GPN's auxiliary features are the rows of an alignment.
    if configuration.is_encoder_decoder or not reads_tokens or content.get("n_aux_features"):
        raise InputError(
            f"{source} describes a {kind} model, which reads other than one list of tokens; give one of an "
            "encoder or a decoder"
        )
    if kind in _GPN_TYPES:
        # Its _init_weights, on older versions of transformers, would draw anew what was just loaded.
        model_class = type(kind, (model_class,), {"_init_weights": lambda self, module: None})
    configuration.use_cache = False
    if getattr(configuration, "attention_type", None) == "block_sparse":  # has a random part
        configuration.attention_type = "original_full"
    return model_class, configuration


def _register_gpn() -> None:
    """Make the classes of `gpn` known to transformers."""
    try:
        from gpn import register_auto_classes  # noqa: PLC0415 - optional
    except ImportError:
        raise InputError("checkpoints of GPN need gpn: pip install 'haploscribe[gpn]'") from None
    register_auto_classes("gpn")


def _load_model(model_class: Any, configuration: Any, folder: Path) -> Any:
    """Build the model and load its weights in float32 on the CPU, in evaluation mode.

    Raises
    ------
    InputError
        When a tensor is missing, unexpected, of another shape or not finite; those of heads are left out.
    """
    tensors = read_weights(folder)
    infinite = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    try:
        model, report = model_class.from_pretrained(
            None,
            config=configuration,
            state_dict=dict(tensors),
            dtype=torch.float32,
            ignore_mismatched_sizes=True,  # they are reported
            output_loading_info=True,
        )
    except Exception as error:  # transformers raises anything on weights that it cannot use
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(f"transformers cannot load {folder} ({reason:.200}); download it again") from None
    # In a checkpoint with a head the model's own tensors have a prefix, and the head's do not.
    prefix = f"{model_class.base_model_prefix}."
    has_head = any(name.startswith(prefix) for name in tensors)
    unexpected = {name for name in report["unexpected_keys"] if not has_head or name.startswith(prefix)}
    complaints = {
        "lacks": report["missing_keys"],
        "has unexpected": unexpected,
        "has, of another shape than config.json says,": {key[0] for key in report["mismatched_keys"]},
        "has, with values that are not finite,": infinite,
    }
    refuse_misfit(
        {verb: [name for name in names if not _UNUSED.search(name)] for verb, names in complaints.items()},
        str(folder),
        model=f"the {configuration.model_type} model of config.json",
        remedy="give the folder of a checkpoint as it was downloaded or saved",
    )
    return model.eval().requires_grad_(requires_grad=False)


def _max_tokens(model: Any, tokenizer_limit: int) -> int:
    """Return the longest token list, special tokens included."""
    limits = [_LONGEST, tokenizer_limit, getattr(model.config, "max_position_embeddings", None)]
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            # Where padding has a position, tokens are numbered from the one behind it.
            padding = module.padding_idx
            limits.append(module.num_embeddings - (0 if padding is None else padding + 1))
    return min(limit for limit in limits if isinstance(limit, int) and limit > 0)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers and gpn from printing what is checked here anyway."""
    from transformers.utils import logging  # noqa: PLC0415 - slow to import

    verbosity, progress = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        with (
            Path(os.devnull).open("w") as nowhere,
            redirect_stdout(nowhere),
            warnings.catch_warnings(action="ignore"),
        ):
            yield
    finally:
        logging.set_verbosity(verbosity)
        if progress:
            logging.enable_progress_bar()

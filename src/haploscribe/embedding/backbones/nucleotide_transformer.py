"""The Nucleotide Transformer, first and second version, as a backbone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from haploscribe.arrays import Float32Array, Int64Array
from haploscribe.embedding.backbones.checkpoint import Checkpoint
from haploscribe.embedding.backbones.devices import resolve_device
from haploscribe.embedding.backbones.esm_v1 import keep_layers
from haploscribe.embedding.backbones.loading import load_masked_token_model
from haploscribe.embedding.backbones.token_axis import Window, bin_weights, n_bins_of, windows
from haploscribe.embedding.backbones.tokeniser import K, SixMerTokeniser
from haploscribe.errors import InputError

# Tokens that go through the model at once, padding included. More gains nothing on a CPU; on a GPU this
# fills the multiprocessors and keeps the activations of the widest model within a few GiB.
TOKENS_PER_BATCH = {"cpu": 4_096}
TOKENS_PER_BATCH_ON_A_GPU = 32_768


class _Job(NamedTuple):
    """One window of one sequence: its tokens, and the weights that pool its hidden states."""

    row: int
    ids: Int64Array
    weights: Float32Array


class NucleotideTransformer:
    """Embeds DNA with a frozen Nucleotide Transformer in float32.

    A sequence is tokenised (6-mers; see `SixMerTokeniser`), preceded by the class token, and its hidden
    states at one layer are averaged over the tokens, the class token left out. A haplotype with insertions
    or Ns has more tokens than the model reads at once (a class token and `max_tile / 6` more). Nothing is
    dropped then: the first window starts at the first token, each further one takes the next stretch, and
    the last one ends at the last token and reaches back as far as it can, giving hidden states only to the
    tokens that no window before it held. All tokens are pooled together. A sequence without bases (its tile
    deleted) is embedded as zeros.

    Parameters
    ----------
    checkpoint
        A checkpoint folder that was read.
    layer
        Index into the hidden states: 0 is the embeddings, `i` the output of layer `i`; negative counts
        from the end, and the last one has passed the final layer norm. Layers above are not computed.
    pooling
        `mean`: one vector; `bins-K`: K vectors, means over equal parts of the token axis.
    device
        A torch device (`cpu`, `cuda`, `cuda:1`, …), or `auto`: a GPU where there is one.

    Raises
    ------
    InputError
        When the layer or pooling does not exist, the device is not there, or the checkpoint is not one of
        the Nucleotide Transformer.
    """

    tile_multiple = K

    def __init__(
        self, checkpoint: Checkpoint, *, layer: int = -1, pooling: str = "mean", device: str = "cpu"
    ) -> None:
        configuration = checkpoint.configuration
        self.n_bins = n_bins_of(pooling)
        self.layer = _resolve_layer(layer, configuration.n_layers)
        self._device = resolve_device(device)
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
            "dtype": "float32",
        }
        model = load_masked_token_model(checkpoint)
        self._hidden_states = _encoder(model.esm, configuration.family, self.layer, self._device)

    def embed(self, sequences: Sequence[bytes]) -> Float32Array:
        """Embed sequences: float32 `(n_sequences, n_bins, dimension)`; each row by its sequence alone."""
        pooled = np.zeros((len(sequences), self.n_bins, self.dimension), dtype=np.float32)
        jobs = [job for row, sequence in enumerate(sequences) for job in self._jobs(row, sequence)]
        for batch in _batches(jobs, TOKENS_PER_BATCH.get(self._device.type, TOKENS_PER_BATCH_ON_A_GPU)):
            for job, part in zip(batch, self._embed_batch(batch), strict=True):
                pooled[job.row] += part
        return pooled

    def _jobs(self, row: int, sequence: bytes) -> Iterator[_Job]:
        """Cut one sequence's tokens into windows, each with the class token before it."""
        tokens = self._tokenise(sequence)
        weights = bin_weights(len(tokens), self.n_bins)
        for window in windows(len(tokens), self._capacity):
            ids = np.concatenate(([self._tokenise.class_id], tokens[window.start : window.end]))
            yield _Job(row, ids, _kept(weights, window))

    def _embed_batch(self, batch: Sequence[_Job]) -> Float32Array:
        """Pooled parts `(n_jobs, n_bins, dimension)` of one batch; padding is neither read nor pooled."""
        lengths = [len(job.ids) for job in batch]
        ids = np.full((len(batch), max(lengths)), self._tokenise.pad_id, dtype=np.int64)
        weights = np.zeros((len(batch), self.n_bins, max(lengths)), dtype=np.float32)
        for place, job in enumerate(batch):
            ids[place, : lengths[place]] = job.ids
            weights[place, :, : lengths[place]] = job.weights
        attend = None if min(lengths) == max(lengths) else torch.from_numpy(ids != self._tokenise.pad_id)
        with torch.inference_mode():
            hidden = self._hidden_states(
                torch.from_numpy(ids).to(self._device),
                None if attend is None else attend.to(self._device),
            )
            pooled: Float32Array = torch.bmm(torch.from_numpy(weights).to(self._device), hidden).cpu().numpy()
        return pooled


def _kept(weights: Float32Array, window: Window) -> Float32Array:
    """Pooling weights of a window's tokens, 0 on the class token and on those of an earlier window."""
    kept = np.zeros((len(weights), 1 + window.end - window.start), dtype=np.float32)
    kept[:, 1 + window.keep - window.start :] = weights[:, window.keep : window.end]
    return kept


def _batches(jobs: Sequence[_Job], budget: int) -> Iterator[list[_Job]]:
    """Jobs of like length together, as many as the token budget holds (at least one)."""
    batch: list[_Job] = []
    for job in sorted(jobs, key=lambda job: len(job.ids)):  # ascending: the newest is the longest
        if batch and (len(batch) + 1) * len(job.ids) > budget:
            yield batch
            batch = []
        batch.append(job)
    if batch:
        yield batch


def _encoder(
    esm: Any, family: str, layer: int, device: torch.device
) -> Callable[[Tensor, Tensor | None], Tensor]:
    """Make the function from token numbers and attention mask to hidden states of one layer."""
    esm.requires_grad_(False)
    if family == "nt-v2":
        esm.to(device)
        return lambda ids, attend: esm(ids, attend, layer)
    keep_layers(esm, layer)
    esm.to(device)
    return lambda ids, attend: (
        esm(input_ids=ids, attention_mask=None if attend is None else attend.long()).last_hidden_state
    )


def _resolve_layer(layer: int, n_layers: int) -> int:
    if not -(n_layers + 1) <= layer <= n_layers:
        raise InputError(
            f"layer {layer} does not exist; this checkpoint has 0 (embeddings) to {n_layers}, or "
            f"{-(n_layers + 1)} to -1 from the end"
        )
    return layer % (n_layers + 1)


def tokeniser_of(checkpoint: Checkpoint) -> SixMerTokeniser:
    """Make a checkpoint's tokeniser.

    Raises
    ------
    InputError
        When `vocab.txt` lacks tokens that DNA needs, or does not fit `config.json`.
    """
    tokeniser = SixMerTokeniser(checkpoint.vocabulary)
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

"""Embed haplotypes with a PyTorch model that reads tokens: windows, batches, pooling."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from haploscribe.embedding.backbones.devices import each_by_one_thread
from haploscribe.embedding.backbones.tokeniser import windows
from haploscribe.errors import InputError
from haploscribe.genome.haplotypes import TileHaplotype
from haploscribe.utils.types import Float32Array, Int64Array

# Tokens per forward pass, at least one window. On a CPU one window at a time: its thousand tokens occupy a
# core, more exceed its cache, and a matrix product with more rows may sum in another order. On a GPU this
# occupies the multiprocessors and bounds the activations of the widest model to a few GiB.
TOKENS_PER_BATCH = {"cpu": 1}
TOKENS_PER_BATCH_ON_A_GPU = 32_768


class TokenWindow(NamedTuple):
    """Tokens that are embedded in one forward pass, and the weights that pool its hidden states.

    Attributes
    ----------
    ids
        int64 `(n_tokens,)`.
    weights
        float32 `(n_bins, n_states)`; 0 on states that are not pooled. `n_states` is `n_tokens`, unless the
        model has one state for several tokens.
    """

    ids: Int64Array
    weights: Float32Array


class TokenBackbone(ABC):
    """A backbone that pools the hidden states of a PyTorch model over tokens; see `Backbone`.

    On a CPU each window goes through the model by itself and is computed by one thread: the bits of a
    haplotype's vectors depend neither on the haplotypes beside it nor on the number of threads. On a GPU
    windows of equal length go through together; nothing is ever padded to another's length.

    Attributes
    ----------
    n_bins, dimension
        Shape of a haplotype's vectors.
    device
        Device of the model.
    mixed
        Whether the model computes matrix products in float16.
    """

    name: str
    settings: Mapping[str, str | int]
    tile_multiple: int
    max_tile: int
    n_bins: int
    dimension: int
    device: torch.device
    mixed: bool = False

    @abstractmethod
    def windows(self, haplotype: TileHaplotype) -> Iterable[TokenWindow]:
        """Tokenise a haplotype; its vectors are the sum over windows of weights @ hidden states."""

    @abstractmethod
    def hidden_states(self, ids: Tensor) -> Tensor:
        """Compute hidden states `(n, n_states, dimension)` of token IDs `(n, n_tokens)` on the device."""

    def embed(self, haplotypes: Sequence[TileHaplotype]) -> Float32Array:
        """Embed haplotypes: float32 `(n_haplotypes, n_bins, dimension)`; each row by its haplotype alone.

        Raises
        ------
        InputError
            When values of the model overflow float16 in mixed precision.
        """
        pooled = np.zeros((len(haplotypes), self.n_bins, self.dimension), dtype=np.float32)
        jobs = [_Job(row, *window) for row, found in enumerate(haplotypes) for window in self.windows(found)]
        batches = _batches(jobs, TOKENS_PER_BATCH.get(self.device.type, TOKENS_PER_BATCH_ON_A_GPU))
        for job, part in zip(chain.from_iterable(batches), self._embed_batches(batches), strict=True):
            pooled[job.row] += part
        if self.mixed and not np.isfinite(pooled).all():
            raise InputError(
                f"backbone {self.name} has numbers beyond float16's; embed with --precision float32"
            )
        return pooled

    def _embed_batches(self, batches: Sequence[Sequence["_Job"]]) -> Float32Array:
        """Compute the pooled parts `(n_jobs, n_bins, dimension)` of all jobs, batch by batch."""
        if not batches:
            return np.zeros((0, self.n_bins, self.dimension), dtype=np.float32)
        if self.device.type == "cpu":
            parts = each_by_one_thread(self._embed_batch, batches)
        else:
            parts = [self._embed_batch(batch) for batch in batches]
        # All batches are submitted before the first result is awaited.
        embedded: Float32Array = torch.cat(parts).cpu().numpy()
        return embedded

    def _embed_batch(self, batch: Sequence["_Job"]) -> Tensor:
        """Compute the pooled parts `(n_jobs, n_bins, dimension)` of one batch on the device, not awaited."""
        with torch.inference_mode():
            ids = self._send(np.stack([job.ids for job in batch]))
            weights = self._send(np.stack([job.weights for job in batch]))
            with torch.autocast(self.device.type, dtype=torch.float16, enabled=self.mixed):
                hidden = self.hidden_states(ids)
            return torch.bmm(weights, hidden)

    def _send(self, values: Int64Array | Float32Array) -> Tensor:
        """Copy an array to the device; to a GPU from pinned memory, which it reads while it computes."""
        tensor = torch.from_numpy(values)
        if self.device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self.device, non_blocking=True)


def split_tokens(
    ids: Int64Array, weights: Float32Array, capacity: int, before: Int64Array, behind: Int64Array
) -> Iterator[TokenWindow]:
    """Split a haplotype's tokens into windows of at most `capacity`, each between special tokens.

    Parameters
    ----------
    ids
        int64 `(n_tokens,)`.
    weights
        float32 `(n_bins, n_tokens)`. Each token is pooled in one window; special tokens in none.
    capacity
        Tokens of a window, special ones not counted.
    before, behind
        int64; special tokens of every window.
    """
    for window in windows(len(ids), capacity):
        read = np.concatenate((before, ids[window.start : window.end], behind))
        pooled = np.zeros((len(weights), len(read)), dtype=np.float32)
        first = len(before) - window.start
        pooled[:, first + window.keep : first + window.end] = weights[:, window.keep : window.end]
        yield TokenWindow(read, pooled)


class _Job(NamedTuple):
    """One window of the haplotype of one row."""

    row: int
    ids: Int64Array
    weights: Float32Array


def _batches(jobs: Sequence[_Job], budget: int) -> list[list[_Job]]:
    """Batch jobs of equal length up to the token budget (at least one job each), the longest first."""
    batches = []
    longest_first = sorted(jobs, key=lambda job: len(job.ids), reverse=True)
    for length, members in groupby(longest_first, key=lambda job: len(job.ids)):
        alike = list(members)
        size = max(1, budget // length)
        batches += [alike[i : i + size] for i in range(0, len(alike), size)]
    return batches


def resolve_layer(layer: int, n_layers: int, *, first: str = "embeddings") -> int:
    """Return a hidden state's index from 0 (the `first`) to `n_layers`; a negative one counts from the end.

    Raises
    ------
    InputError
        When there is no such layer.
    """
    if not -(n_layers + 1) <= layer <= n_layers:
        raise InputError(
            f"layer {layer} does not exist; this checkpoint has 0 ({first}) to {n_layers}, or "
            f"{-(n_layers + 1)} to -1 from the end"
        )
    return layer % (n_layers + 1)


def resolve_precision(precision: str) -> str:
    """Return the name of a precision in the settings.

    Raises
    ------
    InputError
        When it is unknown.
    """
    names = {"float32": "float32", "mixed": "float16 products"}
    if precision not in names:
        raise InputError(f"precision {precision!r} is unknown; use {' or '.join(names)}")
    return names[precision]

"""Run the peers' way, a `transformers` model on all haplotypes of all samples, and measure its best speed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.common.measuring import seconds_of
from haploscribe.embedding.backbones.checkpoint import Checkpoint, read_weights
from haploscribe.embedding.backbones.devices import each_by_one_thread
from haploscribe.utils.types import Float32Array, Int64Array

Encoder = Callable[[Tensor], Tensor]
"""From token numbers int64 `(n, length)` to hidden states float32 `(n, length, hidden_size)`."""

BATCH_SIZES = (1, 2, 4, 8, 16, 32)


class _GatedFeedForward(nn.Module):
    """Feed-forward of Nucleotide Transformer v2, which `transformers` does not have."""

    def __init__(self, hidden: int, inner: int) -> None:
        super().__init__()
        self.dense = nn.Linear(hidden, 2 * inner, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        gate, value = self.dense(hidden).chunk(2, dim=-1)
        fed: Tensor = nn.functional.silu(gate) * value
        return fed


def transformers_encoder(checkpoint: Checkpoint) -> Encoder:
    """Build `transformers.EsmModel` with a checkpoint's weights, all of which must match.

    Parameters
    ----------
    checkpoint
        One of the second version (rotary positions, SwiGLU).

    Returns
    -------
    callable
        Gives the last layer's hidden states.
    """
    from transformers import EsmConfig, EsmModel  # noqa: PLC0415 - slow to import

    configuration = checkpoint.configuration
    assert configuration.family == "nt-v2", configuration.family
    hidden, inner = configuration.hidden_size, configuration.feed_forward_size
    model: Any = EsmModel(
        EsmConfig(
            vocab_size=configuration.vocabulary_size,
            hidden_size=hidden,
            num_hidden_layers=configuration.n_layers,
            num_attention_heads=configuration.n_heads,
            intermediate_size=inner,
            max_position_embeddings=configuration.n_positions,
            pad_token_id=configuration.pad_id,
            mask_token_id=configuration.mask_id,
            layer_norm_eps=configuration.layer_norm_epsilon,
            token_dropout=configuration.token_dropout,
            position_embedding_type="rotary",
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            attn_implementation="sdpa",
        ),
        add_pooling_layer=False,
    )
    for layer in model.encoder.layer:
        layer.intermediate = _GatedFeedForward(hidden, inner)
        layer.output.dense = nn.Linear(inner, hidden, bias=False)
    weights = {
        name.removeprefix("esm."): tensor.float()
        for name, tensor in read_weights(checkpoint.folder).items()
        if name.startswith("esm.")
    }
    missing, unexpected = model.load_state_dict(weights, strict=False)
    # Made by transformers itself, or no part of this computation.
    left = [name for name in missing if not name.startswith(("rotary_embeddings.", "contact_head."))]
    assert not left, left
    assert not unexpected, unexpected
    model.eval().requires_grad_(False)

    def encode(ids: Tensor) -> Tensor:
        hidden: Tensor = model(input_ids=ids).last_hidden_state
        return hidden

    return encode


@dataclass(frozen=True, slots=True)
class Way:
    """Batch size and use of threads.

    Attributes
    ----------
    batch_size
        Sequences that go through the model at once.
    side_by_side
        Batches are computed several at a time, each by one thread; else one after another, each by all.
    """

    batch_size: int
    side_by_side: bool

    def __str__(self) -> str:
        """Format for a table."""
        threads = "batches side by side, one thread each" if self.side_by_side else "all threads on a batch"
        return f"{self.batch_size} sequences a batch, {threads}"


def embed_all(encoder: Encoder, ids: Int64Array, way: Way) -> Float32Array:
    """Embed sequences as the mean over their tokens, the class token left out.

    Parameters
    ----------
    encoder
        The model.
    ids
        int64 `(n, length)`; token numbers of sequences of one length, the class token first.
    way
        How.

    Returns
    -------
    float32 `(n, hidden_size)`
    """

    def embed(batch: Tensor) -> Tensor:
        with torch.inference_mode():
            return encoder(batch)[:, 1:].mean(dim=1)

    batches = torch.split(torch.from_numpy(ids), way.batch_size)
    parts = each_by_one_thread(embed, batches) if way.side_by_side else [embed(batch) for batch in batches]
    embeddings: Float32Array = torch.cat(parts).numpy()
    return embeddings


def speeds(encoder: Encoder, ids: Int64Array, ways: Sequence[Way], repeats: int = 2) -> dict[Way, float]:
    """Return tokens per second of the model on ready-made full batches, for each way.

    Parameters
    ----------
    encoder
        The model.
    ids
        int64 `(n, length)`.
    ways
        What to try.
    repeats
        The best of so many counts; the ways take turns, so that other work on the machine hits them alike.
    """
    embed_all(encoder, ids[:2], Way(1, side_by_side=True))
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(repeats):
        for way in ways:
            best[way] = min(best[way], seconds_of(lambda way=way: embed_all(encoder, ids, way)))  # type: ignore[misc]
    return {way: ids.size / seconds for way, seconds in best.items()}


def all_ways(batch_sizes: Iterable[int] = BATCH_SIZES) -> list[Way]:
    """Return every batch size, with each use of threads."""
    return [Way(size, side_by_side) for size in batch_sizes for side_by_side in (False, True)]


def peak_multiply_rate(size: int = 2048, repeats: int = 8) -> float:
    """Return the best floating-point operations per second of a large float32 matrix product."""
    left, right = torch.randn(size, size), torch.randn(size, size)
    return 2 * size**3 / seconds_of(lambda: left @ right, repeats)

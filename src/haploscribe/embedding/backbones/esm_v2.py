"""The second Nucleotide Transformer architecture: ESM with rotary positions and a gated feed-forward.

Parameters carry the names of the published checkpoints, so a state dict needs no renaming. Architecture:
Dalla-Torre et al., Nature Methods 22:287-297, 2025 (methods, "second version"), on ESM-2 (Lin et al.,
Science 379:1123, 2023); rotary positions: Su et al., arXiv 2104.09864; SwiGLU: Shazeer, arXiv 2002.05202.
"""

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor, nn

from haploscribe.embedding.backbones.esm import EsmConfiguration
from haploscribe.errors import InputError

ROTARY_BASE = 10_000.0
INITIAL_STANDARD_DEVIATION = 0.02
# Masked fraction in ESM's training: 15 % of tokens chosen, 80 % of these masked.
TRAINING_MASK_FRACTION = 0.15 * 0.8


class EsmV2ForMaskedTokens(nn.Module):
    """Encoder with the masked-token head.

    Parameters
    ----------
    configuration
        Dimensions and options of the checkpoint.
    """

    def __init__(self, configuration: EsmConfiguration) -> None:
        super().__init__()
        self.configuration = configuration
        self.esm = EsmV2(configuration)
        self.lm_head = MaskedTokenHead(configuration)
        self.apply(_initialise)

    def forward(self, ids: Tensor, attend: Tensor | None = None) -> Tensor:
        """Return logits `(n, length, vocabulary_size)`; arguments as in `EsmV2.forward`."""
        logits: Tensor = self.lm_head(self.esm(ids, attend))
        return logits


class EsmV2(nn.Module):
    """Embeddings and encoder."""

    def __init__(self, configuration: EsmConfiguration) -> None:
        super().__init__()
        self.embeddings = Embeddings(configuration)
        self.encoder = Encoder(configuration)

    def forward(self, ids: Tensor, attend: Tensor | None = None, layer: int | None = None) -> Tensor:
        """Return the hidden states of one layer.

        Parameters
        ----------
        ids
            int64 `(n, length)`; token numbers, padded at the end.
        attend
            bool `(n, length)`; False on padding. Without it, every token is attended to.
        layer
            0 for the embeddings, `i` for the output of layer `i`; `n_layers` (also where None is given)
            passes the final layer norm. Later layers are not computed.

        Returns
        -------
        float `(n, length, hidden_size)`.
        """
        hidden: Tensor = self.encoder(self.embeddings(ids, attend), attend, layer)
        return hidden


class Embeddings(nn.Module):
    """Token embeddings; positions enter in the attention."""

    def __init__(self, configuration: EsmConfiguration) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(
            configuration.vocabulary_size, configuration.hidden_size, padding_idx=configuration.pad_id
        )
        self.mask_id = configuration.mask_id
        self.token_dropout = configuration.token_dropout

    def forward(self, ids: Tensor, attend: Tensor | None) -> Tensor:
        """Embed; with token dropout, masked tokens are zero and the rest is rescaled for their share."""
        embeddings: Tensor = self.word_embeddings(ids)
        if self.token_dropout:
            masked = ids == self.mask_id
            lengths = attend.sum(1) if attend is not None else ids.new_full((len(ids),), ids.shape[1])
            observed = masked.sum(1).to(embeddings.dtype) / lengths
            embeddings = embeddings.masked_fill(masked[..., None], 0.0)
            embeddings = embeddings * ((1 - TRAINING_MASK_FRACTION) / (1 - observed))[:, None, None]
        return embeddings if attend is None else embeddings * attend[..., None]


class Encoder(nn.Module):
    """The layers and the final layer norm."""

    def __init__(self, configuration: EsmConfiguration) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(configuration) for _ in range(configuration.n_layers))
        self.emb_layer_norm_after = _layer_norm(configuration)
        self.head_size = configuration.head_size

    def forward(self, hidden: Tensor, attend: Tensor | None, layer: int | None) -> Tensor:
        """Run the layers up to `layer`."""
        last = len(self.layer) if layer is None else layer
        rotation = rotary_angles(hidden.shape[1], self.head_size, hidden.device)
        cosine, sine = (part.to(hidden.dtype) for part in (rotation.cos(), rotation.sin()))
        keys_attended = None if attend is None else attend[:, None, None, :]
        for block in self.layer[:last]:
            hidden = block(hidden, keys_attended, cosine, sine)
        if last == len(self.layer):
            hidden = self.emb_layer_norm_after(hidden)
        return hidden


class Layer(nn.Module):
    """Attention, then the gated feed-forward, each normed before and added to its input."""

    def __init__(self, configuration: EsmConfiguration) -> None:
        super().__init__()
        hidden, inner = configuration.hidden_size, configuration.feed_forward_size
        self.attention = Attention(configuration)
        self.LayerNorm = _layer_norm(configuration)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(hidden, 2 * inner, bias=False)})
        self.output = nn.ModuleDict({"dense": nn.Linear(inner, hidden, bias=False)})

    def forward(self, hidden: Tensor, attend: Tensor | None, cosine: Tensor, sine: Tensor) -> Tensor:
        """Transform `(n, length, hidden_size)`; the first half of the inner projection gates the second."""
        hidden = hidden + self.attention(hidden, attend, cosine, sine)
        gate, value = self.intermediate["dense"](self.LayerNorm(hidden)).chunk(2, dim=-1)
        fed: Tensor = self.output["dense"](F.silu(gate) * value)
        return hidden + fed


class Attention(nn.Module):
    """Multi-head self-attention with rotary positions, on its layer-normed input."""

    def __init__(self, configuration: EsmConfiguration) -> None:
        super().__init__()
        hidden = configuration.hidden_size
        self.n_heads, self.head_size = configuration.n_heads, configuration.head_size
        self.self = nn.ModuleDict({part: nn.Linear(hidden, hidden) for part in ("query", "key", "value")})
        self.output = nn.ModuleDict({"dense": nn.Linear(hidden, hidden)})
        self.LayerNorm = _layer_norm(configuration)

    def forward(self, hidden: Tensor, attend: Tensor | None, cosine: Tensor, sine: Tensor) -> Tensor:
        """Apply attention; `attend` is bool, broadcast to `(n, heads, queries, keys)`."""
        normed = self.LayerNorm(hidden)
        query, key, value = (
            self.self[part](normed).unflatten(-1, (self.n_heads, self.head_size)).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        mixed = F.scaled_dot_product_attention(
            rotate(query, cosine, sine), rotate(key, cosine, sine), value, attn_mask=attend
        )
        attended: Tensor = self.output["dense"](mixed.transpose(1, 2).flatten(2))
        return attended


class MaskedTokenHead(nn.Module):
    """Map hidden states to logits over the vocabulary."""

    def __init__(self, configuration: EsmConfiguration) -> None:
        super().__init__()
        hidden, vocabulary = configuration.hidden_size, configuration.vocabulary_size
        self.dense = nn.Linear(hidden, hidden)
        self.layer_norm = _layer_norm(configuration)
        self.decoder = nn.Linear(hidden, vocabulary, bias=False)
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, hidden: Tensor) -> Tensor:
        """Return logits `(…, vocabulary_size)` of hidden states `(…, hidden_size)`."""
        logits: Tensor = self.decoder(self.layer_norm(F.gelu(self.dense(hidden))))
        return logits + self.bias


def rotary_frequencies(head_size: int) -> Tensor:
    """Return the angle per position of each pair, float32 `(head_size / 2,)`: 10,000^(−2i/d)."""
    exponents = torch.arange(0, head_size, 2, dtype=torch.float32, device="cpu") / head_size
    return 1.0 / ROTARY_BASE**exponents


def check_rotary_frequencies(stored: Tensor, head_size: int, what: str) -> None:
    """Check that stored rotary frequencies, which are not used, equal `rotary_frequencies`.

    Raises
    ------
    InputError
        When they differ; `what` names them.
    """
    computed = rotary_frequencies(head_size)
    if stored.shape != computed.shape or not torch.allclose(stored.float(), computed, rtol=1e-6, atol=0.0):
        raise InputError(f"{what} is not the rotary position base of 10,000 that this family has")


def rotary_angles(length: int, head_size: int, device: torch.device) -> Tensor:
    """Return the angle of each position and dimension, float32 `(length, head_size)`; halves are equal."""
    positions = torch.arange(length, dtype=torch.float32, device=device)
    angles = torch.outer(positions, rotary_frequencies(head_size).to(device))
    return torch.cat((angles, angles), dim=-1)


def rotate(heads: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotate each pair (i, i + d/2) of `(…, length, head_size)` by its position's angle."""
    first, second = heads.chunk(2, dim=-1)
    return heads * cosine + torch.cat((-second, first), dim=-1) * sine


def _layer_norm(configuration: EsmConfiguration) -> nn.LayerNorm:
    return nn.LayerNorm(configuration.hidden_size, eps=configuration.layer_norm_epsilon)


def _initialise(module: nn.Module) -> None:
    """Initialise weights for training: normal weights, zero biases, as in BERT and ESM."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=INITIAL_STANDARD_DEVIATION)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        nn.init.zeros_(module.weight.data[module.padding_idx])

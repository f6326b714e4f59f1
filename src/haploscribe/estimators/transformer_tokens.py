"""From a gene's scored tiles to the tokens that the transformer reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from haploscribe.estimators.delta_scores import ScoredTile
from haploscribe.utils.types import Float64Array, Int64Array


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of some samples, dictionary-encoded: nothing here is as large as samples × tokens × scores.

    Attributes
    ----------
    rows
        float32 `(n_rows, n_scores)`; one row for each bin of each unique haplotype of each tile.
    token
        int64 `(n_rows,)`; which token each row may stand for.
    index
        int64 `(n_samples, 2, n_tokens)`; the rows that haplotype 0 and 1 of each sample carry.
    """

    rows: Tensor
    token: Tensor
    index: Tensor

    @classmethod
    def of(cls, tiles: Sequence[ScoredTile]) -> Self:
        """Make a token of every bin of every tile, in order."""
        rows, token, index = [], [], []
        n_rows = n_tokens = 0
        for tile in tiles:
            n_unique, n_bins, n_scores = tile.scores.shape
            bins = np.arange(n_bins)
            rows.append(tile.scores.reshape(-1, n_scores))
            token.append(np.tile(n_tokens + bins, n_unique))
            index.append(n_rows + tile.index.astype(np.int64)[:, :, None] * n_bins + bins)
            n_rows, n_tokens = n_rows + n_unique * n_bins, n_tokens + n_bins
        return cls(
            torch.from_numpy(np.concatenate(rows)),
            torch.from_numpy(np.concatenate(token)),
            torch.from_numpy(np.concatenate(index, axis=2)),
        )

    def take(self, samples: Int64Array | Tensor | slice) -> Self:
        """Keep some samples; the rows stay, shared."""
        return type(self)(self.rows, self.token, self.index[samples])

    def by_token(self) -> list[tuple[Float64Array, Int64Array]]:
        """Part the dictionary: for each token its rows, `(n_unique, n_scores)`, and the index into them.

        The index is int64 `(n_samples, 2)`.
        """
        order = np.argsort(self.token.numpy(), kind="stable")
        of_token = np.split(order, np.cumsum(np.bincount(self.token.numpy()))[:-1])
        rows, index = self.rows.numpy().astype(np.float64), self.index.numpy()
        return [(rows[own], np.searchsorted(own, index[:, :, token])) for token, own in enumerate(of_token)]

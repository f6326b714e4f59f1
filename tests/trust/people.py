"""Made-up people for the audit: all that an estimator may ever be given of them, and what replaces it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from haploscribe.estimators.inputs import GeneInputs, TileDeltas, WideDosages
from haploscribe.evaluation.folds import Fold
from haploscribe.expression.genes import Gene
from haploscribe.utils.types import Float64Array, Int64Array
from haploscribe.zero_shot.registry import ZERO_SHOT_NAMES

N_GENES = 4
N_PEOPLE = 48
N_VARIANTS = 14
TILE = 500
APART = 50_000
"""Base pairs between genes; each reads 2,000 bp."""


@dataclass(frozen=True)
class People:
    """Everything that is known of some people.

    Attributes
    ----------
    genes
        `n_genes` inputs, of all people.
    expression
        float64 `(n_genes, n_people)`; raw, above 0.
    covariates, factors
        float64 `(n_people, 2)`; as for `--covariates` and `--hidden-factors`.
    """

    genes: tuple[GeneInputs, ...]
    expression: Float64Array
    covariates: Float64Array
    factors: Float64Array

    @classmethod
    def made(cls, seed: int = 0) -> "People":
        """Draw people whose genes follow variants, covariates, a factor that genes share, and noise."""
        rng = np.random.default_rng(seed)
        genes = tuple(_gene(number, rng) for number in range(N_GENES))
        covariates, factors = rng.normal(size=(2, N_PEOPLE, 2))
        genetic = np.stack([gene.dosages[:, :3].sum(axis=1) for gene in genes])
        shared = factors @ rng.normal(size=(2, N_GENES)) + covariates @ rng.normal(size=(2, N_GENES))
        noise = 0.7 * rng.normal(size=(N_GENES, N_PEOPLE))
        return cls(genes, np.exp(0.4 * (genetic + shared.T + noise)), covariates, factors)


TRAINING, VALIDATION, TEST, UNLISTED = np.split(np.random.default_rng(1).permutation(N_PEOPLE), [26, 32, 42])
OUTSIDERS = np.concatenate([TEST, UNLISTED])
"""Whom nothing may be learned from: some are asked about, some are in no set."""
NOBODY = np.empty(0, dtype=np.int64)
FOLDS: Mapping[str, Fold] = {
    "without validation": Fold(1, np.concatenate([TRAINING, VALIDATION]), NOBODY, TEST),
    "with validation": Fold(1, TRAINING, VALIDATION, TEST),
}


def _gene(number: int, rng: np.random.Generator) -> GeneInputs:
    tss = 10_000 + APART * number
    positions = np.sort(tss - 1_000 + rng.choice(4 * TILE, N_VARIANTS, replace=False)).astype(np.int64)
    copies = rng.integers(0, 2, (N_PEOPLE, 2, N_VARIANTS))
    far = rng.integers(0, 3, (N_PEOPLE, 2 * N_VARIANTS)).astype(np.float32)
    drawn = rng.normal(size=(N_VARIANTS, 1, 6)).astype(np.float32)
    starts = range(tss - 1_000, tss + 1_000, TILE)
    return GeneInputs(
        Gene(f"G{number}", "1", tss),
        tuple(f"S{i:03d}" for i in range(N_PEOPLE)),
        positions,
        copies.sum(axis=1).astype(np.float32),
        tiles=tuple(_tile(start, positions, copies, drawn) for start in starts),
        wide=WideDosages(np.sort(tss + rng.integers(-900_000, 900_000, 2 * N_VARIANTS)), far),
        zero_shot={name: rng.normal(size=N_PEOPLE) for name in ZERO_SHOT_NAMES},
    )


def _tile(start: int, positions: Int64Array, copies: Int64Array, drawn: npt.NDArray[Any]) -> TileDeltas:
    """Embed what people carry: the sum of a vector for each ALT of the tile."""
    inside = (positions >= start) & (positions < start + TILE)
    flat = np.vstack([np.zeros((1, N_VARIANTS), dtype=np.int64), (copies * inside).reshape(-1, N_VARIANTS)])
    # The reference, all 0, sorts first, as in a store.
    unique, index = np.unique(flat, axis=0, return_inverse=True)
    deltas = np.einsum("uv,vbd->ubd", unique.astype(np.float32), drawn)
    return TileDeltas(start, start + TILE, deltas, index.reshape(-1)[1:].reshape(-1, 2).astype(np.int32))


# What replaces what is known of some people. Whoever is not named keeps all of theirs.


def with_expression(values: Callable[[Float64Array], Float64Array]) -> Callable[[People, Int64Array], People]:
    """Make a change of expression from what it makes of the old values, float64 `(n_genes, n_changed)`."""

    def changed(people: People, whose: Int64Array) -> People:
        expression = people.expression.copy()
        expression[:, whose] = values(expression[:, whose])
        return replace(people, expression=expression)

    return changed


def other_covariates(people: People, whose: Int64Array) -> People:
    """Draw covariates and hidden factors anew, a hundred times as large."""
    covariates, factors = people.covariates.copy(), people.factors.copy()
    for values in (covariates, factors):
        values[whose] = 100.0 * np.random.default_rng(2).normal(size=(len(whose), 2))
    return replace(people, covariates=covariates, factors=factors)


def other_genotypes(people: People, whose: Int64Array) -> People:
    """Draw dosages anew, and give haplotypes that nobody else carries, in a tile of their own too.

    Other people's rows of `deltas` keep their order, as in a store, where rows are sorted by sequence, and
    new ones come between them.
    """
    rng = np.random.default_rng(3)
    return replace(people, genes=tuple(_with_genotypes(gene, whose, rng) for gene in people.genes))


EXPRESSION: Mapping[str, Callable[[People, Int64Array], People]] = {
    "noise": with_expression(lambda old: np.exp(np.random.default_rng(4).normal(size=old.shape))),
    "huge": with_expression(lambda old: 1e12 * old),
    "permuted": with_expression(lambda old: old[:, ::-1]),
    "missing": with_expression(lambda old: np.full_like(old, np.nan)),
}
"""By name, what may stand in place of expression that must not be read."""


def _with_genotypes(gene: GeneInputs, whose: Int64Array, rng: np.random.Generator) -> GeneInputs:
    assert gene.wide is not None
    dosages, wide = gene.dosages.copy(), gene.wide.dosages.copy()
    for copies in (dosages, wide):
        copies[whose] = rng.integers(0, 3, (len(whose), copies.shape[1]))
    zero_shot = {name: predicted.copy() for name, predicted in gene.zero_shot.items()}
    for predicted in zero_shot.values():
        predicted[whose] = 10.0 * rng.normal(size=len(whose))
    own = replace(gene.tiles[-1], start=gene.tiles[-1].end, end=gene.tiles[-1].end + TILE)
    own = replace(own, deltas=own.deltas[:1], index=np.zeros_like(own.index))
    return replace(
        gene,
        dosages=dosages,
        wide=replace(gene.wide, dosages=wide),
        zero_shot=zero_shot,
        tiles=tuple(_with_carriers(tile, whose, rng) for tile in (*gene.tiles, own)),
    )


def _with_carriers(tile: TileDeltas, whose: Int64Array, rng: np.random.Generator) -> TileDeltas:
    new = 3.0 * rng.normal(size=(len(whose), *tile.deltas.shape[1:])).astype(np.float32)
    rows = np.concatenate([tile.deltas, new])
    index = tile.index.copy()
    index[whose] = len(tile.deltas) + rng.integers(0, len(new), (len(whose), 2))
    place = np.concatenate([[0.0], np.arange(1, len(tile.deltas)), rng.uniform(0, len(rows), len(new))])
    order = np.argsort(place, kind="stable")
    rank = np.empty(len(rows), dtype=np.int32)
    rank[order] = np.arange(len(rows))
    return replace(tile, deltas=rows[order], index=rank[index])

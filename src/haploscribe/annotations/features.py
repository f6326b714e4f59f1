"""Turn raw annotations into features of effect-size priors: gentle, bounded and of one scale."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from haploscribe.errors import InputError
from haploscribe.utils.files import atomic_write
from haploscribe.utils.types import BoolArray, Float32Array, Float64Array, Int64Array

BOUND = 3.0
"""Standard deviations from the mean beyond which a feature does not go."""

_SOFTENING = 0.1  # of the mean absolute value: below it a feature is linear in the annotation
_COLLINEAR = 0.9999
_NEGLIGIBLE = 1e-9
_FILE = "scaling.npz"


@dataclass(frozen=True, slots=True)
class FeatureScaling:
    """How raw annotations become features.

    Annotations come in any unit and with long tails, and the variance of effects grows with their logarithm
    rather than with them. So a feature is `sign(a) log(1 + abs(a) / c)`, c a tenth of the mean size, less its
    mean, over its standard deviation, and at most `BOUND` in size. An annotation of both signs gives a
    second feature, of its size. What has no annotation gets the mean, 0.

    Attributes
    ----------
    names
        `n_features` names.
    columns
        int64 `(n_features,)`; the raw column of each.
    sizes
        bool `(n_features,)`; whether the feature is of the size.
    softening
        float64 `(n_features,)`; c.
    means, deviations
        float64 `(n_features,)`; of the logarithms.
    n_missing
        int64 `(n_features,)`; variants without a value.
    n_variants
        Variants that it was fitted on; one in the windows of several genes counts for each.
    """

    names: tuple[str, ...]
    columns: Int64Array
    sizes: BoolArray
    softening: Float64Array
    means: Float64Array
    deviations: Float64Array
    n_missing: Int64Array
    n_variants: int

    @classmethod
    def fit(cls, names: Sequence[str], raw: Iterable[Float64Array]) -> Self:
        """Fit the scales to all variants of a run; expression has no part in it.

        Parameters
        ----------
        names
            Of the raw columns.
        raw
            float64 `(n_variants, n_columns)` of each gene, NaN where there is no annotation; iterated several
            times.

        Raises
        ------
        InputError
            When an annotation has no value at any variant, or the same at all; when two say the same.
        """
        totals, n_variants = np.zeros(len(names)), 0
        counts, positive, negative = np.zeros((3, len(names)), dtype=np.int64)
        for part in raw:
            n_variants += len(part)
            totals += np.nansum(np.abs(part), axis=0)
            counts += np.isfinite(part).sum(axis=0)
            positive += (part > 0.0).sum(axis=0)
            negative += (part < 0.0).sum(axis=0)
        for name, count in zip(names, counts.tolist(), strict=True):
            if not count:
                raise InputError(
                    f"--annotations: {name} has no value at any of the {n_variants:,} variants; give "
                    "annotations of the reference's build and of the genes' contigs"
                )
        both_signs = (positive > 0) & (negative > 0)
        columns = np.concatenate([np.arange(len(names)), np.flatnonzero(both_signs)])
        sizes = np.arange(len(columns)) >= len(names)
        scaling = cls(
            tuple(
                f"size of {names[i]}" if size else names[i]
                for i, size in zip(columns.tolist(), sizes.tolist(), strict=True)
            ),
            columns,
            sizes,
            np.maximum(_SOFTENING * (totals / counts)[columns], np.finfo(np.float64).tiny),
            np.zeros(len(columns)),
            np.ones(len(columns)),
            n_variants - counts[columns],
            n_variants,
        )
        return scaling._standardised(raw)

    def features(self, raw: Float64Array) -> Float32Array:
        """Return the features of variants, float32 `(n_variants, n_features)`."""
        standardised = (self._logarithms(raw) - self.means) / self.deviations
        bounded = np.clip(np.nan_to_num(standardised, nan=0.0), -BOUND, BOUND)
        return np.asarray(bounded, dtype=np.float32)

    def save(self, folder: Path) -> None:
        """Write it to a folder."""
        with atomic_write(folder / _FILE) as aside, aside.open("wb") as file:
            np.savez(file, allow_pickle=False, **asdict(self))

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        with np.load(folder / _FILE, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        names, n_variants = found.pop("names"), int(found.pop("n_variants"))
        return cls(names=tuple(names.tolist()), n_variants=n_variants, **found)

    def _logarithms(self, raw: Float64Array) -> Float64Array:
        values = raw[:, self.columns]
        signs = np.where(self.sizes, 1.0, np.sign(values))
        return np.asarray(signs * np.log1p(np.abs(values) / self.softening))

    def _standardised(self, raw: Iterable[Float64Array]) -> Self:
        """Return the scaling with means and deviations, after checking that features vary and differ."""
        n_features, n_present = len(self.names), self.n_variants - self.n_missing
        means = np.zeros(n_features)
        for part in raw:
            means += np.nansum(self._logarithms(part), axis=0) / n_present
        products = np.zeros((n_features, n_features))
        for part in raw:
            centred = np.nan_to_num(self._logarithms(part) - means, nan=0.0)
            products += centred.T @ centred
        deviations = np.sqrt(np.diag(products) / n_present)
        for name, deviation in zip(self.names, deviations.tolist(), strict=True):
            if deviation <= _NEGLIGIBLE:
                raise InputError(
                    f"--annotations: {name} is the same at all {self.n_variants:,} variants, and tells none "
                    "from another; leave it out"
                )
        correlations = products / np.sqrt(np.outer(np.diag(products), np.diag(products)))
        first, second = np.nonzero(np.triu(np.abs(correlations) > _COLLINEAR, k=1))
        if first.size:
            raise InputError(
                f"--annotations: {self.names[first[0]]} and {self.names[second[0]]} say the same of every "
                "variant; leave one out"
            )
        return replace(self, means=means, deviations=deviations)

"""Learn across genes before any of them is fitted: measure each, combine far genes, adjust a gene's data."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import Protocol, Self, TypeVar

import numpy as np

from haploscribe.estimators.cross_gene.annotation_effects import (
    AnnotationEffects,
    AnnotationMoments,
    annotation_moments,
)
from haploscribe.estimators.cross_gene.effect_prior import (
    DEFAULT_PRIOR,
    EffectVariancePrior,
    HasemanElstonMoments,
    variance_moments,
)
from haploscribe.estimators.cross_gene.heterogeneity import Heterogeneity
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.utils.files import write_if_absent
from haploscribe.utils.types import BoolArray, Float64Array

MIN_GENES = 100
"""Far genes below which an effect-size prior is not learned from them."""

MomentsT = TypeVar("MomentsT")


class Adjustment(Protocol):
    """What other genes show about one gene in one fold."""

    def adjust(self, inputs: GeneInputs, expression: Float64Array) -> tuple[GeneInputs, Float64Array]:
        """Return what to fit in place of the inputs and the expression of the training samples."""
        ...


class CrossGeneModel(Protocol):
    """What all genes show together in the training samples of one fold."""

    def adjustment(self, far: BoolArray) -> Adjustment:
        """Return what the far genes show about one gene.

        Parameters
        ----------
        far
            bool `(n_genes,)`; which of the measured genes share no variants with it.
        """
        ...


class CrossGeneLearner(Protocol[MomentsT]):
    """One way to learn across genes.

    Genes are measured one by one, in training samples alone; what was measured of all is combined; each gene
    is then adjusted by what the genes far from it show, so that nothing of its own expression comes back.
    """

    def measure(self, inputs: GeneInputs, expression: Float64Array) -> MomentsT:
        """Measure one gene: its inputs and prepared expression in the training samples."""
        ...

    def combine(self, moments: Sequence[MomentsT]) -> CrossGeneModel:
        """Combine what was measured of all genes, in their order."""
        ...


@dataclass(frozen=True, slots=True)
class EffectPriorLearner:
    """Learn how the variance of effects falls with distance to the TSS.

    Attributes
    ----------
    min_genes
        Far genes below which the default prior is used.
    """

    min_genes: int = field(default_factory=lambda: MIN_GENES)

    def measure(self, inputs: GeneInputs, expression: Float64Array) -> HasemanElstonMoments:
        """Compute the moments of one gene; see `CrossGeneLearner.measure`."""
        return variance_moments(inputs.dosages, inputs.distances(), expression)

    def combine(self, moments: Sequence[HasemanElstonMoments]) -> "EffectPriorModel":
        """Sum the moments over genes; see `CrossGeneLearner.combine`."""
        total = _sum(moments)
        return EffectPriorModel(
            np.stack([total.kernels, *(own.kernels for own in moments)]),
            np.stack([total.outcomes, *(own.outcomes for own in moments)]),
            self.min_genes,
        )


@dataclass(frozen=True, slots=True)
class EffectPriorModel:
    """Moments of all genes in one fold.

    Attributes
    ----------
    kernels, outcomes
        `HasemanElstonMoments` of the sum over genes, then of each gene.
    min_genes
        As in `EffectPriorLearner`.
    """

    kernels: Float64Array
    outcomes: Float64Array
    min_genes: int = field(default_factory=lambda: MIN_GENES)

    def adjustment(self, far: BoolArray) -> "PriorAdjustment":
        """Learn one gene's prior; the default where fewer than `min_genes` are far, or show no variance."""
        if np.count_nonzero(far) < self.min_genes:
            return PriorAdjustment(DEFAULT_PRIOR)
        near = _sum([self._of(1 + gene) for gene in np.flatnonzero(~far).tolist()])
        total = self._of(0)
        rest = HasemanElstonMoments(total.kernels - near.kernels, total.outcomes - near.outcomes)
        return PriorAdjustment(rest.prior() or DEFAULT_PRIOR)

    def save(self, folder: Path) -> None:
        """Write the moments to a new folder."""
        with write_if_absent(folder) as aside:
            aside.mkdir()
            np.save(aside / "kernels.npy", self.kernels, allow_pickle=False)
            np.save(aside / "outcomes.npy", self.outcomes, allow_pickle=False)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Map what `save` wrote into memory: processes of one machine share it."""
        kernels, outcomes = (
            np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in ("kernels", "outcomes")
        )
        return cls(kernels, outcomes)

    def _of(self, row: int) -> HasemanElstonMoments:
        return HasemanElstonMoments(np.array(self.kernels[row]), np.array(self.outcomes[row]))


@dataclass(frozen=True, slots=True)
class PriorAdjustment:
    """Set the effect-size prior of a gene's inputs."""

    prior: EffectVariancePrior

    def adjust(self, inputs: GeneInputs, expression: Float64Array) -> tuple[GeneInputs, Float64Array]:
        """Set the prior of the inputs; see `Adjustment.adjust`."""
        return replace(inputs, prior=self.prior), expression


@dataclass(frozen=True, slots=True)
class AnnotationLearner:
    """Learn how the variance of effects goes with annotations, beside distance.

    Attributes
    ----------
    start
        float64 `(n_features,)`; effects around which the likelihood is taken to be quadratic.
    min_genes
        Far genes below which no effect is learned from them.
    """

    start: Float64Array
    min_genes: int = field(default_factory=lambda: MIN_GENES)

    def measure(self, inputs: GeneInputs, expression: Float64Array) -> AnnotationMoments:
        """Compute the moments of one gene at `start`; see `CrossGeneLearner.measure`."""
        assert inputs.annotations is not None
        prior = replace(inputs.prior, annotation_effects=tuple(self.start.tolist()))
        variances = replace(inputs, prior=prior).prior_variances()
        return annotation_moments(inputs.dosages, variances, inputs.annotations, expression)

    def combine(self, moments: Sequence[AnnotationMoments]) -> "AnnotationModel":
        """Gather the moments of all genes; see `CrossGeneLearner.combine`."""
        return AnnotationModel(
            np.stack([own.score for own in moments]),
            np.stack([own.information for own in moments]),
            self.start,
            self.min_genes,
        )


@dataclass(frozen=True, slots=True)
class AnnotationModel:
    """What all genes say of annotations in one fold.

    Attributes
    ----------
    scores, information
        `AnnotationMoments` of each gene.
    start
        float64 `(n_features,)`; as in `AnnotationLearner`.
    min_genes
        As in `AnnotationLearner`.
    """

    scores: Float64Array
    information: Float64Array
    start: Float64Array
    min_genes: int = field(default_factory=lambda: MIN_GENES)

    def effects(self, genes: BoolArray | None = None) -> AnnotationEffects | None:
        """Estimate the effects from some genes, bool `(n_genes,)`, or all; None where they are too few."""
        chosen = np.ones(len(self.scores), dtype=np.bool_) if genes is None else genes
        if np.count_nonzero(chosen) < self.min_genes:
            return None
        return AnnotationMoments(
            self.scores[chosen].sum(axis=0), self.information[chosen].sum(axis=0)
        ).effects(self.start)

    def adjustment(self, far: BoolArray) -> "AnnotationAdjustment":
        """Learn the effects for one gene; none where fewer than `min_genes` are far."""
        found = self.effects(far)
        return AnnotationAdjustment(() if found is None else tuple(found.effects.tolist()))

    def save(self, folder: Path) -> None:
        """Write the moments to a new folder."""
        with write_if_absent(folder) as aside:
            aside.mkdir()
            for name in ("scores", "information", "start"):
                np.save(aside / f"{name}.npy", getattr(self, name), allow_pickle=False)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Map what `save` wrote into memory: processes of one machine share it."""
        return cls(
            *(
                np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
                for name in ("scores", "information", "start")
            )
        )


@dataclass(frozen=True, slots=True)
class AnnotationAdjustment:
    """Set the effects of annotations in the effect-size prior of a gene's inputs."""

    effects: tuple[float, ...]

    def adjust(self, inputs: GeneInputs, expression: Float64Array) -> tuple[GeneInputs, Float64Array]:
        """Set the effects in the prior of the inputs; see `Adjustment.adjust`."""
        prior = replace(inputs.prior, annotation_effects=self.effects)
        return replace(inputs, prior=prior), expression


@dataclass(frozen=True, slots=True)
class HeterogeneityLearner:
    """Learn which expression many genes share that DNA near them does not cause.

    Attributes
    ----------
    covariates
        float64 `(n_samples, n_covariates)` of the training samples, or None.
    factors
        float64 `(n_samples, n_factors)`: hidden factors that count as much as all genes together; or None.
    """

    covariates: Float64Array | None
    factors: Float64Array | None

    def measure(self, inputs: GeneInputs | None, expression: Float64Array) -> Float64Array:
        """Return the expression itself, float64 `(n_samples,)`; see `CrossGeneLearner.measure`."""
        return expression

    def combine(self, moments: Sequence[Float64Array]) -> "HeterogeneityModel":
        """Decompose expression of all genes; see `CrossGeneLearner.combine`."""
        return HeterogeneityModel(Heterogeneity.of(np.stack(moments), self.covariates, self.factors))


@dataclass(frozen=True, slots=True)
class HeterogeneityModel:
    """What all genes share in one fold."""

    shared: Heterogeneity

    def adjustment(self, far: BoolArray) -> "HeterogeneityAdjustment":
        """Return what the far genes share; see `CrossGeneModel.adjustment`."""
        return HeterogeneityAdjustment(self.shared, far)


@dataclass(frozen=True, slots=True)
class HeterogeneityAdjustment:
    """Remove from a gene's expression what genes far from it share."""

    shared: Heterogeneity
    far: BoolArray

    def adjust(self, inputs: GeneInputs, expression: Float64Array) -> tuple[GeneInputs, Float64Array]:
        """Remove it from the expression of the training samples; see `Heterogeneity.removed`."""
        return inputs, self.shared.removed(expression, self.far)


def _sum(moments: Sequence[HasemanElstonMoments]) -> HasemanElstonMoments:
    return reduce(HasemanElstonMoments.__add__, moments, HasemanElstonMoments.none())

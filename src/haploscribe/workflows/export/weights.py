"""Linear weights of a gene's models, as they are exported."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from haploscribe.errors import InputError
from haploscribe.evaluation.heritability import Heritability
from haploscribe.expression.genes import Gene
from haploscribe.utils.types import Float64Array, Int64Array


@dataclass(frozen=True, slots=True)
class GeneVariants:
    """The variants that a gene's models may give a weight.

    Attributes
    ----------
    positions
        int64 `(n_variants,)`; 0-based, of the first base of REF.
    identifiers
        `n_variants` names as in the ID column of the VCF, `.` where it has none.
    refs, alts
        `n_variants` alleles each; a record with several ALT alleles is several variants.
    frequencies
        float64 `(n_variants,)`; of ALT in the training samples: half its mean dosage.
    covariance
        float64 `(n_variants, n_variants)`; of ALT dosages in the training samples, n − 1 in the denominator.
    """

    positions: Int64Array
    identifiers: tuple[str, ...]
    refs: tuple[str, ...]
    alts: tuple[str, ...]
    frequencies: Float64Array
    covariance: Float64Array

    def __post_init__(self) -> None:
        n = len(self.identifiers)
        assert self.positions.shape == self.frequencies.shape == (n,)
        assert len(self.refs) == len(self.alts) == n
        assert self.covariance.shape == (n, n)

    def take(self, rows: Int64Array) -> Self:
        """Return the variants of `rows`, int64 `(n_rows,)`, in that order."""
        chosen = rows.tolist()
        return replace(
            self,
            positions=self.positions[rows],
            identifiers=tuple(self.identifiers[row] for row in chosen),
            refs=tuple(self.refs[row] for row in chosen),
            alts=tuple(self.alts[row] for row in chosen),
            frequencies=self.frequencies[rows],
            covariance=self.covariance[np.ix_(rows, rows)],
        )


@dataclass(frozen=True, slots=True)
class ModelWeights:
    """A linear model of a gene, fitted on all training samples, and its cross-validated performance.

    Attributes
    ----------
    model
        Its name.
    weights
        float64 `(n_variants,)`; change in expression with each copy of ALT.
    intercept
        Expression of a sample without any ALT allele.
    pearson_r, pearson_p, pearson_q
        Between held-out and predicted expression. `pearson_r` and `pearson_p` are those of `metrics.tsv`;
        `pearson_q` is `pearson_p` after Benjamini-Hochberg over all genes that the model was fitted to,
        exported or not: over the exported alone, which are chosen by p, it would be too small.
    kept_r2
        Squared correlation over the training samples of what the weights predict with what the model did
        before it was made sparse; 1 where it was not.
    """

    model: str
    weights: Float64Array
    intercept: float
    pearson_r: float
    pearson_p: float
    pearson_q: float
    kept_r2: float = 1.0

    def take(self, rows: Int64Array) -> Self:
        """Return the variants of `rows`, int64 `(n_rows,)`, in that order."""
        return replace(self, weights=self.weights[rows])

    @property
    def r_squared(self) -> float:
        """Squared `pearson_r`; 0 where that is negative, since predicting the opposite explains nothing."""
        return max(self.pearson_r, 0.0) ** 2


@dataclass(frozen=True, slots=True)
class GeneWeights:
    """Weights of one gene, with its variants.

    Attributes
    ----------
    gene
        The gene.
    n_samples
        Training samples.
    n_window_variants
        Variants of the cis window, with and without weight.
    variants
        `n_variants` of them: all, or those with a weight other than 0 in some model.
    models
        At least one, with distinct names.
    heritability
        Of expression in the training samples, by the variants of the cis window; None where it was not
        estimated.
    marginal_scores
        float64 `(n_variants,)`; for each variant alone, r · √(n_samples − 1), where r is the correlation of
        its ALT dosage with expression; None where it was not computed.
    """

    gene: Gene
    n_samples: int
    n_window_variants: int
    variants: GeneVariants
    models: tuple[ModelWeights, ...]
    heritability: Heritability | None = None
    marginal_scores: Float64Array | None = None

    def __post_init__(self) -> None:
        n = len(self.variants.identifiers)
        assert self.models
        assert len({model.model for model in self.models}) == len(self.models)
        assert all(model.weights.shape == (n,) for model in self.models)
        assert self.marginal_scores is None or self.marginal_scores.shape == (n,)

    def weights_of(self, model: str) -> ModelWeights:
        """Return the weights of one model.

        Raises
        ------
        InputError
            When the gene has none of that name.
        """
        for weights in self.models:
            if weights.model == model:
                return weights
        known = ", ".join(weights.model for weights in self.models)
        raise InputError(
            f"there are no weights of model {model} for gene {self.gene.gene_id}; choose from: {known}"
        )


@dataclass(frozen=True, slots=True)
class ExportCounts:
    """Numbers of genes and weights written.

    Attributes
    ----------
    n_genes
        Genes written.
    n_without_weights
        Genes left out since all their weights are 0.
    n_weights
        Weights other than 0, over genes and models.
    n_without_rsid
        Variants, over genes, whose name does not start with `rs`, because the genotype file has no such name
        or another variant took it: tools that look rsIDs up will not find them.
    """

    n_genes: int
    n_without_weights: int
    n_weights: int
    n_without_rsid: int


def nothing_to_export(models: str) -> InputError:
    """Return the error for an export in which no gene has a weight."""
    return InputError(f"no gene has a weight other than 0 in {models}; export another model or more genes")

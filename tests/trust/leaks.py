"""The audit of single fits: does an estimator of the registry know anything of people it must not know?

`leaks_of` fits an estimator, by its name in the registry alone, through the functions that a run uses, again
and again with another thing changed about people who are held out. It gives the changes that reached the
fitted model, or a prediction.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from haploscribe.arrays import Float64Array
from haploscribe.config.options import Normalisation
from haploscribe.errors import InputError
from haploscribe.estimators.heterogeneity import Heterogeneity
from haploscribe.estimators.protocol import Estimator
from haploscribe.estimators.registry import estimator_factories, shared_factories
from haploscribe.estimators.state import State
from haploscribe.evaluation import cross_validation, folds, lessons, shared_cross_validation
from haploscribe.evaluation.folds import Fold
from haploscribe.evaluation.lessons import Lesson
from haploscribe.evaluation.shared_cross_validation import ManyGenes
from haploscribe.expression.gene_blocks import all_genes_seen
from tests.trust.people import (
    APART,
    EXPRESSION,
    OUTSIDERS,
    TEST,
    UNLISTED,
    People,
    other_covariates,
    other_genotypes,
)

ROUNDING = 1e-5
"""Of one person's prediction when others come or go: networks multiply matrices of other shapes then."""


@dataclass(frozen=True)
class Fitted:
    """What a fit came to, at every gene.

    Attributes
    ----------
    model
        Bytes of all that was learned.
    training, test
        float64 `(n_genes, n)`; what is predicted, and how sure the model is.
    """

    model: bytes
    training: Float64Array
    test: Float64Array


def state_bytes(state: State) -> bytes:
    """Write a state down, each array with its type and shape."""
    arrays = {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in state.arrays.items()}
    parts = {name: state_bytes(part) for name, part in state.parts.items()}
    return repr((sorted(state.numbers.items()), sorted(arrays.items()), sorted(parts.items()))).encode()


def fitted(name: str, people: People, fold: Fold, normalisation: Normalisation) -> Fitted:
    """Fit an estimator of the registry on a fold as a run does, and ask it for training and test people.

    Parameters
    ----------
    name
        As `--models` has it.
    people, fold
        All people; and who is learned from, who is asked about, who is in no set.
    normalisation
        Of expression.
    """
    alone, shared = estimator_factories([name], seed=5), shared_factories([name], seed=5)
    if shared:
        (everything,) = all_genes_seen(len(people.genes))
        genes = ManyGenes(people.genes.__getitem__, people.expression, people.covariates, normalisation)
        model = shared_cross_validation.fit_shared_fold(genes, fold, everything, shared[name])
        asked = [
            [model.predict(gene.take(whose)) for gene in people.genes] for whose in (fold.fitted, fold.test)
        ]
        return Fitted(state_bytes(model.state()), np.array(asked[0]), np.array(asked[1]))
    parts = [_fitted_gene(alone, taught, fold) for taught in _taught(people, fold, normalisation)]
    return Fitted(
        b"".join(part.model for part in parts),
        np.stack([part.training for part in parts]),
        np.stack([part.test for part in parts]),
    )


class _Taught(NamedTuple):
    """A gene of all people, and what is learned from."""

    people: People
    number: int
    prepared: Float64Array
    lesson: Lesson


def _fitted_gene(makers: dict[str, Callable[[], Estimator]], taught: _Taught, fold: Fold) -> Fitted:
    inputs = taught.people.genes[taught.number]
    ((_, model),) = cross_validation.fit_fold(inputs, taught.prepared, fold, makers, taught.lesson)
    asked = []
    for whose in (fold.fitted, fold.test):
        taken = inputs.take(whose)
        asked.append(np.stack([model.predict(taken), _errors(model.standard_errors(taken), len(whose))]))
    return Fitted(state_bytes(model.state()), asked[0], asked[1])


def _errors(errors: Float64Array | None, n: int) -> Float64Array:
    return np.zeros(n) if errors is None else errors


def _taught(people: People, fold: Fold, normalisation: Normalisation) -> Iterator[_Taught]:
    """Prepare each gene, and what the others teach about it, as `haploscribe.stages.lessons` does."""
    prepared = [
        folds.prepare_fold(values, people.covariates, fold, normalisation) for values in people.expression
    ]
    heterogeneity = Heterogeneity.of(
        np.stack(prepared)[:, fold.fitted], people.covariates[fold.fitted], people.factors[fold.fitted]
    )
    genes = [inputs.gene for inputs in people.genes]
    met = []
    for inputs, values in zip(people.genes, prepared, strict=True):
        far = np.array([abs(gene.tss - inputs.gene.tss) >= APART for gene in genes])
        met.append(lessons.meet_gene(inputs, [values], [fold], [heterogeneity], far))
    priors = lessons.priors_from(genes, [found.moments for found in met])
    for number, (found, (prior,)) in enumerate(zip(met, priors, strict=True)):
        yield _Taught(people, number, prepared[number], Lesson(found.expression[0], prior))


def leaks_of(name: str, fold: Fold, normalisation: Normalisation = "inverse-normal") -> list[str]:
    """List what an estimator lets through of what it must not know; nothing for an honest one.

    Parameters
    ----------
    name
        Of the registry.
    fold
        Who is learned from.
    normalisation
        Of expression.
    """
    people = People.made()
    honest = fitted(name, people, fold, normalisation)
    found = []
    for what, change in EXPRESSION.items():
        try:
            other = fitted(name, change(people, OUTSIDERS), fold, normalisation)
        except (ArithmeticError, AssertionError, InputError, ValueError) as error:
            found.append(f"held-out expression ({what}) reaches the fit, which stops: {error}")
            continue
        found += [f"held-out expression ({what}) reaches {part}" for part in _differing(honest, other)]
    other = fitted(name, other_covariates(people, OUTSIDERS), fold, normalisation)
    found += [f"held-out covariates reach {part}" for part in _differing(honest, other)]
    other = fitted(name, other_genotypes(people, OUTSIDERS), fold, normalisation)
    found += [
        f"held-out genotypes reach {part}"
        for part in _differing(honest, other)
        if part != "predictions of held-out people"
    ]
    # Another person's DNA: half of the test people keep theirs.
    half = len(TEST) // 2
    other = fitted(
        name, other_genotypes(people, np.concatenate([TEST[half:], UNLISTED])), fold, normalisation
    )
    if not np.allclose(honest.test[..., :half], other.test[..., :half], rtol=0, atol=ROUNDING):
        found.append("a held-out person's genotypes reach predictions of another")
    return found


def _differing(one: Fitted, other: Fitted) -> list[str]:
    """Name what is not the same to the bit."""
    same = {
        "the fitted model": one.model == other.model,
        "predictions of training people": one.training.tobytes() == other.training.tobytes(),
        "predictions of held-out people": one.test.tobytes() == other.test.tobytes(),
    }
    return [name for name, equal in same.items() if not equal]

"""Fits that several models of a run need: the same one is made once."""

from typing import TypeVar, cast

from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.protocol import Estimator
from haploscribe.utils.types import BoolArray, Float64Array

_Estimator = TypeVar("_Estimator", bound=Estimator)


def fitted(
    estimator: _Estimator,
    inputs: GeneInputs,
    expression: Float64Array,
    validation: BoolArray | None = None,
) -> _Estimator:
    """Fit an estimator, or return one of the same class and parameters that was fitted to the same data.

    The inputs must be the same object, expression and validation equal to the bit. The fits are kept as
    long as `inputs` are: those that cross-validation makes last for one fold of one gene.

    Parameters
    ----------
    estimator
        Not fitted yet; its class and its parameters, all of them hashable, say what it would learn.
    inputs, expression, validation
        As for `Estimator.fit`.

    Returns
    -------
    The fitted estimator, for prediction only: others may hold it too.
    """
    key = (
        type(estimator),
        tuple(sorted(vars(estimator).items())),
        expression.tobytes(),
        None if validation is None else validation.tobytes(),
    )
    if key not in inputs.fits:
        inputs.fits[key] = estimator.fit(inputs, expression, validation)
    return cast("_Estimator", inputs.fits[key])

"""What every estimator demands of its training data."""

import numpy as np

from haploscribe.errors import InputError
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.utils.types import Float64Array


def require_complete(inputs: GeneInputs, expression: Float64Array) -> None:
    """Refuse missing values, which would silently spread to every prediction.

    Raises
    ------
    InputError
        If a dosage or an expression value is NaN or infinite.
    """
    assert expression.shape == (len(inputs.sample_ids),)
    assert inputs.dosages.shape == (len(inputs.sample_ids), inputs.positions.size)
    for name, complete in (
        ("expression", np.isfinite(expression)),
        ("dosages", np.isfinite(inputs.dosages).all(axis=1)),
    ):
        if not complete.all():
            sample_id = inputs.sample_ids[int(np.argmin(complete))]
            raise InputError(
                f"{name} of gene {inputs.gene.gene_id}: not a finite number in {np.sum(~complete)} samples, "
                f"the first {sample_id}; fill in or drop missing values"
            )

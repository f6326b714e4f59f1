"""Predict gene expression from both haplotypes of each sample with genomic foundation models."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from haploscribe._version import __version__ as __version__

if TYPE_CHECKING:
    from haploscribe.api.cohort import example_cohort as example_cohort
    from haploscribe.api.cohort import open_cohort as open_cohort
    from haploscribe.api.embeddings import Embeddings as Embeddings
    from haploscribe.api.embeddings import check_backbone as check_backbone
    from haploscribe.api.models import explain as explain
    from haploscribe.api.models import predict as predict
    from haploscribe.api.models import score as score
    from haploscribe.api.regressor import GeneRegressor as GeneRegressor
    from haploscribe.api.run import combine as combine
    from haploscribe.api.run import read_predictions as read_predictions
    from haploscribe.api.run import read_results as read_results
    from haploscribe.api.run import run as run
    from haploscribe.errors import InputError as InputError

_MODULES = {
    "Embeddings": "haploscribe.api.embeddings",
    "GeneRegressor": "haploscribe.api.regressor",
    "InputError": "haploscribe.errors",
    "check_backbone": "haploscribe.api.embeddings",
    "combine": "haploscribe.api.run",
    "example_cohort": "haploscribe.api.cohort",
    "explain": "haploscribe.api.models",
    "open_cohort": "haploscribe.api.cohort",
    "predict": "haploscribe.api.models",
    "read_predictions": "haploscribe.api.run",
    "read_results": "haploscribe.api.run",
    "run": "haploscribe.api.run",
    "score": "haploscribe.api.models",
}
"""The public API, imported on first use (PEP 562), so that `import haploscribe` loads nothing heavy."""

__all__ = [  # names of `_MODULES`, written out for type checkers
    "Embeddings",
    "GeneRegressor",
    "InputError",
    "__version__",
    "check_backbone",
    "combine",
    "example_cohort",
    "explain",
    "open_cohort",
    "predict",
    "read_predictions",
    "read_results",
    "run",
    "score",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return found


def __dir__() -> list[str]:
    return list(__all__)

"""Haploscribe: each person's gene expression, predicted from both copies of their own DNA."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from haploscribe._version import __version__ as __version__

if TYPE_CHECKING:
    from haploscribe.api.cohort import example_cohort as example_cohort
    from haploscribe.api.cohort import open_cohort as open_cohort
    from haploscribe.api.models import explain as explain
    from haploscribe.api.models import predict as predict
    from haploscribe.api.regressor import GeneRegressor as GeneRegressor
    from haploscribe.api.run import read_predictions as read_predictions
    from haploscribe.api.run import read_results as read_results
    from haploscribe.api.run import run as run

_PLACES = {
    "GeneRegressor": "haploscribe.api.regressor",
    "example_cohort": "haploscribe.api.cohort",
    "explain": "haploscribe.api.models",
    "open_cohort": "haploscribe.api.cohort",
    "predict": "haploscribe.api.models",
    "read_predictions": "haploscribe.api.run",
    "read_results": "haploscribe.api.run",
    "run": "haploscribe.api.run",
}
"""What a notebook uses, imported when first asked for (PEP 562): `import haploscribe` loads nothing heavy."""


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_PLACES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})

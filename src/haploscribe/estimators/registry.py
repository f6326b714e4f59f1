"""Estimators by the names the command line and the results use; a new one is a line here."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, cast

from haploscribe.errors import InputError
from haploscribe.zero_shot.registry import ZERO_SHOT_NAMES

if TYPE_CHECKING:  # the command line reads the names, and must not wait for numpy
    from haploscribe.estimators.base import Estimator, SharedEstimator


class _Entry(NamedTuple):
    module: str
    class_name: str
    seeded: bool
    """Whether it draws anything, and so takes a seed."""
    options: Mapping[str, float | bool | str] = MappingProxyType({})
    """What this name sets of the class's parameters."""
    shared: bool = False
    """Whether it is a `SharedEstimator`, which learns from all genes together."""


_ESTIMATORS = {
    "top-snp": _Entry("haploscribe.estimators.linear.top_snp", "TopSnp", seeded=False),
    "lasso": _Entry(
        "haploscribe.estimators.linear.elastic_net", "ElasticNet", seeded=True, options={"alpha": 1.0}
    ),
    "elastic-net": _Entry("haploscribe.estimators.linear.elastic_net", "ElasticNet", seeded=True),
    "elastic-net-1mb": _Entry("haploscribe.estimators.linear.elastic_net", "WideElasticNet", seeded=True),
    "blup": _Entry("haploscribe.estimators.linear.blup", "DosageBlup", seeded=False),
    "blup-distance": _Entry(
        "haploscribe.estimators.linear.blup", "DosageBlup", seeded=False, options={"by_distance": True}
    ),
    "blup-delta": _Entry("haploscribe.estimators.linear.blup", "DeltaBlup", seeded=False),
    "blup-distance-delta": _Entry(
        "haploscribe.estimators.linear.blup", "DeltaBlup", seeded=False, options={"by_distance": True}
    ),
    "susie": _Entry("haploscribe.estimators.linear.susie", "Susie", seeded=False),
    "adaptive-shrinkage": _Entry(
        "haploscribe.estimators.linear.adaptive_shrinkage", "AdaptiveShrinkage", seeded=False
    ),
    "ensemble": _Entry("haploscribe.estimators.ensemble", "DosageEnsemble", seeded=True),
    "ensemble-delta": _Entry("haploscribe.estimators.ensemble", "DeltaEnsemble", seeded=True),
    "transformer": _Entry("haploscribe.estimators.transformer.gene_model", "Transformer", seeded=True),
    "transformer-all": _Entry(
        "haploscribe.estimators.transformer.multi_gene_model", "SharedTransformer", seeded=True, shared=True
    ),
    **{
        name: _Entry("haploscribe.estimators.zero_shot", "ZeroShot", seeded=False, options={"model": name})
        for name in ZERO_SHOT_NAMES
    },
}

ESTIMATOR_NAMES = tuple(_ESTIMATORS)
SHARED_NAMES = tuple(name for name, entry in _ESTIMATORS.items() if entry.shared)
"""Those that learn from all genes together."""


def check_names(names: Sequence[str], *, unseen_genes: bool = False) -> None:
    """Raise InputError for unknown, repeated or no estimator names.

    With `unseen_genes`, also for one that can predict a gene only from that gene's own expression.
    """
    unknown = [name for name in names if name not in _ESTIMATORS]
    if unknown:
        raise InputError(f"--models: no model {unknown[0]!r}; there are {', '.join(ESTIMATOR_NAMES)}")
    if not names or len(set(names)) < len(names):
        raise InputError(f"--models {','.join(names)}: name each model once, of {', '.join(ESTIMATOR_NAMES)}")
    able = (*SHARED_NAMES, *ZERO_SHOT_NAMES)
    unable = [name for name in names if name not in able]
    if unseen_genes and unable:
        raise InputError(
            f"--gene-split: {unable[0]} learns a gene from that gene's own expression, which it may not see "
            f"of held-out genes; with --gene-split give --models of {', '.join(able)}"
        )


def _estimator_class(name: str) -> "type[Estimator]":
    """Import the estimator's module, and what that needs, only now."""
    entry = _ESTIMATORS[name]
    return cast("type[Estimator]", getattr(import_module(entry.module), entry.class_name))


def _arguments(name: str, seed: int) -> dict[str, float | bool | str]:
    entry = _ESTIMATORS[name]
    return {**entry.options, **({"seed": seed} if entry.seeded else {})}


def reads_deltas(names: Sequence[str]) -> bool:
    """Whether any of these estimators needs tile deltas."""
    return any(_estimator_class(name).reads_deltas for name in names)


def uses_other_genes(names: Sequence[str]) -> bool:
    """Whether any of these estimators learns from more than its own gene."""
    return any(make().uses_other_genes for make in estimator_factories(names, seed=0).values())


def wide_models(names: Sequence[str]) -> tuple[str, ...]:
    """Those of these estimators that need the dosages of the wide window."""
    own = [name for name in names if not _ESTIMATORS[name].shared]
    return tuple(name for name in own if _estimator_class(name).reads_wide)


def estimator_factories(names: Sequence[str], seed: int) -> "dict[str, Callable[[], Estimator]]":
    """Makers of fresh estimators, one a fit, of those names that learn each gene on its own.

    Parameters
    ----------
    names
        Estimator names; their order is kept.
    seed
        Handed to each estimator that draws anything.
    """
    return {
        name: partial(_estimator_class(name), **_arguments(name, seed))
        for name in names
        if not _ESTIMATORS[name].shared
    }


def shared_factories(names: Sequence[str], seed: int) -> "dict[str, Callable[[], SharedEstimator]]":
    """Makers of fresh estimators, one a fit, of those names that learn from all genes together.

    Parameters
    ----------
    names, seed
        As `estimator_factories`.
    """
    return {
        name: cast("Callable[[], SharedEstimator]", partial(_estimator_class(name), **_arguments(name, seed)))
        for name in names
        if _ESTIMATORS[name].shared
    }

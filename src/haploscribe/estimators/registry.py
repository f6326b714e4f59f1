"""Find estimators by the names of `--models`: built-in ones, and plug-ins from outside the package."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from haploscribe.errors import InputError
from haploscribe.utils.plugins import find_plugin, load_plugin, registered_names, source_digest
from haploscribe.zero_shot.registry import ZERO_SHOT_NAMES

if TYPE_CHECKING:  # the command line reads the names, and must not wait for numpy
    from haploscribe.estimators.base import Estimator, Parameter

GROUP = "haploscribe.estimators"
"""Entry-point group in which installed packages register estimators by short name."""

_NAME = re.compile(r"(?P<estimator>[^()]+)(?:\((?P<parameters>.*)\))?")
_NOTHING: Mapping[str, "Parameter"] = MappingProxyType({})


class _Entry(NamedTuple):
    module: str
    class_name: str
    parameters: "Mapping[str, Parameter]" = _NOTHING
    """What this name sets of the class's parameters."""


_ESTIMATORS = {
    "top-snp": _Entry("haploscribe.estimators.linear.top_snp", "TopSnp"),
    "lasso": _Entry("haploscribe.estimators.linear.elastic_net", "ElasticNet", {"alpha": 1.0}),
    "elastic-net": _Entry("haploscribe.estimators.linear.elastic_net", "ElasticNet"),
    "elastic-net-1mb": _Entry("haploscribe.estimators.linear.elastic_net", "WideElasticNet"),
    "blup": _Entry("haploscribe.estimators.linear.blup", "DosageBlup"),
    "blup-distance": _Entry("haploscribe.estimators.linear.blup", "DosageBlup", {"by_distance": True}),
    "blup-delta": _Entry("haploscribe.estimators.linear.blup", "DeltaBlup"),
    "blup-distance-delta": _Entry("haploscribe.estimators.linear.blup", "DeltaBlup", {"by_distance": True}),
    "susie": _Entry("haploscribe.estimators.linear.susie", "Susie"),
    "adaptive-shrinkage": _Entry("haploscribe.estimators.linear.adaptive_shrinkage", "AdaptiveShrinkage"),
    "ensemble": _Entry("haploscribe.estimators.ensemble", "DosageEnsemble"),
    "ensemble-delta": _Entry("haploscribe.estimators.ensemble", "DeltaEnsemble"),
    "transformer": _Entry("haploscribe.estimators.transformer.gene_model", "Transformer"),
    "transformer-all": _Entry("haploscribe.estimators.transformer.multi_gene_model", "MultiGeneTransformer"),
    **{
        name: _Entry("haploscribe.estimators.zero_shot", "ZeroShot", {"model": name})
        for name in ZERO_SHOT_NAMES
    },
}

ESTIMATOR_NAMES = tuple(_ESTIMATORS)

_DOSAGE_TWINS = {"blup-delta": "blup", "blup-distance-delta": "blup-distance", "ensemble-delta": "ensemble"}
"""The same model on genotypes, for models of deltas that have one."""


@dataclass(frozen=True)
class ModelSpec:
    """One model of a run: an estimator and all its parameters.

    Attributes
    ----------
    name
        As `--models` has it, and the tables.
    estimator
        A name of `ESTIMATOR_NAMES`, or `module:Name` of a plug-in.
    parameters
        Every parameter, by name.
    plugin_folder
        As `folder` in `haploscribe.utils.plugins.load_plugin`.
    """

    name: str
    estimator: str
    parameters: "Mapping[str, Parameter]"
    plugin_folder: str | None = field(default=None, compare=False)

    def make(self) -> "Estimator":
        """Return a new estimator, not fitted.

        Raises
        ------
        InputError
            When its class cannot be imported, is not an estimator, or does not take the parameters.
        """
        return _make(estimator_class(self.estimator, self.plugin_folder)[0], self.estimator, self.parameters)

    @cached_property
    def capabilities(self) -> "Estimator":
        """One such estimator, not fitted, for what it reads and can do."""
        return self.make()

    @property
    def source(self) -> str | None:
        """A digest of a plug-in's module; None where it is built in."""
        plugin = None if self.estimator in _ESTIMATORS else find_plugin(self.estimator, GROUP)
        return None if plugin is None else source_digest(plugin)


def model_specs(names: Sequence[str], seed: int, plugin_folder: str | None = None) -> dict[str, ModelSpec]:
    """Return the models of a run by name.

    Parameters
    ----------
    names
        Each a name of `ESTIMATOR_NAMES`, `module:Name`, or the short name that an installed package
        registers; with parameters in brackets, such as `my_ridge:Ridge(penalty=3.0;scaled=true)`, where
        they differ from the defaults.
    seed
        For each estimator with a parameter `seed` that the name does not set.
    plugin_folder
        As `folder` in `haploscribe.utils.plugins.load_plugin`.

    Raises
    ------
    InputError
        When there is no such estimator, it does not follow the protocol, or has no such parameter.
    """
    return {name: _spec(name, seed, plugin_folder) for name in names}


def _spec(name: str, seed: int, plugin_folder: str | None) -> ModelSpec:
    from haploscribe.estimators.base import parameter_defaults, parameters_of  # noqa: PLC0415 - imports numpy

    estimator, given = _parse(name)
    plugin = None if estimator in _ESTIMATORS else find_plugin(estimator, GROUP)
    estimator = estimator if plugin is None else str(plugin)
    kind, preset = estimator_class(estimator, plugin_folder)
    known = parameter_defaults(kind)
    unknown = [one for one in given if one not in known]
    if unknown:
        raise InputError(
            f"model {name}: {estimator} has no parameter {unknown[0]!r}; it has {', '.join(known) or 'none'}"
        )
    drawn = {"seed": seed} if "seed" in known else {}
    made = _make(kind, estimator, {**drawn, **preset, **given})
    return ModelSpec(name, estimator, parameters_of(made), plugin_folder)


def with_distance_twins(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of models, each that reads annotations followed by its twin that reads none.

    Raises
    ------
    InputError
        When no model reads annotations.
    """
    found: list[str] = []
    for name, spec in model_specs(names, seed=0).items():
        reads = spec.capabilities.uses_other_genes and spec.parameters.get("annotations") is True
        found += [name, distance_twin(name)] if reads else [name]
    if len(found) == len(names):
        raise InputError(
            f"--annotations: none of the models {', '.join(names)} reads them; add one that learns across "
            "genes, such as ensemble, or leave --annotations out"
        )
    return tuple(dict.fromkeys(found))


def distance_twin(name: str) -> str:
    """Return the name of the same model with the distance prior alone."""
    parameter = "annotations=false"
    return f"{name[:-1]};{parameter})" if name.endswith(")") else f"{name}({parameter})"


def any_model(specs: Iterable[ModelSpec], capability: str) -> bool:
    """Return whether any model has a capability, such as `reads_deltas`: see `Estimator`."""
    return any(getattr(spec.capabilities, capability) for spec in specs)


def missing_twins(specs: Iterable[ModelSpec]) -> list[str]:
    """Return the dosage twins, on the hard calls that haplotypes are spelled from, that a run lacks."""
    specs = list(specs)
    of_calls = {spec.estimator for spec in specs if spec.capabilities.hard_calls}
    wanted = [_DOSAGE_TWINS[spec.estimator] for spec in specs if spec.estimator in _DOSAGE_TWINS]
    return [f"{name}(hard_calls=true)" for name in wanted if name not in of_calls]


def check_names(names: Sequence[str], *, unseen_genes: bool = False, cross_gene: Path | None = None) -> None:
    """Raise InputError for unknown, repeated or no models, and for plug-ins that break the protocol.

    With `unseen_genes`, also for one that can predict a gene only from that gene's own expression; with
    `cross_gene`, results of another run, where none learns across genes.
    """
    unknown = [
        name
        for name in names
        if _parse(name)[0] not in _ESTIMATORS and find_plugin(_parse(name)[0], GROUP) is None
    ]
    if unknown:
        known = ", ".join((*ESTIMATOR_NAMES, *registered_names(GROUP)))
        raise InputError(f"--models: no model {unknown[0]!r}; there are {known}")
    if not names or len(set(names)) < len(names):
        raise InputError(f"--models {','.join(names)}: name each model once, of {', '.join(ESTIMATOR_NAMES)}")
    specs = model_specs(names, seed=0)
    unable = [name for name, spec in specs.items() if not _needs_no_expression(spec)]
    if unseen_genes and unable:
        able = [
            name for name, spec in model_specs(ESTIMATOR_NAMES, seed=0).items() if _needs_no_expression(spec)
        ]
        raise InputError(
            f"--gene-split: {unable[0]} learns a gene from that gene's own expression, which it may not see "
            f"of held-out genes; with --gene-split give --models of {', '.join(able)}"
        )
    if cross_gene is not None and not any_model(specs.values(), "uses_other_genes"):
        raise InputError(
            f"--cross-gene {cross_gene}: none of {', '.join(names)} learns across genes; leave it out, or "
            "add a model that does, such as ensemble"
        )


def model_name(model: object) -> str:
    """Return the name of a model given as text, or as a class or an instance of an estimator.

    Raises
    ------
    InputError
        When it is none of these, or is defined where other processes cannot import it.
    """
    from haploscribe.estimators.base import Estimator, parameter_defaults, parameters_of  # noqa: PLC0415

    if isinstance(model, str):
        return model
    kind = model if isinstance(model, type) else type(model)
    if not issubclass(kind, Estimator):
        raise InputError(f"models: {model!r} is no estimator; give a name, or subclass {_BASE}")
    if kind.__module__ == "__main__" or "<locals>" in kind.__qualname__:
        raise InputError(
            f"models: {kind.__name__} is defined in {kind.__module__}, from which workers and later sessions "
            "cannot import it; put it in a file, such as my_estimator.py, and import it from there"
        )
    name = f"{kind.__module__}:{kind.__qualname__}"
    if isinstance(model, type):
        return name
    assert isinstance(model, Estimator)
    defaults = parameter_defaults(kind)
    changed = {key: value for key, value in parameters_of(model).items() if defaults[key] != value}
    if any(isinstance(value, str) and re.search(r"[;,()]", value) for value in changed.values()):
        raise InputError(
            f"models: {name} has a parameter with a comma, semicolon or bracket, which a name cannot hold"
        )
    written = ";".join(f"{key}={json.dumps(value)}" for key, value in changed.items())
    return f"{name}({written})" if written else name


_BASE = "haploscribe.estimators.base.GeneEstimator"


def estimator_class(
    estimator: str, plugin_folder: str | None = None
) -> "tuple[type[Estimator], Mapping[str, Parameter]]":
    """Import an estimator's class, and what that needs, only now.

    Returns
    -------
    The class, and the parameters that the name sets: those of an instance, where it names one.

    Raises
    ------
    InputError
        When a plug-in cannot be imported or does not follow the protocol.
    """
    if estimator in _ESTIMATORS:
        entry = _ESTIMATORS[estimator]
        return getattr(import_module(entry.module), entry.class_name), entry.parameters
    from haploscribe.estimators.base import GeneEstimator, MultiGeneEstimator, parameters_of  # noqa: PLC0415

    found = load_plugin(estimator, GROUP, "estimator", plugin_folder)
    kind = found if isinstance(found, type) else type(found)
    # Names come from results folders too: nothing is called but a class that is made to fit.
    if not issubclass(kind, GeneEstimator | MultiGeneEstimator):
        raise InputError(f"estimator {estimator} is no subclass of {_BASE}; make it one")
    missing = sorted(kind.__abstractmethods__)
    if missing:
        raise InputError(f"estimator {estimator} has no {missing[0]}; write it as in {_BASE}")
    return kind, _NOTHING if isinstance(found, type) else parameters_of(found)  # type: ignore[arg-type]


def _make(kind: "type[Estimator]", name: str, parameters: "Mapping[str, Parameter]") -> "Estimator":
    try:
        return kind(**parameters)
    except InputError:
        raise
    except Exception as error:  # whatever the code of a plug-in raises
        raise InputError(f"estimator {name} cannot be made ({type(error).__name__}: {error})") from error


def _parse(name: str) -> "tuple[str, dict[str, Parameter]]":
    """Return a model's estimator and the parameters in its brackets."""
    found = _NAME.fullmatch(name)
    if found is None or not found["parameters"]:
        return name if found is None else found["estimator"], {}
    from haploscribe.utils.validated_json import parse_json  # noqa: PLC0415 - imports pydantic

    parameters: dict[str, Parameter] = {}
    for part in found["parameters"].split(";"):
        key, _, text = part.partition("=")
        try:
            value = parse_json(text)
        except ValueError:
            value = ()
        if not isinstance(value, bool | int | float | str | None):
            raise InputError(f"--models {name}: {part!r} is no parameter; write name=value, as in JSON")
        parameters[key.strip()] = value
    return found["estimator"], parameters


def _needs_no_expression(spec: ModelSpec) -> bool:
    """Return whether a model can predict a gene without that gene's expression."""
    return spec.capabilities.across_genes or spec.capabilities.zero_shot

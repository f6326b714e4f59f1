"""Check a run's inputs, and estimate how long it will take: the subcommand `check`."""

import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from haploscribe.config.annotations import annotation_files
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.embedding.backbones.registry import check_backbone_name
from haploscribe.embedding.stage import LoadedBackbone, with_tile
from haploscribe.estimators.registry import (
    ModelSpec,
    any_model,
    check_names,
    model_specs,
    with_distance_twins,
)
from haploscribe.parallel.executor import Executor
from haploscribe.parallel.open import open_executor
from haploscribe.utils.files import temporary_prefix
from haploscribe.workflows.estimate import Estimate, estimate_run
from haploscribe.workflows.run.annotate import annotate_genes
from haploscribe.workflows.validate import ValidatedCohort, names_by_input, validated_cohort
from haploscribe.workflows.work import WorkContext

_MINUTE, _HOUR = 60.0, 3_600.0


@dataclass(frozen=True, slots=True)
class Checked:
    """What `check` found in inputs that are in order.

    Attributes
    ----------
    facts
        What was found, by its names in print.
    n_samples, n_genes
        Samples and genes of the run.
    estimate
        How long it will take; None for the inputs alone.
    """

    facts: dict[str, str | int]
    n_samples: int
    n_genes: int
    estimate: Estimate | None

    def verdict(self) -> str:
        """Say that all is in order, and how long the run will take."""
        size = f"OK. {self.n_samples:,} samples × {self.n_genes:,} genes"
        if self.estimate is None:
            return size
        without = ", ".join(self.estimate.not_counted)
        return f"{size}, {_roughly(self.estimate.seconds)}" + (f" without {without}" if without else "")


def check(
    options: CohortOptions,
    worker_options: WorkerOptions,
    evaluation: EvaluationOptions | None = None,
    backbone: BackboneOptions | None = None,
) -> Checked:
    """Read all inputs of a run, and say what was found and how long the run will take.

    Parameters
    ----------
    options
        The inputs.
    worker_options
        Where the work is done.
    evaluation
        Evaluation options of a run, whose models are checked first; None for the inputs alone.
    backbone
        Of that run; None for the default.

    Raises
    ------
    InputError
        When an input or an option is invalid.
    """
    specs: tuple[ModelSpec, ...] = ()
    loaded = None
    if evaluation is not None:
        evaluation, specs = _checked_models(evaluation)
        options, loaded = _loaded(options, backbone or BackboneOptions(), specs)
    started = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=temporary_prefix())))
        executor = stack.enter_context(open_executor(worker_options))
        wide, names = any_model(specs, "reads_wide"), names_by_input(specs)
        validated = stack.enter_context(validated_cohort(options, executor, folder, wide=wide, models=names))
        facts, estimate = validated.summary(specs or None), None
        if evaluation is not None:
            if annotation_files(evaluation.annotations):
                facts |= _annotations(validated, evaluation, folder / "annotations")
            read = time.monotonic() - started  # as long as the run will take for that
            estimate = estimate_run(validated, loaded, evaluation, specs, executor)
            estimate = replace(estimate, seconds=read + estimate.seconds)
            if estimate.n_sequences is not None:
                facts["distinct sequences to embed"] = estimate.n_sequences
        cohort = validated.cohort
        return Checked(facts, len(cohort.match.shared), len(cohort.genes), estimate)


def _checked_models(evaluation: EvaluationOptions) -> tuple[EvaluationOptions, tuple[ModelSpec, ...]]:
    """Check the models of a run, and return them, with the twins that annotations bring."""
    check_names(evaluation.models, unseen_genes=evaluation.gene_split is not None)
    if evaluation.annotations:
        evaluation = replace(evaluation, models=with_distance_twins(evaluation.models))
    return evaluation, tuple(model_specs(evaluation.models, evaluation.seed).values())


def _loaded(
    options: CohortOptions, backbone: BackboneOptions, specs: Sequence[ModelSpec]
) -> tuple[CohortOptions, LoadedBackbone | None]:
    """Return the options with a run's tile, and its backbone; None where no model reads deltas."""
    check_backbone_name(backbone.backbone, backbone.revision)
    options, loaded = with_tile(options, backbone)
    if not any_model(specs, "reads_deltas"):
        return options, None
    return options, loaded or LoadedBackbone.load(backbone, options.tile_size)


def _annotations(
    validated: ValidatedCohort, options: EvaluationOptions, folder: Path
) -> dict[str, str | int]:
    """Read the annotations of all genes, and count variants without a value."""
    spec = replace(validated.spec, evaluation=options)
    scaling = annotate_genes(WorkContext(spec, cohort=validated.cached), Executor(1), folder, {})
    counts = zip(scaling.names, scaling.n_missing.tolist(), strict=True)
    return {f"variants without {name}": f"{n:,} of {scaling.n_variants:,}" for name, n in counts}


def _roughly(seconds: float) -> str:
    """Say a time as roughly as it is known."""
    if seconds < 1.5 * _MINUTE:
        return "about a minute"
    if seconds < 1.5 * _HOUR:
        return f"about {seconds / _MINUTE:.0f} minutes"
    return f"about {seconds / _HOUR:,.0f} hours"

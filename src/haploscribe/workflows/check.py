"""Check a run's inputs: the subcommand `check`."""

import tempfile
from dataclasses import replace
from pathlib import Path

from haploscribe.config.annotations import annotation_files
from haploscribe.config.options import CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.estimators.registry import ModelSpec, check_names, model_specs, with_distance_twins
from haploscribe.parallel.executor import Executor
from haploscribe.parallel.open import open_executor
from haploscribe.utils.files import temporary_prefix
from haploscribe.workflows.run.annotate import annotate_genes
from haploscribe.workflows.validate import ValidatedCohort, names_by_input, validated_cohort
from haploscribe.workflows.work import WorkContext


def check(
    options: CohortOptions, worker_options: WorkerOptions, evaluation_options: EvaluationOptions | None = None
) -> dict[str, str | int]:
    """Read all inputs and return what was found.

    Parameters
    ----------
    options
        The inputs.
    worker_options
        Where the work is done.
    evaluation_options
        Evaluation options of a run, whose models are checked first; None for the inputs alone.

    Raises
    ------
    InputError
        When an input or an option is invalid.
    """
    specs: tuple[ModelSpec, ...] = ()
    if evaluation_options is not None:
        check_names(evaluation_options.models, unseen_genes=evaluation_options.gene_split is not None)
        if evaluation_options.annotations:
            with_distance_twins(evaluation_options.models)
        specs = tuple(model_specs(evaluation_options.models, evaluation_options.seed).values())
    with (
        open_executor(worker_options) as executor,
        validated_cohort(options, executor, models=names_by_input(specs)) as validated,
    ):
        found = validated.summary(specs or None)
        if evaluation_options is not None and annotation_files(evaluation_options.annotations):
            found |= _annotations(validated, evaluation_options)
        return found


def _annotations(validated: ValidatedCohort, options: EvaluationOptions) -> dict[str, str | int]:
    """Read the annotations of all genes, and count variants without a value."""
    spec = replace(validated.spec, evaluation=options)
    with tempfile.TemporaryDirectory(prefix=temporary_prefix()) as folder:
        # No cache of genotypes is written for other processes to read.
        scaling = annotate_genes(WorkContext(spec, cohort=validated.cohort), Executor(1), Path(folder), {})
    counts = zip(scaling.names, scaling.n_missing.tolist(), strict=True)
    return {f"variants without {name}": f"{n:,} of {scaling.n_variants:,}" for name, n in counts}

"""Check a run's inputs: the subcommand `check`."""

from haploscribe.cohort.missing_calls import ModelNames
from haploscribe.config.options import CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.estimators.registry import check_names, model_specs
from haploscribe.parallel.open import open_executor
from haploscribe.workflows.validate import names_by_input, validated_cohort


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
    models = ModelNames()
    if evaluation_options is not None:
        check_names(evaluation_options.models, unseen_genes=evaluation_options.gene_split is not None)
        models = names_by_input(model_specs(evaluation_options.models, evaluation_options.seed).values())
    with (
        open_executor(worker_options) as executor,
        validated_cohort(options, executor, models=models) as validated,
    ):
        return validated.summary()

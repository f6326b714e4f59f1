"""Check a run's inputs: the subcommand `check`."""

from haploscribe.cohort.validated import checked_cohort
from haploscribe.config.options import CohortOptions, WorkerOptions
from haploscribe.parallel.executor import open_workers


def check(options: CohortOptions, worker_options: WorkerOptions) -> dict[str, str | int]:
    """Read all inputs and say what was found.

    Raises
    ------
    InputError
        When an input is at fault.
    """
    with open_workers(worker_options) as workers, checked_cohort(options, workers) as checked:
        return checked.facts()

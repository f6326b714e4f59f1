"""Run the whole comparison from a notebook, and read its results."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from haploscribe.api.cohort import OpenedCohort
from haploscribe.api.embeddings import BackboneLike, importable_backbone
from haploscribe.api.keywords import option_groups, takes_options
from haploscribe.api.results import RunResults
from haploscribe.config.options import DEFAULT_BACKBONE, BackboneOptions, EvaluationOptions, WorkerOptions
from haploscribe.config.zero_shot import ZeroShotOptions
from haploscribe.estimators.registry import model_name
from haploscribe.results import tables as results
from haploscribe.utils.files import umask_for
from haploscribe.workflows.combine import combine as combine_runs
from haploscribe.workflows.run import workflow as pipeline


@takes_options(BackboneOptions, EvaluationOptions, ZeroShotOptions, WorkerOptions)
def run(
    cohort: OpenedCohort,
    out: str | Path,
    *,
    backbone: BackboneLike = DEFAULT_BACKBONE,
    store: str | Path | None = None,
    readable_by: str = "owner",
    force: bool = False,
    **options: Any,
) -> RunResults:
    """Embed, train on folds, evaluate and report, as `haploscribe run` does: the same files, to the byte.

    An interrupted run resumes when the same call is made again; a finished one is read. Further `models` are
    fitted and compared with those that are there. Other data or options are refused.

    `models` takes names, and classes or instances of estimators (`haploscribe.estimators.base.GeneEstimator`)
    that are imported from a file.

    Parameters
    ----------
    cohort
        The samples; sequences that are in `store` already are not embedded again.
    out
        Folder of the results; created if missing.
    backbone
        Model that embeds the tiles: a short name (`haploscribe backbones` lists them), the folder of a
        checkpoint, `module:Name`, or a class or an instance at the top level of an importable module, which
        workers and later `predict` import by its name.
    store
        The embedding store; None for one in `out`.
    readable_by
        Who may read the files that are written, as far as your umask lets them: `owner`, `group` or `all`.
    force
        Refit all models and replace the results that `out` holds.
    {options}

    Returns
    -------
    RunResults
        Polars frames `metrics` and `comparison`, the records `summary` and `run`, the names of the models
        that this call has `fitted`, and plots; `haploscribe.read_predictions(out)` returns every held-out
        prediction.

    Raises
    ------
    InputError
        When an input or an option is at fault.

    Examples
    --------
    >>> import haploscribe
    >>> cohort = haploscribe.example_cohort(genes=["ENSG00000128191", "ENSG00000099899"])
    >>> results = haploscribe.run(cohort, "results", models=["top-snp", "blup"])
    >>> results.metrics.select("gene_id", "model").rows()[:2]
    [('ENSG00000099899.10', 'blup'), ('ENSG00000099899.10', 'top-snp')]
    """
    if not isinstance(options.get("models", ""), str):
        options["models"] = [model_name(model) for model in options["models"]]
    kinds = (BackboneOptions, EvaluationOptions, ZeroShotOptions, WorkerOptions)
    given = {"backbone": importable_backbone(backbone), **options}
    chosen, evaluation, zero_shot, workers = option_groups(kinds, given)
    with umask_for(readable_by):
        found = pipeline.run(
            cohort.options,
            chosen,
            evaluation,
            Path(out),
            None if store is None else Path(store),
            zero_shot,
            workers,
            force=force,
        )
    return RunResults.of(found)


def combine(
    results: Sequence[str | Path], out: str | Path, *, readable_by: str = "owner", force: bool = False
) -> RunResults:
    """Combine finished runs of different genes as if one run had done them all: `haploscribe combine`.

    Parameters
    ----------
    results
        Results folders of two runs or more of the same samples, folds, models and options.
    out
        Folder of the results; a new one.
    readable_by
        As for `run`.
    force
        Replace the results that `out` holds.

    Raises
    ------
    InputError
        When runs disagree or have a gene in common, or `out` holds anything.
    """
    with umask_for(readable_by):
        return RunResults.of(combine_runs([Path(folder) for folder in results], Path(out), force=force))


def read_results(folder: str | Path) -> RunResults:
    """Read the results that `run`, or `haploscribe run`, wrote to a folder: what `run` returned.

    Raises
    ------
    InputError
        When a file is missing or damaged.
    """
    return RunResults.of(results.read_results(Path(folder)))


def read_predictions(folder: str | Path) -> pl.DataFrame:
    """Read every held-out prediction that a run wrote to a folder.

    Returns
    -------
    polars.DataFrame
        Columns `gene_id`, `sample_id`, `model`, `fold`, `observed` and `predicted`, the last two on the scale
        of the fold's training samples.

    Raises
    ------
    InputError
        When the file is missing or damaged.
    """
    return results.read_predictions(Path(folder))

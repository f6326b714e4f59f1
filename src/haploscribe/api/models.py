"""Kept models, applied and explained from a notebook."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from haploscribe.api.keywords import option_groups
from haploscribe.interpret.explanation import explanation_tables
from haploscribe.options import ExplanationOptions, PredictionOptions, WorkerOptions, ZeroShotOptions
from haploscribe.utils.files import temporary_prefix
from haploscribe.workflows import explain as explanation
from haploscribe.workflows.predict import workflow as prediction


class NewPredictions(NamedTuple):
    """What kept models say of new people.

    Attributes
    ----------
    predictions
        One row a gene, sample and model; `haploscribe.workflows.predict.tables.NEW_PREDICTION_SCHEMA`.
    coverage
        One row a gene; `haploscribe.workflows.predict.tables.COVERAGE_SCHEMA`.
    """

    predictions: pl.DataFrame
    coverage: pl.DataFrame


def predict(
    models: str | Path, variants: str | Path, reference: str | Path, *, jobs: int = 1, **options: Any
) -> NewPredictions:
    """Predict new people's expression with the models that a run has kept, as `haploscribe predict` does.

    Parameters
    ----------
    models
        The folder `models` of a run's results.
    variants, reference
        The new people's phased genotypes, and the FASTA that they were called on.
    jobs
        Processes that work side by side.
    options
        Any other option of `haploscribe predict` by its name, `_` for `-`: `genes`, `min_coverage`,
        `absent_is_reference`, `backbone`, `store`, `device`, `assume_phased`, and weights of zero-shot
        models of the run: `enformer`, `borzoi`, `flashzoi`, `xpresso`.

    Raises
    ------
    InputError
        When an input is at fault, or no gene has enough of its variants.

    Examples
    --------
    >>> import haploscribe
    >>> cohort = haploscribe.example_cohort(genes="ENSG00000099899", maf=0.05)
    >>> _ = haploscribe.run(cohort, "kept", models=["elastic-net", "blup"], folds=2)
    >>> new = haploscribe.predict("kept/models", cohort.options.variants, cohort.options.reference)
    >>> new.predictions.columns[:4], new.predictions.height
    (['gene_id', 'sample_id', 'model', 'predicted'], 716)
    >>> new.coverage.select("n_variants", "n_found").row(0)
    (618, 618)
    """
    given = {"models": models, "variants": variants, "reference": reference, **options}
    paths = {name: str(value) if isinstance(value, Path) else value for name, value in given.items()}
    chosen, weights = option_groups((PredictionOptions, ZeroShotOptions), paths)
    chosen = replace(chosen, zero_shot=weights)
    with tempfile.TemporaryDirectory(prefix=temporary_prefix()) as folder:
        file = Path(folder) / "predictions.parquet"
        done = prediction.predict(chosen, WorkerOptions(jobs), file)
        return NewPredictions(pl.read_parquet(file), done.coverage)


def explain(
    results: str | Path,
    gene: str,
    *,
    models: Sequence[str] | None = None,
    variants: Sequence[str] = (),
    saturate: str | None = None,
    jobs: int = 1,
) -> dict[str, pl.DataFrame]:
    """Say which variants and tiles drive the prediction of one gene, as `haploscribe explain` does.

    Parameters
    ----------
    results
        Folder of a finished run.
    gene
        Its ID; the version may be left out.
    models
        Names of the models to ask; None for all that were trained.
    variants
        Further alleles to ask about, `chr:pos:ref:alt`, seen in training or not; 1-based.
    saturate
        A stretch, `chr:start-end`, of which every base is substituted.
    jobs
        Threads of the backbone.

    Returns
    -------
    The tables that the verb writes, by the names of their files without the suffix: `variants` and `tiles`;
    `asked` and `saturation` where something was asked.

    Raises
    ------
    InputError
        When the run, the gene, an allele or the stretch is at fault.

    Examples
    --------
    >>> import haploscribe
    >>> cohort = haploscribe.example_cohort(genes="ENSG00000099899", maf=0.05)
    >>> _ = haploscribe.run(cohort, "explained", models=["elastic-net"], folds=2)
    >>> tables = haploscribe.explain("explained", "ENSG00000099899")
    >>> best = tables["variants"].sort(tables["variants"]["effect_elastic-net"].abs(), descending=True)
    >>> best.select("contig", "position", "ref", "alt").row(0)
    ('chr22', 20117296, 'A', 'C')
    """
    options = ExplanationOptions(
        Path(results), gene, None if models is None else tuple(models), tuple(variants), saturate
    )
    with tempfile.TemporaryDirectory(prefix=temporary_prefix()) as folder:
        return explanation_tables(explanation.explain(options, WorkerOptions(jobs), Path(folder)))

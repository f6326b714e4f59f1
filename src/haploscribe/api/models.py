"""Apply and explain saved models, and score alleles with published ones, from a notebook."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from haploscribe.api.keywords import option_groups, takes_options
from haploscribe.config.finished_runs import ExplanationOptions, PredictionOptions
from haploscribe.config.options import WorkerOptions
from haploscribe.config.scoring import ScoringOptions
from haploscribe.config.zero_shot import ZeroShotOptions, ZeroShotWeights
from haploscribe.interpret.explanation import explanation_tables
from haploscribe.workflows import explain as explanation
from haploscribe.workflows import score as scoring
from haploscribe.workflows.predict import workflow as prediction
from haploscribe.workflows.predict.validation import Validation


class NewPredictions(NamedTuple):
    """Predictions of saved models for new samples.

    Attributes
    ----------
    predictions
        One row per gene, sample and model; `haploscribe.workflows.predict.tables.NEW_PREDICTION_SCHEMA`.
    coverage
        One row per gene; `haploscribe.workflows.predict.tables.COVERAGE_SCHEMA`.
    validation
        How well the models predict the `expression` given; None without.
    """

    predictions: pl.DataFrame
    coverage: pl.DataFrame
    validation: Validation | None = None


@takes_options(PredictionOptions, ZeroShotWeights, WorkerOptions)
def predict(
    models: str | Path, variants: str | Path | Sequence[str | Path], reference: str | Path, **options: Any
) -> NewPredictions:
    """Predict the expression of new samples with the saved models of a run, as `haploscribe predict` does.

    Parameters
    ----------
    models
        The folder `models` of a run's results.
    variants, reference
        The new samples' phased genotypes, and the FASTA that they were called on.
    {options}

    Returns
    -------
    NewPredictions
        The tables `predictions` and `coverage`, and with `expression` the `validation`.

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
    (608, 608)
    """
    given = {"models": models, "variants": variants, "reference": reference, **options}
    chosen, weights, workers = option_groups((PredictionOptions, ZeroShotWeights, WorkerOptions), given)
    chosen = replace(chosen, zero_shot=ZeroShotOptions.of(weights))
    predicted = prediction.predict(chosen, workers)
    assert predicted.predictions is not None
    return NewPredictions(predicted.predictions, predicted.coverage, predicted.validation)


@takes_options(ExplanationOptions, WorkerOptions)
def explain(results: str | Path, gene: str, **options: Any) -> dict[str, pl.DataFrame]:
    """Return which variants and tiles drive the prediction of one gene, as `haploscribe explain` does.

    Parameters
    ----------
    results
        Folder of a finished run.
    gene
        Gene ID; the version may be omitted.
    {options}

    Returns
    -------
    dict
        The tables that the subcommand writes, by the names of their files without suffix: `variants` and
        `tiles`; `asked`, `saturation` and `sample` where alleles, a stretch or a sample were given.

    Raises
    ------
    InputError
        When the run, the gene, an allele or the stretch is invalid.

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
    given = {"results": results, "gene": gene, **options}
    chosen, workers = option_groups((ExplanationOptions, WorkerOptions), given)
    return explanation_tables(explanation.explain(chosen, workers))


@takes_options(ScoringOptions, ZeroShotOptions)
def score(
    models: Sequence[str],
    variants: str | Path | Sequence[str | Path],
    reference: str | Path,
    gtf: str | Path,
    **options: Any,
) -> pl.DataFrame:
    """Score each allele near genes with published sequence models, as `haploscribe score` does.

    Parameters
    ----------
    models
        Names of zero-shot models, such as `enformer`.
    variants, reference
        The variants, and the FASTA that they were called on.
    gtf
        The genes: a GTF, or a BED with the gene in column 4 and its strand in column 6.
    {options}

    Returns
    -------
    polars.DataFrame
        One row per gene and allele: `gene_id`, `chrom`, `pos` (1-based), `ref`, `alt`, and the scores.

    Raises
    ------
    InputError
        When an input is at fault, or no variant lies in a gene's window.
    """
    given = {"models": models, "variants": variants, "reference": reference, "gtf": gtf, **options}
    scored = scoring.score(*option_groups((ScoringOptions, ZeroShotOptions), given))
    assert scored.scores is not None
    return scored.scores

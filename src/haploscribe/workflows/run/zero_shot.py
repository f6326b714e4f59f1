"""Predict the genes of a run with its zero-shot models."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from haploscribe.cohort.cohort import Cohort
from haploscribe.config.options import CohortOptions
from haploscribe.config.zero_shot import ZeroShotOptions, weights_option
from haploscribe.errors import InputError
from haploscribe.expression.gene_annotation import GeneAnnotation
from haploscribe.expression.genes import Gene
from haploscribe.results.tables import ZeroShotSummary
from haploscribe.utils.progress import Timer, stage
from haploscribe.zero_shot.predictions import PredictedGenes, TestTimeAugmentation, predict_genes
from haploscribe.zero_shot.registry import LoadedModel

ZERO_SHOT_NAME = "zero_shot"
"""The folder of what they predict, in the results of a run."""


def augmentation(options: ZeroShotOptions) -> TestTimeAugmentation:
    """Return shifts and strands over which predictions are averaged."""
    return TestTimeAugmentation(options.shifts, options.reverse_complement)


def read_annotation(
    options: CohortOptions, models: Sequence[LoadedModel], earlier: Sequence[Gene] = ()
) -> GeneAnnotation | None:
    """Read the GTF, with the exons if a model reads them.

    Parameters
    ----------
    options
        The inputs; the GTF is one of them, or None.
    models
        Zero-shot models.
    earlier
        Genes of the run that models are added to: their exons are kept.

    Raises
    ------
    InputError
        When the GTF is damaged, or there is none and a model reads exons.
    """
    readers = [loaded.model.name for loaded in models if loaded.model.reads_exons]
    if readers and options.gtf is None:
        raise InputError(
            f"--{readers[0]}-tracks: RNA is read over exons; give --gtf, or read other tracks than RNA"
        )
    return GeneAnnotation.read(options.gtf, exons=bool(readers) or any(gene.exons for gene in earlier))


def predict_zero_shot(
    cohort: Cohort,
    models: Sequence[LoadedModel],
    averaged: TestTimeAugmentation,
    record: Mapping[str, Any],
    folder: Path,
    timer: Timer,
) -> dict[str, PredictedGenes]:
    """Predict all genes with each zero-shot model; a stopped run resumes.

    Parameters
    ----------
    cohort
        Samples and genes.
    models
        The models; may be none.
    averaged
        From `augmentation`.
    record
        From `run_record`, with the weights of the models.
    folder
        Has a file for each weights and reading.
    timer
        Takes the time.
    """
    if not models:
        return {}
    predicted = {}
    with timer.timed("predicting_zero_shot"):
        for model in (loaded.model for loaded in models):
            read = record["inputs"][weights_option(model.name)]
            key = hashlib.blake2b(f"{read['digest']} {read['reading']}".encode(), digest_size=8).hexdigest()
            known = folder / f"{model.name}-{key}.parquet"
            with stage(f"Predicting with {model.name}", len(cohort.genes), "genes") as advance:
                predicted[model.name] = predict_genes(
                    model, cohort.genotypes, cohort.genes, averaged, known, advance
                )
    return predicted


def zero_shot_summaries(predicted: Mapping[str, PredictedGenes]) -> dict[str, ZeroShotSummary]:
    """Return the models' part of `summary.json`."""
    return {
        name: ZeroShotSummary(
            forward_passes=found.forward_passes,
            naive_forward_passes=found.naive_forward_passes,
            seconds=found.seconds,
        )
        for name, found in predicted.items()
    }

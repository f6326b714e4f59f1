"""Read the annotations of the variants of every gene, and scale them to features."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from haploscribe.annotations.base import AnnotatedAlleles
from haploscribe.annotations.features import FeatureScaling
from haploscribe.annotations.models import DeltaSizes, zero_shot_effects
from haploscribe.config.annotations import BACKBONE, ZERO_SHOT
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions
from haploscribe.config.zero_shot import ZeroShotOptions, weights_option
from haploscribe.embedding.stage import LoadedBackbone
from haploscribe.errors import InputError
from haploscribe.expression.genes import Gene
from haploscribe.genome.reference import Reference
from haploscribe.genome.variants import Variants, alt_alleles
from haploscribe.parallel.executor import Executor, map_to_files
from haploscribe.results.cross_gene_files import CROSS_GENE
from haploscribe.results.tables import AnnotationSummary
from haploscribe.utils.files import atomic_write
from haploscribe.utils.hashing import work_key
from haploscribe.utils.progress import Timer, stage
from haploscribe.utils.types import Float64Array
from haploscribe.workflows.validate import ValidatedCohort
from haploscribe.workflows.work import WorkContext, raw_annotations
from haploscribe.zero_shot.base import SequenceModel
from haploscribe.zero_shot.predictions import TestTimeAugmentation
from haploscribe.zero_shot.registry import LoadedModel

AlleleScorer = Callable[[Gene, Variants], Float64Array]
"""What a model of the run knows of each ALT allele of a gene's window, float64 `(n_alleles,)`."""


def annotate(
    validated: ValidatedCohort,
    options: tuple[CohortOptions, BackboneOptions, EvaluationOptions, ZeroShotOptions],
    record: Mapping[str, Any],
    zero_shot: Sequence[LoadedModel],
    loaded: LoadedBackbone | None,
    executor: Executor,
    timer: Timer,
) -> Path | None:
    """Read the annotations of all genes of a run; a stopped run resumes.

    Parameters
    ----------
    validated
        The run's cohort.
    options
        Of the run.
    record
        From `run_record`.
    zero_shot
        The run's zero-shot models.
    loaded
        Its backbone; None where no model reads deltas.
    executor
        Runs the work on files.
    timer
        Takes the time.

    Returns
    -------
    The folder of what `annotate_genes` wrote; None where the run has no annotations.

    Raises
    ------
    InputError
        As `annotate_genes`, or when a zero-shot model is not one of the run's.
    """
    cohort_options, backbone_options, evaluation, zero_shot_options = options
    if not evaluation.annotations:
        return None
    reference, tile_size = validated.cohort.genotypes.reference, cohort_options.tile_size
    augmentation = TestTimeAugmentation(zero_shot_options.shifts, zero_shot_options.reverse_complement)
    models = {ZERO_SHOT + one.model.name: one.model for one in zero_shot}
    scorers: dict[str, AlleleScorer] = {}
    contents = [record["inputs"].get("annotations")]
    for text in evaluation.annotations:
        if text == BACKBONE:
            loaded = loaded or LoadedBackbone.load(backbone_options, tile_size)
            contents.append(loaded.key)
            scorers[text] = partial(_delta_sizes, DeltaSizes(loaded.backbone, reference, tile_size))
        elif text.startswith(ZERO_SHOT):
            if text not in models:
                name = text.removeprefix(ZERO_SHOT)
                raise InputError(f"--annotations {text}: {name} is no zero-shot model of --models; add it")
            contents.append(record["inputs"][weights_option(models[text].name)])
            scorers[text] = partial(_effects, models[text], reference, augmentation)
    folder = validated.spec.folder / f"annotations-{work_key(options, *contents)}"
    context = WorkContext(replace(validated.spec, evaluation=evaluation), cohort=validated.cached)
    with timer.timed("reading_annotations"):
        annotate_genes(context, executor, folder, scorers)
    return folder


def _delta_sizes(sizes: DeltaSizes, _: Gene, variants: Variants) -> Float64Array:
    return sizes.read(variants)


def _effects(
    model: SequenceModel,
    reference: Reference,
    augmentation: TestTimeAugmentation,
    gene: Gene,
    variants: Variants,
) -> Float64Array:
    return zero_shot_effects(model, reference, gene, variants, augmentation)


def annotate_genes(
    context: WorkContext, executor: Executor, folder: Path, scorers: Mapping[str, AlleleScorer]
) -> FeatureScaling:
    """Write the raw annotations of every gene's cis variants, and the scales that make them features.

    Parameters
    ----------
    context
        The run, open in this process.
    executor
        Reads files; models work in this process.
    folder
        For the files. Those that are there are not made again.
    scorers
        What models of the run know.

    Raises
    ------
    InputError
        When a file is at fault, or an annotation says nothing of any variant, or nothing that differs.
    """
    numbers = context.cohort.genome_order()
    columns = context.annotations.columns  # opened here first: a file at fault is no worker's to find
    parts = [folder / "files"]
    if columns:
        files = [(raw_annotations(parts[0], number), number) for number in numbers]
        with stage("Reading annotations", len(numbers), "genes") as advance:
            map_to_files(executor, context.spec, _annotate_gene, files, advance, context)
    for name, scorer in scorers.items():
        parts.append(folder / f"model-{len(parts)}")
        with stage(f"Scoring alleles with {name}", len(numbers), "genes") as advance:
            for number in numbers:
                _score_gene(context, number, scorer, raw_annotations(parts[-1], number))
                advance(1)
    read = parts if columns else parts[1:]
    for number in numbers:
        found = [np.load(raw_annotations(part, number), allow_pickle=False) for part in read]
        _write(raw_annotations(folder, number), np.concatenate(found, axis=1))
    files_of_genes = [raw_annotations(folder, number) for number in numbers]
    scaling = _scaling(context, (*columns, *scorers), _Arrays(files_of_genes))
    scaling.save(folder)
    return scaling


def _scaling(context: WorkContext, names: Sequence[str], raw: Iterable[Float64Array]) -> FeatureScaling:
    """Return what makes annotations features: that of the run whose effects are taken, or one fitted here."""
    other = context.evaluation.cross_gene
    if other is None:
        return FeatureScaling.fit(names, raw)
    scaling = FeatureScaling.open(other / CROSS_GENE)
    if scaling.names[: len(names)] != tuple(names):
        raise InputError(
            f"--cross-gene {other}: that run has the annotations {', '.join(scaling.names)}; give the same "
            "--annotations in the same order"
        )
    return scaling


@dataclass(frozen=True, slots=True)
class _Arrays:
    """Arrays of files, one in memory at a time."""

    files: list[Path]

    def __iter__(self) -> Iterator[Float64Array]:
        return (np.load(file, allow_pickle=False) for file in self.files)


def _annotate_gene(context: WorkContext, number: int, path: Path) -> None:
    """Write the raw annotations of one gene, float64 `(n_variants, n_columns)`."""
    gene = context.cohort.genes[number]
    found = alt_alleles(context.cohort.cis_variants(gene))
    alleles = AnnotatedAlleles(
        gene.contig,
        np.array([allele.position for allele in found], dtype=np.int64),
        tuple(allele.reference.decode() for allele in found),
        tuple(allele.alternate.decode() for allele in found),
        gene.gene_id,
    )
    _write(path, context.annotations.read(alleles))


def _score_gene(context: WorkContext, number: int, scorer: AlleleScorer, path: Path) -> None:
    """Write what a model knows of one gene's alleles, float64 `(n_variants, 1)`."""
    if not path.exists():
        gene = context.cohort.genes[number]
        _write(path, scorer(gene, context.cohort.cis_variants(gene))[:, None])


def _write(path: Path, values: Float64Array) -> None:
    with atomic_write(path) as aside, aside.open("wb") as file:
        np.save(file, values, allow_pickle=False)


def annotation_summaries(context: WorkContext) -> list[AnnotationSummary]:
    """Return what the annotations of a run do to effects, learned in all samples."""
    scaling = context.annotation_scaling
    learned = context.annotation_models[context.all_samples.number].effects()
    return [
        AnnotationSummary(
            feature=name,
            effect=None if learned is None else float(learned.effects[i]),
            standard_error=None if learned is None else float(learned.standard_errors[i]),
            n_missing=int(scaling.n_missing[i]),
            n_variants=scaling.n_variants,
        )
        for i, name in enumerate(scaling.names)
    ]

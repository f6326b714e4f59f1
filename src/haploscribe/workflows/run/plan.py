"""Say what a run will do before it does it: its stages, and its size in one line."""

from collections.abc import Sequence

from haploscribe.config.options import EvaluationOptions
from haploscribe.embedding.backbones.base import device_name
from haploscribe.embedding.stage import LoadedBackbone
from haploscribe.estimators.registry import ModelSpec, any_model
from haploscribe.parallel.executor import Executor
from haploscribe.results.tables import STAGES
from haploscribe.workflows.embed import count_windows
from haploscribe.workflows.validate import ValidatedCohort


def planned_stages(specs: Sequence[ModelSpec], evaluation: EvaluationOptions) -> tuple[str, ...]:
    """Return the keys of the stages that a run of these models has, in order."""
    uses_other_genes, annotated = any_model(specs, "uses_other_genes"), bool(evaluation.annotations)
    left_out = {
        "embedding": not any_model(specs, "reads_deltas"),
        "predicting_zero_shot": not any_model(specs, "zero_shot"),
        "reading_annotations": not annotated,
        "comparing_genes": not uses_other_genes,
        "weighing_annotations": not (annotated and uses_other_genes),
    }
    return tuple(key for key in STAGES if not left_out.get(key, False))


def header(validated: ValidatedCohort, loaded: LoadedBackbone | None, executor: Executor) -> str:
    """Return the line that a run begins with: its size, and what embeds.

    Parameters
    ----------
    validated
        Its cohort, whose distinct sequences are counted.
    loaded
        The backbone; None where no model reads deltas.
    executor
        Runs the work.
    """
    cohort = validated.cohort
    size = f"{len(cohort.match.shared):,} samples × {len(cohort.genes):,} genes"
    if loaded is None:
        return f"{size}; no model reads sequence"
    counts = count_windows(validated, executor)
    where = "the cluster's workers" if executor.is_remote else device_name(loaded.backbone)
    return (
        f"{size}; {counts.unique_haplotypes:,} distinct sequences of {counts.naive_forward_passes:,} "
        f"haplotypes in {counts.tiles:,} tiles; backbone {loaded.backbone.name} on {where}"
    )

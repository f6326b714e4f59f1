"""Compare models that read annotations of variants with the same models that know distance alone.

In every fold the prior is learned in training samples, for each gene from genes at least 1 Mb away. Each
annotation on 5 folds; the first one also with fewer training samples.
"""

from pathlib import Path

from benchmarks.accuracy.parts.part import Setting, Table, model_rows, table
from benchmarks.common.cohort import read_populations, splits_of, write_split
from haploscribe.config.options import EvaluationOptions
from haploscribe.estimators.registry import distance_twin

MODELS = ("blup-distance", "susie", "adaptive-shrinkage", "ensemble")


def tables(setting: Setting) -> list[Table]:
    """Run, and return a table for each annotation and each split."""
    first = setting.annotations[0]
    made = [
        _table(setting, annotation, f"results-{_name(annotation)}", f"{_name(annotation)}, 5 folds")
        for annotation in setting.annotations
    ]
    for number, (name, sets) in enumerate(splits_of(read_populations(setting.source)).items()):
        split = write_split(sets, setting.out / f"split-{number}.txt")
        folder, title = f"results-{_name(first)}-{number}", f"{_name(first)}, trained on {name}"
        made.append(_table(setting, first, folder, title, split))
    return made


def _name(annotation: str) -> str:
    return annotation.split("=", 1)[0]


def _table(setting: Setting, annotation: str, folder: str, title: str, split: Path | None = None) -> Table:
    """Run with one annotation; the run adds each model's twin."""
    evaluation = EvaluationOptions(models=MODELS, annotations=(annotation,), split=split)
    results = setting.results(evaluation, folder)
    learned = "; ".join(
        f"{row['feature']} {row['effect']:+.3f} (standard error {row['standard_error']:.3f})"
        for row in results.summary["annotations"]
    )
    text = f"Learned, as the change in the log variance of effects with one standard deviation: {learned}."
    twins = {model: distance_twin(model) for model in MODELS}
    return table(title, text, model_rows(results, twins, MODELS))

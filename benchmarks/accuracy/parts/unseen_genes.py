"""Predict new samples at genes that no model was trained on.

68 samples are predicted by models trained on the 290 others: once at the genes that the models learned from,
and once at genes held out in five blocks along the chromosome.
"""

from dataclasses import replace

from benchmarks.accuracy.parts.part import Setting, Table, model_rows, table
from benchmarks.common.cohort import read_populations, splits_of, write_split
from haploscribe.config.options import EvaluationOptions

SPLIT = "290 samples, others tested"
N_BLOCKS = 5
OWN, SHARED = "blup-distance-delta", "transformer-all"


def tables(setting: Setting) -> list[Table]:
    """Run, and return a table for seen and one for unseen genes."""
    sets = splits_of(read_populations(setting.source))[SPLIT]
    evaluation = EvaluationOptions(split=write_split(sets, setting.out / "split.txt"))
    zero_shot = () if setting.xpresso is None else ("xpresso",)
    seen = setting.results(replace(evaluation, models=(OWN, SHARED, *zero_shot)), "results-0")
    unseen = setting.results(
        replace(evaluation, models=(SHARED, *zero_shot), gene_split=N_BLOCKS), "results-1"
    )
    sizes = f"{len(sets['train'])} samples in training, {len(sets['test'])} tested."
    return [
        table("New samples at trained genes", sizes, model_rows(seen, OWN)),
        table(f"New samples at unseen genes, {N_BLOCKS} blocks", sizes, model_rows(unseen, {})),
    ]

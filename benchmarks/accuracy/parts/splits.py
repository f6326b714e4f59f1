"""Compare dosage models with fewer training samples, and in another ancestry.

One random set of 68 samples is tested on models trained on 69, 138, 206 and 290 of the others; and the 92
samples of FIN on models trained on CEU, GBR and TSI.
"""

from benchmarks.accuracy.parts.part import Setting, Table, model_rows, table
from benchmarks.common.cohort import read_populations, splits_of, write_split
from haploscribe.config.options import EvaluationOptions

BASELINE = "elastic-net"
MODELS = (BASELINE, "blup", "blup-distance", "susie", "adaptive-shrinkage", "ensemble")


def tables(setting: Setting) -> list[Table]:
    """Run, and return a table for each split."""
    made = []
    for number, (name, sets) in enumerate(splits_of(read_populations(setting.source)).items()):
        split = write_split(sets, setting.out / f"split-{number}.txt")
        results = setting.results(EvaluationOptions(models=MODELS, split=split), f"results-{number}")
        sizes = f"{len(sets['train'])} samples in training, {len(sets['test'])} tested."
        made.append(table(f"Trained on {name}", sizes, model_rows(results, BASELINE)))
    return made

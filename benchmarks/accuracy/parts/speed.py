"""Measure the time of each model and of embedding, and set the speed benchmarks' times beside their peers'.

The speed benchmarks write their pages too. Needs R with glmnet, bcftools, and GenVarLoader in an environment
of its own.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.accuracy.parts.models import usual_models, with_reads
from benchmarks.accuracy.parts.part import Setting, Table, table
from benchmarks.common.measuring import Seconds, timed
from benchmarks.common.ratios import read_ratios
from haploscribe.config.options import BackboneOptions, EvaluationOptions, WorkerOptions
from haploscribe.utils.files import atomic_write, remove_atomically
from haploscribe.workflows.embed import embed

ROOT = Path(__file__).parents[3]
EVERY = 10
"""At most one gene in so many is taken."""
BACKBONES = ("nano", "kmer", "random")
BENCHMARKS = ("embedding", "haplotypes", "elastic_net", "reading", "allele_effects")


def tables(setting: Setting) -> list[Table]:
    """Run, and return the tables."""
    setting = replace(setting, every=max(EVERY, setting.every), jobs=1)
    ratios = [ratio for name in BENCHMARKS for ratio in read_ratios(run_benchmark(setting, name))]
    rows = [{**asdict(ratio), "times": ratio.theirs / ratio.ours} for ratio in ratios]
    return [
        table("Beside other programs", _BESIDE, rows),
        table("Embedding", _EMBEDDING, embedding_rows(setting)),
        table("Models", _MODELS, time_rows(setting)),
    ]


_BESIDE = (
    "Seconds of both in the same run, on the same data and machine. The pages of `embedding`, `haplotypes`, "
    "`elastic_net`, `reading` and `allele_effects`, written by the same run, say how, and that the results "
    "are equal."
)
_EMBEDDING = (
    "Seconds and forward passes of one gene, the mean over genes, where no store has anything yet: from the "
    "VCF to the store, one process. A plain loop reads both haplotypes of each sample in every tile."
)
_MODELS = (
    "Seconds of one gene, the mean over genes, of a run with this model alone in one process: 5 folds, the "
    "model of all samples that is kept, metrics and report. Embeddings are there already."
)


def run_benchmark(setting: Setting, name: str) -> Path:
    """Run a speed benchmark in a process of its own, unless it is done; return the file of its ratios."""
    path = setting.out / f"{name}.json"
    if not path.exists():
        setting.out.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "benchmarks", name, "--source", setting.source, "--ratios", path]
        command += ["--table", setting.pages / f"{name}.md"]
        if name == "haplotypes":
            assert setting.genvarloader is not None
            command += ["--genvarloader", setting.genvarloader]
        if name == "allele_effects":
            command += ["--out", setting.out / name]
        with timed(setting.spent):
            subprocess.run(list(map(str, command)), cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return path


def embedding_rows(setting: Setting) -> list[dict[str, object]]:
    """Embed the cis windows of the genes with each backbone into a new store."""
    rows = []
    for backbone in BACKBONES:
        store, options = setting.out / f"{backbone}.zarr", BackboneOptions(backbone)

        def work(store: Path = store, options: BackboneOptions = options) -> dict[str, int]:
            remove_atomically(store)
            summary = embed(setting.cohort(), options, store, WorkerOptions(1))
            return {name: summary[name] for name in ("genes", "forward_passes", "naive_forward_passes")}

        found = measured_once(setting, f"embedding-{backbone}", work)
        ours, theirs = (found[name] / found["genes"] for name in ("forward_passes", "naive_forward_passes"))
        rows.append(
            {"backbone": f"`{backbone}`", "passes": ours, "naive": theirs, "times": theirs / ours}
            | _seconds(found)
        )
    return rows


def time_rows(setting: Setting) -> list[dict[str, object]]:
    """Run each model alone at the genes, after a run of all that embeds and compiles."""
    models = usual_models()
    setting.results(EvaluationOptions(models=models), "results")
    rows = []
    for model in models:
        folder = f"results-{model}"

        def work(model: str = model, folder: str = folder) -> dict[str, int]:
            remove_atomically(setting.out / folder)
            untimed = replace(setting, spent=Seconds())
            return {"genes": untimed.results(EvaluationOptions(models=(model,)), folder).metrics.height}

        found = measured_once(setting, model, work)
        rows.append({**with_reads({"model": model, "genes": found["genes"]}), **_seconds(found)})
    return rows


def measured_once(setting: Setting, name: str, work: Callable[[], Mapping[str, Any]]) -> dict[str, float]:
    """Return what some work counts, and its `wall` and `processor` seconds; from a file if it was done."""
    path = setting.out / f"seconds-{name}.json"
    if not path.exists():
        seconds = Seconds()
        with timed(seconds):
            counted = work()
        with atomic_write(path) as aside:
            aside.write_text(json.dumps({**counted, **asdict(seconds)}), encoding="utf-8")
    found: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    setting.spent.wall += found["wall"]
    return found


def _seconds(found: Mapping[str, float]) -> dict[str, float]:
    return {clock: found[clock] / found["genes"] for clock in ("wall", "processor")}

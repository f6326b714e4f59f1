"""Compare all models on the genes of the benchmark cohort: also with dosage twins, and by heritability."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.accuracy.anatomy import HERITABILITY_EDGES, TWINS, classes_of
from benchmarks.accuracy.gene_traits import gene_traits
from benchmarks.accuracy.parts.part import Setting, Table, model_rows, paired, table
from haploscribe.cohort.cohort import open_cohort
from haploscribe.config.options import EvaluationOptions
from haploscribe.estimators.registry import ESTIMATOR_NAMES, model_specs
from haploscribe.evaluation.paired import compare_models
from haploscribe.results.tables import Results

BASELINE = "elastic-net"
SHOWN = ("ensemble", "ensemble-delta", "susie", "transformer", "blup")
"""Models whose lead is shown by heritability."""


def usual_models() -> tuple[str, ...]:
    """Return the models that need no file and learn each gene on its own."""
    able = {name: spec.capabilities for name, spec in model_specs(ESTIMATOR_NAMES, seed=0).items()}
    return tuple(name for name, model in able.items() if not (model.zero_shot or model.across_genes))


def tables(setting: Setting) -> list[Table]:
    """Run, and return the tables."""
    zero_shot = () if setting.xpresso is None else ("xpresso",)
    results = setting.results(EvaluationOptions(models=usual_models() + zero_shot))
    twins = [row for row in model_rows(results, TWINS) if "against" in row]
    return [
        table("All models", "", [with_reads(row) for row in model_rows(results, BASELINE)]),
        table("Models of sequence beside their dosage twins", "", twins),
        table(
            "By heritability",
            "By the variants of the cis window, REML in all samples.",
            heritability_rows(setting, results),
        ),
    ]


def with_reads(row: Mapping[str, Any]) -> dict[str, Any]:
    """Say in a row what its model reads."""
    (spec,) = model_specs((row["model"],), seed=0).values()
    able = spec.capabilities
    deltas = "both" if row["model"] == "ensemble-delta" else "`nano` deltas"
    reads = "sequence" if able.zero_shot else deltas if able.reads_deltas else "dosages"
    return {"model": row["model"], "reads": reads, **row}


def heritability_rows(setting: Setting, results: Results) -> list[Mapping[str, Any]]:
    """Return the lead of some models over the elastic net, by class of heritability."""
    models = [model for model in SHOWN if model in results.summary["models"]]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        with open_cohort(setting.cohort(), out) as cohort:
            traits = gene_traits(cohort, set(results.metrics["gene_id"]))
    rows: list[Mapping[str, Any]] = []
    for name, members in classes_of(traits["heritability"].to_numpy(), HERITABILITY_EDGES).items():
        genes = traits.filter(members)["gene_id"].to_list()
        metrics = results.metrics.filter(
            pl.col("gene_id").is_in(genes) & pl.col("model").is_in([BASELINE, *models])
        )
        compared = compare_models(metrics, genes).filter(model_b=BASELINE)
        leads = {row["model_a"]: row for row in compared.iter_rows(named=True)}
        rows += [
            {
                "heritability": name,
                "model": model,
                "genes": len(genes),
                "mean_r": leads[model]["mean_r_a"],
                "against": BASELINE,
                **paired(leads[model]),
            }
            for model in models
        ]
    return rows

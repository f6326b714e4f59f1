"""A run's models as a table of MultiQC: its custom content, which needs no plug-in."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from haploscribe.cohort.missing_calls import MAX_MISSING, missing_share
from haploscribe.errors import InputError
from haploscribe.report.tables import model_rows
from haploscribe.results.tables import Results
from haploscribe.utils.files import atomic_write

_SUFFIX = "_mqc.json"
"""By which MultiQC knows the file."""

_COLUMNS: Mapping[str, Mapping[str, Any]] = {
    "genes": {
        "title": "Genes",
        "description": "Genes that the model was measured at",
        "format": "{:,d}",
        "scale": False,
    },
    "samples": {
        "title": "Samples",
        "description": "Samples that were held out and predicted",
        "format": "{:,d}",
        "scale": False,
    },
    "mean_r": {
        "title": "Mean r",
        "description": "Pearson's r in held-out samples, mean over genes",
        "format": "{:,.3f}",
        "scale": "Greens",
        "min": 0,
    },
    "genes_fdr_5": {
        "title": "Genes at FDR 5 %",
        "description": "Genes that are predicted at a false discovery rate of 5 %",
        "format": "{:,d}",
        "scale": "Blues",
        "min": 0,
    },
    "missing_calls": {
        "title": "Missing calls",
        "description": "Genotype calls that are missing, of the variants used",
        "format": "{:,.2f}",
        "suffix": " %",
        "scale": "Reds",
        "min": 0,
        "max": 100 * MAX_MISSING,
    },
    "passes_saved": {
        "title": "Passes saved",
        "description": "Sequences of all haplotypes in all tiles, by distinct ones, which alone the backbone "
        "reads; models of deltas alone",
        "format": "{:,.1f}",
        "suffix": " ×",
        "scale": "Purples",
        "min": 0,
    },
}


def write_multiqc(path: Path, folder: Path, results: Results, delta_models: Collection[str]) -> None:
    """Write the table of a run's models as custom content of MultiQC, one row per model.

    MultiQC merges the files of several runs into one table, where a run is known by its folder's name.

    Parameters
    ----------
    path
        The file; its name ends in `_mqc.json`.
    folder
        The results folder.
    results
        What it holds.
    delta_models
        Names of the models that read deltas.

    Raises
    ------
    InputError
        When the file is named otherwise or cannot be written, or the table of missing calls is damaged.
    """
    if not path.name.endswith(_SUFFIX):
        raise InputError(f"--multiqc {path}: name a file that ends in {_SUFFIX}, by which MultiQC knows it")
    n_samples = dict(results.metrics.group_by("model").agg(pl.col("n_samples").max()).iter_rows())
    embedding = results.summary["embedding"]
    saved = embedding and embedding["naive_forward_passes"] / max(1, embedding["unique_haplotypes"])
    missing = 100 * missing_share(folder)
    rows = {
        f"{folder.resolve().name} | {row.model}": {
            "genes": row.n_genes,
            "samples": n_samples[row.model],
            "mean_r": row.mean_r,
            "genes_fdr_5": row.n_significant,
            "missing_calls": missing,
        }
        | ({"passes_saved": saved} if saved and row.model in delta_models else {})
        for row in model_rows(results)
    }
    content = {
        "id": "haploscribe",
        "section_name": "Haploscribe",
        "description": "Models of gene expression from both haplotypes, measured in held-out samples.",
        "plot_type": "table",
        "pconfig": {
            "id": "haploscribe_models",
            "title": "Haploscribe: models",
            "col1_header": "Run and model",
        },
        "headers": _COLUMNS,
        "data": rows,
    }
    with atomic_write(path) as aside:
        aside.write_text(
            json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
        )

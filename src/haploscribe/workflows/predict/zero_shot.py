"""Predict target samples with the zero-shot models of a run, on the scale of its training samples."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import polars as pl

from haploscribe.cohort.windows import GeneWindows
from haploscribe.errors import InputError
from haploscribe.estimators.zero_shot import ZeroShot
from haploscribe.expression.genes import Gene
from haploscribe.parallel.threads import threads
from haploscribe.results.saved_models import SavedModels
from haploscribe.utils.files import atomic_write
from haploscribe.utils.progress import stage
from haploscribe.workflows.predict.tables import NEW_PREDICTION_SCHEMA
from haploscribe.zero_shot.predictions import TestTimeAugmentation, predict_gene
from haploscribe.zero_shot.registry import LoadedModel


def predict_zero_shot(
    saved: SavedModels,
    models: Sequence[LoadedModel],
    augmentation: TestTimeAugmentation,
    windows: GeneWindows,
    indices: Sequence[int],
    work: Path,
) -> list[list[Path]]:
    """Predict every gene with every model; genes that have their file are not predicted again.

    Parameters
    ----------
    saved
        The saved models of the run, which have the scales.
    models
        The zero-shot models, with their weights.
    augmentation
        Shifts and strands that predictions are averaged over.
    windows
        Windows of the genes to predict, in the target samples.
    indices
        Indices of these genes in the models' record.
    work
        Folder for the files.

    Returns
    -------
    For each gene, one Parquet file per model with the columns of `NEW_PREDICTION_SCHEMA`.
    """
    files: list[list[Path]] = [[] for _ in indices]
    for loaded in models:
        name = loaded.model.name
        with stage(f"Predicting with {name}", len(indices), "genes") as advance:
            for gene, index, found in zip(windows.genes, indices, files, strict=True):
                found.append(work / f"{name}-{index:06d}.parquet")
                if not found[-1].exists():
                    _predict(saved, loaded, augmentation, windows, (gene, index), found[-1])
                advance(1)
    return files


def _predict(
    saved: SavedModels,
    loaded: LoadedModel,
    augmentation: TestTimeAugmentation,
    windows: GeneWindows,
    gene: tuple[Gene, int],
    file: Path,
) -> None:
    name, (placed, index) = loaded.model.name, gene
    scale = cast("ZeroShot", saved.of_gene(index, [name])[name])
    with threads(1):
        try:
            found = predict_gene(loaded.model, windows.genotypes, placed, augmentation)
        except FileNotFoundError:
            raise InputError(
                f"gene {placed.gene_id}: deletions leave too little of the haplotypes around it for {name}; "
                f"leave out --{name}"
            ) from None
    # A sample's prediction is the mean of those of its haplotypes, shifted and scaled.
    shares = scale.scale_ * (found.haplotypes - found.reference) / 2.0
    columns = {
        "gene_id": placed.gene_id,
        "sample_id": list(windows.genotypes.sample_ids),
        "model": name,
        "predicted": scale.intercept_ + scale.scale_ * (found.samples - scale.centre_),
        "standard_error": None,
        "haplotype_0": shares[:, 0],
        "haplotype_1": shares[:, 1],
    }
    with atomic_write(file) as aside:
        pl.DataFrame(columns, schema=NEW_PREDICTION_SCHEMA).write_parquet(aside)

"""Read what the page shows of a gene when its row is opened."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from haploscribe.config.options import MODELS_NAME
from haploscribe.estimators.registry import ModelSpec
from haploscribe.interpret.explanation import RegionTracks
from haploscribe.report.tables import GeneRow
from haploscribe.results.saved_models import SavedModels
from haploscribe.results.tables import read_predictions_of
from haploscribe.utils.types import Float64Array

DRAWN_GENES = 30
"""Genes whose figures a page holds, about 60 kB and 0.2 s each; at the others it names the command."""

_HERITABILITY = "blup"
"""The model whose REML estimate of heritability is shown."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """Held-out predictions of one gene by one model.

    Attributes
    ----------
    model
        The model.
    observed, predicted
        float64 `(n_samples,)`; on the scale of the fold's training samples.
    """

    model: str
    observed: Float64Array
    predicted: Float64Array


@dataclass(frozen=True, slots=True)
class GeneDetail:
    """What the page shows of one gene beside its row.

    Attributes
    ----------
    predictions
        Those of its best model; None where none were kept.
    tracks
        Its region; None where no model of its own was saved.
    heritability
        Share of the variance that its variants explain together, by REML in all samples; None where no
        model `blup` says.
    """

    predictions: Predictions | None = None
    tracks: RegionTracks | None = None
    heritability: float | None = None


def saved_details(
    genes: Sequence[GeneRow], models: Sequence[str], folder: Path, most: int = DRAWN_GENES
) -> dict[str, GeneDetail]:
    """Read the details of the best-predicted genes; no genotypes are read.

    Parameters
    ----------
    genes
        The table of genes.
    models
        Names, in the order of `GeneRow.r`.
    folder
        The results folder; without its folder of models, as older versions left it, there are no regions.
    most
        The number of genes, at most.

    Returns
    -------
    dict
        By gene ID, the best-predicted first.

    Raises
    ------
    InputError
        When a file is missing or damaged.
    """
    best = [
        gene for gene in sorted(genes, key=lambda gene: (-gene.best_r, gene.gene_id)) if gene.best is not None
    ]
    chosen = {gene.gene_id: models[gene.best] for gene in best[:most] if gene.best is not None}
    predictions = _predictions(folder, chosen)
    regions = _Regions(SavedModels(folder / MODELS_NAME)) if (folder / MODELS_NAME).is_dir() else None
    details = {
        gene_id: GeneDetail(
            predictions=predictions.get(gene_id),
            tracks=None if regions is None else regions.tracks(gene_id),
            heritability=None if regions is None else regions.heritability(gene_id),
        )
        for gene_id in chosen
    }
    return {gene_id: detail for gene_id, detail in details.items() if detail != GeneDetail()}


def _predictions(folder: Path, chosen: dict[str, str]) -> dict[str, Predictions]:
    found = read_predictions_of(folder, chosen).partition_by("gene_id", as_dict=True)
    return {
        gene_id: Predictions(chosen[gene_id], part["observed"].to_numpy(), part["predicted"].to_numpy())
        for (gene_id,), part in found.items()
    }


class _Regions:
    """Reads regions from the saved models of a run."""

    def __init__(self, saved: SavedModels) -> None:
        self._saved = saved
        self._indices = {gene.gene_id: index for index, gene in enumerate(saved.record.genes)}

    def tracks(self, gene_id: str) -> RegionTracks | None:
        """Return what was saved of a gene's region, and the effects of models of the cis window's dosages."""
        saved, index = self._saved, self._indices[gene_id]
        region = saved.region(index)
        if region is None:
            return None
        gene = saved.record.genes[index]
        models = saved.of_gene(
            index, [name for name, spec in saved.specs.items() if _reads_cis_dosages(spec)]
        )
        weights = {name: model.linear_weights() for name, model in models.items()}
        return RegionTracks(
            gene=gene,
            neighbours=tuple(
                other for other in saved.record.genes if other.contig == gene.contig and other != gene
            ),
            contig=gene.contig,
            start=int(region.spans[0, 0]),
            end=int(region.spans[-1, 1]),
            positions=region.positions,
            names=region.names,
            log10_p=-region.association.log10_p,
            effects={name: found.weights for name, found in weights.items() if found is not None},
            tiles=region.spans,
            tile_weights=region.tile_weights,
        )

    def heritability(self, gene_id: str) -> float | None:
        """Return the heritability that the model `blup` estimated in all samples."""
        if _HERITABILITY not in self._saved.specs:
            return None
        (model,) = self._saved.of_gene(self._indices[gene_id], [_HERITABILITY]).values()
        estimate = getattr(model, "h2_", math.nan)
        return None if math.isnan(estimate) else float(estimate)


def _reads_cis_dosages(spec: ModelSpec) -> bool:
    """Return whether a model reads the dosages of the cis window alone."""
    able = spec.capabilities
    return not (able.across_genes or able.zero_shot or able.reads_deltas or able.reads_wide)

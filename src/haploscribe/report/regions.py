"""The regions that a page shows, from the folder of kept models: no genotypes are read again."""

from pathlib import Path

import numpy as np

from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.registry import SHARED_NAMES, reads_deltas, wide_models
from haploscribe.interpret.effects import dosage_effects
from haploscribe.interpret.explanation import RegionTracks
from haploscribe.report.region_data import regions_within_budget
from haploscribe.report.tables import genes_by_best_r
from haploscribe.results.saved_models import SavedModels
from haploscribe.results.tables import Results
from haploscribe.zero_shot.registry import ZERO_SHOT_NAMES


def kept_regions(results: Results, models: Path) -> dict[str, RegionTracks]:
    """Gather the regions of the best-predicted genes, as many as a page can hold.

    Parameters
    ----------
    results
        What the run found.
    models
        Its folder of kept models; results of older versions have none, and no regions.

    Raises
    ------
    InputError
        When a file of the folder is missing or damaged.
    """
    if not models.is_dir():
        return {}
    kept = SavedModels(models)
    places = {gene.gene_id: number for number, gene in enumerate(kept.record.genes)}
    return regions_within_budget(
        genes_by_best_r(results.metrics), lambda gene_id: _tracks(kept, places[gene_id])
    )


def _tracks(kept: SavedModels, number: int) -> RegionTracks | None:
    """Give what is kept of a gene's region: tests, and the effects of models of the cis window's dosages."""
    region = kept.region(number)
    if region is None:
        return None
    gene = kept.record.genes[number]
    dosages = np.zeros((1, len(region.names)), dtype=np.float32)
    inputs = GeneInputs(gene, ("nobody",), region.positions, dosages)
    shown = [
        name
        for name in kept.record.models
        if name not in SHARED_NAMES + ZERO_SHOT_NAMES and not reads_deltas([name]) and not wide_models([name])
    ]
    models = kept.of_gene(number, shown)
    return RegionTracks(
        gene=gene,
        neighbours=tuple(
            other for other in kept.record.genes if other.contig == gene.contig and other != gene
        ),
        contig=gene.contig,
        start=int(region.spans[0, 0]),
        end=int(region.spans[-1, 1]),
        positions=region.positions,
        names=region.names,
        log10_p=-region.association.log10_p,
        effects={name: dosage_effects(model, inputs) for name, model in models.items()},
        tiles=region.spans,
        tile_weights=region.tile_weights,
    )

"""Restore fitted models from a folder of saved models, gene by gene."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from haploscribe.cohort.windows import GeneWindows
from haploscribe.errors import InputError
from haploscribe.estimators.base import Estimator
from haploscribe.estimators.registry import ESTIMATOR_NAMES, ModelSpec
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.tiles import TILES_PER_BLOCK, cis_window
from haploscribe.genome.variants import AltAllele, alt_alleles
from haploscribe.interpret.association import MarginalAssociation
from haploscribe.results.models_folder import (
    ModelsRecord,
    gene_file,
    multi_gene_file,
    read_known_variants,
    read_record,
)
from haploscribe.results.state_files import damage_as_input_error, read_state
from haploscribe.utils.types import Float64Array, Int64Array


@dataclass(frozen=True, slots=True)
class SavedRegion:
    """What is saved of a gene's cis window, beside its models.

    Attributes
    ----------
    spans
        int64 `(n_tiles, 2)`; start and end of its tiles, 0-based half-open.
    tile_weights
        float64 `(n_tiles,)` for each model of the gene's own that reads deltas; see
        `haploscribe.interpret.effects.tile_weights`.
    positions
        int64 `(n_variants,)`; 0-based, of each dosage column.
    names
        `n_variants` names: see `AltAllele.label`.
    association
        Expression of the training samples regressed on each column alone.
    """

    spans: Int64Array
    tile_weights: Mapping[str, Float64Array]
    positions: Int64Array
    names: tuple[str, ...]
    association: MarginalAssociation


class SavedModels:
    """The models of a folder.

    Parameters
    ----------
    folder
        The folder `models` of a finished run.
    plugin_folder
        Where plug-ins are looked for beside the installed packages; None for the current folder.

    Attributes
    ----------
    record
        What was trained, on what.
    specs
        The models by name.

    Raises
    ------
    InputError
        When the folder cannot be read, or has a model that this version or this machine does not have.
    """

    def __init__(self, folder: Path, plugin_folder: str | None = None) -> None:
        self.folder = folder
        self.record = read_record(folder)
        self.specs = {model.name: model.spec(plugin_folder) for model in self.record.models}
        for spec in self.specs.values():
            if ":" not in spec.estimator and spec.estimator not in ESTIMATOR_NAMES:
                raise InputError(
                    f"{folder} has a model {spec.estimator!r} that this version of Haploscribe does not "
                    "know; upgrade it"
                )
            _ = spec.capabilities  # a plug-in that is missing stops here
        self._multi_gene: dict[str, Estimator] = {}

    def of_gene(self, number: int, names: Sequence[str] | None = None) -> dict[str, Estimator]:
        """Restore the models of one gene.

        Parameters
        ----------
        number
            The gene's index in the record.
        names
            Of the models wanted; None for all.

        Returns
        -------
        By name, in the order of the record; those that learned from all genes among them.

        Raises
        ------
        InputError
            When a file is missing or damaged.
        """
        wanted = {name: self.specs[name] for name in (self.specs if names is None else names)}
        own = [name for name, spec in wanted.items() if not spec.capabilities.across_genes]
        path = gene_file(self.folder, number)
        with damage_as_input_error(path):
            states = read_state(path).parts["models"].parts if own else {}
        missing = [name for name in own if name not in states]
        if missing:
            raise InputError(
                f"{path} lacks the model {missing[0]}; copy the whole folder again, or run again"
            )
        found = {}
        for name, spec in wanted.items():
            if spec.capabilities.across_genes:
                found[name] = self._restore_multi_gene(spec)
                continue
            with damage_as_input_error(path):
                found[name] = spec.make().restore(states[name])
        return found

    def region(self, number: int) -> SavedRegion | None:
        """Read what is saved of a gene's cis window; None where all models learned from all genes together.

        Raises
        ------
        InputError
            When a file is missing or damaged.
        """
        if all(spec.capabilities.across_genes for spec in self.specs.values()):
            return None
        gene, parts = self.record.genes[number], read_state(gene_file(self.folder, number)).parts
        spans = parts["tiles"].arrays["spans"]
        window = cis_window(gene.contig, gene.tss, self.record.window, int(spans[-1, 1]))
        start, end = window.start, window.end
        span = self.record.tile * TILES_PER_BLOCK
        alleles: list[AltAllele] = []
        for block in range(start // span, -(-end // span)):
            sites = read_known_variants(self.folder, gene.contig, block).sites
            # What extends into a block from the left is saved in the block before it too.
            alleles += alt_alleles(sites.starting_in(max(start, block * span), min(end, (block + 1) * span)))
        return SavedRegion(
            spans=spans,
            tile_weights=parts["tiles"].parts["weights"].arrays,
            positions=np.array([allele.position for allele in alleles], dtype=np.int64),
            names=tuple(allele.label(gene.contig) for allele in alleles),
            association=MarginalAssociation(**parts["association"].arrays),
        )

    def prior(self, number: int) -> dict[str, Float64Array]:
        """Read what the effect-size prior of a gene says of each variant of its cis window.

        Returns
        -------
        float64 `(n_variants,)` each: `distance`, the variance expected of effects by distance, relative to
        that at the TSS; and `annotations`, what annotations multiply it by, where the run had any. Empty
        where no model reads the prior.

        Raises
        ------
        InputError
            When a file is missing or damaged.
        """
        if all(spec.capabilities.across_genes for spec in self.specs.values()):
            return {}
        found = read_state(gene_file(self.folder, number)).parts.get("prior")
        return {} if found is None else dict(found.arrays)

    def _restore_multi_gene(self, spec: ModelSpec) -> Estimator:
        """Restore a model that learned from all genes together, once."""
        if spec.name not in self._multi_gene:
            state = read_state(multi_gene_file(self.folder, spec.name))
            self._multi_gene[spec.name] = spec.make().restore(state)
        return self._multi_gene[spec.name]


def windows_of(record: ModelsRecord, genotypes: Genotypes) -> GeneWindows:
    """Return the windows of the genes of saved models in other samples; contigs are named as in their FASTA.

    Parameters
    ----------
    record
        The models' record.
    genotypes
        The samples.
    """
    names = {gene.contig: genotypes.reference.resolve(gene.contig) for gene in record.genes}
    return GeneWindows(
        genotypes=genotypes,
        genes=tuple(replace(gene, contig=names[gene.contig]) for gene in record.genes),
        window=record.window,
        tile_size=record.tile,
        wide=record.wide,
    )

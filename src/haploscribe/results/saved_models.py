"""Fitted models, read back from a folder of kept models as genes are asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from haploscribe.cohort.windows import GeneWindows
from haploscribe.errors import InputError
from haploscribe.estimators.base import Estimator, SharedEstimator
from haploscribe.estimators.registry import (
    ESTIMATOR_NAMES,
    SHARED_NAMES,
    estimator_factories,
    shared_factories,
    wide_models,
)
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.tiles import TILES_PER_BLOCK
from haploscribe.genome.variants import AltAllele, alt_alleles
from haploscribe.interpret.association import MarginalAssociation
from haploscribe.results.models_folder import (
    ModelsRecord,
    gene_file,
    read_known_variants,
    read_record,
    shared_file,
)
from haploscribe.results.state_files import damage_as_input_error, read_state
from haploscribe.utils.types import Float64Array, Int64Array


@dataclass(frozen=True, slots=True)
class SavedRegion:
    """What is kept of a gene's cis window, beside its models.

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
        `n_variants` identifiers; `chr:pos:ref:alt`, 1-based, where the variants file had none.
    association
        Expression of the training people regressed on each column alone.
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
        What `run` left as `models`.

    Attributes
    ----------
    record
        What was trained, on what.

    Raises
    ------
    InputError
        When the folder cannot be read, or has a model that this version does not know.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record = read_record(folder)
        unknown = [name for name in self.record.models if name not in ESTIMATOR_NAMES]
        if unknown:
            raise InputError(
                f"{folder} has a model {unknown[0]!r} that this version of Haploscribe does not know; "
                "upgrade it"
            )
        self._own = estimator_factories(self.record.models, self.record.seed)
        self._shared: dict[str, SharedEstimator] | None = None

    def of_gene(
        self, number: int, names: Sequence[str] | None = None
    ) -> dict[str, Estimator | SharedEstimator]:
        """Restore the models of one gene.

        Parameters
        ----------
        number
            The gene's place in the record.
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
        wanted = self.record.models if names is None else names
        makers = {name: make for name, make in self._own.items() if name in wanted}
        path = gene_file(self.folder, number)
        with damage_as_input_error(path):
            states = read_state(path).parts["models"].parts if makers else {}
        missing = [name for name in makers if name not in states]
        if missing:
            raise InputError(
                f"{path} lacks the model {missing[0]}; copy the whole folder again, or run again"
            )
        with damage_as_input_error(path):
            found: dict[str, Estimator | SharedEstimator] = {
                name: make().restore(states[name]) for name, make in makers.items()
            }
        if set(wanted) & set(SHARED_NAMES):
            found |= self._read_shared()
        return {name: found[name] for name in wanted}

    def region(self, number: int) -> SavedRegion | None:
        """Read what is known of a gene's cis window; None where its models are all shared with other genes.

        Raises
        ------
        InputError
            When a file is missing or damaged.
        """
        if not self._own:
            return None
        gene, parts = self.record.genes[number], read_state(gene_file(self.folder, number)).parts
        spans = parts["tiles"].arrays["spans"]
        start, end = int(spans[0, 0]), int(spans[-1, 1])
        span = self.record.tile * TILES_PER_BLOCK
        alleles: list[AltAllele] = []
        for block in range(start // span, -(-end // span)):
            sites = read_known_variants(self.folder, gene.contig, block).sites
            # What reaches into a block from the left is kept in the block before it too.
            alleles += alt_alleles(sites.starting_in(max(start, block * span), min(end, (block + 1) * span)))
        return SavedRegion(
            spans=spans,
            tile_weights=parts["tiles"].parts["weights"].arrays,
            positions=np.array([allele.position for allele in alleles], dtype=np.int64),
            names=tuple(allele.name(gene.contig) for allele in alleles),
            association=MarginalAssociation(**parts["association"].arrays),
        )

    def _read_shared(self) -> dict[str, SharedEstimator]:
        if self._shared is None:
            makers = shared_factories(self.record.models, self.record.seed)
            self._shared = {
                name: make().restore(read_state(shared_file(self.folder, name)))
                for name, make in makers.items()
            }
        return self._shared


def windows_of(record: ModelsRecord, genotypes: Genotypes) -> GeneWindows:
    """Give the windows of the genes that models know, in other people; contigs are named as their FASTA does.

    Parameters
    ----------
    record
        The models' record.
    genotypes
        The people.
    """
    names = {gene.contig: genotypes.reference.resolve(gene.contig) for gene in record.genes}
    return GeneWindows(
        genotypes=genotypes,
        genes=tuple(replace(gene, contig=names[gene.contig]) for gene in record.genes),
        window=record.window,
        tile_size=record.tile,
        wide=bool(wide_models(record.models)),
    )

"""What tests and models find at one gene: as tables, and as tracks along its cis window."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from haploscribe.expression.genes import Gene
from haploscribe.genome.variants import AltAllele
from haploscribe.interpret.association import MarginalAssociation
from haploscribe.utils.files import atomic_write
from haploscribe.utils.names import printable
from haploscribe.utils.types import Float64Array, Int64Array

VARIANTS, ASKED, TILES, SATURATION, SAMPLE = "variants", "asked", "tiles", "saturation", "sample"


@dataclass(frozen=True, slots=True)
class AlleleNames:
    """Positions and names of ALT alleles.

    Attributes
    ----------
    positions
        int64 `(n_alleles,)`; 0-based.
    references, alternates, identifiers
        `n_alleles` texts each.
    """

    positions: Int64Array
    references: tuple[str, ...]
    alternates: tuple[str, ...]
    identifiers: tuple[str, ...]

    @classmethod
    def of(cls, found: Sequence[AltAllele]) -> "AlleleNames":
        """Name alleles."""
        return cls(
            np.array([allele.position for allele in found], dtype=np.int64),
            tuple(allele.reference.decode() for allele in found),
            tuple(allele.alternate.decode() for allele in found),
            tuple(printable(allele.identifier) for allele in found),
        )

    def labels(self, contig: str) -> tuple[str, ...]:
        """Return the names of a figure: see `AltAllele.label`."""
        alleles = zip(
            self.positions.tolist(), self.references, self.alternates, self.identifiers, strict=True
        )
        return tuple(
            AltAllele(position, ref.encode(), alt.encode(), name).label(contig)
            for position, ref, alt, name in alleles
        )

    def columns(self, contig: str) -> dict[str, object]:
        """Return the columns that name alleles in a table; positions are 1-based, as in VCF."""
        return {
            "contig": contig,
            "position": self.positions + 1,
            "ref": self.references,
            "alt": self.alternates,
            "identifier": self.identifiers,
        }


@dataclass(frozen=True, slots=True)
class OwnEffects:
    """Effects of the alleles of a window on one sample's haplotypes.

    Attributes
    ----------
    sample_id
        The sample.
    copies
        int64 `(n_alleles,)`; copies that it carries.
    effects
        float64 `(n_alleles, 2)` for each model: change in expression with one and two copies against none;
        NaN where the model does not read the allele.
    """

    sample_id: str
    copies: Int64Array
    effects: Mapping[str, Float64Array]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Effects of alleles and weights of tiles at one gene, model by model.

    Attributes
    ----------
    gene
        The gene.
    names
        The alleles of its window that the models were trained on.
    frequencies
        float64 `(n_alleles,)`; frequency of ALT in the training haplotypes.
    association
        Expression of the training samples regressed on each allele alone.
    effects
        float64 `(n_alleles,)` for each model: change in expression per copy of ALT; NaN where the
        model does not read the allele.
    spans
        int64 `(n_tiles, 2)`; start and end of the tiles of the cis window.
    tile_weights
        float64 `(n_tiles,)` for each model; see `haploscribe.interpret.effects.tile_weights`.
    attention
        float64 `(n_tiles,)` for each model with attention: its mean over the training haplotypes.
    queried, queried_effects
        Alleles given by the user, and their effects; empty without any.
    mutations, mutation_effects
        All single-base substitutions of a stretch, and their effects on the reference; empty without one.
    neighbours
        Other genes on the same contig.
    run_models
        All models of the run, in order: each has its colour by its place among them.
    delta_models
        Models that read deltas: the figure shows their tile weights.
    prior
        float64 `(n_alleles,)` each: see `SavedModels.prior`; empty where no model reads the prior.
    own
        Effects on a sample's haplotypes; None where none was asked for.
    """

    gene: Gene
    names: AlleleNames
    frequencies: Float64Array
    association: MarginalAssociation
    effects: Mapping[str, Float64Array]
    spans: Int64Array
    tile_weights: Mapping[str, Float64Array]
    attention: Mapping[str, Float64Array]
    queried: AlleleNames
    queried_effects: Mapping[str, Float64Array]
    mutations: AlleleNames
    mutation_effects: Mapping[str, Float64Array]
    neighbours: tuple[Gene, ...] = ()
    run_models: tuple[str, ...] = ()
    delta_models: tuple[str, ...] = ()
    prior: Mapping[str, Float64Array] = field(default_factory=dict)
    own: OwnEffects | None = None

    def tracks(self) -> "RegionTracks":
        """Return what the region figure shows."""
        return RegionTracks(
            gene=self.gene,
            neighbours=self.neighbours,
            contig=self.gene.contig,
            start=int(self.spans[0, 0]),
            end=int(self.spans[-1, 1]),
            positions=self.names.positions,
            names=self.names.labels(self.gene.contig),
            log10_p=-self.association.log10_p,
            effects=self.effects,
            tiles=self.spans,
            tile_weights={name: of for name, of in self.tile_weights.items() if name in self.delta_models},
        )


@dataclass(frozen=True, slots=True)
class RegionTracks:
    """A gene's region: genes, variants and tiles, with the results of tests and models.

    Coordinates are 0-based and half-open.

    Attributes
    ----------
    gene
        The gene.
    neighbours
        Other genes; those whose TSS lies outside the region are not drawn.
    contig
        As the reference FASTA names it.
    start, end
        The region.
    positions
        int64 `(n_variants,)`: first base of each variant's REF.
    names
        `n_variants` names, `22:123:A:G` or `22:123:A:G (rs123)`.
    log10_p
        float64 `(n_variants,)`: −log10 p of the marginal association with expression; NaN where it could
        not be tested.
    effects
        Model name to float64 `(n_variants,)`: the change in expression per copy of ALT; NaN for none.
    tiles
        int64 `(n_tiles, 2)`: start and end of each tile.
    tile_weights
        Sequence model's name to float64 `(n_tiles,)`; NaN for none.

    Raises
    ------
    ValueError
        When lengths do not agree, or the region is empty.
    """

    gene: Gene
    neighbours: tuple[Gene, ...]
    contig: str
    start: int
    end: int
    positions: Int64Array
    names: tuple[str, ...]
    log10_p: Float64Array
    effects: Mapping[str, Float64Array]
    tiles: Int64Array
    tile_weights: Mapping[str, Float64Array]

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ValueError(f"the region {self.start} to {self.end} is empty")
        n_variants, n_tiles = len(self.positions), len(self.tiles)
        lengths = {
            "names": (len(self.names), n_variants),
            "log10_p": (len(self.log10_p), n_variants),
            **{f"effects of {model}": (len(of), n_variants) for model, of in self.effects.items()},
            **{f"tile weights of {model}": (len(of), n_tiles) for model, of in self.tile_weights.items()},
        }
        for what, (found, expected) in lengths.items():
            if found != expected:
                raise ValueError(f"{what}: {found} values, not {expected}")


def explanation_tables(explained: Explanation) -> dict[str, pl.DataFrame]:
    """Return the tables of one gene: `variants`, `tiles`; `asked`, `saturation` and `sample` if requested.

    Positions are 1-based, as in VCF; tiles are 0-based half-open, as in BED. Missing values are null.
    """
    gene, contig = explained.gene, explained.gene.contig
    tables: dict[str, dict[str, object]] = {
        VARIANTS: {
            **explained.names.columns(contig),
            "distance": _distances(gene, explained.names.positions),
            "frequency": explained.frequencies,
            "marginal_slope": explained.association.slope,
            "marginal_standard_error": explained.association.standard_error,
            "marginal_log10_p": explained.association.log10_p,
            **_prefixed("prior", explained.prior),
            **_prefixed("effect", explained.effects),
        },
        TILES: {
            "contig": contig,
            "start": explained.spans[:, 0],
            "end": explained.spans[:, 1],
            "distance": _distances(gene, explained.spans.mean(axis=1)),
            **_prefixed("weight", explained.tile_weights),
            **_prefixed("attention", explained.attention),
        },
    }
    if explained.own is not None:
        tables[SAMPLE] = {
            "sample_id": explained.own.sample_id,
            **explained.names.columns(contig),
            "distance": _distances(gene, explained.names.positions),
            "copies": explained.own.copies,
            **_prefixed("one_copy", {name: of[:, 0] for name, of in explained.own.effects.items()}),
            **_prefixed("two_copies", {name: of[:, 1] for name, of in explained.own.effects.items()}),
        }
    for name, alleles, effects in (
        (ASKED, explained.queried, explained.queried_effects),
        (SATURATION, explained.mutations, explained.mutation_effects),
    ):
        if alleles.positions.size:
            tables[name] = {
                **alleles.columns(contig),
                "distance": _distances(gene, alleles.positions),
                **_prefixed("effect", effects),
            }
    return {
        name: pl.DataFrame({"gene_id": gene.gene_id, **columns}, strict=False).with_columns(
            pl.selectors.float().fill_nan(None)
        )
        for name, columns in tables.items()
    }


def write_tables(folder: Path, explained: Explanation) -> list[Path]:
    """Write the tables of `explanation_tables`, one TSV each, replacing earlier ones.

    All are written before the first is renamed into place.

    Raises
    ------
    InputError
        When the folder cannot be written to.
    """
    written = []
    tables = explanation_tables(explained)
    with ExitStack() as together:
        for name, frame in tables.items():
            written.append(folder / f"{name}.tsv")
            frame.write_csv(together.enter_context(atomic_write(written[-1])), separator="\t")
    for name in {ASKED, SATURATION, SAMPLE} - set(tables):  # of an earlier call
        (folder / f"{name}.tsv").unlink(missing_ok=True)
    return written


def _distances(gene: Gene, positions: Sequence[float] | Int64Array | Float64Array) -> Float64Array:
    """Return distances from the TSS in base pairs, positive downstream along the gene's strand."""
    return gene.direction * (np.asarray(positions, dtype=np.float64) - gene.tss)


def _prefixed(prefix: str, values: Mapping[str, Float64Array]) -> dict[str, Float64Array]:
    return {f"{prefix}_{model}": of for model, of in values.items()}

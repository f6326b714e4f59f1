"""The tables that explain the predictions of one gene."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from haploscribe.expression.genes import Gene
from haploscribe.genome.variants import AltAllele
from haploscribe.interpret.association import MarginalAssociation
from haploscribe.utils.files import atomic_write
from haploscribe.utils.names import printable
from haploscribe.utils.types import Float64Array, Int64Array

VARIANTS, ASKED, TILES, SATURATION = "variants", "asked", "tiles", "saturation"


@dataclass(frozen=True, slots=True)
class AlleleNames:
    """What ALT alleles are called.

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

    def called(self, contig: str) -> tuple[str, ...]:
        """Give each its identifier, or `chr:pos:ref:alt`, 1-based, where it has none."""
        alleles = zip(
            self.positions.tolist(), self.references, self.alternates, self.identifiers, strict=True
        )
        return tuple(
            AltAllele(position, ref.encode(), alt.encode(), name).name(contig)
            for position, ref, alt, name in alleles
        )

    def columns(self, contig: str) -> dict[str, object]:
        """Give the columns that name alleles in a table; positions are 1-based, as in VCF."""
        return {
            "contig": contig,
            "position": self.positions + 1,
            "ref": self.references,
            "alt": self.alternates,
            "identifier": self.identifiers,
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """What models say of the alleles and tiles of one gene.

    Attributes
    ----------
    gene
        The gene.
    names
        The alleles of its window that the models know.
    frequencies
        float64 `(n_alleles,)`; of ALT among the haplotypes of training.
    association
        Expression of the training people regressed on each allele alone.
    effects
        float64 `(n_alleles,)` for each model: change in expression per copy; NaN where it does not see the
        allele.
    spans
        int64 `(n_tiles, 2)`; start and end of the tiles of the cis window.
    tile_weights
        float64 `(n_tiles,)` for each model; see `haploscribe.interpret.effects.tile_weights`.
    attention
        float64 `(n_tiles,)` for each model that has attention: its mean over haplotypes of training.
    asked, asked_effects
        Alleles that the user has named, and their effects; empty without any.
    mutations, mutation_effects
        All single-base substitutions of a stretch, and their effects on the reference; empty without one.
    """

    gene: Gene
    names: AlleleNames
    frequencies: Float64Array
    association: MarginalAssociation
    effects: Mapping[str, Float64Array]
    spans: Int64Array
    tile_weights: Mapping[str, Float64Array]
    attention: Mapping[str, Float64Array]
    asked: AlleleNames
    asked_effects: Mapping[str, Float64Array]
    mutations: AlleleNames
    mutation_effects: Mapping[str, Float64Array]


def explanation_tables(explained: Explanation) -> dict[str, pl.DataFrame]:
    """Make the tables of one gene: `variants`, `tiles`, and `asked` and `saturation` if these were asked.

    Positions are 1-based, as in VCF; tiles are 0-based half-open, as in BED. What is not known is null.
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
    for name, alleles, effects in (
        (ASKED, explained.asked, explained.asked_effects),
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


def write_explanation(folder: Path, explained: Explanation) -> list[Path]:
    """Write the tables of one gene, a TSV each, in place of earlier ones: see `explanation_tables`.

    All are written before the first is put in place.

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
    for name in {ASKED, SATURATION} - set(tables):  # of what was asked before
        (folder / f"{name}.tsv").unlink(missing_ok=True)
    return written


def _distances(gene: Gene, positions: Sequence[float] | Int64Array | Float64Array) -> Float64Array:
    """Count base pairs from the TSS, positive downstream along the gene's strand."""
    return (1.0 if gene.strand == "+" else -1.0) * (np.asarray(positions, dtype=np.float64) - gene.tss)


def _prefixed(prefix: str, values: Mapping[str, Float64Array]) -> dict[str, Float64Array]:
    return {f"{prefix}_{model}": of for model, of in values.items()}

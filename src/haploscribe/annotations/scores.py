"""Read tables of variant scores, from any model or database."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from haploscribe.annotations.base import AnnotatedAlleles
from haploscribe.errors import InputError
from haploscribe.expression.genes import without_version
from haploscribe.genome.contigs import match_contig
from haploscribe.utils.types import Float64Array

_KEYS = ("chrom", "pos", "ref", "alt")
_GENE = "gene_id"
_ADVICE = "the header must be chrom, pos (1-based), ref, alt and one column per score, separated by tabs"
_LEAST_AGREEING = 0.5  # of the positions shared with the genotypes: else the table is of another build


class Scores:
    """The scores that a table has of each allele.

    Parameters
    ----------
    path
        TSV (plain or gzipped) or Parquet: `chrom`, `pos` (1-based), `ref`, `alt`, and columns of numbers, in
        which an empty cell is no score. With `gene_id`, as `haploscribe score` writes, a row is of that gene
        alone.
    lengths
        Length of each contig of the reference, by name.

    Attributes
    ----------
    columns
        Names of the scores.

    Raises
    ------
    InputError
        When the table cannot be read, lacks a column or a contig, or has an allele twice or with a score that
        is no number.
    """

    def __init__(self, path: Path, lengths: Mapping[str, int]) -> None:
        self.path = path
        table = _read_table(path)
        self.columns = tuple(name for name in table.columns if name not in (*_KEYS, _GENE))
        self._by_gene = _GENE in table.columns
        self._tables: dict[str, pl.DataFrame] = {}
        named = table["chrom"].unique().to_list()
        for name in lengths:
            found = match_contig(name, named, str(path))
            if found is not None:
                self._tables[name] = table.filter(pl.col("chrom") == found).drop("chrom").sort("pos")
        if not self._tables:
            raise InputError(
                f"{path} has no variant on the genes' contigs ({', '.join(lengths)}); it has "
                f"{', '.join(sorted(named)[:3])}; give scores of the reference's build and naming"
            )

    def read(self, alleles: AnnotatedAlleles) -> Float64Array:
        """Return the scores of each allele: see `AnnotationReader.read`.

        Raises
        ------
        InputError
            When most alleles at the table's positions are others there.
        """
        table = self._tables.get(alleles.contig)
        n_alleles = alleles.positions.size
        if table is not None and self._by_gene:
            table = _of_gene(table, alleles.gene_id or "")
        if table is None or not n_alleles:
            return np.full((n_alleles, len(self.columns)), np.nan)
        positions = table["pos"]
        first = positions.search_sorted(int(alleles.positions[0]) + 1, side="left")
        last = positions.search_sorted(int(alleles.positions[-1]) + 1, side="right")
        wanted = pl.DataFrame(
            {"pos": alleles.positions + 1, "ref": alleles.references, "alt": alleles.alternates},
            schema={"pos": pl.Int64, "ref": pl.String, "alt": pl.String},
        )
        nearby = table.slice(first, last - first).with_columns(known=pl.lit(value=True))
        found = wanted.join(nearby, on=["pos", "ref", "alt"], how="left", maintain_order="left")
        n_positions = int(wanted["pos"].is_in(nearby["pos"].implode()).sum())
        if found["known"].count() < _LEAST_AGREEING * n_positions:
            raise InputError(
                f"{self.path} has other alleles than the genotypes at {n_positions - found['known'].count()} "
                f"of {n_positions} positions on {alleles.contig}; give scores of the reference's build, with "
                "ref and alt as in the genotypes"
            )
        return found.select(self.columns).to_numpy().astype(np.float64)


def _of_gene(table: pl.DataFrame, gene_id: str) -> pl.DataFrame:
    """Return the rows of a gene, by its ID or, where no row has that, its ID without the version."""
    found = table.filter(pl.col(_GENE) == gene_id)
    if found.is_empty():
        stem = without_version(gene_id)
        found = table.filter(pl.col(_GENE).str.replace(r"\.\d+$", "") == stem)
    return found


def _read_table(path: Path) -> pl.DataFrame:
    try:
        if path.suffix == ".parquet":
            table = pl.read_parquet(path)
        else:
            table = pl.read_csv(path, separator="\t", infer_schema=False, quote_char=None)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} cannot be read ({reason}); {_ADVICE}") from None
    table = table.rename({name: name.lstrip("#").lower() for name in table.columns if _is_key(name)})
    missing = [name for name in _KEYS if name not in table.columns]
    keys = (*_KEYS, _GENE) if _GENE in table.columns else _KEYS
    scores = [name for name in table.columns if name not in keys]
    if missing or not scores:
        raise InputError(f"{path} has no column {missing[0] if missing else 'of scores'}; {_ADVICE}")
    typed = table.with_columns(
        pl.col("pos").cast(pl.Int64, strict=False),
        pl.col([name for name in keys if name != "pos"]).cast(pl.String),
        # Null is no score; text that is no number becomes NaN, which is refused.
        pl.when(pl.col(scores).is_not_null() & (pl.col(scores).cast(pl.String) != ""))
        .then(pl.col(scores).cast(pl.Float64, strict=False).fill_null(float("nan")))
        .name.keep(),
    ).with_columns(pl.col("ref", "alt").str.to_uppercase())
    _require_valid(typed, keys, scores, path)
    return typed


def _is_key(name: str) -> bool:
    return name.lstrip("#").lower() in (*_KEYS, _GENE)


def _require_valid(table: pl.DataFrame, keys: Sequence[str], scores: Sequence[str], path: Path) -> None:
    """Raise InputError for alleles that are missing or come twice, and for scores that are no numbers."""
    no_allele = pl.any_horizontal(
        pl.col([name for name in keys if name not in ("ref", "alt")]).is_null(),
        ~pl.col("ref", "alt").fill_null("").str.contains("^[ACGTN]+$"),
    )
    no_score = pl.any_horizontal(~pl.col(scores).fill_null(0.0).is_finite())
    for wrong, what, remedy in (
        (no_allele, "no allele", "leave those rows out"),
        (no_score, "a score that is no finite number", "leave those cells empty"),
    ):
        rows = table.with_row_index("row").filter(wrong)["row"]
        if len(rows):
            raise InputError(
                f"{path} has {what} in {len(rows):,} of {len(table):,} rows, the first row {rows[0] + 1}; "
                f"{remedy}: variants without a score get the mean"
            )
    twice = table.filter(pl.struct(keys).is_duplicated())
    if len(twice):
        contig, position, ref, alt = twice.select(_KEYS).row(0)
        raise InputError(
            f"{path} has {contig}:{position}:{ref}:{alt} more than once; give one row per allele"
        )

"""Read PLINK 2's PGEN with its .pvar and .psam."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
import pgenlib
import polars as pl

from haploscribe.errors import InputError
from haploscribe.genome.contigs import require_contig
from haploscribe.genome.readers.calls import (
    MISSING,
    CallRules,
    Calls,
    Int16Array,
    phased_variants,
    sample_indices,
    unique_samples,
)
from haploscribe.genome.variants import Variants
from haploscribe.utils.types import Int64Array

_PVAR_COLUMNS = {"#CHROM": pl.String, "POS": pl.Int64, "ID": pl.String, "REF": pl.String, "ALT": pl.String}
_LAST_POSITION = 2**31 - 2
"""Highest position that PLINK 2 accepts."""


class PgenReader:
    """A PGEN file as a `VariantReader`.

    PGEN stores every call as diploid: a haploid call of a VCF that PLINK 2 converted is homozygous here,
    where the VCF's second copy counts as reference.

    Parameters
    ----------
    path, assume_phased, max_missing
        See `open_variants`.
    """

    def __init__(self, path: Path, *, assume_phased: bool = False, max_missing: float = 0.1) -> None:
        self.path = path
        self._rules = CallRules(path, assume_phased, max_missing)
        self.sample_ids = unique_samples(_psam_samples(_beside(path, (".psam",))), path)
        pvar_path = _beside(path, (".pvar", ".pvar.zst"))
        pvar = _read_pvar(pvar_path)
        self._spans = _contig_spans(pvar, pvar_path)
        self.contigs = tuple(self._spans)
        self._identifiers, self._references = pvar["ID"], pvar["REF"]
        self._alternates = pvar["ALT"]
        self._positions: Int64Array = pvar["POS"].to_numpy() - 1
        self._ends: Int64Array = self._positions + pvar["REF"].str.len_bytes().to_numpy().astype(np.int64)
        self._pgen = _open_pgen(path, len(self.sample_ids), self._alternates)

    def read(self, contig: str, start: int, end: int, samples: Sequence[str]) -> Variants:
        """Read the records that overlap a region: see `VariantReader.read`."""
        first, last = self._spans[require_contig(contig, self.contigs, str(self.path))]
        order = sample_indices(samples, self.sample_ids, self.path)
        positions, ends = self._positions[first:last], self._ends[first:last]
        stop = int(np.searchsorted(positions, end, side="left"))
        rows = first + np.flatnonzero(ends[:stop] > start) if start < end else np.zeros(0, dtype=np.int64)
        return phased_variants(self._decoded(rows, order), contig, tuple(samples), self._rules)

    def span(self, contig: str) -> tuple[int, int]:
        """Return the first and last position of a contig: see `SpanReader.span`."""
        first, last = self._spans[contig]
        return int(self._positions[first]), int(self._positions[last - 1])

    def close(self) -> None:
        """Close the file."""
        self._pgen.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _decoded(self, rows: Int64Array, order: Int64Array) -> Calls:
        n_samples = len(self.sample_ids)
        alleles = np.empty((len(rows), 2 * n_samples), dtype=np.int32)
        phased = np.empty((len(rows), n_samples), dtype=np.bool_)
        if len(rows):
            try:
                self._pgen.read_alleles_and_phasepresent_list(rows.astype(np.uint32), alleles, phased)
            except RuntimeError as error:
                raise InputError(
                    f"{self.path} is damaged ({_reason(error)}); make it again with plink2"
                ) from None
        called = alleles.reshape(len(rows), n_samples, 2)[:, order]
        numbers: Int16Array = np.where(called < 0, MISSING, called).astype(np.int16)
        taken = rows.tolist()
        calls = Calls(
            positions=self._positions[rows],
            identifiers=tuple(self._identifiers[taken].to_list()),
            alleles=tuple(
                (reference, *(() if alternate == "." else alternate.split(",")))
                for reference, alternate in zip(self._references[taken], self._alternates[taken], strict=True)
            ),
            numbers=numbers,
            phased=phased[:, order],
        )
        uncertain = self._uncertain(rows)
        if not uncertain.size:
            return calls
        dosages, first = calls.haplotype_dosages(), np.cumsum([0, *(len(one) - 1 for one in calls.alleles)])
        split = np.empty((len(uncertain), 2 * n_samples), dtype=np.float32)
        self._pgen.read_phased_dosages_list(rows[uncertain].astype(np.uint32), split)
        split[split < 0] = np.nan
        dosages[first[uncertain]] = split.reshape(len(uncertain), n_samples, 2)[:, order]
        return replace(calls, dosages=dosages)

    def _uncertain(self, rows: Int64Array) -> Int64Array:
        """Return the indices, in `rows`, of records with a dosage that is no whole number.

        A PGEN has dosages of sites with one ALT allele only; a whole number is the count of the call.
        """
        dosages = np.empty((len(rows), len(self.sample_ids)), dtype=np.float32)
        if len(rows):
            self._pgen.read_dosages_list(rows.astype(np.uint32), dosages)
        return np.flatnonzero((dosages != dosages.astype(np.int8)).any(axis=1))


def _reason(error: Exception) -> str:
    """Return the message of a pgenlib error, which may be bytes with a line end."""
    word = error.args[0] if error.args else error
    return (word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)).strip().rstrip(".")


def _beside(path: Path, suffixes: tuple[str, ...]) -> Path:
    for suffix in suffixes:
        if path.with_suffix(suffix).is_file():
            return path.with_suffix(suffix)
    raise InputError(
        f"{path.with_suffix(suffixes[0])} is missing; copy the {suffixes[0]} of {path.name} next to it"
    )


def _psam_samples(path: Path) -> list[str]:
    """Read sample identifiers (IID); without a header line the columns are those of a .fam."""
    try:
        lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}; make it again with plink2") from None
    lines = [line for line in lines if not line[0].startswith("##")]
    header = lines[0] if lines and lines[0][0].startswith("#") else ["#FID", "IID"]
    names = [column.lstrip("#") for column in header]
    rows = lines[1:] if lines and lines[0][0].startswith("#") else lines
    if "IID" not in names or any(len(row) <= names.index("IID") for row in rows) or not rows:
        raise InputError(f"{path} has no IID for each sample; make it again with plink2")
    return [row[names.index("IID")] for row in rows]


def _read_pvar(path: Path) -> pl.DataFrame:
    try:
        pvar = pl.read_csv(
            path,
            separator="\t",
            comment_prefix="##",
            quote_char=None,
            columns=list(_PVAR_COLUMNS),
            schema_overrides=_PVAR_COLUMNS,
        )
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{path} cannot be read as .pvar with columns #CHROM POS ID REF ALT ({reason}); "
            "make it again with plink2 --make-pgen"
        ) from None
    if pvar.is_empty():
        raise InputError(f"{path} has no variants; make it again with plink2 --make-pgen")
    gaps = pvar.select(pl.any_horizontal(pl.all().is_null()) | ~pl.col("POS").is_between(1, _LAST_POSITION))
    if gaps.to_series().any():
        row = gaps.to_series().arg_max()
        raise InputError(
            f"{path} has no usable {' '.join(_PVAR_COLUMNS)} at variant {(row or 0) + 1}; "
            "make it again with plink2 --make-pgen"
        )
    return pvar


def _contig_spans(pvar: pl.DataFrame, path: Path) -> dict[str, tuple[int, int]]:
    """Return the first and last (exclusive) row of each contig."""
    runs = pvar["#CHROM"].rle_id()
    borders = np.concatenate(([0], np.flatnonzero(np.diff(runs.to_numpy())) + 1, [len(pvar)])).tolist()
    spans: dict[str, tuple[int, int]] = {}
    for first, last in pairwise(borders):
        name = pvar["#CHROM"][first]
        if name in spans or not pvar["POS"][first:last].is_sorted():
            raise InputError(f"{path} is not sorted on contig {name}; run plink2 --make-pgen --sort-vars")
        spans[name] = (first, last)
    return spans


def _open_pgen(path: Path, n_samples: int, alternates: pl.Series) -> pgenlib.PgenReader:
    n_alleles = alternates.str.count_matches(",", literal=True).to_numpy().astype(np.uintp) + 2
    offsets = np.concatenate((np.zeros(1, dtype=np.uintp), np.cumsum(n_alleles, dtype=np.uintp)))
    try:
        return pgenlib.PgenReader(
            bytes(path),
            raw_sample_ct=n_samples,
            variant_ct=len(alternates),
            allele_idx_offsets=None if (n_alleles == 2).all() else offsets,
        )
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"{path} cannot be read with its .pvar and .psam ({_reason(error)}); "
            "make all three again with plink2"
        ) from None

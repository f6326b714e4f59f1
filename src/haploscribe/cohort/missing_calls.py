"""Count missing calls by sample and by variant, and stop where a run has too many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import polars as pl

from haploscribe.errors import InputError
from haploscribe.expression.text_tables import listed
from haploscribe.genome.dosages import missing_dosages
from haploscribe.genome.variants import AltAllele, VariantCounts, Variants
from haploscribe.utils.file_lists import Files
from haploscribe.utils.files import atomic_write
from haploscribe.utils.types import Int64Array

MAX_MISSING = 0.1
"""Largest allowed share of missing calls."""

MISSING_SCHEMA = pl.Schema(
    {
        "id": pl.String,
        "n_calls": pl.Int64,
        "n_missing": pl.Int64,
        "n_missing_dosage": pl.Int64,
        "missing": pl.Float64,
        "missing_dosage": pl.Float64,
    }
)
"""The columns of the tables of missing calls, of samples and of variants, in order."""

_LABELS = (
    "missing calls, read as reference in haplotypes",
    "of them without a dosage, read as the training mean in dosages",
    "calls with a dosage that is not the count of their alleles",
    "most missing calls of a sample, of variants used",
    "most missing calls of a variant used",
)
TWINS_LABEL = "dosage twins on the hard calls that haplotypes are spelled from, to add"
"""Label of the models that a run lacks to tell what deltas add from what dosages add."""


class ModelNames(NamedTuple):
    """Names of the models to fit or query: those that spell haplotypes from calls, and all others."""

    of_calls: tuple[str, ...] = ()
    of_dosages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MissingCalls:
    """Missing calls among the variants used.

    Attributes
    ----------
    n_variants
        Variants counted.
    by_sample
        int64 `(n_samples, 2)`; calls that a sample misses, and those of them without a dosage.
    variants
        Names, `chr:pos:ref:alt` (1-based) with the first ALT allele, of variants with a missing call.
    by_variant
        int64 `(len(variants), 2)`; samples that miss their call, as in `by_sample`.
    """

    n_variants: int
    by_sample: Int64Array
    variants: tuple[str, ...]
    by_variant: Int64Array

    @classmethod
    def of(cls, variants: Variants) -> Self:
        """Count the missing calls of variants."""
        n_variants, n_samples = variants.genotypes.shape[:2]
        if variants.missing is None or not variants.missing.any():
            return cls.none(n_variants, n_samples)
        some = variants.take(np.asarray(variants.missing.any(axis=1)))
        assert some.missing is not None
        missing = np.stack([some.missing, missing_dosages(some)], axis=2)
        names = tuple(
            AltAllele(position, record[0], record[1]).name(variants.contig)
            for position, record in zip(some.positions.tolist(), some.alleles, strict=True)
        )
        return cls(n_variants, missing.sum(axis=0), names, missing.sum(axis=1))

    @classmethod
    def merged(cls, by_block: Mapping[tuple[str, int], "MissingCalls"], n_samples: int) -> Self:
        """Merge the counts of blocks of tiles, by contig and number, of the same samples."""
        found = [by_block[key] for key in sorted(by_block)]
        return cls(
            n_variants=sum(part.n_variants for part in found),
            by_sample=sum((part.by_sample for part in found), np.zeros((n_samples, 2), np.int64)),
            variants=tuple(name for part in found for name in part.variants),
            by_variant=np.concatenate([np.zeros((0, 2), np.int64), *(part.by_variant for part in found)]),
        )

    @classmethod
    def none(cls, n_variants: int, n_samples: int) -> Self:
        """Count nothing: no call is missing."""
        return cls(n_variants, np.zeros((n_samples, 2), np.int64), (), np.zeros((0, 2), np.int64))

    @classmethod
    def read(cls, folder: Path, n_variants: int) -> tuple[tuple[str, ...], Self] | None:
        """Read the names of samples and the counts that `write` wrote; None where no call is missing.

        Raises
        ------
        InputError
            When a table is damaged.
        """
        samples, variants = (_read(folder / f"missing-{what}s.tsv") for what in ("sample", "variant"))
        if variants is None or samples is None:
            return None
        counts = [table["n_missing", "n_missing_dosage"].to_numpy() for table in (samples, variants)]
        return tuple(samples["id"]), cls(n_variants, counts[0], tuple(variants["id"]), counts[1])

    def summary(self, counts: VariantCounts, sample_ids: Sequence[str]) -> dict[str, str]:
        """Return how many calls are missing, and where most are, by the labels under which they are printed.

        Parameters
        ----------
        counts
            Of all records read.
        sample_ids
            `n_samples` names.
        """
        missing, without_dosage, uncertain, of_sample, of_variant = _LABELS
        share = counts.n_missing_calls / max(1, counts.n_calls)
        shown = {missing: f"{counts.n_missing_calls:,} of {counts.n_calls:,} ({share:.2%})"}
        if counts.n_missing_calls:
            shown[without_dosage] = f"{counts.n_missing_dosages:,}"
        if counts.n_uncertain_calls:
            shown[uncertain] = f"{counts.n_uncertain_calls:,} of {counts.n_calls:,}"
        if self.variants:
            sample, variant = (int(table[:, 0].argmax()) for table in (self.by_sample, self.by_variant))
            most = self.by_sample[sample, 0] / self.n_variants
            shown[of_sample] = f"{most:.2%} ({sample_ids[sample]})"
            most = self.by_variant[variant, 0] / len(self.by_sample)
            shown[of_variant] = f"{most:.2%} ({self.variants[variant]})"
        return shown

    def write(self, folder: Path, sample_ids: Sequence[str], prefix: str = "") -> None:
        """Write the tables of samples and of variants; remove them where no call is missing.

        Parameters
        ----------
        folder, prefix
            Where, and what their names begin with.
        sample_ids
            `n_samples` names.
        """
        tables = (
            ("sample", sample_ids, self.by_sample, self.n_variants),
            ("variant", self.variants, self.by_variant, len(self.by_sample)),
        )
        for what, names, counts, n_calls in tables:
            path = folder / f"{prefix}missing-{what}s.tsv"
            if not self.variants:
                path.unlink(missing_ok=True)
                continue
            with atomic_write(path) as aside:
                shares = [pl.Series(column) for column in (counts / n_calls).T]
                n_each = pl.repeat(n_calls, len(counts), eager=True)
                columns = (names, n_each, counts[:, 0], counts[:, 1], *shares)
                pl.DataFrame(
                    dict(zip(MISSING_SCHEMA, columns, strict=True)), schema=MISSING_SCHEMA
                ).write_csv(aside, separator="\t")


def _read(path: Path) -> pl.DataFrame | None:
    """Read a table of missing calls; None where there is none."""
    if not path.exists():
        return None
    try:
        return pl.read_csv(path, separator="\t", schema=MISSING_SCHEMA)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} is damaged ({reason}); run again") from None


def missing_share(folder: Path) -> float:
    """Return the share of missing calls among the variants used, from what `MissingCalls.write` wrote.

    Raises
    ------
    InputError
        When the table of samples is damaged.
    """
    samples = _read(folder / "missing-samples.tsv")
    return 0.0 if samples is None else int(samples["n_missing"].sum()) / int(samples["n_calls"].sum())


def missing_notes(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a summary of data says of missing calls and dosages; nothing where all is called."""
    notes = {label: data[label] for label in (*_LABELS, TWINS_LABEL) if label in data}
    return notes if len(notes) > 1 else {}


def check_missing_calls(counts: VariantCounts, variants: Path | Files, models: ModelNames) -> None:
    """Raise InputError if too many calls of a variants file are missing for the models.

    A call without alleles that has a dosage is missing to models that spell haplotypes alone.

    Raises
    ------
    InputError
        Above `MAX_MISSING`.
    """
    limit = MAX_MISSING * counts.n_calls
    if counts.n_missing_dosages > limit:
        raise InputError(
            f"{variants}: {counts.n_missing_dosages / counts.n_calls:.0%} of {counts.n_calls:,} calls are "
            f"missing near the genes, more than {MAX_MISSING:.0%}; impute them, or drop the samples or "
            "variants that miss them"
        )
    if models.of_calls and counts.n_missing_calls > limit:
        usable = listed(models.of_dosages) or "elastic-net, blup or ensemble"
        raise InputError(
            f"{variants}: {counts.n_missing_calls / counts.n_calls:.0%} of {counts.n_calls:,} calls near the "
            f"genes lack alleles (GT), more than {MAX_MISSING:.0%}, and {listed(models.of_calls)} would read "
            f"the reference there; give a file of phased calls, or use models that read its dosages: {usable}"
        )

"""Tables of predictions of target samples, and of how many known variants their file has."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import polars as pl

from haploscribe.cohort.missing_calls import MissingCalls
from haploscribe.errors import InputError
from haploscribe.utils.files import atomic_write

NEW_PREDICTION_SCHEMA = pl.Schema(
    {
        "gene_id": pl.String,
        "sample_id": pl.String,
        "model": pl.String,
        "predicted": pl.Float64,
        "standard_error": pl.Float64,
        "haplotype_0": pl.Float64,
        "haplotype_1": pl.Float64,
    }
)
"""The columns of predictions of target samples, in order.

`predicted` is on the training scale: normalised, corrected for covariates, mean 0 and variance 1 over the
training samples. `haplotype_0` and `haplotype_1` are what each haplotype adds to the prediction of a sample
that carries the reference on both. `standard_error` is null where the model has none.
"""

COVERAGE_SCHEMA = pl.Schema(
    {
        "gene_id": pl.String,
        "n_variants": pl.Int64,
        "n_found": pl.Int64,
        "n_swapped": pl.Int64,
        "n_extra": pl.Int64,
        "missing": pl.Float64,
        "coverage": pl.Float64,
        "predicted": pl.Boolean,
    }
)
"""The columns of the table of coverage, in order.

`n_variants` counts the ALT alleles that the gene's models know, `n_found` those of them that the file has,
`n_swapped` those that it has with REF and ALT swapped, and `n_extra` other ALT alleles that its samples
carry there, which are left out. `missing` is the share of the calls at found ALT alleles that are missing:
haplotypes have the reference there, and dosages, unless the file has some, the training mean. `predicted` is
false where the coverage was too low.
"""

_SUFFIXES = (".parquet", ".tsv")


VALIDATION_TABLES = ("validation", "validation-models", "validation-comparison")
"""Tables beside a file of predictions that were validated: of genes, of models, and of pairs of models."""


def check_out(path: Path) -> None:
    """Raise InputError if a file of predictions has an unknown suffix, or a folder has a name needed."""
    if path.suffix not in _SUFFIXES:
        raise InputError(f"--out {path}: name a file that ends in {' or '.join(_SUFFIXES)}")
    for file in (path, coverage_path(path), *validation_paths(path)):
        if file.is_dir():
            raise InputError(f"cannot write to {file}: it is a folder; name a file")


def coverage_path(path: Path) -> Path:
    """Return the path of the table of coverage beside a file of predictions: `NAME.coverage.tsv`."""
    return path.with_name(f"{path.stem}.coverage.tsv")


def validation_paths(path: Path) -> tuple[Path, ...]:
    """Return the paths of `VALIDATION_TABLES` beside a file of predictions, such as `NAME.validation.tsv`."""
    return tuple(path.with_name(f"{path.stem}.{name}.tsv") for name in VALIDATION_TABLES)


def scan_predictions(parts: list[Path]) -> pl.LazyFrame:
    """Return the rows of Parquet files with the columns of `NEW_PREDICTION_SCHEMA`, in order."""
    return pl.scan_parquet(parts) if parts else pl.LazyFrame(schema=NEW_PREDICTION_SCHEMA)


def write_new_predictions(
    path: Path,
    parts: list[Path],
    coverage: pl.DataFrame,
    missing: MissingCalls,
    sample_ids: Sequence[str],
    validation: Sequence[pl.DataFrame],
) -> None:
    """Write the genes' predictions to one file, with only a part of it in memory, and tables beside it.

    Parameters
    ----------
    path
        Parquet or TSV, by its suffix.
    parts
        Parquet files with the columns of `NEW_PREDICTION_SCHEMA`, in the order of the file.
    coverage
        The columns of `COVERAGE_SCHEMA`.
    missing, sample_ids
        Missing calls of the target samples, and their names; tables of these are written where there are any.
    validation
        Those of `VALIDATION_TABLES`; empty where predictions were not validated. Tables of earlier
        predictions in the same file are then removed.

    Raises
    ------
    InputError
        When the file has an unknown suffix, or cannot be written.
    """
    check_out(path)
    assert coverage.schema == COVERAGE_SCHEMA
    found = scan_predictions(parts)
    tables = zip((coverage_path(path), *validation_paths(path)), (coverage, *validation), strict=False)
    with ExitStack() as stack:
        for file, table in tables:
            table.write_csv(stack.enter_context(atomic_write(file)), separator="\t")
        aside = stack.enter_context(atomic_write(path))
        if path.suffix == ".parquet":
            found.sink_parquet(aside)
        else:
            found.sink_csv(aside, separator="\t")
    for file in validation_paths(path)[len(validation) :]:
        file.unlink(missing_ok=True)
    missing.write(path.parent, sample_ids, f"{path.stem}.")

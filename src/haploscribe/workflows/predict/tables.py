"""Predictions of new people, and how much of what the models know their file had, as tables."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl

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
"""The columns of predictions of new people, in order.

`predicted` is on the training scale: normalised, covariates taken out, mean 0 and variance 1 over the
training people. `haplotype_0` and `haplotype_1` are what each haplotype adds to the prediction of a person
who carries the reference on both. `standard_error` is null where the model has none.
"""

COVERAGE_SCHEMA = pl.Schema(
    {
        "gene_id": pl.String,
        "n_variants": pl.Int64,
        "n_found": pl.Int64,
        "n_swapped": pl.Int64,
        "n_extra": pl.Int64,
        "coverage": pl.Float64,
        "predicted": pl.Boolean,
    }
)
"""The columns of the table of coverage, in order.

`n_variants` counts the ALT alleles that the gene's models know, `n_found` those of them that the file has,
`n_swapped` those that it has with REF and ALT in each other's place, and `n_extra` other ALT alleles that
its people carry there, which are left out. `predicted` is false where the coverage was too low.
"""

_SUFFIXES = (".parquet", ".tsv")


def check_place(path: Path) -> None:
    """Raise InputError where a file of predictions is to be of no known kind, or a folder has its name."""
    if path.suffix not in _SUFFIXES:
        raise InputError(f"--out {path}: name a file that ends in {' or '.join(_SUFFIXES)}")
    for file in (path, coverage_path(path)):
        if file.is_dir():
            raise InputError(f"cannot write to {file}: it is a folder; name a file")


def coverage_path(path: Path) -> Path:
    """Name the table of coverage beside a file of predictions: `NAME.coverage.tsv`."""
    return path.with_name(f"{path.stem}.coverage.tsv")


def write_new_predictions(path: Path, parts: Iterable[Path], coverage: pl.DataFrame) -> None:
    """Join the genes' predictions into one file, with only a part of it in memory, and say what was found.

    Parameters
    ----------
    path
        Parquet or TSV, by its suffix.
    parts
        Parquet files with the columns of `NEW_PREDICTION_SCHEMA`, in the order of the file.
    coverage
        The columns of `COVERAGE_SCHEMA`.

    Raises
    ------
    InputError
        When the file is to be of no known kind, or cannot be written.
    """
    check_place(path)
    assert coverage.schema == COVERAGE_SCHEMA
    files = list(parts)
    found = pl.scan_parquet(files) if files else pl.LazyFrame(schema=NEW_PREDICTION_SCHEMA)
    with atomic_write(coverage_path(path)) as table, atomic_write(path) as aside:
        coverage.write_csv(table, separator="\t")
        if path.suffix == ".parquet":
            found.sink_parquet(aside)
        else:
            found.sink_csv(aside, separator="\t")

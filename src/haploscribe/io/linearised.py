"""The table that says what models lost when they were made linear."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from haploscribe.utils.files import atomic_write

LINEARISED_SCHEMA = pl.Schema(
    {
        "gene_id": pl.String,
        "model": pl.String,
        "predicted_sd": pl.Float64,
        "linear_sd": pl.Float64,
        "lost": pl.Float64,
        "rmse": pl.Float64,
    }
)
"""The columns, in order; a row a gene and model. See `haploscribe.interpret.linear.LinearisingLoss`.

`lost` and `rmse` are empty where the model predicts the same for everyone.
"""


def linearised_path(folder: Path, name: str) -> Path:
    """Name the table of an export called `name`."""
    return folder / f"{name}.linearised.tsv"


def linearised_table(rows: Sequence[tuple[str, str, float, float, float, float]]) -> pl.DataFrame:
    """Make the table from its rows; NaN becomes null."""
    frame = pl.DataFrame(list(rows), schema=LINEARISED_SCHEMA, orient="row")
    return frame.with_columns(pl.selectors.float().fill_nan(None))


def write_linearised(path: Path, table: pl.DataFrame) -> None:
    """Write the table; where it has no row, take an earlier export's away.

    Raises
    ------
    InputError
        When the place cannot be written to.
    """
    if table.is_empty():
        path.unlink(missing_ok=True)
        return
    with atomic_write(path) as aside:
        table.write_csv(aside, separator="\t")

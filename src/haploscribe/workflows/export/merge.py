"""Merge the exports of several runs, such as one run per chromosome: the subcommand `export merge`."""

import gzip
import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl

from haploscribe.errors import InputError
from haploscribe.evaluation.metrics import benjamini_hochberg
from haploscribe.utils.file_lists import Files, listed_files
from haploscribe.utils.files import atomic_write, remove_on_error
from haploscribe.utils.names import FileNames
from haploscribe.workflows.export.dropped import DROPPED_SCHEMA
from haploscribe.workflows.export.fusion import (
    POSITIONS_SCHEMA,
    check_replaceable,
    dropped_path,
    weights_name,
    write_positions,
)
from haploscribe.workflows.export.linearise import LINEARISED_SCHEMA, linearised_path, write_linearised
from haploscribe.workflows.export.predictdb import (
    TABLES,
    check_database,
    covariance_path,
    created,
    insert,
    new_database,
    query,
    untaken,
)
from haploscribe.workflows.export.variant_ids import check_label

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Merged:
    """Numbers of exports merged, and of their genes."""

    n_exports: int
    n_genes: int

    def summary(self) -> dict[str, int]:
        """Return what was done, by its names in print."""
        return {"exports merged": self.n_exports, "genes": self.n_genes}


def merge_exports(weights: Path | Files, out: Path) -> Merged:
    """Merge exports of the same models in runs of other genes.

    The result is what one export of a run of all genes would be, but for models that learn from other genes.

    Parameters
    ----------
    weights
        Databases that `export predictdb` wrote, or tables `PANEL.pos` of `export fusion`.
    out
        The database or table to write, with all that belongs beside it.

    Raises
    ------
    InputError
        When a file is missing, damaged or of another kind than `out`; or when two have a gene in common, or
        differ in model, build, names of variants or number of samples. Nothing is written then.
    """
    merge = {".db": _merge_databases, ".pos": _merge_panels}.get(out.suffix)
    if merge is None:
        raise InputError(f"--out {out}: name a database, .db, or a table of FUSION, .pos, as the weights are")
    paths = listed_files(weights, (out.suffix,))
    for path in paths:
        if path.suffix != out.suffix:
            raise InputError(f"{path} cannot be merged to {out}; give files that end in {out.suffix}")
        if path.resolve() == out.resolve():
            raise InputError(f"--out {out} is one of the exports to be merged; name another file")
    tables = [path for path in (linearised_path(one.parent, one.stem) for one in paths) if path.exists()]
    linearised = _merged_table(tables, LINEARISED_SCHEMA)
    n_genes = merge(paths, out.absolute())
    write_linearised(linearised_path(out.parent, out.stem), linearised)
    return Merged(len(paths), n_genes)


def _by_gene(found: Iterable[tuple[str, Path, Value]]) -> dict[str, tuple[Path, Value]]:
    """Return what each gene has, and in which export, in the order of genes."""
    by_gene: dict[str, tuple[Path, Value]] = {}
    for gene_id, path, value in found:
        if gene_id in by_gene:
            raise InputError(
                f"gene {gene_id} is in {by_gene[gene_id][0]} and in {path}; merge exports of other genes"
            )
        by_gene[gene_id] = path, value
    return dict(sorted(by_gene.items()))


def _merged_table(paths: Sequence[Path], schema: pl.Schema) -> pl.DataFrame:
    """Return the rows of several tables, in the order of genes."""
    read = [pl.DataFrame(schema=schema), *(_table(path, schema) for path in paths)]
    return pl.concat(read).sort("gene_id", maintain_order=True)


def _table(path: Path, schema: pl.Schema) -> pl.DataFrame:
    """Read a table of an export."""
    header = "\t".join(schema).encode() + b"\n"
    with suppress(OSError, pl.exceptions.PolarsError):
        content = path.read_bytes()
        if content.startswith(header) and content.endswith(b"\n"):
            return pl.read_csv(content, separator="\t", schema=schema)
    raise InputError(f"{path} is missing, damaged or of another version; export it again")


# PredictDB -------------------------------------------------------------------------------------------------


def _merge_databases(databases: Sequence[Path], out: Path) -> int:
    """Merge databases and their covariances, and return the number of genes.

    q is computed again, over the genes of all runs.
    """
    check_database(out)
    for path in databases:
        _check_own(path)
    ((model, build, snp_key),) = _same(
        databases, "SELECT * FROM export", "a model, a build and names of variants"
    )
    samples = _same(databases, "SELECT * FROM sample_info", "a number of training samples")
    fitted = _by_gene(
        (gene_id, path, p) for path in databases for gene_id, p in query(path, "SELECT * FROM fitted")
    )
    p_values = {gene_id: p for gene_id, (_, p) in fitted.items()}
    q = dict(zip(p_values, benjamini_hochberg(np.array(list(p_values.values()))).tolist(), strict=True))
    extra = _by_gene(
        (row["gene"], path, row) for path in databases for row in query(path, "SELECT * FROM extra")
    )
    covariances = {path: _covariances(covariance_path(path)) for path in databases}
    with new_database(out, (model, build, snp_key), p_values) as (connection, file):
        insert(connection, "sample_info", samples)
        for gene_id, (path, row) in extra.items():
            insert(connection, "extra", [tuple({**dict(row), "pred.perf.qval": q[gene_id]}.values())])
            weights = query(path, "SELECT * FROM weights WHERE gene = ? ORDER BY rowid", gene_id)
            positional = [weight["varID"] for weight in weights]
            names = untaken(connection, [weight["rsid"] for weight in weights], positional)
            new = {w["rsid"]: w["varID"] for w, name in zip(weights, names, strict=True) if name == "."}
            insert(connection, "weights", [(new.get(rsid, rsid), *rest) for rsid, *rest in weights])
            lines = _of_gene(covariances[path], gene_id, covariance_path(path))
            file.writelines(_renamed(lines, new) if new and snp_key == "rsid" else lines)
    return len(extra)


def _check_own(path: Path) -> None:
    """Raise InputError where a database is not one that `write_predictdb` of this version wrote."""
    found = {row["sql"] for row in query(path, "SELECT sql FROM sqlite_master")}
    whole = {created(table) for table in TABLES} <= found
    if not whole or query(path, "SELECT gene FROM extra EXCEPT SELECT gene FROM fitted"):
        raise InputError(
            f"{path} was not written by `haploscribe export predictdb` of this version; export it again"
        )


def _same(paths: Sequence[Path], sql: str, what: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query, which all databases must have alike."""
    found = {path: [tuple(row) for row in query(path, sql)] for path in paths}
    first = paths[0]
    for path, rows in found.items():
        if rows != found[first]:
            told = [", ".join(map(str, row)) for each in (found[first], rows) for row in each]
            raise InputError(
                f"{first} is of {told[0]}, {path} of {told[-1]}; merge exports that share {what}"
            )
    return found[first]


def _covariances(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the genes of a covariance file, and the lines of each."""
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            next(file, None)
            for gene_id, lines in groupby(file, lambda line: line.partition(" ")[0]):
                yield gene_id, list(lines)
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise InputError(f"{path} is missing or damaged ({error}); export it again") from None


def _of_gene(covariances: Iterator[tuple[str, list[str]]], gene_id: str, path: Path) -> list[str]:
    """Return the next lines of a file, which must be of a gene."""
    found, lines = next(covariances, (None, []))
    if found != gene_id:
        raise InputError(f"{path} lacks gene {gene_id} of the database beside it; export both again")
    return lines


def _renamed(lines: Iterable[str], names: Mapping[str, str]) -> Iterator[str]:
    for line in lines:
        gene_id, one, other, value = line.split(" ")
        yield f"{gene_id} {names.get(one, one)} {names.get(other, other)} {value}"


# FUSION ----------------------------------------------------------------------------------------------------


def _merge_panels(tables: Sequence[Path], out: Path) -> int:
    """Merge tables of FUSION with the files that they name, and return the number of genes."""
    panel, folder = out.stem, out.parent
    check_label(panel, "--out")
    check_replaceable(folder / panel)
    genes = _by_gene((row["ID"], path, row) for path in tables for row in _positions(path))
    losses = _merged_table([dropped_path(path.parent, path.stem) for path in tables], DROPPED_SCHEMA)
    files, rows = FileNames(), []
    with (
        remove_on_error(folder),
        atomic_write(out) as positions,
        atomic_write(dropped_path(folder, panel)) as table,
        atomic_write(folder / panel) as aside,
    ):
        aside.mkdir()
        for gene_id, (path, row) in genes.items():
            name = weights_name(files, panel, gene_id)
            try:
                shutil.copyfile(path.parent / row["WGT"], aside / name)
            except FileNotFoundError:
                raise InputError(
                    f"{path.parent / row['WGT']}, listed in {path}, is missing; export it again"
                ) from None
            rows.append(row | {"PANEL": panel, "WGT": f"{panel}/{name}"})
        write_positions(positions, pl.DataFrame(rows, POSITIONS_SCHEMA))
        losses.write_csv(table, separator="\t")
    return len(genes)


def _positions(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a table, which has the genes of the table of losses beside it."""
    beside = dropped_path(path.parent, path.stem)
    positions, losses = _table(path, POSITIONS_SCHEMA), _table(beside, DROPPED_SCHEMA)
    if set(positions["ID"]) != set(losses["gene_id"]):
        raise InputError(f"{path} has other genes than {beside}; export both again")
    return positions.to_dicts()

"""PredictDB: the SQLite file and covariances that PrediXcan, S-PrediXcan and S-MultiXcan (MetaXcan) read.

What they read was taken from https://github.com/hakyimlab/MetaXcan, `software/metax`. `PredictionModel.py`
has two queries: for `gene`, `weight`, `ref_allele`, `eff_allele` and a key of `weights`, which is `rsid` or
what `--model_db_snp_key` says; and for `gene`, `genename`, `n.snps.in.model`, `pred.perf.R2`,
`pred.perf.pval` and `pred.perf.qval` of `extra`. `MatrixManager.py` splits the covariance file at blanks,
wants a gene's lines together and no line twice, and fills the lower triangle in. Indexes and the meaning of
the columns are those of https://github.com/hakyimlab/PredictDB_Pipeline_GTEx_v7.
"""

import gzip
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from io import TextIOWrapper
from itertools import repeat
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TextIO

import numpy as np

from haploscribe.errors import InputError
from haploscribe.utils.files import atomic_write
from haploscribe.utils.types import Float64Array
from haploscribe.workflows.export.variant_ids import (
    check_gene_id,
    check_label,
    count_without_rsid,
    positional_names,
    variant_names,
)
from haploscribe.workflows.export.weights import ExportCounts, GeneWeights, ModelWeights, nothing_to_export

SnpKey = Literal["rsid", "varID"]
"""The column of `weights` by whose names a reader looks variants up."""

_NONE: Mapping[str, float] = MappingProxyType({})

TABLES = {
    "weights": "rsid TEXT, gene TEXT, weight REAL, ref_allele TEXT, eff_allele TEXT, varID TEXT",
    "extra": 'gene TEXT, genename TEXT, gene_type TEXT, "n.snps.in.window" INTEGER, '
    '"n.snps.in.model" INTEGER, "pred.perf.R2" REAL, "pred.perf.pval" REAL, "pred.perf.qval" REAL, '
    'intercept REAL, "kept.R2" REAL',
    "sample_info": "n_samples INTEGER",
    "export": "model TEXT, build TEXT, snp_key TEXT",
    "fitted": 'gene TEXT, "pred.perf.pval" REAL',
}
"""Tables of a database, and their columns."""

# No journal: the file is built aside, and nobody reads it meanwhile.
_PRAGMAS = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF
"""
_INDEXES = """
CREATE INDEX weights_rsid ON weights (rsid);
CREATE INDEX weights_gene ON weights (gene);
CREATE INDEX weights_rsid_gene ON weights (rsid, gene);
CREATE INDEX extra_gene ON extra (gene);
"""

_HEADER = "GENE RSID1 RSID2 VALUE\n"
_TAKEN = "SELECT 1 FROM weights WHERE rsid = ? AND varID <> ? LIMIT 1"


def covariance_path(database: Path) -> Path:
    """Return the path of the covariance file of a database: `blood.db` → `blood.txt.gz`."""
    return database.with_suffix(".txt.gz")


def check_database(database: Path) -> None:
    """Raise InputError where a database would have a name that MetaXcan does not take, or is a folder."""
    if database.suffix != ".db":
        raise InputError(f"{database} does not end in .db, by which MetaXcan knows models; name it so")
    for path in (database, covariance_path(database)):
        if path.is_dir():
            raise InputError(f"cannot write to {path}: it is a folder; name a file")


def write_predictdb(
    database: Path,
    genes: Iterable[GeneWeights],
    model: str,
    build: str,
    snp_key: SnpKey = "rsid",
    fitted: Mapping[str, float] = _NONE,
) -> ExportCounts:
    """Write one model's weights of all genes and, beside the database, their covariances.

    Only weights other than 0 are written, and genes that have one. `weights.rsid` is the variant's name of
    `variant_names`, or its positional name where another variant of any earlier gene has that name already;
    `varID` is always the positional one. `eff_allele` is ALT: `weight` is the change in expression per
    copy of it. `extra` has `pred.perf.R2` = `ModelWeights.r_squared` (PredictDB's `rho_avg_squared`) and, for
    predictions on the training scale, the intercept, and `kept.R2`, `ModelWeights.kept_r2`; MetaXcan reads
    neither. `genename` is the gene's symbol, or its ID where that is unknown; `gene_type` its biotype, or
    NULL: FOCUS (https://github.com/mancusolab/focus) imports no database without that column. The tables
    `export`, what was exported, and `fitted`, p of all genes that the model was fitted to, are for
    `haploscribe.workflows.export.merge.merge_exports`.

    Parameters
    ----------
    database
        Ends in `.db`. It and `covariance_path` are written whole or not at all.
    genes
        Taken one at a time; each id once.
    model
        Whose weights.
    build
        The assembly that positional names end in, such as `b38`.
    snp_key
        Which names the covariance file goes by; a reader's `--model_db_snp_key` must say the same.
    fitted
        p of each gene that the model was fitted to, exported or not; without it the database cannot be
        merged with others.

    Raises
    ------
    InputError
        When the file name, the build, a gene id or a gene's variants cannot be exported, a gene lacks the
        model, no gene has a weight other than 0, or a file cannot be written.
    ValueError
        When a gene id is repeated.
    """
    check_label(build, "build")
    check_database(database)
    with new_database(database, (model, build, snp_key), fitted) as (connection, file):
        return _write_genes(connection, file, genes, model, build, snp_key)


@contextmanager
def new_database(
    database: Path, exported: tuple[str, str, str], fitted: Mapping[str, float]
) -> Iterator[tuple[sqlite3.Connection, TextIO]]:
    """Open a new database and its covariance file; both are written whole, or not at all.

    Parameters
    ----------
    database
        Ends in `.db`.
    exported
        Model, build and key of variants.
    fitted
        p of each gene that the model was fitted to.

    Yields
    ------
    connection, file
        The database, its tables `export` and `fitted` filled; the covariances, after their header.
    """
    with (
        covariance_file(covariance_path(database)) as file,
        atomic_write(database) as aside,
        closing(sqlite3.connect(aside)) as connection,
    ):
        connection.execute("PRAGMA journal_mode = OFF")  # a journal would stay where writing fails
        connection.executescript(";\n".join([_PRAGMAS, *map(created, TABLES), _INDEXES]))
        insert(connection, "export", [exported])
        insert(connection, "fitted", sorted(fitted.items()))
        yield connection, file
        connection.commit()


@contextmanager
def covariance_file(path: Path) -> Iterator[TextIO]:
    """Open a new covariance file, gzipped, after its header; its bytes depend only on what is written."""
    with (
        atomic_write(path) as aside,
        aside.open("wb") as raw,
        gzip.GzipFile("", "wb", 6, raw, mtime=0) as compressed,
        TextIOWrapper(compressed, encoding="utf-8", newline="") as file,
    ):
        file.write(_HEADER)
        yield file


def _write_genes(
    connection: sqlite3.Connection,
    file: TextIO,
    genes: Iterable[GeneWeights],
    model: str,
    build: str,
    snp_key: SnpKey,
) -> ExportCounts:
    seen: set[str] = set()
    n_without = n_weights = n_without_rsid = 0
    for weighed in genes:
        gene_id = weighed.gene.gene_id
        check_gene_id(gene_id)
        if gene_id in seen:
            raise ValueError(f"gene {gene_id} comes twice")
        fitted = weighed.weights_of(model)
        rows = np.flatnonzero(fitted.weights)
        if not rows.size:
            n_without += 1
            continue
        if not seen:
            insert(connection, "sample_info", [(weighed.n_samples,)])
        seen.add(gene_id)
        variants = weighed.variants.take(rows)
        positional = positional_names(weighed.gene.contig, variants, build)
        identifiers = untaken(connection, variants.identifiers, positional)
        names = variant_names(identifiers, positional, build)
        weights = fitted.weights[rows].tolist()
        ids = repeat(gene_id)
        table = zip(names, ids, weights, variants.refs, variants.alts, positional, strict=False)
        insert(connection, "weights", table)
        _insert_extra(connection, weighed, fitted)
        labels = names if snp_key == "rsid" else positional
        file.writelines(covariance_lines(gene_id, labels, variants.covariance))
        n_weights += rows.size
        n_without_rsid += count_without_rsid(names)
    if not seen:
        raise nothing_to_export(model)
    return ExportCounts(len(seen), n_without, n_weights, n_without_rsid)


def untaken(
    connection: sqlite3.Connection, identifiers: Sequence[str], positional: Sequence[str]
) -> list[str]:
    """Replace each identifier that is another variant's name in the database by `.`.

    PrediXcan keeps a name's first alleles for all genes, and would count the wrong allele.
    """
    names = (
        (identifier.split(";")[0], name) for identifier, name in zip(identifiers, positional, strict=True)
    )
    return ["." if connection.execute(_TAKEN, pair).fetchone() else pair[0] for pair in names]


def created(table: str) -> str:
    """Return the statement that creates one of `TABLES`, as a database keeps it."""
    return f"CREATE TABLE {table} ({TABLES[table]})"


def insert(connection: sqlite3.Connection, table: str, rows: Iterable[tuple[object, ...]]) -> None:
    """Add rows to one of `TABLES`."""
    places = ", ".join("?" * len(TABLES[table].split(",")))
    connection.executemany(f"INSERT INTO {table} VALUES ({places})", rows)  # noqa: S608 - a name of ours


def query(database: Path, sql: str, *values: object) -> list[sqlite3.Row]:
    """Return the rows that a query of a database finds; a row has its columns by place and by name.

    Raises
    ------
    InputError
        When the file is missing, is no database, or lacks what is asked for.
    """
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(sql, values).fetchall()
    except sqlite3.Error as error:
        raise InputError(
            f"{database} cannot be read as a PredictDB database ({error}); export it again"
        ) from None


def _insert_extra(connection: sqlite3.Connection, weighed: GeneWeights, fitted: ModelWeights) -> None:
    gene, performance = weighed.gene, (fitted.r_squared, fitted.pearson_p, fitted.pearson_q)
    row = (
        *(gene.gene_id, gene.symbol or gene.gene_id, gene.biotype),
        *(weighed.n_window_variants, int(np.count_nonzero(fitted.weights))),
        *(*performance, fitted.intercept, fitted.kept_r2),
    )
    insert(connection, "extra", [row])


def covariance_lines(gene_id: str, labels: Sequence[str], covariance: Float64Array) -> Iterator[str]:
    """Write the upper triangle with its diagonal, in nine significant digits, one string per row."""
    for row, label in enumerate(labels):
        start = f"{gene_id} {label} "
        pairs = zip(labels[row:], covariance[row, row:].tolist(), strict=True)
        yield "".join(f"{start}{other} {value:.9g}\n" for other, value in pairs)

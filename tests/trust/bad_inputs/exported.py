"""Exports that are merged, or whose covariances are asked for; odd and broken."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial

from tests.trust.bad_inputs.files import cut
from tests.trust.bad_inputs.options import given
from tests.trust.bad_inputs.rows import (
    DATABASE,
    OTHER_DATABASE,
    PANEL,
    RESULTS,
    VARIANTS,
    Case,
    Ended,
    Row,
    accepted,
    found,
    refused,
)

TITLE = "Exported weights"
MERGE, COVARIANCE = ("export merge",), ("export covariance",)
BOTH = MERGE + COVARIANCE
COVARIANCES = DATABASE.replace(".db", ".txt.gz")


def fusion(case: Case) -> None:
    """Merge tables of FUSION instead."""
    case.give("weights", f"{PANEL}.pos")
    case.give("out", "merged/LCL.pos")


def spoilt_fusion(spoil: Callable[[Case], None]) -> Callable[[Case], None]:
    def both(case: Case) -> None:
        fusion(case)
        spoil(case)

    return both


def without_weights(case: Case) -> None:
    next(case.path(PANEL).iterdir()).unlink()


def a_gene_less(case: Case) -> None:
    case.write(f"{PANEL}.pos", "".join(case.text(f"{PANEL}.pos").splitlines(keepends=True)[:-1]))


def changed(sql: str, name: str = DATABASE) -> Callable[[Case], None]:
    """Change a database."""

    def spoil(case: Case) -> None:
        with closing(sqlite3.connect(case.path(name))) as connection:
            connection.executescript(sql)
            connection.commit()

    return spoil


def gone(name: str) -> Callable[[Case], None]:
    return lambda case: case.path(name).unlink()


def samples(text: str) -> Callable[[Case], None]:
    """Ask for some samples."""

    def spoil(case: Case) -> None:
        case.write("samples.txt", text)
        case.give("samples", "samples.txt")

    return spoil


def one_renamed(case: Case) -> None:
    changed("UPDATE weights SET varID = 'chr2_7_A_C_b38' WHERE rowid = 1")(case)


def one_is_left_out(_: Case, ended: Ended) -> None:
    assert found(ended)["variants that the genotypes lack, left out"] == "1"


ROWS: tuple[Row, ...] = (
    refused(
        "weights that are missing",
        given("weights", "nowhere.db"),
        r"nowhere.db cannot be read as a PredictDB database \(unable to open database file\); export it",
        verbs=BOTH,
    ),
    refused(
        "weights that are no database, merged",
        given("weights", VARIANTS),
        "variants.vcf cannot be merged to merged.db; give files that end in .db",
        verbs=MERGE,
    ),
    refused(
        "weights that are no database, for covariances",
        given("weights", VARIANTS),
        "variants.vcf cannot be read as a PredictDB database",
        verbs=COVARIANCE,
    ),
    refused(
        "weights: a folder without any",
        given("weights", RESULTS),
        "results has no file whose name ends in .db; name another folder",
        verbs=BOTH,
    ),
    refused(
        "weights: a database that is cut",
        partial(cut, name=DATABASE),
        r"blup.db cannot be read as a PredictDB database \(.*\); export it again",
        verbs=BOTH,
    ),
    refused(
        "weights: a database of something else",
        changed("DROP TABLE weights"),
        r"blup.db cannot be read as a PredictDB database \(no such table: weights\); export it again",
        verbs=COVARIANCE,
    ),
    refused(
        "weights: a database by another program",
        changed("DROP TABLE export"),
        "blup.db was not written by `haploscribe export predictdb` of this version; export it again",
        verbs=MERGE,
    ),
    refused(
        "weights: a database twice",
        given("weights", [DATABASE, DATABASE]),
        "is in blup.db and in blup.db; merge exports of other genes",
        verbs=MERGE,
    ),
    refused(
        "weights of two models, merged",
        given("weights", [DATABASE, OTHER_DATABASE]),
        "blup.db is of blup, b38, rsid, elastic-net.db of elastic-net, b38, rsid; merge exports that",
        verbs=MERGE,
    ),
    refused(
        "weights without their covariances",
        gone(COVARIANCES),
        "blup.txt.gz is missing or damaged",
        "export it again",
        verbs=MERGE,
        elsewhere=r"\(.*\)",
    ),
    refused(
        "weights whose covariances are cut",
        partial(cut, name=COVARIANCES),
        "blup.txt.gz is missing or damaged",
        "export it again",
        verbs=MERGE,
        elsewhere=r"\(.*\)",
    ),
    refused(
        "weights of which one has lost its covariances",
        changed("INSERT INTO extra (gene) VALUES ('a_gene'); INSERT INTO fitted VALUES ('a_gene', 0.5)"),
        "blup.txt.gz lacks gene a_gene of the database beside it; export both again",
        verbs=MERGE,
    ),
    refused(
        "`--out` of a merge is one of the exports",
        given("out", DATABASE),
        "--out blup.db is one of the exports to be merged; name another file",
        verbs=MERGE,
    ),
    refused(
        "`--out` of a merge is of no kind",
        given("out", "merged"),
        "--out merged: name a database, .db, or a table of FUSION, .pos, as the weights are",
        verbs=MERGE,
    ),
    refused(
        "`--out` of a merge is of another kind",
        given("out", "merged.pos"),
        "blup.db cannot be merged to merged.pos; give files that end in .pos",
        verbs=MERGE,
    ),
    refused(
        "FUSION: a table that is cut",
        spoilt_fusion(partial(cut, name=f"{PANEL}.pos")),
        "panel/LCL.pos is missing, damaged or of another version; export it again",
        verbs=MERGE,
    ),
    refused(
        "FUSION: a table that lacks a gene",
        spoilt_fusion(a_gene_less),
        "panel/LCL.pos has other genes than panel/LCL.dropped.tsv; export both again",
        verbs=MERGE,
    ),
    refused(
        "FUSION: a file of weights is missing",
        spoilt_fusion(without_weights),
        "panel/LCL/LCL.*RDat, listed in panel/LCL.pos, is missing; export it again",
        verbs=MERGE,
    ),
    refused(
        "FUSION: the table of losses is missing",
        spoilt_fusion(gone(f"{PANEL}.dropped.tsv")),
        "panel/LCL.dropped.tsv is missing, damaged or of another version; export it again",
        verbs=MERGE,
    ),
    refused(
        "`--out` of covariances is no .txt.gz",
        given("out", "joint.txt"),
        "--out joint.txt: covariances are gzipped text; name a file that ends in .txt.gz",
        verbs=COVARIANCE,
    ),
    refused(
        "`--out` of covariances is a database's",
        given("out", COVARIANCES),
        "--out blup.txt.gz is the covariance file of blup.db; name another",
        verbs=COVARIANCE,
    ),
    refused(
        "covariances: a sample that the genotypes lack",
        samples("Zq001\nnobody\n"),
        "variants.vcf lacks 1 of 2 samples, first nobody",
        verbs=COVARIANCE,
    ),
    refused(
        "covariances: a sample named twice",
        samples("Zq001\nZq001\n"),
        "samples.txt names no sample, or one twice; give each once, one per line",
        verbs=COVARIANCE,
    ),
    refused(
        "covariances: one sample",
        samples("Zq001\n"),
        "variants.vcf: covariances need two samples or more; give others",
        verbs=COVARIANCE,
    ),
    refused(
        "covariances: names of variants that tell no place",
        changed("UPDATE weights SET varID = 'x' || rowid"),
        "blup.db names a variant '.*' in the column varID; names there must be like chr22_16050075_A_G_b38",
        verbs=COVARIANCE,
    ),
    refused(
        "covariances: genotypes of another build",
        changed("UPDATE weights SET varID = 'chr2_' || (6000 + rowid) || '_A_AAAAAA_b38'"),
        "variants.vcf has no variant of the weights, such as",
        "give genotypes of the same build",
        verbs=COVARIANCE,
    ),
    refused(
        "covariances: a contig that the genotypes lack",
        changed("UPDATE weights SET varID = 'chr9_6000_A_C_b38'"),
        "contig chr9 is not in variants.vcf",
        verbs=COVARIANCE,
    ),
    accepted(
        "covariances: a variant that the genotypes lack",
        one_renamed,
        "is left out, and counted",
        one_is_left_out,
        verbs=COVARIANCE,
    ),
)

"""Odd and broken tables of expression and covariates."""

import csv
from collections.abc import Callable

from tests.trust.bad_inputs.rows import (
    COVARIATES,
    EXPRESSION,
    GENE,
    Case,
    Ended,
    Row,
    accepted,
    found,
    refused,
)
from tests.trust.bad_inputs.variants import COHORT, fact, used

TITLE = "Expression and covariates"
SECOND = slice(1, 2)
_FIRST_VALUE = 4


def cell(text: str, name: str = EXPRESSION) -> Callable[[Case], None]:
    """Write another text into a cell of the second row."""
    return lambda case: case.set_cells({10: text}, SECOND, name)


def columns(name: str, n_columns: int | None) -> Callable[[Case], None]:
    """Keep the first columns of a table, or all but the last so many."""

    def spoil(case: Case) -> None:
        rows = [line.split("\t")[:n_columns] for line in case.text(name).splitlines()]
        case.write(name, "".join("\t".join(row) + "\n" for row in rows))

    return spoil


def values(*texts: str, rows: slice = SECOND) -> Callable[[Case], None]:
    """Write values, again and again the same few, into rows of the table of expression."""

    def change(row: list[str]) -> list[str]:
        n_values = len(row) - _FIRST_VALUE
        return [*row[:_FIRST_VALUE], *(texts * n_values)[:n_values]]

    return lambda case: case.edit_rows(change, rows, EXPRESSION)


def place(contig: str, start: str, end: str) -> Callable[[Case], None]:
    """Put the first gene elsewhere."""
    return lambda case: case.set_cells({0: contig, 1: start, 2: end}, slice(0, 1), EXPRESSION)


def one_person_differs(case: Case) -> None:
    values("0")(case)
    case.set_cells({_FIRST_VALUE: "1"}, SECOND, EXPRESSION)
    case.give("normalize", "none")


def constant_genes(n_genes: int) -> Callable[[Case, Ended], None]:
    """Expect so many genes to be called constant, with a correlation of 0."""

    def holds(case: Case, _: Ended) -> None:
        with case.path("out/metrics.tsv").open(newline="") as lines:
            rows = [row for row in csv.DictReader(lines, delimiter="\t") if row["constant"] == "true"]
        # The gene without variants is always predicted to be constant.
        assert len({row["gene_id"] for row in rows} - {"quiet"}) == n_genes
        assert {float(row["pearson_r"]) for row in rows if n_genes == 4} <= {0.0}

    return holds


def log2p1_of_negative(case: Case) -> None:
    values("1", "-1.5")(case)
    case.give("normalize", "log2p1")


def no_shared(case: Case) -> None:
    case.write(EXPRESSION, case.text(EXPRESSION).replace("Zq", "person"))


def added(*lines: tuple[str, ...]) -> Callable[[Case], None]:
    """Write further covariates."""

    def spoil(case: Case) -> None:
        case.write(COVARIATES, case.text(COVARIATES) + "".join("\t".join(line) + "\n" for line in lines))

    return spoil


def numbered(name: str, number: int) -> tuple[str, ...]:
    return (name, *(str((7 * i * i + 13 * i * number + number) % 17) for i in range(43)))


def collinear(case: Case) -> None:
    first = case.text(COVARIATES).splitlines()[1]
    added(tuple(first.replace("pc0", "copy").split("\t")))(case)


def transposed(case: Case) -> None:
    rows = [line.split("\t") for line in case.text(COVARIATES).splitlines()]
    case.write(COVARIATES, "".join("\t".join(row) + "\n" for row in zip(*rows, strict=True)))


def left_out_are_named(_: Case, ended: Ended) -> None:
    assert "expression left out (Zq040, Zq041, Zq042)" in found(ended)["samples"]


def hidden_factors_of_some(case: Case) -> None:
    case.write("factors.txt", case.text(COVARIATES))
    columns("factors.txt", -3)(case)
    case.give("hidden-factors", "factors.txt")


def duplicated(name: str, n_leading: int) -> Callable[[Case], None]:
    """Name the second sample as the first."""

    def spoil(case: Case) -> None:
        header = case.text(name).split("\n", 1)[0].split("\t")
        header[n_leading + 1] = header[n_leading]
        case.write(name, "\t".join(header) + "\n" + case.text(name).split("\n", 1)[1])

    return spoil


def _bad_cell(text: str, *says: str, name: str = EXPRESSION) -> Row:
    kind = "expression" if name == EXPRESSION else "covariates"
    where = "gene middle, sample Zq006" if name == EXPRESSION else "covariate pc1, sample Zq009"
    return refused(f"{kind}: a cell `{text}`", cell(text, name), f"{name}: .*{where}", r"line 3", *says)


ROWS = (
    refused(
        "gene bodies, and no position said",
        lambda case: case.replace(EXPRESSION, "chr2\t0\t1\t", "chr2\t0\t31\t"),
        r"expression\.bed: gene at_start \(line 2\) spans 31 bp, .*; give --position tss, start",
        verbs=COHORT,
    ),
    refused(
        "expression: only a header",
        lambda case: case.write(EXPRESSION, case.text(EXPRESSION).split("\n", 1)[0] + "\n"),
        "expression.bed has no genes",
        "give one line per gene",
    ),
    refused(
        "expression: no header",
        lambda case: case.write(EXPRESSION, case.text(EXPRESSION).split("\n", 1)[1]),
        "expression.bed: the header begins 'chr2 0 1",
        "the header must begin '#chr",
    ),
    refused(
        "expression: commas for tabs",
        lambda case: case.write(EXPRESSION, case.text(EXPRESSION).replace("\t", ",")),
        "expression.bed: the header begins",
        "the header must begin",
    ),
    refused(
        "expression: a line that is too short",
        lambda case: case.edit_rows(lambda row: row[:-1], SECOND, EXPRESSION),
        "expression.bed line 3 has 46 columns, the header has 47; fix that line",
    ),
    refused(
        "expression: a sample twice",
        duplicated(EXPRESSION, 4),
        r"expression.bed: 1 sample ids appear more than once \(Zq000\); keep each once",
        verbs=COHORT,
    ),
    refused(
        "expression: a gene twice",
        lambda case: case.set_cells({3: GENE}, slice(0, 1), EXPRESSION),
        r"expression.bed: 1 gene ids appear more than once \(on_x\)",
        verbs=COHORT,
    ),
    refused(
        "expression: a gene without an id",
        lambda case: case.set_cells({3: ""}, slice(0, 1), EXPRESSION),
        r"expression.bed: gene \(no id\) \(line 2\) lacks an id",
    ),
    accepted(
        "expression: unsorted",
        lambda case: case.write(
            EXPRESSION,
            "\n".join(
                [
                    case.text(EXPRESSION).split("\n", 1)[0],
                    *reversed(case.text(EXPRESSION).splitlines()[1:]),
                    "",
                ]
            ),
        ),
        "is read",
        used(),
    ),
    _bad_cell("high", "'high' is not a finite number", "write a number"),
    _bad_cell("NaN", "1 cell is missing", "write a number"),
    _bad_cell("inf", "'inf' is not a finite number"),
    _bad_cell("1e300", "'1e300' is not a finite number of at most 1e"),
    accepted(
        "expression: one gene constant",
        values("1.5"),
        "is evaluated like the others; r 0, and `constant` in metrics.tsv",
        constant_genes(1),
        verbs=("run",),
    ),
    accepted(
        "expression: every gene constant",
        values("1.5", rows=slice(None)),
        "r 0, and `constant` in metrics.tsv",
        constant_genes(4),
        verbs=("run",),
    ),
    accepted(
        "expression: a gene constant in a fold's training people",
        one_person_differs,
        "the fold's prediction is constant, and counts as r 0",
        constant_genes(1),
        verbs=("run",),
    ),
    refused(
        "expression: below zero, with --normalize log2p1",
        log2p1_of_negative,
        "--normalize log2p1 takes no negative expression, but gene at_start, sample Zq028 is -2.86",
        verbs=("run",),
    ),
    refused(
        "expression: no sample of the VCF",
        no_shared,
        r"share no sample \(genotypes: Zq000, .*; expression: person000",
        "name the samples alike",
        verbs=COHORT,
    ),
    refused(
        "fewer samples than folds need",
        columns(EXPRESSION, 9),
        "--folds 2: 5 samples leave some fold fewer than 3; use fewer folds",
        verbs=("run",),
    ),
    refused(
        "expression: no samples",
        columns(EXPRESSION, 4),
        "expression.bed has no samples",
        "then one column per sample",
    ),
    accepted(
        "genes at both ends of a contig",
        lambda case: case.give("genes", "at_start,at_end"),
        "the window ends with the contig",
        fact("genes with variants", 2),
    ),
    accepted(
        "a gene without variants",
        lambda case: case.give("genes", "quiet,on_x"),
        "is evaluated like the others; r 0, and `constant` in metrics.tsv",
        constant_genes(0),
        verbs=("run",),
    ),
    refused(
        "only a gene without variants",
        lambda case: case.give("genes", "quiet"),
        "variants.vcf: quiet has no variant with MAF 0.01 or more in its cis window; name a gene",
        verbs=COHORT,
    ),
    refused(
        "expression: a gene behind the end of its contig",
        place("chr2", "9000", "9001"),
        "expression.bed: 1 of 5 genes lie outside the reference, first at_start at chr2:9,001 of 9,000 bp",
        verbs=COHORT,
    ),
    refused(
        "expression: a gene on a contig that the FASTA lacks",
        place("chr7", "0", "1"),
        "contig chr7 is not in reference.fa",
        "use its contig names",
    ),
    refused(
        "expression: end before start",
        place("chr2", "10", "5"),
        r"expression.bed: gene at_start \(line 2\) has start 10, end 5; they must be",
    ),
    refused(
        "expression: a position that is no whole number",
        place("chr2", "0.5", "1.5"),
        r"expression.bed: gene at_start \(line 2\) has start 0.5",
    ),
    refused(
        "expression: no Parquet behind the first bytes of one",
        lambda case: case.write(EXPRESSION, b"PAR1 nothing"),
        "expression.bed is not a readable Parquet file",
        "write it again",
        elsewhere=r"\(.*\)",
    ),
    refused(
        "expression: bytes that are not UTF-8 in a gene's id",
        lambda case: case.write(
            EXPRESSION, case.path(EXPRESSION).read_bytes().replace(b"quiet", b"qui\xe9t")
        ),
        "expression.bed is not readable as text",
        "UTF-8",
        elsewhere=r"\(.*\)",
    ),
    refused(
        "covariates: only a header",
        lambda case: case.write(COVARIATES, case.text(COVARIATES).split("\n", 1)[0] + "\n"),
        "covariates.txt has 0 covariates for 43 samples; give",
    ),
    refused(
        "covariates: a sample twice",
        duplicated(COVARIATES, 1),
        "covariates.txt: 1 sample ids appear more than once",
    ),
    refused(
        "covariates: one twice",
        lambda case: case.replace(COVARIATES, "pc1", "pc0"),
        r"covariates.txt: 1 covariates appear more than once \(pc0\)",
    ),
    refused(
        "covariates: transposed",
        transposed,
        "share no sample .*covariates: pc0, pc1",
        r"rows are covariates, columns samples",
    ),
    refused(
        "covariates: a word",
        lambda case: case.edit_rows(lambda row: [*row[:10], "male", *row[11:]], slice(2, 3), COVARIATES),
        "covariates.txt: covariate pc1, sample Zq009 .line 3.: 'male'",
        "code categories as 0 and 1",
    ),
    refused(
        "covariates: NaN",
        lambda case: case.edit_rows(lambda row: [*row[:10], "NaN", *row[11:]], slice(2, 3), COVARIATES),
        "covariates.txt: 1 cell is missing: covariate pc1, sample Zq009 .line 3.",
    ),
    accepted(
        "covariates: one constant",
        added(("constant", *["1"] * 43)),
        "is left out of account",
        constant_genes(0),
        verbs=("run",),
    ),
    accepted("covariates: two collinear", collinear, "count as one", constant_genes(0), verbs=("run",)),
    accepted(
        "covariates: some people left out",
        columns(COVARIATES, -3),
        "they are left out, and named",
        left_out_are_named,
    ),
    refused(
        "covariates: more than training people",
        added(*(numbered(f"k{i}", i) for i in range(45))),
        "47 covariates are too many for a fit on 21 samples; give a file of 19 at most",
        verbs=("run",),
    ),
    refused(
        "hidden factors of some people only",
        hidden_factors_of_some,
        r"factors.txt lacks 3 of the 43 samples used \(Zq040, Zq041, Zq042\)",
    ),
)

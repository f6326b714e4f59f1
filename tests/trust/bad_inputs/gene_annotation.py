"""Annotations that do not fit the table of expression, or are none."""

import gzip
from collections.abc import Callable

from tests.trust.bad_inputs.rows import EXPRESSION, GENE, Case, Ended, Row, accepted, found, refused
from tests.trust.bad_inputs.variants import COHORT

TITLE = "Annotation of genes"
GTF = "genes.gtf"
_LINES = (
    ("chr2", 1, 300, "+", "at_start"),
    ("chr2", 2_501, 2_800, "+", "middle"),
    ("chr2", 5_501, 5_700, "+", "quiet"),
    ("chr2", 8_900, 9_000, "-", "at_end"),
    ("chrX", 3_001, 3_200, "+", GENE),
)


def gtf(case: Case, attributes: str = 'gene_id "{id}"; gene_name "{symbol}"; level 2;', by: int = 0) -> None:
    """Give a GTF of the genes of the table, moved by so many bases."""
    lines = [
        f"{contig}\tx\tgene\t{start + by}\t{end + by}\t.\t{strand}\t.\t"
        + attributes.format(id=gene_id, symbol=gene_id.upper())
        for contig, start, end, strand, gene_id in _LINES
    ]
    case.write(GTF, "\n".join(lines) + "\n")
    case.give("gtf", GTF)


def spoilt(spoil: Callable[[Case], None]) -> Callable[[Case], None]:
    """Give a GTF that fits, then break it or what it is for."""

    def both(case: Case) -> None:
        gtf(case)
        spoil(case)

    return both


def stranded(case: Case) -> None:
    """Add a column strand, + everywhere."""
    lines = [line.split("\t") for line in case.text(EXPRESSION).splitlines()]
    rows = [[*row[:4], "+" if i else "strand", *row[4:]] for i, row in enumerate(lines)]
    case.write(EXPRESSION, "".join("\t".join(row) + "\n" for row in rows))


def cut(case: Case) -> None:
    compressed = gzip.compress(case.path(GTF).read_bytes())
    case.write(f"{GTF}.gz", compressed[: len(compressed) // 2])
    case.give("gtf", f"{GTF}.gz")


def without(*gene_ids: str) -> Callable[[Case], None]:
    """Leave genes out of the GTF."""

    def spoil(case: Case) -> None:
        lines = case.text(GTF).splitlines(keepends=True)
        case.write(GTF, "".join(line for line in lines if not any(f'"{one}"' in line for one in gene_ids)))

    return spoil


def body_without_gene(case: Case) -> None:
    case.replace(EXPRESSION, "chr2\t0\t1\t", "chr2\t0\t31\t")
    without("at_start")(case)


def lacking_are_named(_: Case, ended: Ended) -> None:
    assert found(ended)["genes that the GTF lacks"] == "2 (middle, quiet)"


def one_gene(_: Case, ended: Ended) -> None:
    assert found(ended)["genes"] == "1"


def by_symbol(case: Case) -> None:
    case.give("genes", GENE.upper())


def shared_symbol(case: Case) -> None:
    case.replace(GTF, 'gene_name "QUIET"', f'gene_name "{GENE.upper()}"')
    by_symbol(case)


def _refused(broken: str, spoil: Callable[[Case], None], *says: str) -> Row:
    return refused(f"`--gtf`: {broken}", spoil, *says, verbs=COHORT)


ROWS = (
    _refused(
        "no such file",
        lambda case: case.give("gtf", "none.gtf"),
        "cannot read none.gtf: No such file or directory; check the path",
    ),
    _refused(
        "without the genes",
        lambda case: gtf(case, 'gene_id "other_{id}";'),
        "genes.gtf has none of the 5 genes of expression.bed: its ids look like other_at_start, those of the "
        "table like at_start; give the GTF with the ids of the table",
    ),
    _refused(
        "of another build",
        lambda case: gtf(case, by=30_000_000),
        "genes.gtf has 5 of 5 genes elsewhere than expression.bed, first at_start: chr2:30,000,001 there, "
        "chr2:1 here; give the GTF of the table's genome build",
    ),
    _refused(
        "another strand than the table",
        spoilt(stranded),
        "1 of 5 genes have another strand than in genes.gtf, first at_end, [+] here and - there",
        "correct the table, or give the GTF",
    ),
    _refused(
        "a GFF3",
        spoilt(lambda case: case.write(GTF, "##gff-version 3\n" + case.text(GTF))),
        "genes.gtf is a GFF3, not a GTF; give the GTF of the same release",
    ),
    _refused(
        "a GFF3 without its header",
        lambda case: gtf(case, "ID=gene:{id};Name={symbol}"),
        "genes.gtf line 1: the gene has no gene_id; it is a GFF3, not a GTF",
    ),
    _refused(
        "transcripts alone",
        spoilt(lambda case: case.replace(GTF, "\tgene\t", "\ttranscript\t")),
        "genes.gtf has no line with `gene` in column 3; give a GTF that has",
    ),
    _refused(
        "cut gzip",
        spoilt(cut),
        "genes.gtf.gz is truncated or damaged gzip",
        "copy or compress it again",
    ),
    _refused(
        "bounds that are no numbers",
        spoilt(lambda case: case.replace(GTF, "\t2501\t", "\t2501.5\t")),
        r"genes.gtf line 2: gene middle is at 2501\.5 to 2800; give whole numbers",
    ),
    _refused(
        "a table of gene bodies, and not all genes",
        spoilt(body_without_gene),
        r"expression.bed: gene at_start \(line 2\) spans 31 bp, and genes.gtf has no such gene there; give "
        "--position, or leave it out",
    ),
    _refused(
        "a symbol of two genes",
        spoilt(shared_symbol),
        "--genes: ON_X may be any of quiet, on_x; write the id wanted",
    ),
    accepted("`--genes`: a symbol", spoilt(by_symbol), "means the gene", one_gene),
    accepted(
        "`--gtf`: without some of the genes",
        spoilt(without("middle", "quiet")),
        "these are named, and have no symbol",
        lacking_are_named,
    ),
    refused(
        "simulate: `--gtf` without a table",
        spoilt(lambda _: None),
        "--gtf annotates the genes of --expression: give that too",
        verbs=("simulate",),
    ),
)

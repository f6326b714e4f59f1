"""Annotations of variants that say nothing, or that do not fit."""

from collections.abc import Callable

import pybigtools

from tests.fixtures.small_cohort import LENGTHS, SmallGenome
from tests.trust.bad_inputs.rows import Case, Ended, Row, accepted, found, refused

TITLE = "Annotations of variants"
SCORES, SIGNAL, PEAKS = "scores.tsv", "signal.bw", "peaks.bed"
_VERBS = ("check", "run")


def scores(case: Case) -> None:
    """Give a table that has a score of every allele."""
    rows = ["chrom\tpos\tref\talt\tscore"]
    for number, site in enumerate(SmallGenome.drawn().sites):
        score = (7 * number) % 11 - 3
        rows.append(f"{site.contig}\t{site.position + 1}\t{site.reference}\t{site.alternate}\t{score}")
    case.write(SCORES, "\n".join(rows) + "\n")
    annotated(case, f"score={SCORES}")


def annotated(case: Case, *given: str) -> None:
    case.give("annotations", list(given))
    case.give("models", "blup-distance")


def spoilt(spoil: Callable[[Case], None]) -> Callable[[Case], None]:
    """Give a table of scores, then break it or what it is for."""

    def both(case: Case) -> None:
        scores(case)
        spoil(case)

    return both


def line(number: int, change: Callable[[list[str]], list[str]]) -> Callable[[Case], None]:
    """Change one row of the table, counted from 1."""

    def spoil(case: Case) -> None:
        lines = case.text(SCORES).splitlines()
        lines[number] = "\t".join(change(lines[number].split("\t")))
        case.write(SCORES, "\n".join(lines) + "\n")

    return spoil


def last_cell(value: str, column: int = 4) -> Callable[[list[str]], list[str]]:
    return lambda row: [value if i == column else cell for i, cell in enumerate(row)]


def twice(case: Case) -> None:
    lines = case.text(SCORES).splitlines(keepends=True)
    case.write(SCORES, "".join([*lines, lines[3]]))


def constant(case: Case) -> None:
    rows = [text.split("\t") for text in case.text(SCORES).splitlines()]
    body = "".join("\t".join([*row[:4], "2"]) + "\n" for row in rows[1:])
    case.write(SCORES, "\t".join(rows[0]) + "\n" + body)


def collinear(case: Case) -> None:
    rows = [text.split("\t") for text in case.text(SCORES).splitlines()]
    doubled = [[*row, "double" if i == 0 else str(2 * int(row[4]))] for i, row in enumerate(rows)]
    case.write(SCORES, "".join("\t".join(row) + "\n" for row in doubled))


def other_alleles(case: Case) -> None:
    """Have other alleles at the same positions."""
    rows = [text.split("\t") for text in case.text(SCORES).splitlines()]
    moved = [[*row[:2], f"{row[3][0]}{row[2]}", row[3], row[4]] for row in rows[1:]]
    case.write(SCORES, "".join("\t".join(row) + "\n" for row in [rows[0], *moved]))


def elsewhere(case: Case) -> None:
    """Keep positions without variants alone."""
    case.write(SCORES, "chrom\tpos\tref\talt\tscore\nchr2\t7\tA\tC\t1\n")


def half(case: Case) -> None:
    lines = case.text(SCORES).splitlines(keepends=True)
    case.write(SCORES, "".join([lines[0], *lines[1::2]]))


def half_are_counted(_: Case, ended: Ended) -> None:
    facts = found(ended)
    missing, total = facts["variants without score"].replace(",", "").split(" of ")
    assert 0 < int(missing) < int(total)


def signal(case: Case, lengths: dict[str, int]) -> None:
    values = [(contig, 100 * i, 100 * i + 10, float(i % 5)) for contig in lengths for i in range(40)]
    pybigtools.open(str(case.path(SIGNAL)), "w").write(lengths, iter(sorted(values)))
    annotated(case, f"signal={SIGNAL}")


def cut_signal(case: Case) -> None:
    signal(case, LENGTHS)
    case.write(SIGNAL, case.path(SIGNAL).read_bytes()[:-200])


def peaks(text: str) -> Callable[[Case], None]:
    def give(case: Case) -> None:
        case.write(PEAKS, text)
        annotated(case, f"peaks={PEAKS}")

    return give


def models(case: Case) -> None:
    case.give("models", "elastic-net,blup")


def _refused(broken: str, spoil: Callable[[Case], None], *says: str) -> Row:
    return refused(f"`--annotations`: {broken}", spoil, *says, verbs=_VERBS)


ROWS = (
    _refused(
        "no name",
        lambda case: annotated(case, SCORES),
        r"--annotations .*: write NAME=FILE, each name once",
    ),
    _refused(
        "a name twice",
        lambda case: annotated(case, f"a={SCORES}", f"a={PEAKS}"),
        r"--annotations .*: write NAME=FILE, each name once",
    ),
    _refused(
        "of a kind that is not read",
        lambda case: annotated(case, "a=scores.xlsx"),
        r"--annotations .*: write NAME=FILE, each name once, with a FILE that ends in .bw",
    ),
    _refused(
        "no such file",
        lambda case: annotated(case, "a=none.bed"),
        "none.bed cannot be read|cannot read none.bed|none.bed: No such file",
    ),
    _refused(
        "no model that reads them",
        spoilt(models),
        "--annotations: none of the models elastic-net, blup reads them; add one that learns across genes",
    ),
    _refused(
        "a score that is NaN",
        spoilt(line(3, last_cell("NaN"))),
        r"scores.tsv has a score that is no finite number in 1 of [\d,]+ rows, the first row 3",
    ),
    _refused(
        "a missing allele",
        spoilt(line(3, last_cell(".", column=3))),
        r"scores.tsv has no allele in 1 of [\d,]+ rows, the first row 3",
    ),
    _refused(
        "an allele twice",
        spoilt(twice),
        r"scores.tsv has chr2:\d+:[ACGT]+:[ACGT]+ more than once; give one row per allele",
    ),
    _refused(
        "scores of another build",
        spoilt(other_alleles),
        r"scores.tsv has other alleles than the genotypes at \d+ of \d+ positions on chr2",
    ),
    _refused(
        "scores of no variant",
        spoilt(elsewhere),
        r"--annotations: score has no value at any of the [\d,]+ variants",
    ),
    _refused(
        "the same everywhere",
        spoilt(constant),
        r"--annotations: score is the same at all [\d,]+ variants, and tells none from another; leave it out",
    ),
    _refused(
        "two that say the same",
        spoilt(collinear),
        "--annotations: .* and .* say the same of every variant; leave one out",
    ),
    _refused(
        "a truncated bigWig",
        cut_signal,
        "signal.bw is no bigWig, or is truncated; copy or make it again",
    ),
    _refused(
        "a bigWig of another build",
        lambda case: signal(case, {name: length + 5 for name, length in LENGTHS.items()}),
        "signal.bw is of another genome build: chr2 has 9,005 bp there and 9,000 in the reference",
    ),
    _refused(
        "a bigWig of other contigs",
        lambda case: signal(case, {"chr7": 9_000}),
        r"signal.bw has no contig of the genes \(.*\); it has chr7; give a file of the reference's build",
    ),
    _refused(
        "intervals of another build",
        peaks("chr2\t10\t90000\n"),
        "peaks.bed is of another genome build: it has an interval that ends at chr2:90,000 of 9,000 bp",
    ),
    _refused(
        "a BED of words",
        peaks("chr2\tten\ttwenty\n"),
        r"peaks.bed has a line 'chr2\\tten\\ttwenty'; give contig, start and end in each line",
    ),
    accepted(
        "`--annotations`: half of the variants have a score",
        spoilt(half),
        "the others get the mean, and are counted",
        half_are_counted,
        verbs=("check",),
    ),
)

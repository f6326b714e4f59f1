"""Lists of variants that are none, or of others than the genotypes; variants chosen by list or alleles."""

import gzip
from collections.abc import Callable

from tests.trust.bad_inputs.files import PICTURE
from tests.trust.bad_inputs.rows import GENE, VARIANTS, Case, Ended, Row, accepted, found, refused
from tests.trust.bad_inputs.variants import COHORT, N_VARIANTS, used

TITLE = "Lists of variants"
SNPS = "snps.txt"
_ID, _REF, _ALT = 2, 3, 4


def snps(content: str | bytes, name: str = SNPS) -> Callable[[Case], None]:
    """Give a list of variants."""

    def spoil(case: Case) -> None:
        case.write(name, content)
        case.give("snps", name)

    return spoil


def in_file(case: Case) -> list[list[str]]:
    """Read the first cells of all records."""
    lines = [line for line in case.text(VARIANTS).splitlines() if not line.startswith("#")]
    return [line.split("\t")[:5] for line in lines]


def every_place(case: Case) -> None:
    """Name every record by its place, on contigs without chr."""
    names = [":".join((row[0].removeprefix("chr"), row[1], *row[_REF:])) for row in in_file(case)]
    snps("\n".join(names))(case)


def some_of_a_bim(case: Case) -> None:
    """Give the records rsIDs, and a .bim that has every second of them."""
    number = iter(range(10_000))
    case.edit_rows(lambda row: [*row[:_ID], f"rs{next(number)}", *row[_REF:]])
    rows = [f"{row[0]}\t{row[_ID]}\t0\t{row[1]}\t{row[_ALT]}\t{row[_REF]}" for row in in_file(case)]
    snps(gzip.compress("\n".join(rows[::2]).encode()), "panel.bim.gz")(case)


def elsewhere(case: Case) -> None:
    """Name only variants that the gene's window has not."""
    case.give("genes", GENE)
    first = in_file(case)[0]
    snps(":".join((first[0], first[1], *first[_REF:])))(case)


def only_ambiguous(case: Case) -> None:
    """Let every record be A/T, on a reference of A alone."""
    for name in ("chr2", "chrX"):
        sequence = case.text("reference.fa").split(f">{name}\n")[1].split(">")[0]
        case.replace("reference.fa", sequence, "".join("A" if base != "\n" else base for base in sequence))
    case.set_cells({_REF: "A", _ALT: "T"})
    case.give("no-ambiguous")


def adds_up(_: Case, ended: Ended) -> None:
    facts = found(ended)
    n_used = int(facts["variants used (REF equals the FASTA at each)"])
    n_ambiguous = int(facts["A/T and C/G variants left out"])
    assert n_ambiguous > 5
    assert n_used + n_ambiguous == N_VARIANTS


def half_is_used(_: Case, ended: Ended) -> None:
    facts = found(ended)
    n_used = int(facts["variants used (REF equals the FASTA at each)"])
    assert n_used + int(facts["variants that --snps does not name"]) == N_VARIANTS
    assert abs(2 * n_used - N_VARIANTS) < 8


def _refused(broken: str, spoil: Callable[[Case], None], *says: str, verbs: tuple[str, ...] = COHORT) -> Row:
    return refused(f"`--snps`: {broken}", spoil, *says, verbs=verbs)


ROWS = (
    _refused(
        "no such file",
        lambda case: case.give("snps", "none.txt"),
        "cannot read none.txt: No such file or directory; check the path",
    ),
    _refused("a folder", lambda case: case.give("snps", "results"), "cannot read results: Is a directory"),
    _refused("empty", snps(""), "--snps snps.txt names no variant; give one name per line"),
    _refused("comments alone", snps("# names\n\n"), "--snps snps.txt names no variant"),
    _refused(
        "a .bim without names",
        snps("2\t.\t0\t31\tA\tT\n2\t.\t0\t121\tC\tA\n"),
        "--snps snps.txt names no variant; give one name per line",
    ),
    _refused("a picture", snps(PICTURE), "--snps snps.txt is not text; give one name per line"),
    _refused(
        "unprintable characters",
        snps("rs1\nrs\x1b[2J\n"),
        "--snps snps.txt line 2 is not text; give one name per line",
    ),
    _refused(
        "cut gzip",
        snps(gzip.compress(b"rs1\n" * 1000)[:30], "snps.txt.gz"),
        "snps.txt.gz is truncated or damaged gzip",
        verbs=("check",),
    ),
    _refused(
        "LDSC's table of HapMap 3",
        snps("SNP\tA1\tA2\nrs1\tA\tG\n"),
        "--snps snps.txt line 1 has 3 columns; give one name per line, or a PLINK .bim, which has 6",
    ),
    _refused(
        "a VCF",
        lambda case: case.give("snps", VARIANTS),
        "--snps variants.vcf line [0-9]+ has [0-9]+ columns; give one name per line",
    ),
    _refused(
        "six columns, but not of a .bim",
        snps("SNP CHR POS A1 A2 Z\nrs1 2 31 A T 0.3\n"),
        "--snps snps.txt line 1 has 6 columns",
        verbs=("check",),
    ),
    _refused(
        "names that no variant has",
        snps("rs12\nrs13\n"),
        f"--snps snps.txt names none of the {N_VARIANTS} variants in the cis windows",
        "its names are like rs12, those of variants.vcf like chr2:31:T:A",
        "name them as in its ID column, or by CHR:POS:REF:ALT of the same genome build",
    ),
    _refused(
        "no variant of the one gene",
        elsewhere,
        "--snps snps.txt names none of the 23 variants in the cis windows: its names are like chr2:31:",
        verbs=("check",),
    ),
    accepted("`--snps`: CHR:POS:REF:ALT, without chr", every_place, "names the variants", used()),
    accepted("`--snps`: a gzipped .bim", some_of_a_bim, "its second column names the variants", half_is_used),
    accepted(
        "`--no-ambiguous`",
        lambda case: case.give("no-ambiguous"),
        "A/T and C/G variants are left out, and counted",
        adds_up,
        verbs=("check", "embed"),
    ),
    refused(
        "`--no-ambiguous`: all variants are A/T",
        only_ambiguous,
        "variants.vcf: no variant with MAF 0.01 or more but A/T and C/G ones in the cis windows of 5 genes",
    ),
)

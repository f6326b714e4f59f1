"""Odd and broken genotypes: what a VCF says."""

from collections.abc import Callable

import polars as pl

from tests.fixtures.imputed import imputed_vcf
from tests.trust.bad_inputs.rows import (
    GENE,
    NEW_PEOPLE,
    QUIET,
    REFERENCE,
    VARIANTS,
    Case,
    Ended,
    accepted,
    found,
    refused,
)

TITLE = "What the genotypes say"
COHORT = ("check", "run", "embed")
N_VARIANTS = 67
"""Used in the valid input."""
FIRST = slice(0, 1)
_REF, _ALT = 3, 4

Proof = Callable[[Case, Ended], None]


def fact(name: str, value: object) -> Proof:
    """Expect a fact that the command prints."""

    def holds(_: Case, ended: Ended) -> None:
        assert found(ended)[name] == str(value)

    return holds


def used(number: int = N_VARIANTS) -> Proof:
    """Expect so many variants to be used."""
    return fact("variants used (REF equals the FASTA at each)", number)


def first(column: int, cell: str) -> Callable[[Case], None]:
    """Write another text into a column of the first record."""
    return lambda case: case.set_cells({column: cell}, FIRST)


def append_to_first(column: int, text: str) -> Callable[[Case], None]:
    """Append to a cell of the first record."""

    def spoil(case: Case) -> None:
        case.edit_rows(lambda row: [*row[:column], row[column] + text, *row[column + 1 :]], FIRST)

    return spoil


def shift(name: str) -> Callable[[Case], None]:
    """Move every record, as another build would."""

    def spoil(case: Case) -> None:
        case.edit_rows(lambda row: [row[0], str(int(row[1]) + 7), *row[2:]], name=name)

    return spoil


def cut_columns(name: str, n_columns: int) -> Callable[[Case], None]:
    """Keep a VCF's first columns only."""

    def spoil(case: Case) -> None:
        header = [line for line in case.text(name).splitlines() if line.startswith("#CHROM")]
        case.replace(name, header[0], "\t".join(header[0].split("\t")[:n_columns]))
        case.edit_rows(lambda row: row[:n_columns], name=name)

    return spoil


def only_header(case: Case) -> None:
    lines = case.text(VARIANTS).splitlines(keepends=True)
    case.write(VARIANTS, "".join(line for line in lines if line.startswith("#")))


def n_in_reference_and_ref(case: Case) -> None:
    text = case.text(REFERENCE)
    place = text.index("\n") + 1 + 30
    case.write(REFERENCE, f"{text[:place]}R{text[place + 1 :]}")
    case.set_cells({_REF: "N"}, FIRST)


def two_names_of_a_contig(case: Case) -> None:
    case.replace(VARIANTS, "##contig=<ID=chr2,", "##contig=<ID=2,length=9000>\n##contig=<ID=CHR2,")
    case.set_cells({0: "CHR2"}, slice(20, 40))
    case.set_cells({0: "2"}, slice(0, 20))
    case.edit_rows(lambda row: [row[0].replace("chr2", "CHR2"), *row[1:]])


def lower_case(case: Case) -> None:
    case.edit_rows(lambda row: [*row[:_REF], row[_REF].lower(), row[_ALT].lower(), *row[_ALT + 1 :]])


def long_deletion(case: Case) -> None:
    sequence = "".join(case.text(REFERENCE).split(">")[1].split("\n")[1:])
    case.write(
        REFERENCE, f">chr2\n{sequence}{'ACGTA' * 2400}\n>chrX\n" + case.text(REFERENCE).split(">chrX\n")[1]
    )
    case.replace(VARIANTS, "ID=chr2,length=9000", "ID=chr2,length=21000")
    long = f"{sequence[8940:]}{'ACGTA' * 2400}"[:10_001]
    case.edit_rows(lambda row: [*row[:_REF], long, long[0], *row[_ALT + 1 :]] if row[1] == "8941" else row)


def unphased_but_assumed(case: Case) -> None:
    case.set_calls("0/1", FIRST)
    case.give("assume-phased")


def with_dosage(keys: str, values: str) -> Callable[[Case], None]:
    """Give the first call of the first record a dosage."""

    def change(case: Case) -> None:
        lines = case.text(VARIANTS).splitlines()
        first = next(i for i, line in enumerate(lines) if not line.startswith("#"))
        cells = lines[first].split("\t")
        cells[8:10] = keys, f"{cells[9]}:{values}"
        lines[first] = "\t".join(cells)
        case.write(VARIANTS, "\n".join(lines) + "\n")

    return change


def only_dosages(models: str | None = None) -> Callable[[Case], None]:
    """Leave nothing but dosages of all calls."""

    def change(case: Case) -> None:
        case.write(VARIANTS, imputed_vcf(case.text(VARIANTS), 1, "DS"))
        if models is not None:
            case.give("models", models)

    return change


def non_utf8(old: bytes, new: bytes) -> Callable[[Case], None]:
    def spoil(case: Case) -> None:
        content = case.path(VARIANTS).read_bytes()
        assert old in content
        case.write(VARIANTS, content.replace(old, new, 1))

    return spoil


def twice(case: Case) -> None:
    case.edit_rows(lambda row: ["\t".join(row) + "\n" + "\t".join(row)], slice(5, 6))


def few_records(case: Case) -> None:
    lines = case.text(NEW_PEOPLE).splitlines(keepends=True)
    case.write(NEW_PEOPLE, "".join(line for line in lines if line.startswith(("#", "chr2\t31\t"))))


def predicted_quiet_only(case: Case, ended: Ended) -> None:
    """Nobody is told anything of the genes whose variants the file lacks."""
    assert "at_start" in found(ended)["genes refused, as too few of their variants were found"]
    table = pl.read_csv(case.path("predicted.tsv"), separator="\t")
    assert set(table["gene_id"]) == {QUIET}


def odd_names(case: Case) -> None:
    for name in (VARIANTS, "expression.bed", "covariates.txt"):
        case.replace(name, "Zq007", "Zq007 a,b;$(touch pwned)'\"&<b>|`*")
    case.replace("expression.bed", GENE, "x y,z;$(touch pwned)'\"&<b>|`*/..")


def nothing_ran(case: Case, _: Ended) -> None:
    assert not list(case.folder.rglob("pwned*"))


ROWS = (
    refused("VCF without a record", only_header, "^haploscribe: variants.vcf has no variants; check"),
    refused(
        "VCF without a header",
        lambda case: case.write(VARIANTS, case.text(VARIANTS).split("\n", 7)[7]),
        "variants.vcf cannot be indexed: line 1 ",
        "check that it is a VCF",
    ),
    refused(
        "VCF cut in the middle of a line",
        lambda case: case.write(VARIANTS, case.text(VARIANTS)[:-100]),
        "variants.vcf has 19 columns at chrX:5881, the header has 52; make that file again",
    ),
    refused(
        "a record with one call too many",
        lambda case: case.edit_rows(lambda row: [*row, "0|0"], slice(4, 5)),
        "variants.vcf has 53 columns at chr2:391, the header has 52",
        verbs=COHORT,
    ),
    refused(
        "VCF with blanks for tabs",
        lambda case: case.write(VARIANTS, case.text(VARIANTS).replace("\t", " ")),
        "variants.vcf cannot be indexed: line 8",
    ),
    refused(
        "a sample twice in the VCF's header",
        lambda case: case.replace(VARIANTS, "\tZq002\t", "\tZq001\t"),
        "variants.vcf names 1 samples twice, first Zq001; rename",
    ),
    refused("VCF without samples", cut_columns(VARIANTS, 8), "share no sample .genotypes: none"),
    refused(
        "one sample, checked or in a run",
        cut_columns(VARIANTS, 10),
        "--folds 2: 1 samples leave some fold fewer than 3",
        verbs=("check", "run"),
    ),
    accepted(
        "one sample, embedded",
        cut_columns(VARIANTS, 10),
        "is read; the 42 others of the expression table are named as left out",
        lambda case, ended: None,
        verbs=("embed",),
    ),
    accepted(
        "a record twice",
        twice,
        "both are kept; of alleles that overlap on a haplotype the later is skipped, and counted",
        fact("overlapping alleles skipped", 19),
    ),
    refused(
        "unsorted VCF",
        lambda case: case.set_cells({1: "31"}, slice(5, 6)),
        "variants.vcf cannot be indexed: line 13, chr2:31, is not sorted; run bcftools sort",
        verbs=COHORT,
    ),
    refused(
        "a contig of the VCF in two places",
        lambda case: case.write(VARIANTS, case.text(VARIANTS) + case.text(VARIANTS).splitlines()[7] + "\n"),
        "variants.vcf cannot be indexed: line 141, chr2:31, is not sorted; run bcftools sort",
    ),
    accepted(
        "VCF of contigs 2 and X, FASTA and genes of chr2 and chrX",
        lambda case: case.write(VARIANTS, case.text(VARIANTS).replace("chr", "")),
        "is matched",
        used(),
    ),
    refused(
        "VCF of contigs 2 and CHR2, genes on chr2",
        two_names_of_a_contig,
        "contig chr2 could be 2 or CHR2 in variants.vcf; rename one of them",
        verbs=COHORT,
    ),
    refused(
        "VCF of other contigs than the genes",
        lambda case: case.write(
            VARIANTS, case.text(VARIANTS).replace("chr2", "chr21").replace("chrX", "chr22")
        ),
        "variants.vcf has no contig of the 5 genes .* it has chr21, chr22",
    ),
    refused(
        "VCF of another build",
        shift(VARIANTS),
        r"REF differs from reference.fa at \d+ of 33 variants \(chr2:128 REF A but FASTA G",
        "different genome builds",
        "use the FASTA",
        verbs=COHORT,
    ),
    refused(
        "REF N where the FASTA has a base", first(_REF, "N"), "chr2:31 REF N but FASTA T", "use the FASTA"
    ),
    refused("IUPAC code in REF where the FASTA has a base", first(_REF, "R"), "chr2:31 REF N but FASTA T"),
    accepted("IUPAC code in the FASTA, N in REF", n_in_reference_and_ref, "both are N", used()),
    refused(
        "REF that is no sequence", first(_REF, "."), r"variants.vcf has REF '\.' at chr2:31; write there"
    ),
    accepted("REF and ALT in lower case", lower_case, "is read as upper case", used()),
    accepted(
        "`*` as ALT",
        first(_ALT, "*"),
        "is skipped and counted",
        fact("symbolic, breakend and * alleles skipped", 1),
    ),
    accepted(
        "symbolic ALT, `<DEL>`",
        first(_ALT, "<DEL>"),
        "is skipped and counted",
        fact("symbolic, breakend and * alleles skipped", 1),
    ),
    accepted(
        "breakend ALT",
        first(_ALT, "G]chrX:5]"),
        "is skipped and counted",
        fact("symbolic, breakend and * alleles skipped", 1),
    ),
    accepted(
        "an insertion of 10,000 bases",
        append_to_first(_ALT, "ACGTA" * 2000),
        "is embedded; what it pushes over the end of its tile is cut off",
        used(),
        verbs=("check", "embed"),
    ),
    accepted("a deletion of 10,000 bases", long_deletion, "is embedded", used(), verbs=("check", "embed")),
    refused(
        "a deletion beyond the end of its contig",
        append_to_first(_REF, "ACGTA" * 2000),
        r"chr2:31 REF \w+… \(10001 bp\)",
        r"beyond the end of chr2 \(9000 bp\)",
    ),
    accepted(
        "haploid calls on an autosome",
        lambda case: case.set_calls("1", FIRST),
        "the second copy counts as reference; they are counted",
        fact("haploid calls", "1,495"),
    ),
    refused(
        "triploid calls",
        lambda case: case.set_calls("0|1|1", FIRST, FIRST),
        "variants.vcf has calls of more than two alleles at chr2:31; leave",
        verbs=COHORT,
    ),
    refused(
        "every call missing",
        lambda case: case.set_calls(".|."),
        "variants.vcf: 100% of 5,719 calls are missing",
        "impute",
        verbs=COHORT,
    ),
    refused(
        "a fifth of the calls missing",
        lambda case: case.set_calls(".|.", slice(0, None, 5)),
        "variants.vcf: 20% of",
        "missing",
    ),
    accepted(
        "half-calls, `0|.`",
        lambda case: case.set_calls("0|.", FIRST, slice(0, 3)),
        "the missing allele counts as reference in haplotypes, the call as missing",
        fact("missing calls, read as reference in haplotypes", "3 of 5,719 (0.05%)"),
    ),
    refused(
        "dosages alone, for a model of hard calls",
        only_dosages("blup(hard_calls=true)"),
        r"variants.vcf: 100% of 5,719 calls near the genes lack alleles \(GT\), more than 10%, and "
        r"blup\(hard_calls=true\) would read the reference there",
        "use models that read its dosages: elastic-net, blup or ensemble",
        verbs=("run",),
    ),
    refused(
        "dosages alone, to be embedded",
        only_dosages(),
        "lack alleles",
        verbs=("embed",),
    ),
    *(
        refused(what, with_dosage(keys, values), f"variants.vcf {says}", advice)
        for what, keys, values, says, advice in (
            (
                "a dosage above 2",
                "GT:DS",
                "2.5",
                "has a DS at chr2:31 that is not a number of 0 to 2",
                "bcftools annotate -x FORMAT/DS",
            ),
            (
                "a dosage that is no number",
                "GT:DS",
                "nan",
                "has a DS at chr2:31 that is not a number of 0 to 2",
                "bcftools annotate -x FORMAT/DS",
            ),
            (
                "two dosages of one ALT allele",
                "GT:DS",
                "1,0",
                "has 2 DS values of a call at chr2:31, not 1",
                "make that file again",
            ),
            (
                "one haplotype dosage of a diploid call",
                "GT:HDS",
                "0.5",
                "has 1 HDS values of a call at chr2:31, not 2",
                "bcftools annotate -x FORMAT/HDS",
            ),
        )
    ),
    refused(
        "unphased heterozygotes",
        lambda case: case.set_calls("0/1", slice(0, None, 10)),
        "variants.vcf has 258 unphased heterozygous calls at chr2:31-7951, first sample Zq000 at chr2:31",
        "--assume-phased",
        verbs=COHORT,
    ),
    accepted(
        "unphased heterozygotes, --assume-phased",
        unphased_but_assumed,
        "are taken as written, and counted",
        fact("unphased heterozygotes, read as phased", 43),
    ),
    refused(
        "a call of an allele that is not listed",
        lambda case: case.set_calls("0|2", FIRST, FIRST),
        "variants.vcf calls allele 2 at chr2:31, which lists 2",
    ),
    refused(
        "a call that is none",
        lambda case: case.set_calls("a|b", slice(3, 4), FIRST),
        "variants.vcf has a call at chr2:301 that is not a genotype",
    ),
    refused(
        "a position that is no number", first(1, "one"), "variants.vcf cannot be indexed: line 8 is not a"
    ),
    refused(
        "nobody carries an ALT",
        lambda case: case.set_calls("0|0"),
        "variants.vcf: no variant with MAF 0.01 or more in the cis windows of 5 genes",
    ),
    refused(
        "bytes that are not UTF-8 in a sample's name",
        non_utf8(b"Zq002", b"Zq\xff02"),
        "variants.vcf has a sample whose name is not UTF-8",
        verbs=COHORT,
    ),
    refused(
        "bytes that are not UTF-8 in REF",
        non_utf8(b"\t121\t.\t", b"\t121\t.\t\xff"),
        "variants.vcf holds bytes that are not UTF-8 at chr2:1-8000",
    ),
    accepted(
        "names of a sample and a gene with blanks, commas, quotes and what a shell reads",
        odd_names,
        "are just names",
        nothing_ran,
        verbs=COHORT,
    ),
    refused(
        "new people of another build",
        shift(NEW_PEOPLE),
        "new.vcf has none of the 67 variants that the models know; is it of the genome build",
        verbs=("predict",),
    ),
    accepted(
        "new people with few of the variants",
        few_records,
        "genes with too few are left out, and named; a gene without variants is predicted",
        predicted_quiet_only,
        verbs=("predict",),
    ),
    refused(
        "new people, unphased",
        lambda case: case.write(NEW_PEOPLE, case.text(NEW_PEOPLE).replace("0|1", "0/1")),
        "new.vcf has 47 unphased heterozygous calls",
        "--assume-phased",
        verbs=("predict",),
    ),
    refused(
        "new people with too many missing calls",
        lambda case: case.write(NEW_PEOPLE, case.text(NEW_PEOPLE).replace("0|1", ".|.")),
        "new.vcf: 18% of 399 calls are missing",
        verbs=("predict",),
    ),
    refused(
        "new people, none in the file",
        cut_columns(NEW_PEOPLE, 8),
        "new.vcf has no samples; give",
        verbs=("predict",),
    ),
    refused(
        "haplotypes of unphased people",
        lambda case: case.write(VARIANTS, case.text(VARIANTS).replace("0|1", "0/1")),
        "variants.vcf has 1 unphased heterozygous calls at chr2:2011-2911",
        "--assume-phased",
        verbs=("haplotypes",),
    ),
)

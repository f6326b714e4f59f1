"""Odd and broken files: missing, empty, cut, of another kind, with the wrong index or no index."""

import gzip
import os
import shutil
from collections.abc import Callable
from functools import partial
from typing import Protocol

import pysam
import pysam.bcftools

from tests.trust.bad_inputs.rows import (
    COVARIATES,
    EXPRESSION,
    REFERENCE,
    VARIANTS,
    Case,
    Row,
    accepted,
    refused,
)
from tests.trust.bad_inputs.variants import COHORT, N_VARIANTS, fact, nothing_ran, used

TITLE = "Files"
_BOM = "\ufeff"
PICTURE = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010806000000") + bytes(range(256))
OPTIONS = {
    VARIANTS: "variants",
    REFERENCE: "reference",
    EXPRESSION: "expression",
    COVARIATES: "covariates",
}
ZIPPED = f"{VARIANTS}.gz"


class Breaks(Protocol):
    """Breaks one of the files."""

    def __call__(self, case: Case, name: str) -> None: ...


def gone(case: Case, name: str) -> None:
    """Take a file away."""
    case.path(name).unlink()


def as_folder(case: Case, name: str) -> None:
    """Put a folder in place of a file."""
    case.path(name).unlink()
    case.path(name).mkdir()


def cut(case: Case, name: str) -> None:
    """Keep the first half of a file."""
    content = case.path(name).read_bytes()
    case.write(name, content[: len(content) // 2])


def gzipped(case: Case, name: str) -> None:
    """Compress a file, not by bgzip."""
    case.write(f"{name}.gz", gzip.compress(case.path(name).read_bytes()))
    gone(case, name)
    case.give(OPTIONS[name], f"{name}.gz")


def bgzipped(case: Case, name: str = VARIANTS, *, index: bool = True) -> None:
    """Compress a file by bgzip, and index a VCF."""
    with pysam.BGZFile(str(case.path(f"{name}.gz")), "w") as file:
        file.write(case.path(name).read_bytes())
    if index:
        pysam.bcftools.index("--csi", "--force", str(case.path(f"{name}.gz")), catch_stdout=False)
    gone(case, name)
    case.give(OPTIONS[name], f"{name}.gz")


def cut_gzip(case: Case, name: str) -> None:
    gzipped(case, name)
    cut(case, f"{name}.gz")


def cut_bgzip(case: Case) -> None:
    bgzipped(case, index=False)
    cut(case, ZIPPED)


def cut_with_index(case: Case) -> None:
    """The index is whole, and not older."""
    bgzipped(case)
    cut(case, ZIPPED)
    os.utime(case.path(f"{ZIPPED}.csi"))


def with_index(case: Case, content: str, *, old: bool = False) -> None:
    """Write something in place of the index."""
    bgzipped(case)
    case.write(f"{ZIPPED}.csi", content)
    if old:
        os.utime(case.path(f"{ZIPPED}.csi"), (0, 0))


def index_of_another(case: Case) -> None:
    text = case.text(VARIANTS)
    bgzipped(case)
    shutil.copy(case.path(f"{ZIPPED}.csi"), case.path("kept"))
    case.write(VARIANTS, "".join(line for line in text.splitlines(keepends=True) if line[:5] != "chr2\t"))
    bgzipped(case)
    case.path("kept").rename(case.path(f"{ZIPPED}.csi"))
    os.utime(case.path(f"{ZIPPED}.csi"))


def faidx(case: Case, content: str, *, old: bool = False) -> None:
    """Write something in place of the index of the FASTA."""
    case.write(f"{REFERENCE}.fai", content)
    if old:
        os.utime(case.path(f"{REFERENCE}.fai"), (0, 0))


def as_bcf(case: Case, name: str) -> None:
    source, target = str(case.path(VARIANTS)), str(case.path(name))
    pysam.bcftools.view("-Ob", "-o", target, source, catch_stdout=False)
    case.give("variants", name)


def cut_bcf(case: Case) -> None:
    as_bcf(case, "variants.bcf")
    cut(case, "variants.bcf")


def renamed(case: Case, name: str, new: str) -> None:
    case.path(name).rename(case.path(new))
    case.give(OPTIONS[name], new)


def pgen(case: Case, broken: Callable[[Case], None]) -> None:
    """A PGEN of no use, but with what belongs beside it; then broken."""
    header = next(line for line in case.text(VARIANTS).splitlines() if line.startswith("#CHROM"))
    people = header.split("\t")[9:]
    case.write("v.psam", "#IID\n" + "".join(f"{name}\n" for name in people))
    case.write("v.pvar", "#CHROM\tPOS\tID\tREF\tALT\nchr2\t31\t.\tT\tA\n")
    case.write("v.pgen", b"l\x1b\x10")
    case.give("variants", "v.pgen")
    broken(case)


def in_two(case: Case, first: Callable[[str], bool], second: Callable[[str], bool]) -> None:
    """Give two files, each with the records that it takes, by contig and position."""
    names = ["one.vcf", "two.vcf"]
    for name, takes in zip(names, (first, second), strict=True):
        lines = case.text(VARIANTS).splitlines(keepends=True)
        case.write(name, "".join(line for line in lines if line.startswith("#") or takes(line)))
    case.give("variants", names)


def on_chr2(line: str) -> bool:
    return line.startswith("chr2\t")


def not_on_chr2(line: str) -> bool:
    return not on_chr2(line)


def overlapping(case: Case) -> None:
    in_two(case, lambda line: True, on_chr2)


def of_other_people(case: Case) -> None:
    in_two(case, on_chr2, not_on_chr2)
    case.replace("two.vcf", "Zq001", "somebody")


def rewritten(case: Case, name: str, change: Callable[[str], str]) -> None:
    case.write(name, change(case.text(name)))


def two_contigs_of_a_name(case: Case) -> None:
    case.write(REFERENCE, case.text(REFERENCE) + case.text(REFERENCE).replace(">chr", ">Chr"))
    case.replace(EXPRESSION, "chr2", "2")


def exchanged(case: Case) -> None:
    case.give("variants", EXPRESSION)
    case.give("expression", VARIANTS)


def _each(broken: str, spoil: Breaks, says: dict[str, tuple[str, ...]]) -> tuple[Row, ...]:
    """Make a row for each input file."""
    return tuple(
        refused(f"{option}: {broken}", partial(spoil, name=name), *says[option])
        for name, option in OPTIONS.items()
        if option in says
    )


def _all(*says: str) -> dict[str, tuple[str, ...]]:
    return {option: (f"^haploscribe: .*{name}", *says) for name, option in OPTIONS.items()}


def _read(broken: str, change: Callable[[str], str], *names: str) -> tuple[Row, ...]:
    """Make a row for each input file that is read although it is changed."""
    return tuple(
        accepted(
            f"{OPTIONS[name]}: {broken}",
            partial(rewritten, name=name, change=change),
            "is read",
            used() if name != COVARIATES else fact("covariates", 2),
        )
        for name in names
    )


_several_files = (
    accepted("variants: two files", lambda case: in_two(case, on_chr2, not_on_chr2), "are read", used()),
    refused(
        "variants: two files that overlap",
        overlapping,
        r"one\.vcf reaches chr2:[\d,]+ and two\.vcf begins at [\d,]+; give files that do not overlap",
        verbs=COHORT,
    ),
    refused(
        "variants: two files of other people",
        of_other_people,
        r"two\.vcf lacks 1 of the \d+ samples of one\.vcf, first Zq001; give files of the same samples",
        verbs=COHORT,
    ),
    refused(
        "variants: a pattern that no file has",
        lambda case: case.give("variants", "people{contig}.vcf"),
        r"no file is named as people\{contig\}\.vcf says",
    ),
    refused(
        "variants: PLINK 1",
        lambda case: case.give("variants", "people.bed"),
        r"people\.bed is PLINK 1, which stores no phase; give the phased VCF",
    ),
    refused(
        "variants: BGEN",
        lambda case: case.give("variants", "people.bgen"),
        r"people\.bgen is BGEN; convert it: plink2 --bgen",
    ),
)

ROWS = (
    *_each("missing", gone, _all("No such file", "check the path")),
    *_each(
        "a folder",
        as_folder,
        _all("Is a directory", "check the path")
        | {"variants": ("variants.vcf has no file whose name ends in", "name another folder")},
    ),
    *_several_files,
    *_each(
        "empty",
        lambda case, name: case.write(name, ""),
        {
            "variants": ("variants.vcf cannot be indexed: it has no header line", "check that it is a VCF"),
            "reference": ("reference.fa is not a FASTA file",),
            "expression": ("expression.bed is empty; it needs a header line",),
            "covariates": ("covariates.txt is empty; it needs a header line",),
        },
    ),
    *_each(
        "a picture",
        lambda case, name: case.write(name, PICTURE),
        {
            "variants": ("variants.vcf cannot be indexed: line 1", "check that it is a VCF"),
            "reference": ("reference.fa is not a FASTA file",),
            "expression": ("expression.bed line 3 has 2 columns",),
        },
    ),
    *_each(
        "a byte that is not UTF-8",
        lambda case, name: case.write(name, case.path(name).read_bytes().replace(b"\n", b"\xe9\n", 1)),
        {
            "reference": ("reference.fa .* not UTF-8",),
            "expression": ("expression.bed is not UTF-8 text",),
            "covariates": ("covariates.txt is not UTF-8 text",),
        },
    ),
    *_each("gzip, cut", cut_gzip, {name: (f"{name}.*gz", "again") for name in ("variants", "expression")}),
    *_read("CRLF line ends", lambda text: text.replace("\n", "\r\n"), *OPTIONS),
    *_read("a byte-order mark", lambda text: _BOM + text, VARIANTS, EXPRESSION, COVARIATES),
    refused(
        "reference: a byte-order mark",
        lambda case: rewritten(case, REFERENCE, lambda text: _BOM + text),
        "reference.fa cannot be indexed as FASTA: line 1",
    ),
    accepted("variants: gzip instead of bgzip", lambda case: gzipped(case, VARIANTS), "is read", used()),
    accepted("expression: gzip instead of bgzip", lambda case: gzipped(case, EXPRESSION), "is read", used()),
    refused(
        "reference: gzip instead of bgzip",
        lambda case: gzipped(case, REFERENCE),
        r"reference.fa.gz is compressed with gzip.*; run: gunzip -c reference.fa.gz \| bgzip",
        verbs=COHORT,
    ),
    accepted("variants: no index", lambda case: bgzipped(case, index=False), "one is made aside", used()),
    accepted(
        "variants: an index older than the file",
        lambda case: with_index(case, "of another file", old=True),
        "another is made aside",
        used(),
    ),
    accepted(
        "variants: an index that is none",
        lambda case: with_index(case, "no index"),
        "another is made aside",
        used(),
    ),
    accepted(
        "variants: the index of another file",
        index_of_another,
        "another is made aside",
        lambda case, ended: None,
    ),
    refused("variants: bgzip, cut", cut_bgzip, "variants.vcf.gz is cut short", "copy it again", verbs=COHORT),
    refused("variants: bgzip, cut, with its whole index", cut_with_index, "variants.vcf.gz is cut short"),
    refused("variants: BCF, cut", cut_bcf, "variants.bcf is cut short"),
    accepted("variants: BCF called .vcf", lambda case: as_bcf(case, "v.vcf"), "is read", used()),
    accepted(
        "variants: VCF called .bcf",
        lambda case: renamed(case, VARIANTS, "v.bcf"),
        "is read",
        used(N_VARIANTS),
    ),
    refused(
        "variants: PGEN without .psam",
        lambda case: pgen(case, lambda case: gone(case, "v.psam")),
        "v.psam is missing; copy the .psam of v.pgen next to it",
    ),
    refused(
        "variants: PGEN without .pvar",
        lambda case: pgen(case, lambda case: gone(case, "v.pvar")),
        "v.pvar is missing; copy the .pvar of v.pgen next to it",
    ),
    refused(
        "variants: PGEN, cut",
        lambda case: pgen(case, lambda case: None),
        "v.pgen cannot be read with its .pvar and .psam",
        "make all three again",
        elsewhere=r"\(.*\)",
    ),
    accepted(
        "reference: a contig twice",
        lambda case: case.write(REFERENCE, f"{case.text(REFERENCE)}>chr2\nACGT\n"),
        "the first of them is read, as samtools does",
        used(),
    ),
    accepted(
        "reference: an index older than the file",
        lambda case: faidx(case, "of another file", old=True),
        "another is made aside",
        used(),
    ),
    refused(
        "reference: an index that is none",
        lambda case: faidx(case, "no index\n"),
        "reference.fa with reference.fa.fai",
        "delete that index",
        elsewhere="error when.*`(?=;)",
    ),
    refused(
        "reference: an index that lists nothing",
        lambda case: faidx(case, ""),
        "reference.fa.fai is damaged: .*; delete it",
    ),
    refused(
        "reference: cut",
        lambda case: cut(case, REFERENCE),
        r"contig chrX is not in reference.fa \(it has: chr2\)",
    ),
    accepted(
        "reference: lower case",
        lambda case: rewritten(case, REFERENCE, lambda text: text.lower().replace(">chrx", ">chrX")),
        "is read as upper case",
        used(),
    ),
    refused(
        "reference: lines of different length",
        lambda case: rewritten(case, REFERENCE, lambda text: f"{text[:1000]}\n{text[1000:]}"),
        "reference.fa cannot be indexed as FASTA: line 19 follows a shorter line",
        "seqtk",
    ),
    refused(
        "reference: a contig without bases",
        lambda case: case.write(REFERENCE, ">chr2\n>chrX\n"),
        "reference.fa cannot be indexed as FASTA: a sequence before line 2 has no bases",
    ),
    refused(
        "reference: amino acids",
        lambda case: case.write(REFERENCE, f">chr2\n{'MKVLEF' * 1500}\n>chrX\n{'MKVLEF' * 1000}\n"),
        "REF differs from reference.fa at 33 of 33 variants",
    ),
    refused(
        "reference: other contigs than the genes",
        lambda case: case.replace(REFERENCE, ">chr2", ">chr21"),
        r"contig chr2 is not in reference.fa \(it has: chr21, chrX\); use its contig names",
    ),
    refused(
        "reference: chr2 and Chr2, genes on 2",
        two_contigs_of_a_name,
        "contig 2 could be chr2 or Chr2 in reference.fa; rename one of them",
    ),
    refused(
        "the expression table given as --variants, the VCF as --expression",
        exchanged,
        "variants.vcf: the header begins '#CHROM POS ID REF'; the header must begin",
    ),
    accepted(
        "a VCF whose name has blanks, quotes and what a shell reads",
        lambda case: renamed(case, VARIANTS, "v $(touch pwned);'\"&|*.vcf"),
        "is just a file",
        nothing_ran,
        verbs=COHORT,
    ),
    accepted(
        "a FASTA whose name begins like an option",
        lambda case: renamed(case, REFERENCE, "-r.fa"),
        "is just a file",
        used(),
    ),
)

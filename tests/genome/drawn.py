"""Drawn cohorts in which anything may overlap anything, their files, and what bcftools makes of them."""

from dataclasses import dataclass
from pathlib import Path

import pysam
import pysam.bcftools
from hypothesis import strategies as st

SAMPLES = ("a", "b")
_BASES = "ACGT"
_COMPLEMENT = str.maketrans("ACGT", "TGCA")


@dataclass(frozen=True)
class Record:
    """One VCF record; `position` is 0-based."""

    position: int
    reference: str
    alternates: tuple[str, ...]
    calls: tuple[str, ...]

    @property
    def end(self) -> int:
        return self.position + len(self.reference)

    def line(self, contig: str) -> str:
        fields = (contig, self.position + 1, ".", self.reference, ",".join(self.alternates))
        return "\t".join(map(str, (*fields, ".", ".", ".", "GT", *self.calls)))


@dataclass(frozen=True)
class DrawnContig:
    """A contig's reference and its records, sorted by position."""

    sequence: str
    records: tuple[Record, ...]


@st.composite
def _alternates(draw: st.DrawFn, reference: str) -> str:
    """An SNV, MNV or complex allele, an insertion behind or in front of REF's other bases, or a deletion."""
    bases = draw(st.text(_BASES, min_size=1, max_size=4))
    kinds = (
        bases,
        bases.translate(_COMPLEMENT)[: len(reference)] + reference[len(bases) :],
        reference[0] + bases + reference[1:],
        reference + bases,
        bases + reference,
        reference[0] + reference[draw(st.integers(1, len(reference))) :],
    )
    return draw(st.sampled_from(kinds))


@st.composite
def _records(draw: st.DrawFn, sequence: str) -> Record:
    position = draw(st.integers(0, len(sequence) - 1))
    reference = sequence[position : position + draw(st.integers(1, 5))]
    alternates = draw(st.lists(_alternates(reference), min_size=1, max_size=3))
    # bcftools writes * as a letter and stops at symbolic alleles, so they stand here but nobody carries them.
    others = draw(st.sampled_from(((), (), (), ("*",), ("<DUP>",))))
    allele = st.integers(0, len(alternates)).map(str) | st.just(".")
    diploid = st.tuples(allele, allele).map("|".join)
    return Record(
        position, reference, (*alternates, *others), tuple(draw(diploid | diploid | allele) for _ in SAMPLES)
    )


@st.composite
def contigs(draw: st.DrawFn) -> DrawnContig:
    """Draw a short contig crowded with records."""
    length = draw(st.integers(1, 70))
    number = draw(st.integers(0, 4**length - 1))  # one draw is much faster than one for each base
    sequence = "".join(_BASES[number >> 2 * place & 3] for place in range(length))
    records = draw(st.lists(_records(sequence), max_size=14))
    return DrawnContig(sequence, tuple(sorted(records, key=lambda record: record.position)))


def write_fasta(path: Path, sequences: dict[str, str]) -> Path:
    lines = []
    for name, sequence in sequences.items():
        lines += [f">{name}", *(sequence[start : start + 60] for start in range(0, len(sequence), 60))]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_vcf(path: Path, drawn: dict[str, DrawnContig]) -> Path:
    """Write a bgzipped and indexed VCF."""
    return write_vcf_lines(
        path,
        {name: len(contig.sequence) for name, contig in drawn.items()},
        [record.line(name) for name, contig in drawn.items() for record in contig.records],
    )


def vcf_text(lengths: dict[str, int], lines: list[str], samples: tuple[str, ...] = SAMPLES) -> str:
    columns = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *samples)
    header = [
        "##fileformat=VCFv4.2",
        *(f"##contig=<ID={name},length={length}>" for name, length in lengths.items()),
        '##INFO=<ID=END,Number=1,Type=Integer,Description="End">',
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">',
        "\t".join(columns),
    ]
    return "\n".join((*header, *lines)) + "\n"


def write_vcf_lines(
    path: Path, lengths: dict[str, int], lines: list[str], samples: tuple[str, ...] = SAMPLES
) -> Path:
    """Write a VCF; bgzipped and indexed when `path` ends in `.gz`."""
    text = vcf_text(lengths, lines, samples)
    if path.suffix != ".gz":
        path.write_text(text)
        return path
    with pysam.BGZFile(str(path), "w") as file:
        file.write(text.encode())
    pysam.bcftools.index("--tbi", "--force", str(path), catch_stdout=False)
    return path


def consensus(fasta: Path, vcf: Path, sample: str, haplotype: int) -> dict[str, str]:
    """What `bcftools consensus -H` writes, by contig; `haplotype` is 0 or 1."""
    text = str(pysam.bcftools.consensus("-s", sample, "-H", str(haplotype + 1), "-f", str(fasta), str(vcf)))
    sequences: dict[str, str] = {}
    for record in text.split(">")[1:]:
        name, *lines = record.split("\n")
        sequences[name.split(":")[0]] = "".join(lines)
    return sequences

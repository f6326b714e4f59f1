"""Where a text file departs from its format: looked for only when a reader has refused it."""

from collections.abc import Iterable


def vcf_fault(lines: Iterable[bytes], name: str) -> str:
    """Say what is wrong with a VCF that cannot be indexed, at which line, and how to mend it.

    Parameters
    ----------
    lines
        Of the file, decompressed.
    name
        Of the file, for a command that mends it.
    """
    seen: set[bytes] = set()
    contig, position, has_header = b"", 0, False
    for number, line in enumerate(lines, start=1):
        if line.startswith(b"BCF"):
            return "it is a damaged BCF; copy or make it again"
        if line.startswith(b"#"):
            has_header = has_header or line.startswith(b"#CHROM\t")
            continue
        if not has_header:
            return f"line {number} comes before any header line of #CHROM, POS, …; check that it is a VCF"
        cells = line.split(b"\t", 5)
        if len(cells) < 6 or not cells[1].isdigit():
            return f"line {number} is no record of CHROM, POS, …, with tabs between; make it again"
        here = int(cells[1])
        if (here < position) if cells[0] == contig else (cells[0] in seen):
            place = f"{cells[0].decode('utf-8', 'replace')}:{here}"
            return f"line {number}, {place}, is not sorted; run bcftools sort -Oz {name}"
        contig, position = cells[0], here
        seen.add(contig)
    if not has_header:
        return "it has no header line of #CHROM, POS, …; check that it is a VCF"
    return "bcftools index refuses it; make it again with bcftools view"


def fasta_fault(lines: Iterable[bytes]) -> str:
    """Say what is wrong with a FASTA that cannot be indexed, at which line, and how to mend it.

    Parameters
    ----------
    lines
        Of the file, decompressed.
    """
    mend = "write each sequence in lines of one length, such as with seqtk seq -l 60"
    width, ended = -1, False  # bases in a sequence's lines; -1 before any sequence, 0 behind its name
    number = 0
    for number, line in enumerate(lines, start=1):
        text = line.rstrip(b"\r\n")
        if text.startswith(b">"):
            if width == 0:
                break
            width, ended = 0, False
        elif width < 0 and text:
            return f"line {number} comes before any line that begins with '>'; check that it is a FASTA file"
        elif text and (ended or len(text) > width > 0):
            return f"line {number} comes behind a shorter line of its sequence; {mend}"
        elif text and not text.isalpha():
            return f"line {number} holds what is no base; {mend}"
        else:
            ended = len(text) < width
            width = width or len(text)
    if width == 0:
        return f"a sequence before line {number} has no bases, or the last has none; make it again"
    return "samtools faidx refuses it; make it again"

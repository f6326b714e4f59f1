"""Cut the bundled example cohort out of the Geuvadis chromosome 22 benchmark cohort.

    python tools/cut_example_cohort.py --source FOLDER [--out FOLDER]

The region is chosen by a rule that looks at no genotype-expression relation: of the whole megabases of
chr22, the one with the most genes in the expression table, leaving out 22-23 Mb (the immunoglobulin
lambda locus, whose expression in cell lines is distorted by clonality); of equals, the one with the
most variants. Every gene of the table whose TSS lies in it is taken, every person, and every variant
within reach of a gene's cis window. The reference keeps chr22's coordinates: what lies outside the
region is N, which compresses to next to nothing.
"""

import argparse
from collections import Counter
from pathlib import Path

import pysam

MEGABASE = 1_000_000
IMMUNOGLOBULIN_LAMBDA = 22
MARGIN = 98_304 + 6_000  # half a cis window and a tile
EXPRESSION_PCS = 25
DEFAULT_OUT = Path(__file__).parents[1] / "src/haploscribe/examples/geuvadis-chr22-1mb"


def choose_megabase(source: Path) -> tuple[str, int]:
    """Contig and number of the megabase to cut, by the rule in the module's docstring."""
    genes: Counter[int] = Counter()
    variants: Counter[int] = Counter()
    with pysam.TabixFile(str(source / "expression.rpkm.bed.gz")) as table:
        (contig,) = table.contigs
        for line in table.fetch():
            genes[int(line.split("\t", 3)[2]) // MEGABASE] += 1
    with pysam.TabixFile(str(source / "genotypes.vcf.gz")) as table:
        for line in table.fetch(contig):
            variants[int(line.split("\t", 2)[1]) // MEGABASE] += 1
    with pysam.FastaFile(str(source / "reference.fa.gz")) as fasta:
        whole = fasta.get_reference_length(contig) // MEGABASE
    candidates = [number for number in genes if number < whole and number != IMMUNOGLOBULIN_LAMBDA]
    return contig, max(candidates, key=lambda number: (genes[number], variants[number]))


def write_bgzipped(path: Path, lines: list[str]) -> None:
    """Write lines to a block-gzipped file."""
    with pysam.BGZFile(str(path), "w") as file:
        file.write(("\n".join(lines) + "\n").encode())


def cut_table(source: Path, out: Path, column: int, region: tuple[str, int, int]) -> int:
    """Copy a tabix-indexed file's header and the records of a region.

    Parameters
    ----------
    source, out
        Block-gzipped files.
    column
        Which tab-separated column, from 0, holds the 1-based position that must lie in the region.
    region
        Contig, start and end, 0-based half-open.

    Returns
    -------
    int
        Records copied.
    """
    contig, start, end = region
    with pysam.TabixFile(str(source)) as table:
        records = [
            line
            for line in table.fetch(contig, start, end)
            if start < int(line.split("\t", column + 1)[column]) <= end
        ]
        write_bgzipped(out, [*table.header, *records])
    return len(records)


def cut_reference(source: Path, out: Path, region: tuple[str, int, int]) -> None:
    """Write the contig with every base outside the region as N; indexed."""
    contig, start, end = region
    width = 60
    with pysam.FastaFile(str(source)) as fasta:
        length = fasta.get_reference_length(contig)
        sequence = "N" * start + fasta.fetch(contig, start, end) + "N" * (length - end)
    write_bgzipped(out, [f">{contig}", *(sequence[i : i + width] for i in range(0, length, width))])
    pysam.faidx(str(out))


def cut_covariates(source: Path, out: Path) -> None:
    """Keep the genotype PCs and the first expression PCs."""
    wanted = {f"expression_PC{number}" for number in range(1, EXPRESSION_PCS + 1)}
    header, *rows = source.read_text().splitlines()
    kept = [row for row in rows if row.startswith("genotype_PC") or row.split("\t", 1)[0] in wanted]
    out.write_text("\n".join([header, *kept]) + "\n")


def main() -> None:
    """Cut the cohort."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--source", type=Path, required=True, help="folder of the benchmark cohort")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT)
    arguments = parser.parse_args()
    source, out = arguments.source, arguments.out
    out.mkdir(parents=True, exist_ok=True)
    contig, number = choose_megabase(source)
    start, end = number * MEGABASE, (number + 1) * MEGABASE
    reach = (contig, start - MARGIN, end + MARGIN)
    genes = cut_table(
        source / "expression.rpkm.bed.gz", out / "expression.bed.gz", column=2, region=(contig, start, end)
    )
    variants = cut_table(source / "genotypes.vcf.gz", out / "genotypes.vcf.gz", column=1, region=reach)
    pysam.tabix_index(str(out / "genotypes.vcf.gz"), preset="vcf", force=True)
    cut_reference(source / "reference.fa.gz", out / "reference.fa.gz", reach)
    cut_covariates(source / "covariates.txt", out / "covariates.txt")
    print(f"{contig}:{start + 1:,}-{end:,}: {genes} genes, {variants} variants, written to {out}")


if __name__ == "__main__":
    main()

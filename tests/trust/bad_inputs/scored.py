"""Alleles that cannot be scored, and positions of genes."""

from collections.abc import Callable

from tests.trust.bad_inputs.options import given
from tests.trust.bad_inputs.rows import POSITIONS, QUIET, VARIANTS, Case, Ended, accepted, refused

TITLE = "Scores of alleles"
_VERBS = ("score",)


def genes(text: str) -> Callable[[Case], None]:
    """Write other positions of genes."""
    return lambda case: case.write(POSITIONS, text)


def snps(text: str) -> Callable[[Case], None]:
    """Give a list of variants."""

    def spoil(case: Case) -> None:
        case.write("snps.txt", text)
        case.give("snps", "snps.txt")

    return spoil


def without_weights(case: Case) -> None:
    case.leave_out("xpresso")


def of_another_model(case: Case) -> None:
    case.give("enformer", "enformer")


def without_samples(case: Case) -> None:
    lines = case.text(VARIANTS).splitlines()
    cut = [line if line.startswith("##") else "\t".join(line.split("\t")[:8]) for line in lines]
    case.write(VARIANTS, "\n".join(cut) + "\n")


def sample_of_sites(case: Case) -> None:
    without_samples(case)
    case.give("sample", "Zq001")


def scored(case: Case, ended: Ended) -> None:
    assert case.text("scores.tsv").startswith("gene_id\tchrom\tpos\tref\talt\txpresso difference\n")


def taken_as_forward(case: Case, ended: Ended) -> None:
    scored(case, ended)
    assert "genes without strand, taken as on +: 1 (a)" in ended.out


ROWS = (
    refused(
        "a model that is no sequence model",
        given("models", "xpresso,blup"),
        "--models xpresso,blup: give sequence models, each once, of xpresso, enformer",
        verbs=_VERBS,
    ),
    refused("a sequence model twice", given("models", "xpresso,xpresso"), "each once", verbs=_VERBS),
    refused(
        "a sequence model without weights", without_weights, "give the file with --xpresso", verbs=_VERBS
    ),
    refused(
        "a window that AlphaGenome cannot read",
        given("alphagenome-window", "100kb"),
        "--alphagenome-window 100000: give a multiple of 2048, such as 131072, and 1048576 at most",
        verbs=("score", "run"),
    ),
    refused(
        "weights of a model that does not score",
        of_another_model,
        "--enformer enformer: the model is not used; add enformer to --models",
        verbs=_VERBS,
    ),
    refused(
        "positions of genes: no gene in column 4",
        genes("chr2\t2000\t2001\n"),
        "genes.bed line 1 is no gene; give contig, start",
        verbs=_VERBS,
    ),
    refused(
        "positions of genes: a strand that is none",
        genes("chr2\t2000\t2001\ta\t0\tforward\n"),
        "genes.bed line 1: gene a has strand 'forward' in column 6",
        verbs=_VERBS,
    ),
    refused("positions of genes: an empty file", genes("#chrom\n"), "genes.bed has no gene", verbs=_VERBS),
    refused(
        "positions of genes: a gene twice",
        genes("chr2\t2000\t2001\ta\nchr2\t3000\t3001\ta\n"),
        r"genes.bed: 1 genes appear more than once \(a\)",
        verbs=_VERBS,
    ),
    refused(
        "positions of genes: on contigs without variants",
        genes("chr7\t2000\t2001\ta\n"),
        r"variants.vcf has no contig of the 1 genes \(such as chr7\); it has chr2, chrX",
        verbs=_VERBS,
    ),
    refused(
        "positions of genes: behind the contig's end",
        genes("chr2\t2000000\t2000001\ta\n"),
        "genes.bed: 1 of 1 genes lie outside the reference, first a at chr2:2,000,001",
        verbs=_VERBS,
    ),
    refused(
        "genes without a variant near them",
        given("genes", QUIET),
        "variants.vcf has no variant in the windows of",
        "wider --window",
        verbs=_VERBS,
    ),
    refused(
        "a list of variants with none near the genes",
        snps("rs1\n"),
        "variants.vcf has no variant that --snps names in the windows of",
        verbs=_VERBS,
    ),
    refused(
        "a sample that the genotypes lack", given("sample", "nobody"), "lacks 1 of 1 samples", verbs=_VERBS
    ),
    refused("a sample, and variants without samples", sample_of_sites, "lacks 1 of 1 samples", verbs=_VERBS),
    refused(
        "scores: --out of no known format",
        given("out", "scores.csv"),
        "--out scores.csv: name a file that ends in .parquet or .tsv",
        verbs=_VERBS,
    ),
    accepted("variants without samples", without_samples, "scored on the reference", scored, verbs=_VERBS),
    accepted(
        "positions of genes: without a strand",
        genes("chr2\t2000\t2001\ta\n"),
        "taken as on +, and said",
        taken_as_forward,
        verbs=_VERBS,
    ),
)

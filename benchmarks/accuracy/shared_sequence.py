"""Measure how much sequence held-out genes share with training genes under `--gene-split` (paralogs).

`--gene-split` keeps genes apart by distance along the genome. Copies of a held-out gene's sequence elsewhere
on the chromosome may still be in training. Counted are a held-out gene's k-mers, of either strand, that occur
in the window of at least one training gene, k-mer by k-mer, on the reference.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.common.cohort import benchmark_cohort
from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import stamp, write_page
from haploscribe.cohort.cohort import Cohort, open_cohort
from haploscribe.evaluation.folds import gene_splits
from haploscribe.expression.genes import Gene, GeneSplit
from haploscribe.utils.types import BoolArray, Float64Array, Int64Array

N_SPLITS = 5
K_LONG, K_SHORT = 31, 20
NEAR = 20_000
"""Width in base pairs of the part near a gene's TSS."""
MOST_COPIES = 10
"""A k-mer with more copies on the chromosome is counted as an interspersed repeat."""
SHARES = (0.01, 0.1, 0.5)
N_PAIRS = 10

_DIGITS = np.full(256, 4, dtype=np.uint8)
_DIGITS[list(b"ACGT")] = np.arange(4)


@dataclass(frozen=True, slots=True)
class KmerIndex:
    """The k-mers of a contig, each equal to its reverse complement.

    Attributes
    ----------
    k
        Their length, at most 31.
    ids
        int32 `(n_positions,)`; the k-mer that starts there, -1 where it holds a letter other than A, C, G, T.
    copies
        int64 `(n_kmers,)`; how often each occurs on the contig.
    """

    k: int
    ids: npt.NDArray[np.int32]
    copies: Int64Array

    def of(self, span: Sequence[int], most_copies: int | None = None) -> npt.NDArray[np.int32]:
        """Return the k-mers that lie within an interval, in order, with at most so many copies."""
        found = self.ids[span[0] : max(span[0], span[1] - self.k + 1)]
        found = found[found >= 0]
        return found if most_copies is None else found[self.copies[found] <= most_copies]


def index_kmers(sequence: bytes, k: int) -> KmerIndex:
    """Index the k-mers of a sequence in upper case."""
    digits = _DIGITS[np.frombuffer(sequence, dtype=np.uint8)]
    n = max(0, len(digits) - k + 1)
    forward, reverse = np.zeros(n, dtype=np.uint64), np.zeros(n, dtype=np.uint64)
    is_known = np.ones(n, dtype=np.bool_)
    for offset in range(k):
        here = digits[offset : offset + n]
        is_known &= here < 4
        base = (here & 3).astype(np.uint64)
        forward <<= np.uint64(2)
        forward |= base
        reverse |= (np.uint64(3) - base) << np.uint64(2 * offset)
    starts = np.flatnonzero(is_known)
    words = np.minimum(forward, reverse)[starts]
    del forward, reverse
    order = np.argsort(words)
    ordered = words[order]
    is_first = np.ones(len(words), dtype=np.bool_)
    is_first[1:] = ordered[1:] != ordered[:-1]
    numbers = (np.cumsum(is_first) - 1).astype(np.int32)
    ids = np.full(n, -1, dtype=np.int32)
    ids[starts[order]] = numbers
    return KmerIndex(k, ids, np.bincount(numbers).astype(np.int64))


def marked_kmers(index: KmerIndex, spans: Int64Array) -> BoolArray:
    """Return which k-mers lie within any of the intervals `(n, 2)`: bool `(n_kmers,)`."""
    marked = np.zeros(len(index.copies), dtype=np.bool_)
    for span in spans:
        marked[index.of(span)] = True
    return marked


def shared_shares(
    index: KmerIndex, tested: Int64Array, trained: Int64Array, most_copies: int | None = None
) -> Float64Array:
    """Return the share of the k-mers of each interval that occur in any other interval.

    Parameters
    ----------
    index
        The k-mers of the contig.
    tested, trained
        int64 `(n_tested, 2)` and `(n_trained, 2)`; 0-based half-open.
    most_copies
        K-mers with more copies on the contig are left out, of those counted and of all; None for none.

    Returns
    -------
    float64 `(n_tested,)`; 0 for an interval without k-mers.
    """
    marked = marked_kmers(index, trained)
    kmers = [index.of(span, most_copies) for span in tested]
    return np.array([marked[found].mean() if found.size else 0.0 for found in kmers])


def spans_of(genes: Sequence[Gene], width: int, length: int) -> Int64Array:
    """Return each gene's interval around its TSS, within the contig: int64 `(n_genes, 2)`."""
    tss = np.array([gene.tss for gene in genes], dtype=np.int64)
    return np.stack([np.maximum(tss - width // 2, 0), np.minimum(tss + width // 2, length)], axis=1)


def held_out_shares(
    index: KmerIndex, spans: Int64Array, splits: Sequence[GeneSplit], most_copies: int | None
) -> Float64Array:
    """Return each gene's share with the training genes of the split that holds it out: `(n_genes,)`."""
    shares = np.zeros(len(spans))
    for split in splits:
        shares[split.held_out] = shared_shares(
            index, spans[split.held_out], spans[split.training], most_copies
        )
    return shares


def pair_shares(
    index: KmerIndex, spans: Int64Array, splits: Sequence[GeneSplit], most_copies: int
) -> Float64Array:
    """Return the share of each held-out gene with each training gene of its split alone.

    Returns
    -------
    float64 `(n_genes, n_genes)`; by held-out gene and training gene, 0 where they are in no split together.
    """
    shares = np.zeros((len(spans), len(spans)))
    for split in splits:
        anywhere = marked_kmers(index, spans[split.training])
        kmers = {gene: index.of(spans[gene], most_copies) for gene in split.held_out}
        shared = {gene: found[anywhere[found]] for gene, found in kmers.items()}  # few, for the loop below
        for other in split.training:
            marked = marked_kmers(index, spans[[other]])
            for gene, found in shared.items():
                shares[gene, other] = marked[found].sum() / max(1, kmers[gene].size)
    return shares


def pair_rows(part: str, genes: Sequence[Gene], shares: Float64Array) -> list[str]:
    """Format the pairs that share most, `n_genes` by `n_genes`, as rows."""
    largest = np.argsort(-shares, axis=None, kind="stable")[:N_PAIRS]
    rows = []
    for held_out, training in zip(*np.unravel_index(largest, shares.shape), strict=True):
        named = [f"`{gene.gene_id}` ({gene.tss + 1:,})" for gene in (genes[held_out], genes[training])]
        rows.append(f"| {part} | {' | '.join(named)} | {shares[held_out, training]:.1%} |")
    return rows


def share_row(name: str, shares: Float64Array) -> str:
    """Format the distribution of shares over genes as a row."""
    above = " | ".join(str(int(np.sum(shares > share))) for share in SHARES)
    return f"| {name} | {shares.mean():.2%} | {np.median(shares):.2%} | {shares.max():.1%} | {above} |"


def page_lines(cohort: Cohort, n_splits: int) -> list[str]:
    """Measure, and format the tables."""
    (contig,) = {gene.contig for gene in cohort.genes}
    reference = cohort.genotypes.reference
    length = reference.contigs[contig]
    sequence = reference.fetch(contig, 0, length)
    splits = gene_splits(cohort, n_splits)
    parts = {f"±{width // 2:,} bp": spans_of(cohort.genes, width, length) for width in (cohort.window, NEAR)}
    above = " | ".join(f"genes above {share:.0%}" for share in SHARES)
    lines = [f"| part, k-mers | mean share | median | largest | {above} |", "|---|---|---|---|---|---|---|"]
    pairs: list[str] = []
    for k in (K_LONG, K_SHORT):
        index = index_kmers(sequence, k)
        for part, spans in parts.items():
            for most_copies, kind in ((MOST_COPIES, f"at most {MOST_COPIES} copies"), (None, "all")):
                shares = held_out_shares(index, spans, splits, most_copies)
                lines.append(share_row(f"{part}, {k}-mers, {kind}", shares))
            if k == K_LONG:
                pairs += pair_rows(part, cohort.genes, pair_shares(index, spans, splits, MOST_COPIES))
    return [
        *lines,
        "",
        "## Pairs of genes",
        "",
        f"The {N_PAIRS} pairs of a held-out gene and one training gene, with their TSS, that share most: "
        f"{K_LONG}-mers of at most {MOST_COPIES} copies.",
        "",
        "| part | held out | training | share |",
        "|---|---|---|---|",
        *pairs,
    ]


def main(argv: Sequence[str]) -> None:
    """Run the benchmark and write its table."""
    parser = benchmark_parser("shared_sequence", __doc__, every=1)
    parser.add_argument("--gene-split", type=int, default=N_SPLITS, metavar="K")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        options = benchmark_cohort(arguments.source, Path(folder), every=arguments.every)
        with open_cohort(options, Path(folder)) as cohort:
            lines = page_lines(cohort, arguments.gene_split)
            n_genes = len(cohort.genes)
    command = f"shared_sequence --source FOLDER --every {arguments.every} --gene-split {arguments.gene_split}"
    head = [
        "# Sequence that held-out genes share with training genes",
        "",
        f"{stamp(command)}.",
        "",
        f"{n_genes} genes of one chromosome, in {arguments.gene_split} blocks as `--gene-split` makes them, "
        "which leave out of training every gene whose window overlaps that of a held-out gene. For each "
        "held-out gene: the share of its k-mers, of either strand, that also occur in the same part of at "
        f"least one training gene's window. K-mers with more than {MOST_COPIES} copies on the chromosome are "
        "taken for interspersed repeats, and counted in the rows `all` alone; those with fewer copies may be "
        "repeats too. Exact k-mers find recent copies: at 98 % identity, with differences spread evenly, "
        f"{0.98**K_LONG:.0%} of {K_LONG}-mers and {0.98**K_SHORT:.0%} of {K_SHORT}-mers are shared, at 90 % "
        f"{0.9**K_LONG:.0%} and {0.9**K_SHORT:.0%}.",
        "",
    ]
    write_page(arguments.table, [*head, *lines, ""])

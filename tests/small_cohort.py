"""A small made-up cohort of what real ones may have: two contigs, haploid calls, indels, odd names."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from haploscribe.config.options import CohortOptions
from tests.genome.drawn import vcf_text, write_fasta

LENGTHS = {"chr2": 9_000, "chrX": 6_000}
N_PEOPLE = 43
QUIET = range(4_000, 7_000)
"""Where chr2 has no variant."""
GENES = {
    "at the start": ("chr2", 0),
    "at the end": ("chr2", LENGTHS["chr2"] - 1),
    "a/b <c>, d": ("chr2", 2_500),
    "quiet": ("chr2", 5_500),
    "on X": ("chrX", 3_000),
}
"""Contig and 0-based TSS of each gene."""


@dataclass(frozen=True)
class Site:
    """A record, and how often haplotypes carry its ALT."""

    contig: str
    position: int
    reference: str
    alternate: str
    frequency: float


@dataclass(frozen=True)
class SmallGenome:
    """Sequences and sites, always the same."""

    sequences: dict[str, str]
    sites: tuple[Site, ...]

    @classmethod
    def drawn(cls) -> "SmallGenome":
        rng = np.random.default_rng(6)
        sequences = {name: "".join(rng.choice(list("ACGT"), length)) for name, length in LENGTHS.items()}
        sites = []
        for name, sequence in sequences.items():
            for number, position in enumerate(range(30, len(sequence) - 30, 90)):
                if name == "chr2" and position in QUIET:
                    continue
                ref = sequence[position : position + (3 if number % 10 == 3 else 1)]
                alt = next(base for base in "ACGT" if base != ref[0]) if len(ref) == 1 else ref[0]
                alt = ref + "TG" if number % 10 == 7 else alt
                sites.append(Site(name, position, ref, alt, float(rng.uniform(0.2, 0.6))))
        return cls(sequences, tuple(sites))

    def carried(self, n_people: int, seed: int) -> np.ndarray[tuple[int, int, int], np.dtype[np.int64]]:
        """Who carries ALT, `(n_sites, n_people, 2)`; every second person has one copy of chrX."""
        rng = np.random.default_rng(seed)
        frequencies = np.array([site.frequency for site in self.sites])[:, None, None]
        found = (rng.random((len(self.sites), n_people, 2)) < frequencies).astype(np.int64)
        on_x = np.array([site.contig == "chrX" for site in self.sites])
        found[np.ix_(on_x, np.arange(0, n_people, 2), np.array([1]))] = 0
        return found

    def vcf(
        self, people: Sequence[str], seed: int, contigs: Sequence[str] = tuple(LENGTHS), phase: str = "|"
    ) -> str:
        """The text of a VCF of drawn people."""
        carried = self.carried(len(people), seed)
        lines = []
        for site, row in zip(self.sites, carried.tolist(), strict=True):
            if site.contig in contigs:
                calls = [
                    str(call[0]) if site.contig == "chrX" and i % 2 == 0 else phase.join(map(str, call))
                    for i, call in enumerate(row)
                ]
                start = (site.contig, str(site.position + 1), ".", site.reference, site.alternate)
                lines.append("\t".join((*start, ".", ".", ".", "GT", *calls)))
        return vcf_text({name: LENGTHS[name] for name in contigs}, lines, tuple(people))


PEOPLE = tuple(f"Zq{number:03d} Doe-Ny" for number in range(N_PEOPLE))


def write_small_cohort(folder: Path) -> CohortOptions:
    """Write the cohort; each gene's expression follows two sites near it, with noise."""
    genome = SmallGenome.drawn()
    fasta = write_fasta(folder / "reference.fa", genome.sequences)
    variants = folder / "variants.vcf"
    variants.write_text(genome.vcf(PEOPLE, seed=1))
    copies = genome.carried(N_PEOPLE, seed=1).sum(axis=2)
    rng = np.random.default_rng(2)
    lines = ["\t".join(("#chr", "start", "end", "gene_id", *PEOPLE))]
    for gene_id, (contig, tss) in sorted(GENES.items(), key=lambda gene: gene[1]):
        distances = [
            abs(site.position - tss) if site.contig == contig else sys.maxsize for site in genome.sites
        ]
        near = np.argsort(distances)
        values = 1.5 * copies[near[0]] - copies[near[2]] + 0.5 * rng.standard_normal(N_PEOPLE)
        lines.append("\t".join((contig, str(tss), str(tss + 1), gene_id, *map(repr, values.tolist()))))
    expression = folder / "expression.bed"
    expression.write_text("\n".join(lines) + "\n")
    return CohortOptions(variants, fasta, expression, window=2_000, tile=500)

"""What estimators read of real people, and what is estimated from it, against programs that others wrote."""

import re
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from haploscribe.cohort.cohort import Cohort, open_cohort
from haploscribe.config.options import CohortOptions
from haploscribe.estimators.inputs import gene_inputs
from haploscribe.estimators.linear.blup import DosageBlup
from haploscribe.genome.haplotypes import read_for_tiles, tile_haplotypes
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.reference import Reference
from haploscribe.genome.tiles import Tile
from haploscribe.genome.variants import alt_alleles
from haploscribe.interpret.association import marginal_association
from haploscribe.utils.types import Float64Array
from tests.fixtures.peers import require_program
from tests.fixtures.variants import only_file, write_fasta, write_vcf_lines

pytestmark = pytest.mark.shared

GENES = ("ENSG00000100031", "ENSG00000128191.9", "ENSG00000251322.3", "ENSG00000206066.3")
MAF = 0.05
WINDOW, TILE = 196_608, 5_994


@pytest.fixture(scope="module")
def cohort(shared_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cohort]:
    options = CohortOptions(
        variants=shared_cohort / "genotypes.vcf.gz",
        reference=shared_cohort / "reference.fa.gz",
        expression=shared_cohort / "expression.rpkm.bed.gz",
        covariates=shared_cohort / "covariates.txt",
        genes=",".join(GENES),
        maf=MAF,
        window=WINDOW,
        tile=TILE,
    )
    with open_cohort(options, tmp_path_factory.mktemp("index")) as opened:
        assert len(opened.genes) == len(GENES)
        yield opened


@dataclass(frozen=True)
class Plink:
    """The tiles of all genes' windows, read by plink2 above the frequency floor."""

    folder: Path

    def run(self, *arguments: str) -> str:
        command = [require_program("plink2"), "--threads", "1", *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def plink(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Plink:
    found = Plink(tmp_path_factory.mktemp("plink"))
    spans = [(gene.tss - WINDOW // 2, gene.tss + WINDOW // 2 + 1) for gene in cohort.genes]
    (found.folder / "windows").write_text(
        "".join(f"22\t{start + 1}\t{end}\tw{number}\n" for number, (start, end) in enumerate(spans))
    )
    found.run(
        *("--vcf", str(cohort.options.variants), "--set-all-var-ids", "@:#:$r:$a"),
        *("--extract", "range", "windows", "--maf", str(MAF), "--make-pgen", "--freq", "--out", "windows"),
        *("--export", "A"),
    )
    return found


def names_of(cohort: Cohort, gene: int) -> tuple[list[str], npt.NDArray[np.float32]]:
    """Names as plink2 was told to give them, and the dosages that estimators read."""
    variants = cohort.cis_variants(cohort.genes[gene])
    names = [
        f"22:{each.position + 1}:{each.reference.decode()}:{each.alternate.decode()}"
        for each in alt_alleles(variants)
    ]
    inputs = gene_inputs(cohort, cohort.genes[gene], None)
    assert inputs.dosages.shape == (len(cohort.genotypes.sample_ids), len(names))
    return names, inputs.dosages


def plink_dosages(plink: Plink, cohort: Cohort) -> dict[str, Float64Array]:
    """Copies of ALT by variant, people in our order."""
    table = pl.read_csv(plink.folder / "windows.raw", separator="\t", null_values="NA")
    order = {str(name): row for row, name in enumerate(table["IID"].to_list())}
    rows = [order[name] for name in cohort.genotypes.sample_ids]
    found = {}
    for column in table.columns[6:]:
        name, counted = column.rsplit("_", 1)
        copies = table[column].to_numpy().astype(np.float64)[rows]
        found[name] = copies if counted == name.split(":")[3] else 2 - copies
    return found


def test_variants_above_the_floor_are_plinks(cohort: Cohort, plink: Plink) -> None:
    ours = {name for gene in range(len(GENES)) for name in names_of(cohort, gene)[0]}
    theirs = pl.read_csv(plink.folder / "windows.afreq", separator="\t")["ID"].to_list()
    assert len(ours) > 1000
    assert ours == set(theirs)


def test_dosages_of_everyone_are_plinks(cohort: Cohort, plink: Plink) -> None:
    theirs = plink_dosages(plink, cohort)
    for gene in range(len(GENES)):
        names, dosages = names_of(cohort, gene)
        np.testing.assert_array_equal(dosages, np.column_stack([theirs[name] for name in names]))


def test_allele_frequencies_are_plinks(cohort: Cohort, plink: Plink) -> None:
    table = pl.read_csv(plink.folder / "windows.afreq", separator="\t")
    theirs = dict(zip(table["ID"].to_list(), table["ALT_FREQS"].to_list(), strict=True))
    for gene in range(len(GENES)):
        names, dosages = names_of(cohort, gene)
        expected = [theirs[name] for name in names]
        np.testing.assert_allclose(dosages.mean(axis=0) / 2, expected, rtol=1e-5)  # it prints six digits


def test_linkage_between_haplotypes_is_plinks(cohort: Cohort, plink: Plink) -> None:
    """Phase counts here: r² and D' of phased copies."""
    variants = cohort.cis_variants(cohort.genes[0])
    names = names_of(cohort, 0)[0]
    copies = variants.genotypes.reshape(len(names), -1)
    linkage = np.asarray(np.corrcoef(copies)) ** 2
    rng = np.random.default_rng(0)
    for _ in range(25):
        first, second = np.sort(rng.choice(len(names), 2, replace=False))
        said = plink.run("--pfile", "windows", "--ld", names[first], names[second], "--out", "ld")
        (theirs,) = re.findall(r"r\^2 = (\S+)", said)
        assert linkage[first, second] == pytest.approx(float(theirs), rel=1e-4, abs=1e-6)


def test_marginal_associations_are_those_of_plinks_regressions(cohort: Cohort, plink: Plink) -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(size=len(cohort.genotypes.sample_ids))
    for gene in range(len(GENES)):
        names, dosages = names_of(cohort, gene)
        expression = np.log2(1 + cohort.values[gene]) + 0.01 * noise
        lines = [
            f"{name}\t{value!r}\n"
            for name, value in zip(cohort.genotypes.sample_ids, expression.tolist(), strict=True)
        ]
        (plink.folder / "expression").write_text("#IID\ty\n" + "".join(lines))
        (plink.folder / "here").write_text("\n".join(names))
        plink.run(
            *("--pfile", "windows", "--extract", "here", "--pheno", "expression", "--out", "glm"),
            *("--glm", "allow-no-covars", "omit-ref"),
        )
        table = pl.read_csv(plink.folder / "glm.y.glm.linear", separator="\t")
        assert table["ID"].to_list() == names
        assert table["A1"].to_list() == [name.split(":")[3] for name in names]
        ours = marginal_association(dosages, expression)
        np.testing.assert_allclose(ours.slope, table["BETA"].to_numpy(), rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(ours.standard_error, table["SE"].to_numpy(), rtol=1e-4)
        np.testing.assert_allclose(10**ours.log10_p, table["P"].to_numpy(), rtol=1e-3)


def test_variance_components_of_blup_are_gemmas(cohort: Cohort, tmp_path: Path) -> None:
    gemma = require_program("gemma")
    shares = []
    for gene in range(len(GENES)):
        names, dosages = names_of(cohort, gene)
        expression = np.log2(1 + cohort.values[gene])
        expression = (expression - expression.mean()) / expression.std()
        standardised = (dosages - dosages.mean(axis=0, dtype=np.float64)) / dosages.std(
            axis=0, dtype=np.float64
        )
        kernel = standardised @ standardised.T / len(names)
        for name, table in (("kernel", kernel), ("expression", expression)):
            np.savetxt(tmp_path / name, table, fmt="%.15g")
        calls = ", ".join(f"{copies:.0f}" for copies in dosages[:, 0])
        (tmp_path / "variant").write_text(f"rs1, A, G, {calls}\n")  # it wants one to test
        command = [gemma, "-g", "variant", "-p", "expression", "-k", "kernel", "-lmm", "1", "-o", "null"]
        subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
        log = (tmp_path / "output" / "null.log.txt").read_text()
        genetic, residual = (
            float(re.findall(rf"## {name} estimate in the null model = (\S+)", log)[0])
            for name in ("vg", "ve")
        )
        # GEMMA's kernel has a mean diagonal of 1; our share is of one with the contrasts' mean 1.
        genetic *= np.trace(kernel) / (len(expression) - 1)
        model = DosageBlup().fit(gene_inputs(cohort, cohort.genes[gene], None), expression)
        shares.append((model.h2_, genetic / (genetic + residual)))
    ours, theirs = np.transpose(shares)
    assert theirs.max() > 0.1
    np.testing.assert_allclose(ours, theirs, atol=5e-4)


def consensus_of_everyone(fasta: Path, vcf: Path, samples: Sequence[str]) -> list[tuple[str, str]]:
    """Both haplotypes of each person, as `bcftools consensus -H` writes them."""
    bcftools = require_program("bcftools")

    def one(sample: str, haplotype: int) -> str:
        command = [bcftools, "consensus", "-s", sample, "-H", str(haplotype), "-f", str(fasta), str(vcf)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return "".join(done.stdout.splitlines()[1:])

    with ThreadPoolExecutor(2) as pool:
        first, second = (list(pool.map(one, samples, [haplotype] * len(samples))) for haplotype in (1, 2))
    return list(zip(first, second, strict=True))


def assert_haplotypes_are_bcftools(vcf: Path, reference: Path, tiles: tuple[Tile, ...], folder: Path) -> int:
    """Compare both haplotypes of everyone over all tiles; give the number of records read."""
    with open_variants(vcf) as reader, Reference.open(reference, folder) as opened:
        variants = read_for_tiles(reader, tiles, reader.sample_ids)
        sequences = [opened.fetch(tile.contig, tile.start, tile.end) for tile in tiles]
        samples = reader.sample_ids
    found = tile_haplotypes(sequences, variants, tiles)
    contig, left, right = tiles[0].contig, tiles[0].start, tiles[-1].end
    part = write_fasta(folder / "part.fa", {f"{contig}:{left + 1}-{right}": b"".join(sequences).decode()})
    for row, theirs in enumerate(consensus_of_everyone(part, vcf, samples)):
        for haplotype in (0, 1):
            ours = b"".join(tile.sequences[tile.index[row, haplotype]] for tile in found).decode()
            assert ours == theirs[haplotype], (samples[row], haplotype)
    return len(variants.positions)


@pytest.mark.slow
def test_haplotypes_of_everyone_over_a_whole_cis_window_are_bcftools(
    cohort: Cohort, shared_cohort: Path, tmp_path: Path
) -> None:
    tiles = tuple(tile.whole() for tile in cohort.tiles(cohort.genes[0]))
    n_records = assert_haplotypes_are_bcftools(
        only_file(cohort.options.variants), cohort.options.reference, tiles, tmp_path
    )
    assert n_records > 500


def simulated_lines(sequence: str, start: int, n_people: int, seed: int) -> list[str]:
    """Records as dense as those of thousands of genomes: a sixth are indels, of up to 300 bp; MNVs."""
    rng = np.random.default_rng(seed)
    lines = []
    positions = np.sort(rng.choice(len(sequence) - 400, len(sequence) // 60, replace=False))
    for position in positions.tolist():
        kind = rng.random()
        length = 1 + min(int(rng.pareto(1.2)), 300)
        ref, alts = sequence[position], []
        if kind < 0.08:
            ref = sequence[position : position + 1 + length]
            alts = [ref[0]]
        elif kind < 0.16:
            alts = [ref + "".join(rng.choice(list("ACGT"), length))]
        elif kind < 0.19:
            ref = sequence[position : position + 3]
            alts = ["".join(rng.permutation(list("ACGT"))[:3])]
        else:
            alts = [str(rng.choice([base for base in "ACGT" if base != ref]))]
        if kind > 0.97:
            alts.append(ref + "TTG")
        alts = [alt for alt in alts if alt != ref]
        if not alts:
            continue
        weights = rng.dirichlet([1.0] + [0.3] * len(alts))
        calls = rng.choice(len(alts) + 1, size=(n_people, 2), p=weights).tolist()
        fields = ("chr22", start + position + 1, ".", ref, ",".join(alts), ".", ".", ".", "GT")
        lines.append("\t".join(map(str, (*fields, *(f"{a}|{b}" for a, b in calls)))))
    return lines


@pytest.mark.slow
def test_haplotypes_with_indels_of_everyone_over_a_whole_cis_window_are_bcftools(
    cohort: Cohort, tmp_path: Path
) -> None:
    tiles = tuple(tile.whole() for tile in cohort.tiles(cohort.genes[0]))
    start, end = tiles[0].start, tiles[-1].end
    samples = tuple(cohort.genotypes.sample_ids)
    length = cohort.genotypes.reference.contigs["chr22"]
    sequence = cohort.genotypes.reference.fetch("chr22", start, end).decode()
    lines = simulated_lines(sequence, start, len(samples), seed=4)
    vcf = write_vcf_lines(tmp_path / "v.vcf.gz", {"chr22": length}, lines, samples)
    n_records = assert_haplotypes_are_bcftools(vcf, cohort.options.reference, tiles, tmp_path)
    assert n_records == len(lines)
    n_indels = sum(len(line.split("\t")[3]) != len(line.split("\t")[4]) for line in lines)
    assert n_indels > 300

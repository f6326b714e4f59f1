"""Simulated folders, read back and recomputed with other programs."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pysam
import pytest
from scipy import stats

from haploscribe.config.options import CohortOptions
from haploscribe.config.simulation import SimulationOptions
from haploscribe.errors import InputError
from haploscribe.expression.table import read_expression
from haploscribe.genome.readers.open import open_variants
from haploscribe.utils.types import BoolArray, Float64Array
from haploscribe.workflows.simulate import simulate
from tests.fixtures.peers import require_program
from tests.fixtures.variants import write_fasta, write_vcf_lines

Simulated = Callable[..., Path]


@pytest.fixture(scope="module")
def real(example: CohortOptions) -> SimulationOptions:
    """On the bundled real samples."""
    return SimulationOptions(
        variants=example.variants, reference=example.reference, genes=4, samples=120, seed=3, maf=0.05
    )


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """Simulate once for each set of options."""
    known: dict[SimulationOptions, Path] = {}

    def folder(options: SimulationOptions) -> Path:
        if options not in known:
            known[options] = tmp_path_factory.mktemp("simulated") / "cohort"
            simulate(options, known[options])
        return known[options]

    return folder


SIMULATED = SimulationOptions(samples=60, genes=3, seed=11, window=60_000, maf=0.05)


class Alleles:
    """Who carries which ALT allele, by pysam."""

    def __init__(self, folder: Path) -> None:
        self.carried: dict[tuple[str, int, str, str], BoolArray] = {}
        with pysam.VariantFile(str(folder / "genotypes.vcf.gz")) as vcf:
            self.samples = list(vcf.header.samples)
            for record in vcf:
                calls = np.array([call.allele_indices for call in record.samples.values()])
                for number, alt in enumerate(record.alts, start=1):
                    self.carried[record.chrom, record.pos, record.ref, alt] = calls == number

    def of(self, row: dict[str, Any], prefix: str = "") -> BoolArray:
        return self.carried[row["contig"], *(row[prefix + name] for name in ("position", "ref", "alt"))]


def truth_of(folder: Path) -> pl.DataFrame:
    return pl.read_csv(folder / "truth.tsv", separator="\t", infer_schema_length=None)


def recomputed(folder: Path) -> dict[str, Float64Array]:
    """What each haplotype adds to each gene, `(n_samples, 2)`, by the rule of docs/simulate.md."""
    alleles = Alleles(folder)
    values: dict[str, Float64Array] = {}
    for row in truth_of(folder).iter_rows(named=True):
        copies = alleles.of(row)
        if row["partner_position"] is not None:
            copies = copies * alleles.of(row, "partner_")
        values.setdefault(row["gene_id"], np.zeros(copies.shape))
        values[row["gene_id"]] += row["effect"] * copies
    return values


ARCHITECTURES: list[dict[str, Any]] = [
    {"architecture": "sparse", "causal": 3},
    {"architecture": "polygenic"},
    {"architecture": "epistatic", "causal": 1},
    {"architecture": "epistatic", "causal": 2, "main_effects": True},
]


@pytest.mark.parametrize("changed", ARCHITECTURES)
def test_written_values_follow_from_the_written_truth_and_genotypes(
    real: SimulationOptions, simulated: Simulated, changed: dict[str, Any]
) -> None:
    folder = simulated(replace(real, **changed))
    found = pl.read_parquet(folder / "genetic_values.parquet")
    expected = recomputed(folder)
    assert set(found["gene_id"]) == set(expected)
    assert found["sample_id"].to_list() == Alleles(folder).samples * 4
    for (gene_id,), rows in found.group_by("gene_id", maintain_order=True):
        haplotypes = rows.select("haplotype_0", "haplotype_1").to_numpy()
        np.testing.assert_allclose(haplotypes, expected[str(gene_id)], rtol=0, atol=1e-12)
        np.testing.assert_allclose(rows["genetic_value"], haplotypes.sum(axis=1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("changed", ARCHITECTURES)
@pytest.mark.parametrize("h2", [0.0, 0.3, 1.0])
def test_heritability_is_exact_in_the_sample(
    real: SimulationOptions, simulated: Simulated, changed: dict[str, Any], h2: float
) -> None:
    folder = simulated(replace(real, h2=h2, **changed))
    table = read_expression(folder / "expression.bed.gz")
    values = recomputed(folder)
    for gene, expression in zip(table.genes, table.values, strict=True):
        genetic = values.get(gene.gene_id, np.zeros((120, 2))).sum(axis=1)
        variance = np.var(genetic, ddof=1)
        assert variance / (variance + np.var(expression - genetic, ddof=1)) == pytest.approx(h2, abs=1e-9)
    genes = pl.read_csv(folder / "genes.tsv", separator="\t")
    np.testing.assert_allclose(genes["h2"], h2, atol=1e-12)


def test_genes_table_tells_what_perfect_prediction_reaches(
    real: SimulationOptions, simulated: Simulated
) -> None:
    folder = simulated(real)
    values = recomputed(folder)
    table = read_expression(folder / "expression.bed.gz")
    expected = [
        stats.pearsonr(values[gene.gene_id].sum(axis=1), expression).statistic
        for gene, expression in zip(table.genes, table.values, strict=True)
    ]
    found = pl.read_csv(folder / "genes.tsv", separator="\t")["pearson_r"]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_regression_on_causal_dosages_recovers_effects(real: SimulationOptions, simulated: Simulated) -> None:
    folder = simulated(replace(real, h2=0.999, causal=2, samples=None))
    alleles, table = Alleles(folder), read_expression(folder / "expression.bed.gz")
    for gene, expression in zip(table.genes, table.values, strict=True):
        rows = truth_of(folder).filter(gene_id=gene.gene_id)
        dosages = np.stack([alleles.of(row).sum(axis=1) for row in rows.iter_rows(named=True)])
        slopes = np.linalg.lstsq(np.vstack([dosages, np.ones(358)]).T, expression, rcond=None)[0][:-1]
        np.testing.assert_allclose(slopes, rows["effect"], atol=0.05)


@pytest.mark.parametrize("changed", ARCHITECTURES)
def test_causal_alleles_are_common_and_in_the_window_that_estimators_see(
    real: SimulationOptions, simulated: Simulated, changed: dict[str, Any]
) -> None:
    folder = simulated(replace(real, **changed))
    genes = {row["gene_id"]: row for row in pl.read_csv(folder / "genes.tsv", separator="\t").to_dicts()}
    alleles = Alleles(folder)
    for row in truth_of(folder).iter_rows(named=True):
        assert abs(row["position"] - genes[row["gene_id"]]["tss"]) <= real.window // 2
        frequency = alleles.of(row).mean()
        assert 0.05 <= frequency <= 0.95
        if row["partner_position"] is None:
            assert row["frequency"] == pytest.approx(frequency)
        else:
            assert (row["position"] - 1) // real.tile == (row["partner_position"] - 1) // real.tile


def test_variance_shares_are_those_of_each_term_alone(real: SimulationOptions, simulated: Simulated) -> None:
    folder = simulated(real)
    alleles, values = Alleles(folder), recomputed(folder)
    for row in truth_of(folder).iter_rows(named=True):
        alone = np.var(row["effect"] * alleles.of(row).sum(axis=1), ddof=1)
        total = np.var(values[row["gene_id"]].sum(axis=1), ddof=1)
        assert row["variance_share"] == pytest.approx(alone / total)


def test_samples_are_drawn_and_keep_the_alleles_they_carry(
    example: CohortOptions, real: SimulationOptions, simulated: Simulated, tmp_path: Path
) -> None:
    folder = simulated(replace(real, samples=5))
    samples = Alleles(folder).samples
    assert len(set(samples)) == 5
    subset = str(tmp_path / "subset.vcf")
    pysam.bcftools.view(
        *("-s", ",".join(samples), "--min-ac", "1:nref", "-o", subset, str(example.variants)),
        catch_stdout=False,
    )
    query = ("-f", "%CHROM %POS %ID %REF %ALT[ %GT]\n")
    expected = pysam.bcftools.query(*query, subset)
    assert 0 < expected.count("\n") < 3128
    assert pysam.bcftools.query(*query, str(folder / "genotypes.vcf.gz")) == expected


def test_all_samples_are_used_when_no_number_is_given(
    example: CohortOptions, real: SimulationOptions, simulated: Simulated
) -> None:
    folder = simulated(replace(real, h2=0.999, causal=2, samples=None))
    with pysam.VariantFile(str(example.variants)) as variants:
        assert Alleles(folder).samples == list(variants.header.samples)


def test_real_genes_keep_their_names_and_places(
    example: CohortOptions, real: SimulationOptions, simulated: Simulated
) -> None:
    folder = simulated(replace(real, expression=example.expression, genes=None))
    expected = {
        (gene.gene_id, gene.tss + 1, gene.strand) for gene in read_expression(example.expression).genes
    }
    genes = pl.read_csv(folder / "genes.tsv", separator="\t")
    assert set(genes.select("gene_id", "tss", "strand").iter_rows()) == expected
    written = read_expression(folder / "expression.bed.gz").genes
    assert [gene.tss + 1 for gene in written] == genes["tss"].to_list() == sorted(genes["tss"])


def test_genes_with_too_few_variants_are_left_out_and_counted(
    real: SimulationOptions, tmp_path: Path
) -> None:
    rows = [
        f"chr22\t{tss - 1}\t{tss}\t{name}\t1" for name, tss in (("far", 40_000_000), ("near", 20_500_000))
    ]
    table = tmp_path / "genes.bed"
    table.write_text("\n".join(["#chr\tstart\tend\tgene_id\tHG00096", *rows]) + "\n")
    summary = simulate(replace(real, expression=table, genes=None), tmp_path / "out")
    assert summary["genes with too few variants, left out"] == 1
    assert set(truth_of(tmp_path / "out")["gene_id"]) == {"near"}


def test_some_of_the_real_genes_are_drawn(
    example: CohortOptions, real: SimulationOptions, simulated: Simulated
) -> None:
    folder = simulated(replace(real, expression=example.expression, genes=5))
    there = {gene.gene_id for gene in read_expression(example.expression).genes}
    drawn = pl.read_csv(folder / "genes.tsv", separator="\t")["gene_id"]
    assert len(set(drawn) & there) == 5


def test_a_gene_is_the_same_whichever_others_are_drawn(
    example: CohortOptions, real: SimulationOptions, simulated: Simulated
) -> None:
    everyone = truth_of(simulated(replace(real, expression=example.expression, genes=None)))
    some = truth_of(simulated(replace(real, expression=example.expression, genes=5)))
    assert some.equals(everyone.filter(pl.col("gene_id").is_in(some["gene_id"].implode())))


@pytest.mark.parametrize("simulated_dna", [False, True])
def test_the_same_seed_gives_the_same_bytes(
    real: SimulationOptions, tmp_path: Path, simulated_dna: bool
) -> None:
    options = SIMULATED if simulated_dna else real
    for name in ("first", "second"):
        simulate(options, tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "second").iterdir())
    for file in files:
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes(), file


def test_another_seed_gives_another_cohort(real: SimulationOptions, simulated: Simulated) -> None:
    one, other = simulated(real), simulated(replace(real, seed=real.seed + 1))
    assert truth_of(one)["position"].to_list() != truth_of(other)["position"].to_list()
    assert Alleles(one).samples != Alleles(other).samples


def test_simulated_reference_fits_the_simulated_variants(simulated: Simulated) -> None:
    folder = simulated(SIMULATED)
    pysam.bcftools.norm(
        "--check-ref", "e", "-f", str(folder / "reference.fa.gz"), str(folder / "genotypes.vcf.gz")
    )
    with pysam.FastaFile(str(folder / "reference.fa.gz")) as fasta:
        for contig, position, ref, _ in Alleles(folder).carried:
            assert fasta.fetch(contig, position - 1, position) == ref


def test_simulated_diversity_is_that_of_the_model(simulated: Simulated) -> None:
    """Watterson's estimator (Theor. Popul. Biol. 7:256-276, 1975) gives back θ = 4 Nₑ μ."""
    folder = simulated(SIMULATED)
    n_bases = sum(pysam.FastaFile(str(folder / "reference.fa.gz")).lengths)
    harmonic = sum(1 / i for i in range(1, 2 * 60))
    assert len(Alleles(folder).carried) / n_bases / harmonic == pytest.approx(4 * 1e4 * 1.25e-8, rel=0.3)


@pytest.mark.parametrize("simulated_dna", [False, True])
def test_plink2_counts_the_same_alleles(
    real: SimulationOptions, simulated: Simulated, tmp_path: Path, simulated_dna: bool
) -> None:
    folder = simulated(SIMULATED if simulated_dna else real)
    plink2 = require_program("plink2")
    arguments = ["--vcf", folder / "genotypes.vcf.gz", "--freq", "counts", "--out", tmp_path / "counts"]
    subprocess.run([plink2, *map(str, arguments)], check=True, capture_output=True)
    counted = pl.read_csv(tmp_path / "counts.acount", separator="\t")
    alleles = Alleles(folder)
    assert counted["ALT_CTS"].to_list() == [int(carried.sum()) for carried in alleles.carried.values()]


def test_the_index_finds_any_stretch(simulated: Simulated) -> None:
    folder = simulated(SIMULATED)
    positions = [position for _, position, _, _ in Alleles(folder).carried]
    found = pysam.bcftools.query(
        "-f", "%POS\n", "-r", f"chr1:{positions[5]}-{positions[9]}", str(folder / "genotypes.vcf.gz")
    )
    assert list(map(int, found.split())) == positions[5:10]


def test_missing_msprime_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msprime", None)
    with pytest.raises(InputError, match=r"pip install 'haploscribe\[simulate\]'"):
        simulate(SIMULATED, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"samples": 359}, "--samples 359: .* has 358 samples"),
        ({"samples": 1}, "--samples 1: give 2 or more"),
        ({"genes": 0}, "--genes 0: give 1 or more"),
        ({"genes": None}, "--genes is missing"),
        ({"causal": 0}, "--causal 0"),
        ({"h2": 1.1}, "--h2 1.1: give a share from 0 to 1"),
        ({"h2": float("nan")}, "--h2 nan"),
        ({"maf": 0.5}, "--maf 0.5"),
        ({"window": 0}, "--window 0"),
        ({"tile": -6}, "--tile -6"),
        ({"reference": None}, "--variants and --reference go together"),
        ({"variants": None}, "--variants and --reference go together"),
        ({"variants": None, "reference": None, "samples": None}, "--samples is missing"),
        ({"variants": None, "reference": None, "expression": Path("x.bed")}, "--expression names real genes"),
        ({"main_effects": True}, "--main-effects is for --architecture epistatic"),
        ({"causal": 100_000}, "only 0 of 4 genes have 100000 distinct alleles"),
        ({"architecture": "epistatic", "maf": 0.3}, "only 0 of 4 genes have 2 pairs of alleles"),
        ({"variants": Path("absent.vcf.gz")}, "absent.vcf.gz"),
    ],
)
def test_bad_options_are_refused_in_one_line(
    real: SimulationOptions, tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message) as refused:
        simulate(replace(real, **changed), tmp_path / "out")
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_reference_of_other_dna_is_refused(
    real: SimulationOptions, simulated: Simulated, tmp_path: Path
) -> None:
    other = tmp_path / "other.fa"
    other.write_text(">chr22\n" + "A" * 50_818_468 + "\n")
    with pytest.raises(InputError, match=r"REF differs from .*other\.fa"):
        simulate(replace(real, reference=other), tmp_path / "out")


def test_an_earlier_simulation_is_replaced(real: SimulationOptions, tmp_path: Path) -> None:
    out = tmp_path / "out"
    simulate(SIMULATED, out)
    simulate(real, out)
    assert not (out / "reference.fa.gz").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_of_other_files_is_left_alone(real: SimulationOptions, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match=r"holds other files, such as thesis\.tex"):
        simulate(real, tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_inputs_are_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    simulate(SIMULATED, out)
    again = replace(
        SIMULATED, variants=out / "genotypes.vcf.gz", reference=out / "reference.fa.gz", samples=None, genes=1
    )
    with pytest.raises(InputError, match="lies in --out"):
        simulate(again, out)
    simulate(again, tmp_path / "next")
    assert Alleles(tmp_path / "next").samples == Alleles(out).samples


def test_pgen_gives_what_its_vcf_gives(simulated: Simulated, tmp_path: Path) -> None:
    folder = simulated(SIMULATED)
    plink2 = require_program("plink2")
    arguments = ["--vcf", folder / "genotypes.vcf.gz", "--make-pgen", "--out", tmp_path / "people"]
    subprocess.run([plink2, *map(str, arguments)], check=True, capture_output=True)
    for kind, variants in (("pgen", tmp_path / "people.pgen"), ("vcf", folder / "genotypes.vcf.gz")):
        options = replace(
            SIMULATED, variants=variants, reference=folder / "reference.fa.gz", genes=2, samples=40
        )
        simulate(options, tmp_path / f"from-{kind}")
    for name in ("genotypes.vcf.gz", "truth.tsv", "expression.bed.gz"):
        assert (tmp_path / "from-pgen" / name).read_bytes() == (tmp_path / "from-vcf" / name).read_bytes()


@pytest.fixture
def three_samples(tmp_path: Path) -> SimulationOptions:
    """Four sites, one of which is not phased and two of which have missing calls."""
    sequence = "ACGT" * 300
    reference = write_fasta(tmp_path / "r.fa", {"c": sequence})
    calls = ["0|1\t1|1\t0|0", "0/1\t0|0\t1|1", ".|.\t0|1\t1|1", "1|1\t0|1\t.|0"]
    lines = [
        f"c\t{site * 100 + 1}\t.\tA\tG\t.\t.\t.\tGT\t{texts}" for site, texts in enumerate(calls, start=1)
    ]
    variants = write_vcf_lines(tmp_path / "v.vcf.gz", {"c": len(sequence)}, lines, ("a", "b", "c"))
    return SimulationOptions(
        variants=variants, reference=reference, genes=1, causal=1, h2=0.5, window=2000, tile=300, maf=0.1
    )


def test_unphased_calls_are_refused_unless_phase_is_assumed(
    three_samples: SimulationOptions, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="--assume-phased"):
        simulate(three_samples, tmp_path / "out")
    summary = simulate(replace(three_samples, assume_phased=True), tmp_path / "out")
    with open_variants(tmp_path / "out" / "genotypes.vcf.gz") as reader:  # refuses what is not phased
        written = reader.read("c", 0, 1200, ("a", "b", "c")).genotypes
    assert written.tolist()[1] == [[0, 1], [0, 0], [1, 1]]
    assert summary["samples"] == 3


def test_missing_calls_are_counted_and_written_as_reference(
    three_samples: SimulationOptions, tmp_path: Path
) -> None:
    summary = simulate(replace(three_samples, assume_phased=True), tmp_path / "out")
    assert summary["missing calls, written as reference"] == "2 of 12"
    with open_variants(tmp_path / "out" / "genotypes.vcf.gz") as reader:
        variants = reader.read("c", 0, 1200, ("a", "b", "c"))
    assert variants.genotypes.tolist()[2:] == [[[0, 0], [0, 1], [1, 1]], [[1, 1], [0, 1], [0, 0]]]
    assert variants.counts.n_missing_calls == 0

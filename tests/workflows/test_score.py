"""`haploscribe score`: its table, what it is the same as, and that it resumes."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.torch import save_file

import haploscribe
from haploscribe.annotations.base import AnnotatedAlleles
from haploscribe.annotations.models import zero_shot_effects
from haploscribe.annotations.scores import Scores
from haploscribe.config.options import CohortOptions
from haploscribe.config.scoring import ScoringOptions
from haploscribe.config.zero_shot import ZeroShotOptions
from haploscribe.errors import InputError
from haploscribe.expression.genes import Gene
from haploscribe.expression.gtf import read_gtf
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.readers.cache import InMemoryVariants
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.reference import Reference
from haploscribe.genome.variants import alt_alleles
from haploscribe.workflows import score as workflow
from haploscribe.workflows.score import score
from haploscribe.zero_shot.clipnet import read_clipnet
from haploscribe.zero_shot.enformer.model import read_enformer
from haploscribe.zero_shot.predictions import TestTimeAugmentation, predict_gene
from haploscribe.zero_shot.xpresso import Xpresso, read_xpresso
from tests.fixtures.clipnet_files import write_clipnet
from tests.fixtures.small_cohort import LENGTHS, PEOPLE, SmallGenome
from tests.fixtures.variants import write_fasta
from tests.fixtures.xpresso_files import RandomXpresso
from tests.workflows.run.test_zero_shot_signal import written
from tests.zero_shot.alphagenome.test_model import MadeUp, Package, signals

GENES = {"ENSG1.2": ("chr2", 2_000, "+"), "ENSG2.1": ("chr2", 2_900, "-")}
WINDOW = 2_000
SITE = ("chr2", 2_010)
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[ScoringOptions, ZeroShotOptions]:
    """Two genes whose windows overlap, with Xpresso of random weights."""
    folder = tmp_path_factory.mktemp("inputs")
    genome = SmallGenome.drawn()
    (folder / "variants.vcf").write_text(genome.vcf(PEOPLE, seed=1))
    bounds = {"+": "{}\t9000", "-": "1\t{}"}
    lines = [
        f"{contig}\tx\tgene\t{bounds[strand].format(tss + 1)}\t.\t{strand}\t.\t"
        f'gene_id "{gene_id}"; gene_name "N{gene_id[4]}";\n'
        for gene_id, (contig, tss, strand) in GENES.items()
    ]
    (folder / "genes.gtf").write_text("".join(lines))
    options = ScoringOptions(
        models=("xpresso",),
        variants=folder / "variants.vcf",
        reference=write_fasta(folder / "reference.fa", genome.sequences),
        gtf=folder / "genes.gtf",
        window=WINDOW,
    )
    return options, ZeroShotOptions(xpresso=RandomXpresso().write(folder / "xpresso.h5"))


@pytest.fixture(scope="module")
def scores(inputs: tuple[ScoringOptions, ZeroShotOptions]) -> pl.DataFrame:
    found = score(*inputs).scores
    assert found is not None
    return found


def test_every_allele_of_a_window_has_a_row(
    inputs: tuple[ScoringOptions, ZeroShotOptions], scores: pl.DataFrame
) -> None:
    expected = [
        (gene_id, site.contig, site.position + 1, site.reference, site.alternate)
        for gene_id, (contig, tss, _) in GENES.items()
        for site in SmallGenome.drawn().sites
        if site.contig == contig and abs(site.position - tss) <= WINDOW // 2
    ]
    assert scores.select(*workflow.KEYS).rows() == expected
    assert scores.columns == [*workflow.KEYS, "xpresso difference"]
    assert scores["gene_id"].n_unique() == 2
    assert scores["pos"].n_unique() < scores.height


def test_runs_read_the_table_as_what_the_model_says_of_each_gene(
    inputs: tuple[ScoringOptions, ZeroShotOptions], scores: pl.DataFrame, tmp_path: Path
) -> None:
    options, zero_shot = inputs
    assert isinstance(options.variants, Path)
    assert zero_shot.xpresso is not None
    scores.write_parquet(tmp_path / "scores.parquet")
    table = Scores(tmp_path / "scores.parquet", LENGTHS)
    assert table.columns == ("xpresso difference",)
    with (
        open_variants(options.variants) as reader,
        Reference.open(options.reference, tmp_path) as reference,
    ):
        for gene in read_gtf(options.gtf):
            variants = reader.read(gene.contig, 0, LENGTHS[gene.contig], ()).starting_in(
                gene.tss - WINDOW // 2, gene.tss + WINDOW // 2 + 1
            )
            expected = zero_shot_effects(
                read_xpresso(zero_shot.xpresso), reference, gene, variants, TestTimeAugmentation()
            )
            alleles = alt_alleles(variants)
            found = table.read(
                AnnotatedAlleles(
                    gene.contig,
                    np.array([allele.position for allele in alleles]),
                    tuple(allele.reference.decode() for allele in alleles),
                    tuple(allele.alternate.decode() for allele in alleles),
                    gene.gene_id.split(".")[0],  # as a table of another release
                )
            )
            np.testing.assert_array_equal(found[:, 0], expected)
            assert len(set(expected)) > 5


def test_sites_are_enough_and_a_bed_is_as_good_as_a_gtf(
    inputs: tuple[ScoringOptions, ZeroShotOptions], scores: pl.DataFrame, tmp_path: Path
) -> None:
    options, zero_shot = inputs
    assert isinstance(options.variants, Path)
    lines = options.variants.read_text().splitlines()
    cut = [line if line.startswith("##") else "\t".join(line.split("\t")[:8]) for line in lines]
    (tmp_path / "sites.vcf").write_text("\n".join(cut) + "\n")
    rows = [f"{contig}\t{tss}\t{tss + 1}\t{gene}\t0\t{sign}\n" for gene, (contig, tss, sign) in GENES.items()]
    (tmp_path / "genes.bed").write_text("#chrom\tstart\tend\tgene\n" + "".join(rows))
    again = replace(options, variants=tmp_path / "sites.vcf", gtf=tmp_path / "genes.bed")
    found = score(again, zero_shot).scores
    assert found is not None
    assert found.equals(scores)


def test_genes_and_variants_are_chosen(
    inputs: tuple[ScoringOptions, ZeroShotOptions], scores: pl.DataFrame, tmp_path: Path
) -> None:
    options, zero_shot = inputs
    wanted = scores.filter(pl.col("gene_id") == "ENSG2.1")[3:5]
    names = [f"{row['chrom']}:{row['pos']}:{row['ref']}:{row['alt']}" for row in wanted.to_dicts()]
    (tmp_path / "snps.txt").write_text("\n".join(names))
    found = score(replace(options, genes="N2", snps=tmp_path / "snps.txt"), zero_shot).scores
    assert found is not None
    assert found.equals(wanted)


def test_a_sample_has_folds_of_one_and_two_copies(
    inputs: tuple[ScoringOptions, ZeroShotOptions], scores: pl.DataFrame
) -> None:
    options, zero_shot = inputs
    found = score(replace(options, sample=PEOPLE[3]), zero_shot).scores
    assert found is not None
    assert found.select(scores.columns).equals(scores)
    one, two = found["xpresso difference_one_copy"], found["xpresso difference_two_copies"]
    # Xpresso's scale is that of expression: a sample is the mean of its haplotypes, and one copy is half.
    assert ((one != 0.0) & (two != 0.0)).sum() > 5
    both = found.filter((one * 2.0 - two).abs() < 1e-6)
    assert 0 < both.height < found.height


def test_tsv_and_parquet_hold_the_same_and_nothing_else_is_left(
    inputs: tuple[ScoringOptions, ZeroShotOptions], scores: pl.DataFrame, tmp_path: Path
) -> None:
    for suffix in (".tsv", ".parquet"):
        score(*inputs, out=tmp_path / f"scores{suffix}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scores.parquet", "scores.tsv"]
    assert pl.read_parquet(tmp_path / "scores.parquet").equals(scores)
    assert pl.read_csv(tmp_path / "scores.tsv", separator="\t").equals(scores)


def test_an_interrupted_call_resumes(
    inputs: tuple[ScoringOptions, ZeroShotOptions],
    scores: pl.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workflow, "ALLELES_AT_ONCE", 4)
    predict_one, n_left = Xpresso.predict_one, 15

    def stopping(self: Xpresso, sequence: bytes, *, reverse_complement: bool) -> float:
        nonlocal n_left
        n_left -= 1
        if n_left == 0:
            raise KeyboardInterrupt
        return predict_one(self, sequence, reverse_complement=reverse_complement)

    monkeypatch.setattr(Xpresso, "predict_one", stopping)
    out = tmp_path / "scores.parquet"
    with pytest.raises(KeyboardInterrupt):
        score(*inputs, out=out)
    assert not out.exists()
    resumed = score(*inputs, out=out)
    assert pl.read_parquet(out).equals(scores)
    # The reference is read once more, and the 12 alleles that were finished are not.
    assert resumed.forward_passes == 2 + scores.height - 12
    assert [path.name for path in tmp_path.iterdir()] == ["scores.parquet"]


def test_python_gives_the_same(inputs: tuple[ScoringOptions, ZeroShotOptions], scores: pl.DataFrame) -> None:
    options, zero_shot = inputs
    assert isinstance(options.variants, Path)
    found = haploscribe.score(
        ["xpresso"],
        options.variants,
        options.reference,
        options.gtf,
        window=WINDOW,
        xpresso=zero_shot.xpresso,
    )
    assert found.equals(scores)


@pytest.mark.slow
def test_real_variants_have_the_folds_of_what_a_run_predicts(example: CohortOptions, tmp_path: Path) -> None:
    """Two hundred variants around a gene, by an Enformer of the published window."""
    assert isinstance(example.variants, Path)
    gene = Gene("a", "chr22", 20_117_391, "-")
    (tmp_path / "genes.bed").write_text(f"chr22\t{gene.tss}\t{gene.tss + 1}\ta\t0\t-\n")
    folder = written(tmp_path / "enformer")
    model = read_enformer(folder, tracks=["1"])
    with (
        open_variants(example.variants) as reader,
        Reference.open(example.reference, tmp_path) as reference,
    ):
        every = reader.read(gene.contig, gene.tss - 110_000, gene.tss + 110_000, ())
        chosen = every.take(np.arange(len(every.alleles)) % (len(every.alleles) // 200) == 0)
        nobody = Genotypes(reference, InMemoryVariants(chosen), ())
        before = predict_gene(model, nobody, gene).reference
        effects = zero_shot_effects(model, reference, gene, chosen, TestTimeAugmentation())
    names = [":".join(allele.name(gene.contig).split(":")[:4]) for allele in alt_alleles(chosen)]
    (tmp_path / "snps.txt").write_text("\n".join(names))
    options = ScoringOptions(
        models=("enformer",),
        variants=example.variants,
        reference=example.reference,
        gtf=tmp_path / "genes.bed",
        window=220_000,
        snps=tmp_path / "snps.txt",
        device="cpu",
    )
    found = score(options, ZeroShotOptions(enformer=str(folder), enformer_tracks=("1",))).scores
    assert found is not None
    assert found.height == len(effects) >= 200
    expected = np.log2((before + effects + 1) / (before + 1))
    np.testing.assert_allclose(found["enformer 1 log2_fold"], expected, atol=1e-9)
    distance = np.abs(found["pos"].to_numpy() - 1 - gene.tss)
    assert not expected[distance > model.upstream].any()
    assert (distance > model.upstream).any()
    # Signals are predicted for the 114,688 bp in the middle.
    changes = found["enformer 1 profile_change"]
    assert (changes.filter(distance < 57_000) > 0.0).all()
    assert changes.filter(distance < 57_000).null_count() == 0
    assert changes.filter(distance > 58_000).null_count() == np.count_nonzero(distance > 58_000)


def test_a_model_of_counts_without_tracks_has_folds(
    inputs: tuple[ScoringOptions, ZeroShotOptions], tmp_path: Path
) -> None:
    options, _ = inputs
    weights = write_clipnet(tmp_path / "fold_1.h5")
    found = score(replace(options, models=("clipnet",)), ZeroShotOptions(clipnet=weights)).scores
    assert found is not None
    assert found.columns == [*workflow.KEYS, "clipnet log2_fold"]
    model = read_clipnet(weights)
    (site,) = (site for site in SmallGenome.drawn().sites if (site.contig, site.position) == SITE)
    genome = SmallGenome.drawn().sequences["chr2"].encode()
    changed = genome[: SITE[1]] + site.alternate.encode() + genome[SITE[1] + 1 :]
    before, after = model.predict([sequence[1_500:2_500] for sequence in (genome, changed)])
    row = found.filter(pl.col("gene_id") == "ENSG1.2", pl.col("pos") == SITE[1] + 1)
    assert row["clipnet log2_fold"].to_list() == pytest.approx([np.log2((after + 1) / (before + 1))])


@pytest.fixture
def rna(
    inputs: tuple[ScoringOptions, ZeroShotOptions], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[ScoringOptions, ZeroShotOptions]:
    """Two tracks of a made-up AlphaGenome; exons of the first gene: two overlap, one is beyond the input."""
    monkeypatch.setitem(sys.modules, "alphagenome_pytorch", Package)
    save_file(MadeUp().state_dict(), tmp_path / "weights.safetensors")
    options, _ = inputs
    exons = "".join(
        f'chr2\tx\texon\t{first}\t{last}\t.\t+\t.\tgene_id "ENSG1.2"; transcript_id "{first}";\n'
        for first, last in ((2_001, 2_040), (2_031, 2_060), (3_200, 3_300))
    )
    (tmp_path / "exons.gtf").write_text(options.gtf.read_text() + exons)
    return replace(
        options, models=("alphagenome",), gtf=tmp_path / "exons.gtf", genes="ENSG1.2", device="cpu"
    ), ZeroShotOptions(
        alphagenome=str(tmp_path / "weights.safetensors"),
        alphagenome_tracks=("RNA:133", "CAGE:3"),
        alphagenome_window=2_048,
    )


def test_rna_is_scored_over_the_exons_of_the_gtf(rna: tuple[ScoringOptions, ZeroShotOptions]) -> None:
    found = score(*rna).scores
    assert found is not None
    (site,) = (site for site in SmallGenome.drawn().sites if (site.contig, site.position) == SITE)
    genome = SmallGenome.drawn().sequences["chr2"].encode()
    changed = genome[: SITE[1]] + site.alternate.encode() + genome[SITE[1] + 1 :]
    network = MadeUp().eval()
    exons = slice(1_024, 1_024 + 60)
    before, after = (
        signals(network, sequence[2_000 - 1_024 : 2_000 + 1_024], "RNA")[exons, 133].mean().item()
        for sequence in (genome, changed)
    )
    row = found.filter(pl.col("pos") == SITE[1] + 1)
    expected = np.log2((after + 0.001) / (before + 0.001))
    assert row["alphagenome RNA:133 log2_fold"].to_list() == pytest.approx([expected], abs=1e-6)
    assert expected != 0.0


def test_exons_that_are_not_there_are_told(
    rna: tuple[ScoringOptions, ZeroShotOptions], tmp_path: Path
) -> None:
    options, zero_shot = rna
    with pytest.raises(InputError, match=r"1 of 2 genes have no exon in .*\(ENSG2\.1\); leave them out"):
        score(replace(options, genes=None), zero_shot)
    (tmp_path / "genes.bed").write_text("chr2\t2000\t2001\tENSG1.2\t0\t+\n")
    with pytest.raises(InputError, match="RNA is read over exons; give a GTF"):
        score(replace(options, gtf=tmp_path / "genes.bed"), zero_shot)
    assert score(
        replace(options, gtf=tmp_path / "genes.bed"), replace(zero_shot, alphagenome_tracks=("CAGE:3",))
    ).n_alleles

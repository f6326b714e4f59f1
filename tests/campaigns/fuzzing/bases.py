"""Valid files to be spoilt: made once, each kind in a folder of its own."""

import os
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pysam
import pysam.bcftools
from pgenlib import PgenWriter

from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions
from haploscribe.workflows.run.workflow import run
from tests.fixtures.backbones import write_v1, write_v2
from tests.fixtures.small_cohort import GENES, PEOPLE, SmallGenome, write_small_cohort

SAMPLES = ("Zq000 Doe-Ny", "Zq001 Doe-Ny")
"""Two people of the small cohort, the first with one copy of chrX."""
MODELS = ("blup", "blup-delta")
ALL_MODELS = (
    *("top-snp", "lasso", "elastic-net", "elastic-net-1mb", "blup", "blup-distance", "blup-delta", "susie"),
    *("adaptive-shrinkage", "ensemble", "ensemble-delta"),
)
"""What the long mode keeps; with models that numba compiles."""
NAMES = {name: f"gene{number}.1" for number, name in enumerate(GENES)}
"""Other names of the small cohort's genes."""
TRUTH = "truth"
"""The folder of the cohort that is never spoilt."""


def make_bases(folder: Path, *, all_models: bool = False) -> None:
    """Make every kind of input in `folder`.

    Folders: `truth` (a whole cohort), one for each kind of file, `run` (results of a finished run, whose
    inputs lie in `truth`), `backbone-v1` and `backbone-v2`.
    """
    truth = folder / TRUTH
    truth.mkdir(parents=True)
    cohort = write_small_cohort(truth)
    text = cohort.expression.read_text()  # with names of genes that can be exported
    for name, other in NAMES.items():
        text = text.replace(f"\t{name}\t", f"\t{other}\t")
    cohort.expression.write_text(text)
    _write_tables(truth)
    _write_genotypes(folder, cohort)
    for name, files in {
        "fasta": ("reference.fa", "reference.fa.fai"),
        "fasta-bgzipped": ("reference.fa.gz", "reference.fa.gz.fai", "reference.fa.gz.gzi"),
        "tables": ("expression.bed", "expression.bed.gz", "expression.parquet", "covariates.txt"),
        "lists": ("split.tsv", "genes.txt"),
        "config": ("run.toml",),
    }.items():
        (folder / name).mkdir()
        for file in files:
            os.link(truth / file, folder / name / file)
    options = EvaluationOptions(models=ALL_MODELS if all_models else MODELS, folds=2)
    run(cohort, BackboneOptions("kmer"), options, folder / "run")
    write_v1(folder / "backbone-v1")
    write_v2(folder / "backbone-v2")


def cohort_of(truth: Path, **files: Path) -> CohortOptions:
    """The cohort of `truth`, some of its files others."""
    places = {"variants": truth / "variants.vcf", "reference": truth / "reference.fa"}
    places |= {"expression": truth / "expression.bed"} | files
    return CohortOptions(**places, window=2_000, tile=500)  # type: ignore[arg-type]


def _write_tables(truth: Path) -> None:
    rng = np.random.default_rng(3)
    pysam.faidx(str(truth / "reference.fa"))
    pysam.tabix_compress(str(truth / "reference.fa"), str(truth / "reference.fa.gz"))
    pysam.faidx(str(truth / "reference.fa.gz"))
    pysam.tabix_compress(str(truth / "expression.bed"), str(truth / "expression.bed.gz"))
    pl.read_csv(truth / "expression.bed", separator="\t").write_parquet(truth / "expression.parquet")
    rows = ["\t".join(("id", *PEOPLE))]
    rows += ["\t".join((name, *map(str, rng.standard_normal(len(PEOPLE))))) for name in ("PC1", "PC2", "sex")]
    (truth / "covariates.txt").write_text("\n".join(rows) + "\n")
    sets = ("train", "train", "validation", "test")
    # Names with blanks cannot stand in a split file, so these are those of made-up people.
    lines = [f"person{i}\t{sets[i % 4]}" for i in range(len(PEOPLE))]
    (truth / "split.tsv").write_text("\n".join(("sample_id\tset", *lines)) + "\n")
    (truth / "genes.txt").write_text(
        "# genes\nENSG00000000001.4\nENSG00000000002\tnear\n\nENSG00000000003.1\n"
    )
    (truth / "run.toml").write_text(
        'models = ["elastic-net", "blup"]\nfolds = 2\nwindow = 2000\ntile = 500\nmaf = 0.01\nseed = 3\n'
        'jobs = 1\nnormalize = "none"\nassume-phased = true\nbackbone = "kmer"\nlayer = -1\n'
        'shifts = "-1,0,1"\n'
    )


def _write_genotypes(folder: Path, cohort: CohortOptions) -> None:
    """A few people: VCF, the same bgzipped with an index of each kind, BCF, and PGEN."""
    for name in ("vcf", "vcf-bgzipped", "bcf", "pgen"):
        (folder / name).mkdir()
    text = _rich_vcf()
    plain = folder / "vcf" / "variants.vcf"
    plain.write_text(text)
    zipped, binary = folder / "vcf-bgzipped" / "variants.vcf.gz", folder / "bcf" / "variants.bcf"
    pysam.tabix_compress(str(plain), str(zipped))
    shutil.copy(zipped, folder / "vcf-bgzipped" / "other.vcf.gz")
    pysam.bcftools.index("--tbi", str(zipped), catch_stdout=False)
    pysam.bcftools.index("--csi", str(zipped.with_name("other.vcf.gz")), catch_stdout=False)
    pysam.bcftools.view("-Ob", "-o", str(binary), str(plain), catch_stdout=False)
    pysam.bcftools.index("--csi", str(binary), catch_stdout=False)
    _write_pgen(folder / "pgen" / "variants.pgen")


def _rich_vcf() -> str:
    """The small cohort's first people, with multi-allelic, symbolic, half-missing and annotated records."""
    lines = SmallGenome.drawn().vcf(PEOPLE[:4], seed=1).splitlines()
    header = [line for line in lines if line.startswith("#")]
    records = [line.split("\t") for line in lines if not line.startswith("#")][::4]
    for number, record in enumerate(records):
        if number % 8 == 1:
            record[4] = f"{record[4]},<DEL>,*"
            record[7] = f"END={int(record[1]) + 3}"
        if number % 8 == 3:
            record[8:] = ["GT:DP", *(f"{call}:{number}" for call in record[9:])]
        if number % 8 == 5:
            record[2], record[10] = f"rs{number}", ".|."
    return "\n".join((*header, *("\t".join(record) for record in records))) + "\n"


def _write_pgen(path: Path) -> None:
    genome = SmallGenome.drawn()
    sites = [site for site in genome.sites if site.contig == "chr2"]
    carried = genome.carried(4, seed=1)[: len(sites)]
    path.with_suffix(".psam").write_text("#IID\tSEX\n" + "".join(f"person{i}\tNA\n" for i in range(4)))
    rows = [f"2\t{site.position + 1}\t.\t{site.reference}\t{site.alternate}\n" for site in sites]
    path.with_suffix(".pvar").write_text("#CHROM\tPOS\tID\tREF\tALT\n" + "".join(rows))
    with PgenWriter(
        bytes(path), 4, variant_ct=len(sites), nonref_flags=False, hardcall_phase_present=True
    ) as file:
        for row in carried:
            file.append_alleles(np.ascontiguousarray(row.reshape(-1), dtype=np.int32), all_phased=True)

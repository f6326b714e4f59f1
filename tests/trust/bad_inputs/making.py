"""The verbs that make haplotypes, cohorts and backbones, or score one."""

from tests.trust.bad_inputs.options import given
from tests.trust.bad_inputs.rows import EXPRESSION, REFERENCE, VARIANTS, Case, refused
from tests.trust.bad_inputs.variants import shift

TITLE = "Haplotypes, simulated cohorts, backbones"
SCORE = ("backbones score nano",)


def only_expression(case: Case) -> None:
    case.leave_out("variants")
    case.leave_out("reference")
    case.give("expression", EXPRESSION)


def into_its_inputs(case: Case) -> None:
    case.path("in").mkdir()
    case.path(VARIANTS).rename(case.path("in") / VARIANTS)
    case.give("variants", f"in/{VARIANTS}")
    case.give("out", "in")


def variants_of_another_build(case: Case) -> None:
    shift(VARIANTS)(case)
    case.give("variants", VARIANTS)


ROWS = (
    *(
        refused(
            f"`--region {region}`",
            given("region", region),
            f"--region {region}: {says}",
            verbs=("haplotypes",),
        )
        for region, says in (
            ("chr2", "write it as contig:start-end"),
            ("chr2:0-10", "start must be at least 1"),
            ("chr2:8000-9001", "chr2 has 9,000 bp in reference.fa"),
        )
    ),
    refused(
        "`--region` on an unknown contig",
        given("region", "chr9:1-5"),
        r"contig chr9 is not in reference.fa \(it has: chr2, chrX\)",
        verbs=("haplotypes",),
    ),
    refused(
        "an unknown sample",
        given("sample", "Zq001,nobody"),
        "variants.vcf lacks 1 of 2 samples, first nobody",
        "give sample names as in that file",
        verbs=("haplotypes",),
    ),
    refused(
        "no sample",
        given("sample", ","),
        "--sample ',': name samples, each once, with commas between",
        verbs=("haplotypes",),
    ),
    refused(
        "a sample twice",
        given("sample", "Zq001,Zq001"),
        "--sample 'Zq001,Zq001': name samples, each once",
        verbs=("haplotypes",),
    ),
    *(
        refused(
            f"simulate: `--{option} {value}`",
            given(option, value),
            f"--{option} {value}: {says}",
            verbs=("simulate",),
        )
        for option, value, says in (
            ("samples", 0, "give 2 or more"),
            ("samples", 100, "variants.vcf has 43 samples; give at most that many"),
            ("genes", -1, "give 1 or more"),
            ("causal", 0, "give 1 or more"),
            ("h2", "nan", "give a share from 0 to 1"),
            ("maf", 0.5, "give a frequency from 0 to below 0.5"),
        )
    ),
    refused(
        "simulate: more causal alleles than there are",
        given("causal", 99),
        "only 0 of 2 genes have 99 distinct alleles",
        "ask for fewer genes",
        verbs=("simulate",),
    ),
    refused(
        "simulate: variants without their reference",
        lambda case: case.leave_out("reference"),
        "--variants and --reference go together",
        verbs=("simulate",),
    ),
    refused(
        "simulate: real genes, simulated samples",
        only_expression,
        "--expression names real genes: give real genotypes too",
        verbs=("simulate",),
    ),
    refused(
        "simulate: pairs' own effects without pairs",
        given("main-effects"),
        "--main-effects is for --architecture epistatic, not sparse",
        verbs=("simulate",),
    ),
    refused(
        "simulate: into the folder of its inputs",
        into_its_inputs,
        "--out in holds other files, such as variants.vcf; name a new folder",
        verbs=("simulate",),
    ),
    *(
        refused(
            f"pretrain: `--{option} {value}`",
            given(option, value),
            f"--{option} {value}: {says}",
            verbs=("pretrain",),
        )
        for option, value, says in (
            ("window", 7, "give a multiple of 6 bp"),
            ("layers", 0, "give a positive number"),
            ("steps", -1, "give a positive number"),
            ("learning-rate", "nan", "give a positive number, such as"),
            ("learning-rate", "inf", "give a positive number, such as"),
            ("seed", -1, "give a whole number from 0"),
        )
    ),
    refused(
        "pretrain: a width that does not divide into the heads",
        given("heads", 3),
        "hidden_size 8 does not divide into 3 heads",
        verbs=("pretrain",),
    ),
    refused(
        "pretrain: `--window` longer than the contigs",
        given("window", 12_000),
        "12,?000",
        verbs=("pretrain",),
    ),
    refused(
        "pretrain: `--hold-out` on an unknown contig",
        given("hold-out", "chr9:1-5"),
        "chr9",
        "reference.fa",
        verbs=("pretrain",),
    ),
    refused(
        "pretrain: variants of another build",
        variants_of_another_build,
        "REF differs from reference.fa at",
        "use the FASTA",
        verbs=("pretrain",),
    ),
    refused(
        "pretrain: the FASTA is missing",
        given("reference", "none.fa"),
        "cannot read none.fa: No such file",
        verbs=("pretrain",),
    ),
    refused(
        "score: a region that is none",
        given("region", "x"),
        "--region x: write it as contig:start-end",
        verbs=SCORE,
    ),
    refused(
        "score: the FASTA is missing",
        given("reference", "none.fa"),
        "cannot read none.fa: No such file",
        verbs=SCORE,
    ),
    refused(
        "score: a reference of N only",
        lambda case: case.write(REFERENCE, f">chr2\n{'N' * 9000}\n"),
        "reference.fa|chr2:1-600",
        verbs=SCORE,
    ),
)

"""Compare effects of single alleles with known causal effects, and with marginal eQTLs.

On the haplotypes of the cohort's samples, expression with known causal variants is simulated at N of its
genes, for each genetic architecture; all models are fitted, and give the effect of every allele as
`haploscribe explain` does. Then the same with real expression, at every N-th gene: do models and marginal
eQTLs agree in sign, also where they come from different samples? The page's section on what the tables say is
written by hand, and stays.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.common.cohort import benchmark_cohort, read_populations
from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import stamp, write_section
from benchmarks.interpretation.allele_measures import (
    NEGLIGIBLE,
    PROXY_R2,
    TOPS,
    Sums,
    average_precision,
    effect_measures,
    ranking_measures,
    rows_of,
    standing_for,
    tied_scores,
)
from benchmarks.interpretation.explained_runs import (
    MARGINAL,
    ExplainedGene,
    Fitting,
    causal_alleles,
    explained_genes,
    halves,
    others_association,
    run_on,
)
from benchmarks.interpretation.explanation_tables import (
    BASELINE,
    effect_lines,
    ranking_lines,
    setting_lines,
    sign_lines,
)
from haploscribe.config.options import CohortOptions, WorkerOptions
from haploscribe.config.simulation import Architecture, SimulationOptions
from haploscribe.evaluation.metrics import benjamini_hochberg
from haploscribe.interpret.association import MarginalAssociation
from haploscribe.simulation.files import EXPRESSION, TRUTH, VARIANTS
from haploscribe.utils.types import Float32Array
from haploscribe.workflows.simulate import simulate

SEED = 0
FDR = 0.05
BACKBONE, OTHER_BACKBONE = "nano", "kmer"
DELTA_MODELS = ("blup-delta", "transformer")
MODELS = ("elastic-net", "blup", "susie", "adaptive-shrinkage", "ensemble", *DELTA_MODELS, "ensemble-delta")


@dataclass(frozen=True, slots=True)
class Setting:
    """A genetic architecture: its name, the causal alleles (or pairs) of a gene, and its heritability."""

    architecture: Architecture
    causal: int
    h2: float

    def __str__(self) -> str:
        many = "" if self.architecture == "polygenic" else f" {self.causal}"
        return f"{self.architecture}{many}, h² {self.h2:g}"


SPARSE = tuple(Setting("sparse", causal, h2) for causal in (1, 2, 5) for h2 in (0.1, 0.3))
POLYGENIC = Setting("polygenic", 1, 0.3)
EPISTATIC = Setting("epistatic", 2, 0.3)


def simulated_cohort(source: Path, setting: Setting, n_genes: int, out: Path) -> CohortOptions:
    """Simulate expression on the haplotypes of the cohort's samples, at some of its genes."""
    variants, reference = source / "genotypes.vcf.gz", source / "reference.fa.gz"
    options = SimulationOptions(
        genes=n_genes,
        seed=SEED,
        variants=variants,
        reference=reference,
        expression=source / "expression.rpkm.bed.gz",
        architecture=setting.architecture,
        causal=setting.causal,
        h2=setting.h2,
    )
    simulate(options, out)
    return CohortOptions(variants=out / VARIANTS, reference=reference, expression=out / EXPRESSION)


def truth_measures(gene: ExplainedGene, truth: pl.DataFrame, setting: Setting) -> Iterator[tuple[str, Sums]]:
    """Compare each model's effects at a gene with the true ones."""
    causal, per_copy = causal_alleles(truth, gene.names)
    spread = gene.dosages.std(axis=0, dtype=np.float64)
    ranked = setting.architecture != "polygenic"
    stands_for = standing_for(gene.dosages, causal) if ranked else None
    for model, effects in gene.standardised().items():
        found: Sums = {}
        if stands_for is not None:
            scores = -gene.association.log10_p if model == MARGINAL else np.abs(effects)
            found |= ranking_measures(stands_for, causal, scores)
            copies = tied_scores(np.abs(gene.effects[model]))
            itself = np.isin(np.arange(copies.size), causal)
            found["precision per copy"] = (average_precision(itself, copies), 1.0)
        if setting.architecture != "epistatic":
            true = per_copy * spread[causal]
            found |= effect_measures(true, effects[causal], float(np.abs(effects).max()))
        yield model, found


def simulated_rows(
    source: Path, setting: Setting, n_genes: int, fitting: Fitting, sample_ids: Sequence[str], out: Path
) -> pl.DataFrame:
    """Simulate, run, explain, and measure each gene; rows of `rows_of`."""
    name = f"{setting.architecture}-{setting.causal}-{setting.h2:g}-{n_genes}"
    cohort = simulated_cohort(source, setting, n_genes, out / name)
    results = run_on(cohort, sample_ids, fitting, out / f"{name}-{fitting.backbone}")
    truth = pl.read_csv(out / name / TRUTH, separator="\t").with_columns(
        pl.col("partner_position").cast(pl.Int64)
    )
    rows = [
        {"setting": str(setting), "index": gene.index, **row}
        for gene, _ in explained_genes(results, fitting)
        for model, found in truth_measures(
            gene, truth.filter(pl.col("gene_id") == gene.gene.gene_id), setting
        )
        for row in rows_of(found, model=model)
    ]
    return pl.DataFrame(rows)


@dataclass(frozen=True, slots=True)
class Lead:
    """Allele most associated with a gene's expression: index, sign, and p-value."""

    index: int
    sign: float
    p_value: float


def lead_of(association: MarginalAssociation, dosages: Float32Array) -> Lead:
    """Return a gene's lead variant; its p-value times the number of distinct variants (Bonferroni).

    Parameters
    ----------
    association
        Of the gene's variants.
    dosages
        float32 `(n_samples, n_variants)`; in the same samples.
    """
    index = int(np.nanargmin(association.log10_p))
    n_tests = np.unique(dosages, axis=1).shape[1]
    p_value = min(1.0, n_tests * 10.0 ** float(association.log10_p[index]))
    return Lead(index, float(np.sign(association.slope[index])), p_value)


def sign_rows(genes: Sequence[ExplainedGene], leads: Sequence[Lead]) -> list[Mapping[str, str | float]]:
    """Compare signs at the lead variants of genes that pass the false discovery rate."""
    passed = benjamini_hochberg(np.array([lead.p_value for lead in leads])) <= FDR
    rows: list[Mapping[str, str | float]] = []
    for gene, lead, passes in zip(genes, leads, passed.tolist(), strict=True):
        for model, effects in gene.standardised().items() if passes else ():
            at_lead = effects[lead.index : lead.index + 1]
            found = effect_measures(np.array([lead.sign]), at_lead, float(np.abs(effects).max()))
            found.pop("slope")
            rows += [{"index": gene.index, **row} for row in rows_of(found, model=model)]
    return rows


def real_rows(
    cohort: CohortOptions, sample_ids: Sequence[str], fitting: Fitting, out: Path, *, in_others: bool
) -> pl.DataFrame:
    """Fit to some samples, and compare with eQTLs of the same or of the others; rows of `rows_of`."""
    results = run_on(cohort, sample_ids, fitting, out)
    genes, leads = [], []
    for gene, opened in explained_genes(results, fitting):
        assert opened.fold.training.size == len(sample_ids)
        genes.append(gene)
        if in_others:
            dosages, association = others_association(gene.gene, opened)
            leads.append(lead_of(association, dosages))
        else:
            leads.append(lead_of(gene.association, gene.dosages))
    return pl.DataFrame(sign_rows(genes, leads))


def head_of(arguments: argparse.Namespace, n_samples: int) -> str:
    """Format the title and the explanation of the tables."""
    command = f"explanations --source FOLDER --genes {arguments.genes} --every {arguments.every}"
    return "\n\n".join(
        [
            "# Are explanations right?",
            stamp(command) + ".",
            f"{n_samples} samples. A model's effect of an allele is what `explain` writes: the change in "
            "expression with a copy of ALT; of models that read deltas, the mean of that on the reference "
            "and that on the commonest background. Alleles are ranked by effect × standard deviation of "
            "dosage without its sign, the scale on which simulated effects do not depend on frequency; "
            "`per copy` ranks by the effect itself. "
            f"`{MARGINAL}` is the regression on each variant alone, ranked by −log10 p. The effects of "
            "`elastic-net` are its weights. "
            "Intervals are bootstrapped over genes, neighbours resampled together.",
            f"Average precision is the area under the precision-recall curve of all variants of the cis "
            f"window; `top {'/'.join(map(str, TOPS))}` is the share of causal variants among so many first "
            "ones, which at the top 1 of a gene with 5 causal variants is 1/5 at most. Ties are broken at "
            "random, effects of 0 never found. With proxies, a variant with r² of "
            f"{PROXY_R2} or more with a causal one counts as that. `has an effect` is the share of "
            f"causal variants at which it is above {100 * NEGLIGIBLE:g} % of the model's largest there. "
            "The slope goes through 0, on the scale of standard deviations; 1 is unbiased, less is shrunk.",
        ]
    )


def simulated_sections(
    arguments: argparse.Namespace, sample_ids: Sequence[str]
) -> Iterator[tuple[str, list[str]]]:
    """Measure the simulated cohorts, and yield their sections."""
    source, out, workers = arguments.source, arguments.out, WorkerOptions(arguments.jobs)

    def measured(
        settings: Sequence[Setting], models: tuple[str, ...] = MODELS, backbone: str = BACKBONE
    ) -> pl.DataFrame:
        fitting = Fitting(models, backbone, "none", out / "work", workers)
        return pl.concat(
            [simulated_rows(source, each, arguments.genes, fitting, sample_ids, out) for each in settings]
        )

    intro = (
        f"{arguments.genes} genes each, causal variants anywhere in the cis window; deltas of `{BACKBONE}`."
    )
    sparse = measured(SPARSE)
    yield (
        "Simulated: a few causal variants",
        [
            f"{intro} All {len(SPARSE)} settings together.",
            "",
            *ranking_lines(sparse),
            "",
            *effect_lines(sparse),
            "",
            "Average precision, strict, setting by setting:",
            "",
            *setting_lines(sparse, "precision strict"),
            "",
            "With proxies:",
            "",
            *setting_lines(sparse, "precision lenient"),
            "",
            "Slope on the true effect:",
            "",
            *setting_lines(sparse, "slope"),
        ],
    )
    yield "Simulated: backbones", backbone_lines(sparse, measured(SPARSE, DELTA_MODELS, OTHER_BACKBONE))
    yield f"Simulated: {EPISTATIC}", [intro, "", *ranking_lines(measured([EPISTATIC]))]
    yield (
        f"Simulated: {POLYGENIC}",
        [intro + " Every variant is causal.", "", *effect_lines(measured([POLYGENIC]))],
    )


def backbone_lines(rows: pl.DataFrame, others: pl.DataFrame) -> list[str]:
    """Compare models on deltas of `BACKBONE` with the same on `OTHER_BACKBONE`, in the same cohorts."""
    of_deltas = pl.col("model").is_in(DELTA_MODELS)
    labelled = [
        frame.filter(of_deltas).with_columns(model=pl.format("{} on {}", "model", pl.lit(backbone)))
        for frame, backbone in ((rows, BACKBONE), (others, OTHER_BACKBONE))
    ]
    compared = pl.concat([rows.filter(pl.col("model").is_in([BASELINE, "blup"])), *labelled])
    return ["The same cohorts.", "", *ranking_lines(compared), "", *effect_lines(compared)]


def real_section(arguments: argparse.Namespace, sample_ids: Sequence[str]) -> tuple[str, list[str]]:
    """Compare signs with marginal eQTLs of real expression."""
    out = arguments.out / "real"
    cohort = benchmark_cohort(arguments.source, out, every=arguments.every)
    n_genes = len(Path(str(cohort.genes)).read_text().split())
    workers = WorkerOptions(arguments.jobs)
    fitting = Fitting(MODELS, BACKBONE, "inverse-normal", arguments.out / "work", workers)
    first, second = halves(sample_ids, SEED)
    both = pl.concat(
        [
            real_rows(cohort, first, fitting, out / "first", in_others=True),
            real_rows(cohort, second, fitting, out / "second", in_others=True),
        ]
    )
    same = real_rows(cohort, sample_ids, fitting, out / "all", in_others=False)
    return (
        "Real samples: signs at marginal eQTLs",
        [
            f"{n_genes} genes, deltas of `{BACKBONE}`. An eQTL is the variant with the smallest p-value of a "
            "gene that passes a false discovery rate of 5 %: that p-value times the number of distinct "
            "variants of the window, then Benjamini and Hochberg across genes.",
            "",
            f"Models of one half of the samples ({len(first)}, {len(second)}), eQTLs of the other, both ways "
            "(a gene can so count twice); covariates are taken out in each half by itself, but the "
            "expression PCs among them come with the data and were made from all samples:",
            "",
            *sign_lines(both),
            "",
            "Models and eQTLs of the same samples, where noise that both have learned agrees too:",
            "",
            *sign_lines(same),
        ],
    )


def main(argv: Sequence[str]) -> None:
    """Run the benchmark and write its page, section by section."""
    parser = benchmark_parser("explanations", __doc__, out=True, every=5, jobs=True)
    parser.add_argument("--genes", type=int, default=25, help="simulated genes of each setting")
    arguments = parser.parse_args(argv)
    sample_ids = list(read_populations(arguments.source))
    head = head_of(arguments, len(sample_ids))
    write_section(arguments.table, head, *real_section(arguments, sample_ids))
    for title, section in simulated_sections(arguments, sample_ids):
        write_section(arguments.table, head, title, section)

"""Compare effects of all alleles of genes with a plain loop over single alleles.

Models are fitted and saved, and the samples are embedded. Then `haploscribe` computes the effects of every
allele of each gene's cis window, as `explain` and `export` do; the plain loop takes one allele at a time,
embeds the haplotypes of its in-silico samples, and predicts these. It runs on a few alleles along the window.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.common.cohort import benchmark_cohort
from benchmarks.common.measuring import Seconds, timed
from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import stamp, write_page
from benchmarks.common.ratios import Ratio, write_ratios
from haploscribe.cohort.windows import GeneWindows
from haploscribe.config.options import BackboneOptions, EvaluationOptions, WorkerOptions
from haploscribe.embedding.backbones.base import Backbone
from haploscribe.embedding.deltas import subtract_reference
from haploscribe.embedding.engine import embed_haplotypes
from haploscribe.estimators.inputs import GeneInputs, TileDeltas
from haploscribe.genome.dosages import dosages
from haploscribe.interpret.allele_effects import AlleleQuery
from haploscribe.interpret.effects import Predictor
from haploscribe.interpret.in_silico import in_silico_samples
from haploscribe.parallel.open import open_executor
from haploscribe.parallel.threads import threads
from haploscribe.utils.types import Float64Array
from haploscribe.workflows.explain import observed_effects
from haploscribe.workflows.finished_run import FinishedRun, RunFolder, finished_run
from haploscribe.workflows.run.workflow import run

MODELS = ("transformer", "blup-delta")
BACKBONES = ("nano", "kmer")


def plain_effects(
    query: AlleleQuery, models: Mapping[str, Predictor], windows: GeneWindows, backbone: Backbone
) -> dict[str, Float64Array]:
    """Compute effects of alleles one at a time: the four samples of each are spelled, embedded and predicted.

    Parameters
    ----------
    query, models, windows
        As for `haploscribe.interpret.allele_effects.sequence_effects`.
    backbone
        That of the training.
    """
    found: dict[str, list[float]] = {name: [] for name in models}
    tiles = windows.tiles(query.gene)
    for allele in query.alleles:
        samples = in_silico_samples(query.variants, [allele], tiles, backgrounds=query.backgrounds)
        deltas = []
        for each in windows.genotypes.haplotypes(samples.variants, tiles):
            if len(each.haplotypes) > 1:
                changes = subtract_reference(embed_haplotypes(each.haplotypes, backbone))
                deltas.append(TileDeltas(each.tile.start, each.tile.end, changes, each.index))
        positions, copies = dosages(samples.variants)
        inputs = GeneInputs(
            query.gene,
            samples.variants.sample_ids,
            positions[query.known],
            copies[:, query.known],
            tuple(deltas),
        )
        for name, model in models.items():
            found[name] += samples.effects(model.predict(inputs)).tolist()
    return {name: np.array(effects) for name, effects in found.items()}


@dataclass(slots=True)
class Comparison:
    """Both ways at some genes.

    Attributes
    ----------
    n_alleles, seconds
        Of `haploscribe`.
    n_plain, plain_seconds
        Of the plain loop.
    apart
        Largest difference of an effect, as a share of the largest effect of that model at the gene.
    """

    n_alleles: int
    seconds: Seconds
    n_plain: int
    plain_seconds: Seconds
    apart: float

    @property
    def ratio(self) -> float:
        """Processor seconds of the plain loop per allele over ours."""
        ours, plain = self.seconds.processor / self.n_alleles, self.plain_seconds.processor / self.n_plain
        return plain / ours


def compare(opened: FinishedRun, n_plain: int) -> Comparison:
    """Compute effects both ways at all genes of a run, by one thread."""
    compared = Comparison(0, Seconds(), 0, Seconds(), 0.0)
    assert opened.loaded is not None
    for gene in opened.cohort.genes:
        opened.inputs(gene)  # embeds the samples, as a run has
        models = opened.models_of(gene)
        with timed(compared.seconds):
            _, effects = observed_effects(opened, gene, 1)
        query = AlleleQuery.of_all(gene, opened.cohort.cis_variants(gene))
        chosen = np.unique(np.linspace(0, len(query.alleles) - 1, n_plain).astype(np.int64))
        some = replace(query, alleles=[query.alleles[i] for i in chosen.tolist()])
        with timed(compared.plain_seconds), threads(1):
            plain = plain_effects(some, models, opened.cohort, opened.loaded.backbone)
        compared.n_alleles += len(query.alleles)
        compared.n_plain += len(some.alleles)
        for name, expected in plain.items():
            scale = float(np.abs(effects[name]).max()) or 1.0
            difference = float(np.abs(effects[name][chosen] - expected).max())
            compared.apart = max(compared.apart, difference / scale)
    return compared


def compare_backbone(backbone: str, arguments: argparse.Namespace) -> Comparison:
    """Fit models on the deltas of a backbone at some genes, and compare both ways with them."""
    out = arguments.out / backbone
    cohort = replace(benchmark_cohort(arguments.source, out, every=arguments.every), maf=0.05)
    workers = WorkerOptions(jobs=1)
    run(
        cohort,
        BackboneOptions(backbone),
        EvaluationOptions(models=MODELS, folds=2),
        out / "run",
        worker_options=workers,
    )
    with (
        open_executor(workers) as executor,
        finished_run(
            RunFolder.read(out / "run"), executor, out / "work", genes=None, models=MODELS
        ) as opened,
    ):
        return compare(opened, arguments.alleles)


def main(argv: Sequence[str]) -> None:
    """Run all and write the page."""
    parser = benchmark_parser("allele_effects", __doc__, out=True, every=150, ratios=True)
    parser.add_argument("--alleles", type=int, default=20, help="of the plain loop at each gene (default 20)")
    arguments = parser.parse_args(argv)
    command = f"allele_effects --source FOLDER --every {arguments.every} --alleles {arguments.alleles}"
    found = {backbone: compare_backbone(backbone, arguments) for backbone in BACKBONES}
    rows = [
        f"| {backbone} | {each.n_alleles:,} | {1e3 * each.plain_seconds.processor / each.n_plain:.2f} | "
        f"{1e3 * each.seconds.processor / each.n_alleles:.2f} | {each.ratio:.1f} | {each.apart:.0e} |"
        for backbone, each in found.items()
    ]
    write_page(
        arguments.table,
        [
            "# Effects of alleles, against a plain loop",
            "",
            f"{stamp(command)}. "
            f"All alleles of MAF ≥ 5 % of the cis windows of some genes, with {' and '.join(MODELS)}, by one "
            "thread. The plain loop embeds and predicts the in-silico samples of one allele at a time; "
            "`haploscribe` embeds what no store has yet, each distinct haplotype once. Largest difference: "
            "as a share of the largest effect.",
            "",
            "| backbone | alleles | plain loop, processor ms an allele | haploscribe | ratio "
            "| largest difference |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
        ],
    )
    write_ratios(
        arguments.ratios,
        [
            Ratio(
                f"a plain loop over alleles, `{backbone}`",
                "one allele",
                "processor",
                each.plain_seconds.processor / each.n_plain,
                each.seconds.processor / each.n_alleles,
            )
            for backbone, each in found.items()
        ],
    )

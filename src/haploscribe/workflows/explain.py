"""The job behind the verb `explain`: which variants and tiles drive the prediction of one gene."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from haploscribe.config.options import ExplanationOptions, WorkerOptions
from haploscribe.errors import InputError
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.registry import reads_deltas, wide_models
from haploscribe.expression.genes import Gene
from haploscribe.genome.contigs import match_contig
from haploscribe.genome.variants import AltAllele
from haploscribe.interpret.allele_effects import AlleleQuery, sequence_effects
from haploscribe.interpret.association import marginal_association
from haploscribe.interpret.effects import Attentive, Predictor, dosage_effects, tile_weights, wide_effects
from haploscribe.interpret.explanation import AlleleNames, Explanation, write_explanation
from haploscribe.interpret.in_silico import with_alleles
from haploscribe.interpret.tracks import RegionTracks
from haploscribe.interpret.window_alleles import WindowAlleles
from haploscribe.parallel.open import open_executor
from haploscribe.parallel.threads import threads
from haploscribe.report.figures import write_figure
from haploscribe.report.region_figure import region_svg
from haploscribe.utils.files import atomic_write, remove_atomically, remove_on_error
from haploscribe.utils.progress import stage
from haploscribe.utils.types import Float64Array, Int64Array
from haploscribe.workflows.finished_run import FinishedRun, finished_run

FIGURE = "region"
"""Name of the figure, less its suffix."""


def explain(options: ExplanationOptions, worker_options: WorkerOptions, out: Path) -> Explanation:
    """Explain one gene of a finished run, and write the tables and the figure.

    Parameters
    ----------
    options
        The run, the gene, and what is asked.
    worker_options
        Where the work is done.
    out
        Folder for the tables and the figure; made when missing.

    Raises
    ------
    InputError
        When the run, the gene, an allele or the stretch is at fault. Nothing is written then.
    """
    work = out / ".work"
    with remove_on_error(out):
        try:
            with (
                open_executor(worker_options) as executor,
                finished_run(
                    options.results, executor, work, genes=options.gene, models=options.models
                ) as opened,
            ):
                explained = _explain(opened, options, worker_options.jobs)
                tracks = _tracks(explained, opened)
            with atomic_write(out / f"{FIGURE}.svg") as figure:  # in place once the tables are
                write_figure(figure.with_suffix(""), region_svg(tracks))
                write_explanation(out, explained)
        finally:
            remove_atomically(work)
    return explained


def observed_effects(
    opened: FinishedRun, gene: Gene, n_threads: int
) -> tuple[AlleleNames, dict[str, Float64Array]]:
    """Ask every model of a reopened run about the alleles of a gene's window: `explain` less all else.

    Parameters
    ----------
    opened
        The run.
    gene
        One of its cohort's genes.
    n_threads
        Of the backbone.

    Returns
    -------
    names
        The alleles, in the order of the dosages of `FinishedRun.inputs`.
    effects
        As `Explanation.effects`.
    """
    window = _window(opened, gene)
    query = _ModelQuery(opened, window, opened.inputs(gene), opened.models_of(gene), n_threads)
    return AlleleNames.of(window.observed()), query.observed()


def _tracks(explained: Explanation, opened: FinishedRun) -> RegionTracks:
    """Put together what the figure shows."""
    gene, names = explained.gene, explained.names
    reference = opened.cohort.genotypes.reference
    here = [other for other in opened.cohort.all_genes.genes if other.gene_id != gene.gene_id]
    near = [
        replace(other, contig=gene.contig)
        for other in here
        if match_contig(other.contig, reference.contigs) == gene.contig
    ]
    return RegionTracks(
        gene=gene,
        neighbours=tuple(near),
        contig=gene.contig,
        start=int(explained.spans[0, 0]),
        end=int(explained.spans[-1, 1]),
        positions=names.positions,
        names=names.called(gene.contig),
        log10_p=-explained.association.log10_p,
        effects=explained.effects,
        tiles=explained.spans,
        tile_weights={name: of for name, of in explained.tile_weights.items() if reads_deltas([name])},
    )


def _explain(opened: FinishedRun, options: ExplanationOptions, n_threads: int) -> Explanation:
    if len(opened.cohort.genes) != 1:
        raise InputError(f"--gene {options.gene}: name one gene")
    if (options.variants or options.saturate) and not reads_deltas(opened.models):
        raise InputError(
            f"--variant and --saturate ask models that read sequence, and {', '.join(opened.models)} of "
            f"{options.results} read none: the alleles that they know are in the table of variants"
        )
    (gene,) = opened.cohort.genes
    window = _window(opened, gene)
    asked = [window.parsed(text) for text in options.variants]
    mutations = [] if options.saturate is None else window.substitutions(options.saturate)
    models = opened.models_of(gene)
    inputs, expression = opened.inputs(gene), opened.expression(gene)
    tiles = opened.cohort.tiles(gene)
    spans = np.array([(tile.start, tile.end) for tile in tiles], dtype=np.int64)
    weights = {}
    with stage("Weighing tiles", len(models), "models") as advance, threads(1):
        for name, model in models.items():
            weights[name] = tile_weights(model, inputs, spans)
            advance(1)
    query = _ModelQuery(opened, window, inputs, models, n_threads)
    return Explanation(
        gene=gene,
        names=AlleleNames.of(window.observed()),
        frequencies=inputs.dosages.mean(axis=0, dtype=np.float64) / 2.0,
        association=marginal_association(inputs.dosages, expression),
        effects=query.observed(),
        spans=spans,
        tile_weights=weights,
        attention=_attention(models, inputs, spans),
        asked=AlleleNames.of(asked),
        asked_effects=query.others("Asking about your variants", asked, backgrounds=True),
        mutations=AlleleNames.of(mutations),
        mutation_effects=query.others("Mutating every base", mutations, backgrounds=False),
    )


def _attention(
    models: dict[str, Predictor], inputs: GeneInputs, spans: Int64Array
) -> dict[str, Float64Array]:
    """Average the attention of models that have it over the training people; NaN for tiles that they lack."""
    with threads(1):
        found = {
            name: model.attention(inputs) for name, model in models.items() if isinstance(model, Attentive)
        }
    starts = spans[:, 0].tolist()
    return {name: np.array([of.get(start, np.nan) for start in starts]) for name, of in found.items()}


def _window(opened: FinishedRun, gene: Gene) -> WindowAlleles:
    """Read the records of a gene's cis window."""
    tiles, genotypes = opened.cohort.tiles(gene), opened.cohort.genotypes
    return WindowAlleles(gene, tiles[0].start, tiles[-1].end, genotypes.reference, genotypes.read(tiles))


@dataclass(frozen=True, slots=True)
class _ModelQuery:
    """Compute effects of alleles with every model, from dosages or in-silico samples."""

    opened: FinishedRun
    window: WindowAlleles
    inputs: GeneInputs
    models: dict[str, Predictor]
    n_threads: int

    def observed(self) -> dict[str, Float64Array]:
        """Compute effects of the alleles known to each model."""
        effects: dict[str, Float64Array] = {}
        for name, model in self.models.items():
            if wide_models([name]):
                effects[name] = self._of_cis(wide_effects(model, self.inputs))
            elif not reads_deltas([name]):
                effects[name] = dosage_effects(model, self.inputs)
        effects |= self.others("Asking about each variant", self.window.observed(), backgrounds=True)
        return {name: effects[name] for name in self.models}

    def others(
        self, title: str, wanted: Sequence[AltAllele], *, backgrounds: bool
    ) -> dict[str, Float64Array]:
        """Compute effects of any alleles with models that read sequence."""
        models = {name: model for name, model in self.models.items() if reads_deltas([name])}
        if not wanted:
            return {name: np.zeros(0) for name in models}
        if not models:
            return {}
        loaded = self.opened.loaded
        assert loaded is not None
        variants, alleles, known = with_alleles(self.window.variants, wanted)
        query = AlleleQuery(
            self.window.gene, variants, self.window.columns(variants, known), alleles, backgrounds
        )
        store = self.opened.work / "made-up.zarr"
        with stage(title, len(alleles), "alleles") as advance:
            return sequence_effects(query, models, self.opened.cohort, loaded, store, self.n_threads, advance)

    def _of_cis(self, effects: Float64Array) -> Float64Array:
        """Take the cis window's columns from those of the wide window; NaN where the cis window is wider."""
        assert self.inputs.wide is not None
        wide_tiles = self.opened.cohort.wide_tiles(self.window.gene)
        positions, wide = self.inputs.positions, self.inputs.wide.positions
        found = np.full(positions.size, np.nan)
        seen = (positions >= wide_tiles[0].start) & (positions < wide_tiles[-1].end)
        found[seen] = effects[(wide >= self.window.start) & (wide < self.window.end)]
        return found

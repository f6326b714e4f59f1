"""Compute which variants and tiles drive the prediction of one gene: the subcommand `explain`."""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from haploscribe.config.finished_runs import ExplanationOptions
from haploscribe.config.options import WorkerOptions
from haploscribe.embedding.engine import TileEmbedder
from haploscribe.embedding.store import EmbeddingStore
from haploscribe.errors import InputError
from haploscribe.estimators.base import Estimator, HasAttention
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.registry import any_model
from haploscribe.expression.genes import Gene
from haploscribe.expression.table import find_genes
from haploscribe.expression.text_tables import listed
from haploscribe.genome.contigs import match_contig
from haploscribe.genome.tiles import cis_window
from haploscribe.genome.variants import AltAllele
from haploscribe.interpret.allele_effects import IN_SILICO_STORE, AlleleQuery, sequence_effects
from haploscribe.interpret.association import marginal_association
from haploscribe.interpret.effects import tile_weights
from haploscribe.interpret.explanation import AlleleNames, Explanation, OwnEffects, write_tables
from haploscribe.interpret.in_silico import with_alleles
from haploscribe.interpret.window_alleles import WindowAlleles, parse_stretch, parse_variant
from haploscribe.parallel.open import open_executor
from haploscribe.parallel.threads import threads
from haploscribe.utils.files import atomic_write, remove_atomically, temporary_prefix
from haploscribe.utils.progress import stage
from haploscribe.utils.types import Float64Array, Int8Array, Int64Array
from haploscribe.workflows.finished_run import FinishedRun, RunFolder, finished_run

FIGURE = "region"
"""Name of the figure, without its suffix."""


def explain(
    options: ExplanationOptions, worker_options: WorkerOptions, work: Path | None = None
) -> Explanation:
    """Compute effects of variants and weights of tiles at one gene of a finished run.

    Parameters
    ----------
    options
        The run, the gene, and further alleles.
    worker_options
        Where the work is done.
    work
        Folder for intermediate files, which workers on other machines must see too; it is removed. None for
        a temporary one.

    Raises
    ------
    InputError
        When the run, the gene, an allele or the stretch is at fault.
    """
    with ExitStack() as stack:
        if work is None:
            work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=temporary_prefix())))
        else:
            stack.callback(remove_atomically, work)
        run = RunFolder.read(options.results)
        _check_names(run, options)
        executor = stack.enter_context(open_executor(worker_options))
        opened = stack.enter_context(
            finished_run(run, executor, work, genes=options.gene, models=options.models)
        )
        return _explain(opened, options, worker_options.jobs)


def write_explanation(folder: Path, explained: Explanation) -> None:
    """Write the tables of an explained gene and its region figure, `region.svg`.

    Raises
    ------
    InputError
        When the folder cannot be written to.
    """
    from haploscribe.report.figures import styles_of, write_figure  # noqa: PLC0415 - loads matplotlib
    from haploscribe.report.region_plots import region_drawing  # noqa: PLC0415

    with atomic_write(folder / f"{FIGURE}.svg") as figure:  # in place once the tables are
        drawn = region_drawing(explained.tracks(), styles_of(explained.run_models))
        write_figure(figure.with_suffix(""), drawn)
        write_tables(folder, explained)


def observed_effects(
    opened: FinishedRun, gene: Gene, n_threads: int
) -> tuple[AlleleNames, dict[str, Float64Array]]:
    """Compute the effects of the alleles of a gene's window with every model: the main part of `explain`.

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


def _neighbours(gene: Gene, opened: FinishedRun) -> tuple[Gene, ...]:
    """Return the other genes of the run's expression table on the same contig."""
    contigs = opened.cohort.genotypes.reference.contigs
    return tuple(
        replace(other, contig=gene.contig)
        for other in opened.cohort.all_genes.genes
        if other.gene_id != gene.gene_id and match_contig(other.contig, contigs) == gene.contig
    )


def _check_names(run: RunFolder, options: ExplanationOptions) -> None:
    """Check the names of the gene, the models and the alleles before any large file is read."""
    models, genes = run.model_names(options.models), run.saved.record.genes
    chosen = find_genes(genes, options.gene, f"the models of {options.results}")
    if len(chosen) != 1:
        raise InputError(f"--gene {options.gene}: name one gene")
    reads_deltas = any_model([run.saved.specs[name] for name in models], "reads_deltas")
    if (options.variants or options.saturate) and not reads_deltas:
        raise InputError(
            f"--variant and --saturate need a model that reads sequence, and {', '.join(models)} of "
            f"{options.results} read none: the table of variants has the alleles that they know"
        )
    gene, width = genes[chosen[0]], run.saved.record.window
    # Where the contig ends is known once the reference is open; REF is compared with it then.
    window = cis_window(gene.contig, gene.tss, width, contig_length=gene.tss + width)
    for text in options.variants:
        parse_variant(text, gene, window.start, window.end)
    if options.saturate is not None:
        parse_stretch(options.saturate, gene, window.start, window.end)


def _explain(opened: FinishedRun, options: ExplanationOptions, n_threads: int) -> Explanation:
    (gene,) = opened.cohort.genes
    samples = opened.cohort.match.shared
    if options.sample is not None and options.sample not in samples:
        raise InputError(
            f"--sample {options.sample}: no sample of {options.results}, which has "
            f"{listed(samples)}; name one of these"
        )
    window = _window(opened, gene)
    queried = [window.parsed(text) for text in options.variants]
    mutations = [] if options.saturate is None else window.substitutions(options.saturate)
    models = opened.models_of(gene)
    inputs, expression = opened.inputs(gene), opened.expression(gene)
    tiles = opened.cohort.tiles(gene)
    spans = np.array([(tile.start, tile.end) for tile in tiles], dtype=np.int64)
    weights = {}
    with stage("Computing tile weights", len(models), "models") as advance, threads(1):
        for name, model in models.items():
            weights[name] = tile_weights(model, model.select(inputs), spans)
            advance(1)
    query = _ModelQuery(opened, window, inputs, models, n_threads)
    effects = query.observed()
    return Explanation(
        run_models=tuple(opened.saved.specs),
        delta_models=tuple(name for name, model in models.items() if model.reads_deltas),
        gene=gene,
        names=AlleleNames.of(window.observed()),
        frequencies=inputs.dosages.mean(axis=0, dtype=np.float64) / 2.0,
        association=marginal_association(inputs.dosages, expression),
        effects=effects,
        spans=spans,
        tile_weights=weights,
        attention=_attention(models, inputs, spans),
        queried=AlleleNames.of(queried),
        queried_effects=query.others("Computing effects of the given variants", queried, backgrounds=True),
        mutations=AlleleNames.of(mutations),
        mutation_effects=query.others("Computing effects of substitutions", mutations, backgrounds=False),
        neighbours=_neighbours(gene, opened),
        prior=opened.saved.prior(opened.index(gene)),
        own=None if options.sample is None else query.own(options.sample, effects),
    )


def _attention(
    models: dict[str, Estimator], inputs: GeneInputs, spans: Int64Array
) -> dict[str, Float64Array]:
    """Average attention over the training samples, of models that have it; NaN for tiles that they lack."""
    with threads(1):
        found = {
            name: model.attention(model.select(inputs))
            for name, model in models.items()
            if isinstance(model, HasAttention)
        }
    starts = spans[:, 0].tolist()
    return {name: np.array([of.get(start, np.nan) for start in starts]) for name, of in found.items()}


def _window(opened: FinishedRun, gene: Gene) -> WindowAlleles:
    """Read the records of a gene's cis window."""
    cohort = opened.cohort
    window, variants = cohort.cis_window(gene), cohort.cis_variants(gene)
    return WindowAlleles(gene, window.start, window.end, cohort.genotypes.reference, variants)


@dataclass(frozen=True, slots=True)
class _ModelQuery:
    """Compute effects of alleles with every model, from dosages or in-silico samples."""

    opened: FinishedRun
    window: WindowAlleles
    inputs: GeneInputs
    models: dict[str, Estimator]
    n_threads: int

    def observed(self) -> dict[str, Float64Array]:
        """Compute effects of the alleles known to each model."""
        effects: dict[str, Float64Array] = {}
        for name, model in self.models.items():
            weights = model.linear_weights()
            if weights is not None:
                effects[name] = self._of_cis(weights.weights) if model.reads_wide else weights.weights
            elif not model.reads_deltas:
                effects[name] = np.full(self.inputs.positions.size, np.nan)
        effects |= self.others(
            "Computing the effect of each variant", self.window.observed(), backgrounds=True
        )
        return {name: effects[name] for name in self.models}

    def own(self, sample: str, effects: Mapping[str, Float64Array]) -> OwnEffects:
        """Compute effects on the haplotypes of a sample; those of linear models are the same on all."""
        variants = self.window.variants
        background = variants.genotypes[:, variants.sample_ids.index(sample)]
        rows, numbers = variants.columns()
        title = f"Computing the effect of each variant on {sample}"
        found = self.others(title, self.window.observed(), backgrounds=False, own=background)
        return OwnEffects(
            sample,
            (background[rows] == numbers[:, None]).sum(axis=1),
            {
                name: found[name] if name in found else np.outer(of, (1.0, 2.0))
                for name, of in effects.items()
            },
        )

    def others(
        self,
        title: str,
        wanted: Sequence[AltAllele],
        *,
        backgrounds: bool,
        own: Int8Array | None = None,
    ) -> dict[str, Float64Array]:
        """Compute effects of any alleles with models that read sequence."""
        models = {name: model for name, model in self.models.items() if model.reads_deltas}
        if not wanted:
            return {name: np.zeros(0) for name in models}
        if not models:
            return {}
        loaded = self.opened.loaded
        assert loaded is not None
        variants, alleles, known = with_alleles(self.window.variants, wanted)
        query = AlleleQuery(
            self.window.gene, variants, self.window.columns(variants, known), alleles, backgrounds, own
        )
        stores = (EmbeddingStore(self.opened.store), EmbeddingStore(self.opened.work / IN_SILICO_STORE))
        embedder = TileEmbedder(loaded.backbone, stores)
        with stage(title, len(alleles), "alleles") as advance:
            return sequence_effects(query, models, self.opened.cohort, embedder, self.n_threads, advance)

    def _of_cis(self, effects: Float64Array) -> Float64Array:
        """Return the cis window's columns of those of the wide window; NaN where the cis window is wider."""
        assert self.inputs.wide is not None
        wide_window = self.opened.cohort.wide_window(self.window.gene)
        positions, wide = self.inputs.positions, self.inputs.wide.positions
        found = np.full(positions.size, np.nan)
        seen = (positions >= wide_window.start) & (positions < wide_window.end)
        found[seen] = effects[(wide >= self.window.start) & (wide < self.window.end)]
        return found

"""The job behind the verb `explain`: which variants and tiles drive the prediction of one gene."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from haploscribe.arrays import BoolArray, Float64Array, Int64Array
from haploscribe.atomic import kept_on_success
from haploscribe.errors import InputError
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.registry import reads_deltas, wide_models
from haploscribe.expression.genes import Gene
from haploscribe.genome.contigs import match_contig
from haploscribe.genome.reference import Reference
from haploscribe.genome.region import parse_region
from haploscribe.genome.variants import Variants
from haploscribe.interpret.association import marginal_association
from haploscribe.interpret.effects import Attentive, Predictor, dosage_effects, tile_weights, wide_effects
from haploscribe.interpret.made_up import with_alleles
from haploscribe.interpret.tracks import RegionTracks
from haploscribe.io.explanations import AlleleNames, Explanation, write_explanation
from haploscribe.options import ExplanationOptions, WorkerOptions
from haploscribe.progress import stage
from haploscribe.reopened import ReopenedRun, reopened_run
from haploscribe.report.figures import write_figure
from haploscribe.report.region_figure import region_svg
from haploscribe.stages.variant_effects import AlleleQuestion, sequence_effects
from haploscribe.workers.workers import open_workers, threads

FIGURE = "region"
"""Name of the figure, less its suffix."""

LONGEST_STRETCH = 10_000
"""Base pairs of a saturation map at most: each takes three forward passes."""

_Wanted = tuple[int, bytes, bytes]
_ALLELE = re.compile(
    r"(?P<contig>.+):(?P<position>[0-9,]*[0-9]):(?P<ref>[ACGT]+):(?P<alt>[ACGT]+)", re.IGNORECASE
)


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
    with kept_on_success(out):
        try:
            with (
                open_workers(worker_options) as workers,
                reopened_run(
                    options.results, workers, work, genes=options.gene, models=options.models
                ) as opened,
            ):
                explained = _explain(opened, options, worker_options.jobs)
                tracks = _tracks(explained, opened)
            write_explanation(out, explained)
            write_figure(out / FIGURE, region_svg(tracks))
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return explained


def observed_effects(
    opened: ReopenedRun, gene: Gene, n_threads: int
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
        The alleles, in the order of the dosages of `ReopenedRun.inputs`.
    effects
        As `Explanation.effects`.
    """
    region = _Region.of(opened, gene)
    asking = _Asking(opened, region, opened.inputs(gene), opened.models_of(gene), n_threads)
    return region.names, asking.observed()


def _tracks(explained: Explanation, opened: ReopenedRun) -> RegionTracks:
    """Put together what the figure shows."""
    gene, names = explained.gene, explained.names
    reference = opened.cohort.genotypes.reference
    here = [other for other in opened.cohort.all_genes.genes if other.gene_id != gene.gene_id]
    near = [
        replace(other, contig=gene.contig)
        for other in here
        if match_contig(other.contig, reference.contigs) == gene.contig
    ]
    called = [
        name if name != "." else f"{gene.contig}:{position + 1}:{ref}:{alt}"
        for name, position, ref, alt in zip(
            names.identifiers, names.positions.tolist(), names.references, names.alternates, strict=True
        )
    ]
    return RegionTracks(
        gene=gene,
        neighbours=tuple(near),
        contig=gene.contig,
        start=int(explained.spans[0, 0]),
        end=int(explained.spans[-1, 1]),
        positions=names.positions,
        names=tuple(called),
        log10_p=-explained.association.log10_p,
        effects=explained.effects,
        tiles=explained.spans,
        tile_weights={name: of for name, of in explained.tile_weights.items() if reads_deltas([name])},
    )


def _explain(opened: ReopenedRun, options: ExplanationOptions, n_threads: int) -> Explanation:
    if len(opened.cohort.genes) != 1:
        raise InputError(f"--gene {options.gene}: name one gene")
    if (options.variants or options.saturate) and not reads_deltas(opened.models):
        raise InputError(
            f"--variant and --saturate ask models that read sequence, and {', '.join(opened.models)} of "
            f"{options.results} read none: the alleles that they know are in the table of variants"
        )
    (gene,) = opened.cohort.genes
    region = _Region.of(opened, gene)
    asked = [region.parsed(text) for text in options.variants]
    mutations = [] if options.saturate is None else region.substitutions(options.saturate)
    models = opened.models_of(gene)
    inputs, expression = opened.inputs(gene), opened.expression(gene)
    tiles = opened.cohort.tiles(gene)
    spans = np.array([(tile.start, tile.end) for tile in tiles], dtype=np.int64)
    weights = {}
    with stage("Weighing tiles", len(models), "models") as advance, threads(1):
        for name, model in models.items():
            weights[name] = tile_weights(model, inputs, spans)
            advance(1)
    ask = _Asking(opened, region, inputs, models, n_threads)
    return Explanation(
        gene=gene,
        names=region.names,
        frequencies=inputs.dosages.mean(axis=0, dtype=np.float64) / 2.0,
        association=marginal_association(inputs.dosages, expression),
        effects=ask.observed(),
        spans=spans,
        tile_weights=weights,
        attention=_attention(models, inputs, spans),
        asked=_names(asked),
        asked_effects=ask.others("Asking about your variants", asked, backgrounds=True),
        mutations=_names(mutations),
        mutation_effects=ask.others("Mutating every base", mutations, backgrounds=False),
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


@dataclass(frozen=True, slots=True)
class _Region:
    """A gene's cis window: its records, and what its alleles are called."""

    gene: Gene
    start: int
    end: int
    reference: Reference
    variants: Variants
    names: AlleleNames

    @classmethod
    def of(cls, opened: ReopenedRun, gene: Gene) -> "_Region":
        tiles = opened.cohort.tiles(gene)
        read = opened.cohort.genotypes.read(tiles)
        here = read.between(tiles[0].start, tiles[-1].end)
        found = [
            ((position, record[0], alternate), name)
            for position, record, name in zip(
                here.positions.tolist(), here.alleles, here.identifiers, strict=True
            )
            for alternate in record[1:]
        ]
        names = _names([allele for allele, _ in found], [name for _, name in found])
        reference = opened.cohort.genotypes.reference
        return cls(gene, tiles[0].start, tiles[-1].end, reference, read, names)

    def parsed(self, text: str) -> _Wanted:
        """Read an allele that a user writes as `chr:pos:ref:alt`, and hold it against the FASTA."""
        match = _ALLELE.fullmatch(text.strip())
        if match is None:
            raise InputError(f"--variant {text}: write it as chr:pos:ref:alt, such as chr22:20091001:A:G")
        contig, position = match["contig"], int(match["position"].replace(",", "")) - 1
        ref, alt = (match[name].upper().encode() for name in ("ref", "alt"))
        if match_contig(contig, [self.gene.contig]) is None or not self.start <= position < self.end:
            raise InputError(
                f"--variant {text}: lies outside the window of {self.gene.gene_id}, "
                f"{self.gene.contig}:{self.start + 1}-{self.end}"
            )
        length = self.reference.contigs[self.gene.contig]
        found = self.reference.fetch(self.gene.contig, position, min(position + len(ref), length))
        if ref == alt or found != ref:
            raise InputError(
                f"--variant {text}: the reference has {found.decode()} there; give its REF and another ALT"
            )
        return position, ref, alt

    def substitutions(self, stretch: str) -> list[_Wanted]:
        """List every single-base substitution of a stretch."""
        contig, start, end = parse_region(stretch, "--saturate")
        if match_contig(contig, [self.gene.contig]) is None or not self.start <= start < end <= self.end:
            raise InputError(
                f"--saturate {stretch}: lies outside the window of {self.gene.gene_id}, "
                f"{self.gene.contig}:{self.start + 1}-{self.end}"
            )
        if end - start > LONGEST_STRETCH:
            raise InputError(f"--saturate {stretch}: {end - start:,} bp; give {LONGEST_STRETCH:,} at most")
        sequence = self.reference.fetch(self.gene.contig, start, end)
        bases = [bytes([base]) for base in sequence]
        return [
            (start + i, base, other)
            for i, base in enumerate(bases)
            if base != b"N"
            for other in (b"A", b"C", b"G", b"T")
            if other != base
        ]


@dataclass(frozen=True, slots=True)
class _Asking:
    """Asks models about alleles, each in the way that it can be asked."""

    opened: ReopenedRun
    region: _Region
    inputs: GeneInputs
    models: dict[str, Predictor]
    n_threads: int

    def observed(self) -> dict[str, Float64Array]:
        """Ask all models about the alleles that they know."""
        effects: dict[str, Float64Array] = {}
        for name, model in self.models.items():
            if wide_models([name]):
                effects[name] = self._of_cis(wide_effects(model, self.inputs))
            elif not reads_deltas([name]):
                effects[name] = dosage_effects(model, self.inputs)
        wanted = list(
            zip(
                self.region.names.positions.tolist(),
                (text.encode() for text in self.region.names.references),
                (text.encode() for text in self.region.names.alternates),
                strict=True,
            )
        )
        effects |= self.others("Asking about each variant", wanted, backgrounds=True)
        return {name: effects[name] for name in self.models}

    def others(self, title: str, wanted: Sequence[_Wanted], *, backgrounds: bool) -> dict[str, Float64Array]:
        """Ask models that read sequence about any alleles."""
        models = {name: model for name, model in self.models.items() if reads_deltas([name])}
        if not wanted:
            return {name: np.zeros(0) for name in models}
        if not models:
            return {}
        loaded = self.opened.loaded
        assert loaded is not None
        variants, alleles, known = with_alleles(self.region.variants, wanted)
        question = AlleleQuestion(
            self.region.gene, variants, self._columns(variants, known), alleles, backgrounds
        )
        store = self.opened.work / "made-up.zarr"
        with stage(title, len(alleles), "alleles") as advance:
            return sequence_effects(
                question, models, self.opened.cohort, loaded, store, self.n_threads, advance
            )

    def _columns(self, variants: Variants, known: BoolArray) -> BoolArray:
        """Tell which of the columns that start in the window were there before."""
        n_alternates = np.array([len(record) - 1 for record in variants.alleles], dtype=np.int64)
        positions = np.repeat(variants.positions, n_alternates)
        return known[(positions >= self.region.start) & (positions < self.region.end)]

    def _of_cis(self, effects: Float64Array) -> Float64Array:
        """Take the cis window's columns from those of the wide window; NaN where the cis window is wider."""
        assert self.inputs.wide is not None
        wide_tiles = self.opened.cohort.wide_tiles(self.region.gene)
        positions, wide = self.inputs.positions, self.inputs.wide.positions
        found = np.full(positions.size, np.nan)
        seen = (positions >= wide_tiles[0].start) & (positions < wide_tiles[-1].end)
        found[seen] = effects[(wide >= self.region.start) & (wide < self.region.end)]
        return found


def _names(alleles: Sequence[_Wanted], identifiers: Sequence[str] | None = None) -> AlleleNames:
    return AlleleNames(
        np.array([position for position, _, _ in alleles], dtype=np.int64),
        tuple(reference.decode() for _, reference, _ in alleles),
        tuple(alternate.decode() for _, _, alternate in alleles),
        tuple(identifiers) if identifiers is not None else (".",) * len(alleles),
    )

"""Measure what indels do to deltas: their size, and what the delta models lose or gain by them.

The genotypes are real; indels are put in place of SNVs with their carriers unchanged, so no dosage model
notices. *neutral*: one SNV in nine, at random. *causal*: of each gene, the SNV most correlated with its
expression. Deltas are those of `nano`, whose 6-mers stay on the reference's grid behind an indel; of `nano`
with tokens counted from the tile's start, as published; and of `kmer`, which has no frame.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from safetensors.torch import save_file

from benchmarks.accuracy.parts.part import Setting, Table, beside, model_rows, named, summarised, table
from benchmarks.common.indel_cohort import MAX_LENGTH, make_indel, write_with_indels
from haploscribe.cohort.cohort import open_cohort
from haploscribe.config.options import CohortOptions, EvaluationOptions
from haploscribe.embedding.backbones.base import Backbone
from haploscribe.embedding.backbones.checkpoint import read_json
from haploscribe.embedding.backbones.esm import native_esm, parse_configuration
from haploscribe.embedding.backbones.registry import load_backbone, opened_checkpoint
from haploscribe.estimators.inputs import gene_inputs
from haploscribe.expression.genes import Gene
from haploscribe.expression.normalise import prepare
from haploscribe.expression.table import read_expression
from haploscribe.genome.haplotypes import LengthEdit, TileHaplotype
from haploscribe.genome.reference import Reference
from haploscribe.utils.types import Int64Array

EVERY = 5
"""At most one gene in so many is taken."""

ONE_IN = 9
SEED = 0
LENGTHS = (1, 2, 3, 4, 5, 6, 7, 12, 24)
N_TILES = 40
UNCHANGED = "SNVs"
FRAMED, UNFRAMED, KMER = "nano", "nano, no frame", "kmer"
BACKBONES = {FRAMED: "nano", UNFRAMED: "benchmarks.common.unframed:UnframedNano", KMER: "kmer"}
LEARNED = "untrained, learned positions"
TWINS = {"blup-delta": "blup", "blup-distance-delta": "blup-distance"}

Run = tuple[str, str]
"""Names of a cohort and of a backbone."""

COHORTS_TEXT = (
    f"Genotypes are real, and indels of 1 to {MAX_LENGTH} bp are put in place of SNVs with their carriers "
    f"unchanged, so no dosage model notices. *neutral*: one SNV in {ONE_IN}, at random. *causal*: of each "
    "gene, the SNV most correlated with its expression, chosen with all samples. An indel's delta is larger "
    "than an SNV's, so the causal cohort tells a delta model where the lead variant is: its gain is what "
    f"that is worth, and no forecast for real indels. At most one gene in {EVERY} is taken."
)
BACKBONES_TEXT = (
    f"*{FRAMED}* keeps its 6-mers on the reference's grid behind an indel; *{UNFRAMED}* counts them from the "
    f"tile's start, as its tokeniser does by itself; *{KMER}* counts overlapping words and has no frame. "
    f"*{LEARNED}* is a model of `nano`'s size with the architecture of `nt-v1` and random weights: its "
    "tokens keep the frame, but those behind an indel that adds or removes tokens have other positions."
)


def tables(setting: Setting) -> list[Table]:
    """Run, and return the tables."""
    setting = replace(setting, every=max(EVERY, setting.every))
    options = setting.cohort()
    evaluation = EvaluationOptions(models=(*TWINS.values(), *TWINS))
    measured: dict[Run, pl.DataFrame] = {}
    for cohort, changed in cohorts(options, setting.out).items():
        for backbone, name in BACKBONES.items():
            # Without indels the tokens are the same with and without the frame.
            if (cohort, backbone) != (UNCHANGED, UNFRAMED):
                folder = f"results-{cohort}-{backbone}".replace(" ", "-").replace(",", "")
                results = setting.results(evaluation, folder, backbone=name, cohort=changed)
                measured[cohort, backbone] = results.metrics
    tiles = drawn_tiles(options, setting.out)
    sized = {**BACKBONES, LEARNED: str(write_learned_positions(setting.out / "learned-positions"))}
    sizes = {backbone: delta_sizes(load_backbone(name), tiles) for backbone, name in sized.items()}
    text = f"As a multiple of an SNV's, the mean of {len(tiles)} tiles near genes. {BACKBONES_TEXT}"
    rows = [
        {"length, bp": kind, **{backbone: found[kind] for backbone, found in sizes.items()}}
        for kind in next(iter(sizes.values()))
    ]
    accuracy = accuracy_tables(measured, read_expression(options.expression).genes)
    return [table("Norm of the delta of one variant", text, rows), *accuracy]


def accuracy_tables(measured: Mapping[Run, pl.DataFrame], genes: Iterable[Gene]) -> list[Table]:
    """Return a table of each delta model beside its twin, and one of all beside themselves without indels.

    Parameters
    ----------
    measured
        One row per gene and model, of each run.
    genes
        At least the genes of these.
    """

    def on(model: str, run: Run) -> str:
        return f"{model} on {', '.join(run)}"

    frames = [
        frame.with_columns(model=pl.format("{}{}", "model", pl.lit(on("", run))))
        for run, frame in measured.items()
    ]
    results = summarised(pl.concat(frames), genes)
    made: list[Table] = []
    for model, twin in TWINS.items():
        against = {on(model, run): on(twin, run) for run in measured}
        found = {row["model"]: row for row in model_rows(results, against, list(against))}
        rows = [
            {**named(found[on(model, run)], backbone=run[1], cohort=run[0]), "against": twin}
            for run in measured
        ]
        made.append(table(f"`{model}` beside its twin", COHORTS_TEXT if not made else "", rows))
    rows = [
        {"model": model, "backbone": backbone, "cohort": cohort}
        | beside(results, on(model, (cohort, backbone)), on(model, unchanged_run(backbone)))
        | {"against": UNCHANGED}
        for model in TWINS
        for cohort, backbone in measured
        if cohort != UNCHANGED
    ]
    return [*made, table("Beside the same model without indels", "", rows)]


def unchanged_run(backbone: str) -> Run:
    """Return the run without indels that one on a backbone is compared with."""
    return UNCHANGED, KMER if backbone == KMER else FRAMED


def lead_positions(options: CohortOptions, index_folder: Path) -> set[int]:
    """Return the 0-based position, for each gene, of the variant most correlated with its expression."""
    found = set()
    with open_cohort(options, index_folder) as cohort:
        everyone = np.ones(len(cohort.match.shared), dtype=bool)
        for gene, values in zip(cohort.genes, cohort.values, strict=True):
            inputs = gene_inputs(cohort, gene, None)
            expression = prepare(values, cohort.covariates, everyone, "inverse-normal")
            centred = inputs.dosages - inputs.dosages.mean(axis=0)
            with np.errstate(invalid="ignore"):  # a variant that nobody carries
                correlations = np.abs(expression @ centred) / np.linalg.norm(centred, axis=0)
            found.add(int(inputs.positions[np.nanargmax(correlations)]))
    return found


def cohorts(options: CohortOptions, out: Path) -> dict[str, CohortOptions]:
    """Write the cohorts with indels; return the options of all, the unchanged one first."""
    leads = lead_positions(options, out)

    def chosen_neutral(positions: Int64Array) -> list[int]:
        drawn = np.random.default_rng(SEED).permutation(len(positions))
        return sorted(drawn[: len(positions) // ONE_IN].tolist())

    def chosen_causal(positions: Int64Array) -> list[int]:
        return np.flatnonzero(np.isin(positions, sorted(leads))).tolist()

    found = {UNCHANGED: options}
    assert isinstance(options.variants, Path)
    with Reference.open(options.reference, out) as reference:
        for name, chosen in (("neutral indels", chosen_neutral), ("causal indels", chosen_causal)):
            file = out / f"{name.replace(' ', '-')}.vcf.gz"
            write_with_indels(options.variants, reference, file, chosen, SEED)
            found[name] = replace(options, variants=file)
    return found


def one_variant_haplotypes(
    reference: bytes, generator: np.random.Generator
) -> Iterator[tuple[str, TileHaplotype]]:
    """Yield haplotypes with one SNV or indel at a drawn base of a tile's reference, and its kind."""
    for length in (0, *LENGTHS):
        for insertion in (True, False) if length else (True,):
            start = int(generator.integers(1, len(reference) - MAX_LENGTH - 1))
            before, after = reference[:start], reference[start:]
            if not length:
                others = sorted(set(b"ACGT") - set(after[:1]))
                alternate = bytes([int(generator.choice(others))])
                yield "SNV", TileHaplotype(before + alternate + after[1:])
                continue
            indel = make_indel(reference[start - 1 :], length, insertion=insertion, generator=generator)
            removed, added = len(indel.reference) - 1, len(indel.alternate) - 1
            edit = LengthEdit(start, removed, added)
            sequence = before + indel.alternate[1:] + after[removed:]
            yield str(length), TileHaplotype(sequence, (edit,))


def delta_sizes(backbone: Backbone, tiles: Sequence[bytes]) -> dict[str, float]:
    """Return the mean norm of deltas by kind of variant, as a multiple of an SNV's."""
    generator = np.random.default_rng(SEED)
    norms: dict[str, list[float]] = {}
    for reference in tiles:
        kinds, haplotypes = zip(*one_variant_haplotypes(reference, generator), strict=True)
        vectors = backbone.embed([TileHaplotype(reference), *haplotypes]).reshape(len(kinds) + 1, -1)
        for kind, norm in zip(kinds, np.linalg.norm(vectors[1:] - vectors[0], axis=1), strict=True):
            norms.setdefault(kind, []).append(float(norm))
    return {kind: float(np.mean(found) / np.mean(norms["SNV"])) for kind, found in norms.items()}


def write_learned_positions(folder: Path) -> Path:
    """Write an untrained model with the learned positions of `nt-v1`, of `nano`'s size."""
    folder.mkdir(parents=True, exist_ok=True)
    with opened_checkpoint("nano") as checkpoint:
        content = read_json(checkpoint.folder / "config.json")
        content |= {"position_embedding_type": "absolute", "add_bias_fnn": True}
        configuration = parse_configuration(content, "nano")
        (folder / "vocab.txt").write_text("\n".join(checkpoint.vocabulary))
    (folder / "config.json").write_text(json.dumps(content))
    torch.manual_seed(SEED)
    save_file(native_esm(configuration).state_dict(), folder / "model.safetensors")
    return folder


def drawn_tiles(options: CohortOptions, index_folder: Path) -> list[bytes]:
    """Return the reference of tiles near genes, without N."""
    with open_cohort(options, index_folder) as cohort:
        tss = np.random.default_rng(SEED).permutation([gene.tss for gene in cohort.genes])
        starts = [options.tile_size * (int(position) // options.tile_size) for position in tss]
        contig = cohort.genes[0].contig
        found = [cohort.genotypes.reference.fetch(contig, s, s + options.tile_size) for s in starts[:N_TILES]]
    return [sequence for sequence in found if b"N" not in sequence]

"""Measure what indels do to deltas: their size, and what the delta models lose or gain by them.

The genotypes are real; indels are put in place of SNVs with their carriers unchanged, so no dosage model
notices. *neutral*: one SNV in nine, at random. *causal*: of each gene, the SNV most correlated with its
expression. Deltas are those of `nano`, whose 6-mers stay on the reference's grid behind an indel; of `nano`
with tokens counted from the tile's start, as published; and of `kmer`, which has no frame.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from safetensors.torch import save_file

from benchmarks.common.cohort import benchmark_cohort
from benchmarks.common.indel_cohort import MAX_LENGTH, make_indel, write_with_indels
from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import stamp, write_section
from haploscribe.cohort.cohort import open_cohort
from haploscribe.config.options import (
    DEFAULT_TILE,
    BackboneOptions,
    CohortOptions,
    EvaluationOptions,
    WorkerOptions,
)
from haploscribe.embedding.backbones.base import Backbone
from haploscribe.embedding.backbones.checkpoint import read_json
from haploscribe.embedding.backbones.esm import native_esm, parse_configuration
from haploscribe.embedding.backbones.registry import load_backbone, opened_checkpoint
from haploscribe.estimators.inputs import gene_inputs
from haploscribe.evaluation.paired import compare_models
from haploscribe.expression.normalise import prepare
from haploscribe.genome.haplotypes import LengthEdit, TileHaplotype
from haploscribe.genome.reference import Reference
from haploscribe.utils.types import Int64Array
from haploscribe.workflows.run.workflow import run

ONE_IN = 9
SEED = 0
LENGTHS = (1, 2, 3, 4, 5, 6, 7, 12, 24)
N_TILES = 40
FRAMED, UNFRAMED, KMER = "nano", "nano, no frame", "kmer"
LEARNED = "untrained, learned positions"
TWINS = {"blup-delta": "blup", "blup-distance-delta": "blup-distance"}
HEAD = f"""# What indels do to deltas

Genotypes are real, and indels of 1 to {MAX_LENGTH} bp are put in place of SNVs with their carriers
unchanged, so no dosage model notices. *nano* keeps its 6-mers on the reference's grid behind an indel;
*nano, no frame* counts them from the tile's start, as its tokeniser does by itself; *kmer* counts overlapping
words and has no frame. *{LEARNED}* is a model of `nano`'s size with the architecture
of `nt-v1` and random weights: its tokens keep the frame, but those behind an indel that adds or removes
tokens have other positions.

*neutral*: one SNV in {ONE_IN}, at random. *causal*: of each gene, the SNV most correlated with its
expression, chosen with all samples. An indel's delta is larger than an SNV's, so the causal cohort tells a
delta model where the lead variant is: its gain is what that is worth, and no forecast for real indels.

r is the mean over folds of Pearson's correlation in held-out samples; p is Wilcoxon's signed-rank test across
genes, two-sided.
"""


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

    found = {"SNVs": options}
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


def size_lines(sizes: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Format the norms: one row per length, one column per backbone."""
    lines = ["| length, bp | " + " | ".join(sizes) + " |", "|---|" + "---|" * len(sizes)]
    for kind in next(iter(sizes.values())):
        cells = " | ".join(f"{found[kind]:.1f}" for found in sizes.values())
        lines += [f"| {kind} | {cells} |"]
    return lines


def accuracy_lines(metrics: Mapping[tuple[str, str], pl.DataFrame], model: str) -> list[str]:
    """Format a delta model's mean r in each cohort and on each backbone, and its lead over its twin."""
    lines = [
        f"| `{model}` on | cohort | mean r | less its twin | p | less that on SNVs | p |",
        "|" + "---|" * 7,
    ]
    for (cohort, backbone), found in metrics.items():
        unchanged = metrics["SNVs", KMER if backbone == KMER else FRAMED]
        rows = [
            _named(found, model, "this"),
            _named(found, TWINS[model], "twin"),
            _named(unchanged, model, "SNVs"),
        ]
        compared = compare_models(pl.concat(rows)).filter(pl.col("model_a") == "this")
        versus = {row["model_b"]: row for row in compared.iter_rows(named=True)}
        cells = [f"| {backbone} | {cohort} | {versus['twin']['mean_r_a']:.4f}"]
        for other in ("twin", "SNVs"):
            row = versus[other]
            cells.append(f"{row['mean_r_a'] - row['mean_r_b']:+.4f} | {row['wilcoxon_p']:.2g}")
        lines.append(" | ".join(cells) + " |")
    return lines


def _named(metrics: pl.DataFrame, model: str, name: str) -> pl.DataFrame:
    return metrics.filter(pl.col("model") == model).with_columns(model=pl.lit(name))


def main(argv: Sequence[str]) -> None:
    """Run the benchmark and write its table."""
    parser = benchmark_parser("indels", __doc__, out=True, every=5, jobs=True)
    parser.add_argument("--tile", type=int, default=DEFAULT_TILE)
    parser.add_argument(
        "--without",
        default=(),
        choices=(UNFRAMED, KMER),
        nargs="*",
        help="backbones of which no mean r is measured",
    )
    arguments = parser.parse_args(argv)
    out, workers = arguments.out, WorkerOptions(arguments.jobs)
    options = benchmark_cohort(arguments.source, out, every=arguments.every, tile=arguments.tile)
    names = {FRAMED: "nano", UNFRAMED: "benchmarks.common.unframed:UnframedNano", KMER: "kmer"}

    metrics = {}
    evaluation = EvaluationOptions(models=(*TWINS.values(), *TWINS))
    for cohort, changed in cohorts(options, out).items():
        for backbone, name in names.items():
            # Without indels the tokens are the same with and without the frame.
            if backbone in arguments.without or (cohort, backbone) == ("SNVs", UNFRAMED):
                continue
            results = run(
                changed,
                BackboneOptions(backbone=name),
                evaluation,
                out / f"results-{cohort}-{backbone}".replace(" ", "-").replace(",", ""),
                out / f"embeddings-{name.rpartition(':')[2]}.zarr",
                worker_options=workers,
            )
            metrics[cohort, backbone] = results.metrics
    tiles = drawn_tiles(options, out)
    sized = {**names, LEARNED: str(write_learned_positions(out / "learned-positions"))}
    sizes = {backbone: delta_sizes(load_backbone(name), tiles) for backbone, name in sized.items()}
    n_genes = next(iter(metrics.values()))["gene_id"].n_unique()
    left_out = "".join(f" '{backbone}'" for backbone in arguments.without)
    command = f"indels --source FOLDER --every {arguments.every} --tile {arguments.tile}"
    command += f" --without{left_out}" if left_out else ""
    lines = [
        f"{stamp(command)}. {n_genes} genes, 358 samples, 5 folds.",
        "",
        f"Mean norm of the delta of one variant, as a multiple of an SNV's; {len(tiles)} tiles near genes:",
        "",
        *size_lines(sizes),
        "",
        "Mean r of delta models:",
        "",
    ]
    for model in TWINS:
        lines += [*accuracy_lines(metrics, model), ""]
    write_section(arguments.table, HEAD, f"Tiles of {arguments.tile:,} bp", lines)

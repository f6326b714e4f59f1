"""Compare the embedding stage with a plain loop over samples, haplotypes and tiles, and with the floor.

The plain loop embeds every sample's two haplotypes of every tile with a `transformers` model of `nano`'s
weights, batched as is fastest in the same run, from ready-made tokens. `haploscribe` starts from the VCF and
ends with the store. Both run in full on N neighbouring tiles, those whose number of unique haplotypes is
nearest the cohort's mean.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.common.cohort import NANO_TILE, benchmark_cohort, haplotypes_of
from benchmarks.common.measuring import seconds_of
from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import stamp, write_page
from benchmarks.common.ratios import PLAIN_LOOP, Ratio, write_ratios
from benchmarks.speed.embedding_stage import Stage, run_stage, typical_stretch, windows_of
from benchmarks.speed.encoders import operations_per_token, token_numbers
from benchmarks.speed.plain_loop import (
    Way,
    all_ways,
    embed_all,
    peak_multiply_rate,
    speeds,
    transformers_encoder,
)
from haploscribe.cohort.cohort import Cohort, open_cohort
from haploscribe.embedding.backbones.base import Backbone
from haploscribe.embedding.backbones.nucleotide_transformer import tokeniser_of
from haploscribe.embedding.backbones.registry import load_backbone, opened_checkpoint
from haploscribe.genome.haplotypes import TileHaplotype, TileHaplotypes
from haploscribe.genome.tiles import TILES_PER_BLOCK
from haploscribe.utils.types import Float32Array

BACKBONE = "nano"
SEQUENCES_TRIED = 48
REPEATS = 3


def count_lines(cohort: Cohort, haplotypes: Sequence[TileHaplotypes]) -> list[str]:
    """Count the passes of the whole cohort, and those that could still be saved."""
    carriers = [tile for tile in haplotypes if len(tile.sequences) > 1]
    counts = np.array([len(tile.sequences) for tile in carriers])
    passes, each = int(counts.sum()), 2 * len(cohort.match.shared)
    uncarried = sum(not (tile.index == 0).any() for tile in carriers)
    repeated = passes - len({sequence for tile in carriers for sequence in tile.sequences})
    by_gene = sum(len(cohort.tiles(gene)) for gene in cohort.genes)
    top = int(np.sort(counts)[-(len(counts) // 100) :].sum())

    def row(what: str, naive: int, ours: int) -> str:
        return f"| {what} | {naive:,} | {ours:,} | {naive / ours:.2f} |"

    return [
        f"| {len(cohort.genes)} genes, {len(cohort.match.shared)} samples | passes of a plain loop | passes "
        "| times fewer |",
        "|---|---|---|---|",
        row("tiles that carry variants", each * len(carriers), passes),
        row(
            "the same, without the references that no sample carries",
            each * len(carriers),
            passes - uncarried,
        ),
        row("all tiles (a plain loop does not know which carry variants)", each * len(haplotypes), passes),
        row("tiles gene by gene (nor that genes share them)", each * by_gene, passes),
        "",
        f"Of {len(haplotypes):,} tiles {len(carriers):,} carry variants. The median has "
        f"{int(np.median(counts))} unique sequences, the mean {counts.mean():.2f} with the reference; one "
        f"tile in a hundred, where recombination is hottest, takes {100 * top / passes:.0f} % of the passes. "
        f"{repeated} sequences of one tile are equal to one of another, so nothing is embedded twice. "
        f"{uncarried} tiles have a reference that no sample carries; it is embedded because deltas are taken "
        f"from it. So {passes - uncarried:,} passes are the least without approximation.",
    ]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both ways on the same tiles.

    Attributes
    ----------
    rates
        Tokens per second of the bare model, each way.
    loop_passes, loop_seconds
        The plain loop, in the fastest way.
    stage
        The fastest run of the embedding stage.
    tokens
        What went through the model in the stage.
    around_seconds
        Of the stage's time, what was not spent in the model.
    floor_seconds
        The stage's matrix products at the rate of large ones.
    peak
        That rate, floating-point operations per second.
    embeddings_apart, deltas_apart
        Largest difference of the two ways.
    embedding_size, delta_size
        Root mean squares, over all haplotypes.
    """

    rates: Mapping[Way, float]
    loop_passes: int
    loop_seconds: float
    stage: Stage
    tokens: int
    around_seconds: float
    floor_seconds: float
    peak: float
    embeddings_apart: float
    deltas_apart: float
    embedding_size: float
    delta_size: float

    @property
    def fastest(self) -> Way:
        """The way in which the bare model is fastest."""
        return max(self.rates, key=self.rates.__getitem__)


def compare(cohort: Cohort, haplotypes: Sequence[TileHaplotypes], backbone: Backbone) -> Comparison:
    """Run both ways in full on some tiles, and compare time and vectors."""
    with opened_checkpoint(BACKBONE) as checkpoint:
        encoder, configuration = transformers_encoder(checkpoint), checkpoint.configuration
        tokenise = tokeniser_of(checkpoint)
    unique = [sequence for tile in haplotypes for sequence in tile.sequences]
    ids = token_numbers(tokenise, unique)
    references = np.cumsum([0, *(len(tile.sequences) for tile in haplotypes[:-1])])
    carried = np.stack([first + tile.index for first, tile in zip(references, haplotypes, strict=True)])
    everyone = ids[carried.ravel()]

    rates = speeds(encoder, ids[:SEQUENCES_TRIED], all_ways())
    fastest = max(rates, key=rates.__getitem__)
    stage = min(
        (run_stage(cohort, haplotypes, backbone) for _ in range(REPEATS)), key=lambda stage: stage.taken.wall
    )
    tokenising = seconds_of(lambda: token_numbers(tokenise, unique))
    found: list[Float32Array] = []
    loop_seconds = seconds_of(lambda: found.append(embed_all(encoder, everyone, fastest)))
    peak = peak_multiply_rate()

    plain = found[0].reshape(*carried.shape, -1)
    plain_deltas = plain - embed_all(encoder, ids[references], fastest)[:, None, None]
    embeddings = backbone.embed([TileHaplotype(sequence) for sequence in unique])[carried, 0]
    deltas = np.stack([tile.deltas[tile.index, 0] for tile in stage.tiles])
    return Comparison(
        rates=rates,
        loop_passes=len(everyone),
        loop_seconds=loop_seconds,
        stage=stage,
        tokens=ids.size,
        around_seconds=stage.taken.wall - stage.model_seconds + tokenising,
        floor_seconds=operations_per_token(configuration, ids.shape[1]) * ids.size / peak,
        peak=peak,
        embeddings_apart=float(np.abs(embeddings - plain).max()),
        deltas_apart=float(np.abs(deltas - plain_deltas).max()),
        embedding_size=float(np.sqrt(np.mean(embeddings**2))),
        delta_size=float(np.sqrt(np.mean(deltas**2))),
    )


def comparison_lines(found: Comparison) -> list[str]:
    """Format the comparison."""
    stage, fewer = found.stage, found.loop_passes / found.stage.passes
    seconds = stage.taken.wall
    speed, best = found.tokens / seconds, found.rates[found.fastest]
    floor = found.floor_seconds
    return [
        "| | plain loop | haploscribe | ratio |",
        "|---|---|---|---|",
        f"| forward passes | {found.loop_passes:,} | {stage.passes:,} | {fewer:.1f} |",
        f"| wall clock, s | {found.loop_seconds:.2f} | {seconds:.2f} | {found.loop_seconds / seconds:.1f} |",
        f"| floor, s: matrix products at {found.peak / 1e9:.0f} GFLOP/s | {floor * fewer:.2f} "
        f"| {floor:.2f} | |",
        f"| times the floor | {found.loop_seconds / (floor * fewer):.2f} | {seconds / floor:.2f} | |",
        "",
        f"The bare model's best, {best:,.0f} tokens/s ({found.fastest}), is {best / speed:.2f} times the "
        f"{speed:,.0f} tokens/s of the whole stage. Variants, haplotypes, tokenising and storing take "
        f"{100 * found.around_seconds / seconds:.1f} % of the stage's time.",
        "",
        f"Largest difference of an embedding {found.embeddings_apart:.1e}, of a delta "
        f"{found.deltas_apart:.1e}; root mean squares are {found.embedding_size:.2f} and "
        f"{found.delta_size:.1e}.",
        "",
        *speed_lines(found.rates),
    ]


def speed_lines(rates: Mapping[Way, float]) -> list[str]:
    """Format the bare model's speeds."""
    sizes = sorted({way.batch_size for way in rates})
    return [
        "| tokens/s of the bare model, sequences a batch | " + " | ".join(map(str, sizes)) + " |",
        "|---|" + "---|" * len(sizes),
        *(
            f"| {name} | " + " | ".join(f"{rates[Way(size, side_by_side)]:,.0f}" for size in sizes) + " |"
            for name, side_by_side in (
                ("all threads on a batch", False),
                ("batches side by side, one thread each", True),
            )
        ),
    ]


def main(argv: Sequence[str]) -> None:
    """Run the benchmark and write its table."""
    parser = benchmark_parser("embedding", __doc__, every=1, ratios=True)
    parser.add_argument("--tiles", type=int, default=TILES_PER_BLOCK, help="tiles that both embed in full")
    parser.add_argument("--tile", type=int, default=NANO_TILE, help="in base pairs")
    arguments = parser.parse_args(argv)
    if not 1 <= arguments.tiles <= TILES_PER_BLOCK:
        parser.error(f"--tiles must be 1 to {TILES_PER_BLOCK}, the tiles of one block")
    backbone = load_backbone(BACKBONE)
    with tempfile.TemporaryDirectory() as folder:
        options = benchmark_cohort(arguments.source, Path(folder), every=arguments.every, tile=arguments.tile)
        with open_cohort(options, Path(folder)) as cohort:
            haplotypes = haplotypes_of(cohort, cohort.cis_windows())
            stretch = haplotypes_of(cohort, windows_of(typical_stretch(haplotypes, arguments.tiles)))
            compared = compare(cohort, stretch, backbone)
            measured = comparison_lines(compared)
            counted = count_lines(cohort, haplotypes)
    data = f"{len(stretch)} tiles of {options.tile_size:,} bp, {len(stretch[0].index)} samples"
    ratio = Ratio(PLAIN_LOOP, data, "wall", compared.loop_seconds, compared.stage.taken.wall)
    command = f"embedding --source FOLDER --tiles {arguments.tiles}"
    command += "" if arguments.every == 1 else f" --every {arguments.every}"
    command += "" if arguments.tile == NANO_TILE else f" --tile {arguments.tile}"
    lines = [
        "# What embedding costs, against the plain loop",
        "",
        stamp(command) + ".",
        "",
        f"`{BACKBONE}` on {torch.get_num_threads()} CPU cores, {data}. "
        "The plain loop runs a `transformers` model with the same weights "
        "on every sample's two haplotypes of every tile, in the way that was fastest in the same run, from "
        "ready-made token numbers. `haploscribe` starts from the VCF and ends with the store; its time is "
        f"the best of {REPEATS}.",
        "",
        *measured,
        "",
        "## Forward passes of the whole cohort",
        "",
        *counted,
        "",
    ]
    write_page(arguments.table, lines)
    write_ratios(arguments.ratios, [ratio])

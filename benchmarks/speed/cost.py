"""Measure what a run with `nano` costs by stage and tile, against an earlier version of the code.

The earlier version is a checkout (`git worktree add CHECKOUT COMMIT`), run by the same Python. All runs
are resumable, and kept in `--out`. Where `--paired` names two results folders of `accuracy`'s part `models`,
one of each version, their models are compared gene by gene.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.common.cohort import NANO_TILE, benchmark_cohort
from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import difference_cell, stamp, write_page
from benchmarks.speed.large_models import passes_of_genome
from haploscribe.config.options import CohortOptions
from haploscribe.embedding.backbones.nucleotide_transformer import NucleotideTransformer
from haploscribe.embedding.backbones.registry import load_backbone
from haploscribe.evaluation.paired import compare_models
from haploscribe.results.tables import STAGES, read_summary

MODELS = ("blup-delta", "blup-distance-delta", "transformer")
SHORT = {
    "reading_variants": "read",
    "embedding": "embed",
    "fitting_folds": "fit 5 folds",
    "fitting_all_samples": "keep",
}
GENES_OF_GENOME = 20_000
LEAST_SHARE = 0.02  # of the time: operations that take less are not listed


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the code: its name in tables, and its checkout."""

    name: str
    checkout: Path

    def run(self, arguments: Sequence[object], out: Path) -> dict[str, Any]:
        """Run its command line, and return the summary of the results in a folder."""
        command = [sys.executable, "-m", "haploscribe", *map(str, arguments), "--out", str(out)]
        environment = dict(os.environ) | {"PYTHONPATH": str(self.checkout.resolve() / "src")}
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        return dict(read_summary(out))


def run_arguments(options: CohortOptions, tile: int) -> list[object]:
    """Return the arguments that run `MODELS` in one process."""
    files = ("variants", "reference", "expression", "covariates", "hidden_factors", "genes")
    named = [item for name in files for item in (f"--{name.replace('_', '-')}", getattr(options, name))]
    return ["run", *named, "--tile", tile, "--backbone", "nano", "--models", ",".join(MODELS), "--jobs", 1]


def clock(seconds: float) -> str:
    """Format minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def demo_lines(summaries: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Format the stages of the demo, one column per version."""
    stages = [summary["stages"] for summary in summaries.values()]
    rows = {stage: [found[stage] for found in stages] for stage in stages[0]}
    rows["all"] = [summary["wall_seconds"] for summary in summaries.values()]
    return [
        f"| seconds | {' | '.join(summaries)} |",
        "|---|" + "---|" * len(summaries),
        *(
            f"| {STAGES.get(stage, stage)} | {' | '.join(f'{value:.1f}' for value in values)} |"
            for stage, values in rows.items()
        ),
    ]


def stage_lines(runs: Mapping[tuple[str, int], Mapping[str, Any]]) -> list[str]:
    """Format one row per version and tile: passes, stages, mean r."""
    lines = [
        "| version | tile | forward passes (of the plain loop's; of the distinct haplotypes) "
        f"| {' | '.join(SHORT.values())} | mean r: {', '.join(MODELS)} |",
        "|---|---|---|" + "---|" * len(SHORT) + "---|",
    ]
    for (version, tile), summary in runs.items():
        embedding = summary["embedding"]
        times = " | ".join(clock(summary["stages"][name]) for name in SHORT)
        means = ", ".join(f"{summary['models'][model]['mean_r']:.4f}" for model in MODELS)
        passes = embedding["forward_passes"]
        ratio = embedding["naive_forward_passes"] / passes
        share = passes / embedding["unique_haplotypes"]
        lines.append(
            f"| {version} | {tile:,} | {passes:,} (1/{ratio:.0f}; {share:.3f}) | {times} | {means} |"
        )
    return lines


def genome_lines(runs: Mapping[tuple[str, int], Mapping[str, Any]], passes: Mapping[int, float]) -> list[str]:
    """Format the core hours of a genome, from the times of one process."""
    lines = [
        "| version | tile | forward passes, million | embed | fit and keep | core hours in all |",
        "|---|---|---|---|---|---|",
    ]
    for (version, tile), summary in runs.items():
        embedding, stages = summary["embedding"], summary["stages"]
        embed = passes[tile] * stages["embedding"] / embedding["forward_passes"] / 3_600
        fitting = sum(stages[name] for name in list(SHORT)[2:])
        fit = fitting / summary["models"][MODELS[0]]["n_genes"] * GENES_OF_GENOME / 3_600
        lines.append(
            f"| {version} | {tile:,} | {passes[tile] / 1e6:.1f} "
            f"| {embed:.1f} | {fit:.1f} | {embed + fit:.1f} |"
        )
    return lines


def paired_lines(before: Path, after: Path) -> list[str]:
    """Format every model's mean r in two finished runs of the same genes, and the difference."""
    frames = [
        pl.read_csv(folder / "metrics.tsv", separator="\t", schema_overrides={"pearson_r": pl.Float64})
        for folder in (before, after)
    ]
    lines = ["| model | before | after | difference (95 %) | better / worse | paired p |"]
    lines.append("|---|---|---|---|---|---|")
    both = [
        model for model in frames[1]["model"].unique(maintain_order=True) if model in set(frames[0]["model"])
    ]
    for model in both:
        named = [
            frame.filter(pl.col("model") == model).with_columns(model=pl.lit(name))
            for frame, name in zip(frames, ("before", "after"), strict=True)
        ]
        row = compare_models(pl.concat(named)).filter(pl.col("model_a") == "after").row(0, named=True)
        # The table of expression, and so of metrics, is in genome order, which the intervals need.
        joined = named[0].join(named[1], on="gene_id", maintain_order="left")
        first, second = (joined[name].to_numpy() for name in ("pearson_r", "pearson_r_right"))
        lines.append(
            f"| `{model}` | {first.mean():.4f} | {second.mean():.4f} | {difference_cell(second - first)} "
            f"| {row['n_a_better']} / {row['n_b_better']} | {row['wilcoxon_p']:.2g} |"
        )
    return lines


def profile_lines(tile: int) -> list[str]:
    """Profile forward passes of `nano` on one core, and format the operations that take most of the time."""
    backbone = load_backbone("nano", device="cpu")
    assert isinstance(backbone, NucleotideTransformer)
    ids = torch.from_numpy(np.random.default_rng(0).integers(6, 4_102, (1, tile // 6 + 1)))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.inference_mode():
        for _ in range(10):
            backbone.hidden_states(ids)
        with profile(activities=[ProfilerActivity.CPU]) as found:
            for _ in range(100):
                backbone.hidden_states(ids)
    torch.set_num_threads(threads)
    averages = found.key_averages()
    total = sum(each.self_cpu_time_total for each in averages)
    shares = {each.key: each.self_cpu_time_total / total for each in averages}
    ordered = sorted(shares.items(), key=lambda item: -item[1])
    rows = [f"| `{name}` | {share:.0%} |" for name, share in ordered if share > LEAST_SHARE]
    return ["| operation | share |", "|---|---|", *rows]


def main(argv: Sequence[str]) -> None:
    """Run the benchmark and write its page."""
    parser = benchmark_parser("cost", __doc__, out=True, every=5)
    parser.add_argument("--before", type=Path, required=True, metavar="CHECKOUT", help="the earlier version")
    parser.add_argument("--tiles", default="5994,1998", help="tiles to compare, by both versions")
    parser.add_argument(
        "--paired", type=Path, nargs=2, metavar="RESULTS", help="of 300 genes, before and after"
    )
    arguments = parser.parse_args(argv)
    out: Path = arguments.out
    versions = (Version("before", arguments.before), Version("after", Path(__file__).parents[2]))
    demos = {
        f"{version.name}, {start} start": version.run(["demo"], out / f"demo-{version.name}-{start}")
        for version in versions
        for start in ("first", "second")
    }
    options = benchmark_cohort(arguments.source, out / "cohort", every=arguments.every)
    tiles = [int(tile) for tile in arguments.tiles.split(",")]
    cases = [(version, tile) for tile in tiles for version in versions]
    with ThreadPoolExecutor(len(versions)) as pool:
        found = pool.map(
            lambda case: case[0].run(run_arguments(options, case[1]), out / f"{case[0].name}-{case[1]}"),
            cases,
        )
        runs = {(version.name, tile): summary for (version, tile), summary in zip(cases, found, strict=True)}
    passes = {tile: passes_of_genome(arguments.source, tile) for tile in tiles}
    n_genes = next(iter(runs.values()))["models"][MODELS[0]]["n_genes"]
    command = f"cost --source FOLDER --before CHECKOUT --every {arguments.every} --tiles {arguments.tiles}"
    command += "" if arguments.paired is None else " --paired BEFORE AFTER"
    lines = [
        "# What a run costs, before and after",
        "",
        stamp(command)
        + f". Before: commit {commit_of(arguments.before)}; its tile was 5,994 bp for all backbones. After: "
        f"the code of this page; the tile of `nano` is {NANO_TILE:,} bp unless another is asked for. "
        "358 people.",
        "",
        f"## The demo, {os.cpu_count()} processes",
        "",
        "At the first start from a checkout, each process compiles the elastic net.",
        "",
        *demo_lines(demos),
        "",
        f"## {n_genes} genes in one process, minutes:seconds",
        "",
        "Before and after side by side, each on a core of its own. A plain loop reads each person's two "
        "haplotypes of each tile; each distinct haplotype once is the least without approximation. A tile "
        "that a window cuts counts as another, and may share the whole tile's haplotypes.",
        "",
        *stage_lines(runs),
        "",
        f"## A genome, {GENES_OF_GENOME:,} genes, 358 samples",
        "",
        "Core hours. Embedding: the unique haplotypes of all tiles of the chromosome, scaled to the genome "
        f"by length without N, times what one pass took above. Fitting: what a gene took above with the "
        f"{len(MODELS)} models, 5 folds and the models that are kept.",
        "",
        *genome_lines(runs, passes),
        "",
    ]
    if arguments.paired is not None:
        lines += ["## 300 genes, all models, paired", "", *paired_lines(*arguments.paired), ""]
    lines += [
        "## What is left",
        "",
        f"Forward passes of `nano` on one core, tiles of {NANO_TILE:,} bp, by operation; those above "
        f"{LEAST_SHARE:.0%} of the time:",
        "",
        *profile_lines(NANO_TILE),
        "",
    ]
    write_page(arguments.table, lines)


def commit_of(checkout: Path) -> str:
    """Return the short name of a checkout's commit."""
    command = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

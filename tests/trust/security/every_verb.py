"""Every verb, one after the other, on the small made-up cohort, in a process of its own.

    python -m tests.trust.security.every_verb FOLDER [--jobs N] [--readable-by WHO] [--only VERB,VERB]

FOLDER/cohort holds the inputs, FOLDER/out all outputs, FOLDER/printed what each verb printed, as VERB.txt.
It stops at the first verb that fails.
"""

import argparse
import contextlib
import io
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from haploscribe.cli.main import main
from haploscribe.config.options import CohortOptions
from tests.small_cohort import GENES, PEOPLE, write_small_cohort

GENE, OTHER = "ENSG3", "ENSG5"


def write_cohort(folder: Path) -> CohortOptions:
    """Write the small cohort with gene ids that can be exported."""
    folder.mkdir(parents=True)
    cohort = write_small_cohort(folder)
    table = cohort.expression.read_text()
    for number, gene_id in enumerate(GENES, start=1):
        table = table.replace(f"\t{gene_id}\t", f"\tENSG{number}\t")
    cohort.expression.write_text(table)
    return replace(cohort, tile=498)


def commands(cohort: CohortOptions, out: Path, jobs: int, readers: str | None) -> dict[str, list[str]]:
    """Give each verb's arguments; later ones use what earlier ones made."""
    genome = [f"--variants={cohort.variants}", f"--reference={cohort.reference}"]
    windows = [f"--window={cohort.window}", f"--tile={cohort.tile}"]
    inputs = [*genome, f"--expression={cohort.expression}", *windows]
    shared = [] if readers is None else [f"--readable-by={readers}"]
    working = [f"--jobs={jobs}", *shared]
    results = f"--results={out / 'results'}"
    models = ["--backbone=kmer", "--models=elastic-net,blup-delta", "--folds=2", f"--genes={GENE},{OTHER}"]
    export = [results, "--build=b38", "--min-r=0", "--max-p=1", *working]
    network = [
        "--window=60",
        "--hidden-size=8",
        "--layers=1",
        "--heads=2",
        "--feed-forward=8",
        "--device=cpu",
    ]
    steps = ["--steps=2", "--batch=2", "--checkpoint-every=1"]
    cut = [f"--expression={cohort.expression}", *windows, "--samples=20", "--genes=1"]
    kept = f"--models={out / 'results' / 'models'}"
    region = "--region=chr2:101-1000"
    score = [str(out / "backbone"), f"--reference={cohort.reference}", region, "--device=cpu"]

    def into(*place: str) -> str:
        return f"--out={out.joinpath(*place)}"

    return {
        "check": ["check", *inputs, "--jobs=1"],
        "run": ["run", *inputs, *models, *working, into("results")],
        "embed": ["embed", *inputs, *working, "--backbone=kmer", f"--store={out / 'store.zarr'}"],
        "predict": ["predict", kept, *genome, *working, into("new", "predicted.tsv")],
        "explain": ["explain", results, f"--gene={GENE}", *working, into("explained")],
        "predictdb": ["export", "predictdb", *export, into("predictdb", "weights.db")],
        "fusion": ["export", "fusion", *export, into("fusion")],
        "haplotypes": [
            "haplotypes",
            *genome,
            region,
            f"--sample={PEOPLE[0]}",
            *shared,
            into("fasta", "two.fa"),
        ],
        "simulate": ["simulate", *genome, *cut, *shared, into("simulated")],
        "pretrain": ["pretrain", *genome, *network, *steps, *shared, into("backbone")],
        "report": ["report", results, f"--figures={out / 'figures'}", *shared],
        "backbones": ["backbones"],
        "score": ["backbones", "score", *score],
    }


def run_verb(arguments: list[str]) -> tuple[int, str]:
    """Run one verb in this process: its exit code, and what it printed on either stream."""
    printed = io.StringIO()
    sys.argv = ["haploscribe", *arguments]
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            main()
        except SystemExit as stop:
            return int(stop.code or 0), printed.getvalue()
    return 0, printed.getvalue()


def run_all(folder: Path, jobs: int, readers: str | None, only: set[str]) -> Iterator[tuple[str, int, str]]:
    """Run every verb, or those named: its name, exit code, and what it printed."""
    cohort = write_cohort(folder / "cohort")
    for verb, arguments in commands(cohort, folder / "out", jobs, readers).items():
        if not only or verb in only:
            yield verb, *run_verb(arguments)


def parsed() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--readable-by")
    parser.add_argument("--only", default="")
    return parser.parse_args()


if __name__ == "__main__":
    asked = parsed()
    (asked.folder / "printed").mkdir(parents=True)
    named = {verb for verb in asked.only.split(",") if verb}
    for name, code, text in run_all(asked.folder, asked.jobs, asked.readable_by, named):
        (asked.folder / "printed" / f"{name}.txt").write_text(text)
        if code:
            sys.exit(f"{name} ended with {code}: {text}")

"""Command-line options that benchmarks share."""

import argparse
import os
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "results"
"""Where the pages are written."""


def benchmark_parser(
    name: str,
    doc: str | None,
    *,
    source: bool = True,
    out: bool = False,
    every: int | None = None,
    jobs: bool = False,
    ratios: bool = False,
) -> argparse.ArgumentParser:
    """Return a parser with the options that a benchmark shares with others, and `--table`.

    Parameters
    ----------
    name
        The benchmark; also the name of its page and of its folder.
    doc
        Its module's docstring, shown by `--help`.
    source
        Whether `--source` is required; else it is optional.
    out, jobs
        Whether there are `--out` and `--jobs`.
    every
        Default of `--every`; None for no such option.
    ratios
        Whether times beside another program's can be written with `--ratios`.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks {name}",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--source", type=Path, required=source, metavar="FOLDER", help="folder of the benchmark cohort"
    )
    if out:
        default = Path(f"benchmark-{name}")
        parser.add_argument("--out", type=Path, default=default, help=f"working folder (default {default})")
    if every is not None:
        parser.add_argument("--every", type=int, default=every, metavar="N", help="take every N-th gene only")
    if jobs:
        cores = os.cpu_count() or 1
        parser.add_argument("--jobs", type=int, default=cores, help=f"processes (default {cores})")
    if ratios:
        parser.add_argument("--ratios", type=Path, metavar="FILE", help="also write the times as JSON")
    page = RESULTS / f"{name}.md"
    parser.add_argument("--table", type=Path, default=page, metavar="FILE", help="page to write")
    return parser

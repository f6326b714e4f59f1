"""List the benchmarks, or run one: `python -m benchmarks [NAME [OPTION …]]`."""

import ast
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

BENCHMARKS = {
    "accuracy": {
        "accuracy": "9 h",
        "new_people": "10 min",
        "shared_sequence": "2 min",
        "zero_shot": "2 min",
        "anatomy": "2 min",
        "sparse_weights": "10 min",
        "split_runs": "25 min",
    },
    "speed": {
        "embedding": "10 min",
        "gpu": "10 min",
        "long_tiles": "4 min",
        "sequence_models": "20 min",
        "half_precision": "2 min",
        "haplotypes": "2 min",
        "reading": "1 min",
        "elastic_net": "5 min",
        "allele_effects": "1 min",
    },
    "scale": {
        "growth": "8 min",
        "fitting": "20 min",
        "memory": "45 min",
    },
    "interpretation": {
        "explanations": "1 h",
    },
}
"""By folder: each benchmark and roughly how long it takes with its default options on 2 cores."""


def summary_of(folder: str, name: str) -> str:
    """Return the first line of a benchmark's docstring, without importing it."""
    source = (Path(__file__).parent / folder / f"{name}.py").read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(source))
    assert docstring is not None, name
    return docstring.splitlines()[0]


def listing() -> Iterator[str]:
    """Yield the lines that list all benchmarks: name, approximate duration, summary."""
    yield "python -m benchmarks NAME [OPTION …]; NAME --help lists its options"
    for folder, durations in BENCHMARKS.items():
        yield f"\n{folder}"
        for name, duration in durations.items():
            yield f"  {name:<15} {duration:>6}  {summary_of(folder, name)}"


def main(argv: Sequence[str]) -> int:
    """Run the benchmark that the first argument names, or list all; return the exit code."""
    if not argv or argv[0] in {"-h", "--help"}:
        print("\n".join(listing()))
        return 0
    name, *options = argv
    folders = [folder for folder, durations in BENCHMARKS.items() if name in durations]
    if not folders:
        print(f"no benchmark {name!r}: python -m benchmarks lists them", file=sys.stderr)
        return 2
    # Imported here: some need packages that others do without, and some set the number of threads first.
    import_module(f"benchmarks.{folders[0]}.{name}").main(options)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

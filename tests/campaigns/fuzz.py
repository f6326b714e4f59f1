"""Try spoilt inputs of every kind that the tool reads, for as long as you like, and count the outcomes.

    python -m tests.campaigns.fuzz --minutes 60 --seed 1 [--target NAME] [--findings FOLDER]

Run from the root of the repository. Inputs neither read nor refused properly are kept in the folder.
"""

import argparse
import datetime
import shutil
import sys
import tempfile
import time
from pathlib import Path

from haploscribe._version import __version__
from tests.campaigns.fuzzing.bases import make_bases
from tests.campaigns.fuzzing.campaign import Part, Tally, campaign
from tests.campaigns.fuzzing.targets import TARGETS

_SLICE_SECONDS = 20.0


def main() -> None:
    """Parse, try, print."""
    names = [target.name for target in TARGETS]
    parser = argparse.ArgumentParser(description="Try spoilt inputs of every kind and count the outcomes.")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", action="append", choices=names, help="May be repeated. [default: all]")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--messages", action="store_true", help="Print every distinct refusal too.")
    arguments = parser.parse_args()
    tallies = {name: Tally() for name in arguments.target or names}
    stop = time.monotonic() + 60 * arguments.minutes
    first = dict.fromkeys(tallies, 0)
    with tempfile.TemporaryDirectory(prefix="haploscribe-fuzz-") as folder:
        bases = Path(folder) / "bases"
        make_bases(bases, all_models=True)
        while time.monotonic() < stop:
            seconds = min(_SLICE_SECONDS, max((stop - time.monotonic()) / len(tallies), 1.0))
            parts = [Part(name, arguments.seed, first[name], 10**9, seconds) for name in tallies]
            campaign(parts, bases, arguments.findings, tallies)
            first = {name: tally.tried for name, tally in tallies.items()}
    for name in ("tmp", "case", "case-out", "records.jsonl", "errors.txt"):
        path = arguments.findings / name
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    print("\n".join(table(tallies, arguments.seed, arguments.minutes)))
    if arguments.messages:
        print("\n".join(messages(tallies)))
    sys.exit(any(tally.n_findings for tally in tallies.values()))


def table(tallies: dict[str, Tally], seed: int, minutes: float) -> list[str]:
    """Write the counts as a table of Markdown, with the findings behind it."""
    today = datetime.datetime.now(tz=datetime.UTC).date()
    lines = [f"{today}, Haploscribe {__version__}, seed {seed}, {minutes:g} minutes", ""]
    columns = ("input", "tried", "read", "refused", "different refusals", "findings")
    lines += [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    counts = {
        name: (tally.tried, tally.accepted, tally.refused, len(tally.refusals), tally.n_findings)
        for name, tally in tallies.items()
    }
    counts["all"] = tuple(map(sum, zip(*counts.values(), strict=True)))  # type: ignore[assignment]
    lines += [f"| {name} | {' | '.join(f'{count:,}' for count in row)} |" for name, row in counts.items()]
    for name, tally in tallies.items():
        for message, kept in tally.findings.items():
            lines.append(f"- {name}: {len(kept)} × {message} ({kept[0]})")
    return lines


def messages(tallies: dict[str, Tally]) -> list[str]:
    """List the distinct refusals of each target, the commonest first."""
    return [
        f"{name}: {count} × {message}"
        for name, tally in tallies.items()
        for message, count in tally.refusals.most_common()
    ]


if __name__ == "__main__":
    main()

"""Say how many branches of each room of `src` the tests take, and fail where it is too few in all.

    make coverage

Reads what `coverage combine` left. `fail_under` of `coverage report` counts lines and branches together, and
lines are easily covered; here branches alone count.
"""

import json
import sys
import tempfile
from collections import defaultdict
from pathlib import Path, PurePath
from typing import Any

import coverage

LEAST_PERCENT = 95.0


def branches_by_room(report: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Add up branches over the files of each room.

    Parameters
    ----------
    report
        What `coverage json` writes.

    Returns
    -------
    Branches taken and all branches, by the folder below `haploscribe`; `.` for the modules beside them.
    """
    found: defaultdict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for name, file in report["files"].items():
        within = PurePath(name).parts[PurePath(name).parts.index("haploscribe") + 1 :]
        room = within[0] if len(within) > 1 else "."
        taken, every = found[room]
        summary = file["summary"]
        found[room] = taken + summary["covered_branches"], every + summary["num_branches"]
    return dict(sorted(found.items()))


def main() -> int:
    """Print the table; 1 where too few branches are taken."""
    measured = coverage.Coverage()
    measured.load()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coverage.json"
        measured.json_report(outfile=str(path))
        rooms = branches_by_room(json.loads(path.read_text()))
    taken, every = (sum(counts) for counts in zip(*rooms.values(), strict=True))
    for room, (room_taken, room_every) in (rooms | {"all": (taken, every)}).items():
        percent = 100 * room_taken / room_every if room_every else 100.0
        print(f"{room:15} {room_taken:5} of {room_every:5} branches  {percent:5.1f} %")
    if 100 * taken < LEAST_PERCENT * every:
        print(f"The tests take fewer than {LEAST_PERCENT:g} % of the branches of src", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Kill every verb at drawn moments, run it again, and say whether it ends as one never killed.

    python -m tests.campaigns.kill_again [--moments 20] [--verb VERB] [--seed S]

At every moment the job is killed with SIGKILL, with its workers or, every second time, alone, which they must
notice; the same command then runs to its end. Last of all the job is killed three times before it may end.
One in five moments is drawn while the program starts, the others over the time in which it works.
"""

import argparse
import tempfile
from pathlib import Path

from tests.campaigns.killing import Place, Whole, contents, kill_after, run_again, run_whole
from tests.fixtures.equal_outputs import differing
from tests.fixtures.verbs import VERBS, Inputs, write_inputs

_LINE = "{:<18}{:>8}{:>8}{:>8}{:>10}{:>10}"


def main() -> None:
    """Print a line a verb, and what differs where something does."""
    parser = argparse.ArgumentParser(description="Kill every verb at drawn moments, and run it again.")
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--verb", choices=tuple(VERBS), action="append")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(_LINE.format("verb", "seconds", "kills", "at work", "equal", "left over"), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        inputs = write_inputs(Path(folder) / "inputs")
        for number, verb in enumerate(arguments.verb or VERBS):
            place = Path(folder) / f"verb-{number}"
            print(_killed(verb, inputs, place, arguments.moments, arguments.seed), flush=True)


def _killed(verb: str, inputs: Inputs, folder: Path, n_moments: int, seed: int) -> str:
    whole = run_whole(verb, inputs, Place(folder / "whole"))
    moments = whole.moments(n_moments, f"{seed} {verb}")
    series = [[moment] for moment in moments] + [whole.moments(3, f"{seed} {verb} again")]
    n_equal = n_left = n_at_work = 0
    for number, kills in enumerate(series):
        place = Place(folder / str(number))
        place.prepare(verb, inputs)
        alone = number % 2 == 1
        n_at_work += sum(kill_after(verb, inputs, place, moment, parent_only=alone) for moment in kills)
        run_again(verb, inputs, place)
        other, left = _told(place, whole)
        n_equal += not other
        n_left += bool(left)
        for name in (other + left)[:5]:
            print(f"  after a kill at {kills} s: {name}", flush=True)
    n_kills = sum(map(len, series))
    equal = f"{n_equal}/{len(series)}"
    return _LINE.format(verb, f"{whole.seconds:.1f}", n_kills, n_at_work, equal, n_left)


def _told(place: Place, whole: Whole) -> tuple[list[str], list[str]]:
    """Name what has other bytes, and what is too much."""
    found = contents(place)
    names = differing(found, whole.contents)
    left = [name for name in names if name not in whole.contents]
    return [name for name in names if name in whole.contents], left


if __name__ == "__main__":
    main()

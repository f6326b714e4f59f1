"""Trying many inputs in processes that may die, and counting what became of them."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.campaigns.fuzzing.worker import SECONDS_EACH


@dataclass(frozen=True)
class Part:
    """Inputs of one target to be tried: numbers from `first` on, at most `count`, for at most `seconds`."""

    target: str
    seed: int
    first: int
    count: int
    seconds: float = 1e9


@dataclass
class Tally:
    """What became of the inputs of one target."""

    tried: int = 0
    accepted: int = 0
    refused: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    findings: dict[str, list[str]] = field(default_factory=dict)

    @property
    def n_findings(self) -> int:
        """Inputs that were neither accepted nor refused properly."""
        return sum(map(len, self.findings.values()))


def campaign(parts: Sequence[Part], bases: Path, scratch: Path, tallies: dict[str, Tally]) -> None:
    """Try inputs one after the other and add what became of them to `tallies`.

    A process that an input has killed or that hangs is a finding; another goes on with the next number.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    left = list(parts)
    while left:
        records, errors = scratch / "records.jsonl", scratch / "errors.txt"
        records.unlink(missing_ok=True)
        errors.unlink(missing_ok=True)
        plan = "".join(json.dumps(vars(part)) + "\n" for part in left)
        command = (sys.executable, "-m", "tests.campaigns.fuzzing.worker", bases, scratch, records)
        with errors.open("ab") as stderr:
            done = subprocess.run(
                command,
                input=plan.encode(),
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env=os.environ | dict.fromkeys(_ONE_THREAD, "1"),
                check=False,
            )
        lines = [json.loads(line) for line in records.read_text().splitlines()] if records.exists() else []
        if not lines:
            raise RuntimeError(f"the worker did not start: {errors.read_text()[-2000:]}")
        _count(lines, tallies)
        if done.returncode == 0:
            return
        died = lines[-1]
        if "outcome" in died:
            raise RuntimeError(f"the worker ended badly: {errors.read_text()[-2000:]}")
        found = {"outcome": "finding", "message": _death(done.returncode, errors), **_kept(scratch, died)}
        _count([died, found], tallies)
        left = _behind(left, died)


_ONE_THREAD = ("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "MKL_NUM_THREADS", "MALLOC_ARENA_MAX")
"""The last so that address space, which is limited, is not set aside for every thread there ever was."""


def _count(lines: Iterable[dict[str, Any]], tallies: dict[str, Tally]) -> None:
    started: dict[str, Any] = {}
    for line in lines:
        if "target" in line:
            started = line
            continue
        tally = tallies.setdefault(started["target"], Tally())
        tally.tried += 1
        if line["outcome"] == "finding":
            tally.findings.setdefault(line["message"], []).append(line["kept"])
        elif line["outcome"] == "refused":
            tally.refused += 1
            tally.refusals[line["message"]] += 1
        else:
            tally.accepted += 1


def _death(code: int, errors: Path) -> str:
    text = errors.read_text(errors="replace")
    if "Timeout (" in text:
        return f"no answer in {SECONDS_EACH} s: {' < '.join(_places(text))}"
    return f"the process died ({code}): {' < '.join(_places(text)) or text[-200:]}"


def _places(text: str) -> list[str]:
    """Name the places in faulthandler's traceback, the innermost first."""
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("File ")]
    ours = [line for line in lines if "haploscribe" in line]
    return [" ".join(line.split("/")[-1].replace('"', "").split()) for line in (*lines[:1], *ours[:2])]


def _kept(scratch: Path, died: dict[str, Any]) -> dict[str, str]:
    kept = (
        scratch / f"died-{died['target'].replace(' ', '-').replace(',', '')}-{died['seed']}-{died['number']}"
    )
    if (scratch / "case").exists():
        (scratch / "case").rename(kept)
    return {"kept": str(kept)}


def _behind(left: list[Part], died: dict[str, Any]) -> list[Part]:
    """What is left of a plan behind the input that killed the process."""
    at = next(
        i
        for i, part in enumerate(left)
        if (part.target, part.seed) == (died["target"], died["seed"])
        and part.first <= died["number"] < part.first + part.count
    )
    part, done = left[at], died["number"] + 1
    rest = Part(part.target, part.seed, done, part.first + part.count - done, part.seconds)
    return [rest, *left[at + 1 :]] if rest.count else left[at + 1 :]

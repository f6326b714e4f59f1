"""The process that tries inputs; it may die of one, and its parent starts another behind that.

    python -m tests.campaigns.fuzzing.worker BASES SCRATCH RECORDS < PLAN

Standard input holds one JSON object a line: target, seed, first number, how many, and for how many seconds.
"""

import faulthandler
import gc
import json
import os
import re
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from haploscribe.errors import InputError, RepairedWarning
from tests.campaigns.fuzzing.targets import TARGETS, Case, Target

SECONDS_EACH = 30
"""An input that takes longer hangs."""
_MORE_MEMORY = 4 << 30
_LARGEST_FILE = 256 << 20
_MOST_SAID = 16 << 20


def main(bases: Path, scratch: Path, records: Path) -> None:
    """Try what standard input asks for; one JSON object an input goes to `records`."""
    plan = [json.loads(line) for line in sys.stdin]
    gc.collect()
    gc.freeze()  # what is imported is left alone when the garbage of an input is collected
    by_name = {target.name: target for target in TARGETS}
    faulthandler.enable()
    _limit()
    tempfile.tempdir = str(scratch / "tmp")
    Path(tempfile.tempdir).mkdir(parents=True, exist_ok=True)
    with records.open("a", encoding="utf-8") as file:
        for part in plan:
            stop = time.monotonic() + part["seconds"]
            for number in range(part["first"], part["first"] + part["count"]):
                if time.monotonic() > stop:
                    break
                _record(file, {"target": part["target"], "seed": part["seed"], "number": number})
                _record(file, try_one(by_name[part["target"]], bases, scratch, part["seed"], number))
                if os.fstat(2).st_size > _MOST_SAID:  # htslib warns of every record
                    os.ftruncate(2, 0)


def try_one(target: Target, bases: Path, scratch: Path, seed: int, number: int) -> dict[str, Any]:
    """Draw an input and try it.

    Returns
    -------
    dict
        `outcome`: accepted, refused or finding; `message`; and `kept`, the case's folder, of a finding.
    """
    case = target.drawn(bases, scratch / "case", np.random.default_rng([seed, number]))
    faulthandler.dump_traceback_later(SECONDS_EACH, exit=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", RepairedWarning)  # says that the store was mended
            target.operation(case)
        outcome, message = "accepted", ""
    except InputError as error:
        outcome, message = "refused", str(error)
    except BaseException as error:  # panics of Rust and stops of click are findings too
        outcome, message = "finding", _signature(error)
    faulthandler.cancel_dump_traceback_later()
    if outcome == "refused":
        outcome, message = _judged(case, message)
    found = {"outcome": outcome, "message": message, "file": case.spoilt.name}
    if outcome != "finding":
        shutil.rmtree(case.folder)
    for path in (case.out, scratch / "tmp"):
        shutil.rmtree(path, ignore_errors=True)
    (scratch / "tmp").mkdir(exist_ok=True)
    if outcome == "finding":
        kept = scratch / f"{re.sub('[^a-zA-Z0-9]+', '-', target.name)}-{seed}-{number}"
        shutil.rmtree(kept, ignore_errors=True)
        case.folder.rename(kept)
        (kept / "finding.txt").write_text(f"{case.spoilt.relative_to(case.folder)}: {message}\n")
        found["kept"] = str(kept)
    return found


def _judged(case: Case, message: str) -> tuple[str, str]:
    """Hold a refusal against what it owes: one line that names a file, and nothing left behind."""
    plain = generalised(message, case)
    if len(message.splitlines()) != 1:
        return "finding", f"refusal of several lines: {plain}"
    if not (str(case.folder) in message or str(case.truth) in message or _OF_SEVERAL_FILES.search(message)):
        return "finding", f"refusal without a file: {plain}"
    gc.collect()  # readers remove their temporary folders when they go
    left = [path for path in Path(tempfile.gettempdir()).rglob("*") if path.is_file()]
    if case.out.exists():
        left += [path for path in case.out.rglob("*") if path.is_file() and not _ALLOWED.search(str(path))]
    if left:
        return (
            "finding",
            f"left behind: {', '.join(sorted({path.suffix or path.name for path in left}))}: {plain}",
        )
    return "refused", plain


# What lies between two files, or in an option that the file gives, is said by other names.
_OF_SEVERAL_FILES = re.compile(
    r"cannot be exported|share no sample|^--|^Invalid value for|^No such|^Missing|covariates are too many"
)


# Indexes where the caller asked for them; the work with which a stopped prediction goes on.
_ALLOWED = re.compile(r"\.(fai|gzi)$|/\.[^/]*\.work/")


def generalised(message: str, case: Case) -> str:
    """Take out of a message what differs from input to input."""
    for path, word in ((case.folder, "CASE"), (case.truth, "TRUTH"), (case.out, "OUT")):
        message = message.replace(str(path), word)
    message = re.sub(r"(['\"]).*?\1", "'…'", message)
    message = re.sub(r"\([^)]*\)", "(…)", message)
    message = re.sub(r"(chr|REF|FASTA|sample|gene|covariate|contig) \S+", r"\1 …", message)
    return re.sub(r"-?\d[\d,.%e+-]*", "#", message)[:300]


def _signature(error: BaseException) -> str:
    """Name the error and the last places of ours that it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [
        f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames if "/haploscribe/" in frame.filename
    ]
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__} at {' < '.join(ours[:-4:-1]) or 'an oracle'}: {text}"


def _record(file: TextIO, content: dict[str, Any]) -> None:
    file.write(json.dumps(content) + "\n")
    file.flush()


def _limit() -> None:
    """Let memory grow no further than a spoilt file may ask, and no file fill the disk."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    if pages:
        memory = pages * resource.getpagesize() + _MORE_MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
    os._exit(0)  # a damaged file may still be open in a library that ends badly

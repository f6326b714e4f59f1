"""A row of the table of odd and broken input: a valid input, broken in one way, and what comes of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

VARIANTS, REFERENCE, EXPRESSION = "variants.vcf", "reference.fa", "expression.bed"
COVARIATES, NEW_PEOPLE, RESULTS = "covariates.txt", "new.vcf", "results"
DATABASE, OTHER_DATABASE, PANEL = "blup.db", "elastic-net.db", "panel/LCL"
"""Weights of the finished run: for PrediXcan, and for FUSION."""
PARTS = ("part2", "partX")
"""Finished runs of the genes of one contig each."""
POSITIONS, WEIGHTS = "genes.bed", "weights.h5"
"""Where the genes are, and a sequence model of random weights."""
GENE, QUIET = "on_x", "quiet"
"""A gene with variants, and one without."""

_COHORT = {"variants": VARIANTS, "reference": REFERENCE, "expression": EXPRESSION}
_WINDOW = {"window": 2_000, "tile": 500}
_EXPORT = {"results": RESULTS, "build": "b38", "min-r": 0, "max-p": 1, "jobs": 1}
VERBS: dict[str, dict[str, object]] = {
    "check": {**_COHORT, "covariates": COVARIATES, **_WINDOW, "models": "blup", "folds": 2, "jobs": 1},
    "run": {
        **_COHORT,
        "covariates": COVARIATES,
        **_WINDOW,
        "models": "blup",
        "folds": 2,
        "jobs": 1,
        "out": "out",
    },
    "embed": {
        **_COHORT,
        "covariates": COVARIATES,
        **_WINDOW,
        "backbone": "kmer",
        "jobs": 1,
        "store": "store.zarr",
    },
    "haplotypes": {
        "variants": VARIANTS,
        "reference": REFERENCE,
        "region": "chr2:2001-3000",
        "sample": "Zq001",
        "out": "haplotypes.fa",
    },
    "predict": {
        "models": f"{RESULTS}/models",
        "variants": NEW_PEOPLE,
        "reference": REFERENCE,
        "jobs": 1,
        "out": "predicted.tsv",
    },
    "explain": {"results": RESULTS, "gene": GENE, "jobs": 1, "out": "explained"},
    "export predictdb": {**_EXPORT, "out": "weights.db"},
    "export fusion": {**_EXPORT, "out": "fusion"},
    "export merge": {"weights": DATABASE, "out": "merged.db"},
    "export covariance": {"weights": DATABASE, "variants": VARIANTS, "out": "joint.txt.gz"},
    "report": {"results": RESULTS},
    f"combine {' '.join(PARTS)}": {"out": "combined"},
    "combine": {"tissue": [f"a={PARTS[0]}", f"b={PARTS[1]}"], "out": "tissues"},
    "simulate": {
        "variants": VARIANTS,
        "reference": REFERENCE,
        "samples": 20,
        "genes": 2,
        **_WINDOW,
        "out": "simulated",
    },
    "pretrain": {
        "reference": REFERENCE,
        "window": 60,
        "hidden-size": 8,
        "layers": 1,
        "heads": 1,
        "feed-forward": 8,
        "batch": 2,
        "steps": 2,
        "device": "cpu",
        "out": "model",
    },
    "score": {
        "models": "xpresso",
        "xpresso": WEIGHTS,
        "variants": VARIANTS,
        "reference": REFERENCE,
        "gtf": POSITIONS,
        "window": 300,
        "out": "scores.tsv",
    },
    "backbones score nano": {"reference": REFERENCE, "region": "chr2:1-600", "device": "cpu"},
}
"""A command line for each verb that succeeds in the folder of the valid input, fast."""


@dataclass
class Case:
    """A copy of the valid input that a row breaks, and the command to be run in its folder.

    Attributes
    ----------
    folder
        Where the files are, and where the command runs: its options name files without a folder.
    verb
        One of `VERBS`.
    options
        Value of each option; True for a flag, a list for an option given several times.
    """

    folder: Path
    verb: str
    options: dict[str, object] = field(init=False)

    def __post_init__(self) -> None:
        self.options = dict(VERBS[self.verb])

    def give(self, option: str, value: object = True) -> None:
        """Give an option, whatever it was."""
        self.options[option] = value

    def leave_out(self, option: str) -> None:
        """Take an option away."""
        del self.options[option]

    def path(self, name: str) -> Path:
        """Where a file is."""
        return self.folder / name

    def write(self, name: str, content: str | bytes) -> None:
        """Write a file, line ends as they are."""
        self.path(name).write_bytes(content.encode() if isinstance(content, str) else content)

    def text(self, name: str) -> str:
        """Read a file."""
        return self.path(name).read_text(encoding="utf-8")

    def replace(self, name: str, old: str, new: str, count: int = -1) -> None:
        """Put one text for another in a file; it must be there."""
        text = self.text(name)
        assert old in text
        self.write(name, text.replace(old, new, count))

    def edit_rows(
        self,
        change: Callable[[list[str]], list[str]],
        rows: slice = slice(None),
        name: str = VARIANTS,
    ) -> None:
        """Change the cells of some of a table's lines behind the header."""
        lines = self.text(name).splitlines()
        numbers = [number for number, line in enumerate(lines) if not line.startswith("#")][rows]
        assert numbers
        for number in numbers:
            lines[number] = "\t".join(change(lines[number].split("\t")))
        self.write(name, "\n".join(lines) + "\n")

    def set_cells(self, cells: Mapping[int, str], rows: slice = slice(None), name: str = VARIANTS) -> None:
        """Write other texts into some columns of some of a table's lines behind the header."""
        self.edit_rows(lambda row: [cells.get(place, cell) for place, cell in enumerate(row)], rows, name)

    def set_calls(self, call: str, rows: slice = slice(None), people: slice = slice(None)) -> None:
        """Write one call for many, in the rows of the VCF."""

        def change(row: list[str]) -> list[str]:
            calls = row[9:]
            calls[people] = [call] * len(calls[people])
            return row[:9] + calls

        self.edit_rows(change, rows)

    def command(self) -> list[str]:
        """Give the words behind `haploscribe`."""
        words = self.verb.split()
        for option, value in self.options.items():
            for one in value if isinstance(value, list) else [value]:
                words += [f"--{option}"] if one is True else [f"--{option}", str(one)]
        return words


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, and what it printed."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way to break the valid input, and what must come of it.

    Attributes
    ----------
    broken
        What is odd or broken, in a phrase; also names the test.
    spoil
        Breaks a copy of the valid input, or changes the command.
    verbs
        Each is tried; all end alike.
    says
        Patterns that the one line must hold: the file, the place, the cure. Empty where the input is
        accepted.
    behaviour
        What is done with input that is accepted, in a phrase.
    holds
        Proves it, of the folder behind the command.
    elsewhere
        A part of the line that a library or the system writes: a pattern, left out of the documentation.
    """

    broken: str
    spoil: Callable[[Case], None]
    verbs: tuple[str, ...] = ("check",)
    says: tuple[str, ...] = ()
    behaviour: str = ""
    holds: Callable[[Case, Ended], None] = lambda case, ended: None
    elsewhere: str | None = None

    def __post_init__(self) -> None:
        assert bool(self.says) != bool(self.behaviour)


def refused(
    broken: str,
    spoil: Callable[[Case], None],
    *says: str,
    verbs: tuple[str, ...] = ("check",),
    elsewhere: str | None = None,
) -> Row:
    """Make a row of input that is refused."""
    return Row(broken=broken, spoil=spoil, verbs=verbs, says=says, elsewhere=elsewhere)


def accepted(
    broken: str,
    spoil: Callable[[Case], None],
    behaviour: str,
    holds: Callable[[Case, Ended], None],
    *,
    verbs: tuple[str, ...] = ("check",),
) -> Row:
    """Make a row of input that is accepted."""
    return Row(broken=broken, spoil=spoil, verbs=verbs, behaviour=behaviour, holds=holds)


def found(ended: Ended) -> dict[str, str]:
    """Give the facts that a command printed, by name."""
    return dict(line.split(": ", 1) for line in ended.out.splitlines() if ": " in line)

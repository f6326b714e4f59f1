"""Every verb that writes, as a command of a few seconds on the small made-up cohort."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.small_cohort import GENES, PEOPLE, SmallGenome, write_small_cohort

PROGRAM = (sys.executable, "-c", "from haploscribe.cli.main import main; main()")
MODELS = "elastic-net,blup,blup-delta"
NEW_PEOPLE = tuple(f"new{number}" for number in range(9))


@dataclass(frozen=True)
class Inputs:
    """What all verbs read; nothing is written into it.

    Attributes
    ----------
    folder
        Holds the cohort, new people's variants and a finished run.
    """

    folder: Path

    @property
    def cohort(self) -> tuple[str, ...]:
        """Options that name the cohort's files."""
        files = {"variants": "variants.vcf", "reference": "reference.fa", "expression": "expression.bed"}
        named = (text for name, file in files.items() for text in (f"--{name}", str(self.folder / file)))
        return (*named, "--window", "2000", "--tile", "600")

    @property
    def people(self) -> tuple[str, ...]:
        """Options that name the new people's files."""
        return (
            *("--variants", str(self.folder / "new.vcf")),
            *("--reference", str(self.folder / "reference.fa")),
        )

    @property
    def reference(self) -> tuple[str, ...]:
        """The option that names the reference."""
        return ("--reference", str(self.folder / "reference.fa"))

    @property
    def results(self) -> Path:
        """The finished run."""
        return self.folder / "results"


def write_inputs(folder: Path) -> Inputs:
    """Write the cohort and new people, and run once."""
    inputs = Inputs(folder)
    folder.mkdir(parents=True, exist_ok=True)
    expression = write_small_cohort(folder).expression
    names = {name: name.replace(", ", "_").replace(" ", "_") for name in GENES}  # exports refuse blanks
    text = expression.read_text()
    for name, exported in names.items():
        text = text.replace(f"\t{name}\t", f"\t{exported}\t")
    expression.write_text(text)
    (folder / "new.vcf").write_text(SmallGenome.drawn().vcf(NEW_PEOPLE, seed=5))
    arguments = ("run", *inputs.cohort, *_RUN, "--models", MODELS, "--out", inputs.results)
    finished([*PROGRAM, *map(str, arguments)], folder)
    return inputs


def finished(arguments: list[str], temporary: Path) -> None:
    """Run a command to its end, which must be a good one."""
    done = subprocess.run(
        arguments, capture_output=True, text=True, check=False, timeout=600, env=environment(temporary)
    )
    assert done.returncode == 0, done.stderr[-2000:]


Options = Callable[[Inputs, Path], tuple[object, ...]]
_RUN = ("--backbone", "kmer", "--folds", 2, "--jobs", 2)
_TRAINING = (
    *("--window", 600, "--hidden-size", 32, "--layers", 2, "--heads", 2, "--feed-forward", 64),
    *("--steps", 120, "--checkpoint-every", 8, "--device", "cpu"),
)

VERBS: Mapping[str, Options] = {
    "run": lambda inputs, out: (
        *("run", *inputs.cohort, *_RUN, "--models", f"{MODELS},transformer", "--out", out),
    ),
    "embed": lambda inputs, out: ("embed", *inputs.cohort, "--backbone", "nano", "--jobs", 2, "--store", out),
    "pretrain": lambda inputs, out: ("pretrain", *inputs.reference, *_TRAINING, "--out", out),
    "predict": lambda inputs, out: (
        *("predict", *inputs.people, "--models", inputs.results / "models", "--jobs", 2),
        *("--out", out / "new.parquet"),
    ),
    "export predictdb": lambda inputs, out: (
        *("export", "predictdb", "--results", inputs.results, "--model", "blup-delta", "--build", "b38"),
        *("--min-r", 0, "--max-p", 1, "--jobs", 2, "--out", out / "weights.db"),
    ),
    "export fusion": lambda inputs, out: (
        *("export", "fusion", "--results", inputs.results, "--models", "blup-delta,blup"),
        *("--build", "b38", "--min-r", 0, "--max-p", 1, "--jobs", 2, "--out", out),
    ),
    "explain": lambda inputs, out: (
        *("explain", "--results", inputs.results, "--gene", "at_the_end"),
        *("--jobs", 2, "--out", out),
    ),
    "simulate": lambda inputs, out: (
        *("simulate", *inputs.cohort[:4], "--window", 1000, "--tile", 600, "--genes", 4, "--samples", 40),
        *("--out", out),
    ),
    "report": lambda inputs, out: ("report", "--results", out, "--figures", out / "figures"),
    "haplotypes": lambda inputs, out: (
        *("haplotypes", *inputs.cohort[:4], "--region", "chr2:1-9000"),
        *("--sample", ",".join(PEOPLE), "--out", out / "haplotypes.fa"),
    ),
}
"""A verb's arguments, from what it reads and the folder or store that it writes."""


def command(verb: str, inputs: Inputs, out: Path) -> list[str]:
    """Write the command of a verb."""
    return [*PROGRAM, *map(str, VERBS[verb](inputs, out))]


def environment(temporary: Path) -> dict[str, str]:
    """Give the commands their own place for temporary files, and one thread."""
    return {**os.environ, "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1", "COLUMNS": "80"}

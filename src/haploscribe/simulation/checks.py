"""What a simulation refuses before it begins."""

from pathlib import Path

from haploscribe.errors import InputError
from haploscribe.options import SimulationOptions
from haploscribe.simulation.files import FILES


def check_options(options: SimulationOptions) -> None:
    """Refuse options that are out of range or do not go together.

    Raises
    ------
    InputError
        Naming the first.
    """
    real = options.variants is not None
    if real != (options.reference is not None):
        raise InputError("--variants and --reference go together: give both, or neither to simulate people")
    if options.expression is not None and not real:
        raise InputError(
            "--expression names real genes: give real people too, with --variants and --reference"
        )
    if options.samples is None and not real:
        raise InputError("--samples is missing: say how many people to simulate, such as 500")
    if options.genes is None and options.expression is None:
        raise InputError("--genes is missing: say how many genes to simulate, such as 20")
    if options.main_effects and options.architecture != "epistatic":
        raise InputError(f"--main-effects is for --architecture epistatic, not {options.architecture}")
    for name, least in (("samples", 2), ("genes", 1), ("causal", 1), ("window", 1), ("tile", 1)):
        value = getattr(options, name)
        if value is not None and value < least:
            raise InputError(f"--{name} {value}: give {least} or more")
    if not 0 <= options.h2 <= 1:
        raise InputError(f"--h2 {options.h2:g}: give a share from 0 to 1")
    if not 0 <= options.maf < 0.5:
        raise InputError(f"--maf {options.maf:g}: give a frequency from 0 to below 0.5")


def require_own(out: Path, options: SimulationOptions) -> None:
    """Refuse to replace what no simulation wrote, or what this one reads.

    Parameters
    ----------
    out
        Folder of the cohort.
    options
        Whose files must lie elsewhere.

    Raises
    ------
    InputError
        When `out` is a file, holds other files than a cohort's, or one of the inputs.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; name a folder")
    others = sorted({path.name for path in out.iterdir()} - FILES) if out.is_dir() else []
    if others:
        raise InputError(f"--out {out} holds other files, such as {others[0]}; name a new folder")
    for name in ("variants", "reference", "expression"):
        path = getattr(options, name)
        if path is not None and out.resolve() in path.resolve().parents:
            raise InputError(
                f"--{name} {path} lies in --out {out}, which is written anew; name another --out"
            )

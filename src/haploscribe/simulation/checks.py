"""Where a simulation may write."""

from pathlib import Path

from haploscribe.config.simulation import SimulationOptions
from haploscribe.errors import InputError
from haploscribe.simulation.files import FILES


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

"""Runs the bundled real people again and again, under other settings, and as other machines would.

`python -m tests.campaigns.determinism [--genes 3] [--backbone kmer]` prints, for each setting, what differs
from the first run: nothing may on one machine; on another, predictions to 1e-5 of a standard deviation of
expression.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from haploscribe.estimators.registry import ESTIMATOR_NAMES
from haploscribe.examples.cohort import example_cohort
from haploscribe.zero_shot.registry import ZERO_SHOT_NAMES
from tests.fixtures.equal_outputs import differences

_NO_NUMPY_SIMD = (
    "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR X86_V3 X86_V4"
)

SAME_MACHINE: Mapping[str, Mapping[str, str]] = {
    "the same again": {},
    "other hash seed": {"PYTHONHASHSEED": "12345"},
    "locale C": {"LC_ALL": "C"},
    "time zone": {"TZ": "Pacific/Chatham"},
    "1 thread": {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
    "4 threads": {"OMP_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "4", "MKL_NUM_THREADS": "4"},
    "memory filled with ones": {"MALLOC_PERTURB_": "85", "MALLOC_TOP_PAD_": "123456"},
}
"""Environments in which every byte of the results must be the same."""
OTHER_MACHINES: Mapping[str, Mapping[str, str]] = {
    "OpenBLAS as on Haswell": {"OPENBLAS_CORETYPE": "Haswell"},
    "OpenBLAS as on Nehalem": {"OPENBLAS_CORETYPE": "Nehalem"},
    "PyTorch without AVX": {"ATEN_CPU_CAPABILITY": "default"},
    "PyTorch with AVX2": {"ATEN_CPU_CAPABILITY": "avx2"},
    "MKL and oneDNN without AVX": {"MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "SSE41"},
    "NumPy without AVX": {"NPY_DISABLE_CPU_FEATURES": _NO_NUMPY_SIMD},
    "Numba without AVX": {"NUMBA_CPU_NAME": "generic", "NUMBA_ENABLE_AVX": "0"},
}
"""Environments that let libraries compute as on another processor: predictions agree to `TOLERANCE`."""
OTHER_MACHINES = {
    **OTHER_MACHINES,
    "all of them": {name: value for setting in OTHER_MACHINES.values() for name, value in setting.items()},
}
TOLERANCE = 1e-5
"""Of a standard deviation of a gene's training expression."""


def run_in(environment: Mapping[str, str], arguments: Sequence[object], folder: Path | None = None) -> None:
    """Run the command line in a process of its own.

    Parameters
    ----------
    environment
        Variables beside those of this process.
    arguments
        Verb and options.
    folder
        To run in; None for the current one.

    Raises
    ------
    RuntimeError
        With what it printed, when it fails.
    """
    # Compiled functions are kept for this processor otherwise.
    cache = (
        {"NUMBA_CACHE_DIR": str(Path(tempfile.gettempdir()) / f"numba-{environment['NUMBA_CPU_NAME']}")}
        if ("NUMBA_CPU_NAME" in environment)
        else {}
    )
    paths = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-m", "haploscribe", *map(str, arguments)],
        env={**os.environ, **paths, **cache, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{environment}: {done.stderr}")


def largest_differences(one: Path, other: Path) -> dict[str, float]:
    """Give the largest difference of any prediction, by model, between two results folders."""
    keys = ["gene_id", "sample_id", "model", "fold"]
    tables = [pl.read_parquet(folder / "predictions.parquet") for folder in (one, other)]
    joined = tables[0].join(tables[1], on=keys, validate="1:1")
    assert joined.height == tables[0].height == tables[1].height
    apart = (pl.col("predicted") - pl.col("predicted_right")).abs().max()
    return dict(joined.group_by("model", maintain_order=True).agg(apart).iter_rows())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genes", type=int, default=3, help="genes of the bundled cohort")
    parser.add_argument("--backbone", default="kmer")
    asked = parser.parse_args()
    models = [name for name in ESTIMATOR_NAMES if name not in ZERO_SHOT_NAMES]
    with example_cohort() as cohort, tempfile.TemporaryDirectory() as scratch:
        from haploscribe.expression.table import read_expression

        genes = [gene.gene_id for gene in read_expression(cohort.expression).genes][: asked.genes]
        arguments: list[object] = ["run", "--models", ",".join(models), "--genes", ",".join(genes)]
        for name in ("variants", "reference", "expression", "covariates"):
            arguments += [f"--{name}", getattr(cohort, name)]
        arguments += ["--backbone", asked.backbone, "--window", cohort.window, "--device", "cpu"]
        first = Path(scratch) / "first"
        run_in({}, [*arguments, "--jobs", 1, "--out", first])
        print("This machine: what differs from the first run")
        workers: dict[str, tuple[object, ...]] = {
            "--jobs 2": ("--jobs", 2), "--jobs 4": ("--jobs", 4), "--dask local:2": ("--dask", "local:2")
        }  # fmt: skip
        settings = [(name, variables, ("--jobs", 1)) for name, variables in SAME_MACHINE.items()]
        for number, (name, variables, where) in enumerate(
            [*settings, *((name, {}, where) for name, where in workers.items())]
        ):
            out = Path(scratch) / f"same-{number}"
            run_in(variables, [*arguments, *where, "--out", out])
            print(f"  {name}: {'; '.join(differences(first, out)) or 'no byte'}", flush=True)
        print(f"As another machine: largest difference of a prediction, in SD; {TOLERANCE:g} is promised")
        for number, (name, variables) in enumerate(OTHER_MACHINES.items()):
            out = Path(scratch) / f"other-{number}"
            run_in(variables, [*arguments, "--jobs", 1, "--out", out])
            found = sorted(largest_differences(first, out).items(), key=lambda item: -item[1])
            print(f"  {name}: " + ", ".join(f"{model} {apart:.1e}" for model, apart in found), flush=True)


if __name__ == "__main__":
    main()

"""Build haplotypes with GenVarLoader. Runs alone, in an environment of its own: `haplotypes` calls it.

    python benchmarks/speed/genvarloader_peer.py FOLDER

FOLDER holds `genotypes.vcf.gz`, `reference.fa.gz` with their indices, and `windows.json`: `[contig, start,
end]` each, 0-based half-open. Prints JSON: wall and processor seconds of each step, the peak memory in MiB,
and a digest of each haplotype, by window, sample and haplotype.
"""

import hashlib
import json
import resource
import sys
import time
from pathlib import Path

import genvarloader  # type: ignore[import-not-found, unused-ignore]
import numpy as np
import polars as pl


def clock() -> tuple[float, float]:
    """Read the clock and the processor time of this process and its children."""
    used = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return time.perf_counter(), sum(each.ru_utime + each.ru_stime for each in used)


def peak_mebibytes() -> float:
    """Return the peak resident memory so far, in MiB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def main() -> None:
    """Write the dataset, make all haplotypes twice (the first time compiles), and print what it took."""
    folder = Path(sys.argv[1])
    windows = json.loads((folder / "windows.json").read_text())
    bed = pl.DataFrame(windows, schema=["chrom", "chromStart", "chromEnd"], orient="row")
    marks = [clock()]
    genvarloader.write(path=folder / "windows.gvl", bed=bed, variants=folder / "genotypes.vcf.gz")
    marks.append(clock())
    opened = genvarloader.Dataset.open(folder / "windows.gvl", reference=folder / "reference.fa.gz")
    marks.append(clock())
    dataset = opened.with_seqs("haplotypes")
    dataset[:, :]
    marks.append(clock())
    made = dataset[:, :]
    marks.append(clock())
    peak = peak_mebibytes()
    letters, ends = made.data.view(np.uint8), np.asarray(made.offsets).ravel()
    n_samples = len(dataset.samples)
    digests = [
        hashlib.sha256(bytes(letters[ends[i] : ends[i + 1]]).upper()).hexdigest()
        for i in range(2 * len(windows) * n_samples)
    ]
    steps = zip(("write", "open", "first", "again"), marks[:-1], marks[1:], strict=True)
    found = {
        "version": genvarloader.__version__,
        "samples": list(dataset.samples),
        "seconds": {name: [after[i] - before[i] for i in (0, 1)] for name, before, after in steps},
        "mebibytes": peak,
        "digests": digests,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()

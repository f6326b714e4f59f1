"""Reading VCF and BCF, indexed or not."""

import contextlib
import gzip
import itertools
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import cyvcf2
import numpy as np
import pysam
import pysam.bcftools

from haploscribe.arrays import Int64Array
from haploscribe.atomic import make_folder, written_aside
from haploscribe.errors import InputError
from haploscribe.genome.bgzf import compression
from haploscribe.genome.calls import CallRules, Calls, phased_variants
from haploscribe.genome.contigs import require_contig
from haploscribe.genome.index_files import is_fresh, own_name
from haploscribe.genome.quiet import quiet
from haploscribe.genome.samples import places_of, require_unique
from haploscribe.genome.variants import Variants
from haploscribe.genome.vcf_lines import IrregularLineError, calls_of_lines
from haploscribe.genome.vcf_records import calls_of_records
from haploscribe.leftovers import temporary_prefix


class VcfReader:
    """A VCF or BCF file as a `VariantReader`.

    A file without an index, or with an older one, gets one in a folder of ours; a file that is not
    bgzipped gets a bgzipped copy there. Nothing is written beside the user's file.

    Parameters
    ----------
    path, index_folder, assume_phased, max_missing
        See `open_variants`.
    """

    def __init__(
        self,
        path: Path,
        index_folder: Path | None = None,
        *,
        assume_phased: bool = False,
        max_missing: float = 0.1,
    ) -> None:
        self.path = path
        self._rules = CallRules(path, assume_phased, max_missing)
        self._temporary: Path | None = None
        if index_folder is None:
            index_folder = self._temporary = Path(tempfile.mkdtemp(prefix=temporary_prefix()))
            weakref.finalize(self, shutil.rmtree, index_folder, ignore_errors=True)
        self._indexed = _with_index(path, index_folder)
        self._walk = _opened(path, self._indexed)
        if self._walk.index is None:
            raise InputError(f"the index of {path} cannot be read; delete it, or make it with bcftools index")
        self.sample_ids = tuple(self._walk.header.samples)
        self.contigs = _contigs_with_records(self._indexed, path)
        self._subset: frozenset[str] | None = None
        self._vcf: cyvcf2.VCF | None = None
        self._lines = _opened_lines(self._indexed) if self._walk.is_vcf else None

    def read(self, contig: str, start: int, end: int, samples: Sequence[str]) -> Variants:
        """Read the records that overlap a region: see `VariantReader.read`."""
        name = require_contig(contig, self._walk.header.contigs, str(self.path))
        calls = self._calls_of_lines(name, start, end, samples)
        if calls is None:
            calls = self._calls_of_records(name, start, end, samples)
        return phased_variants(calls, contig, tuple(samples), self._rules)

    def close(self) -> None:
        """Close the file and remove the temporary folder."""
        with quiet(), contextlib.suppress(OSError):  # a damaged file fails once more when it is closed
            self._walk.close()
        if self._vcf is not None:
            self._vcf.close()
        if self._lines is not None:
            self._lines.close()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _calls_of_lines(self, name: str, start: int, end: int, samples: Sequence[str]) -> Calls | None:
        """Read the calls from the text of a VCF; None where there is none, or it needs htslib's parser."""
        order = places_of(samples, self.sample_ids, self.path)
        if self._lines is None or name not in self.contigs or not len(order) or start >= end:
            return None
        columns = _columns(order, len(self.sample_ids))
        lines = self._fetched(self._lines, name, start, end)
        try:
            with quiet():
                return calls_of_lines(lines, start, end, len(self.sample_ids), columns)
        except IrregularLineError:
            return None

    def _fetched(self, file: pysam.TabixFile, name: str, start: int, end: int) -> Iterator[str]:
        try:
            yield from file.fetch(name, max(start, 0), end)
        except UnicodeDecodeError:
            raise IrregularLineError from None
        except (OSError, ValueError) as error:
            raise self._damaged(name, start, end, error) from None

    def _calls_of_records(self, name: str, start: int, end: int, samples: Sequence[str]) -> Calls:
        """Read the calls of any VCF or BCF."""
        vcf = self._opened_for(samples)
        self._require_readable(name, start, end)
        columns = _columns(places_of(samples, vcf.samples, self.path), len(vcf.samples))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="no intervals found")
            records = self._records(vcf, name, start, end) if start < end else ()
            return calls_of_records(records, start, end, len(vcf.samples), self.path, columns)

    def _opened_for(self, samples: Sequence[str]) -> cyvcf2.VCF:
        """Open the file to decode the wanted samples only; kept open until others are wanted."""
        places_of(samples, self.sample_ids, self.path)
        subset = frozenset(samples)
        if self._vcf is None or subset != self._subset:
            if self._vcf is not None:
                self._vcf.close()
            wanted = [name for name in self.sample_ids if name in subset]
            self._vcf = cyvcf2.VCF(
                str(self._indexed), samples=wanted if 0 < len(wanted) < len(self.sample_ids) else None
            )
            self._subset = subset
        return self._vcf

    def _records(self, vcf: cyvcf2.VCF, name: str, start: int, end: int) -> Iterator[cyvcf2.Variant]:
        found = vcf(f"{name}:{max(start, 0) + 1}-{end}")
        while True:
            try:
                record = next(found, None)
            except Exception as error:  # cyvcf2 raises no narrower class
                raise InputError(
                    f"{self.path} cannot be read at {name}:{start + 1}-{end} ({error}); "
                    "write it again with bcftools view"
                ) from None
            if record is None:
                return
            yield record

    def _require_readable(self, name: str, start: int, end: int) -> None:
        """Walk over the region once with pysam, because cyvcf2 ends silently where a file is damaged."""
        try:
            with quiet():
                for _ in self._walk.fetch(name, max(start, 0), max(end, start, 0)):
                    pass
        except (OSError, ValueError) as error:
            if "invalid contig" in str(error):  # a contig of the header that has no records
                return
            raise self._damaged(name, start, end, error) from None

    def _damaged(self, name: str, start: int, end: int, error: Exception) -> InputError:
        return InputError(
            f"{self.path} is damaged at {name}:{start + 1}-{end} ({error}); copy or make it again"
        )


def _opened(path: Path, indexed: Path) -> pysam.VariantFile:
    try:
        with quiet():
            return pysam.VariantFile(str(indexed), drop_samples=True)  # calls are decoded elsewhere
    except (OSError, ValueError):
        require_unique(_header_samples(path), path)
        raise InputError(f"{path} cannot be read as VCF or BCF; check that its header is complete") from None


def _columns(order: Int64Array, n_samples: int) -> Int64Array | None:
    """Say None where the order wanted, int64 `(n_wanted,)`, is that of the file: nothing is copied then."""
    return None if np.array_equal(order, np.arange(n_samples)) else order


def _opened_lines(indexed: Path) -> pysam.TabixFile:
    csi = Path(f"{indexed}.csi")  # where there are two indices, htslib takes this one
    return pysam.TabixFile(
        str(indexed), index=str(csi if csi.is_file() else f"{indexed}.tbi"), encoding="utf-8"
    )


def _header_samples(path: Path) -> list[str]:
    """Read the sample names of a VCF whose header htslib refuses."""
    with path.open("rb") if compression(path) == "plain" else gzip.open(path) as file:
        for line in itertools.takewhile(lambda line: line.startswith(b"#"), file):
            if line.startswith(b"#CHROM"):
                return line.decode("utf-8", "replace").rstrip("\r\n").split("\t")[9:]
    return []


def _contigs_with_records(indexed: Path, path: Path) -> tuple[str, ...]:
    """Read from the index which contigs of the header have records."""
    try:
        with quiet():
            table = pysam.bcftools.index("--stats", str(indexed))
    except pysam.SamtoolsError:
        raise InputError(
            f"the index of {path} cannot be read; delete it, or make it with bcftools index"
        ) from None
    return tuple(line.split("\t", 1)[0] for line in table.splitlines())


def _with_index(path: Path, folder: Path) -> Path:
    """Find or make a path at which htslib has the records and an index to them."""
    kind = compression(path)
    if kind == "bgzf" and any(is_fresh(path, Path(f"{path}{suffix}")) for suffix in (".csi", ".tbi")):
        return path
    place = folder / own_name(path) if kind == "bgzf" else folder / f"{own_name(path).removesuffix('.gz')}.gz"
    index = Path(f"{place}.csi")
    if index.is_file():
        return place
    make_folder(folder)
    if kind == "bgzf":
        place.unlink(missing_ok=True)
        place.symlink_to(path.resolve())
    else:
        with written_aside(place) as copy:
            _bgzip(path, kind == "gzip", copy)
    try:
        with written_aside(index) as new, quiet():
            pysam.bcftools.index("--csi", "--output", str(new), str(place), catch_stdout=False)
    except pysam.SamtoolsError:
        raise InputError(
            f"{path} cannot be indexed: it is unsorted, damaged or no VCF; run bcftools sort -Oz {path.name}"
        ) from None
    return place


def _bgzip(path: Path, gzipped: bool, copy: Path) -> None:
    try:
        with (
            quiet(),
            gzip.open(path) if gzipped else path.open("rb") as source,
            pysam.BGZFile(str(copy), "w") as target,
        ):
            shutil.copyfileobj(source, target, 1 << 20)
    except (OSError, EOFError, gzip.BadGzipFile) as error:
        raise InputError(f"cannot read {path}: {error}; copy or make it again") from None

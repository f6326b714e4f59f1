"""Read VCF and BCF, indexed or not."""

import codecs
import contextlib
import gzip
import itertools
import shutil
import tempfile
import weakref
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pysam
import pysam.bcftools

from haploscribe.errors import InputError
from haploscribe.genome.contigs import require_contig
from haploscribe.genome.htslib import (
    compression,
    derived_name,
    index_variants,
    is_fresh,
    is_sound_index,
    quiet,
    vcf_fault,
)
from haploscribe.genome.readers.calls import CallRules, phased_variants, sample_indices, unique_samples
from haploscribe.genome.readers.vcf_text import MalformedRecordError, decode_records
from haploscribe.genome.variants import Variants
from haploscribe.utils.files import atomic_write, make_folder, temporary_prefix

_LONGEST_CONTIG = 2**31 - 1


class VcfReader:
    """A VCF or BCF file as a `VariantReader`.

    If the file has no index, or one that is older, damaged or of another file, a new one is built in
    `index_folder`; of a file that is not bgzipped, a bgzipped copy is built there. Nothing is written beside
    the user's file.

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
        indexed = _with_index(path, index_folder)
        self._file = _open(path, indexed)
        self.sample_ids = _sample_ids(self._file, path)
        self._named = _named_contigs(self._file, path)
        self._lines = _open_lines(indexed) if self._file.is_vcf else None
        self.contigs = _contigs_with_records(self._lines or self._file, self._named, path)

    def read(self, contig: str, start: int, end: int, samples: Sequence[str]) -> Variants:
        """Read the records that overlap a region: see `VariantReader.read`."""
        name = require_contig(contig, self._named, str(self.path))
        order = sample_indices(samples, self.sample_ids, self.path)
        n_samples = len(self.sample_ids)
        columns = None if np.array_equal(order, np.arange(n_samples)) else order  # in file order: no copy
        try:
            with quiet():
                calls = decode_records(self._records(name, start, end), start, end, n_samples, columns)
        except UnicodeDecodeError:
            raise InputError(
                f"{self.path} holds bytes that are not UTF-8 at {name}:{start + 1}-{end}; "
                "write it again as UTF-8"
            ) from None
        except MalformedRecordError as error:
            raise InputError(f"{self.path} {error}") from None
        return phased_variants(calls, contig, tuple(samples), self._rules)

    def span(self, contig: str) -> tuple[int, int]:
        """Return the first and last position of a contig: see `SpanReader.span`."""
        first, low, high = self._first_position(contig, 0), 0, _LONGEST_CONTIG
        while high - low > 1:  # the index finds the last record in as many steps as a position has bits
            middle = (low + high) // 2
            low, high = (low, middle) if self._first_position(contig, middle) is None else (middle, high)
        return first or 0, low

    def _first_position(self, contig: str, start: int) -> int | None:
        """Return the position of the first record that starts at `start` or behind, 0-based."""
        for line in self._records(contig, start, _LONGEST_CONTIG):
            text = line.split("\t", 2)[1]
            if not text.isdecimal():
                raise InputError(f"{self.path} has a record of {contig} at position {text!r}; make it again")
            if int(text) > start:
                return int(text) - 1
        return None

    def close(self) -> None:
        """Close the file and remove the temporary folder."""
        with quiet(), contextlib.suppress(OSError):  # closing a damaged file fails again
            self._file.close()
        if self._lines is not None:
            self._lines.close()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _records(self, name: str, start: int, end: int) -> Iterator[str]:
        """Yield the text of the records that overlap a region, without line ends."""
        if name not in self.contigs or start >= end:
            return
        try:
            if self._lines is not None:
                yield from self._lines.fetch(name, max(start, 0), end)
            else:
                for record in self._file.fetch(name, max(start, 0), end):
                    yield str(record)[:-1]
        except UnicodeDecodeError:
            raise
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.path} is damaged at {name}:{start + 1}-{end} ({error}), or its index is of another "
                "file; copy or make both again"
            ) from None


def _open(path: Path, indexed: Path) -> pysam.VariantFile:
    try:
        with quiet():
            return pysam.VariantFile(str(indexed))
    except (OSError, ValueError):
        unique_samples(_header_samples(path), path)
        raise InputError(f"{path} cannot be read as VCF or BCF; check that its header is complete") from None


def _sample_ids(file: pysam.VariantFile, path: Path) -> tuple[str, ...]:
    try:
        return tuple(file.header.samples)
    except UnicodeDecodeError:
        raise InputError(f"{path} has a sample whose name is not UTF-8; rename it in the header") from None


def _open_lines(indexed: Path) -> pysam.TabixFile:
    csi = Path(f"{indexed}.csi")  # where there are two indices, htslib takes this one
    return pysam.TabixFile(
        str(indexed), index=str(csi if csi.is_file() else f"{indexed}.tbi"), encoding="utf-8"
    )


def _header_samples(path: Path) -> list[str]:
    """Read the sample names of a VCF whose header htslib rejects."""
    with (
        contextlib.suppress(OSError, EOFError, zlib.error),  # damaged: its samples are unknown
        path.open("rb") if compression(path) == "plain" else gzip.open(path) as file,
    ):
        for line in itertools.takewhile(lambda line: line.startswith(b"#"), file):
            if line.startswith(b"#CHROM"):
                return line.decode("utf-8", "replace").rstrip("\r\n").split("\t")[9:]
    return []


def _named_contigs(file: pysam.VariantFile, path: Path) -> tuple[str, ...]:
    """Return the contigs of the header."""
    try:
        return tuple(file.header.contigs)
    except UnicodeDecodeError:
        raise InputError(f"{path} has a contig name that is not UTF-8; rename it") from None
    except AssertionError:  # pysam's, for a contig that has a number but no name
        raise InputError(
            f"{path} has records of a contig that its header does not name; write it again with bcftools view"
        ) from None


def _contigs_with_records(
    file: pysam.TabixFile | pysam.VariantFile, named: Sequence[str], path: Path
) -> tuple[str, ...]:
    """Return the contigs that have records, in file order."""
    try:
        with quiet():
            if isinstance(file, pysam.TabixFile):
                return tuple(file.contigs)  # of the index
            return tuple(name for name in named if next(file.fetch(name), None) is not None)
    except UnicodeDecodeError:
        raise InputError(f"{path} has a contig name that is not UTF-8; rename it") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}); copy or make it again") from None


def _with_index(path: Path, folder: Path) -> Path:
    """Return a path at which htslib finds the records with a valid index, creating them where needed."""
    kind = compression(path)
    beside = [index for index in (Path(f"{path}.csi"), Path(f"{path}.tbi")) if index.is_file()]
    if kind == "bgzf" and beside and all(is_fresh(path, one) and is_sound_index(one, path) for one in beside):
        return path
    name = derived_name(path)
    indexed_path = folder / name if kind == "bgzf" else folder / f"{name.removesuffix('.gz')}.gz"
    index = Path(f"{indexed_path}.csi")
    if index.is_file():
        return indexed_path
    make_folder(folder)
    if kind == "bgzf":
        indexed_path.unlink(missing_ok=True)
        indexed_path.symlink_to(path.resolve())
    else:
        with atomic_write(indexed_path) as copy:
            _bgzip(path, kind == "gzip", copy)
    try:
        with atomic_write(index) as new:
            index_variants(indexed_path, new, csi=True)
    except (OSError, ValueError):
        raise InputError(f"{path} cannot be indexed: {_fault(indexed_path, path.name)}") from None
    return indexed_path


def _fault(indexed_path: Path, name: str) -> str:
    try:
        with gzip.open(indexed_path) as lines:
            return vcf_fault(lines, name)
    except (OSError, EOFError, zlib.error) as error:
        return f"it is damaged ({error}); copy or make it again"


def _bgzip(path: Path, gzipped: bool, copy: Path) -> None:
    try:
        with (
            quiet(),
            gzip.open(path) if gzipped else path.open("rb") as source,
            pysam.BGZFile(str(copy), "w") as target,
        ):
            n_other = 0
            for number, line in enumerate(source):
                plain = line.removeprefix(codecs.BOM_UTF8) if number == 0 else line
                is_header = plain.startswith(b"#")
                n_other += not is_header
                if is_header and n_other:  # htslib stops there silently
                    raise InputError(
                        f"{path} has a header line behind record {n_other}, as files have that were joined "
                        "with cat; join them with bcftools concat"
                    )
                target.write(plain)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot read {path}: {error}; copy or make it again") from None

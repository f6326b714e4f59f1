"""Reading VCF and BCF, indexed or not."""

import codecs
import contextlib
import gzip
import itertools
import shutil
import tempfile
import warnings
import weakref
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import cyvcf2
import numpy as np
import pysam
import pysam.bcftools

from haploscribe.errors import InputError
from haploscribe.genome.htslib import compression
from haploscribe.genome.readers.calls import CallRules, Calls, phased_variants
from haploscribe.genome.contigs import require_contig
from haploscribe.genome.htslib import vcf_fault
from haploscribe.genome.htslib import is_fresh
from haploscribe.genome.index_files import own_name
from haploscribe.genome.index_layout import number_of_contigs
from haploscribe.genome.htslib import quiet
from haploscribe.genome.samples import places_of, require_unique
from haploscribe.genome.variants import Variants
from haploscribe.genome.vcf_lines import IrregularLineError, calls_of_lines
from haploscribe.genome.vcf_records import calls_of_records
from haploscribe.utils.files import atomic_write, make_folder, temporary_prefix
from haploscribe.utils.types import Int64Array


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
        self.sample_ids = _sample_ids(self._walk, path)
        self._named = _named_contigs(self._walk, self._indexed, path)
        self.contigs = _contigs_with_records(self._indexed, path)
        self._subset: frozenset[str] | None = None
        self._vcf: cyvcf2.VCF | None = None
        self._lines = _opened_lines(self._indexed) if self._walk.is_vcf else None

    def read(self, contig: str, start: int, end: int, samples: Sequence[str]) -> Variants:
        """Read the records that overlap a region: see `VariantReader.read`."""
        name = require_contig(contig, self._named, str(self.path))
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
            self._require_whole_lines(name, start, end)
            return None

    def _require_whole_lines(self, name: str, start: int, end: int) -> None:
        """Refuse a record with too few or too many calls, whose excess htslib would leave unread."""
        assert self._lines is not None
        n_columns = 9 + len(self.sample_ids)
        with contextlib.suppress(IrregularLineError), quiet():
            for line in self._fetched(self._lines, name, start, end):
                if (n_found := line.count("\t") + 1) != n_columns:
                    position = line.split("\t", 2)[1]
                    raise InputError(
                        f"{self.path} has {n_found} columns at {name}:{position}, "
                        f"the header has {n_columns}; make that file again"
                    )

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
        n_expected = self._count_readable(name, start, end)
        columns = _columns(places_of(samples, vcf.samples, self.path), len(vcf.samples))
        with warnings.catch_warnings(), _cyvcf2_quiet():
            warnings.filterwarnings("ignore", message="no intervals found")
            records = self._records(vcf, name, start, end) if start < end else ()
            try:
                calls = calls_of_records(records, start, end, len(vcf.samples), self.path, columns)
            except UnicodeDecodeError:
                raise InputError(
                    f"{self.path} holds bytes that are not UTF-8 at {name}:{start + 1}-{end}; "
                    "write it again as UTF-8"
                ) from None
        n_found = np.count_nonzero(calls.positions >= start)
        if n_found != n_expected:
            raise InputError(
                f"{self.path} has {n_expected} records at {name}:{start + 1}-{end}, but {n_found} can be "
                "read: header lines stand between them, as in files that were joined with cat; join them "
                "with bcftools concat"
            )
        return calls

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
        last = f"{start + 1}-{end}"
        while True:
            try:
                record = next(found, None)
            except Exception:  # cyvcf2 raises no narrower class
                raise InputError(
                    f"{self.path} has a record that cannot be read at {name}:{last}; "
                    "look there for a call that is none, and make that file again"
                ) from None
            if record is None:
                return
            last = f"{record.POS} or the next"
            yield record

    def _count_readable(self, name: str, start: int, end: int) -> int:
        """Count the records that begin in the region, with pysam.

        cyvcf2 ends silently where a file is damaged, and at a header line between records.
        """
        try:
            with quiet():
                records = self._walk.fetch(name, max(start, 0), max(end, start, 0))
                return sum(start <= record.start < end for record in records)
        except (OSError, ValueError) as error:
            if "invalid contig" in str(error):  # a contig of the header that has no records
                return 0
            raise self._damaged(name, start, end, error) from None

    def _damaged(self, name: str, start: int, end: int, error: Exception) -> InputError:
        return InputError(
            f"{self.path} is damaged at {name}:{start + 1}-{end} ({error}), or its index is of another "
            "file; copy or make both again"
        )


def _opened(path: Path, indexed: Path) -> pysam.VariantFile:
    try:
        with quiet():
            return pysam.VariantFile(str(indexed), drop_samples=True)  # calls are decoded elsewhere
    except (OSError, ValueError):
        require_unique(_header_samples(path), path)
        raise InputError(f"{path} cannot be read as VCF or BCF; check that its header is complete") from None


def _sample_ids(file: pysam.VariantFile, path: Path) -> tuple[str, ...]:
    try:
        return tuple(file.header.samples)
    except UnicodeDecodeError:
        raise InputError(f"{path} has a sample whose name is not UTF-8; rename it in the header") from None


@contextlib.contextmanager
def _cyvcf2_quiet() -> Iterator[None]:
    """Silence cyvcf2's own htslib within the block, as `quiet` silences that of pysam."""
    set_level = getattr(cyvcf2.cyvcf2, "set_htslib_log_level", lambda _: None)
    set_level(0)
    try:
        yield
    finally:
        set_level(3)  # htslib's default


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
    with (
        contextlib.suppress(OSError, EOFError, zlib.error),  # damaged: nothing can be said of its samples
        path.open("rb") if compression(path) == "plain" else gzip.open(path) as file,
    ):
        for line in itertools.takewhile(lambda line: line.startswith(b"#"), file):
            if line.startswith(b"#CHROM"):
                return line.decode("utf-8", "replace").rstrip("\r\n").split("\t")[9:]
    return []


def _named_contigs(walk: pysam.VariantFile, indexed: Path, path: Path) -> tuple[str, ...]:
    """List the contigs of the header.

    A BCF's must name all that its index counts: htslib crashes where one has no name.
    """
    contigs = walk.header.contigs
    try:
        numbers = {name: contigs[name].id for name in contigs}
    except UnicodeDecodeError:
        raise InputError(f"{path} names a contig in other characters than UTF-8; rename it") from None
    except AssertionError:  # pysam's, at a number that no contig has
        numbers = {}
    n_counted = (number_of_contigs(Path(f"{indexed}.csi"), indexed) or 0) if walk.is_bcf else 0
    if not set(numbers.values()).issuperset(range(n_counted)):
        raise InputError(
            f"{path} has records of a contig that its header does not name; write it again with bcftools view"
        )
    return tuple(numbers)


def _contigs_with_records(indexed: Path, path: Path) -> tuple[str, ...]:
    """Read from the index which contigs of the header have records."""
    try:
        with quiet():
            table = pysam.bcftools.index("--stats", str(indexed))
    except pysam.SamtoolsError:
        raise InputError(
            f"the index of {path} cannot be read; delete it, or make it with bcftools index"
        ) from None
    if isinstance(table, bytes):  # pysam gives text where it can
        raise InputError(f"{path} names a contig in other characters than UTF-8; rename it")
    return tuple(line.split("\t", 1)[0] for line in table.split("\n") if line)


def _with_index(path: Path, folder: Path) -> Path:
    """Find or make a path at which htslib has the records and an index to them."""
    kind = compression(path)
    # cyvcf2 goes by the name, and would silently find no record in a VCF that is called .bcf.
    misnamed = path.name.endswith((".bcf", ".bcf.gz")) and not _is_bcf(path)
    beside = [index for index in (Path(f"{path}.csi"), Path(f"{path}.tbi")) if is_fresh(path, index)]
    if kind == "bgzf" and not misnamed and beside:
        for index in beside:
            if number_of_contigs(index, path) is None:
                raise InputError(
                    f"the index of {path} is of another file or cannot be read; delete it, or make it with "
                    "bcftools index"
                )
        return path
    name = f"{own_name(path)}.vcf.gz" if misnamed else own_name(path)
    place = folder / name if kind == "bgzf" else folder / f"{name.removesuffix('.gz')}.gz"
    index = Path(f"{place}.csi")
    if index.is_file():
        return place
    make_folder(folder)
    if kind == "bgzf":
        place.unlink(missing_ok=True)
        place.symlink_to(path.resolve())
    else:
        with atomic_write(place) as copy:
            _bgzip(path, kind == "gzip", copy)
    try:
        with atomic_write(index) as new, quiet():
            source = str(place.absolute())  # a name that begins with - would be an option
            pysam.bcftools.index("--csi", "--output", str(new), source, catch_stdout=False)
    except pysam.SamtoolsError:
        raise InputError(f"{path} cannot be indexed: {_fault(place, path.name)}") from None
    return place


def _fault(place: Path, name: str) -> str:
    try:
        with gzip.open(place) as lines:
            return vcf_fault(lines, name)
    except (OSError, EOFError, zlib.error) as error:
        return f"it is damaged ({error}); copy or make it again"


def _is_bcf(path: Path) -> bool:
    try:
        with gzip.open(path) as file:
            return file.read(3) == b"BCF"
    except (OSError, EOFError, zlib.error):
        return False


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
                if is_header and n_other:  # htslib ends there without a word
                    raise InputError(
                        f"{path} has a header line behind record {n_other}, as files have that were joined "
                        "with cat; join them with bcftools concat"
                    )
                target.write(plain)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot read {path}: {error}; copy or make it again") from None

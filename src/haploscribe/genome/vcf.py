"""Reading VCF and BCF, indexed or not."""

import contextlib
import gzip
import itertools
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import cyvcf2
import numpy as np
import pysam
import pysam.bcftools

from haploscribe.atomic import make_folder, written_aside
from haploscribe.errors import InputError
from haploscribe.genome.bgzf import compression
from haploscribe.genome.calls import ABSENT, MISSING, CallRules, Calls, Int16Array, phased_variants
from haploscribe.genome.contigs import require_contig
from haploscribe.genome.index_files import is_fresh, own_name
from haploscribe.genome.quiet import quiet
from haploscribe.genome.samples import places_of, require_unique
from haploscribe.genome.variants import Variants


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
            index_folder = self._temporary = Path(tempfile.mkdtemp(prefix="haploscribe-"))
            weakref.finalize(self, shutil.rmtree, index_folder, ignore_errors=True)
        self._indexed = _with_index(path, index_folder)
        self._walk = _opened(path, self._indexed)
        if self._walk.index is None:
            raise InputError(f"the index of {path} cannot be read; delete it, or make it with bcftools index")
        self.sample_ids = tuple(self._walk.header.samples)
        self.contigs = _contigs_with_records(self._indexed, path)
        self._subset: frozenset[str] | None = None
        self._vcf: cyvcf2.VCF | None = None

    def read(self, contig: str, start: int, end: int, samples: Sequence[str]) -> Variants:
        """Read the records that overlap a region: see `VariantReader.read`."""
        name = require_contig(contig, self._walk.header.contigs, str(self.path))
        vcf = self._opened_for(samples)
        records = self._overlapping(vcf, name, start, end)
        called = _called(records, len(vcf.samples), self.path)
        order = places_of(samples, vcf.samples, self.path)
        if not np.array_equal(order, np.arange(len(vcf.samples))):
            called = called[:, order]
        return phased_variants(_calls(records, called), contig, tuple(samples), self._rules)

    def close(self) -> None:
        """Close the file and remove the temporary folder."""
        with quiet(), contextlib.suppress(OSError):  # a damaged file fails once more when it is closed
            self._walk.close()
        if self._vcf is not None:
            self._vcf.close()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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

    def _overlapping(self, vcf: cyvcf2.VCF, name: str, start: int, end: int) -> list[cyvcf2.Variant]:
        self._require_readable(name, start, end)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="no intervals found")
            try:
                found = list(vcf(f"{name}:{max(start, 0) + 1}-{end}")) if start < end else []
            except Exception as error:  # cyvcf2 raises no narrower class
                raise InputError(
                    f"{self.path} cannot be read at {name}:{start + 1}-{end} ({error}); "
                    "write it again with bcftools view"
                ) from None
        # The index counts INFO/END as the end of a record; here it is the end of REF.
        return [record for record in found if record.start < end and record.start + len(record.REF) > start]

    def _require_readable(self, name: str, start: int, end: int) -> None:
        """Walk over the region once with pysam, because cyvcf2 ends silently where a file is damaged."""
        try:
            with quiet():
                for _ in self._walk.fetch(name, max(start, 0), max(end, start, 0)):
                    pass
        except (OSError, ValueError) as error:
            if "invalid contig" in str(error):  # a contig of the header that has no records
                return
            raise InputError(
                f"{self.path} is damaged at {name}:{start + 1}-{end} ({error}); copy or make it again"
            ) from None


def _opened(path: Path, indexed: Path) -> pysam.VariantFile:
    try:
        with quiet():
            return pysam.VariantFile(str(indexed))
    except (OSError, ValueError):
        require_unique(_header_samples(path), path)
        raise InputError(f"{path} cannot be read as VCF or BCF; check that its header is complete") from None


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
            gzip.open(path) if gzipped else path.open("rb") as source,
            pysam.BGZFile(str(copy), "w") as target,
        ):
            shutil.copyfileobj(source, target, 1 << 20)
    except (OSError, EOFError, gzip.BadGzipFile) as error:
        raise InputError(f"cannot read {path}: {error}; copy or make it again") from None


def _called(records: list[cyvcf2.Variant], n_samples: int, path: Path) -> Int16Array:
    """int16 `(n_records, n_samples, 3)`: two allele numbers and whether they are phased."""
    if not records:
        return np.zeros((0, n_samples, 3), dtype=np.int16)
    return np.stack([_genotype(record, n_samples, path) for record in records])


def _calls(records: list[cyvcf2.Variant], called: Int16Array) -> Calls:
    return Calls(
        positions=np.array([record.start for record in records], dtype=np.int64),
        identifiers=tuple(record.ID or "." for record in records),
        alleles=tuple((record.REF, *record.ALT) for record in records),
        numbers=called[:, :, :2],
        phased=called[:, :, 2] != 0,
    )


def _genotype(record: cyvcf2.Variant, n_samples: int, path: Path) -> Int16Array:
    """int16 `(n_samples, 3)`: two allele numbers and whether they are phased; all missing without GT."""
    if "GT" not in record.FORMAT:
        return np.full((n_samples, 3), (MISSING, MISSING, 0), dtype=np.int16)
    called: Int16Array = record.genotype.array()
    ploidy = called.shape[1] - 1
    if ploidy == 2:
        return called
    if ploidy == 1:
        absent = np.full(len(called), ABSENT, dtype=np.int16)
        return np.stack((called[:, 0], absent, called[:, 1]), axis=1)
    if (called[:, 2:-1] != ABSENT).any():
        raise InputError(
            f"{path} has calls of more than two alleles at {record.CHROM}:{record.POS}; "
            "only haploid and diploid genotypes can be read"
        )
    return called[:, [0, 1, -1]]

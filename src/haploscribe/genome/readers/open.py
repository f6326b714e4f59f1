"""Open genotype files with the reader for their type."""

from contextlib import ExitStack
from pathlib import Path

from haploscribe.errors import InputError
from haploscribe.genome.readers.many import ManyReader, SpanReader
from haploscribe.genome.readers.pgen import PgenReader
from haploscribe.genome.readers.vcf import VcfReader
from haploscribe.genome.variants import VariantReader
from haploscribe.utils.file_lists import Files, listed_files

_SUFFIXES = (".vcf", ".vcf.gz", ".vcf.bgz", ".bcf", ".pgen")
_NOT_READ = {
    ".bed": "PLINK 1, which stores no phase; give the phased VCF, BCF or PGEN that it was made from",
    ".bgen": "BGEN; convert it: plink2 --bgen FILE ref-first --sample FILE --make-pgen --out FILE",
}


def variant_files(variants: Path | Files) -> tuple[Path, ...]:
    """Return the genotype files that paths, folders and patterns stand for: see `listed_files`."""
    return listed_files(variants, _SUFFIXES)


def open_variants(
    variants: Path | Files,
    index_folder: Path | None = None,
    *,
    assume_phased: bool = False,
    max_missing: float = 0.1,
) -> VariantReader:
    """Open genotype files: VCF (plain, gzipped or bgzipped, indexed or not), BCF, or PGEN.

    A PGEN's `.pvar` (or `.pvar.zst`) and `.psam` are expected beside it.

    Parameters
    ----------
    variants
        One file, or several of the same samples: see `variant_files`.
    index_folder
        Where to write an index if a file has none that can be used; later readers reuse it. None for a
        temporary folder.
    assume_phased
        Take the order in which an unphased heterozygote is written as its phase.
    max_missing
        The largest fraction of missing calls that a region may have, 0 to 1.

    Raises
    ------
    InputError
        If a file cannot be opened, is truncated, or names a sample twice; if files have other samples, or
        overlap.
    """
    with ExitStack() as stack:
        readers = [
            stack.enter_context(_open(path, index_folder, assume_phased, max_missing))
            for path in variant_files(variants)
        ]
        opened = readers[0] if len(readers) == 1 else ManyReader(readers)
        stack.pop_all()  # the reader closes them itself
    return opened


def _open(path: Path, index_folder: Path | None, assume_phased: bool, max_missing: float) -> SpanReader:
    kind = _NOT_READ.get(path.suffix)
    if kind is not None:
        raise InputError(f"{path} is {kind}")
    if path.suffix == ".pgen":
        return PgenReader(path, assume_phased=assume_phased, max_missing=max_missing)
    return VcfReader(path, index_folder, assume_phased=assume_phased, max_missing=max_missing)

"""Open a genotype file with the reader for its type."""

from pathlib import Path

from haploscribe.genome.readers.pgen import PgenReader
from haploscribe.genome.readers.vcf import VcfReader
from haploscribe.genome.variants import VariantReader


def open_variants(
    path: Path,
    index_folder: Path | None = None,
    *,
    assume_phased: bool = False,
    max_missing: float = 0.1,
) -> VariantReader:
    """Open a genotype file: VCF (plain, gzipped or bgzipped, indexed or not), BCF, or PGEN.

    A PGEN's `.pvar` (or `.pvar.zst`) and `.psam` are expected beside it.

    Parameters
    ----------
    path
        The file.
    index_folder
        Where to write an index if the file has none that can be used; later readers reuse it. None for a
        temporary folder.
    assume_phased
        Take the order in which an unphased heterozygote is written as its phase.
    max_missing
        The largest fraction of missing calls that a region may have, 0 to 1.

    Raises
    ------
    InputError
        If the file cannot be opened, is truncated, or names a sample twice.
    """
    if path.suffix == ".pgen":
        return PgenReader(path, assume_phased=assume_phased, max_missing=max_missing)
    return VcfReader(path, index_folder, assume_phased=assume_phased, max_missing=max_missing)

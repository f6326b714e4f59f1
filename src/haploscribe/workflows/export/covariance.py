"""Covariances of the variants of several databases together: the subcommand `export covariance`.

S-MultiXcan (https://github.com/hakyimlab/MetaXcan, `SMulTiXcan.py --snp_covariance`) joins models of several
tissues or kinds, and wants the covariances of all their variants, gene by gene, in one file.
"""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from haploscribe.config.finished_runs import CovarianceOptions
from haploscribe.errors import InputError
from haploscribe.genome.dosages import dosages, mean_dosages
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.variants import VariantReader, alt_alleles
from haploscribe.utils.file_lists import listed_files
from haploscribe.utils.files import temporary_prefix
from haploscribe.utils.progress import stage
from haploscribe.utils.types import Float32Array
from haploscribe.workflows.export.predictdb import (
    SnpKey,
    covariance_file,
    covariance_lines,
    covariance_path,
    query,
)


@dataclass(frozen=True, slots=True)
class Covariances:
    """Summary of the covariances written.

    Attributes
    ----------
    n_databases, n_genes, n_samples
        Databases read, genes written, and samples that the covariances are of.
    n_variants
        Variants written, summed over genes.
    n_missing
        Variants left out, since the genotypes lack them.
    n_genes_without
        Genes left out, since the genotypes lack all of their variants.
    """

    n_databases: int
    n_genes: int
    n_samples: int
    n_variants: int
    n_missing: int
    n_genes_without: int

    def summary(self) -> dict[str, int]:
        """Return what was done, by its names in print."""
        return {
            "databases": self.n_databases,
            "samples": self.n_samples,
            "genes": self.n_genes,
            "variants, summed over genes": self.n_variants,
            "variants that the genotypes lack, left out": self.n_missing,
            "genes of which they lack every variant, left out": self.n_genes_without,
        }


class _Place(NamedTuple):
    """Where a variant lies, and its alleles."""

    contig: str
    position: int
    ref: bytes
    alt: bytes


def export_covariance(options: CovarianceOptions, out: Path, snp_key: SnpKey = "rsid") -> Covariances:
    """Write the covariances of all variants that any of some databases gives a weight, for each gene.

    Covariances are of ALT dosages, n − 1 in the denominator; a missing dosage is the mean of the others. The
    samples need not be those of the training, but their genotypes must name the same alleles.

    Parameters
    ----------
    options
        Databases, genotypes and samples.
    out
        Written as `write_predictdb` writes covariances, genes in the order of their IDs.
    snp_key
        Names that the covariances go by.

    Raises
    ------
    InputError
        When an input is invalid, a name is of two variants, or the genotypes lack all variants.
    """
    databases = listed_files(options.weights, (".db",))
    if out.suffixes[-2:] != [".txt", ".gz"]:
        raise InputError(f"--out {out}: covariances are gzipped text; name a file that ends in .txt.gz")
    for database in databases:
        if covariance_path(database).resolve() == out.resolve():
            raise InputError(f"--out {out} is the covariance file of {database}; name another")
    genes = _variants_by_gene(databases, snp_key)
    n_genes = n_variants = n_missing = 0
    with (
        tempfile.TemporaryDirectory(prefix=temporary_prefix()) as index_folder,
        # Dosages do not depend on phase.
        open_variants(options.variants, Path(index_folder), assume_phased=True, max_missing=1.0) as reader,
        covariance_file(out) as file,
        stage("Computing covariances", len(genes), "genes") as advance,
    ):
        samples = reader.sample_ids if options.samples is None else _read_names(options.samples)
        if len(samples) < 2:
            raise InputError(f"{options.variants}: covariances need two samples or more; give others")
        for gene_id, variants in sorted(genes.items()):
            copies = _dosages(reader, variants.values(), samples)
            found = {name: copies[place] for name, place in variants.items() if place in copies}
            n_missing += len(variants) - len(found)
            if found:
                covariance = np.atleast_2d(np.cov(np.array(list(found.values()), dtype=np.float64)))
                file.writelines(covariance_lines(gene_id, list(found), covariance))
                n_genes, n_variants = n_genes + 1, n_variants + len(found)
            advance(1)
        if not n_genes:
            name = next(iter(next(iter(genes.values()))))
            raise InputError(
                f"{options.variants} has no variant of the weights, such as {name}; give genotypes of the "
                "same build"
            )
    return Covariances(len(databases), n_genes, len(samples), n_variants, n_missing, len(genes) - n_genes)


def _variants_by_gene(databases: Sequence[Path], snp_key: SnpKey) -> dict[str, dict[str, _Place]]:
    """Return the variants of each gene in any database, by name, along the genome."""
    genes: dict[str, dict[str, _Place]] = {}
    for database in databases:
        for gene_id, rsid, positional in query(database, "SELECT gene, rsid, varID FROM weights"):
            name, place = (positional if snp_key == "varID" else rsid), _place(positional, database)
            known = genes.setdefault(gene_id, {}).setdefault(name, place)
            if known != place:
                raise InputError(
                    f"{database}: at gene {gene_id}, {name} is {positional}, in another database "
                    "another variant; use --snp-key varID, here and in S-MultiXcan"
                )
    if not genes:
        raise InputError(
            f"{', '.join(map(str, databases))}: there is no weight; export models that have some"
        )
    return {gene_id: dict(sorted(of.items(), key=lambda one: one[1])) for gene_id, of in genes.items()}


def _place(name: str, database: Path) -> _Place:
    """Parse a positional name: see `haploscribe.workflows.export.variant_ids.positional_name`."""
    parts = (name or "").rsplit("_", 4)
    if len(parts) < 5 or not parts[1].isdecimal():
        raise InputError(
            f"{database} names a variant {name!r} in the column varID; names there must be like "
            "chr22_16050075_A_G_b38"
        )
    contig, position, ref, alt, _ = parts
    return _Place(contig, int(position) - 1, ref.encode(), alt.encode())


def _read_names(path: Path) -> tuple[str, ...]:
    """Read the names of samples, one per line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the names of samples in {path} ({error}); check the path") from None
    names = tuple(line.strip() for line in lines if line.strip())
    if not names or len(set(names)) < len(names):
        raise InputError(f"{path} names no sample, or one twice; give each once, one per line")
    return names


def _dosages(
    reader: VariantReader, places: Iterable[_Place], samples: Sequence[str]
) -> Mapping[_Place, Float32Array]:
    """Read the ALT dosages of variants of one gene, float32 `(n_samples,)` each; the file may lack some."""
    wanted = set(places)
    found: dict[_Place, Float32Array] = {}
    for contig in {place.contig for place in wanted}:
        of = [place.position for place in wanted if place.contig == contig]
        variants = reader.read(contig, min(of), max(of) + 1, samples)
        copies = dosages(variants)[1]
        copies = np.where(np.isnan(copies), mean_dosages(copies), copies)
        for allele, column in zip(alt_alleles(variants), copies.T, strict=True):
            found[_Place(contig, allele.position, allele.reference, allele.alternate)] = column
    return found

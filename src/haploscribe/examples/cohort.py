"""Locate the bundled example cohort."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files

from haploscribe.config.options import CohortOptions


@contextmanager
def example_cohort() -> Iterator[CohortOptions]:
    """Yield the files of the bundled cohort: 1 Mb of chr22, 358 samples, 17 genes (see its README)."""
    with as_file(files("haploscribe.examples") / "geuvadis-chr22-1mb") as folder:
        yield CohortOptions(
            variants=folder / "genotypes.vcf.gz",
            reference=folder / "reference.fa.gz",
            expression=folder / "expression.bed.gz",
            covariates=folder / "covariates.txt",
        )

"""A run's inputs, opened, read once and found sound."""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from haploscribe.atomic import kept_on_success
from haploscribe.cohort import Cohort, open_cohort
from haploscribe.evaluation.metrics import gene_metrics
from haploscribe.genome.readers.cache import CachedGenotypes
from haploscribe.leftovers import temporary_prefix
from haploscribe.options import CohortOptions
from haploscribe.progress import stage
from haploscribe.stages.survey import SurveyJob, VariantSurvey, survey_variants
from haploscribe.workers.workers import Workers

INDEX_NAME = "index"
UNFINISHED_NAME = ".unfinished"


@dataclass(frozen=True, slots=True)
class CheckedCohort:
    """A cohort whose inputs were all read and found sound.

    Attributes
    ----------
    cohort
        The opened cohort.
    survey
        What its variants are like.
    job
        How it was surveyed.
    """

    cohort: Cohort
    survey: VariantSurvey
    job: SurveyJob

    @property
    def variants(self) -> Path:
        """Folder of the variants used."""
        assert self.job.folder is not None
        return self.job.folder

    @property
    def kept(self) -> CachedGenotypes:
        """Where the genotypes used are, for any process."""
        options, job = self.cohort.options, self.job
        return CachedGenotypes(options.reference, job.index_folder, self.variants, options.tile, job.run)

    @property
    def surveyed(self) -> Cohort:
        """The cohort, reading the variants that the survey left in place of the file."""
        return self.cohort.reading_from(self.variants)

    def facts(self) -> dict[str, str | int]:
        """Say what was found, for a person to read."""
        cohort = self.cohort
        return {
            "samples": cohort.match.describe(),
            "genes": len(cohort.genes),
            "genes on contigs without variants, left out": cohort.genes_without_variants_file,
            "covariates": 0 if cohort.covariates is None else cohort.covariates.shape[1],
            "hidden factors": 0 if cohort.hidden_factors is None else cohort.hidden_factors.shape[1],
            "genes that heterogeneity may be told from": len(cohort.all_genes.genes),
            **self.survey.facts(),
        }

    def measure(self, predictions: pl.DataFrame, wide: Sequence[str]) -> pl.DataFrame:
        """Measure predictions; `n_variants` of the models named in `wide` counts the wide window."""
        ids = [gene.gene_id for gene in self.cohort.genes]
        metrics = gene_metrics(predictions, dict(zip(ids, self.survey.n_variants.tolist(), strict=True)))
        if self.survey.n_wide_variants is None:
            return metrics
        n_wide = dict(zip(ids, self.survey.n_wide_variants.tolist(), strict=True))
        counted = pl.when(pl.col("model").is_in(wide)).then(pl.col("gene_id").replace_strict(n_wide))
        return metrics.with_columns(n_variants=counted.otherwise(pl.col("n_variants")))


@contextmanager
def checked_cohort(
    options: CohortOptions, workers: Workers, folder: Path | None = None, *, wide: bool = False
) -> Iterator[CheckedCohort]:
    """Open the inputs, read them all, and stop at the first trouble; they are closed behind the block.

    Parameters
    ----------
    options
        The inputs.
    workers
        Who reads the variants.
    folder
        Where indexes that the inputs lack, and the variants used, may stay for later stages and other
        processes; None for a temporary folder and no variants.
    wide
        Read the dosages of the genes' wide windows too.

    Raises
    ------
    InputError
        When an input is at fault.
    """
    with ExitStack() as stack:
        if folder is None:
            temporary = stack.enter_context(tempfile.TemporaryDirectory(prefix=temporary_prefix()))
            index_folder = Path(temporary)
        else:
            index_folder = folder / INDEX_NAME
        cohort = stack.enter_context(open_cohort(options, index_folder, wide=wide))
        variants = None if folder is None else folder / UNFINISHED_NAME / _variants_key(cohort)
        job = SurveyJob(options, index_folder, wide, variants)
        with ExitStack() as keeping:
            if variants is not None:
                keeping.enter_context(kept_on_success(variants.parent))
                keeping.enter_context(kept_on_success(variants))
            advance = keeping.enter_context(stage("Reading variants", len(cohort.tiles_to_read()), "tiles"))
            survey = survey_variants(cohort, job, workers, advance)
        yield CheckedCohort(cohort, survey, job)


def _variants_key(cohort: Cohort) -> str:
    """Digest what the variants that are kept depend on, so that no other run's are taken for them."""
    file = cohort.options.variants.stat()
    parts = [repr(cohort.options), file.st_size, file.st_mtime_ns, cohort.wide, *cohort.match.shared]
    return f"variants-{hashlib.blake2b(json.dumps(parts).encode(), digest_size=8).hexdigest()}"

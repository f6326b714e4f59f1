"""A cohort opened from a notebook: checked, embedded, and handed out gene by gene."""

import tempfile
import weakref
from contextlib import ExitStack
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import polars as pl

from haploscribe.api.keywords import option_groups, takes_options
from haploscribe.api.samples import GeneSamples
from haploscribe.cohort.cohort import open_cohort as open_inputs
from haploscribe.config.options import DEFAULT_BACKBONE, BackboneOptions, CohortOptions, WorkerOptions
from haploscribe.embedding.deltas import DeltaReader
from haploscribe.embedding.stage import Embedded, LoadedBackbone
from haploscribe.embedding.store import EmbeddingStore
from haploscribe.errors import InputError
from haploscribe.estimators.inputs import gene_inputs
from haploscribe.evaluation.folds import make_folds
from haploscribe.examples.cohort import example_cohort as example_files
from haploscribe.parallel.open import open_executor
from haploscribe.utils.files import temporary_prefix, umask_for
from haploscribe.utils.types import Float64Array, Int64Array
from haploscribe.workflows.embed import embed_windows
from haploscribe.workflows.validate import INDEX_NAME, ValidatedCohort, validated_cohort


class OpenedCohort:
    """Genotypes, sequence and expression of the same people: see `open_cohort`, which makes it.

    Files are opened and matched at once. The variants are read and checked when the first method needs
    them, and kept in a temporary folder until the cohort is closed: by `close`, at the end of a `with` block,
    or when nothing holds it any more.

    Parameters
    ----------
    options
        The inputs.
    jobs
        Processes that read the variants, or threads that embed.
    stack
        What is to be closed with the cohort.

    Attributes
    ----------
    options
        The inputs.
    sample_ids
        `n_samples` names; the order of all rows.
    genes
        One row a gene: `gene_id`, `contig` as the reference names it, `tss` (0-based) and `strand`.
    """

    def __init__(self, options: CohortOptions, jobs: int, stack: ExitStack) -> None:
        self.options = options
        (self._jobs,) = option_groups((WorkerOptions,), {"jobs": jobs})
        self._embedded: list[tuple[Embedded, DeltaReader]] = []
        with stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=temporary_prefix())))
            opened = stack.enter_context(open_inputs(options, self._folder / INDEX_NAME))
            self.sample_ids = opened.match.shared
            self.genes = pl.DataFrame(
                [(gene.gene_id, gene.contig, gene.tss, gene.strand) for gene in opened.genes],
                schema={"gene_id": pl.String, "contig": pl.String, "tss": pl.Int64, "strand": pl.String},
                orient="row",
            )
            self._stack = stack.pop_all()
        # Not a method of this object, which would keep it alive.
        self._finalizer = weakref.finalize(self, self._stack.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<cohort of {len(self.sample_ids)} samples, {len(self.genes)} genes>"

    def close(self) -> None:
        """Close all files and remove the temporary ones; stores and results stay."""
        self._finalizer()

    def check(self) -> dict[str, str | int]:
        """Read all inputs and say what was found, as `haploscribe check` does.

        Raises
        ------
        InputError
            When an input is at fault.
        """
        return self._validated.summary()

    @takes_options(BackboneOptions)
    def embed(
        self,
        backbone: str = DEFAULT_BACKBONE,
        *,
        store: str | Path,
        readable_by: str = "owner",
        **options: Any,
    ) -> Embedded:
        """Embed the tiles of all genes' cis windows; what the store holds already is not embedded again.

        Parameters
        ----------
        backbone
            A short name (`haploscribe backbones` lists them) or the folder of a checkpoint.
        store
            Folder of the embedding store; made when missing.
        readable_by
            Who may read the files that are made: see `haploscribe.run`.
        {options}

        Returns
        -------
        What `gene` reads deltas from; its `summary()` says what it took.

        Raises
        ------
        InputError
            When an input or an option is at fault.
        """
        (chosen,) = option_groups((BackboneOptions,), {"backbone": backbone, **options})
        validated = self._validated
        with umask_for(readable_by), open_executor(self._jobs) as executor:
            loaded = LoadedBackbone.load(chosen, self.options.tile)
            embedded = embed_windows(validated.cached, validated.spec, loaded, Path(store), executor)
        stored = DeltaReader(EmbeddingStore(embedded.store_path), embedded.keys)
        self._embedded.append((embedded, stored))
        return embedded

    def gene(self, gene_id: str, embedded: Embedded | None = None) -> tuple[GeneSamples, Float64Array]:
        """Collect one gene as scikit-learn takes it: `X` and `y`.

        Parameters
        ----------
        gene_id
            As in `genes`; its version may be left out.
        embedded
            What `embed` of this cohort returned; None where no model reads deltas.

        Returns
        -------
        X
            Rows are people: their DNA and covariates.
        y
            float64 `(n_samples,)`; expression as read, in the unit of the file. Nothing is fitted to it here:
            `GeneRegressor` prepares it, with what it learns from the people that it is fitted on.

        Raises
        ------
        InputError
            When there is no such gene, or `embedded` is of another cohort.
        """
        cohort = self._validated.cached
        names = [gene.gene_id for gene in cohort.genes]
        found = [i for i, name in enumerate(names) if gene_id in (name, name.partition(".")[0])]
        if len(found) != 1:
            what = "several genes" if found else "no gene"
            raise InputError(f"the cohort has {what} {gene_id!r}; see its .genes, ids look like {names[0]}")
        inputs = gene_inputs(cohort, cohort.genes[found[0]], self._deltas(embedded))
        return GeneSamples(inputs, cohort.covariates), cohort.values[found[0]].copy()

    def folds(self, n_folds: int = 5, seed: int = 0) -> list[tuple[Int64Array, Int64Array]]:
        """Give the folds that `run` makes with the same number and seed, for the `cv` of scikit-learn.

        Returns
        -------
        For each fold, the places of its training people and of its test people, int64 `(n_training,)` and
        `(n_test,)`.

        Raises
        ------
        InputError
            When there are fewer than 2 folds, or fewer than 3 people for each.
        """
        return [(fold.training, fold.test) for fold in make_folds(self.sample_ids, n_folds, seed)]

    @property
    def _validated(self) -> ValidatedCohort:
        if not self._finalizer.alive:
            raise InputError("the cohort is closed; open it again")
        return self._read_once

    @cached_property
    def _read_once(self) -> ValidatedCohort:
        with open_executor(self._jobs) as executor:
            return self._stack.enter_context(validated_cohort(self.options, executor, self._folder))

    def _deltas(self, embedded: Embedded | None) -> DeltaReader | None:
        if embedded is None:
            return None
        for known, stored in self._embedded:
            if known is embedded:
                return stored
        raise InputError("these tiles were embedded for another cohort; call embed of this one")


@takes_options(CohortOptions)
def open_cohort(
    variants: str | Path,
    reference: str | Path,
    expression: str | Path,
    covariates: str | Path | None = None,
    *,
    jobs: int = 1,
    **options: Any,
) -> OpenedCohort:
    """Open genotypes and expression of the same samples, matched by name.

    Parameters
    ----------
    variants
        Phased genotypes: VCF, VCF.gz, BCF or PGEN.
    reference
        The FASTA that the variants were called on, plain or bgzipped.
    expression
        BED, BED.gz or Parquet with tensorQTL's or QTLtools' columns; the row's end is the TSS.
    covariates
        One row per covariate, one column per sample; None for none.
    jobs
        Processes that read the variants, or threads that embed.
    {options}

    Raises
    ------
    InputError
        When an input cannot be read, an option is unknown, or no samples are shared.
    """
    files = {"variants": variants, "reference": reference, "expression": expression, "covariates": covariates}
    (made,) = option_groups((CohortOptions,), {**files, **options})
    return OpenedCohort(made, jobs, ExitStack())


@takes_options(CohortOptions, without=("variants", "reference", "expression", "covariates"))
def example_cohort(*, jobs: int = 1, **options: Any) -> OpenedCohort:
    """Open the bundled cohort: 358 real samples, 17 genes of one megabase of chromosome 22.

    Parameters
    ----------
    jobs
        Processes that read the variants, or threads that embed.
    {options}

    Examples
    --------
    >>> import haploscribe
    >>> haploscribe.example_cohort(maf=0.05)
    <cohort of 358 samples, 17 genes>
    """
    with ExitStack() as stack:
        files = asdict(stack.enter_context(example_files()))
        (made,) = option_groups((CohortOptions,), {**files, **options})
        return OpenedCohort(made, jobs, stack.pop_all())

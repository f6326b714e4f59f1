"""Open a cohort in a notebook, embed it, and return its data as arrays and frames."""

import tempfile
import weakref
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from haploscribe.api.embeddings import BackboneLike, Embeddings, load_backbone_like
from haploscribe.api.gene import GeneData, GeneSamples, Rows, varied_tiles
from haploscribe.api.keywords import check_option, option_groups, takes_options
from haploscribe.api.results import html_table
from haploscribe.cohort.cohort import Cohort
from haploscribe.cohort.cohort import open_cohort as open_inputs
from haploscribe.cohort.missing_calls import ModelNames, check_missing_calls
from haploscribe.config.options import (
    DEFAULT_BACKBONE,
    BackboneOptions,
    CohortOptions,
    EvaluationOptions,
    Normalisation,
    WorkerOptions,
)
from haploscribe.embedding.deltas import DeltaReader
from haploscribe.embedding.stage import Embedded
from haploscribe.embedding.store import EmbeddingStore
from haploscribe.errors import InputError
from haploscribe.estimators.inputs import GeneInputs, gene_inputs
from haploscribe.evaluation.folds import make_folds
from haploscribe.examples.cohort import example_cohort as example_files
from haploscribe.expression.covariates import read_covariates
from haploscribe.expression.genes import Gene
from haploscribe.expression.normalise import prepare
from haploscribe.expression.table import gene_finder
from haploscribe.parallel.open import open_executor
from haploscribe.parallel.threads import threads
from haploscribe.utils.file_lists import Files
from haploscribe.utils.files import temporary_prefix, umask_for
from haploscribe.utils.types import Float64Array, Int64Array
from haploscribe.workflows.embed import embed_windows
from haploscribe.workflows.validate import INDEX_NAME, ValidatedCohort, validated_cohort

_GENE_SCHEMA = pl.Schema(
    {
        "gene_id": pl.String,
        "contig": pl.String,
        "tss": pl.Int64,
        "strand": pl.String,
        "symbol": pl.String,
        "biotype": pl.String,
        "start": pl.Int64,
        "end": pl.Int64,
    }
)
"""The fields of `Gene` that the table of genes has."""


class OpenedCohort:
    """Genotypes, sequence and expression of the same samples; `open_cohort` and `example_cohort` make it.

    Files are opened and matched at once. The variants are read and checked when the first method needs
    them, and cached in a temporary folder until the cohort is closed: by `close`, at the end of a `with`
    block, or when nothing refers to it any more.

    Parameters
    ----------
    options
        The inputs.
    jobs
        Processes that read the variants, or threads that embed.
    stack
        Files to close with the cohort.

    Attributes
    ----------
    options
        The inputs.
    sample_ids
        `n_samples` names; the order of every sample axis.
    genes
        polars frame, one row per gene: `gene_id`, `contig` as the reference names it, `tss` (0-based),
        `strand` (`.` where it is unknown), and what `gtf` tells: `symbol`, `biotype`, `start` and `end`
        (0-based half-open).
    """

    def __init__(self, options: CohortOptions, jobs: int, stack: ExitStack) -> None:
        self.options = options
        (self._jobs,) = option_groups((WorkerOptions,), {"jobs": jobs})
        self._embedded: list[tuple[Embedded, DeltaReader]] = []
        with stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=temporary_prefix())))
            opened = stack.enter_context(open_inputs(options, self._folder / INDEX_NAME))
            self.sample_ids = opened.match.shared
            self.genes = pl.DataFrame([asdict(gene) for gene in opened.genes], schema=_GENE_SCHEMA)
            self._opened = opened
            self._stack = stack.pop_all()
        # Not a method of this object, which would keep it alive.
        self._finalizer = weakref.finalize(self, self._stack.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<cohort of {len(self.sample_ids)} samples, {len(self.genes)} genes>"

    def _repr_html_(self) -> str:
        n_covariates = 0 if self._opened.covariates is None else self._opened.covariates.shape[1]
        counts = (len(self.sample_ids), len(self.genes), n_covariates)
        variants = self.options.variants
        files = ", ".join(one.name for one in (variants if isinstance(variants, Files) else (variants,)))
        heading = ("Samples", "Genes", "Covariates", "Variants")
        return html_table(heading, [(*(f"{count:,}" for count in counts), files)])

    def close(self) -> None:
        """Close all files and remove the temporary ones; stores and results stay."""
        self._finalizer()

    def check(self) -> dict[str, str | int]:
        """Read all inputs and return what was found, as `haploscribe check` prints it.

        Raises
        ------
        InputError
            When an input is at fault.
        """
        return self._validated.summary()

    @cached_property
    def expression(self) -> pl.DataFrame:
        """Expression as read, in the unit of the file: one row per sample, one column per gene.

        Column `sample_id`, then a float64 column for each gene of `genes`, by its ID:
        `cohort.expression[gene_id]` is the `y` of the gene.
        """
        values = zip(self.genes["gene_id"], self._opened.values, strict=True)
        return pl.DataFrame({"sample_id": list(self.sample_ids), **dict(values)})

    @cached_property
    def covariates(self) -> pl.DataFrame | None:
        """Covariates as read: one row per sample, one column per covariate; None if none were given.

        Column `sample_id`, then a float64 column for each covariate, by its name, in the order of the file.
        """
        path, values = self.options.covariates, self._opened.covariates
        if path is None or values is None:
            return None
        columns = zip(read_covariates(path).names, values.T, strict=True)
        return pl.DataFrame({"sample_id": list(self.sample_ids), **dict(columns)})

    def prepared(
        self, gene_id: str, train: Rows, normalize: Normalisation = "inverse-normal"
    ) -> Float64Array:
        """Normalise a gene's expression and regress out covariates, with some samples alone.

        The value of a training sample does not depend on any other sample. With the training samples of a
        fold (`folds`), these are the values that `run` fits and compares with in that fold.

        Parameters
        ----------
        gene_id
            As in `genes`; its version may be left out. Or its symbol.
        train
            Training samples: indices on the sample axis, a boolean mask `(n_samples,)`, or a slice.
        normalize
            `inverse-normal`, `log2p1` or `none`.

        Returns
        -------
        numpy.ndarray
            float64 `(n_samples,)`, all samples; mean 0 and variance 1 (divisor n) over the training samples.
            All 0 where expression does not vary among them.

        Raises
        ------
        InputError
            When there is no such gene, `train` selects no sample or samples that are not there, or there are
            more covariates than training samples minus 2.
        """
        check_option(EvaluationOptions, "normalize", normalize)
        number = self._gene_number(gene_id)
        training = np.zeros(len(self.sample_ids), dtype=np.bool_)
        try:
            training[train] = True
        except IndexError as error:
            raise InputError(f"train: {error}; there are {training.size} samples") from None
        if not training.any():
            raise InputError("train selects no sample; give indices or a mask of the training samples")
        with threads(1):  # as in a run: sums of several threads have other last bits
            return prepare(self._opened.values[number], self._opened.covariates, training, normalize)

    @takes_options(BackboneOptions)
    def embed(
        self,
        backbone: BackboneLike = DEFAULT_BACKBONE,
        *,
        store: str | Path,
        readable_by: str = "owner",
        **options: Any,
    ) -> Embedded:
        """Embed the tiles of all genes' cis windows that are not in the store yet.

        Parameters
        ----------
        backbone
            A short name (`haploscribe backbones` lists them), the folder of a checkpoint, `module:Name`, or a
            class or an instance that follows `haploscribe.embedding.backbones.base.Backbone`. One that stands
            in no importable module, such as a class of a notebook, is embedded anew at each call, as nothing
            says whether its code changed.
        store
            Folder of the embedding store; created if missing.
        readable_by
            Who may read the files that are written: see `haploscribe.run`.
        {options}

        Returns
        -------
        Embedded
            What `gene` reads deltas from; its `summary()` counts tiles, sequences and forward passes.

        Raises
        ------
        InputError
            When an input or an option is at fault, or the backbone does not follow the protocol.
        """
        (chosen,) = option_groups((BackboneOptions,), options)
        validated = self._validated
        check_missing_calls(validated.scan.counts, self.options.variants, ModelNames(("embed",)))
        with umask_for(readable_by), open_executor(self._jobs) as executor:
            loaded = load_backbone_like(backbone, chosen, self.options.tile_size)
            embedded = embed_windows(validated.cached, validated.spec, loaded, Path(store), executor)
        stored = DeltaReader(EmbeddingStore(embedded.store_path), embedded.keys)
        self._embedded.append((embedded, stored))
        return embedded

    def gene(self, gene_id: str, embedded: Embedded | Embeddings | None = None) -> GeneData:
        """Return one gene's data; `X, y = cohort.gene(gene_id)` unpacks it for scikit-learn.

        Parameters
        ----------
        gene_id
            As in `genes`; its version may be left out. Or its symbol.
        embedded
            What `embed` of this cohort returned, or `Embeddings.from_arrays`; None where no model reads
            deltas.

        Returns
        -------
        GeneData
            Dosages, variants, deltas, tiles, `X` and `y`.

        Raises
        ------
        InputError
            When there is no such gene, `embedded` is of another cohort, or it lacks a sequence.

        Examples
        --------
        >>> import haploscribe
        >>> cohort = haploscribe.example_cohort(genes="ENSG00000099899", window=50_000, maf=0.05)
        >>> gene = cohort.gene("ENSG00000099899")
        >>> gene.dosages.shape, gene.y.shape
        ((358, 139), (358,))
        >>> gene.variants.columns
        ['chrom', 'pos', 'id', 'ref', 'alt', 'frequency', 'distance']
        >>> gene.tiles[0]
        <tile chr22:20091889-20097882: 7 sequences, 358 samples>
        """
        number, cohort = self._gene_number(gene_id), self._validated.cached
        inputs = self._inputs(cohort, cohort.genes[number], embedded)
        samples = GeneSamples(inputs, cohort.covariates)
        return GeneData(samples, cohort.values[number].copy(), lambda: self._validated.cached)

    def folds(self, n_folds: int = 5, seed: int = 0) -> list[tuple[Int64Array, Int64Array]]:
        """Return the folds that `run` makes with the same number and seed, for the `cv` of scikit-learn.

        Returns
        -------
        list of tuple
            For each fold, the indices of its training samples and of its test samples, int64 `(n_training,)`
            and `(n_test,)`.

        Raises
        ------
        InputError
            When there are fewer than 2 folds, or fewer than 3 samples for each.
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

    def _gene_number(self, gene_id: str) -> int:
        """Return the index of a gene."""
        found = gene_finder(self._opened.genes)(gene_id)
        if len(found) != 1:
            what, first = "several genes" if found else "no gene", self._opened.genes[0].gene_id
            raise InputError(f"the cohort has {what} {gene_id!r}; see its .genes, ids look like {first}")
        return found[0]

    def _inputs(self, cohort: Cohort, gene: Gene, embedded: Embedded | Embeddings | None) -> GeneInputs:
        """Collect a gene's inputs, with deltas where something is embedded."""
        if embedded is None:
            return gene_inputs(cohort, gene, None)
        if isinstance(embedded, Embeddings):
            found = varied_tiles(cohort, gene, cohort.cis_variants(gene))
            tiles = tuple(embedded.tile_deltas(tile) for tile in found)
            return replace(gene_inputs(cohort, gene, None), tiles=tiles)
        for known, stored in self._embedded:
            if known is embedded:
                return gene_inputs(cohort, gene, stored)
        raise InputError("these tiles were embedded for another cohort; call embed of this one")


@takes_options(CohortOptions)
def open_cohort(
    variants: str | Path | Sequence[str | Path],
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
        Phased genotypes: VCF, VCF.gz, BCF or PGEN; one file, or several of the same samples.
    reference
        The FASTA that the variants were called on, plain or bgzipped.
    expression
        BED, BED.gz or Parquet with tensorQTL's or QTLtools' columns; the end of a row is the TSS, 1-based.
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

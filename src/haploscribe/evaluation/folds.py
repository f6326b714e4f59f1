"""Folds: which samples are learned from and which are held out, the same for every estimator."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from haploscribe.cohort.windows import GeneWindows
from haploscribe.config.options import EvaluationOptions, Normalisation
from haploscribe.errors import InputError
from haploscribe.expression.genes import GeneSplit, all_genes_seen, split_genes
from haploscribe.expression.normalise import prepare
from haploscribe.utils.types import Float64Array, Int64Array

MIN_SAMPLES = 3
"""Fewest samples in a training or test set: a correlation of two is 1 or −1 whatever they are."""

_SETS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Fold:
    """One split of the samples.

    The places in each array follow the sample names' alphabetical order, so that sums over samples do
    not depend on the order of the input.

    Attributes
    ----------
    number
        1-based; as in `predictions.parquet`. 0 for the fold of `everyone`.
    training
        int64 `(n_training,)`; places of the samples everything is fitted on.
    validation
        int64 `(n_validation,)`; places of the samples for stopping early; empty unless a split file
        names some.
    test
        int64 `(n_test,)`; places of the samples to predict.
    """

    number: int
    training: Int64Array
    validation: Int64Array
    test: Int64Array

    @property
    def fitted(self) -> Int64Array:
        """Places of all samples that estimators are fitted on: training, then validation."""
        return np.concatenate([self.training, self.validation])


@dataclass(frozen=True, slots=True)
class Split:
    """A split file, applied to a cohort.

    Attributes
    ----------
    fold
        The split.
    absent
        Samples that the file lists and the cohort lacks, sorted.
    unlisted
        Samples of the cohort that the file does not list, sorted; they are in no set.
    """

    fold: Fold
    absent: tuple[str, ...]
    unlisted: tuple[str, ...]


def make_folds(sample_ids: Sequence[str], n_folds: int, seed: int) -> tuple[Fold, ...]:
    """Deal the samples at random into folds whose sizes differ by one at most.

    Who shares a fold depends on the names and the seed alone, not on the order of `sample_ids`.

    Raises
    ------
    InputError
        When there are fewer than 2 folds, or fewer than 3 samples for each.
    """
    if n_folds < 2:
        raise InputError(f"--folds {n_folds}: at least 2 are needed, one to learn from and one to test")
    if len(sample_ids) < MIN_SAMPLES * n_folds:
        raise InputError(
            f"--folds {n_folds}: {len(sample_ids)} samples leave some fold fewer than {MIN_SAMPLES}; "
            "ask for fewer folds or bring more samples"
        )
    by_name = np.argsort(np.asarray(sample_ids))
    fold_of_rank = np.random.default_rng(seed).permutation(len(sample_ids)) % n_folds
    nobody = np.empty(0, dtype=np.int64)
    return tuple(
        Fold(number + 1, by_name[fold_of_rank != number], nobody, by_name[fold_of_rank == number])
        for number in range(n_folds)
    )


def all_samples(sample_ids: Sequence[str], folds: Sequence[Fold]) -> Fold:
    """Return the fold 0 of the saved models: all samples train, none is held out.

    Parameters
    ----------
    sample_ids
        All samples.
    folds
        The folds of the run; a sample that is in no set of any of them is left out here too.
    """
    found = np.unique(np.concatenate([part for fold in folds for part in (fold.fitted, fold.test)]))
    names = np.asarray(sample_ids, dtype=object)[found]
    none = np.empty(0, dtype=np.int64)
    return Fold(0, found[np.argsort(names)], none, none)


def read_split(path: Path, sample_ids: Sequence[str]) -> Split:
    """Read a split file: one line a sample, `sample_id` and `set` (train, validation or test).

    A first line `sample_id set` is a header. Columns are delimited by tabs or blanks.

    Raises
    ------
    InputError
        When the file cannot be read; when a line has another number of columns, an unknown set or a
        sample seen before; when fewer than 3 samples of the cohort are in train or in test.
    """
    set_of = _read_sets(path)
    by_name = np.argsort(np.asarray(sample_ids))
    members = {
        name: np.array([i for i in by_name if set_of.get(sample_ids[i]) == name], dtype=np.int64)
        for name in _SETS
    }
    for name in ("train", "test"):
        if members[name].size < MIN_SAMPLES:
            n_listed = sum(word == name for word in set_of.values())
            raise InputError(
                f"{path}: {members[name].size} samples of the cohort are in set {name} "
                f"({n_listed} listed); at least {MIN_SAMPLES} are needed, named as in the genotypes"
            )
    cohort = set(sample_ids)
    return Split(
        fold=Fold(1, members["train"], members["validation"], members["test"]),
        absent=tuple(sorted(set(set_of) - cohort)),
        unlisted=tuple(sorted(cohort - set(set_of))),
    )


def _read_sets(path: Path) -> dict[str, str]:
    """Read the set of each sample that a split file lists."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError(f"cannot read the split file {path}: {reason}; check the path") from None
    set_of: dict[str, str] = {}
    for line_number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if not fields or fields == ["sample_id", "set"]:
            continue
        place = f"{path} line {line_number}"
        if len(fields) != 2:
            raise InputError(f"{place} has {len(fields)} columns; write a sample id and its set")
        sample_id, word = fields
        if word not in _SETS:
            raise InputError(f"{place}: {word!r} is no set; write train, validation or test")
        if sample_id in set_of:
            raise InputError(f"{place}: sample {sample_id} stands a second time; list it once")
        set_of[sample_id] = word
    return set_of


def prepare_fold(
    expression: Float64Array, covariates: Float64Array | None, fold: Fold, method: Normalisation
) -> Float64Array:
    """Prepare a gene's expression with what a fold's training samples teach.

    Parameters
    ----------
    expression
        float64 `(n_samples,)`; raw.
    covariates
        float64 `(n_samples, n_covariates)`, or None.
    fold
        The fold.
    method
        How to normalise.

    Returns
    -------
    float64 `(n_samples,)`; see `haploscribe.expression.normalise.prepare`.
    """
    training = np.zeros(expression.size, dtype=np.bool_)
    training[fold.training] = True
    return prepare(expression, covariates, training, method)


def run_folds(options: EvaluationOptions, sample_ids: Sequence[str]) -> tuple[Fold, ...]:
    """Make the folds that every estimator of a run sees: those of its split file, or random ones."""
    if options.split is not None:
        return (read_split(options.split, sample_ids).fold,)
    return make_folds(sample_ids, options.folds, options.seed)


def gene_splits(windows: GeneWindows, n_splits: int | None) -> tuple[GeneSplit, ...]:
    """Split genes into those that are learned from and those that are predicted.

    Parameters
    ----------
    windows
        The genes and their cis windows.
    n_splits
        Number of splits along the genome; None to learn from and predict every gene.

    Raises
    ------
    InputError
        When there are fewer than 2 splits, fewer genes than splits, or one with nothing to learn from.
    """
    n_genes = len(windows.genes)
    if n_splits is None:
        return all_genes_seen(n_genes)
    if not 2 <= n_splits <= n_genes:
        raise InputError(
            f"--gene-split {n_splits}: give 2 blocks or more, and no more than genes ({n_genes})"
        )
    tiles = [windows.tiles(gene) for gene in windows.genes]
    spans = np.array([(found[0].start, found[-1].end) for found in tiles], dtype=np.int64)
    splits = split_genes(windows.genes, spans, n_splits)
    for split in splits:
        if not split.training.size:
            raise InputError(
                f"--gene-split {n_splits}: the cis windows of all other genes overlap those of block "
                f"{split.number}, so none is left to learn from; bring genes from farther away, or narrow "
                "--window"
            )
    return splits

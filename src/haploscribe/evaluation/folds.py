"""Split samples into folds, the same for every estimator, and genes into training and held-out sets."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from haploscribe.cohort.windows import GeneWindows
from haploscribe.config.options import EvaluationOptions, Normalisation
from haploscribe.errors import InputError
from haploscribe.expression.genes import GeneSplit, single_split, split_genes
from haploscribe.expression.normalise import prepare
from haploscribe.utils.types import Float64Array, Int64Array

MIN_SAMPLES = 3
"""Smallest size of a training or test set: the correlation of two samples is always 1 or −1."""

_SETS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Fold:
    """One split of the samples into training, validation and test sets.

    Indices are sorted by sample name, so that sums over samples do not depend on the order of the input.

    Attributes
    ----------
    number
        1-based; as in `predictions.parquet`. 0 for the fold of `all_samples`.
    training
        int64 `(n_training,)`; indices of the samples on which everything is fitted.
    validation
        int64 `(n_validation,)`; indices of the samples for early stopping; empty unless a split file names
        some.
    test
        int64 `(n_test,)`; indices of the samples to predict.
    """

    number: int
    training: Int64Array
    validation: Int64Array
    test: Int64Array

    @property
    def fitted(self) -> Int64Array:
        """Indices of all samples that estimators are fitted on: training, then validation."""
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
    """Split the samples at random into folds whose sizes differ by at most one.

    The folds depend on the sample names and the seed alone, not on the order of `sample_ids`.

    Raises
    ------
    InputError
        When there are fewer than 2 folds, or fewer than 3 samples for each.
    """
    if n_folds < 2:
        raise InputError(f"--folds {n_folds}: at least 2 are needed, one to train on and one to test")
    if len(sample_ids) < MIN_SAMPLES * n_folds:
        raise InputError(
            f"--folds {n_folds}: {len(sample_ids)} samples leave some fold fewer than {MIN_SAMPLES}; "
            "use fewer folds or more samples"
        )
    by_name = np.argsort(np.asarray(sample_ids))
    fold_of_rank = np.random.default_rng(seed).permutation(len(sample_ids)) % n_folds
    empty = np.empty(0, dtype=np.int64)
    return tuple(
        Fold(number + 1, by_name[fold_of_rank != number], empty, by_name[fold_of_rank == number])
        for number in range(n_folds)
    )


def all_samples(sample_ids: Sequence[str], folds: Sequence[Fold]) -> Fold:
    """Return fold 0, of the saved models: all samples are training samples, none is held out.

    Parameters
    ----------
    sample_ids
        All samples.
    folds
        The folds of the run; a sample that is in no set of any of them is left out here too.
    """
    found = np.unique(np.concatenate([part for fold in folds for part in (fold.fitted, fold.test)]))
    names = np.asarray(sample_ids, dtype=object)[found]
    empty = np.empty(0, dtype=np.int64)
    return Fold(0, found[np.argsort(names)], empty, empty)


def read_split(path: Path, sample_ids: Sequence[str]) -> Split:
    """Read a split file: one line per sample, `sample_id` and `set` (train, validation or test).

    A first line `sample_id set` is a header. Columns are delimited by tabs or blanks.

    Raises
    ------
    InputError
        When the file cannot be read; when a line has another number of columns, an unknown set or a
        repeated sample; when fewer than 3 samples of the cohort are in train or in test.
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
        where = f"{path} line {line_number}"
        if len(fields) != 2:
            raise InputError(f"{where} has {len(fields)} columns; write a sample id and its set")
        sample_id, word = fields
        if word not in _SETS:
            raise InputError(f"{where}: {word!r} is not a set; write train, validation or test")
        if sample_id in set_of:
            raise InputError(f"{where}: sample {sample_id} is listed twice; list it once")
        set_of[sample_id] = word
    return set_of


def prepare_fold(
    expression: Float64Array, covariates: Float64Array | None, fold: Fold, method: Normalisation
) -> Float64Array:
    """Prepare a gene's expression, with normalisation and covariates fitted on a fold's training samples.

    Parameters
    ----------
    expression
        float64 `(n_samples,)`; raw.
    covariates
        float64 `(n_samples, n_covariates)`, or None.
    fold
        The fold.
    method
        The normalisation.

    Returns
    -------
    float64 `(n_samples,)`; see `haploscribe.expression.normalise.prepare`.
    """
    training = np.zeros(expression.size, dtype=np.bool_)
    training[fold.training] = True
    return prepare(expression, covariates, training, method)


def run_folds(options: EvaluationOptions, sample_ids: Sequence[str]) -> tuple[Fold, ...]:
    """Return the folds of a run: that of its split file, or random ones."""
    if options.split is not None:
        return (read_split(options.split, sample_ids).fold,)
    return make_folds(sample_ids, options.folds, options.seed)


def gene_splits(windows: GeneWindows, n_splits: int | None) -> tuple[GeneSplit, ...]:
    """Split genes into training and held-out sets.

    Parameters
    ----------
    windows
        The genes and their cis windows.
    n_splits
        Number of splits along the genome; None to train on and predict every gene.

    Raises
    ------
    InputError
        When there are fewer than 2 splits, fewer genes than splits, or a split without training genes.
    """
    n_genes = len(windows.genes)
    if n_splits is None:
        return single_split(n_genes)
    if not 2 <= n_splits <= n_genes:
        raise InputError(
            f"--gene-split {n_splits}: give 2 splits or more, and no more than genes ({n_genes})"
        )
    spans = np.array([(window.start, window.end) for window in windows.cis_windows()], dtype=np.int64)
    splits = split_genes(windows.genes, spans, n_splits)
    for split in splits:
        if not split.training.size:
            raise InputError(
                f"--gene-split {n_splits}: the cis windows of all other genes overlap those of split "
                f"{split.number}, so none is left to train on; add more distant genes, or narrow "
                "--window"
            )
    return splits

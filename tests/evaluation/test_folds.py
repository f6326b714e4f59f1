"""Folds: a partition that depends on names and seed alone; split files."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haploscribe.errors import InputError
from haploscribe.evaluation.folds import Fold, all_samples, make_folds, prepare_fold, read_split

names = st.lists(st.text("ABCxyz019_-", min_size=1, max_size=6), min_size=6, max_size=60, unique=True)


@given(names, st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_folds_part_the_samples_evenly(sample_ids: list[str], n_folds: int, seed: int) -> None:
    n_folds = min(n_folds, len(sample_ids) // 3)
    folds = make_folds(sample_ids, n_folds, seed)
    everyone = list(range(len(sample_ids)))
    assert [fold.number for fold in folds] == list(range(1, n_folds + 1))
    assert sorted(np.concatenate([fold.test for fold in folds]).tolist()) == everyone
    for fold in folds:
        assert sorted([*fold.training.tolist(), *fold.test.tolist()]) == everyone
        assert fold.validation.size == 0
        assert fold.test.size in (len(sample_ids) // n_folds, -(-len(sample_ids) // n_folds))


@given(names, st.data())
def test_the_order_of_the_input_changes_nothing(sample_ids: list[str], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(sample_ids))
    for fold, other in zip(make_folds(sample_ids, 2, 7), make_folds(shuffled, 2, 7), strict=True):
        assert [sample_ids[i] for i in fold.training] == [shuffled[i] for i in other.training]
        assert [sample_ids[i] for i in fold.test] == [shuffled[i] for i in other.test]


@given(names, st.data())
def test_everyone_is_whoever_is_in_any_set_by_name(sample_ids: list[str], data: st.DataObject) -> None:
    place = st.integers(0, len(sample_ids) - 1)
    sets = [data.draw(st.lists(place, unique=True)) for _ in range(6)]
    folds = [
        Fold(number + 1, *(np.array(part, dtype=np.int64) for part in sets[3 * number : 3 * number + 3]))
        for number in range(2)
    ]
    fold = all_samples(sample_ids, folds)
    assert [sample_ids[i] for i in fold.training] == sorted({sample_ids[i] for part in sets for i in part})
    assert (fold.number, fold.validation.tolist(), fold.test.tolist()) == (0, [], [])
    assert fold.fitted.dtype == fold.test.dtype == np.int64


def test_the_seed_changes_the_folds() -> None:
    sample_ids = [f"S{i}" for i in range(50)]
    assert make_folds(sample_ids, 5, 1)[0].test.tolist() != make_folds(sample_ids, 5, 2)[0].test.tolist()


@pytest.mark.parametrize(("n_samples", "n_folds", "told"), [(14, 5, "14 samples"), (9, 1, "at least 2")])
def test_folds_that_cannot_be(n_samples: int, n_folds: int, told: str) -> None:
    with pytest.raises(InputError, match=told):
        make_folds([f"S{i}" for i in range(n_samples)], n_folds, 0)


SPLIT = "sample_id\tset\n" + "".join(
    f"S{i}\t{word}\n" for i, word in enumerate(["train"] * 4 + ["validation"] * 2 + ["test"] * 3)
)


@pytest.mark.parametrize("header", [True, False])
def test_a_split_file_becomes_a_fold(tmp_path: Path, header: bool) -> None:
    path = tmp_path / "split.tsv"
    path.write_text(SPLIT if header else SPLIT.split("\n", 1)[1])
    sample_ids = ["S8", "S7", "S6", "new", "S3", "S2", "S1", "S4"]
    split = read_split(path, sample_ids)
    assert [sample_ids[i] for i in split.fold.training] == ["S1", "S2", "S3"]
    assert [sample_ids[i] for i in split.fold.validation] == ["S4"]
    assert [sample_ids[i] for i in split.fold.test] == ["S6", "S7", "S8"]
    assert split.absent == ("S0", "S5")
    assert split.unlisted == ("new",)


def test_a_byte_order_mark_before_the_header_is_no_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "split.tsv"
    path.write_text(SPLIT, encoding="utf-8-sig")
    assert read_split(path, [f"S{i}" for i in range(9)]).unlisted == ()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("S1\ttrain", "S1\ttraining", "line 3: 'training' is not a set; write train, validation or test"),
        ("S1\ttrain", "S0\ttrain", "line 3: sample S0 is listed twice"),
        ("S1\ttrain", "S1", "line 3 has 1 columns"),
        ("S7\ttest\nS8\ttest", "S8\ttest", r"2 samples of the cohort are in set test \(2 listed\)"),
        ("S", "T", r"0 samples of the cohort are in set train \(4 listed\)"),
    ],
)
def test_a_faulty_split_file(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = tmp_path / "split.tsv"
    path.write_text(SPLIT.replace(old, new))
    with pytest.raises(InputError, match=told):
        read_split(path, [f"S{i}" for i in range(9)])


def test_an_unreadable_split_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_split(tmp_path / "absent.tsv", ["S0"])
    (tmp_path / "latin.tsv").write_bytes(b"S\xe4\ttrain\n")
    with pytest.raises(InputError, match="not UTF-8"):
        read_split(tmp_path / "latin.tsv", ["S0"])


def test_a_fold_is_prepared_by_its_training_samples_alone() -> None:
    rng = np.random.default_rng(3)
    expression, covariates = rng.lognormal(size=40), rng.normal(size=(40, 2))
    fold = Fold(1, np.arange(0, 40, 2), np.array([1, 3]), np.array([5, 7, 9]))
    prepared = prepare_fold(expression, covariates, fold, "log2p1")
    # by least squares on the training samples, which then have mean 0 and variance 1
    design = np.column_stack([np.ones(40), covariates])
    values = np.log2(expression + 1)
    residual = values - design @ np.linalg.lstsq(design[fold.training], values[fold.training])[0]
    np.testing.assert_allclose(prepared, residual / residual[fold.training].std())

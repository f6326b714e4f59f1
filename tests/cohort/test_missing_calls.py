"""The tables of missing calls are read back as they were written."""

from pathlib import Path

import numpy as np
import pytest

from haploscribe.cohort.missing_calls import MissingCalls
from haploscribe.errors import InputError

SAMPLES = ("a", "b", "c")


@pytest.fixture
def written(tmp_path: Path) -> MissingCalls:
    found = MissingCalls(
        7, np.array([[2, 1], [0, 0], [1, 0]]), ("1:5:A:C", "1:9:G:T"), np.array([[2, 1], [1, 0]])
    )
    found.write(tmp_path, SAMPLES)
    return found


def test_they_are_read_back(written: MissingCalls, tmp_path: Path) -> None:
    found = MissingCalls.read(tmp_path, SAMPLES, 7)
    assert (found.n_variants, found.variants) == (7, written.variants)
    np.testing.assert_array_equal(found.by_sample, written.by_sample)
    np.testing.assert_array_equal(found.by_variant, written.by_variant)


def test_where_nothing_was_missing_nothing_is(tmp_path: Path) -> None:
    MissingCalls(7, np.zeros((3, 2), np.int64), (), np.zeros((0, 2), np.int64)).write(tmp_path, SAMPLES)
    found = MissingCalls.read(tmp_path, SAMPLES, 7)
    assert not found.by_sample.any()
    assert found.variants == ()


def test_other_samples_and_damage_are_refused(written: MissingCalls, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing-samples\.tsv is not of the samples of the run"):
        MissingCalls.read(tmp_path, ("a", "b", "d"), 7)
    (tmp_path / "missing-variants.tsv").write_text("id\tn_calls\nx\t1\t2\t3\n")
    with pytest.raises(InputError, match=r"missing-variants\.tsv is damaged"):
        MissingCalls.read(tmp_path, SAMPLES, 7)

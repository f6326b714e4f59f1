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
    read = MissingCalls.read(tmp_path, 7)
    assert read is not None
    samples, found = read
    assert (samples, found.n_variants, found.variants) == (SAMPLES, 7, written.variants)
    np.testing.assert_array_equal(found.by_sample, written.by_sample)
    np.testing.assert_array_equal(found.by_variant, written.by_variant)


def test_where_nothing_was_missing_nothing_is_read(tmp_path: Path) -> None:
    MissingCalls.none(7, 3).write(tmp_path, SAMPLES)
    assert MissingCalls.read(tmp_path, 7) is None


def test_damage_is_refused(written: MissingCalls, tmp_path: Path) -> None:
    (tmp_path / "missing-variants.tsv").write_text("id\tn_calls\nx\t1\t2\t3\n")
    with pytest.raises(InputError, match=r"missing-variants\.tsv is damaged"):
        MissingCalls.read(tmp_path, 7)

"""What a sequence model once predicted is never asked again."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from haploscribe.errors import InputError
from haploscribe.utils.types import Float64Array
from haploscribe.zero_shot.cached import CachedModel


class Asked:
    """A `SequenceModel` of four bases that keeps what it was asked."""

    reads_exons = False
    name, upstream, downstream, strand_specific, logarithmic, reading = "asked", 2, 2, False, False, ""

    def __init__(self, scale: float = 0.1) -> None:
        self.scale = scale
        self.sequences: list[bytes] = []

    def predict(self, sequences: Sequence[bytes], *, reverse_complement: bool = False) -> Float64Array:
        self.sequences += sequences
        sign = -1 if reverse_complement else 1
        return np.array([sign * self.scale * int.from_bytes(sequence) for sequence in sequences])


def test_only_new_sequences_are_asked_and_known_ones_come_back_to_the_bit(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "known.parquet"
    first, second = Asked(), Asked()
    before = CachedModel(first, path)
    expected = before.predict([b"ACGT", b"AAAA"])
    before.save()
    after = CachedModel(second, path)
    found = after.predict([b"AAAA", b"CCCC", b"ACGT", b"CCCC"])
    assert second.sequences == [b"CCCC"]
    assert after.forward_passes == 1
    assert found.tolist() == [expected[1], *first.predict([b"CCCC"]), expected[0], found[1]]


def test_strands_are_remembered_apart(tmp_path: Path) -> None:
    model = CachedModel(Asked(), tmp_path / "known.parquet")
    forward = model.predict([b"ACGT"])
    reverse = model.predict([b"ACGT"], reverse_complement=True)
    assert reverse == -forward
    assert model.forward_passes == 2
    assert model.predict([b"ACGT"], reverse_complement=True) == reverse
    assert model.forward_passes == 2


def test_nothing_new_leaves_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "known.parquet"
    model = CachedModel(Asked(), path)
    model.predict([b"ACGT"])
    model.save()
    path.chmod(0o600)
    written = path.stat()
    again = CachedModel(Asked(), path)
    again.predict([b"ACGT"])
    again.save()
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)


@pytest.mark.parametrize("scale", [np.nan, np.inf])
def test_a_prediction_that_is_no_number_is_not_kept(tmp_path: Path, scale: float) -> None:
    model = CachedModel(Asked(scale), tmp_path / "known.parquet")
    with pytest.raises(InputError, match="asked predicts no finite number"):
        model.predict([b"ACGT"])
    model.save()
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "known.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"known\.parquet cannot be read .*; delete it"):
        CachedModel(Asked(), path)


def test_a_file_with_other_columns_is_named(tmp_path: Path) -> None:
    path = tmp_path / "known.parquet"
    pl.DataFrame({"sequence": ["0" * 32]}).write_parquet(path)
    with pytest.raises(InputError, match=r"known\.parquet has columns sequence, not"):
        CachedModel(Asked(), path)

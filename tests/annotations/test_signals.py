"""bigWig signals: means around variants, and files at fault."""

from pathlib import Path

import numpy as np
import pybigtools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haploscribe.annotations.base import AnnotatedAlleles
from haploscribe.annotations.signals import HALF_WIDTHS, Signal
from haploscribe.errors import InputError
from haploscribe.utils.types import Float64Array

LENGTH = 3_000


def write_bigwig(path: Path, values: Float64Array, contig: str = "chr2", length: int = LENGTH) -> Path:
    """Write the values that are not NaN, one base each."""
    found = [(contig, i, i + 1, float(value)) for i, value in enumerate(values) if not np.isnan(value)]
    pybigtools.open(str(path), "w").write({contig: length}, iter(found))
    return path


def alleles_at(positions: list[int], contig: str = "chr2") -> AnnotatedAlleles:
    n = len(positions)
    return AnnotatedAlleles(contig, np.array(positions, dtype=np.int64), ("A",) * n, ("G",) * n)


@pytest.fixture(scope="module")
def values() -> Float64Array:
    rng = np.random.default_rng(1)
    return np.where(rng.random(LENGTH) < 0.4, np.nan, rng.gamma(0.5, 3.0, LENGTH))


@pytest.fixture(scope="module")
def signal(values: Float64Array, tmp_path_factory: pytest.TempPathFactory) -> Signal:
    return Signal(write_bigwig(tmp_path_factory.mktemp("signal") / "a.bw", values), {"2": LENGTH})


@given(positions=st.lists(st.integers(0, LENGTH - 1), min_size=1, max_size=8).map(sorted))
@settings(max_examples=30)
def test_a_signal_is_the_mean_around_each_variant(
    signal: Signal, values: Float64Array, positions: list[int]
) -> None:
    """Bases without a value, and beyond the contig, count as 0."""
    padded = np.pad(np.nan_to_num(values), max(HALF_WIDTHS))
    expected = [
        [
            padded[position + max(HALF_WIDTHS) - half : position + max(HALF_WIDTHS) + half + 1].mean()
            for half in HALF_WIDTHS
        ]
        for position in positions
    ]
    np.testing.assert_allclose(signal.read(alleles_at(positions, "2")), expected, rtol=1e-5, atol=1e-6)


def test_a_contig_that_the_file_lacks_has_no_values(values: Float64Array, tmp_path: Path) -> None:
    file = write_bigwig(tmp_path / "a.bw", values)
    found = Signal(file, {"chr2": LENGTH, "chr3": 50}).read(alleles_at([3, 4], "chr3"))
    assert found.shape == (2, len(HALF_WIDTHS))
    assert np.isnan(found).all()


def test_another_build_and_other_names_are_refused(values: Float64Array, tmp_path: Path) -> None:
    file = write_bigwig(tmp_path / "a.bw", values)
    with pytest.raises(InputError, match="another genome build: chr2 has 3,000 bp there and 3,001"):
        Signal(file, {"chr2": LENGTH + 1})
    with pytest.raises(InputError, match=r"has no contig of the genes \(chr3\); it has chr2"):
        Signal(file, {"chr3": 50})


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9])
def test_a_truncated_file_is_refused(
    values: Float64Array, tmp_path: Path, share: float, capfd: pytest.CaptureFixture[str]
) -> None:
    file = write_bigwig(tmp_path / "a.bw", values)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match="is no bigWig, or is truncated"):
        Signal(file, {"chr2": LENGTH}).read(alleles_at([5, LENGTH - 5]))
    assert capfd.readouterr() == ("", "")


def test_what_is_no_bigwig_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.bw").write_text("chr2 1 2 3\n" * 30)
    with pytest.raises(InputError, match="is no bigWig"):
        Signal(tmp_path / "a.bw", {"chr2": LENGTH})
    assert capfd.readouterr() == ("", "")

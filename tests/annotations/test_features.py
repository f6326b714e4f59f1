"""Features are gentle, bounded and of one scale, whatever the unit of the annotation."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import zscore

from haploscribe.annotations.features import BOUND, FeatureScaling
from haploscribe.errors import InputError
from haploscribe.utils.types import Float64Array


def genes(seed: int = 0) -> list[Float64Array]:
    """Raw annotations of three genes: one positive, one of both signs with gaps."""
    rng = np.random.default_rng(seed)
    found = []
    for n in (40, 1, 25):
        raw = np.stack([rng.gamma(0.3, 5.0, n), rng.normal(size=n)], axis=1)
        raw[rng.random(n) < 0.2, 1] = np.nan
        found.append(raw)
    return found


def test_a_feature_is_the_standardised_logarithm() -> None:
    raw = genes()
    scaling = FeatureScaling.fit(["a", "b"], raw)
    assert scaling.names == ("a", "b", "size of b")
    joined = np.concatenate(raw)
    found = scaling.features(joined)
    one = zscore(np.log1p(joined[:, 0] / (0.1 * joined[:, 0].mean())))
    np.testing.assert_allclose(found[:, 0], np.clip(one, -BOUND, BOUND), rtol=1e-5, atol=1e-6)
    size = np.abs(joined[:, 1])
    two = zscore(np.log1p(size / (0.1 * np.nanmean(size))), nan_policy="omit")
    np.testing.assert_allclose(found[:, 2], np.nan_to_num(two), rtol=1e-5, atol=1e-6)
    assert scaling.n_missing.tolist() == [0, *2 * [int(np.isnan(joined[:, 1]).sum())]]
    assert (found[np.isnan(joined[:, 1]), 1:] == 0.0).all()


@given(unit=st.floats(1e-6, 1e6))
def test_the_unit_does_not_matter(unit: float) -> None:
    raw = genes()
    one = FeatureScaling.fit(["a", "b"], raw).features(raw[0])
    other = FeatureScaling.fit(["a", "b"], [unit * part for part in raw]).features(unit * raw[0])
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_new_extremes_are_bounded() -> None:
    scaling = FeatureScaling.fit(["a", "b"], genes())
    extremes = np.array([[1e300, -1e300], [0.0, 1e300]])
    assert np.abs(scaling.features(extremes)).max() <= BOUND


def test_it_is_read_back_as_it_was(tmp_path: Path) -> None:
    scaling = FeatureScaling.fit(["a", "b"], genes())
    scaling.save(tmp_path)
    np.testing.assert_array_equal(
        FeatureScaling.open(tmp_path).features(genes(1)[0]), scaling.features(genes(1)[0])
    )


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (np.full(66, np.nan), "b has no value at any of the 66 variants"),
        (np.full(66, 2.5), "b is the same at all 66 variants"),
        (None, "a and b say the same of every variant"),
    ],
)
def test_what_tells_nothing_is_refused(second: Float64Array | None, said: str) -> None:
    first = np.concatenate(genes())[:, 0]
    raw = np.stack([first, 3.0 * first if second is None else second], axis=1)
    with pytest.raises(InputError, match=said):
        FeatureScaling.fit(["a", "b"], [raw])

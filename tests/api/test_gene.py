"""A gene's samples are rows to scikit-learn, whatever picks them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.validation import _num_samples

from haploscribe.api.gene import GeneSamples, Rows
from haploscribe.estimators.inputs import GeneInputs, TileDeltas
from haploscribe.expression.genes import Gene

N_SAMPLES, N_VARIANTS = 7, 3
NUMBERS = np.arange(N_SAMPLES)

ROWS = st.one_of(
    arrays.arrays(np.int64, st.integers(0, 9), elements=st.integers(-N_SAMPLES, N_SAMPLES - 1)),
    arrays.arrays(np.bool_, N_SAMPLES),
    st.slices(N_SAMPLES),
    st.lists(st.integers(0, N_SAMPLES - 1), min_size=1),  # numpy takes an empty list for floats
)


def samples() -> GeneSamples:
    """Every number of a sample is its index."""
    index = np.column_stack([NUMBERS, NUMBERS]).astype(np.int32)
    inputs = GeneInputs(
        gene=Gene("G", "1", 100),
        sample_ids=tuple(f"S{i}" for i in NUMBERS),
        positions=np.arange(N_VARIANTS, dtype=np.int64),
        dosages=np.repeat(NUMBERS[:, np.newaxis], N_VARIANTS, axis=1).astype(np.float32),
        tiles=(TileDeltas(0, 6, NUMBERS.astype(np.float32)[:, np.newaxis, np.newaxis], index),),
    )
    return GeneSamples(inputs, NUMBERS[:, np.newaxis].astype(np.float64))


@given(rows=ROWS)
def test_rows_are_picked_as_numpy_picks_them(rows: Rows) -> None:
    found, wanted = _safe_indexing(samples(), rows), NUMBERS[rows].tolist()
    assert found.covariates is not None
    assert found.sample_ids == tuple(f"S{i}" for i in wanted)
    assert found.covariates[:, 0].tolist() == wanted
    assert found.inputs.dosages[:, 0].tolist() == wanted
    (tile,) = found.inputs.tiles
    assert tile.deltas[tile.index[:, 1], 0, 0].tolist() == wanted
    assert found.shape == (len(wanted), N_VARIANTS)


def test_a_single_sample_stays_a_row() -> None:
    assert samples()[2].sample_ids == ("S2",)


def test_scikit_learn_counts_samples_and_takes_the_table_as_it_is() -> None:
    table = samples()
    assert _num_samples(table) == N_SAMPLES
    assert indexable(table)[0] is table


def test_columns_are_refused() -> None:
    with pytest.raises(IndexError, match="by samples alone"):
        samples()[:, 1]  # type: ignore[index]


def test_a_table_says_what_it_holds() -> None:
    assert repr(samples()) == "<G: 7 samples, 3 variants, 1 embedded tiles, 1 covariates>"

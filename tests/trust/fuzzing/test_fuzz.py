"""A bounded part of what `tests/campaigns/fuzz.py` tries for an hour: the same inputs every time."""

from pathlib import Path

import pytest

from tests.campaigns.fuzzing.bases import make_bases
from tests.campaigns.fuzzing.campaign import Part, Tally, campaign
from tests.campaigns.fuzzing.targets import TARGETS

SEED = 7
MANY = 150


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bases") / "bases"
    make_bases(folder)
    return folder


_POLARS_ABORTS = pytest.mark.xfail(
    strict=False, reason="polars aborts where a damaged Parquet file asks for more memory than there may be"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(target.name, marks=_POLARS_ABORTS if target.name == "expression, Parquet" else ())
        for target in TARGETS
    ],
)
def test_many_spoilt_inputs(name: str, bases: Path, tmp_path: Path) -> None:
    tallies: dict[str, Tally] = {}
    campaign([Part(name, SEED, 0, MANY)], bases, tmp_path, tallies)
    (tally,) = tallies.values()
    assert (tally.tried, tally.findings) == (MANY, {})
    assert tally.refused  # the inputs are spoilt indeed

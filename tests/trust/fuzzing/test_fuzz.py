"""A bounded part of what `tests/campaigns/fuzz.py` tries for an hour: the same inputs every time."""

from pathlib import Path

import pytest

from tests.campaigns.fuzzing.bases import make_bases
from tests.campaigns.fuzzing.campaign import Part, Tally, campaign
from tests.campaigns.fuzzing.targets import TARGETS

SEED = 7
FEW, MANY = 8, 60


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bases") / "bases"
    make_bases(folder)
    return folder


def tried(names: list[str], count: int, bases: Path, scratch: Path) -> dict[str, Tally]:
    tallies: dict[str, Tally] = {}
    campaign([Part(name, SEED, 0, count) for name in names], bases, scratch, tallies)
    return tallies


@pytest.mark.slow
def test_inputs_are_spoilt_indeed(bases: Path, tmp_path: Path) -> None:
    names = [target.name for target in TARGETS]
    tallies = tried(names, FEW, bases, tmp_path)
    assert list(tallies) == names
    assert sum(tally.refused for tally in tallies.values()) > len(names)


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
    tally = tried([name], MANY, bases, tmp_path)[name]
    assert (tally.tried, tally.findings) == (MANY, {})

"""A bounded part of what `tests/campaigns/fuzz.py` tries for an hour: the same inputs every time."""

from pathlib import Path

import pytest

from tests.campaigns.fuzzing.bases import make_bases
from tests.campaigns.fuzzing.campaign import Part, Tally, campaign
from tests.campaigns.fuzzing.targets import TARGETS

SEED = 7
FEW, MANY = 4, 150


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bases") / "bases"
    make_bases(folder)
    return folder


def tried(names: list[str], count: int, bases: Path, scratch: Path) -> dict[str, Tally]:
    tallies: dict[str, Tally] = {}
    campaign([Part(name, SEED, 0, count) for name in names], bases, scratch, tallies)
    return tallies


def require_no_findings(tallies: dict[str, Tally], count: int) -> None:
    assert {name: tally.tried for name, tally in tallies.items()} == dict.fromkeys(tallies, count)
    assert {name: tally.findings for name, tally in tallies.items() if tally.findings} == {}


def test_a_few_spoilt_inputs_of_every_kind(bases: Path, tmp_path: Path) -> None:
    names = [target.name for target in TARGETS]
    tallies = tried(names, FEW, bases, tmp_path)
    assert list(tallies) == names
    require_no_findings(tallies, FEW)
    assert sum(tally.refused for tally in tallies.values()) > len(names)  # the inputs are spoilt indeed


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
    require_no_findings(tried([name], MANY, bases, tmp_path), MANY)

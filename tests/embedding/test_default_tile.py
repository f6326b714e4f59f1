"""Each backbone has a tile of its own, taken where none is asked for, and recorded as a number."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions
from haploscribe.embedding.backbones.base import default_tile
from haploscribe.embedding.backbones.catalogue import BACKBONES
from haploscribe.embedding.backbones.registry import load_backbone, table_entry
from haploscribe.embedding.engine import check_tile_size
from haploscribe.embedding.stage import with_tile
from haploscribe.workflows.run.workflow import run
from tests.fixtures.ntv3 import TINY
from tests.fixtures.small_cohort import write_small_cohort

MODULE = """
import numpy as np
class Mine:
    name, settings, tile_multiple, max_tile = "mine", {}, 7, 1000
    def embed(self, haplotypes):
        return np.array([[[h.sequence.count(b) for b in b"ACGT"]] for h in haplotypes], dtype=np.float32)
class Short(Mine):
    default_tile = 497
"""


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> CohortOptions:
    return write_small_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module with two backbones, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "of_seven.py").write_text(MODULE)
    yield "of_seven"
    sys.modules.pop("of_seven", None)


def test_the_table_says_which_tile_is_taken() -> None:
    found = {entry.name: entry.default_tile for entry in BACKBONES}
    assert set(found.values()) == {1_998, 5_994, 8_192}
    assert {name for name, tile in found.items() if tile == 1_998} == {"nano"}
    assert {name for name, tile in found.items() if tile == 8_192} == {
        f"ntv3-{size}{stage}" for size in ("8m", "100m", "650m") for stage in ("", "-8kb")
    }
    for entry in BACKBONES:
        assert found[entry.name] % entry.tile_multiple == 0
        assert found[entry.name] <= entry.max_tile


def test_a_folder_of_ntv3_has_that_of_ntv3() -> None:
    assert table_entry(str(TINY)) is None
    assert default_tile(load_backbone(str(TINY))) == 8_192


def test_a_hub_id_of_the_table_needs_no_download() -> None:
    entry = table_entry("hf:InstaDeepAI/NTv3_8M_pre")
    assert entry is not None
    assert entry.name == "ntv3-8m"


def test_a_plug_in_has_its_own_or_the_longest(cohort: CohortOptions, module: str) -> None:
    unset = replace(cohort, tile=None)
    for name, expected in (("Mine", 994), ("Short", 497)):
        chosen = BackboneOptions(f"{module}:{name}")
        assert with_tile(unset, chosen)[0].tile == expected
        assert with_tile(unset, replace(chosen, strands="both"))[0].tile == expected
        check_tile_size(load_backbone(f"{module}:{name}"), expected)
        assert with_tile(cohort, chosen) == (cohort, None)
    assert with_tile(unset, BackboneOptions("ntv3-8m")) == (replace(cohort, tile=8_192), None)
    assert with_tile(unset, BackboneOptions()) == (replace(cohort, tile=1_998), None)


def test_a_run_records_the_number(cohort: CohortOptions, module: str, tmp_path: Path) -> None:
    evaluation = EvaluationOptions(models=("blup-delta",))
    unset = replace(cohort, tile=None, window=2_000)
    run(unset, BackboneOptions(f"{module}:Short"), evaluation, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "run.json").read_text())["options"]["tile"] == 497
    assert json.loads((tmp_path / "out" / "models" / "models.json").read_text())["tile"] == 497
    # Said or not, it is the same run.
    again = run(replace(unset, tile=497), BackboneOptions(f"{module}:Short"), evaluation, tmp_path / "out")
    assert again.fitted == ()

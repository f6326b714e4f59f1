"""A backbone from a folder outside the package takes part in runs, predictions and workers."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import zarr

from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.embedding.backbones.registry import check_backbone_name, load_backbone
from haploscribe.embedding.store import backbone_key
from haploscribe.errors import InputError
from haploscribe.genome.haplotypes import TileHaplotype
from haploscribe.workflows.embed import embed
from haploscribe.workflows.run.workflow import run
from tests.fixtures.small_cohort import write_small_cohort

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "dinucleotides.py"
PROGRAM = Path(sys.executable).with_name("haploscribe")


def command(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the program as a user does, in a folder."""
    line = [str(PROGRAM), *map(str, arguments)]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)


def inputs(cohort: CohortOptions) -> list[object]:
    files = ["--variants", cohort.variants, "--reference", cohort.reference]
    return [*files, "--expression", cohort.expression, "--window", 2000, "--tile", 500]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> CohortOptions:
    return write_small_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "workers",
    [("--jobs", 1), ("--dask", "local:2")],
    ids=["jobs", "dask"],
)
def test_a_backbone_of_the_current_folder_runs_and_predicts(
    cohort: CohortOptions, tmp_path: Path, workers: tuple[object, ...]
) -> None:
    shutil.copy(EXAMPLE, tmp_path / "my_backbone.py")
    chosen = ("--backbone", "my_backbone:DinucleotideCounts", "--models", "blup-delta", *workers)
    done = command(tmp_path, "run", *inputs(cohort), *chosen, "--out", "out")
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert "my_backbone:DinucleotideCounts" in json.dumps(record)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())["embedding"]
    assert summary["backbone"] == "dinucleotides"
    assert summary["forward_passes"] > 0

    new = ["--models", "out/models", "--variants", cohort.variants, "--reference", cohort.reference]
    done = command(tmp_path, "predict", *new, *workers, "--out", "new.tsv")
    assert done.returncode == 0, done.stderr
    assert pl.read_csv(tmp_path / "new.tsv", separator="\t").height > 0

    (tmp_path / "my_backbone.py").unlink()
    done = command(tmp_path, "predict", *new, "--out", "other.tsv")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("haploscribe: backbone my_backbone:DinucleotideCounts: no module 'my_backbone' in")


def test_a_module_that_changed_has_another_key(tmp_path: Path) -> None:
    keys = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        source = EXAMPLE.read_text() + f"# version {number}\n"
        (folder / "changing_backbone.py").write_text(source)
        backbone = load_backbone("changing_backbone:DinucleotideCounts", plugin_folder=str(folder))
        keys.append(backbone_key(backbone))
        assert backbone.settings["plugin"] == "changing_backbone:DinucleotideCounts"
        sys.path.remove(str(folder))
        del sys.modules["changing_backbone"]
    assert len(set(keys)) == 2


BODY = """
import numpy as np
class Mine:
    name, settings, tile_multiple, max_tile = "mine", {"k": 1}, 1, 1000
    def embed(self, haplotypes):
        return np.array([[[len(h.sequence), len(h.edits)]] for h in haplotypes], dtype=np.float32)
"""


WriteModule = Callable[[str], int]


@pytest.fixture
def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WriteModule]:
    """Write the module `mine_here` of the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield (tmp_path / "mine_here.py").write_text
    sys.modules.pop("mine_here", None)


@pytest.mark.parametrize(
    ("old", "new", "name", "message"),
    [
        ("def embed", "def encode", "Mine", "does not follow the protocol: it lacks embed"),
        ('"mine"', '"../mine"', "Mine", "name must be a short name .* not '../mine'"),
        ('{"k": 1}', '{"k": 1.5}', "Mine", "settings must be a mapping of names to strings or integers"),
        ("1, 1000", "0, 1000", "Mine", "tile_multiple must be a positive integer, not 0"),
        ("class Mine:", "class Mine:\n    default_tile = 1200", "Mine", "default_tile must be .* up to 1000"),
        (
            "def embed",
            "def __init__(self, path): pass\n    def embed",
            "Mine",
            "cannot be created .TypeError",
        ),
        ("class Mine", "class Other", "Mine", "module 'mine_here' has no 'Mine'"),
        ("import numpy", "def make(): raise SystemExit\nimport numpy", "make", "it lacks name, settings"),
    ],
)
def test_what_breaks_the_protocol_is_refused_before_any_work(
    write_module: WriteModule, old: str, new: str, name: str, message: str
) -> None:
    write_module(BODY.replace(old, new))
    with pytest.raises(InputError, match=message):
        load_backbone(f"mine_here:{name}")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("np.float32", "float", "embed must return float32, not float64"),
        ("len(h.edits)", "np.nan", "embed must return finite values"),
        ("[[[", "[[", None),
        ("for h in haplotypes", "for h in haplotypes[1:]", "an array .2, n_bins, dimension., not .1, 1, 2."),
    ],
)
def test_what_embed_returns_is_checked(
    write_module: WriteModule, old: str, new: str, message: str | None
) -> None:
    if message is None:
        old, new = "[[[len(h.sequence), len(h.edits)]] for", "[[len(h.sequence), len(h.edits)] for"
        message = "n_bins, dimension., not .2, 2."
    write_module(BODY.replace(old, new))
    backbone = load_backbone("mine_here:Mine")
    with pytest.raises(InputError, match=message):
        backbone.embed([TileHaplotype(b"ACGT"), TileHaplotype(b"AC")])


def test_a_class_is_given_the_options_that_it_names_and_an_instance_none(write_module: WriteModule) -> None:
    taken = (
        '    def __init__(self, layer, device):\n        self.settings = {"layer": layer, "device": device}\n'
    )
    write_module(BODY + taken + "ready = Mine(3, 'cpu')\n")
    settings = load_backbone("mine_here:Mine", layer=2).settings
    assert (settings["layer"], settings["device"]) == (2, "cpu")
    assert load_backbone("mine_here:ready").settings["layer"] == 3
    with pytest.raises(InputError, match="backbone 'mine_here:Mine' has no pooling; leave out --pooling"):
        load_backbone("mine_here:Mine", pooling="bins-2")
    with pytest.raises(InputError, match="leave out --layer"):
        load_backbone("mine_here:ready", layer=2)


def test_edits_of_length_reach_a_backbone(
    write_module: WriteModule, cohort: CohortOptions, tmp_path: Path
) -> None:
    write_module(BODY)
    embed(cohort, BackboneOptions("mine_here:Mine"), tmp_path / "s.zarr", WorkerOptions())
    parts = [path.parent for path in (tmp_path / "s.zarr" / "vectors").rglob("embedding/zarr.json")]
    vectors = np.concatenate([np.asarray(zarr.open_array(part, mode="r"))[:, 0] for part in parts])
    lengths, n_edits = vectors.T
    assert (n_edits[lengths != cohort.tile] > 0).any()
    assert (n_edits[lengths == cohort.tile] != 1).all()


@pytest.mark.parametrize("name", ["lasagne", "no_such_module:Any"])
def test_an_unknown_backbone_is_refused_also_where_no_model_reads_deltas(
    cohort: CohortOptions, tmp_path: Path, name: str
) -> None:
    with pytest.raises(InputError, match=name.partition(":")[0]):
        check_backbone_name(name)
    with pytest.raises(InputError, match=name.partition(":")[0]):
        run(cohort, BackboneOptions(name), EvaluationOptions(models=("blup",)), tmp_path / "out")
    assert not (tmp_path / "out").exists()

"""`run` with Enformer and Borzoi among the models: a small network, real people, the published windows."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import save_file

from haploscribe.cohort.cohort import open_cohort
from haploscribe.config.fields import option_fields
from haploscribe.config.options import CohortOptions
from haploscribe.config.zero_shot import ZeroShotOptions, weights_option
from haploscribe.errors import InputError
from haploscribe.evaluation.folds import make_folds
from haploscribe.expression.gene_annotation import GeneAnnotation
from haploscribe.zero_shot.alphagenome.model import read_alphagenome
from haploscribe.zero_shot.base import SequenceModel
from haploscribe.zero_shot.borzoi import model as borzoi_model
from haploscribe.zero_shot.borzoi.configuration import TRACKS, BorzoiConfiguration
from haploscribe.zero_shot.borzoi.model import Borzoi
from haploscribe.zero_shot.borzoi.network import BorzoiNetwork
from haploscribe.zero_shot.enformer.configuration import parse_configuration
from haploscribe.zero_shot.enformer.model import read_enformer, stored_name
from haploscribe.zero_shot.enformer.network import EnformerNetwork
from haploscribe.zero_shot.predictions import GenePredictions, TestTimeAugmentation, predict_gene
from haploscribe.zero_shot.registry import ZERO_SHOT_NAMES, read_models
from tests.fixtures.borzoi_folders import drawn_tensors, write_folder
from tests.fixtures.command_line import inputs_of, run_cli
from tests.fixtures.enformer_weights import drawn_tensor
from tests.fixtures.zero_shot import scaled
from tests.zero_shot.alphagenome.test_model import MadeUp, Package

GENE = "ENSG00000128191.9"
N_PEOPLE = 6
ENFORMER = {
    "dim": 12,
    "depth": 1,
    "heads": 1,
    "attn_dim_key": 4,
    "dim_divisible_by": 2,
    "output_heads": {"human": 5},
}
# The published bins and window, with next to no channels.
BORZOI = BorzoiConfiguration(
    kind="borzoi",
    width=4,
    n_layers=1,
    n_heads=1,
    key_size=2,
    value_size=2,
    tower_widths=(2, 2, 2, 2, 2, 4),
    output_width=4,
)
pytestmark = pytest.mark.usefixtures("one_thread")


def written(folder: Path, **changed: object) -> Path:
    """Write a small Enformer of the published window."""
    content = ENFORMER | changed
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(content))
    with torch.device("meta"):
        parts = EnformerNetwork(parse_configuration(content, "config.json")).state_dict()
    names = {stored_name(name): tensor for name, tensor in parts.items() if not name.endswith("tracked")}
    tensors = {name: torch.from_numpy(drawn_tensor(name, tuple(part.shape))) for name, part in names.items()}
    save_file(tensors, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def cohort_options(example: CohortOptions, tmp_path_factory: pytest.TempPathFactory) -> CohortOptions:
    """One gene of a few of the bundled people, without covariates, which would be more than people."""
    table = pl.read_csv(example.expression, separator="\t", infer_schema=False)
    few = table.filter(pl.any_horizontal(pl.all() == GENE)).select(
        table.columns[: -(table.width - 6 - N_PEOPLE)]
    )
    path = tmp_path_factory.mktemp("cohort") / "expression.bed"
    few.write_csv(path, separator="\t")
    return CohortOptions(example.variants, example.reference, path)


class Runs:
    """Runs the command line on the few people, and reads what it left."""

    def __init__(self, cohort: CohortOptions, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.arguments = ["run", *inputs_of(cohort), "--folds", 2, "--jobs", 1, "--force", "--out", out]
        self.out = out
        self.monkeypatch = monkeypatch

    def __call__(self, *options: object) -> int:
        """Give the number of forward passes."""
        assert run_cli(*self.arguments, *options, monkeypatch=self.monkeypatch) == 0
        costs = json.loads((self.out / "summary.json").read_text())["zero_shot"]
        return sum(cost["forward_passes"] for cost in costs.values())

    def check_predictions(self, name: str, found: GenePredictions) -> None:
        """Hold the row against the model asked by hand."""
        predictions = pl.read_parquet(self.out / "predictions.parquet").filter(model=name)
        for fold in make_folds(sorted(predictions["sample_id"]), 2, seed=0):
            rows = predictions.filter(fold=fold.number)
            expected = scaled(found.samples, fold.training)[fold.test]
            np.testing.assert_allclose(rows["predicted"], expected, rtol=1e-6, atol=1e-6)


@pytest.fixture
def runs(cohort_options: CohortOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    return Runs(cohort_options, tmp_path / "out", monkeypatch)


def by_hand(
    options: CohortOptions, model: SequenceModel, augmentation: TestTimeAugmentation, folder: Path
) -> GenePredictions:
    annotation = GeneAnnotation.read(options.gtf, exons=True)
    with open_cohort(options, folder, annotation=annotation) as cohort:
        return predict_gene(model, cohort.genotypes, cohort.genes[0], augmentation)


def test_enformer_is_a_row_and_the_record_says_what_was_read(
    runs: Runs, cohort_options: CohortOptions, tmp_path: Path
) -> None:
    folder = written(tmp_path / "enformer")
    passes = runs(
        *("--models", "blup,enformer", "--enformer", folder, "--enformer-tracks", "1,4"),
        *("--shifts", "-64,0", "--reverse-complement", "--device", "cpu"),
    )
    augmentation = TestTimeAugmentation((-64, 0), reverse_complement=True)
    model = read_enformer(folder, tracks=["1", "4"])
    found = by_hand(cohort_options, model, augmentation, tmp_path)
    runs.check_predictions("enformer", found)
    assert passes == found.forward_passes
    record = json.loads((runs.out / "run.json").read_text())
    options = {name: record["options"][name] for name in option_fields(ZeroShotOptions)}
    assert options == {
        "xpresso": None,
        "enformer": str(folder),
        "borzoi": None,
        "flashzoi": None,
        "borzoi_prime": None,
        "alphagenome": None,
        "clipnet": None,
        "enformer_tracks": ["1", "4"],
        "borzoi_tracks": ["RNA:GM12878"],
        "alphagenome_tracks": ["CAGE:GM12878"],
        "alphagenome_window": 131_072,
        "shifts": [-64, 0],
        "reverse_complement": True,
    }
    read = record["inputs"]["enformer"]
    assert read["path"] == str(folder)
    assert read["reading"] == "sum over bins 447 to 449 of 896, mean over tracks 1, 4"
    assert read["digest"].startswith("blake2b-256:")


@pytest.mark.slow
def test_only_what_changes_a_prediction_is_predicted_anew(runs: Runs, tmp_path: Path) -> None:
    folder = written(tmp_path / "enformer")
    options = ("--models", "enformer", "--enformer", folder, "--enformer-tracks")
    once = runs(*options, "1")
    assert runs(*options, "1", "--reverse-complement") == once
    assert runs(*options, "1", "--shifts", "0", "--reverse-complement") == 0
    assert runs(*options, "2") == once
    configuration = json.dumps(ENFORMER | {"use_tf_gamma": False})
    (folder / "config.json").write_text(configuration)
    assert runs(*options, "1") == once
    assert runs(*options, "1") == 0


@pytest.mark.slow
def test_borzoi_is_a_row(
    runs: Runs, cohort_options: CohortOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network of this width is no published one's, so it is put in place of the one that is read."""
    torch.manual_seed(0)
    network = BorzoiNetwork(BORZOI).eval().requires_grad_(requires_grad=False)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    monkeypatch.setattr(borzoi_model, "read_network", lambda _: network)
    folder = write_folder(tmp_path / "borzoi", "borzoi", {"nothing": torch.zeros(1)})
    passes = runs("--models", "borzoi", "--borzoi", folder, "--borzoi-tracks", "RNA:blood")
    found = by_hand(cohort_options, Borzoi(network, TRACKS["RNA:blood"]), TestTimeAugmentation(), tmp_path)
    assert passes == found.forward_passes > 2
    runs.check_predictions("borzoi", found)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Weights of a made-up AlphaGenome."""
    monkeypatch.setitem(sys.modules, "alphagenome_pytorch", Package)
    save_file(MadeUp().state_dict(), tmp_path / "weights.safetensors")
    return tmp_path / "weights.safetensors"


@pytest.fixture
def gtf(cohort_options: CohortOptions, tmp_path: Path) -> Path:
    """The gene with two exons."""
    with open_cohort(cohort_options, tmp_path) as cohort:
        (gene,) = cohort.genes
    rest = f'.\t{gene.strand}\t.\tgene_id "{GENE}";\n'
    lines = [
        f"{gene.contig}\tx\t{feature}\t{gene.tss - left}\t{gene.tss + right}\t{rest}"
        for feature, left, right in (("gene", 0, 20_000), ("exon", 0, 900), ("exon", -15_000, 20_000))
    ]
    (tmp_path / "genes.gtf").write_text("".join(lines))
    return tmp_path / "genes.gtf"


@pytest.mark.parametrize("track", ["PROCAP:1/7", "RNA:24/48"])
def test_alphagenome_is_a_row_and_predicts_new_people_as_the_run_did(
    runs: Runs,
    cohort_options: CohortOptions,
    made_up: Path,
    gtf: Path,
    track: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights = made_up
    reading = ("--alphagenome-tracks", track, "--alphagenome-window", "65536", "--gtf", gtf)
    runs("--models", "blup,alphagenome", "--alphagenome", weights, *reading, "--device", "cpu")
    model, _ = read_alphagenome(str(weights), tracks=[track], window=65_536)
    found = by_hand(replace(cohort_options, gtf=gtf), model, TestTimeAugmentation(), tmp_path)
    runs.check_predictions("alphagenome", found)
    # Tracks, window and exons are those of the run, and still are when a model is added to it.
    added = [argument for argument in runs.arguments if argument != "--force"]
    added += ["--models", "top-snp,alphagenome", "--alphagenome", weights, *reading, "--device", "cpu"]
    assert run_cli(*added, monkeypatch=monkeypatch) == 0
    arguments = ("--models", runs.out / "models", "--alphagenome", weights, "--device", "cpu", "--jobs", 1)
    files = ("--variants", cohort_options.variants, "--reference", cohort_options.reference)
    out = tmp_path / "predicted.parquet"
    assert run_cli("predict", *arguments, *files, "--out", out, monkeypatch=monkeypatch) == 0
    people = sorted(pl.read_parquet(runs.out / "predictions.parquet")["sample_id"].unique())
    predicted = pl.read_parquet(out).filter(
        pl.col("model") == "alphagenome", pl.col("sample_id").is_in(people)
    )
    again = predicted.sort("sample_id")["predicted"].to_numpy()
    np.testing.assert_allclose(again, scaled(found.samples, np.ones(len(people), dtype=bool)), atol=1e-6)


@pytest.mark.parametrize(("kind", "blood"), [("borzoi", 7531), ("flashzoi", 7531), ("borzoi-prime", 3645)])
def test_weights_are_read_by_the_option_of_their_model(kind: str, blood: int, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / kind, kind, drawn_tensors(kind))
    weights: Any = {weights_option(kind): str(folder)}
    options = ZeroShotOptions(**weights, borzoi_tracks=("RNA:blood",))
    (loaded,) = read_models(["blup", kind], options, "cpu")
    assert (loaded.model.name, loaded.weights) == (kind, folder)
    assert f"{blood} (scale 0.0" in loaded.model.reading


def test_each_zero_shot_model_has_an_option_of_its_name() -> None:
    assert set(map(weights_option, ZERO_SHOT_NAMES)) <= set(ZeroShotOptions.__dataclass_fields__)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--models", "blup", "--borzoi", "x"), "--borzoi x: the model is not used; add borzoi to"),
        (
            ("--models", "enformer", "--enformer", "nowhere"),
            "nowhere is not a folder; give one with config.json",
        ),
        (
            ("--models", "blup", "--shifts", "0,half"),
            "'--shifts': '0,half': give a whole number of base pairs",
        ),
        (("--models", "blup", "--shifts", "1,1"), "--shifts 1,1: give at least one, each once"),
        (("--models", "blup", "--shifts", ""), "--shifts : give at least one, each once"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    runs: Runs,
    options: tuple[str, ...],
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_cli(*runs.arguments, *options, monkeypatch=monkeypatch) == 2
    assert complaint in capsys.readouterr().err
    assert not runs.out.exists()


def test_rna_without_a_gtf_is_refused(
    runs: Runs, made_up: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--models", "alphagenome", "--alphagenome", made_up, "--alphagenome-tracks", "RNA:GM12878")
    assert run_cli(*runs.arguments, *options, "--device", "cpu", monkeypatch=monkeypatch) == 2
    assert "--alphagenome-tracks: RNA is read over exons; give --gtf" in capsys.readouterr().err
    assert not runs.out.exists()


def test_an_unknown_track_is_refused(tmp_path: Path) -> None:
    options = ZeroShotOptions(enformer=str(written(tmp_path / "enformer")), enformer_tracks=("CAGE:GM12878",))
    with pytest.raises(InputError, match="no track 'CAGE:GM12878'; give a number from 0 to 4"):
        read_models(["enformer"], options, "cpu")


def test_the_config_file_gives_lists(runs: Runs, tmp_path: Path) -> None:
    folder = written(tmp_path / "enformer")
    config = tmp_path / "run.toml"
    config.write_text(
        f'models = ["enformer"]\nenformer = "{folder}"\nenformer-tracks = ["1", "2"]\nshifts = [-1, 0]\n'
        "reverse-complement = true\n"
    )
    assert runs("--config", config) > 0
    record = json.loads((runs.out / "run.json").read_text())["options"]
    assert (record["shifts"], record["enformer_tracks"]) == ([-1, 0], ["1", "2"])
    assert record["reverse_complement"] is True

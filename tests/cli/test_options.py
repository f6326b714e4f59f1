"""The command line and `--config` take every option as `haploscribe.config` has it."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from haploscribe.cli import main as cli
from haploscribe.cli.options import taken
from haploscribe.config.fields import option_fields
from haploscribe.config.finished_runs import PredictionOptions
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.config.zero_shot import ZeroShotOptions
from haploscribe.errors import InputError
from tests.fixtures.command_line import run_cli

FILES = ("--variants=v.vcf", "--reference=r.fa", "--expression=e.bed")
RUN = (CohortOptions, BackboneOptions, EvaluationOptions, ZeroShotOptions, WorkerOptions)


def parsed(*arguments: object) -> dict[str, object]:
    """Parse the options of `run`."""
    whole = click.Context(cli.cli, info_name="haploscribe")
    given = [*FILES, "--out=out", *map(str, arguments)]
    return dict(cli.run.make_context("run", given, parent=whole).params)


def test_run_has_every_option_with_its_default() -> None:
    values = parsed("--jobs=1")
    assert taken(CohortOptions, values) == CohortOptions(Path("v.vcf"), Path("r.fa"), Path("e.bed"))
    for kind in (BackboneOptions, EvaluationOptions, ZeroShotOptions, WorkerOptions):
        assert taken(kind, values) == kind()
    assert set(values) == {"out", "store", "force", "as_json", "readable_by"}


def test_check_takes_the_options_of_run() -> None:
    names = {parameter.name for parameter in cli.check.params}
    assert {name for kind in RUN for name in option_fields(kind)} - names == {"dask"}


@pytest.mark.parametrize("written", ["500kb", "0.5Mb", "500000"])
def test_lengths_on_the_command_line_and_in_a_file(written: str, tmp_path: Path) -> None:
    assert parsed("--window", written)["window"] == 500_000
    config = tmp_path / "run.toml"
    config.write_text(f'window = "{written}"\nshifts = ["-1", "1kb"]\n')
    found = parsed("--config", config)
    assert (found["window"], found["shifts"]) == (500_000, (-1, 1_000))


def test_half_of_the_window_may_be_given_instead(tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text('cis = "1Mb"\n')
    for given in (["--cis", "1Mb"], ["--config", str(config)]):
        assert cohort_options(*given).window == 2_000_000
        with pytest.raises(InputError, match="--window and --cis say the same; give one of them"):
            cohort_options(*given, "--window", "2Mb")


def cohort_options(*arguments: object) -> CohortOptions:
    context = cli.run.make_context("run", [*FILES, "--out=out", *map(str, arguments)])
    with context.scope():
        return taken(CohortOptions, dict(context.params))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("maf = 0.7", "run.toml: maf: 0.7: give a frequency from 0 to below 0.5"),
        ("tile = 'wide'", "run.toml: tile: 'wide': give a whole number of base pairs"),
        ("hidden-size = 0", "run.toml: hidden_size: 0: give a positive number"),
        ("fold = 3", "run.toml: no option 'fold' of haploscribe run or any other command"),
        ("config = 'x'", "run.toml: no option 'config'"),
        ("vcf = 'x'", "run.toml: no option vcf: it is --variants here"),
    ],
)
def test_a_file_is_refused_before_any_work(line: str, said: str, tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text(line + "\n")
    with pytest.raises(InputError, match=said):
        parsed("--config", config)


def test_an_option_of_another_command_is_checked_and_passed_over(tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text("hidden-size = 64\n")
    assert "hidden_size" not in parsed("--config", config)


def test_python_runs_the_package_as_a_module() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "haploscribe", "--version"], capture_output=True, text=True, check=True
    )
    assert found.stdout.startswith("haploscribe, version ")
    found = subprocess.run(
        [sys.executable, "-m", "haploscribe", "run", "-h"], capture_output=True, text=True, check=True
    )
    assert found.stdout.startswith("Usage: haploscribe run [OPTIONS]")


def test_unknown_options_are_refused_with_a_suggestion(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli("run", "--widnow", 5, monkeypatch=monkeypatch) == 2
    assert "--window" in capsys.readouterr().err


def predicted(*arguments: str) -> Path:
    """Return the folder of models that `predict` reads."""
    files = ("--variants=v.vcf", "--reference=r.fa", "--out=out.tsv")
    context = cli.predict.make_context("predict", [*files, *arguments])
    with context.scope():
        return taken(PredictionOptions, dict(context.params)).models


def test_predict_takes_the_results_or_the_models_in_them() -> None:
    assert predicted("--results", "out") == predicted("--models", "out/models") == Path("out/models")
    with pytest.raises(InputError, match="--models and --results say the same; give one of them"):
        predicted("--results", "out", "--models", "out/models")
    with pytest.raises(click.UsageError, match="Missing option '--results'"):
        predicted()


def test_a_required_option_is_missing() -> None:
    with pytest.raises(click.MissingParameter):
        cli.run.make_context("run", ["--out=out"])

"""A run from Python is the run of the command line."""

import sys
from dataclasses import fields
from pathlib import Path

import pytest

from haploscribe.api import run as api_run
from haploscribe.api.cohort import example_cohort
from haploscribe.cli.main import main
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.config.zero_shot import ZeroShotOptions
from haploscribe.errors import InputError
from haploscribe.results.tables import read_results
from tests.fixtures.api_run import GENE, MODELS, OTHER_GENE, Made


def test_files_equal_those_of_the_command_line_to_the_byte(
    made: Made, example: CohortOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = [
        text
        for name in ("variants", "reference", "expression", "covariates")
        for text in (f"--{name}", str(getattr(example, name)))
    ]
    options = ["--genes", f"{GENE},{OTHER_GENE}", "--window", "100000", "--maf", "0.05", "--backbone", "kmer"]
    rest = ["--models", ",".join(MODELS), "--seed", "3", "--jobs", "1", "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["haploscribe", "run", *inputs, *options, *rest])
    main()
    for name in ("predictions.parquet", "metrics.tsv", "comparison.tsv", "run.json"):
        assert (tmp_path / "out" / name).read_bytes() == (made.out / name).read_bytes(), name


def test_results_are_read_again_from_a_folder_named_by_text(made: Made) -> None:
    assert api_run.read_results(str(made.out)).metrics.equals(read_results(made.out).metrics)


def test_options_reach_the_run(tmp_path: Path) -> None:
    split = tmp_path / "split.tsv"
    with example_cohort(genes=GENE, maf=0.05) as cohort:
        words = {name: "test" if i < 50 else "train" for i, name in enumerate(cohort.sample_ids)}
        split.write_text("".join(f"{name}\t{word}\n" for name, word in words.items()))
        results = api_run.run(
            cohort, str(tmp_path / "out"), models="top-snp", split=str(split), normalize="log2p1"
        )
    assert results.metrics["n_samples"].to_list() == [50]
    assert results.run["options"]["normalize"] == "log2p1"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"fold": 3}, "no option 'fold'; there are .*annotations, backbone"),
        ({"normalize": "zscore"}, "normalize='zscore': give one of inverse-normal"),
        ({"models": ["blub"]}, "no model 'blub'"),
        ({"folds": 1}, "folds=1: at least 2 are needed"),
        ({"seed": -1}, "seed=-1: give a whole number from 0"),
        ({"jobs": 0}, "jobs=0: give 1 or more"),
        ({"shifts": [0, 0]}, r"shifts=\(0, 0\): give at least one, each once"),
        ({"split": 5}, "split=5: give a path"),
    ],
)
def test_wrong_options_are_refused_and_leave_no_folder(
    made: Made, tmp_path: Path, options: dict[str, object], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        api_run.run(made.cohort, tmp_path / "out", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_no_two_groups_of_options_share_a_name() -> None:
    kinds = (BackboneOptions, EvaluationOptions, ZeroShotOptions, WorkerOptions)
    names = [field.name for kind in kinds for field in fields(kind)]
    assert len(set(names)) == len(names)

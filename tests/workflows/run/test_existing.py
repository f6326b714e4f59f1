"""A results folder is never overwritten in silence: it is kept, added to, or refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import haploscribe
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions
from haploscribe.config.zero_shot import ZeroShotOptions
from haploscribe.errors import InputError
from haploscribe.results.models_folder import read_record
from haploscribe.results.tables import Results, read_predictions, read_run
from haploscribe.workflows.run.workflow import run
from tests.fixtures.equal_outputs import CLOCK, RESUMED, Exceptions, contents, differing
from tests.fixtures.small_cohort import write_small_cohort
from tests.fixtures.xpresso_files import RandomXpresso

KMER = BackboneOptions("kmer")
FIRST = ("blup", "transformer-all", "xpresso")
STAGES = Exceptions(json={"summary.json": ("stages",)}, files=("report.html",))
"""Fits that were made apart have stages of their own."""
ADDED = ("blup-distance-delta", "elastic-net-1mb", "susie")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> CohortOptions:
    options = write_small_cohort(tmp_path_factory.mktemp("cohort"))
    # A list of genes in a file cannot hold a name with a blank.
    options.expression.write_text(options.expression.read_text().replace("on X", "on_X"))
    return options


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> ZeroShotOptions:
    folder = tmp_path_factory.mktemp("weights")
    return ZeroShotOptions(xpresso=RandomXpresso().write(folder / "xpresso.h5"))


def run_models(
    cohort: CohortOptions,
    out: Path,
    *models: str,
    folds: int = 2,
    backbone: BackboneOptions = KMER,
    zero_shot: ZeroShotOptions | None = None,
    force: bool = False,
) -> Results:
    evaluation = EvaluationOptions(models=models, folds=folds)
    return run(cohort, backbone, evaluation, out, zero_shot_options=zero_shot, force=force)


def stamps(folder: Path) -> dict[Path, tuple[int, int]]:
    found = {path: path.stat() for path in folder.rglob("*")}
    return {path: (stat.st_mtime_ns, stat.st_ino) for path, stat in found.items()}


@pytest.mark.parametrize(
    ("first", "added"),
    [
        pytest.param(FIRST, ADDED, marks=pytest.mark.slow),
        pytest.param(ADDED, FIRST, marks=pytest.mark.slow),
        pytest.param(("transformer-all",), ("xpresso",), marks=pytest.mark.slow),
        pytest.param(("susie",), ("transformer-all",), marks=pytest.mark.slow),
    ],
    ids=lambda models: models[0],
)
def test_models_that_are_added_give_what_all_give_together(
    cohort: CohortOptions,
    weights: ZeroShotOptions,
    tmp_path: Path,
    first: tuple[str, ...],
    added: tuple[str, ...],
) -> None:
    """Tables, predictions, saved models and records are equal to the byte, and the page has all."""
    all_models = (*first, *added)
    needs = {name: weights if "xpresso" in models else None for name, models in (("1", first), ("2", added))}
    together = weights if "xpresso" in all_models else None
    run_models(cohort, tmp_path / "together", *all_models, zero_shot=together)
    run_models(cohort, tmp_path / "added", *first, zero_shot=needs["1"])
    before = read_predictions(tmp_path / "added")
    found = run_models(cohort, tmp_path / "added", *all_models, zero_shot=together)
    assert found.fitted == added
    after = read_predictions(tmp_path / "added")
    assert after.filter(after["model"].is_in(first)).equals(before)
    kinds = CLOCK | RESUMED | STAGES
    assert differing(contents(tmp_path / "added", kinds), contents(tmp_path / "together", kinds)) == []
    assert read_record(tmp_path / "added" / "models").model_names == all_models
    page = (tmp_path / "added" / "report.html").read_text()
    assert all(model in page for model in all_models)


def test_new_models_may_be_named_alone(cohort: CohortOptions, tmp_path: Path) -> None:
    run_models(cohort, tmp_path / "out", "blup", "top-snp")
    assert run_models(cohort, tmp_path / "out", "lasso", "blup").fitted == ("lasso",)
    assert read_run(tmp_path / "out")["options"]["models"] == ["blup", "top-snp", "lasso"]


@pytest.mark.parametrize("models", [("blup", "top-snp"), ("top-snp",)])
def test_a_finished_run_is_complete(cohort: CohortOptions, tmp_path: Path, models: tuple[str, ...]) -> None:
    first = run_models(cohort, tmp_path / "out", "blup", "top-snp")
    assert first.fitted == ("blup", "top-snp")
    before = stamps(tmp_path / "out")
    found = run_models(cohort, tmp_path / "out", *models)
    assert found.fitted == ()
    assert found.metrics.equals(first.metrics)
    assert stamps(tmp_path / "out") == before


def test_inputs_count_by_their_content(cohort: CohortOptions, tmp_path: Path) -> None:
    run_models(cohort, tmp_path / "out", "blup")
    copy = tmp_path / "copy.bed"
    copy.write_bytes(cohort.expression.read_bytes())
    assert run_models(replace(cohort, expression=copy), tmp_path / "out", "blup").fitted == ()


@pytest.mark.slow
def test_what_no_model_of_a_run_has_used_may_differ(
    cohort: CohortOptions, weights: ZeroShotOptions, tmp_path: Path
) -> None:
    run_models(cohort, tmp_path / "out", "blup", backbone=BackboneOptions())
    other = replace(weights, shifts=(-1, 1))
    found = run_models(cohort, tmp_path / "out", "blup-delta", "xpresso", zero_shot=other)
    assert found.fitted == ("blup-delta", "xpresso")
    with pytest.raises(InputError, match="with --shifts -1,1, this command has --shifts 0;"):
        run_models(cohort, tmp_path / "out", "blup", zero_shot=weights)


def test_force_replaces_a_finished_run(cohort: CohortOptions, tmp_path: Path) -> None:
    run_models(cohort, tmp_path / "out", "blup", "top-snp")
    found = run_models(cohort, tmp_path / "out", "lasso", folds=3, force=True)
    assert found.fitted == ("lasso",)
    run_models(cohort, tmp_path / "alone", "lasso", folds=3)
    assert (
        differing(contents(tmp_path / "out", CLOCK | RESUMED), contents(tmp_path / "alone", CLOCK | RESUMED))
        == []
    )


def changes(cohort: CohortOptions, folder: Path) -> dict[str, tuple[CohortOptions, dict[str, object], str]]:
    """Commands that differ from the run's, and what is said of each."""
    expression = folder / "changed.bed"
    expression.write_text(cohort.expression.read_text().replace("0.", "1.", 1))
    covariates = folder / "covariates.tsv"
    people = cohort.expression.read_text().splitlines()[0].split("\t")[4:]
    covariates.write_text(
        "\t".join(("id", *people)) + "\n" + "\t".join(("age", *map(str, range(len(people))))) + "\n"
    )
    genes = folder / "genes.txt"
    genes.write_text("quiet\n")
    return {
        "folds": (cohort, {"folds": 3}, "with --folds 2, this command has --folds 3;"),
        "window": (replace(cohort, window=1_000), {}, "with --window 2000, this command has --window 1000;"),
        "flag": (
            replace(cohort, assume_phased=True),
            {},
            "without --assume-phased, this command has --assume-phased;",
        ),
        "content": (replace(cohort, expression=expression), {}, "on other content of --expression than that"),
        "another input": (
            replace(cohort, covariates=covariates),
            {},
            f"without --covariates, this command has --covariates {covariates};",
        ),
        "genes": (
            replace(cohort, genes=str(genes)),
            {},
            f"without --genes, this command has --genes {genes};",
        ),
        "backbone": (
            cohort,
            {"backbone": BackboneOptions("nano")},
            "with --backbone kmer, this command has --backbone nano;",
        ),
    }


@pytest.mark.parametrize("name", ["folds", "window", "flag", "content", "another input", "genes", "backbone"])
def test_other_data_or_options_are_refused(cohort: CohortOptions, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    run_models(cohort, out, "blup-delta")
    before = stamps(out)
    changed, options, said = changes(cohort, tmp_path)[name]
    for models in (("blup-delta",), ("blup-delta", "blup")):
        with pytest.raises(InputError) as refused:
            run_models(changed, out, *models, **options)  # type: ignore[arg-type]
        message = str(refused.value)
        assert message.startswith(f"--out {out} holds a finished run {said}")
        assert message.endswith("; name another --out, or --force to replace it")
    assert stamps(out) == before


def test_a_list_of_genes_that_was_edited_is_refused(cohort: CohortOptions, tmp_path: Path) -> None:
    listed = tmp_path / "genes.txt"
    listed.write_text("on_X\nquiet\n")
    run_models(replace(cohort, genes=str(listed)), tmp_path / "out", "blup")
    listed.write_text("on_X\n")
    with pytest.raises(InputError, match="on other content of --genes"):
        run_models(replace(cohort, genes=str(listed)), tmp_path / "out", "blup")


def test_models_are_not_added_with_other_versions(cohort: CohortOptions, tmp_path: Path) -> None:
    run_models(cohort, tmp_path / "out", "blup")
    path = tmp_path / "out" / "run.json"
    record = json.loads(path.read_text())
    record["versions"]["numpy"] = "1.0"
    path.write_text(json.dumps(record))
    assert run_models(cohort, tmp_path / "out", "blup").fitted == ()
    with pytest.raises(InputError, match=r"a finished run written with numpy 1\.0, but numpy 2"):
        run_models(cohort, tmp_path / "out", "blup", "lasso")


def stop_before_the_page(
    cohort: CohortOptions, out: Path, *models: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stop a run when all is fitted and nothing is in place."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("haploscribe.report.page.write_report", stop)
        with pytest.raises(KeyboardInterrupt):
            run_models(cohort, out, *models)


def test_unfinished_work_is_resumed_by_its_own_command_alone(
    cohort: CohortOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    stop_before_the_page(cohort, out, "blup", monkeypatch=monkeypatch)
    for models, folds, said in (
        (("blup",), 3, "with --folds 2, this command has --folds 3"),
        (("blup", "lasso"), 2, "with --models blup, this command has --models blup,lasso"),
    ):
        with pytest.raises(InputError, match=f"holds an unfinished run {said}; name another --out"):
            run_models(cohort, out, *models, folds=folds)
    assert run_models(cohort, out, "blup").fitted == ("blup",)
    assert sorted(path.name for path in out.iterdir() if path.name.startswith(".")) == []


def test_force_drops_the_unfinished_work_of_another_command(
    cohort: CohortOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    stop_before_the_page(cohort, out, "blup", monkeypatch=monkeypatch)
    run_models(cohort, out, "lasso", folds=3, force=True)
    run_models(cohort, tmp_path / "alone", "lasso", folds=3)
    assert differing(contents(out, CLOCK | RESUMED), contents(tmp_path / "alone", CLOCK | RESUMED)) == []


def test_a_run_stays_whole_while_models_are_added(
    cohort: CohortOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    first = run_models(cohort, out, "blup")
    stop_before_the_page(cohort, out, "blup", "lasso", monkeypatch=monkeypatch)
    assert run_models(cohort, out, "blup").metrics.equals(first.metrics)
    with pytest.raises(InputError, match="holds an unfinished run with --models blup,lasso"):
        run_models(cohort, out, "susie")
    assert run_models(cohort, out, "lasso").fitted == ("lasso",)
    run_models(cohort, tmp_path / "together", "blup", "lasso")
    assert differing(contents(out, CLOCK | RESUMED), contents(tmp_path / "together", CLOCK | RESUMED)) == []


@pytest.mark.parametrize(
    "n_moved", [0, 3, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 4, 5, 6))]
)
def test_results_that_were_being_moved_are_moved_to_the_end(
    cohort: CohortOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_moved: int
) -> None:
    """Whatever the next command is, the folder holds the run that was complete."""
    out = tmp_path / "out"
    run_models(cohort, out, "blup")
    moved: list[Path] = []
    from haploscribe.utils import files

    replace_path = files.replace_path

    def stopping(source: Path, path: Path) -> None:
        if path.parent == out and len(moved) >= n_moved:
            raise KeyboardInterrupt
        if path.parent == out:
            moved.append(path)
        replace_path(source, path)

    with monkeypatch.context() as patched:
        patched.setattr(files, "replace_path", stopping)
        with pytest.raises(KeyboardInterrupt):
            run_models(cohort, out, "blup", "lasso")
    assert run_models(cohort, out, "blup").fitted == ()
    run_models(cohort, tmp_path / "together", "blup", "lasso")
    assert differing(contents(out, CLOCK | RESUMED), contents(tmp_path / "together", CLOCK | RESUMED)) == []


def test_refused_options_leave_a_finished_run_as_it_was(cohort: CohortOptions, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_models(cohort, out, "blup")
    before = stamps(out)
    with pytest.raises(InputError, match="xpresso needs its weights"):
        run_models(cohort, out, "xpresso")
    after = stamps(out)
    assert {path for path in after if path.is_file()} == {path for path in before if path.is_file()}
    assert run_models(cohort, out, "lasso").fitted == ("lasso",)


@pytest.mark.parametrize("models", [("blup",), ("blup", "lasso")])
def test_an_unknown_backbone_is_refused_where_no_model_reads_it(
    cohort: CohortOptions, tmp_path: Path, models: tuple[str, ...]
) -> None:
    run_models(cohort, tmp_path / "out", "blup")
    with pytest.raises(InputError, match="nanoo"):
        run_models(cohort, tmp_path / "out", *models, backbone=BackboneOptions("nanoo"))


def test_python_takes_force(cohort: CohortOptions, tmp_path: Path) -> None:
    opened = haploscribe.open_cohort(
        cohort.variants, cohort.reference, cohort.expression, window=2_000, tile=500
    )
    options: dict[str, Any] = {"models": ["blup"], "folds": 2, "backbone": "kmer"}
    with opened:
        found = [
            haploscribe.run(opened, tmp_path / "out", force=force, **options).fitted
            for force in (False, False, True)
        ]
    assert found == [("blup",), (), ("blup",)]

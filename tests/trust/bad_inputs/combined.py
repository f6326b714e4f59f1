"""Runs that cannot be combined, and runs of a part of the genes."""

import json
import shutil
from collections.abc import Callable

from tests.trust.bad_inputs.finished import record, without
from tests.trust.bad_inputs.options import given
from tests.trust.bad_inputs.rows import PARTS, RESULTS, Case, refused

TITLE = "Runs of a part of the genes"
COMBINE = f"combine {' '.join(PARTS)}"
TISSUES = "combine"
FIRST, SECOND = PARTS


def copied(case: Case) -> None:
    shutil.rmtree(case.path(SECOND))
    shutil.copytree(case.path(FIRST), case.path(SECOND))


def linked(case: Case) -> None:
    shutil.rmtree(case.path(SECOND))
    case.path(SECOND).symlink_to(case.path(FIRST))


def recorded(section: str, **changed: object) -> Callable[[Case], None]:
    """Change entries of a section of the second run's `run.json`."""

    def spoil(case: Case) -> None:
        name = f"{SECOND}/run.json"
        content = json.loads(case.text(name))
        case.write(name, json.dumps(content | {section: content[section] | changed}))

    return spoil


def other_fold(case: Case) -> None:
    import polars as pl

    path = case.path(f"{SECOND}/predictions.parquet")
    table = pl.read_parquet(path)
    table.with_columns(fold=3 - pl.col("fold")).write_parquet(path)


def learning_from_results(case: Case) -> None:
    case.give("cross-gene", RESULTS)
    case.give("models", "susie")


ROWS = (
    refused("a gene twice", copied, f"gene at_start is in {FIRST} and in {SECOND}", verbs=(COMBINE,)),
    refused(
        "a run that was stopped",
        without(f"{SECOND}/summary.json"),
        f"{SECOND} has no summary.json",
        "finished `haploscribe run`",
        verbs=(COMBINE,),
    ),
    refused(
        "runs of other options",
        recorded("options", seed=7),
        f"{SECOND} is a run with --seed 7, {FIRST} has --seed 0",
        verbs=(COMBINE,),
    ),
    refused(
        "runs of other versions",
        recorded("versions", numpy="1.0"),
        f"{SECOND} is a run written with numpy 1.0, but numpy .* is that of {FIRST}",
        verbs=(COMBINE,),
        elsewhere=r"(?<=but numpy )\S+",
    ),
    refused(
        "runs of another version of Haploscribe",
        record(f"{SECOND}/run.json", haploscribe="0.0.1"),
        "written with haploscribe 0.0.1",
        verbs=(COMBINE,),
    ),
    refused(
        "runs of other samples or folds",
        other_fold,
        f"{SECOND} has other samples or folds than {FIRST}",
        "the same samples",
        verbs=(COMBINE,),
    ),
    refused("one run by two names", linked, "two runs or more, each once", verbs=(COMBINE,)),
    refused("combined: --out is one of the runs", given("out", FIRST), "--out", "another", verbs=(COMBINE,)),
    refused("combined: --out holds a run", given("out", RESULTS), "holds a run", "--force", verbs=(COMBINE,)),
    refused("one tissue alone", given("tissue", f"a={FIRST}"), "two tissues or more", verbs=(TISSUES,)),
    refused(
        "a tissue without a name",
        given("tissue", [FIRST, f"b={SECOND}"]),
        "write NAME=RESULTS",
        verbs=(TISSUES,),
    ),
    refused(
        "a tissue twice",
        given("tissue", [f"a={FIRST}", f"a={SECOND}"]),
        "a is given twice",
        verbs=(TISSUES,),
    ),
    refused(
        "tissues of other models",
        given("tissue", [f"a={FIRST}", f"b={RESULTS}"]),
        "results has the models",
        "the same models",
        verbs=(TISSUES,),
    ),
    refused(
        "--contig that no gene is on",
        given("contig", "chr7"),
        "--contig chr7: no gene of the run is on it in expression.bed, they are on chr2, chrX",
        verbs=("check", "run"),
    ),
    refused(
        "--cross-gene where no model learns across genes",
        given("cross-gene", RESULTS),
        "none of blup learns across genes",
        verbs=("run",),
    ),
    refused(
        "--cross-gene: a run that learned nothing across genes",
        learning_from_results,
        "results has no cross-gene/fold-1.safetensors",
        verbs=("run",),
    ),
)

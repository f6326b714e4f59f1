"""Order in files changes nothing: people's columns, covariates' lines, and the kind of variants file."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.estimators.registry import ESTIMATOR_NAMES
from haploscribe.utils.file_lists import Files
from haploscribe.workflows.run.workflow import run
from tests.fixtures.cohorts import PEOPLE, rewritten, stand_in_for_sequence_models, write_cohort
from tests.fixtures.equal_outputs import assert_same_results
from tests.fixtures.peers import require_program
from tests.fixtures.variants import only_file

SOME = ("elastic-net", "blup-distance", "blup-delta", "ensemble")
Lines = list[list[str]]


def results_of(
    cohort: CohortOptions, folder: Path, name: str, models: tuple[str, ...] = SOME, jobs: int = 1
) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        stand_in_for_sequence_models(folder, patch)
        run(
            cohort,
            BackboneOptions("kmer"),
            EvaluationOptions(models=models, folds=2),
            folder / name,
            worker_options=WorkerOptions(jobs),
        )
    return folder / name


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("order")


@pytest.fixture(scope="module")
def cohort(folder: Path) -> CohortOptions:
    return write_cohort(folder / "in")


@pytest.fixture(scope="module")
def some(cohort: CohortOptions, folder: Path) -> Path:
    return results_of(cohort, folder, "some")


def people_in_another_order(lines: Lines) -> Lines:
    """Move the columns of people, wherever they begin, and leave the others."""
    header = next(line for line in lines if PEOPLE[0] in line)
    first = header.index(next(name for name in header if name in PEOPLE))
    order = [*range(first), *(first + np.random.default_rng(5).permutation(len(PEOPLE)))]
    return [[line[i] for i in order] if len(line) == len(header) else line for line in lines]


def reversed_lines(lines: Lines) -> Lines:
    return [lines[0], *lines[:0:-1]]


def contigs_swapped(lines: Lines) -> Lines:
    """Records of chrX first; each contig's stay in order."""
    head = [line for line in lines if line[0].startswith("#")]
    return head + sorted(lines[len(head) :], key=lambda line: line[0] != "chrX")


FILES = ("variants", "expression", "covariates", "hidden_factors")


@pytest.mark.parametrize("name", FILES)
def test_the_order_of_people_in_a_file_changes_no_byte(
    cohort: CohortOptions, some: Path, folder: Path, name: str
) -> None:
    other = rewritten(getattr(cohort, name), folder / f"people-{name}", people_in_another_order)
    changed = results_of(replace(cohort, **{name: other}), folder, f"people-{name}-out")  # type: ignore[arg-type]
    assert_same_results(some, changed, other_files=True)


@pytest.mark.slow
def test_the_order_of_people_in_all_files_and_jobs_change_no_byte_of_any_model(
    cohort: CohortOptions, folder: Path
) -> None:
    one = results_of(cohort, folder, "all", ESTIMATOR_NAMES)
    others = {
        name: rewritten(getattr(cohort, name), folder / "people-all", people_in_another_order)
        for name in FILES
    }
    changed = replace(cohort, **others)  # type: ignore[arg-type]
    assert_same_results(one, results_of(changed, folder, "all-2", ESTIMATOR_NAMES, jobs=2), other_files=True)


@pytest.mark.parametrize("name", ["covariates", "hidden_factors"])
def test_the_order_of_covariates_moves_the_last_digits_alone(
    cohort: CohortOptions, some: Path, folder: Path, name: str
) -> None:
    """Their regression sums over them in the file's order."""
    other = rewritten(getattr(cohort, name), folder / f"lines-{name}", reversed_lines)
    out = results_of(replace(cohort, **{name: other}), folder, f"lines-{name}-out")  # type: ignore[arg-type]
    keys = ["gene_id", "sample_id", "model", "fold"]
    one, changed = (pl.read_parquet(path / "predictions.parquet") for path in (some, out))
    assert one.select(keys).equals(changed.select(keys))
    np.testing.assert_allclose(one["predicted"], changed["predicted"], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "change"),
    [("variants", contigs_swapped), ("expression", contigs_swapped), ("expression", reversed_lines)],
)
def test_the_order_of_contigs_and_of_genes_changes_no_byte(
    cohort: CohortOptions, some: Path, folder: Path, name: str, change: Callable[[Lines], Lines]
) -> None:
    other = rewritten(getattr(cohort, name), folder / f"{change.__name__}-{name}", change)
    out = results_of(replace(cohort, **{name: other}), folder, f"{change.__name__}-{name}-out")  # type: ignore[arg-type]
    assert_same_results(some, out, other_files=True)


def as_peaks(lines: Lines) -> Lines:
    """Rows of up to 401 bp around each position."""
    header, *rows = lines
    widths = [min(int(row[1]), 200) for row in rows]
    peaks = zip(rows, widths, strict=True)
    return [
        header,
        *([row[0], str(int(row[1]) - width), str(int(row[2]) + width), *row[3:]] for row, width in peaks),
    ]


def test_peaks_are_predicted_as_their_middle_is(cohort: CohortOptions, some: Path, folder: Path) -> None:
    other = rewritten(cohort.expression, folder / "peaks", as_peaks)
    out = results_of(replace(cohort, expression=other, position="middle"), folder, "peaks-out")
    one, peaks = (pl.read_parquet(path / "predictions.parquet") for path in (some, out))
    assert one.equals(peaks)


def as_bcf(vcf: Path, folder: Path) -> Path:
    return converted("bcftools", "view", "-Ob", "-o", folder / "v.bcf", vcf)


def as_bgzipped(vcf: Path, folder: Path) -> Path:
    return converted("bcftools", "view", "-Oz", "-o", folder / "v.vcf.gz", vcf)


def in_files(vcf: Path, folder: Path) -> Files:
    """The second half of chr2, chrX and the first half of chr2, as bcftools cuts them."""
    positions = [line.split("\t")[1] for line in vcf.read_text().splitlines() if line.startswith("chr2\t")]
    middle = int(positions[len(positions) // 2])
    regions = {"late.bcf": f"chr2:{middle}-", "x.vcf": "chrX", "early.vcf.gz": f"chr2:1-{middle - 1}"}
    cut = ("bcftools", "view", "--targets-overlap", "pos", "--targets")
    return Files(converted(*cut, region, "-o", folder / name, vcf) for name, region in regions.items())


def converted(program: str, *arguments: object) -> Path:
    require_program(program)
    subprocess.run([program, *map(str, arguments)], check=True, capture_output=True)
    return Path(str(arguments[-2]))


@pytest.mark.parametrize("convert", [as_bcf, as_bgzipped, in_files])
def test_the_kind_and_number_of_variants_files_changes_no_byte(
    cohort: CohortOptions, some: Path, folder: Path, convert: Callable[[Path, Path], Path | Files]
) -> None:
    other = convert(only_file(cohort.variants), folder)
    name = f"{convert.__name__}-out"
    assert_same_results(some, results_of(replace(cohort, variants=other), folder, name), other_files=True)

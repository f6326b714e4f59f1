"""Every subcommand that reads variants takes several files as it takes one."""

import subprocess
from pathlib import Path

import polars as pl
import pytest

from haploscribe.config.options import CohortOptions
from tests.fixtures.cohorts import PEOPLE, write_cohort
from tests.fixtures.command_line import inputs_of, run_cli
from tests.fixtures.peers import require_program

MODELS = ("--models", "blup,elastic-net", "--folds", 2, "--maf", 0)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> CohortOptions:
    return write_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def folder(cohort: CohortOptions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file for each contig, and no other."""
    folder = tmp_path_factory.mktemp("files")
    for contig in ("chr2", "chrX"):
        out = folder / f"{contig}.vcf.gz"
        command = [require_program("bcftools"), "view", "--targets", contig, "-o", out, cohort.variants]
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return folder


def test_check_reads_the_genes_of_all_files(
    cohort: CohortOptions,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    printed = []
    repeated = ("--variants", folder / "chr2.vcf.gz", "--variants", folder / "chrX.vcf.gz")
    others = inputs_of(cohort, variants=None)
    for given in (("--variants", cohort.variants), repeated, ("--variants", folder)):
        options = (*others, "--maf", 0, "--models", "blup")
        assert run_cli("check", *given, *options, monkeypatch=monkeypatch) == 0
        *lines, last = capsys.readouterr().out.splitlines()
        assert last.startswith("Next: ")
        # The time is measured.
        printed.append([line for line in lines if not line.startswith("OK. ")])
    assert printed[0] == printed[1] == printed[2]


def test_haplotypes_of_several_files_are_those_of_one(
    cohort: CohortOptions, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = ",".join(PEOPLE[:3])
    given = ("--reference", cohort.reference, "--region", "chrX:1-500", "--sample", people)
    for name, variants in (("one", cohort.variants), ("several", folder / "{contig}.vcf.gz")):
        files = ("--variants", variants, "--out", tmp_path / name)
        assert run_cli("haplotypes", *files, *given, monkeypatch=monkeypatch) == 0
    assert (tmp_path / "one").read_bytes() == (tmp_path / "several").read_bytes()


@pytest.mark.slow
def test_a_run_on_a_folder_explains_and_predicts_as_on_one_file(
    cohort: CohortOptions, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(*arguments: object) -> None:
        assert run_cli(*arguments, monkeypatch=monkeypatch) == 0

    found = []
    for name, variants in (("one", cohort.variants), ("several", folder)):
        config, out = tmp_path / f"{name}.toml", tmp_path / name
        config.write_text(f'variants = ["{variants}"]\n')
        command("run", "--config", config, *inputs_of(cohort, variants=None), *MODELS, "--out", out)
        command("explain", "--results", out, "--gene", "at the end", "--out", out / "why")
        files = ("--variants", variants, "--reference", cohort.reference)
        command("predict", "--models", out / "models", *files, "--out", out / "new.parquet")
        found.append(
            (
                pl.read_parquet(out / "new.parquet"),
                pl.read_csv(out / "why" / "variants.tsv", separator="\t"),
            )
        )
    assert all(one.equals(several) for one, several in zip(*found, strict=True))


def test_files_that_overlap_end_the_command(
    cohort: CohortOptions, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    twice = ("--variants", cohort.variants, "--variants", folder / "chr2.vcf.gz")
    assert run_cli("check", *twice, *inputs_of(cohort, variants=None), monkeypatch=monkeypatch) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "give files that do not overlap" in line

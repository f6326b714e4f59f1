"""Runs of several tissues, side by side: their own numbers, and what S-MultiXcan reads."""

import gzip
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from haploscribe.config.finished_runs import ExportOptions
from haploscribe.config.options import BackboneOptions, EvaluationOptions, WorkerOptions
from haploscribe.errors import InputError
from haploscribe.results.provenance import recorded_options
from haploscribe.results.tables import read_results
from haploscribe.workflows.run.workflow import run
from haploscribe.workflows.tissues import combine_tissues, export_tissues, named_folders
from tests.fixtures.cohorts import PEOPLE, noise, with_values, write_cohort
from tests.fixtures.exported import query

MODELS = ("elastic-net", "blup-delta")
PLAIN = {"a/b <c>, d": "middle", "at the ": "at-the-", "on X": "on-X"}
EXPORT = ExportOptions(Path(), "b38", models=("elastic-net",), min_r=0.0, max_p=1.0)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two tissues of the same people: another expression in the second, which lacks a gene; one store."""
    folder = tmp_path_factory.mktemp("tissues")
    blood = write_cohort(folder / "cohort")
    text = blood.expression.read_text()
    for odd, plain in PLAIN.items():
        text = text.replace(odd, plain)
    blood.expression.write_text(text)
    other = with_values(
        blood.expression, folder / "liver-cohort", PEOPLE, lambda old: old + 0.01 * noise(old)
    )
    liver = replace(blood, expression=other, genes=("at-the-start", "middle", "on-X"))
    found = {}
    for name, cohort in {"blood": blood, "liver": liver}.items():
        found[name] = folder / name
        evaluation = EvaluationOptions(models=MODELS, folds=2)
        run(cohort, BackboneOptions("kmer"), evaluation, found[name], folder / "embeddings.zarr")
    return found


def test_runs_that_share_a_store_embed_nothing_twice(folders: dict[str, Path]) -> None:
    passes = {name: read_results(folder).summary["embedding"] for name, folder in folders.items()}
    assert passes["blood"] is not None
    assert passes["liver"] is not None
    assert passes["blood"]["forward_passes"] == passes["blood"]["unique_haplotypes"] > 0
    assert passes["liver"]["forward_passes"] == 0 < passes["liver"]["unique_haplotypes"]


def test_each_tissue_has_its_own_numbers(folders: dict[str, Path], tmp_path: Path) -> None:
    combine_tissues(folders, tmp_path)
    table = pl.read_csv(tmp_path / "tissues.tsv", separator="\t")
    assert table.columns == ["gene_id", "symbol", "model", "blood", "liver"]
    assert table.height == 2 * 5
    for name, folder in folders.items():
        expected = read_results(folder).metrics.select("gene_id", "model", name="pearson_r")
        found = table.select("gene_id", "model", name=name).drop_nulls()
        assert found.equals(expected.sort("gene_id", "model"))
    assert table.filter(gene_id="quiet")["liver"].null_count() == 2
    page = (tmp_path / "tissues.html").read_text()
    rows = re.findall(r"<tr><th scope=\"row\">([^<]*)</th>(.*)</tr>", page)
    assert [name for name, _ in rows[:2]] == list(MODELS)
    assert {name for name, _ in rows[2:]} == set(table["gene_id"])
    assert dict(rows)["quiet"].endswith("<td>–</td>")


def test_the_joint_covariances_are_those_of_all_variants_of_the_weights(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    combine_tissues(folders, tmp_path)
    export_tissues(folders, tmp_path, EXPORT, WorkerOptions(), "varID")
    known: dict[str, set[str]] = {}
    for name in folders:
        weights = query(tmp_path / "predictdb" / f"{name}.db", "SELECT gene, varID FROM weights")
        for gene_id, variant in weights.itertuples(index=False):
            known.setdefault(gene_id, set()).add(variant)
    with gzip.open(tmp_path / "joint.txt.gz", "rt") as file:
        lines = [line.split() for line in file][1:]
    assert known
    assert {(line[0], line[1]) for line in lines} == {(gene, one) for gene in known for one in known[gene]}
    assert all(np.isfinite(float(line[3])) for line in lines)


def test_what_cannot_stand_side_by_side_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two tissues or more"):
        combine_tissues({"blood": folders["blood"]}, tmp_path)
    with pytest.raises(InputError, match=r"--tissue 'a b' holds more than letters"):
        combine_tissues({"blood": folders["blood"], "a b": folders["liver"]}, tmp_path)
    with pytest.raises(InputError, match=r"--tissue blood: write NAME=RESULTS"):
        named_folders(("blood",))
    with pytest.raises(InputError, match="blood is given twice"):
        named_folders(("blood=a", "blood=b"))
    assert not list(tmp_path.iterdir())
    combine_tissues(folders, tmp_path)
    with pytest.raises(InputError, match="holds tissues; name another folder, or --force"):
        combine_tissues(folders, tmp_path)


def test_tissues_of_other_models_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    options, _, _ = recorded_options(read_results(folders["blood"]).run, folders["blood"] / "run.json")
    run(options, BackboneOptions("kmer"), EvaluationOptions(models=("blup",), folds=2), tmp_path / "other")
    with pytest.raises(InputError, match="combine tissues of the same models"):
        combine_tissues({**folders, "other": tmp_path / "other"}, tmp_path / "out")

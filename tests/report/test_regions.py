"""The page's regions say what the kept models and the people of the run say."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import linregress

from haploscribe.cohort.cohort import open_cohort
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions
from haploscribe.estimators.inputs import gene_inputs
from haploscribe.examples.cohort import example_cohort
from haploscribe.expression.normalise import prepare
from haploscribe.interpret.explanation import RegionTracks
from haploscribe.report.page import write_report
from haploscribe.report.region_data import saved_regions
from haploscribe.results.saved_models import SavedModels
from haploscribe.results.tables import read_results
from haploscribe.workflows.run.workflow import run

GENES = "ENSG00000128191.9,ENSG00000099899.10"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CohortOptions, Path]]:
    out = tmp_path_factory.mktemp("results")
    with example_cohort() as example:
        cohort = replace(example, genes=GENES, maf=0.05)
        models = ("elastic-net", "elastic-net-1mb", "blup-delta")
        run(cohort, BackboneOptions("kmer"), EvaluationOptions(models=models, folds=2), out)
        yield cohort, out


def regions_of(out: Path) -> dict[str, RegionTracks]:
    return saved_regions(read_results(out), out / "models")


def test_all_genes_that_fit_have_a_region(finished: tuple[CohortOptions, Path]) -> None:
    _, out = finished
    assert sorted(regions_of(out)) == sorted(GENES.split(","))


def test_tests_are_those_of_each_variant_alone(finished: tuple[CohortOptions, Path], tmp_path: Path) -> None:
    cohort_options, out = finished
    with open_cohort(cohort_options, tmp_path) as cohort:
        gene = cohort.genes[1]
        inputs = gene_inputs(cohort, gene, None)
        everyone = np.ones(len(inputs.sample_ids), dtype=np.bool_)
        prepared = prepare(cohort.values[1], cohort.covariates, everyone, "inverse-normal")
    tracks = regions_of(out)[gene.gene_id]
    np.testing.assert_array_equal(tracks.positions, inputs.positions)
    p = [linregress(column, prepared).pvalue for column in inputs.dosages.T.astype(np.float64)]
    np.testing.assert_allclose(tracks.log10_p, -np.log10(p), rtol=1e-6)
    assert tracks.gene == gene
    assert [other.gene_id for other in tracks.neighbours] == [cohort.genes[0].gene_id]


def test_effects_are_the_models_own_and_of_the_cis_window(finished: tuple[CohortOptions, Path]) -> None:
    _, out = finished
    kept = SavedModels(out / "models")
    for number, gene in enumerate(kept.record.genes):
        tracks = regions_of(out)[gene.gene_id]
        assert list(tracks.effects) == ["elastic-net"], "the wide model's variants are others"
        weights = kept.of_gene(number)["elastic-net"].state().arrays["coefficients"]
        np.testing.assert_allclose(tracks.effects["elastic-net"], weights, atol=1e-12)


def test_tiles_are_those_of_the_window_and_weigh_what_the_model_makes_of_them(
    finished: tuple[CohortOptions, Path], tmp_path: Path
) -> None:
    cohort_options, out = finished
    with open_cohort(cohort_options, tmp_path) as cohort:
        tiles = cohort.tiles(cohort.genes[0])
        gene_id = cohort.genes[0].gene_id
    tracks = regions_of(out)[gene_id]
    assert tracks.tiles.tolist() == [[tile.start, tile.end] for tile in tiles]
    assert list(tracks.tile_weights) == ["blup-delta"]
    weights = tracks.tile_weights["blup-delta"]
    empty = [not np.any((tracks.positions >= tile.start) & (tracks.positions < tile.end)) for tile in tiles]
    assert (weights[empty] == 0.0).all()
    assert weights.max() > 0.0


def test_the_page_holds_the_regions_and_results_without_models_have_none(
    finished: tuple[CohortOptions, Path], tmp_path: Path
) -> None:
    _, out = finished
    with_models = write_report(out).read_text()
    best = [tracks.names[int(tracks.log10_p.argmax())] for tracks in regions_of(out).values()]
    assert all(name in with_models for name in best)
    older = tmp_path / "older"
    shutil.copytree(out, older, ignore=shutil.ignore_patterns("models", "embeddings.zarr"))
    without = write_report(older).read_text()
    assert not any(name in without for name in best)


def test_a_run_says_what_each_stage_took(finished: tuple[CohortOptions, Path]) -> None:
    _, out = finished
    summary = read_results(out).summary
    assert list(summary["stages"]) == [
        "reading_variants",
        "embedding",
        "fitting_folds",
        "fitting_all_samples",
    ]
    assert 0.0 < sum(summary["stages"].values()) <= summary["wall_seconds"]

"""The page's regions say what the kept models and the people of the run say."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import linregress

from haploscribe.cohort.cohort import open_cohort
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions
from haploscribe.errors import InputError
from haploscribe.estimators.inputs import gene_inputs
from haploscribe.evaluation.heritability import snp_heritability
from haploscribe.examples.cohort import example_cohort
from haploscribe.expression.normalise import prepare
from haploscribe.interpret.explanation import RegionTracks
from haploscribe.report.gene_details import GeneDetail, saved_details
from haploscribe.report.page import write_report
from haploscribe.report.tables import gene_rows, models_in_order
from haploscribe.results.saved_models import SavedModels
from haploscribe.results.tables import read_predictions, read_results
from haploscribe.workflows.run.workflow import run

pytestmark = pytest.mark.regions

GENES = "ENSG00000128191.9,ENSG00000099899.10"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CohortOptions, Path]]:
    out = tmp_path_factory.mktemp("results")
    with example_cohort() as example:
        cohort = replace(example, genes=GENES, maf=0.05)
        models = ("elastic-net", "elastic-net-1mb", "blup", "blup-delta")
        run(cohort, BackboneOptions("kmer"), EvaluationOptions(models=models, folds=2), out)
        yield cohort, out


def details_of(out: Path, most: int = 30) -> dict[str, GeneDetail]:
    results = read_results(out)
    models = models_in_order(results)
    return saved_details(gene_rows(results.metrics, models), models, out, most)


def regions_of(out: Path) -> dict[str, RegionTracks]:
    return {gene: detail.tracks for gene, detail in details_of(out).items() if detail.tracks is not None}


def test_the_best_genes_have_a_region(finished: tuple[CohortOptions, Path]) -> None:
    _, out = finished
    assert sorted(regions_of(out)) == sorted(GENES.split(","))
    metrics = read_results(out).metrics
    best = metrics.filter(metrics["pearson_r"] == metrics["pearson_r"].max())["gene_id"]
    assert list(details_of(out, most=1)) == best.to_list()


def test_predictions_are_the_held_out_ones_of_the_best_model(finished: tuple[CohortOptions, Path]) -> None:
    _, out = finished
    metrics, everything = read_results(out).metrics, read_predictions(out)
    for gene_id, detail in details_of(out).items():
        rows = metrics.filter(metrics["gene_id"] == gene_id).sort("pearson_r")
        found = detail.predictions
        assert found is not None
        assert found.model == rows["model"][-1]
        wanted = everything.filter((everything["gene_id"] == gene_id) & (everything["model"] == found.model))
        np.testing.assert_array_equal(np.sort(found.observed), np.sort(wanted["observed"].to_numpy()))
        np.testing.assert_array_equal(np.sort(found.predicted), np.sort(wanted["predicted"].to_numpy()))


def test_damaged_predictions_are_one_line(finished: tuple[CohortOptions, Path], tmp_path: Path) -> None:
    _, out = finished
    spoilt = Path(shutil.copytree(out, tmp_path / "spoilt", ignore=shutil.ignore_patterns("*.zarr")))
    path = spoilt / "predictions.parquet"
    content = bytearray(path.read_bytes())
    content[4 : len(content) // 2] = bytes(len(content) // 2 - 4)  # the footer stays, the columns do not
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"predictions.parquet is damaged"):
        write_report(spoilt)


def test_heritability_is_what_blup_estimates_in_all_samples(
    finished: tuple[CohortOptions, Path], tmp_path: Path
) -> None:
    cohort_options, out = finished
    with open_cohort(cohort_options, tmp_path) as cohort:
        for number, gene in enumerate(cohort.genes):
            inputs = gene_inputs(cohort, gene, None)
            everyone = np.ones(len(inputs.sample_ids), dtype=np.bool_)
            prepared = prepare(cohort.values[number], cohort.covariates, everyone, "inverse-normal")
            found = details_of(out)[gene.gene_id].heritability
            assert found == pytest.approx(snp_heritability(inputs.dosages, prepared).estimate, abs=1e-6)


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
        assert list(tracks.effects) == ["elastic-net", "blup"], "the wide model's variants are others"
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
    assert all(re.fullmatch(r"chr22:\d+:[ACGT]+:[ACGT]+( \(rs\d+\))?", name) for name in best)
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

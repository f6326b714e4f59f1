"""Every model reads the variants within half the window of the TSS, whatever the tiles."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import haploscribe
from haploscribe.cohort import windows as cohort_windows
from haploscribe.cohort.cohort import open_cohort
from haploscribe.config.finished_runs import ExplanationOptions, PredictionOptions
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.errors import InputError
from haploscribe.estimators.inputs import GeneInputs, gene_inputs, haplotype_inputs
from haploscribe.evaluation.folds import gene_splits
from haploscribe.expression.genes import Gene
from haploscribe.parallel.executor import Executor
from haploscribe.results.tables import read_predictions
from haploscribe.workflows.explain import explain
from haploscribe.workflows.predict.workflow import predict
from haploscribe.workflows.run.workflow import run
from haploscribe.workflows.validate import validated_cohort
from tests.fixtures.drawn_windows import Fingerprints, embedded, opened
from tests.fixtures.small_cohort import GENES, write_small_cohort
from tests.fixtures.variants import DrawnContig, contigs

DOSAGE_MODELS = ("elastic-net", "elastic-net-1mb", "blup-distance", "susie")


def carried(inputs: GeneInputs) -> dict[int, list[object]]:
    """Each sample's deltas, by the start of the tile; tiles that nobody's variants change are left out."""
    return {tile.start: tile.deltas[tile.index].tolist() for tile in inputs.tiles if tile.index.any()}


@settings(max_examples=10, deadline=None)
@given(
    contig=contigs(),
    places=st.lists(st.integers(0, 69), min_size=1, max_size=3),
    window=st.integers(0, 60),
    tile=st.integers(1, 30),
)
def test_deltas_and_dosages_are_those_of_a_file_without_the_variants_outside(
    contig: DrawnContig, places: list[int], window: int, tile: int
) -> None:
    """All genes share one store; what a gene reads there is what it would read of a file of its own."""
    length = len(contig.sequence)
    genes = [Gene(f"g{i}", "c", min(tss, length - 1), "+") for i, tss in enumerate(places)]
    with TemporaryDirectory() as name:
        folder, backbone = Path(name), Fingerprints()
        with opened(folder / "all", contig, genes, window, tile) as windows:
            deltas = embedded(windows, folder / "all.zarr", backbone)
            for gene in genes:
                near = [each for each in contig.records if abs(each.position - gene.tss) <= window // 2]
                inputs = gene_inputs(windows, gene, deltas)
                assert set(inputs.positions.tolist()) == {record.position for record in near}
                alone = replace(contig, records=tuple(near))
                with opened(folder / gene.gene_id, alone, [gene], window, tile) as other:
                    store = folder / f"{gene.gene_id}.zarr"
                    of_its_own = embedded(other, store, Fingerprints())
                    expected = gene_inputs(other, gene, of_its_own)
                    split = haplotype_inputs(other, gene, of_its_own)
                assert carried(inputs) == carried(expected)
                assert carried(haplotype_inputs(windows, gene, deltas)) == carried(split)
                np.testing.assert_array_equal(inputs.positions, expected.positions)
                np.testing.assert_array_equal(inputs.dosages, expected.dosages)
            again = Fingerprints()
            embedded(windows, folder / "all.zarr", again)
            assert again.seen == []


@settings(max_examples=6, deadline=None)
@given(
    contig=contigs(), places=st.lists(st.integers(0, 69), min_size=1, max_size=3), window=st.integers(0, 60)
)
def test_a_store_of_other_windows_is_never_read_for_these(
    contig: DrawnContig, places: list[int], window: int
) -> None:
    """Windows that grow by a base at a time, over one store."""
    length = len(contig.sequence)
    genes = [Gene(f"g{i}", "c", min(tss, length - 1), "+") for i, tss in enumerate(places)]
    with TemporaryDirectory() as name:
        folder = Path(name)
        with opened(folder / "all", contig, genes, window, 12) as windows:
            for wider in (0, 2, 4):
                wide = replace(windows, window=window + wider)
                shared = embedded(wide, folder / "shared.zarr", Fingerprints())
                fresh = embedded(wide, folder / f"{wider}.zarr", Fingerprints())
                for gene in genes:
                    assert carried(gene_inputs(wide, gene, shared)) == carried(gene_inputs(wide, gene, fresh))


def test_a_variant_at_either_edge_is_read_and_one_beyond_is_not(tmp_path: Path) -> None:
    options = write_small_cohort(tmp_path)
    everything = validated_positions(replace(options, window=20_000))
    gene_id, tss = "on X", GENES["on X"][1]
    distances = sorted({abs(position - tss) for position in everything[gene_id]})
    edge = next(distance for distance in distances if distance > 800)
    inside = {position for position in everything[gene_id] if abs(position - tss) <= edge}
    assert set(validated_positions(replace(options, window=2 * edge))[gene_id]) == inside
    assert set(validated_positions(replace(options, window=2 * edge + 1))[gene_id]) == inside
    assert len(set(validated_positions(replace(options, window=2 * edge - 2))[gene_id])) < len(inside)


def validated_positions(options: CohortOptions) -> dict[str, list[int]]:
    """The dosage columns of each gene, which the scan counts."""
    with validated_cohort(options, Executor(1)) as validated:
        cohort = validated.cohort
        found = {gene.gene_id: gene_inputs(cohort, gene, None).positions.tolist() for gene in cohort.genes}
        assert validated.scan.n_variants.tolist() == [len(found[gene.gene_id]) for gene in cohort.genes]
    return found


def test_the_wide_window_is_exact_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cohort_windows, "WIDE_WINDOW", 3_333)
    options = write_small_cohort(tmp_path)
    expected = validated_positions(replace(options, window=3_333))
    for tile in (500, 36):
        with validated_cohort(replace(options, tile=tile), Executor(1), wide=True) as validated:
            assert validated.scan.n_wide_variants is not None
            for number, gene in enumerate(validated.cohort.genes):
                wide = gene_inputs(validated.cohort, gene, None).wide
                assert wide is not None
                assert wide.positions.tolist() == expected[gene.gene_id]
                assert validated.scan.n_wide_variants[number] == wide.positions.size


def test_predictions_from_dosages_do_not_depend_on_the_tiles(tmp_path: Path) -> None:
    options = replace(write_small_cohort(tmp_path), genes="on X,at the start")
    found = []
    for tile in (500, 36, 7_000):
        evaluation = EvaluationOptions(models=DOSAGE_MODELS, folds=2)
        out = tmp_path / f"out-{tile}"
        run(replace(options, tile=tile), BackboneOptions("kmer"), evaluation, out)
        found.append(read_predictions(out).sort("gene_id", "sample_id", "model"))
    assert found[0].equals(found[1])
    assert found[0].equals(found[2])


def test_splits_of_genes_do_not_depend_on_the_tiles(tmp_path: Path) -> None:
    options = write_small_cohort(tmp_path)
    splits = []
    for tile in (500, 36, 7_000):
        with open_cohort(replace(options, tile=tile), tmp_path) as cohort:
            splits.append([split.training.tolist() for split in gene_splits(cohort, 2)])
    assert splits[0] == splits[1] == splits[2]


@pytest.mark.parametrize("window", [300, 11])
def test_a_window_smaller_than_a_tile_serves_every_verb(tmp_path: Path, window: int) -> None:
    """Its one or two tiles of 500 bp are cut on both sides."""
    options = replace(write_small_cohort(tmp_path), window=window, genes="on X")
    tss, out = GENES["on X"][1], tmp_path / "out"
    everything = validated_positions(replace(options, window=20_000))["on X"]
    near = [position for position in everything if abs(position - tss) <= window // 2]
    evaluation = EvaluationOptions(models=("blup", "blup-delta"), folds=2)
    run(options, BackboneOptions("kmer"), evaluation, out)
    explained = explain(ExplanationOptions(out, "on X"), WorkerOptions())
    assert explained.names.positions.tolist() == near
    assert np.isfinite(explained.effects["blup-delta"]).all()
    assert len(explained.spans) == len(explained.tile_weights["blup-delta"])
    asked = PredictionOptions(out / "models", options.variants, options.reference)
    predicted = predict(asked, WorkerOptions())
    assert predicted.coverage["n_variants"].to_list() == [len(near)]
    files = (options.variants, options.reference, options.expression)
    with haploscribe.open_cohort(*files, genes="on X", window=window, tile=500) as cohort:
        gene = cohort.gene("on X", cohort.embed("kmer", store=tmp_path / "api.zarr"))
        assert gene.variants["pos"].to_list() == [position + 1 for position in near]
        read = {allele.position for tile in gene.tiles for alleles in tile.alleles for allele in alleles}
        assert read == set(near)
        assert gene.deltas().shape[2] == len(gene.tiles)


def test_a_variant_asked_about_beyond_the_edge_of_the_window_is_refused(tmp_path: Path) -> None:
    options = replace(write_small_cohort(tmp_path), window=300, genes="on X")
    tss, out = GENES["on X"][1], tmp_path / "out"
    run(options, BackboneOptions("random"), EvaluationOptions(models=("blup-delta",), folds=2), out)
    sequence = options.reference.read_text().split(">chrX\n")[1].replace("\n", "")
    ref = sequence[tss + 150 : tss + 152]
    first, second = (next(base for base in "ACGT" if base != letter) for letter in ref)
    at_edge = f"chrX:{tss + 151}:{ref[0]}:{first}"
    explained = explain(ExplanationOptions(out, "on X", variants=(at_edge,)), WorkerOptions())
    assert explained.queried_effects["blup-delta"].all()
    for beyond in (f"chrX:{tss + 152}:{ref[1]}:{second}", f"chrX:{tss + 151}:{ref}:{ref[0]}{second}"):
        with pytest.raises(InputError, match="lies outside the window of on X, chrX:2851-3151"):
            explain(ExplanationOptions(out, "on X", variants=(beyond,)), WorkerOptions())

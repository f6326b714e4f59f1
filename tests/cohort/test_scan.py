"""A scan counts what is there."""

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np

from haploscribe.cohort.cohort import open_cohort
from haploscribe.cohort.scan import VariantScan
from haploscribe.config.options import CohortOptions
from haploscribe.estimators.inputs import gene_inputs
from haploscribe.genome.variant_filter import Verdict
from haploscribe.parallel.executor import Executor
from haploscribe.workflows.validate import validated_cohort
from tests.fixtures.variants import only_file


def scan_of(options: CohortOptions, *, wide: bool = False) -> VariantScan:
    with validated_cohort(options, Executor(1), wide=wide) as validated:
        return validated.scan


def positions_of(example: CohortOptions) -> np.ndarray:
    lines = gzip.decompress(only_file(example.variants).read_bytes()).decode().splitlines()
    return np.array([int(line.split("\t")[1]) - 1 for line in lines if not line.startswith("#")])


def test_counts_equal_those_of_the_file(example: CohortOptions, tmp_path: Path) -> None:
    positions = positions_of(example)
    scan = scan_of(example)
    with open_cohort(example, tmp_path) as cohort:
        half = example.window // 2
        windows = [(gene.tss - half, gene.tss + half + 1) for gene in cohort.genes]
        columns = [gene_inputs(cohort, gene, None).dosages.shape[1] for gene in cohort.genes]
    inside = [((positions >= start) & (positions < end)).sum() for start, end in windows]
    assert scan.n_variants.tolist() == inside == columns
    anywhere = np.any([(positions >= start) & (positions < end) for start, end in windows], axis=0)
    assert scan.n_judged[Verdict.USED] == anywhere.sum()


def test_maf_floor_leaves_out_rare_variants_of_models_and_counts(
    example: CohortOptions, tmp_path: Path
) -> None:
    options = replace(example, maf=0.2)
    scan = scan_of(options)
    with open_cohort(options, tmp_path) as cohort:
        gene = cohort.genes[3]
        dosages = gene_inputs(cohort, gene, None).dosages
    frequency = dosages.mean(axis=0) / 2
    assert np.minimum(frequency, 1 - frequency).min() >= 0.2
    assert scan.n_variants[3] == dosages.shape[1]
    assert scan.n_judged[Verdict.RARE] > 0


def test_wide_windows_are_counted_where_they_are_read(example: CohortOptions, tmp_path: Path) -> None:
    positions = positions_of(example)
    scan = scan_of(example, wide=True)
    with open_cohort(example, tmp_path, wide=True) as cohort:
        windows = [(gene.tss - 1_000_000, gene.tss + 1_000_001) for gene in cohort.genes]
        gene, (start, end) = cohort.genes[5], windows[5]
        inputs = gene_inputs(cohort, gene, None)
    with open_cohort(example, tmp_path) as cohort:
        narrow = gene_inputs(cohort, gene, None)
    wide, taken = inputs.wide, inputs.take(np.array([7, 3])).wide
    inside = [((positions >= start) & (positions < end)).sum() for start, end in windows]
    assert scan.n_wide_variants is not None
    assert scan.n_wide_variants.tolist() == inside
    assert wide is not None
    assert taken is not None
    assert wide.positions.tolist() == positions[(positions >= start) & (positions < end)].tolist()
    assert narrow.wide is None
    near = np.isin(wide.positions, narrow.positions)
    np.testing.assert_array_equal(wide.dosages[:, near], narrow.dosages)
    np.testing.assert_array_equal(taken.dosages, wide.dosages[[7, 3]])

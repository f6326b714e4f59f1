"""A gene's arrays and the cohort's tables are what other programs find in the same files."""

import gzip
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pysam.bcftools
import pytest
from scipy.stats import norm, rankdata
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold

from haploscribe.api.cohort import OpenedCohort, example_cohort, open_cohort
from haploscribe.api.gene import GeneData
from haploscribe.config.options import CohortOptions
from haploscribe.errors import InputError
from tests.fixtures.api_run import GENE, OTHER_GENE, Made
from tests.fixtures.peers import require_program
from tests.fixtures.small_cohort import LENGTHS, write_small_cohort
from tests.fixtures.variants import consensus, only_file

MAF = 0.05


@pytest.fixture(scope="module")
def gene() -> Iterator[GeneData]:
    with example_cohort(genes=GENE, window=100_000, maf=MAF) as cohort:
        found = cohort.gene(GENE)
        assert found.tiles
        yield found


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OpenedCohort, CohortOptions]]:
    """Insertions and deletions, and windows as wide as the contigs."""
    options = write_small_cohort(tmp_path_factory.mktemp("small"))
    names = ("variants", "reference", "expression")
    files = {name: getattr(options, name) for name in names}
    with open_cohort(**files, window=20_000, tile=500) as cohort:
        yield cohort, replace(options, variants=bgzipped(only_file(options.variants)))


def bgzipped(path: Path) -> Path:
    """A copy that bcftools reads regions of; its `-s` takes no names with spaces."""
    plain, done = path.with_suffix(".plain.vcf"), path.with_suffix(".vcf.gz")
    plain.write_text(path.read_text().replace(" Doe-Ny", "_Doe-Ny"))
    pysam.tabix_compress(str(plain), str(done))
    pysam.tabix_index(str(done), preset="vcf")
    return done


def queried(path: Path, region: str, samples: tuple[str, ...], maf: float) -> pl.DataFrame:
    """What `bcftools query` says of a region's biallelic records."""
    require_program("bcftools")
    fields = r"%CHROM\t%POS\t%ID\t%REF\t%ALT[\t%GT]\n"
    text = pysam.bcftools.query("-r", region, "-s", ",".join(samples), "-f", fields, str(path))
    rows = []
    for line in text.splitlines():
        chrom, pos, name, ref, alt, *calls = line.split("\t")
        copies = [call.count("1") for call in calls]
        frequency = sum(copies) / (2 * len(copies))
        if min(frequency, 1 - frequency) >= maf and "," not in alt:
            rows.append((chrom, int(pos), name, ref, alt, frequency, copies))
    columns = ["chrom", "pos", "id", "ref", "alt", "frequency", "copies"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def test_dosages_and_variants_are_those_of_bcftools_query(gene: GeneData, example: CohortOptions) -> None:
    first, last = gene.variants["pos"][0], gene.variants["pos"][-1]
    wanted = queried(only_file(example.variants), f"chr22:{first}-{last}", gene.sample_ids, MAF)
    columns = ["chrom", "pos", "id", "ref", "alt"]
    assert gene.variants.select(columns).rows() == wanted.select(columns).rows()
    assert gene.dosages.dtype == np.float32
    assert gene.dosages.T.tolist() == wanted["copies"].to_list()
    assert gene.variants["frequency"].to_numpy() == pytest.approx(wanted["frequency"].to_numpy(), abs=1e-12)


def test_variants_are_those_within_half_the_window_of_the_tss(gene: GeneData, example: CohortOptions) -> None:
    # The bundled table's row: chr22, 20117391, 20117392, gene, minus strand; a window of 100 kb.
    tss = 20_117_392
    region = f"chr22:{tss - 50_000}-{tss + 50_000}"
    wanted = queried(only_file(example.variants), region, gene.sample_ids, MAF)
    assert gene.variants["pos"].to_list() == wanted["pos"].to_list()


def test_distance_is_along_the_strand_from_the_tss(gene: GeneData, made: Made) -> None:
    # The genes of the bundled table: one on each strand.
    assert gene.variants["distance"].to_list() == [20_117_392 - pos for pos in gene.variants["pos"]]
    other = made.cohort.gene(OTHER_GENE)
    assert other.X.gene.strand == "+"
    assert other.variants["distance"].to_list() == [pos - 20_080_232 for pos in other.variants["pos"]]


def test_x_is_an_array_of_dosages_to_numpy_and_scikit_learn(gene: GeneData) -> None:
    X, y = gene
    assert X is gene.X
    assert y is gene.y
    assert np.array_equal(np.asarray(X), gene.dosages)
    assert np.asarray(X, dtype=np.float64).dtype == np.float64
    by_object = LinearRegression().fit(X[:200], y[:200]).predict(X[200:])
    by_array = LinearRegression().fit(gene.dosages[:200], y[:200]).predict(gene.dosages[200:])
    np.testing.assert_allclose(by_object, by_array, rtol=0, atol=1e-9)


def test_tiles_joined_over_a_contig_are_what_bcftools_consensus_writes(
    small: tuple[OpenedCohort, CohortOptions],
) -> None:
    require_program("bcftools")
    cohort, files = small
    gene = cohort.gene("a/b <c>, d")
    contig = next(line for line in files.reference.read_text().split(">") if line.startswith("chr2"))
    reference = "".join(contig.splitlines()[1:]).upper()
    assert any(len(s) != tile.end - tile.start for tile in gene.tiles for s in tile.sequences)
    for sample, name in list(enumerate(cohort.sample_ids))[::5]:
        for haplotype in (0, 1):
            joined, done = "", 0
            for tile in gene.tiles:
                joined += reference[done : tile.start] + tile.sequences[tile.index[sample, haplotype]]
                done = tile.end
            variants = only_file(files.variants)
            wanted = consensus(files.reference, variants, name.replace(" ", "_"), haplotype)["chr2"]
            assert joined + reference[done : LENGTHS["chr2"]] == wanted


def test_alleles_of_a_sequence_make_it_from_the_reference(
    small: tuple[OpenedCohort, CohortOptions],
) -> None:
    n_made = 0
    for tile in small[0].gene("a/b <c>, d").tiles:
        reference, *others = tile.sequences
        none, *alleles = tile.alleles
        assert none == ()
        assert len(set(tile.sequences)) == len(tile.haplotypes)
        for sequence, carried in zip(others, alleles, strict=True):
            assert carried
            inside = [one for one in carried if one.position >= tile.start]
            if len(inside) < len(carried) or carried[-1].position + len(carried[-1].reference) > tile.end:
                continue  # reaches over an edge
            made = reference
            for one in reversed(carried):
                at = one.position - tile.start
                assert made[at : at + len(one.reference)] == one.reference.decode()
                made = made[:at] + one.alternate.decode() + made[at + len(one.reference) :]
            assert made == sequence
            n_made += 1
    assert n_made > 50


def test_tiles_are_those_of_the_deltas(made: Made) -> None:
    gene = made.cohort.gene(GENE, made.embedded)
    by_tile = gene.deltas(dense=False)
    assert [(tile.start, tile.end) for tile in gene.tiles] == [(tile.start, tile.end) for tile in by_tile]
    for tile, deltas in zip(gene.tiles, by_tile, strict=True):
        assert np.array_equal(tile.index, deltas.index)
        assert len(tile.sequences) == len(deltas.deltas)


def test_dense_deltas_are_each_haplotypes_counts_minus_the_references(made: Made) -> None:
    gene = made.cohort.gene(GENE, made.embedded)  # counts of 6-mers
    dense = gene.deltas()
    assert dense.dtype == np.float32
    assert dense.shape == (len(gene.sample_ids), 2, len(gene.tiles), 1, 4**6)
    for number, (tile, encoded) in enumerate(zip(gene.tiles, gene.deltas(dense=False), strict=True)):
        expanded = np.array([[encoded.deltas[row] for row in rows] for rows in encoded.index])
        assert np.array_equal(dense[:, :, number], expanded)
        differs = [sequence != tile.sequences[0] for sequence in tile.sequences]
        assert np.array_equal(dense[:, :, number].any(axis=(2, 3)), np.array(differs)[tile.index])


def test_deltas_of_some_samples_are_rows_of_those_of_all(made: Made) -> None:
    gene = made.cohort.gene(GENE, made.embedded)
    some = np.array([7, 3, 300])
    assert np.array_equal(gene.X[some].deltas(), gene.deltas()[some])


def test_deltas_without_embeddings_are_refused(gene: GeneData) -> None:
    with pytest.raises(InputError, match=rf"{GENE} has no deltas: cohort\.gene\(gene_id, embedded\)"):
        gene.deltas()


def test_arrays_of_a_closed_cohort_are_refused() -> None:
    with example_cohort(genes=GENE, window=6_000) as cohort:
        gene = cohort.gene(GENE)
    assert gene.dosages.size
    with pytest.raises(InputError, match="the cohort is closed; open it again"):
        _ = gene.tiles


def test_expression_is_the_table_as_pandas_reads_it(made: Made, example: CohortOptions) -> None:
    table = pd.read_csv(example.expression, sep="\t").set_index("pid")
    frame = made.cohort.expression
    assert frame["sample_id"].to_list() == list(made.cohort.sample_ids)
    assert frame.columns[1:] == made.cohort.genes["gene_id"].to_list()
    for name in frame.columns[1:]:
        assert frame[name].to_list() == table.loc[name, list(made.cohort.sample_ids)].to_list()


def test_covariates_are_the_table_as_pandas_reads_it(made: Made, example: CohortOptions) -> None:
    assert example.covariates is not None
    table = pd.read_csv(example.covariates, sep="\t", index_col=0)
    frame = made.cohort.covariates
    assert frame is not None
    assert frame["sample_id"].to_list() == list(made.cohort.sample_ids)
    assert frame.columns[1:] == table.index.to_list()
    wanted = table[list(made.cohort.sample_ids)].to_numpy().T
    assert np.array_equal(frame.drop("sample_id").to_numpy(), wanted)


def test_a_cohort_without_covariates_has_none(small: tuple[OpenedCohort, CohortOptions]) -> None:
    assert small[0].covariates is None


def test_prepared_is_blom_scores_and_their_residuals_on_covariates(made: Made) -> None:
    train, test = next(KFold(4).split(made.cohort.sample_ids))
    covariates = made.cohort.covariates
    assert covariates is not None
    table = covariates.drop("sample_id").to_numpy()
    raw = made.cohort.expression[GENE].to_numpy()
    scores = norm.ppf((rankdata(raw[train]) - 3 / 8) / (len(train) + 1 / 4))
    fitted = LinearRegression().fit(table[train], scores)
    residuals = scores - fitted.predict(table[train])
    found = made.cohort.prepared(GENE, train)
    np.testing.assert_allclose(found[train], residuals / residuals.std(), rtol=0, atol=1e-9)
    # A held-out value has the interpolated rank of its neighbours in training.
    order = np.argsort(raw[train])
    ranks = np.interp(raw[test], raw[train][order], rankdata(raw[train])[order])
    held_out = norm.ppf((ranks - 3 / 8) / (len(train) + 1 / 4)) - fitted.predict(table[test])
    np.testing.assert_allclose(found[test], held_out / residuals.std(), rtol=0, atol=1e-9)


def test_prepared_is_what_a_run_compares_with(made: Made) -> None:
    for number, (train, test) in enumerate(made.cohort.folds(5, seed=3), start=1):
        rows = made.predictions.filter(gene_id=GENE, model="blup", fold=number)
        observed = dict(zip(rows["sample_id"], rows["observed"], strict=True))
        wanted = [observed[made.cohort.sample_ids[i]] for i in test]
        np.testing.assert_allclose(made.cohort.prepared(GENE, train)[test], wanted, rtol=0, atol=1e-12)


def test_held_out_expression_changes_nothing_prepared_of_the_training_samples(
    example: CohortOptions, tmp_path: Path
) -> None:
    table = pd.read_csv(example.expression, sep="\t").set_index("pid", drop=False)
    with example_cohort(genes=GENE) as cohort:
        train, test = next(KFold(3).split(cohort.sample_ids))
        before = cohort.prepared(GENE, train)
        table.loc[GENE, [cohort.sample_ids[i] for i in test]] = np.linspace(-50.0, 500.0, len(test))
    columns = ["#chr", "start", "end", "pid", *[name for name in table if name not in _DESCRIBING]]
    with gzip.open(tmp_path / "changed.bed.gz", "wt") as file:
        table[[name for name in columns if name in table]].to_csv(file, sep="\t", index=False)
    changed = (example.variants, example.reference, tmp_path / "changed.bed.gz", example.covariates)
    with open_cohort(*changed, genes=GENE) as cohort:
        after = cohort.prepared(GENE, train)
    assert np.array_equal(before[train], after[train])
    assert not np.array_equal(before[test], after[test])


_DESCRIBING = ("#chr", "start", "end", "pid", "gid", "strand")


def test_training_samples_may_be_a_mask(made: Made) -> None:
    mask = np.arange(358) % 3 > 0
    by_index = made.cohort.prepared(GENE, np.flatnonzero(mask), "log2p1")
    assert np.array_equal(made.cohort.prepared(GENE, mask, "log2p1"), by_index)


@pytest.mark.parametrize(
    ("train", "said"),
    [
        ([0, 358], "train: index 358 is out of bounds .*; there are 358 samples"),
        (np.ones(357, dtype=bool), "train: boolean index .*; there are 358 samples"),
        (slice(0, 0), "train selects no sample"),
        (slice(0, 20), "28 covariates"),
    ],
)
def test_training_samples_that_cannot_be_are_refused(made: Made, train: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        made.cohort.prepared(GENE, train)  # type: ignore[arg-type]


def test_an_unknown_normalisation_of_prepared_is_refused(made: Made) -> None:
    with pytest.raises(InputError, match="normalize='zscore'"):
        made.cohort.prepared(GENE, slice(None), "zscore")  # type: ignore[arg-type]

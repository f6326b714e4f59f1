"""A cohort in a notebook: opened once, handed out gene by gene, and leaving nothing behind."""

import gc
import gzip
import tempfile
from dataclasses import fields
from pathlib import Path

import pytest

from haploscribe.api.cohort import OpenedCohort, example_cohort, open_cohort
from haploscribe.config.options import CohortOptions, WorkerOptions
from haploscribe.errors import InputError
from haploscribe.evaluation.folds import make_folds
from haploscribe.expression.table import read_expression
from haploscribe.workflows.check import check
from tests.fixtures.api_run import GENE, OTHER_GENE, Made


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the cohort's temporary files go."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def opened(example: CohortOptions, **options: object) -> OpenedCohort:
    """The bundled cohort, opened as a user opens files: by their names as text."""
    names = ("variants", "reference", "expression", "covariates")
    return open_cohort(**{name: str(getattr(example, name)) for name in names}, **options)  # type: ignore[arg-type]


def test_options_are_those_of_the_command_line(example: CohortOptions) -> None:
    with opened(example, genes=[GENE, OTHER_GENE], maf=0.1, window=50_000) as cohort:
        assert cohort.options == CohortOptions(
            example.variants,
            example.reference,
            example.expression,
            example.covariates,
            genes=f"{GENE},{OTHER_GENE}",
            maf=0.1,
            window=50_000,
        )


def test_check_says_what_the_command_says(made: Made) -> None:
    assert made.cohort.check() == check(made.cohort.options, WorkerOptions()).facts


def test_expression_is_handed_out_as_read(made: Made, example: CohortOptions) -> None:
    table = read_expression(example.expression)
    place = [gene.gene_id for gene in table.genes].index(GENE)
    as_read = dict(zip(table.sample_ids, table.values[place], strict=True))
    X, y = made.cohort.gene(GENE)
    assert y.tolist() == [as_read[name] for name in X.sample_ids]


def test_expression_that_a_user_changes_stays_as_read_in_the_cohort(made: Made) -> None:
    first = made.cohort.gene(GENE).y
    first[:] = 0.0
    assert made.cohort.gene(GENE).y.any()


def test_a_genes_version_may_be_left_out(made: Made) -> None:
    assert made.cohort.gene(GENE.partition(".")[0]).gene_id == GENE


def test_an_unknown_gene_is_refused(made: Made) -> None:
    with pytest.raises(InputError, match=r"no gene 'TP53'; see its \.genes, ids look like ENSG"):
        made.cohort.gene("TP53")


def test_a_gene_of_which_there_are_two_versions_is_refused(example: CohortOptions, tmp_path: Path) -> None:
    text = gzip.decompress(example.expression.read_bytes()).decode()
    table = tmp_path / "expression.bed"
    table.write_text(text.replace(OTHER_GENE, GENE.replace(".10", ".11")))
    with (
        open_cohort(example.variants, example.reference, table) as cohort,
        pytest.raises(InputError, match="several genes"),
    ):
        cohort.gene(GENE.partition(".")[0])


def test_genes_are_listed_where_they_are_transcribed_from(made: Made) -> None:
    # The bundled table's row: chr22, 20117391, 20117392, gene, minus strand.
    place = made.cohort.genes.filter(gene_id=GENE).select("gene_id", "contig", "tss", "strand")
    assert place.rows() == [(GENE, "chr22", 20_117_391, "-")]


def test_folds_are_those_of_a_run(made: Made) -> None:
    by_run = [(fold.fitted.tolist(), fold.test.tolist()) for fold in make_folds(made.cohort.sample_ids, 4, 7)]
    assert [(training.tolist(), test.tolist()) for training, test in made.cohort.folds(4, seed=7)] == by_run


def test_what_is_in_the_store_is_not_embedded_again(made: Made) -> None:
    assert made.cohort.embed("kmer", store=str(made.embedded.store_path)).summary()["forward_passes"] == 0


def test_tiles_embedded_for_another_cohort_are_refused(made: Made) -> None:
    with (
        example_cohort(genes=GENE) as other,
        pytest.raises(InputError, match="embedded for another cohort"),
    ):
        other.gene(GENE, made.embedded)


def test_two_backbones_side_by_side_each_give_their_own_deltas(tmp_path: Path) -> None:
    with example_cohort(genes=GENE, window=6_000, maf=0.05) as cohort:
        embedded = [cohort.embed(name, store=tmp_path / "store.zarr") for name in ("kmer", "nano")]
        tiles = [cohort.gene(GENE, each).X.inputs.tiles[0] for each in embedded]
    # 4^6 counts of 6-mers, and what config.json of nano says
    assert [tile.deltas.shape[2] for tile in tiles] == [4096, 128]


def test_closing_removes_the_temporary_files(temporary: Path) -> None:
    with example_cohort(genes=GENE) as cohort:
        cohort.check()
        assert list(temporary.iterdir())
    assert not list(temporary.iterdir())


def test_a_cohort_that_is_let_go_removes_its_temporary_files(temporary: Path) -> None:
    cohort = example_cohort(genes=GENE)
    cohort.check()
    del cohort
    gc.collect()
    assert not list(temporary.iterdir())


def test_inputs_that_cannot_be_opened_leave_no_temporary_files(
    temporary: Path, example: CohortOptions
) -> None:
    with pytest.raises(InputError):
        open_cohort("absent.vcf.gz", example.reference, example.expression)
    assert not list(temporary.iterdir())


def test_a_closed_cohort_is_refused() -> None:
    with example_cohort(genes=GENE) as cohort:
        cohort.check()
    with pytest.raises(InputError, match="the cohort is closed; open it again"):
        cohort.gene(GENE)


def test_an_unknown_option_is_refused(example: CohortOptions) -> None:
    with pytest.raises(InputError, match="no option 'mafs'; there are assume_phased, contig"):
        opened(example, mafs=0.1)


def test_every_option_of_a_cohort_can_be_given(example: CohortOptions) -> None:
    names = ("variants", "reference", "expression", "covariates")
    others = {
        field.name: getattr(example, field.name) for field in fields(example) if field.name not in names
    }
    with opened(example, **others) as cohort:
        assert cohort.options == example

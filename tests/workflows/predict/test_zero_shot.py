"""Zero-shot models of a run predict new people too, if their weights are given."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pysam.bcftools
import pytest
from polars.testing import assert_frame_equal

from haploscribe.cohort.cohort import open_cohort
from haploscribe.config.finished_runs import PredictionOptions
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.config.zero_shot import ZeroShotOptions
from haploscribe.errors import InputError
from haploscribe.examples.cohort import example_cohort
from haploscribe.workflows.predict.workflow import Predicted, predict
from haploscribe.workflows.run.workflow import run
from haploscribe.zero_shot.predictions import predict_gene
from haploscribe.zero_shot.xpresso import read_xpresso
from tests.fixtures.xpresso_files import RandomXpresso
from tests.fixtures.zero_shot import GENES


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CohortOptions, Path, Path]]:
    """The bundled cohort, the models of two of its genes, Xpresso beside them, and its weights."""
    folder = tmp_path_factory.mktemp("zero-shot")
    weights, out = RandomXpresso().write(folder / "xpresso.h5"), folder / "results"
    with example_cohort() as example:
        # A narrow cis window: Xpresso sees farther.
        cohort = replace(example, genes=",".join(GENES), maf=0.05, window=6_000)
        models = EvaluationOptions(models=("blup", "xpresso"), folds=2)
        run(cohort, BackboneOptions("kmer"), models, out, zero_shot_options=ZeroShotOptions(xpresso=weights))
        yield cohort, out / "models", weights


def predicted(
    trained: tuple[CohortOptions, Path, Path],
    folder: Path,
    weights: Path | None,
    variants: Path | None = None,
) -> tuple[pl.DataFrame, Predicted]:
    cohort, models, _ = trained
    options = PredictionOptions(
        models, variants or cohort.variants, cohort.reference, zero_shot=ZeroShotOptions(xpresso=weights)
    )
    done = predict(options, WorkerOptions(), folder / "p.parquet")
    return pl.read_parquet(folder / "p.parquet"), done


def test_training_people_get_what_the_run_gave_them(
    trained: tuple[CohortOptions, Path, Path], tmp_path: Path
) -> None:
    """The model's own prediction, brought to mean 0 and variance 1, as expression has in training."""
    cohort_options, _, weights = trained
    found, done = predicted(trained, tmp_path, weights)
    assert done.left_out == ()
    assert done.models == ("blup", "xpresso")
    model = read_xpresso(weights)
    with open_cohort(cohort_options, tmp_path) as cohort:
        for gene in cohort.genes:
            raw = predict_gene(model, cohort.genotypes, gene)
            rows = found.filter(model="xpresso", gene_id=gene.gene_id)
            assert rows["sample_id"].to_list() == list(cohort.match.shared)
            expected = (raw.samples - raw.samples.mean()) / raw.samples.std()
            np.testing.assert_allclose(rows["predicted"], expected, atol=1e-9)
            scale = 0.5 / raw.samples.std()
            np.testing.assert_allclose(
                rows.select("haplotype_0", "haplotype_1").to_numpy(),
                scale * (raw.haplotypes - raw.reference),
                atol=1e-9,
            )


def test_a_person_alone_is_predicted_as_among_all(
    trained: tuple[CohortOptions, Path, Path], tmp_path: Path
) -> None:
    cohort, _, weights = trained
    expected, _ = predicted(trained, tmp_path, weights)
    vcf = tmp_path / "one.vcf.gz"
    view = ("-s", "HG00101", "-Oz", "-o", str(vcf), str(cohort.variants))
    pysam.bcftools.view(*view, catch_stdout=False)
    found, _ = predicted(trained, tmp_path, weights, vcf)
    assert_frame_equal(found, expected.filter(sample_id="HG00101"), rel_tol=1e-9)


def test_without_weights_the_others_predict_and_it_is_named(
    trained: tuple[CohortOptions, Path, Path], tmp_path: Path
) -> None:
    found, done = predicted(trained, tmp_path, None)
    assert found["model"].unique().to_list() == ["blup"]
    assert done.left_out == ("xpresso",)
    assert "xpresso" in str(done.summary())


def test_other_weights_are_refused(trained: tuple[CohortOptions, Path, Path], tmp_path: Path) -> None:
    other = RandomXpresso(seed=7).write(tmp_path / "other.h5")
    with pytest.raises(InputError, match="other weights than those of the run"):
        predicted(trained, tmp_path / "o", other)


def test_weights_of_a_model_that_the_run_had_not_are_refused(
    trained: tuple[CohortOptions, Path, Path], tmp_path: Path
) -> None:
    cohort, models, _ = trained
    options = PredictionOptions(
        models, cohort.variants, cohort.reference, zero_shot=ZeroShotOptions(enformer="somewhere")
    )
    with pytest.raises(InputError, match="--enformer: the models are not of a run with enformer"):
        predict(options, WorkerOptions(), tmp_path / "p.tsv")

"""The rules that keep a measured figure honest."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from haploscribe.config.options import NORMALISATIONS, Normalisation
from haploscribe.estimators.base import Estimator
from haploscribe.estimators.cross_gene.effect_prior import DEFAULT_PRIOR, N_SHAPES, EffectVariancePrior
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.linear.blup import DosageBlup
from haploscribe.estimators.linear.elastic_net import ElasticNet
from haploscribe.estimators.registry import model_specs
from haploscribe.evaluation.cross_gene import CrossGeneTraining
from haploscribe.evaluation.cross_validation import PREDICTION_SCHEMA, GeneDataset, evaluate, one_gene
from haploscribe.evaluation.folds import make_folds, read_split
from haploscribe.evaluation.metrics import gene_metrics, summarise_models
from haploscribe.expression.normalise import prepare
from tests.fixtures.synthetic import Constant, Ridge, SyntheticGene, synthetic_gene

RIDGE: Mapping[str, Callable[[], Estimator]] = {"ridge": Ridge}


def dataset_of(gene: SyntheticGene, normalisation: Normalisation = "inverse-normal") -> GeneDataset:
    return GeneDataset(lambda _: gene.inputs, gene.expression[None, :], gene.covariates, normalisation)


def evaluate_one(
    gene: SyntheticGene,
    estimators: Mapping[str, Callable[[], Estimator]] = RIDGE,
    normalisation: Normalisation = "inverse-normal",
) -> pl.DataFrame:
    folds = make_folds(gene.inputs.sample_ids, 5, seed=1)
    return evaluate(dataset_of(gene, normalisation), one_gene(0), folds, estimators)


def test_every_sample_is_predicted_once_a_model_by_a_fold_that_held_it_out() -> None:
    gene = synthetic_gene(1)
    predictions = evaluate_one(gene, {"ridge": Ridge, "constant": Constant})
    assert predictions.schema == PREDICTION_SCHEMA
    assert sorted(predictions["sample_id"].to_list()) == sorted(gene.inputs.sample_ids * 2)
    for fold in make_folds(gene.inputs.sample_ids, 5, seed=1):
        rows = predictions.filter(pl.col("fold") == fold.number, pl.col("model") == "ridge")
        assert rows["sample_id"].to_list() == [gene.inputs.sample_ids[i] for i in fold.test]


def test_predictions_equal_fitting_by_hand() -> None:
    gene = synthetic_gene(2)
    fold = make_folds(gene.inputs.sample_ids, 5, seed=1)[2]
    training = np.isin(np.arange(100), fold.training)
    expression = prepare(gene.expression, gene.covariates, training, "inverse-normal")
    x = np.column_stack([np.ones(100), gene.inputs.dosages])
    # Ridge by augmented least squares, the intercept free of penalty.
    penalty = np.sqrt(30.0) * np.eye(21)[1:]
    solution = np.linalg.lstsq(
        np.vstack([x[fold.training], penalty]), np.concatenate([expression[fold.training], np.zeros(20)])
    )[0]
    rows = evaluate_one(gene).filter(pl.col("fold") == 3)
    assert np.allclose(rows["predicted"], x[fold.test] @ solution, atol=1e-8)
    assert np.allclose(rows["observed"], expression[fold.test], atol=1e-12)


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_a_held_out_persons_expression_changes_no_prediction(normalisation: Normalisation) -> None:
    """Of an estimator that is honest; those of the registry are audited in `tests/trust`."""
    gene = synthetic_gene(3, n_samples=60)
    before = evaluate_one(gene, RIDGE, normalisation)
    someone = before["sample_id"][0]
    changed = gene.expression.copy()
    changed[gene.inputs.sample_ids.index(someone)] = changed.max() * 50
    after = evaluate_one(replace(gene, expression=changed), RIDGE, normalisation)
    fold = before["fold"][0]
    held_out_before, held_out_after = (table.filter(pl.col("fold") == fold) for table in (before, after))
    assert_frame_equal(held_out_before.drop("observed"), held_out_after.drop("observed"), check_exact=True)
    others = pl.col("sample_id") != someone
    assert_frame_equal(held_out_before.filter(others), held_out_after.filter(others), check_exact=True)
    # The same change reaches the folds that do learn from this person, so the test above can fail.
    elsewhere = pl.col("fold") != fold
    assert (before.filter(elsewhere)["observed"] != after.filter(elsewhere)["observed"]).any()


def test_shuffling_people_between_genotypes_and_expression_leaves_nothing_to_predict() -> None:
    matched, shuffled = [], []
    for seed in range(40):
        gene = synthetic_gene(seed, gene_id=f"G{seed}")
        order = np.random.default_rng(1000 + seed).permutation(100)
        wrong = replace(gene, expression=gene.expression[order], covariates=gene.covariates[order])
        matched.append(evaluate_one(gene))
        shuffled.append(evaluate_one(wrong))
    n_variants = {f"G{seed}": 20 for seed in range(40)}
    of_matched, of_shuffled = (
        summarise_models(gene_metrics(pl.concat(tables), n_variants))["ridge"]
        for tables in (matched, shuffled)
    )
    assert of_matched["mean_r"] > 0.4
    assert of_matched["n_significant"] >= 36
    # Held-out r of nothing has SD 1/√20 a fold, so 1/√(20·5·40) = .016 on the mean: within three of those.
    assert abs(of_shuffled["mean_r"]) < 0.048
    assert of_shuffled["n_significant"] <= 2


@pytest.mark.slow
def test_p_values_hold_their_level_where_there_is_nothing_to_find() -> None:
    """Cross-validation folds share their pairs of people: taken as independent, .12 fall below .05."""
    tables = []
    for seed in range(600):
        gene = synthetic_gene(seed, gene_id=f"G{seed}")
        noise = np.random.default_rng(2000 + seed).normal(size=100)
        tables.append(evaluate_one(replace(gene, expression=noise)))
    metrics = gene_metrics(pl.concat(tables), {f"G{seed}": 20 for seed in range(600)})
    p_values = metrics["pearson_p"].to_numpy()
    # Three standard errors of a proportion of .05 (and .5) among 600.
    assert 0.02 < np.mean(p_values < 0.05) < 0.077
    assert abs(np.mean(p_values < 0.5) - 0.5) < 0.062


def test_the_order_of_samples_changes_no_prediction() -> None:
    gene = synthetic_gene(4)
    order = np.random.default_rng(5).permutation(100)
    other = SyntheticGene(gene.inputs.take(order), gene.expression[order], gene.covariates[order])
    assert_frame_equal(evaluate_one(gene), evaluate_one(other), abs_tol=1e-10)


def test_a_split_marks_its_validation_samples_and_learns_preparation_without_them(tmp_path: Path) -> None:
    gene = synthetic_gene(6)
    words = ["train"] * 60 + ["validation"] * 15 + ["test"] * 20
    path = tmp_path / "split.tsv"
    lines = [f"{name}\t{word}\n" for name, word in zip(gene.inputs.sample_ids, words, strict=False)]
    path.write_text("".join(lines))
    fold = read_split(path, gene.inputs.sample_ids).fold

    def run(expression: np.ndarray) -> pl.DataFrame:
        dataset = dataset_of(replace(gene, expression=expression))
        return evaluate(dataset, one_gene(0), [fold], {"ridge": Ridge, "constant": Constant})

    Ridge.seen.clear()
    before = run(gene.expression)
    (sample_ids, validation), = Ridge.seen  # fmt: skip
    assert sample_ids == gene.inputs.sample_ids[:75]
    assert validation is not None
    assert np.flatnonzero(validation).tolist() == list(range(60, 75))
    assert before["sample_id"].unique().sort().to_list() == list(gene.inputs.sample_ids[75:95])
    changed = gene.expression.copy()
    changed[60:75] *= 9
    assert before["observed"].to_list() == run(changed)["observed"].to_list()


def test_what_other_genes_teach_reaches_those_that_use_it_alone() -> None:
    gene = synthetic_gene(5)
    folds = make_folds(gene.inputs.sample_ids, 3, seed=1)
    rng = np.random.default_rng(0)
    taught_values = {fold.number: rng.normal(size=fold.fitted.size) for fold in folds}
    seen: dict[bool, list[tuple[np.ndarray, EffectVariancePrior]]] = {True: [], False: []}

    @dataclass
    class Replaced:
        number: int

        def adjust(self, inputs: GeneInputs, expression: np.ndarray) -> tuple[GeneInputs, np.ndarray]:
            prior = EffectVariancePrior((float(self.number),) * N_SHAPES)
            return replace(inputs, prior=prior), taught_values[self.number]

    class Pupil(Ridge):
        def __init__(self, uses_other_genes: bool) -> None:
            super().__init__()
            self.uses_other_genes = uses_other_genes

        def fit(
            self, inputs: GeneInputs, expression: np.ndarray, validation: np.ndarray | None = None
        ) -> "Pupil":
            seen[self.uses_other_genes].append((expression, inputs.prior))
            return super().fit(inputs, expression, validation)

    dataset = replace(
        dataset_of(gene), cross_gene=lambda _, fold: CrossGeneTraining((Replaced(fold.number),))
    )
    evaluate(dataset, one_gene(0), folds, {"taught": lambda: Pupil(True), "alone": lambda: Pupil(False)})
    for fold, taught, alone in zip(folds, seen[True], seen[False], strict=True):
        training = np.isin(np.arange(100), fold.training)
        own = prepare(gene.expression, gene.covariates, training, "inverse-normal")[fold.training]
        np.testing.assert_array_equal(taught[0], taught_values[fold.number])
        np.testing.assert_allclose(alone[0], own)
        assert taught[1].weights[0] == fold.number
        assert alone[1] is DEFAULT_PRIOR


def test_folds_without_validation_pass_none() -> None:
    Ridge.seen.clear()
    evaluate_one(synthetic_gene(7))
    assert [validation for _, validation in Ridge.seen] == [None] * 5


@pytest.mark.parametrize(
    ("predicted", "told"),
    [(np.full(20, np.nan), "20 predictions not finite"), (np.zeros((20, 1)), r"shape \(20, 1\)")],
)
def test_a_defective_estimator_is_our_fault_not_the_users(predicted: np.ndarray, told: str) -> None:
    class Broken(Constant):
        def predict(self, inputs: GeneInputs) -> np.ndarray:
            return predicted

    with pytest.raises(RuntimeError, match=f"broken, gene G, fold 1.*{told}"):
        evaluate_one(synthetic_gene(8), {"broken": Broken})


def makers(names: Sequence[str]) -> dict[str, Callable[[], Estimator]]:
    return {name: spec.make for name, spec in model_specs(names, 4).items()}


def test_models_that_share_fits_predict_the_same_as_alone_and_fit_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gene, names = (
        synthetic_gene(9),
        ("blup-distance", "susie", "adaptive-shrinkage", "elastic-net", "ensemble"),
    )
    alone = [evaluate_one(gene, makers((name,))) for name in names]
    fits = Counter[str]()

    def count(fitted: type[DosageBlup | ElasticNet]) -> None:
        plain = fitted.fit

        def fit(self, *data):  # type: ignore[no-untyped-def]
            fits[fitted.__name__] += 1
            return plain(self, *data)

        monkeypatch.setattr(fitted, "fit", fit)

    count(DosageBlup)
    count(ElasticNet)
    together = evaluate_one(gene, makers(names))
    assert fits == {"DosageBlup": 5, "ElasticNet": 5}  # of 5 folds
    # To rounding error: BLAS sums in an order that depends on where in memory an array begins.
    by = ("fold", "model", "sample_id")
    assert_frame_equal(together.sort(by), pl.concat(alone).sort(by), abs_tol=1e-12)

"""Models that others wrote predict as their programs do when these are asked in another way."""

import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.accuracy.parts.peers import OURS, require_same_folds
from benchmarks.accuracy.peer_models import (
    GEMMA_INPUT,
    R_MODELS,
    Chain,
    PeerFold,
    PeerPredictions,
    blup_predictions,
    choose_model,
    gemma_model,
    gemma_predictions,
    gemma_version,
    output_of,
    r_predictions,
    r_versions,
    write_bimbam,
)
from haploscribe.errors import InputError
from haploscribe.evaluation.cross_validation import PREDICTION_SCHEMA
from haploscribe.utils.types import BoolArray, Float64Array
from tests.fixtures import glmnet, susier
from tests.fixtures.peers import require_program, require_r

N_TRAINING, N_TEST, N_VARIANTS = 80, 20, 15


def made_up(seed: int) -> PeerFold:
    """Dosages in linkage disequilibrium, of which two matter and one does not vary in training."""
    rng = np.random.default_rng(seed)
    copies = [rng.normal(size=(N_TRAINING + N_TEST, N_VARIANTS)) for _ in range(2)]
    dosages = np.sum([np.cumsum(one, axis=1) / np.sqrt(np.arange(1, 16)) > 0.3 for one in copies], axis=0)
    dosages = dosages.astype(np.float64)
    dosages[:N_TRAINING, 7] = 0
    expression = dosages[:, 3] - 0.7 * dosages[:, 11] + rng.normal(size=N_TRAINING + N_TEST)
    return PeerFold(
        dosages[:N_TRAINING],
        expression[:N_TRAINING],
        dosages[N_TRAINING:],
        rng.permutation(np.arange(N_TRAINING) % 10) + 1,
        rng.permutation(np.arange(N_TRAINING) % 5) + 1,
    )


@pytest.fixture(scope="module")
def folds() -> list[PeerFold]:
    return [made_up(seed) for seed in (1, 2)]


@pytest.fixture(scope="module")
def found(folds: list[PeerFold]) -> list[dict[str, PeerPredictions]]:
    require_r("glmnet", "susieR")
    return r_predictions(folds)


def halves(fold: PeerFold) -> list[tuple[BoolArray, Float64Array]]:
    """Training samples and dosages to predict: of the fold itself, then of each fold of `choice`."""
    everyone = np.ones(len(fold.expression), dtype=np.bool_)
    inner = [(fold.choice != number, fold.dosages[fold.choice == number]) for number in range(1, 6)]
    return [(everyone, fold.tested), *inner]


def in_order(fold: PeerFold, predicted: PeerPredictions) -> Float64Array:
    """Predictions in the order of `halves`."""
    inner = [predicted.inner[fold.choice == number] for number in range(1, 6)]
    return np.concatenate([predicted.tested, *inner])


@pytest.mark.slow
@pytest.mark.parametrize(("model", "alpha"), [("glmnet", 0.5), ("glmnet-lasso", 1.0)])
def test_glmnet_predicts_what_its_coefficients_give(
    model: str,
    alpha: float,
    folds: list[PeerFold],
    found: list[dict[str, PeerPredictions]],
    tmp_path: Path,
) -> None:
    for fold, predicted in zip(folds, found, strict=True):
        parts = halves(fold)
        problems = [
            glmnet.Problem(fold.dosages[taken], fold.expression[taken], fold.penalty[taken], alpha)
            for taken, _ in parts
        ]
        fits = glmnet.cv_glmnet(problems, tmp_path)
        expected = [fit.intercept + new @ fit.coefficients for fit, (_, new) in zip(fits, parts, strict=True)]
        assert np.ptp(expected[0]) > 0.1
        np.testing.assert_allclose(in_order(fold, predicted[model]), np.concatenate(expected), atol=1e-10)


@pytest.mark.slow
def test_susier_predicts_what_its_coefficients_give(
    folds: list[PeerFold], found: list[dict[str, PeerPredictions]], tmp_path: Path
) -> None:
    for fold, predicted in zip(folds, found, strict=True):
        parts = halves(fold)
        equal = np.full(N_VARIANTS, 1 / N_VARIANTS)
        problems = [
            susier.Problem(fold.dosages[taken], fold.expression[taken], equal, 10) for taken, _ in parts
        ]
        fits = susier.susier(problems, tmp_path)
        expected = [fit.intercept + new @ fit.coefficients for fit, (_, new) in zip(fits, parts, strict=True)]
        assert np.ptp(expected[0]) > 0.1
        np.testing.assert_allclose(in_order(fold, predicted["susieR"]), np.concatenate(expected), atol=1e-10)


@pytest.mark.slow
def test_top1_is_the_regression_on_the_variant_of_the_largest_r2(
    folds: list[PeerFold], found: list[dict[str, PeerPredictions]]
) -> None:
    for fold, predicted in zip(folds, found, strict=True):
        expected = []
        for taken, new in halves(fold):
            x, y = fold.dosages[taken], fold.expression[taken]
            r2 = [np.corrcoef(one, y)[0, 1] ** 2 if np.ptp(one) else 0.0 for one in x.T]
            best = int(np.argmax(r2))
            expected.append(np.polyval(np.polyfit(x[:, best], y, 1), new[:, best]))
        np.testing.assert_allclose(in_order(fold, predicted["top1"]), np.concatenate(expected), atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("chain", [None, Chain(500, 3000, 1)], ids=["blup", "bslmm"])
def test_gemma_predicts_as_its_own_predict_does(
    chain: Chain | None, folds: list[PeerFold], tmp_path: Path
) -> None:
    gemma = require_program("gemma")
    fold = folds[0]
    write_bimbam(tmp_path, np.concatenate([fold.dosages, fold.tested]), fold.expression)

    def run(*arguments: str) -> None:
        subprocess.run([gemma, *arguments], cwd=tmp_path, capture_output=True, check=True)

    run(*GEMMA_INPUT, *gemma_model(chain))
    fitted = ("-epm", "output/fit.param.txt", "-emu", "output/fit.log.txt")
    run("-g", "dosages", "-p", "expression", *fitted, "-predict", "1", "-o", "held_out")
    words = (tmp_path / "output" / "held_out.prdt.txt").read_text().split()
    assert words[:N_TRAINING] == ["NA"] * N_TRAINING
    expected = np.array(words[N_TRAINING:], dtype=np.float64)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(
        gemma_predictions(fold.dosages, fold.expression, fold.tested, chain), expected, atol=1e-5
    )


@pytest.mark.slow
def test_blups_inner_predictions_see_no_sample_of_their_fold(folds: list[PeerFold]) -> None:
    require_program("gemma")
    fold = folds[0]
    expected = [
        gemma_predictions(fold.dosages[taken], fold.expression[taken], new) for taken, new in halves(fold)
    ]
    np.testing.assert_array_equal(in_order(fold, blup_predictions(fold)), np.concatenate(expected))


@pytest.mark.slow
def test_versions_name_every_program() -> None:
    require_r("glmnet", "susieR")
    require_program("gemma")
    assert [word.split()[0] for word in r_versions().split(", ")] == ["R", "glmnet", "susieR"]
    assert gemma_version().startswith("GEMMA ")


@pytest.mark.slow
def test_what_r_says_is_the_error(folds: list[PeerFold]) -> None:
    require_r("glmnet", "susieR")
    one = folds[0]
    constant = PeerFold(one.dosages, np.zeros(N_TRAINING), one.tested, one.penalty, one.choice)
    with pytest.raises(RuntimeError, match=r"(?s)Rscript models.R failed with 1:.*y is constant"):
        r_predictions([constant])


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no-such-program is not installed"):
        output_of(["no-such-program"], tmp_path)


def test_the_chosen_model_has_the_largest_r2_inside() -> None:
    rng = np.random.default_rng(0)
    expression = rng.normal(size=30)
    noise = rng.normal(size=30)
    predictions = {
        "constant": np.full(30, 2.0),
        "weak": expression + 3 * noise,
        "opposite": 5 - expression - noise,
        "half": expression + 2 * noise,
    }
    given = {name: PeerPredictions(np.zeros(4), inner) for name, inner in predictions.items()}
    assert choose_model(expression, given) == "opposite"
    del given["opposite"]
    assert choose_model(expression, given) == "half"
    assert choose_model(expression, dict.fromkeys(R_MODELS, given["constant"])) == R_MODELS[0]


def test_other_folds_and_other_expression_are_refused() -> None:
    rows = {
        "gene_id": "G1",
        "sample_id": [f"S{i}" for i in range(6)],
        "model": OURS[0],
        "fold": [1, 1, 1, 2, 2, 2],
        "observed": np.linspace(-1, 1, 6),
        "predicted": 0.0,
    }
    ours = pl.DataFrame(rows, schema=PREDICTION_SCHEMA)
    theirs = ours.with_columns(model=pl.lit("glmnet"))
    require_same_folds(ours, theirs)
    for changed in (theirs.with_columns(pl.col("fold") % 2 + 1), theirs.with_columns(-pl.col("observed"))):
        with pytest.raises(InputError, match="other folds or covariates"):
            require_same_folds(ours, changed)

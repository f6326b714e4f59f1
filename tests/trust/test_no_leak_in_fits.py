"""Every estimator of the registry is audited for leaks, and the audit itself by estimators that leak."""

import numpy as np
import pytest

from haploscribe.config.options import NORMALISATIONS, Normalisation
from haploscribe.estimators import registry
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.expression.normalise import prepare
from haploscribe.utils.types import Int64Array
from tests.fixtures import leaking
from tests.fixtures.leaks import leaks_of
from tests.fixtures.people import FOLDS


@pytest.mark.parametrize(
    "fold", ["without validation", pytest.param("with validation", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name == "transformer-all" else name
        for name in registry.ESTIMATOR_NAMES
    ],
)
def test_an_estimator_knows_nothing_of_people_held_out(name: str, fold: str) -> None:
    assert leaks_of(name, FOLDS[fold]) == []


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_no_normalisation_learns_from_people_held_out(normalisation: Normalisation) -> None:
    assert leaks_of("blup-distance", FOLDS["with validation"], normalisation) == []


def test_the_audit_passes_an_honest_plug_in() -> None:
    assert leaks_of(f"{leaking.MODULE}:Honest", FOLDS["without validation"]) == []


@pytest.mark.parametrize("name", leaking.CAUGHT)
def test_the_audit_catches_an_estimator_that_cheats(name: str) -> None:
    found = leaks_of(f"{leaking.MODULE}:{name}", FOLDS["without validation"])
    assert any(leak.startswith(leaking.CAUGHT[name]) for leak in found), found


def test_the_audit_catches_imputation_that_averages_everyone(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(inputs: GeneInputs, training: Int64Array) -> GeneInputs:
        return inputs.filled(inputs.means(np.arange(len(inputs.sample_ids))))

    monkeypatch.setattr(GeneInputs, "imputed", careless)
    for name in ("blup", "elastic-net-1mb"):
        found = "\n".join(leaks_of(name, FOLDS["without validation"]))
        assert "held-out genotypes reach the fitted model" in found


def test_a_model_of_hard_calls_needs_no_imputation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GeneInputs, "imputed", lambda inputs, training: inputs)
    assert leaks_of("blup(hard_calls=true)", FOLDS["without validation"]) == []


def test_the_audit_catches_preparation_that_learns_from_everyone(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(expression, covariates, training, method):  # type: ignore[no-untyped-def]
        return prepare(expression, covariates, np.ones_like(training), method)

    monkeypatch.setattr("haploscribe.evaluation.folds.prepare", careless)
    found = "\n".join(leaks_of("blup", FOLDS["without validation"]))
    for what in ("expression (noise)", "expression (huge)", "expression (missing)", "covariates"):
        assert f"held-out {what}" in found

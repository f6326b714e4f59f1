"""Covariates: reading, and least squares against numpy and R's habits."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import qr

from haploscribe.errors import InputError
from haploscribe.expression.covariates import fit_covariates, read_covariates, remove_covariates

TEXT = "id\tB\tA\nPC1\t1.5\t-2\nsex\t0\t1\n"


def test_rows_are_covariates(tmp_path: Path) -> None:
    path = tmp_path / "covariates.txt"
    path.write_text(TEXT)
    table = read_covariates(path)
    assert table.names == ("PC1", "sex")
    assert table.take_samples(["A", "B"]).values.tolist() == [[-2.0, 1.0], [1.5, 0.0]]
    path.write_text(TEXT.replace("\t", "  "))
    assert read_covariates(path).values.tolist() == table.values.tolist()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "0\t1",
            "M\t1",
            r"sample B \(line 3\): 'M' is not a finite number of at most 1e\+100; code categories",
        ),
        ("0\t1", "0\t", r"1 cell is missing: covariate sex, sample A \(line 3\)"),
        ("sex", "PC1", r"1 covariates appear more than once \(PC1\)"),
        ("\tB\tA", "\tA\tA", r"1 sample ids appear more than once \(A\)"),
        ("PC1\t1.5\t-2\nsex\t0\t1\n", "", r"has 0 covariates for 2 samples"),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = tmp_path / "covariates.txt"
    path.write_text(TEXT.replace(old, new))
    with pytest.raises(InputError) as caught:
        read_covariates(path)
    assert re.search(told, str(caught.value))


def test_an_absent_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*absent.txt: No such file"):
        read_covariates(tmp_path / "absent.txt")


def test_residuals_equal_projection_by_qr() -> None:
    rng = np.random.default_rng(1)
    covariates = rng.normal(size=(40, 5)) * [1e-3, 1, 1e4, 1, 1] + [0, 5, 1e6, -3, 0]
    expression = rng.normal(size=40) + covariates[:, 1]
    coefficients = fit_covariates(covariates, expression)
    scaled = np.column_stack([np.ones(40), (covariates - covariates.mean(0)) / covariates.std(0)])
    q = qr(scaled, mode="economic")[0]
    expected = expression - q @ (q.T @ expression)
    assert np.allclose(remove_covariates(covariates, expression, coefficients), expected, atol=1e-9)


def test_collinear_and_constant_covariates_change_nothing() -> None:
    rng = np.random.default_rng(2)
    covariates = rng.normal(size=(30, 3))
    expression = rng.normal(size=30)
    redundant = np.column_stack(
        [covariates, covariates[:, 0] * 1e6, covariates @ [1, 1, 0], np.full(30, 0.1)]
    )
    new = rng.normal(size=(4, 3))
    new_redundant = np.column_stack([new, new[:, 0] * 1e6, new @ [1, 1, 0], [0.1, 9.0, 0.1, 0.1]])
    values = rng.normal(size=4)
    plain = remove_covariates(new, values, fit_covariates(covariates, expression))
    other = remove_covariates(new_redundant, values, fit_covariates(redundant, expression))
    assert np.allclose(plain, other, atol=1e-8)


def test_too_many_covariates() -> None:
    rng = np.random.default_rng(3)
    assert fit_covariates(rng.normal(size=(10, 8)), rng.normal(size=10)).shape == (9,)
    with pytest.raises(InputError, match="9 covariates are too many for a fit on 10 samples"):
        fit_covariates(rng.normal(size=(10, 9)), rng.normal(size=10))


@pytest.mark.shared
def test_the_benchmark_covariates(shared_cohort: Path) -> None:
    table = read_covariates(shared_cohort / "covariates.txt")
    assert table.values.shape == (358, 53)
    assert table.names[:4] == ("genotype_PC1", "genotype_PC2", "genotype_PC3", "expression_PC1")

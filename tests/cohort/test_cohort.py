"""A matched cohort that other processes open is the one that was saved."""

import shutil
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haploscribe.cohort.cohort import match_samples, open_cohort, open_saved_cohort, save_cohort
from haploscribe.config.options import CohortOptions, EvaluationOptions
from haploscribe.errors import InputError
from haploscribe.parallel.executor import Executor
from haploscribe.workflows.validate import validated_cohort
from haploscribe.workflows.work import WorkContext


@pytest.mark.parametrize("covariates", [True, False])
def test_a_saved_cohort_opens_as_it_was(example: CohortOptions, tmp_path: Path, *, covariates: bool) -> None:
    options = replace(example, genes="ENSG00000128191.9,ENSG00000099899.10")
    if covariates:
        options = replace(options, hidden_factors=options.covariates)
    else:
        options = replace(options, covariates=None)
    with open_cohort(options, tmp_path / "index") as cohort:
        save_cohort(tmp_path / "cohort", cohort)
        found = open_saved_cohort(tmp_path / "cohort", options, cohort.genotypes, wide=False)
        assert found.match.shared == cohort.match.shared
        assert found.genes == cohort.genes
        for mine, other in ((found.expression, cohort.expression), (found.all_genes, cohort.all_genes)):
            assert (mine.genes, mine.sample_ids) == (other.genes, other.sample_ids)
            np.testing.assert_array_equal(mine.values, other.values, strict=True)
        for name in ("covariates", "hidden_factors"):
            mine, other = getattr(found, name), getattr(cohort, name)
            assert (mine is None) == (other is None) == (not covariates)
            if covariates:
                np.testing.assert_array_equal(mine, other, strict=True)
        gene = cohort.genes[1]
        assert found.tiles(gene) == cohort.tiles(gene)


@pytest.mark.slow
def test_other_processes_read_the_saved_cohort_not_the_tables(example: CohortOptions, tmp_path: Path) -> None:
    """They would fail here: the tables are gone."""
    assert example.covariates is not None
    expression, covariates = (
        shutil.copy(path, tmp_path) for path in (example.expression, example.covariates)
    )
    options = replace(example, expression=Path(expression), covariates=Path(covariates))
    with validated_cohort(options, Executor(1), tmp_path / "work") as validated:
        for path in (expression, covariates):
            Path(path).unlink()
        spec = replace(validated.spec, evaluation=EvaluationOptions(models=("blup",)))
        values = list(Executor(2).map(spec, expression_of, range(len(validated.cohort.genes))))
        assert sorted(values) == sorted(map(tuple, validated.cohort.values.tolist()))
    assert astuple(WorkContext(spec).cohort.genes[0]) == astuple(validated.cohort.genes[0])


def expression_of(context: WorkContext, number: int) -> tuple[float, ...]:
    return tuple(context.cohort.values[number].tolist())


ids = st.lists(st.sampled_from([f"S{i}" for i in range(12)]), unique=True)


@given(ids, ids, st.one_of(st.none(), ids))
def test_the_match_is_a_sorted_intersection_in_any_order(
    genotypes: list[str],
    expression: list[str],
    covariates: list[str] | None,
) -> None:
    given_sets = [set(genotypes), set(expression)] + ([set(covariates)] if covariates is not None else [])
    shared = set.intersection(*given_sets)
    if not shared:
        with pytest.raises(InputError, match="share no sample"):
            match_samples(genotypes, expression, covariates)
        return
    match = match_samples(genotypes, expression, covariates)
    assert match.shared == tuple(sorted(shared))
    assert match == match_samples(genotypes[::-1], expression[::-1], covariates and covariates[::-1])
    assert match.left_out["genotypes"] == tuple(sorted(set(genotypes) - shared))
    assert ("covariates" in match.left_out) == (covariates is not None)


def test_who_is_left_out_is_told() -> None:
    match = match_samples(["A", "B", "C", "D", "E", "F"], ["F", "A"], ["F", "A", "Z"])
    assert match.describe() == (
        "2 samples shared; 4 of genotypes left out (B, C, D, … 1 more); 1 of covariates left out (Z)"
    )


def test_no_shared_sample_shows_how_each_input_names_them() -> None:
    with pytest.raises(
        InputError, match=r"genotypes: 0_HG1, 0_HG2; expression: HG1, HG2\); name the samples"
    ):
        match_samples(["0_HG1", "0_HG2"], ["HG2", "HG1"])

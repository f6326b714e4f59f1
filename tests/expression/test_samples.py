"""Samples shared by the inputs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haploscribe.cohort.cohort import match_samples
from haploscribe.errors import InputError

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

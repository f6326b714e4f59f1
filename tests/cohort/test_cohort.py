"""A matched cohort that other processes open is the one that was saved."""

from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest

from haploscribe.cohort.cohort import open_cohort, open_saved_cohort, save_cohort
from haploscribe.config.options import CohortOptions, EvaluationOptions
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


def test_other_processes_read_the_saved_cohort_not_the_tables(example: CohortOptions, tmp_path: Path) -> None:
    """They would fail here: the tables are gone."""
    tables = {}
    for name in ("expression", "covariates"):
        path = tmp_path / Path(getattr(example, name)).name
        path.write_bytes(Path(getattr(example, name)).read_bytes())
        tables[name] = path
    options = replace(example, **tables)
    with validated_cohort(options, Executor(1), tmp_path / "work") as validated:
        for path in tables.values():
            path.unlink()
        spec = replace(validated.spec, evaluation=EvaluationOptions(models=("blup",)))
        values = list(Executor(2).map(spec, expression_of, range(len(validated.cohort.genes))))
        assert sorted(values) == sorted(map(tuple, validated.cohort.values.tolist()))
    assert astuple(WorkContext(spec).cohort.genes[0]) == astuple(validated.cohort.genes[0])


def expression_of(context: WorkContext, number: int) -> tuple[float, ...]:
    return tuple(context.cohort.values[number].tolist())

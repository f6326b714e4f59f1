"""What `check` says of genes that no model can learn much from."""

from pathlib import Path

from haploscribe.config.options import WorkerOptions
from haploscribe.workflows.check import check
from tests.fixtures.cohorts import write_cohort


def test_genes_without_variation_and_with_many_zeros_are_named(tmp_path: Path) -> None:
    cohort = write_cohort(tmp_path)
    header, first, second, third, *others = cohort.expression.read_text().splitlines()
    n_people = len(header.split("\t")) - 4
    n_zeros = n_people // 2 + 1

    def with_values(row: str, values: list[str]) -> str:
        return "\t".join([*row.split("\t")[:4], *values])

    changed = [
        with_values(first, ["7"] * n_people),
        with_values(second, ["0"] * n_zeros + ["1"] * (n_people - n_zeros)),
        with_values(third, ["0"] * (n_people // 2) + ["1"] * (n_people - n_people // 2)),
    ]
    cohort.expression.write_text("\n".join([header, *changed, *others]) + "\n")
    found = check(cohort, WorkerOptions())
    names = [row.split("\t")[3] for row in (first, second)]
    assert found["genes without variation"] == f"1 ({names[0]})"
    zeros = found["genes with zeros in over half of the samples"]
    assert zeros == f"1 ({names[1]})"

"""Rows of the table of odd and broken input: expression of new people, to validate saved models on."""

from collections.abc import Callable, Sequence

import polars as pl

from tests.trust.bad_inputs.files import cut
from tests.trust.bad_inputs.options import folder_at, given
from tests.trust.bad_inputs.rows import EXPRESSION, RESULTS, Case, Ended, Row, accepted, refused

TITLE = "Expression of new people"

NEW_EXPRESSION = "new.bed"
_PEOPLE = ("n1", "n2", "n3")
_PREDICT = ("predict",)


def measured(
    people: Sequence[str] = _PEOPLE, genes: Callable[[list[str]], list[str]] = lambda row: row
) -> Callable[[Case], None]:
    """Give the expression of so many people, as the first people of the run have it."""

    def spoil(case: Case) -> None:
        header, *rows = [line.split("\t") for line in case.text(EXPRESSION).splitlines()]
        lines = [[*header[:4], *people], *(genes(row[: 4 + len(people)]) for row in rows)]
        case.write(NEW_EXPRESSION, "".join("\t".join(line) + "\n" for line in lines))
        case.give("expression", NEW_EXPRESSION)

    return spoil


def corrected(people: Sequence[str] = _PEOPLE, n_covariates: int = 1) -> Callable[[Case], None]:
    """Give expression, and covariates of so many people."""

    def spoil(case: Case) -> None:
        measured()(case)
        numbers = [[f"pc{i}", *(str(i * j + j) for j in range(len(people)))] for i in range(n_covariates)]
        lines = [["id", *people], *numbers]
        case.write("new.txt", "".join("\t".join(line) + "\n" for line in lines))
        case.give("covariates", "new.txt")

    return spoil


def renamed(row: list[str]) -> list[str]:
    return [*row[:3], f"other_{row[3]}", *row[4:]]


def wide(row: list[str]) -> list[str]:
    return [row[0], "0", "5000", *row[3:]]


def damaged_run(case: Case) -> None:
    measured()(case)
    cut(case, name=f"{RESULTS}/metrics.tsv")


def few_variants(case: Case) -> None:
    """Only a gene whose variants the file lacks has expression."""
    measured()(case)
    lines = case.text(NEW_EXPRESSION).splitlines()
    case.write(NEW_EXPRESSION, "\n".join(line for line in lines if "chr2\t" not in line) + "\n")
    calls = case.text("new.vcf").splitlines()
    case.write("new.vcf", "\n".join(line for line in calls if not line.startswith("chrX\t")) + "\n")


def validated(n_samples: int) -> Callable[[Case, Ended], None]:
    """Expect all genes to be validated on so many samples."""

    def holds(case: Case, ended: Ended) -> None:
        table = pl.read_csv(case.path("predicted.validation.tsv"), separator="\t")
        assert set(table["n_samples"]) == {n_samples}
        assert table["gene_id"].n_unique() == 5
        assert f"{n_samples} samples shared" in ended.out

    return holds


ROWS: tuple[Row, ...] = (
    refused(
        "`--covariates` without `--expression`",
        given("covariates", "covariates.txt"),
        "--covariates covariates.txt: there is no expression to regress them out of; give --expression too",
        verbs=_PREDICT,
    ),
    refused(
        "expression of the people of the run only",
        given("expression", EXPRESSION),
        r"genotypes and expression share no sample \(genotypes: n1, n2, n3; expression: Zq000",
        verbs=_PREDICT,
    ),
    refused(
        "expression of two people",
        measured(("n1", "n2", "n9")),
        r"new.bed and new.vcf share 2 samples \(n1, n2\); at least 3 are needed",
        verbs=_PREDICT,
    ),
    refused(
        "expression of other genes",
        measured(genes=renamed),
        "new.bed has none of the 5 genes to predict: its ids look like other_",
        verbs=_PREDICT,
    ),
    refused(
        "expression only of genes that are not predicted",
        few_variants,
        "none of the 1 genes that --expression has can be predicted, as too few of their variants",
        verbs=_PREDICT,
    ),
    refused(
        "covariates of some of the people with expression",
        corrected(("n1", "n2")),
        r"new.txt lacks 1 of the 3 samples used \(n3\); give covariates of all of them",
        verbs=_PREDICT,
    ),
    refused(
        "covariates: more than the people with expression allow",
        corrected(n_covariates=2),
        "2 covariates are too many for a fit on 3 samples; give a file of 1 at most",
        verbs=_PREDICT,
    ),
    refused(
        "expression, and damaged results around the models",
        damaged_run,
        "results/metrics.tsv is damaged or",
        verbs=_PREDICT,
        elsewhere=r"\(.*\)",
    ),
    refused(
        "a folder in place of the table of the validation",
        folder_at("predicted.validation.tsv"),
        "cannot write to predicted.validation.tsv: it is a folder; name a file",
        verbs=_PREDICT,
    ),
    accepted(
        "expression, also of people without genotypes",
        measured((*_PEOPLE, "n9")),
        "they are left out, and named",
        validated(3),
        verbs=_PREDICT,
    ),
    accepted(
        "expression whose rows span several bases",
        measured(genes=wide),
        "is taken as it is: genes are matched by ID",
        validated(3),
        verbs=_PREDICT,
    ),
)

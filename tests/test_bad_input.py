"""Bad input to `run`: exit 2, one line that says what, where and how to mend it, and nothing left behind."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pysam
import pytest

from haploscribe.options import CohortOptions
from tests.test_cli import ONE_GENE, inputs_of, run_cli

Refused = Callable[..., str]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Run with options that must be refused; give the one line that says why."""

    def run_and_read(*arguments: object, out: Path = tmp_path / "out") -> str:
        before = sorted(tmp_path.rglob("*"))
        assert run_cli("run", *arguments, "--jobs", 1, "--out", out, monkeypatch=monkeypatch) == 2
        assert sorted(tmp_path.rglob("*")) == before, "something was left behind"
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("haploscribe: ")]
        assert len(lines) == 1
        return lines[0]

    return run_and_read


def text_of(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode()


def write_vcf(path: Path, text: str) -> Path:
    with pysam.BGZFile(str(path), "w") as file:
        file.write(text.encode())
    pysam.tabix_index(str(path), preset="vcf")
    return path


def vcf_with(example: CohortOptions, path: Path, edit: Callable[[str], str], every: int = 1) -> Path:
    """The example's variants near one gene, some records edited."""
    lines = text_of(example.variants).splitlines()
    header = [line for line in lines if line.startswith("#")]
    records = [line for line in lines if not line.startswith("#")][:1500]
    edited = [edit(line) if i % every == 0 else line for i, line in enumerate(records)]
    return write_vcf(path, "\n".join([*header, *edited]) + "\n")


def test_a_run_that_is_refused_leaves_an_older_runs_folder_as_it_was(
    example: CohortOptions, tmp_path: Path, refused: Refused
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "summary.json").write_text("{}")
    variants = vcf_with(example, tmp_path / "v.vcf.gz", lambda line: line.replace("0|1", "0/1"))
    refused(*inputs_of(example, variants=variants), "--genes", ONE_GENE)


def test_embedding_that_is_refused_leaves_nothing(
    example: CohortOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variants = vcf_with(example, tmp_path / "v.vcf.gz", lambda line: line.replace("0|1", "0/1"))
    before = sorted(tmp_path.rglob("*"))
    arguments = ["embed", *inputs_of(example, variants=variants), "--genes", ONE_GENE, "--backbone", "kmer"]
    assert run_cli(*arguments, "--store", tmp_path / "s.zarr", monkeypatch=monkeypatch) == 2
    assert sorted(tmp_path.rglob("*")) == before


def test_wrong_build(example: CohortOptions, tmp_path: Path, refused: Refused) -> None:
    def shifted(line: str) -> str:
        contig, position, rest = line.split("\t", 2)
        return f"{contig}\t{int(position) + 7}\t{rest}"

    variants = vcf_with(example, tmp_path / "shifted.vcf.gz", shifted)
    message = refused(*inputs_of(example, variants=variants), "--genes", ONE_GENE)
    assert "REF differs from" in message
    assert "build" in message
    assert re.search(r"chr22:\d+ REF [ACGT] but FASTA [ACGT]", message)


def test_no_shared_samples(example: CohortOptions, tmp_path: Path, refused: Refused) -> None:
    table = tmp_path / "expression.bed"
    table.write_text(re.sub(r"\b(HG|NA)(\d{5})\b", r"person-\2", text_of(example.expression)))
    message = refused(*inputs_of(example, expression=table, covariates=None))
    assert "share no sample" in message
    assert "person-" in message
    assert "HG00096" in message


def test_unphased_calls(example: CohortOptions, tmp_path: Path, refused: Refused) -> None:
    variants = vcf_with(example, tmp_path / "unphased.vcf.gz", lambda line: line.replace("|", "/"), every=100)
    message = refused(*inputs_of(example, variants=variants), "--genes", ONE_GENE)
    assert "unphased" in message
    assert "--assume-phased" in message


def test_gene_outside_the_reference(example: CohortOptions, tmp_path: Path, refused: Refused) -> None:
    header, *rows = text_of(example.expression).splitlines()
    cells = rows[0].split("\t")
    cells[1:3] = ["60000000", "60000001"]
    table = tmp_path / "expression.bed"
    table.write_text("\n".join([header, "\t".join(cells), *rows[1:]]) + "\n")
    message = refused(*inputs_of(example, expression=table))
    assert "outside the reference" in message
    assert cells[3] in message


def test_gene_on_an_unknown_contig(example: CohortOptions, tmp_path: Path, refused: Refused) -> None:
    table = tmp_path / "expression.bed"
    table.write_text(text_of(example.expression).replace("\nchr22\t", "\nchr21\t"))
    assert "chr21" in refused(*inputs_of(example, expression=table))


@pytest.mark.parametrize("spec", ["", "file"])
def test_empty_gene_list(example: CohortOptions, tmp_path: Path, refused: Refused, spec: str) -> None:
    if spec == "file":
        (tmp_path / "genes.txt").write_text("\n")
        spec = str(tmp_path / "genes.txt")
    assert "gene" in refused(*inputs_of(example), "--genes", spec)


def test_non_numeric_expression_cell(example: CohortOptions, tmp_path: Path, refused: Refused) -> None:
    header, *rows = text_of(example.expression).splitlines()
    cells = rows[2].split("\t")
    cells[10] = "high"
    rows[2] = "\t".join(cells)
    table = tmp_path / "expression.bed"
    table.write_text("\n".join([header, *rows]) + "\n")
    message = refused(*inputs_of(example, expression=table))
    assert "high" in message
    assert header.split("\t")[10] in message


def test_truncated_vcf(example: CohortOptions, tmp_path: Path, refused: Refused) -> None:
    variants = tmp_path / "cut.vcf.gz"
    variants.write_bytes(example.variants.read_bytes()[:200_000])
    message = refused(*inputs_of(example, variants=variants))
    assert str(variants) in message


def test_truncated_vcf_with_a_whole_index(example: CohortOptions, tmp_path: Path, refused: Refused) -> None:
    variants = tmp_path / "cut.vcf.gz"
    variants.write_bytes(example.variants.read_bytes()[:200_000])
    (tmp_path / "cut.vcf.gz.tbi").write_bytes(Path(f"{example.variants}.tbi").read_bytes())
    assert str(variants) in refused(*inputs_of(example, variants=variants))


def test_unwritable_output_folder(example: CohortOptions, tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "file").write_text("not a folder")
    message = refused(*inputs_of(example), out=tmp_path / "file" / "out")
    assert "cannot write" in message


def test_too_many_missing_calls(example: CohortOptions, tmp_path: Path, refused: Refused) -> None:
    variants = vcf_with(
        example, tmp_path / "missing.vcf.gz", lambda line: re.sub(r"\t\d\|\d", "\t.|.", line), every=5
    )
    message = refused(*inputs_of(example, variants=variants), "--genes", ONE_GENE)
    assert "20% of" in message
    assert "missing" in message


def test_hidden_factors_of_some_people_only(example: CohortOptions, tmp_path: Path, refused: Refused) -> None:
    assert example.covariates is not None
    factors = tmp_path / "factors.txt"
    lines = example.covariates.read_text().splitlines()
    factors.write_text("\n".join("\t".join(line.split("\t")[:-2]) for line in lines) + "\n")
    assert "lacks 2 of the run's 358 samples" in refused(*inputs_of(example), "--hidden-factors", factors)


def test_more_covariates_than_people(example: CohortOptions, tmp_path: Path, refused: Refused) -> None:
    assert example.covariates is not None
    header, *rows = example.covariates.read_text().splitlines()
    covariates = tmp_path / "covariates.txt"
    covariates.write_text("\n".join([header, *(f"copy{i}_{row}" for i in range(12) for row in rows)]) + "\n")
    assert "covariates" in refused(*inputs_of(example, covariates=covariates))


def test_too_many_folds(example: CohortOptions, refused: Refused) -> None:
    assert "--folds 200" in refused(*inputs_of(example), "--folds", 200)


def test_negative_expression_with_log2p1(example: CohortOptions, tmp_path: Path, refused: Refused) -> None:
    header, *rows = text_of(example.expression).splitlines()
    cells = rows[0].split("\t")
    cells[8] = "-1.5"
    table = tmp_path / "expression.bed"
    table.write_text("\n".join([header, "\t".join(cells), *rows[1:]]) + "\n")
    assert "-1.5" in refused(*inputs_of(example, expression=table), "--normalize", "log2p1")


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--models", "elastic-net,lasagne", "lasagne"),
        ("--models", "", "--models"),
        ("--window", "-5", "--window"),
        ("--maf", "0.7", "--maf"),
        ("--split", "no-such-file.tsv", "no-such-file.tsv"),
        ("--normalize", "quantile", "quantile"),
    ],
)
def test_options_out_of_range(
    example: CohortOptions, refused: Refused, option: str, value: str, said: str
) -> None:
    assert said in refused(*inputs_of(example), option, value)


def test_tile_size_the_backbone_cannot_take(example: CohortOptions, refused: Refused) -> None:
    assert "--tile" in refused(*inputs_of(example), "--tile", 0, "--models", "blup-delta")


def test_missing_file(example: CohortOptions, tmp_path: Path, refused: Refused) -> None:
    for name in ("variants", "reference", "expression", "covariates"):
        missing = tmp_path / f"no-{name}.gz"
        assert missing.name in refused(*inputs_of(example, **{name: missing}))


def test_unknown_option_of_a_config_file(example: CohortOptions, tmp_path: Path, refused: Refused) -> None:
    config = tmp_path / "run.toml"
    config.write_text("fold = 5\n")
    assert "'fold'" in refused(*inputs_of(example), "--config", config)


def test_zero_shot_model_without_weights(example: CohortOptions, refused: Refused) -> None:
    assert "--xpresso FILE" in refused(*inputs_of(example), "--models", "blup,xpresso")


def test_weights_of_a_model_that_is_not_asked_for(
    example: CohortOptions, tmp_path: Path, refused: Refused
) -> None:
    message = refused(*inputs_of(example), "--models", "blup", "--xpresso", tmp_path / "xpresso.h5")
    assert "add xpresso to --models" in message


@pytest.mark.parametrize("content", [None, b"", b"not HDF5"])
def test_weights_that_cannot_be_read(
    example: CohortOptions, tmp_path: Path, refused: Refused, content: bytes | None
) -> None:
    weights = tmp_path / "xpresso.h5"
    if content is not None:
        weights.write_bytes(content)
    assert str(weights) in refused(*inputs_of(example), "--models", "xpresso", "--xpresso", weights)

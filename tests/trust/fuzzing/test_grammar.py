"""What is drawn from a file's grammar is refused in one line, or read as something else reads it."""

import csv
import gzip
import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import pysam
import pysam.bcftools
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haploscribe.cli import main as cli
from haploscribe.errors import InputError
from haploscribe.expression.covariates import read_covariates
from haploscribe.expression.table import read_expression
from haploscribe.genome.htslib import quiet
from haploscribe.genome.readers.open import open_variants
from tests.campaigns.fuzzing.grammar import (
    END,
    DrawnTable,
    configurations,
    covariate_tables,
    expression_tables,
    toml_of,
    vcfs,
)
from tests.campaigns.fuzzing.oracles import Row, row_of, rows_of

Drawn = TypeVar("Drawn")


def refusal_of(read: Callable[[], None]) -> str | None:
    try:
        read()
    except InputError as error:
        return str(error)
    return None


def require_both(
    drawn: st.SearchStrategy[Drawn], read: Callable[[Drawn], None], path: Path, count: int
) -> None:
    """Read what is drawn; some must be read, and some refused, each in a line that names the file."""
    outcomes: Counter[str] = Counter()

    @settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))
    @given(drawn)
    def one(content: Drawn) -> None:
        refusal = refusal_of(lambda: read(content))
        assert refusal is None or (str(path) in refusal and len(refusal.splitlines()) == 1), refusal
        outcomes["read" if refusal is None else "refused"] += 1

    one()
    assert min(outcomes["read"], outcomes["refused"]) > count // 10, outcomes


def rows_of_htslib(path: Path) -> dict[str, list[Row]] | None:
    """List what each person carries, as `bcftools query` reads it; None where it refuses the file."""
    try:
        with quiet():
            text = pysam.bcftools.query("-f", "%CHROM\t%POS\t%REF\t%ALT[\t%GT]\n", str(path))
    except pysam.SamtoolsError:
        return None
    found: dict[str, list[Row]] = {}
    for line in (text if isinstance(text, bytes) else text.encode()).splitlines():
        fields = line.split(b"\t")
        row = row_of(fields)
        if row is not None:
            found.setdefault(fields[0].decode(), []).append(row)
    return found


def test_a_vcf_is_refused_or_read_as_bcftools_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "drawn.vcf"
    compared = Counter[bool]()

    def read(content: bytes) -> None:
        path.write_bytes(content)
        with open_variants(path, assume_phased=True, max_missing=1.0) as reader:
            ours = {
                contig: rows_of(reader.read(contig, 0, END, reader.sample_ids)) for contig in reader.contigs
            }
        theirs = rows_of_htslib(path)
        compared[theirs is not None] += 1
        if theirs is not None:
            assert {name: rows for name, rows in ours.items() if rows} == theirs

    require_both(vcfs(), read, path, 60)
    assert compared[True] > compared[False]


def cells_of(content: bytes) -> tuple[list[str], list[list[str]]]:
    """Read a table with the standard library."""
    plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    lines = [line for line in io.StringIO(plain.decode("utf-8-sig")) if not line.startswith("##")]
    header, *rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    return [name.strip() for name in header], [row for row in rows if row]


def test_a_bed_is_refused_or_read_as_the_csv_module_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "drawn.bed"

    def read(drawn: DrawnTable) -> None:
        path.write_bytes(drawn.content)
        table = read_expression(path)
        header, rows = cells_of(drawn.content)
        n_described = 6 if "pid" in header else 4
        assert list(table.sample_ids) == header[n_described:]
        assert table.values.tolist() == [[float(cell) for cell in row[n_described:]] for row in rows]
        for gene, row in zip(table.genes, rows, strict=True):
            assert (gene.contig, gene.tss, gene.gene_id) == (row[0], int(row[2]) - 1, row[3])
            assert gene.strand == (row[5] if n_described == 6 else ".")

    require_both(expression_tables(), read, path, 120)


def test_covariates_are_refused_or_read_as_the_csv_module_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "covariates.txt"

    def read(drawn: DrawnTable) -> None:
        path.write_bytes(drawn.content)
        covariates = read_covariates(path)
        header, rows = cells_of(drawn.content)
        assert [*covariates.sample_ids] == header[1:]
        assert [*covariates.names] == [row[0] for row in rows]
        assert covariates.values.T.tolist() == [[float(cell) for cell in row[1:]] for row in rows]

    require_both(covariate_tables(), read, path, 80)


def test_a_configuration_is_refused_or_means_what_the_command_line_means(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    needed = [f"--{name}=x" for name in ("variants", "reference", "expression", "out")]

    def read(options: dict[str, Any]) -> None:
        path.write_text(toml_of(options), encoding="utf-8")
        try:
            params = cli.run.make_context("run", [*needed, f"--config={path}"]).params
        except click.ClickException as error:
            raise InputError(f"{path}: {' '.join(error.format_message().split())}") from None
        assert params == cli.run.make_context("run", [*needed, *arguments_of(options)]).params

    require_both(configurations(), read, path, 120)


def arguments_of(options: dict[str, Any]) -> list[str]:
    """Write options as on the command line."""
    written = []
    flags = {parameter.name for parameter in cli.run.params if getattr(parameter, "is_flag", False)}
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if name.replace("-", "_") in flags:  # a file may also say 0 or "yes"
            written += [option] * bool(click.BOOL(str(value)))
        else:
            written.append(f"{option}={','.join(map(str, value)) if isinstance(value, list) else value}")
    return written


@pytest.mark.parametrize("content", [b"", b"##\n", b"\x00", b"\xff\xfe", b"\t\t\n\t\t\n"])
def test_the_least_tables(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "drawn.bed"
    path.write_bytes(content)
    for read in (read_expression, read_covariates):
        with pytest.raises(InputError, match=r"drawn\.bed") as caught:
            read(path)
        assert len(str(caught.value).splitlines()) == 1

"""Expression tables: both dialects, every compression, every fault named."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pysam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haploscribe.config.options import Position
from haploscribe.errors import InputError
from haploscribe.expression.genes import Gene
from haploscribe.expression.table import ExpressionTable, read_expression, select_genes

TENSORQTL = (
    "#chr\tstart\tend\tgene_id\tB\tA\n"
    "chr22\t99\t100\tENSG2.1\t1.5\t-2\n"
    "chr21\t9\t10\tENSG1.3\t1e-3\t0\n"
)  # fmt: skip
QTLTOOLS = (
    "#chr\tstart\tend\tpid\tgid\tstrand\tB\tA\n"
    "chr22\t99\t100\tENSG2.1\tgroup\t-\t1.5\t-2\n"
    "chr21\t9\t10\tENSG1.3\tgroup\t.\t1e-3\t0\n"
)


def write(folder: Path, text: str, name: str = "expression.bed") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def message(read: Callable[[], object]) -> str:
    """The one line a user would see."""
    with pytest.raises(InputError) as caught:
        read()
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(("text", "strand"), [(TENSORQTL, "."), (QTLTOOLS, "-")])
def test_both_dialects(tmp_path: Path, text: str, strand: str) -> None:
    table = read_expression(write(tmp_path, text))
    assert [(gene.gene_id, gene.contig, gene.tss, gene.strand) for gene in table.genes] == [
        ("ENSG2.1", "chr22", 99, strand),
        ("ENSG1.3", "chr21", 9, "."),
    ]
    assert table.sample_ids == ("B", "A")
    assert table.values.tolist() == [[1.5, -2.0], [0.001, 0.0]]


@pytest.mark.parametrize("name", ["ID", "TargetID"])
@pytest.mark.parametrize("strand", ["", "\tstrand"])
def test_fastqtl_and_a_strand_in_any_dialect(tmp_path: Path, name: str, strand: str) -> None:
    """The columns of fastQTL's documentation, and of GTEx's `eqtl_prepare_expression.py` before it."""
    signs = ["\t-", "\t+"] if strand else ["", ""]
    rows = [f"chr22\t99\t100\tG{i}{sign}\t1.5\t-2\n" for i, sign in enumerate(signs)]
    table = read_expression(write(tmp_path, f"#Chr\tstart\tend\t{name}{strand}\tB\tA\n" + "".join(rows)))
    assert [(gene.gene_id, gene.tss) for gene in table.genes] == [("G0", 99), ("G1", 99)]
    assert [gene.strand for gene in table.genes] == (["-", "+"] if strand else [".", "."])
    assert table.sample_ids == ("B", "A")


BODIES = (
    "#chr\tstart\tend\tgene_id\tstrand\tA\n"
    "chr1\t100\t201\tF\t+\t1\n"
    "chr1\t100\t201\tR\t-\t1\n"
    "chr1\t99\t100\tP\t+\t1\n"
)  # fmt: skip


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        ("tss", [100, 200, 99]),
        ("start", [100, 100, 99]),
        ("end", [200, 200, 99]),
        ("middle", [150, 150, 99]),
    ],
)
def test_rows_of_several_bases(tmp_path: Path, position: Position, expected: list[int]) -> None:
    path = write(tmp_path, BODIES)
    assert [gene.tss for gene in read_expression(path, position).genes] == expected
    assert re.search(
        r"gene F \(line 2\) spans 101 bp, .*; give --position tss, start, end or middle",
        message(lambda: read_expression(path)),
    )


def test_the_tss_of_a_row_without_strand_is_unknown(tmp_path: Path) -> None:
    one_base = read_expression(write(tmp_path, TENSORQTL), "tss")
    assert [gene.tss for gene in one_base.genes] == [99, 9]
    path = write(tmp_path, TENSORQTL.replace("\t99\t", "\t9\t"))
    assert "has no strand, so --position tss is unknown" in message(lambda: read_expression(path, "tss"))


def test_gzip_bgzip_crlf_comments_and_parquet_read_alike(tmp_path: Path) -> None:
    plain = write(tmp_path, QTLTOOLS)
    gzipped = tmp_path / "gzipped.bed.gz"
    gzipped.write_bytes(gzip.compress(QTLTOOLS.encode()))
    bgzipped = tmp_path / "bgzipped.bed.gz"
    pysam.tabix_compress(str(plain), str(bgzipped))
    crlf = tmp_path / "crlf.bed"
    crlf.write_bytes(b"## made elsewhere\r\n" + QTLTOOLS.replace("\n", "\r\n").encode() + b"\r\n")
    parquet = tmp_path / "expression.parquet"
    frame = pl.read_csv(plain, separator="\t").rename({"#chr": "chr"})
    frame.select(*frame.columns[:3], *frame.columns[4:], "pid").write_parquet(parquet)
    expected = read_expression(plain)
    for path in (gzipped, bgzipped, crlf, parquet):
        table = read_expression(path)
        assert table.genes == expected.genes, path
        assert table.sample_ids == expected.sample_ids, path
        assert np.array_equal(table.values, expected.values), path


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_values_read_back_exactly_whatever_the_order(tmp_path: Path, data: st.DataObject) -> None:
    """Rows and columns shuffled, all float64 that can be squared: the same person, the same expression."""
    samples = data.draw(
        st.lists(st.from_regex(r"[A-Z0-9_.\-]{1,8}", fullmatch=True), min_size=1, unique=True)
    )
    n_genes = data.draw(st.integers(1, 4))
    finite = st.floats(-1e100, 1e100)
    values = data.draw(
        st.lists(
            st.lists(finite, min_size=len(samples), max_size=len(samples)), min_size=n_genes, max_size=n_genes
        )
    )
    columns = data.draw(st.permutations(range(len(samples))))
    rows = data.draw(st.permutations(range(n_genes)))
    lines = ["\t".join(["#chr", "start", "end", "gene_id", *(samples[c] for c in columns)])]
    lines += [
        "\t".join(["1", str(r), str(r + 1), f"G{r}", *(repr(values[r][c]) for c in columns)]) for r in rows
    ]
    table = read_expression(write(tmp_path, "\n".join(lines)))
    in_order = table.take_samples(samples)
    genes = select_genes(in_order, ",".join(f"G{r}" for r in range(n_genes)))
    by_tss = genes.take_genes(np.argsort([gene.tss for gene in genes.genes]))
    assert by_tss.sample_ids == tuple(samples)
    assert by_tss.values.tolist() == values


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("1e-3", "high", r"gene ENSG1.3, sample B \(line 3\): 'high' is not a finite number"),
        ("1e-3", "inf", r"sample B \(line 3\): 'inf' is not a finite number"),
        ("1e-3", "1,5", r"'1,5' is not a finite number"),
        ("1e-3", "NA", r"1 cell is missing: gene ENSG1.3, sample B \(line 3\)"),
        ("1e-3\t0", "NaN\t.", r"2 cells are missing: gene ENSG1.3, sample B .*, gene ENSG1.3, sample A"),
        ("ENSG1.3", "ENSG2.1", r"1 gene ids appear more than once \(ENSG2.1\)"),
        ("\tB\tA", "\tA\tA", r"1 sample ids appear more than once \(A\)"),
        ("chr21\t9\t10", "chr21\t-9\t10", r"gene ENSG1.3 \(line 3\) has start -9, end 10"),
        ("chr21\t9\t10", "chr21\t9\tten", r"line 3\) has start 9, end ten"),
        ("chr21\t9\t10", "chr21\t0\t0", r"line 3\) has start 0, end 0"),
        ("group\t.", "group\tplus", r"has strand 'plus'; write"),
        ("1e-3\t0", "1e-3", r"line 3 has 7 columns, the header has 8"),
        ("1e-3\t0", "1e-3\t0\t0", r"line 3 has 9 columns, the header has 8"),
        ("chr21\t9", "\t9", r"gene ENSG1.3 \(line 3\) lacks an id or a contig"),
        ("start", "begin", r"the header must begin '#chr start end gene_id'"),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert QTLTOOLS.count(old) == 1
    path = write(tmp_path, QTLTOOLS.replace(old, new))
    assert re.search(told, message(lambda: read_expression(path)))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("#chr\tstart\tend\tgene_id\n1\t1\t2\tG\n", "has no samples"),
        ("#chr\tstart\tend\tgene_id\tA\n", "has no genes"),
        ("\x00\x01binary", "the header must begin"),
    ],
)
def test_a_table_without_content(tmp_path: Path, text: str, told: str) -> None:
    path = write(tmp_path, text)
    assert told in message(lambda: read_expression(path))


def test_truncated_compressed_files(tmp_path: Path) -> None:
    body = QTLTOOLS + "".join(f"1\t{i}\t{i + 1}\tG{i}\tg\t+\t{i / 7}\t{i / 3}\n" for i in range(5000))
    bgzipped = tmp_path / "bgzipped.bed.gz"
    pysam.tabix_compress(str(write(tmp_path, body)), str(bgzipped))
    whole = {"bgzip": bgzipped.read_bytes(), "gzip": gzip.compress(body.encode())}
    cut_path = tmp_path / "cut.bed.gz"
    for data in whole.values():
        for kept in (len(data) - 28, len(data) - 9, len(data) // 2):
            cut_path.write_bytes(data[:kept])
            assert "is truncated" in message(lambda: read_expression(cut_path))
    damaged = bytearray(whole["gzip"])
    damaged[len(damaged) // 2] ^= 0xFF
    cut_path.write_bytes(damaged)
    assert "damaged gzip" in message(lambda: read_expression(cut_path))


def test_unreadable_files(tmp_path: Path) -> None:
    assert "No such file" in message(lambda: read_expression(tmp_path / "absent.bed"))
    assert "Is a directory" in message(lambda: read_expression(tmp_path))
    not_parquet = write(tmp_path, "PAR1 but no more", "x.parquet")
    assert "not a readable Parquet" in message(lambda: read_expression(not_parquet))
    latin = tmp_path / "latin.bed"
    latin.write_bytes(QTLTOOLS.replace("\tA", "\tÄ").encode("latin-1"))
    assert "not UTF-8" in message(lambda: read_expression(latin))
    latin.write_bytes(QTLTOOLS.replace("group", "gr\xfcppe", 1).encode("latin-1"))
    assert "UTF-8" in message(lambda: read_expression(latin))


def test_parquet_faults_are_named_without_lines(tmp_path: Path) -> None:
    path = tmp_path / "expression.parquet"
    columns = {"#chr": ["1"], "start": [1], "end": [2], "gene_id": ["G"], "A": [None], "B": [1.0]}
    pl.DataFrame(columns, schema_overrides={"A": pl.Float64}).write_parquet(path)
    assert "1 cell is missing: gene G, sample A;" in message(lambda: read_expression(path))
    pl.DataFrame(columns | {"A": [[1.0]]}).write_parquet(path)
    assert "columns are not numeric" in message(lambda: read_expression(path))


def versions(*gene_ids: str) -> ExpressionTable:
    genes = tuple(Gene(gene_id, "1", i) for i, gene_id in enumerate(gene_ids))
    return ExpressionTable(genes, ("A",), np.arange(len(genes), dtype=np.float64)[:, None])


@pytest.mark.parametrize(
    ("spec", "kept"),
    [
        ("ENSG3,ENSG1.2", ["ENSG1.2", "ENSG3.1"]),
        ("ENSG1,ENSG1", ["ENSG1.2"]),
        ("ENSG3.9", ["ENSG3.1"]),
        (" AC004.1 ,", ["AC004.1"]),
    ],
)
def test_genes_by_name(spec: str, kept: list[str]) -> None:
    chosen = select_genes(versions("ENSG1.2", "AC004.1", "AC004.2", "ENSG3.1"), spec)
    assert [gene.gene_id for gene in chosen.genes] == kept
    assert chosen.values[:, 0].tolist() == [gene.tss for gene in chosen.genes]


def test_genes_by_file(tmp_path: Path) -> None:
    path = write(tmp_path, "# chosen\nENSG3 a note\n\nENSG1.2\n", "genes.txt")
    chosen = select_genes(versions("ENSG1.2", "ENSG3.1", "ENSG4"), str(path))
    assert [gene.gene_id for gene in chosen.genes] == ["ENSG1.2", "ENSG3.1"]
    empty = write(tmp_path, "# none\n", "empty.txt")
    assert "names no gene" in message(lambda: select_genes(versions("G"), str(empty)))


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("ENSG1.2,TP53,BRCA1", "2 of 3 ids are not in the expression table (TP53, BRCA1)"),
        ("AC004", "AC004 may be any of AC004.1, AC004.2"),
        (" , ", "names no gene"),
        ("folder/genes.txt", "there is no file folder/genes.txt"),
    ],
)
def test_gene_choices_that_cannot_be(spec: str, told: str) -> None:
    assert told in message(lambda: select_genes(versions("ENSG1.2", "AC004.1", "AC004.2"), spec))


@pytest.mark.shared
def test_the_benchmark_table_cell_for_cell(shared_cohort: Path) -> None:
    path = shared_cohort / "expression.rpkm.bed.gz"
    table = read_expression(path)
    with gzip.open(path, "rt") as lines:
        header, *rows = (line.rstrip("\n").split("\t") for line in lines)
    assert table.values.shape == (300, 358)
    assert table.sample_ids == tuple(header[6:])
    assert [gene.gene_id for gene in table.genes] == [row[3] for row in rows]
    assert {gene.strand for gene in table.genes} == {"+", "-"}
    assert np.array_equal(table.values, np.array([row[6:] for row in rows], dtype=float))


def test_a_list_of_ids_may_be_longer_than_a_file_name(tmp_path: Path) -> None:
    ids = [f"ENSG{number:011d}" for number in range(500)]
    header = "#chr\tstart\tend\tgene_id\ts1"
    rows = [f"chr1\t{i}\t{i + 1}\t{gene_id}\t0.5" for i, gene_id in enumerate(ids)]
    path = tmp_path / "e.bed"
    path.write_text("\n".join([header, *rows]) + "\n")
    taken = select_genes(read_expression(path), ",".join(ids[:400]))
    assert [gene.gene_id for gene in taken.genes] == ids[:400]

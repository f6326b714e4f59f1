"""GTFs in the dialects of GENCODE and Ensembl, and what they tell of the genes of an expression table."""

import gzip
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pysam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haploscribe.config.options import Position
from haploscribe.errors import InputError
from haploscribe.expression.gene_annotation import FARTHEST, GeneAnnotation
from haploscribe.expression.genes import Gene
from haploscribe.expression.gtf import read_gtf
from haploscribe.expression.table import find_genes, read_expression

GENCODE = """\
##description: evidence-based annotation of the human genome (GRCh38), version 46 (Ensembl 112)
##provider: GENCODE
##format: gtf
chr22\tHAVANA\tgene\t19941371\t19969975\t.\t+\t.\tgene_id "ENSG00000093010.15"; gene_type "protein_coding"; \
gene_name "COMT"; level 1; hgnc_id "HGNC:2228"; tag "ncRNA_host"; havana_gene "OTTHUMG00000150529.12";
chr22\tHAVANA\ttranscript\t19941371\t19969975\t.\t+\t.\tgene_id "ENSG00000093010.15"; \
transcript_id "ENST00000361682.11"; gene_type "protein_coding"; gene_name "COMT";
chr22\tHAVANA\tgene\t20116979\t20127355\t.\t-\t.\tgene_id "ENSG00000099899.15"; gene_type "protein_coding"; \
gene_name "TRMT2A"; level 2;
chrX\tHAVANA\tgene\t2691187\t2741309\t.\t+\t.\tgene_id "ENSG00000002586.20"; gene_type "protein_coding"; \
gene_name "CD99"; level 1;
chrY\tHAVANA\tgene\t2691187\t2741309\t.\t+\t.\tgene_id "ENSG00000002586.20_PAR_Y"; \
gene_type "protein_coding"; gene_name "CD99"; level 2; tag "PAR";
chr22\tHAVANA\tgene\t17140518\t17165287\t.\t-\t.\tgene_id "ENSG00000288683.2"; gene_type "lncRNA"; \
gene_name "ENSG00000288683"; level 2;
"""
ENSEMBL = """\
#!genome-build GRCh38.p14
#!genebuild-last-updated 2024-07
22\tensembl_havana\tgene\t19941371\t19969975\t.\t+\t.\tgene_id "ENSG00000093010"; gene_version "15"; \
gene_name "COMT"; gene_source "ensembl_havana"; gene_biotype "protein_coding";
22\tensembl_havana\ttranscript\t19941371\t19969975\t.\t+\t.\tgene_id "ENSG00000093010"; gene_name "COMT";
22\tensembl_havana\tgene\t20116979\t20127355\t.\t-\t.\tgene_id "ENSG00000099899"; gene_version "15"; \
gene_name "TRMT2A"; gene_source "ensembl_havana"; gene_biotype "protein_coding";
22\thavana\tgene\t17140518\t17165287\t.\t-\t.\tgene_id "ENSG00000288683"; gene_version "2"; \
gene_source "havana"; gene_biotype "lncRNA";
"""
COMT = Gene("ENSG00000093010.15", "chr22", 19_941_370, "+", "COMT", "protein_coding", 19_941_370, 19_969_975)


def write(folder: Path, text: str, name: str = "genes.gtf") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def table(folder: Path, *rows: str) -> Path:
    """A table of one sample; a row is `chr:start-end` and an ID, and a strand where all have one."""
    cells = [re.split(r"[:\- ](?!$)", row, maxsplit=3) for row in rows]
    strands = [cell[3].partition(" ")[2] for cell in cells]
    header = ["#chr", "start", "end", "gene_id", *(["strand"] if any(strands) else []), "s1"]
    lines = [
        [*cell[:3], cell[3].partition(" ")[0], *([strand] if strand else []), "1.5"]
        for cell, strand in zip(cells, strands, strict=True)
    ]
    return write(folder, "".join("\t".join(line) + "\n" for line in [header, *lines]), "expression.bed")


def annotated(
    folder: Path, gtf: str, rows: Sequence[str], position: Position | None = None
) -> tuple[Gene, ...]:
    return read_expression(table(folder, *rows), position, GeneAnnotation.read(write(folder, gtf))).genes


def message(read: Callable[[], object]) -> str:
    with pytest.raises(InputError) as caught:
        read()
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_gencode(tmp_path: Path) -> None:
    genes = read_gtf(write(tmp_path, GENCODE))
    assert genes[0] == COMT
    assert [(gene.gene_id, gene.tss, gene.symbol) for gene in genes[1:]] == [
        ("ENSG00000099899.15", 20_127_354, "TRMT2A"),
        ("ENSG00000002586.20", 2_691_186, "CD99"),
        ("ENSG00000002586.20_PAR_Y", 2_691_186, "CD99"),
        ("ENSG00000288683.2", 17_165_286, None),
    ]


def test_ensembl(tmp_path: Path) -> None:
    genes = read_gtf(write(tmp_path, ENSEMBL))
    assert [(gene.contig, gene.symbol, gene.biotype) for gene in genes] == [
        ("22", "COMT", "protein_coding"),
        ("22", "TRMT2A", "protein_coding"),
        ("22", None, "lncRNA"),
    ]


def test_compressed_and_crlf_read_alike(tmp_path: Path) -> None:
    plain = write(tmp_path, GENCODE)
    (tmp_path / "gzipped.gtf.gz").write_bytes(gzip.compress(GENCODE.encode()))
    pysam.tabix_compress(str(plain), str(tmp_path / "bgzipped.gtf.gz"))
    (tmp_path / "crlf.gtf").write_bytes(GENCODE.replace("\n", "\r\n").encode())
    for name in ("gzipped.gtf.gz", "bgzipped.gtf.gz", "crlf.gtf"):
        assert read_gtf(tmp_path / name) == read_gtf(plain), name


def test_truncated_files(tmp_path: Path) -> None:
    many = GENCODE * 500
    pysam.tabix_compress(str(write(tmp_path, many)), str(tmp_path / "whole.gz"))
    cut = tmp_path / "cut.gtf.gz"
    for data in ((tmp_path / "whole.gz").read_bytes(), gzip.compress(many.encode())):
        for kept in (len(data) - 28, len(data) // 2):
            cut.write_bytes(data[:kept])
            assert "is truncated" in message(lambda: read_gtf(cut))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_gene_records_are_those_that_polars_finds(tmp_path: Path, data: st.DataObject) -> None:
    feature = st.sampled_from(["gene", "exon", "transcript", "gene_region"])
    name = st.from_regex(r"[A-Za-z0-9._-]{1,8}", fullmatch=True)
    record = st.tuples(
        name, st.sampled_from(["gene", "x"]), feature, st.integers(1, 9), st.sampled_from("+-.")
    )
    drawn = data.draw(st.lists(record, min_size=1, max_size=12))
    columns = [
        {"contig": "1", "source": source, "feature": kind, "start": 10 * i + 1, "end": 10 * i + length}
        | {"score": ".", "strand": strand, "frame": ".", "attributes": f'gene_id "{gene_id}"; level 2;'}
        for i, (gene_id, source, kind, length, strand) in enumerate(drawn)
    ]
    frame = pl.DataFrame(columns)
    path = tmp_path / "drawn.gtf"
    frame.write_csv(path, separator="\t", include_header=False, quote_style="never")
    expected = frame.filter(feature="gene").with_columns(
        pl.col("attributes").str.extract('gene_id "([^"]*)"').alias("id")
    )
    if expected.is_empty():
        assert "has no line with `gene` in column 3" in message(lambda: read_gtf(path))
        return
    found = read_gtf(path)
    assert [(gene.gene_id, gene.strand) for gene in found] == expected.select("id", "strand").rows()
    assert [gene.bounds for gene in found] == [
        (start - 1, end) for start, end in expected.select("start", "end").iter_rows()
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_exons_are_the_bases_that_any_exon_of_the_gene_has(tmp_path: Path, data: st.DataObject) -> None:
    exon = st.tuples(
        st.sampled_from("12"), st.sampled_from(["A", "B"]), st.integers(1, 40), st.integers(0, 9)
    )
    exons = data.draw(st.lists(exon, max_size=12))
    bases: dict[tuple[str, str], set[int]] = {}
    lines = [f'{contig}\tx\tgene\t1\t60\t.\t+\t.\tgene_id "A";' for contig in "12"]
    for number, (contig, gene_id, first, longer) in enumerate(exons):
        attributes = f'gene_id "{gene_id}"; transcript_id "T{number}";'
        lines.append(f"{contig}\tx\texon\t{first}\t{first + longer}\t.\t+\t.\t{attributes}")
        bases.setdefault((contig, gene_id), set()).update(range(first - 1, first + longer))
    path = write(tmp_path, "\n".join(data.draw(st.permutations(lines))) + "\n")
    for gene in read_gtf(path, exons=True):
        expected = bases.get((gene.contig, "A"), set())
        assert [base for start, end in gene.exons for base in range(start, end)] == sorted(expected)
        bounds = [bound for span in gene.exons for bound in span]
        assert sorted(set(bounds)) == bounds  # in order, none empty, none touching the next
    assert all(gene.exons == () for gene in read_gtf(path))


def test_a_faulty_exon_is_told_where_exons_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, GENCODE.replace("\ttranscript\t19941371", "\texon\t0"))
    assert len(read_gtf(path)) == 5
    assert "line 5: gene ENSG00000093010.15 is at 0 to" in message(lambda: read_gtf(path, exons=True))


@pytest.mark.parametrize("inside", [1, 30, 200])
def test_a_record_across_the_pieces_that_a_file_is_read_in(tmp_path: Path, inside: int) -> None:
    """Files are read in pieces of 16 MiB: one ends so many bytes into the first gene's line."""
    header, _, rest = GENCODE.partition("chr22")
    padding = 16 * 1024 * 1024 - inside - len(header)
    path = write(tmp_path, header + "#" * (padding - 1) + "\n" + "chr22" + rest)
    assert read_gtf(path) == read_gtf(write(tmp_path, GENCODE, "plain.gtf"))
    faulty = write(tmp_path, path.read_text().replace(".\t-\t.", ".\tminus\t."))
    assert "line 7: gene ENSG00000099899.15 has strand" in message(lambda: read_gtf(faulty))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("\tgene\t", "\texon\t", "has no line with `gene` in column 3; give a GTF that has"),
        ("##description", "##gff-version 3\n##description", "is a GFF3, not a GTF; give the GTF"),
        ('gene_id "ENSG00000093010.15"', "ID=ENSG1", "line 4: the gene has no gene_id; it is a GFF3"),
        ('gene_id "ENSG00000093010.15"', 'name "x"', 'line 4: the gene has no gene_id; write gene_id "'),
        ("19941371\t19969975", "19941371\t1994", "line 4: gene ENSG00000093010.15 is at 19941371 to 1994"),
        ("19941371\t19969975", "0\t19969975", "line 4: gene ENSG00000093010.15 is at 0 to 19969975"),
        (".\t-\t.", ".\tminus\t.", "line 6: gene ENSG00000099899.15 has strand 'minus'"),
        (".\t+\t.", ".\t+", "line 4 has 8 columns; a GTF has 9"),
        ('gene_name "COMT"', 'gene_name "CO\x1bMT"', "gene symbol 'CO\\\\x1bMT' has unprintable"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_place(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in GENCODE
    path = write(tmp_path, GENCODE.replace(old, new))
    assert re.search(told, message(lambda: read_gtf(path)))


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    assert "No such file" in message(lambda: read_gtf(tmp_path / "absent.gtf"))
    assert "Is a directory" in message(lambda: read_gtf(tmp_path))


@pytest.mark.parametrize("gtf", [GENCODE, ENSEMBL])
@pytest.mark.parametrize("gene_id", ["ENSG00000093010.15", "ENSG00000093010", "ENSG00000093010.9"])
def test_a_row_of_one_base_keeps_its_place_whatever_the_version(
    tmp_path: Path, gtf: str, gene_id: str
) -> None:
    (gene,) = annotated(tmp_path, gtf, [f"chr22:19950000-19950001 {gene_id}"])
    start, end = COMT.bounds
    assert gene == Gene(gene_id, "chr22", 19_950_000, "+", "COMT", "protein_coding", start, end)


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        (None, [19_941_370, 20_127_354]),
        ("tss", [19_000_000, 20_199_999]),
        ("start", [19_000_000, 20_100_000]),
    ],
)
def test_rows_of_several_bases_have_the_tss_of_the_annotation_unless_a_position_is_given(
    tmp_path: Path, position: Position | None, expected: list[int]
) -> None:
    rows = ["chr22:19000000-20000000 ENSG00000093010", "chr22:20100000-20200000 ENSG00000099899"]
    genes = annotated(tmp_path, ENSEMBL, rows, position)
    assert [gene.tss for gene in genes] == expected
    assert [gene.strand for gene in genes] == ["+", "-"]


def test_genes_that_the_annotation_lacks_stay_as_they_are(tmp_path: Path) -> None:
    rows = ["22:19941370-19941371 ENSG00000093010.15", "22:500-501 ENSG00000000001.1"]
    genes = annotated(tmp_path, GENCODE, rows)
    assert genes[1] == Gene("ENSG00000000001.1", "22", 500)
    bodies = ["22:19941370-19941371 ENSG00000093010.15", "22:500-600 ENSG00000000001.1"]
    assert re.search(
        r"gene ENSG00000000001.1 \(line 3\) spans 100 bp, and .*genes.gtf has no such gene there; "
        "give --position",
        message(lambda: annotated(tmp_path, GENCODE, bodies)),
    )


def test_a_gene_on_another_contig_or_far_away_is_another_gene(tmp_path: Path) -> None:
    start, end = COMT.bounds
    for place, is_same in (
        (f"chr22:{end + FARTHEST}-{end + FARTHEST + 1}", True),
        (f"chr22:{end + FARTHEST + 1}-{end + FARTHEST + 2}", False),
        (f"chr21:{start}-{start + 1}", False),
    ):
        other = "chr22:20127354-20127355 ENSG00000099899.15"
        found = annotated(tmp_path, GENCODE, [f"{place} {COMT.gene_id}", other])
        assert [gene.symbol for gene in found] == ["COMT" if is_same else None, "TRMT2A"]


def test_genes_of_the_pseudoautosomal_regions(tmp_path: Path) -> None:
    """One ID on X and, with another ID or the same, on Y: the one where the table has it."""
    alike = GENCODE.replace("_PAR_Y", "")
    for gtf, on_y in ((GENCODE, "ENSG00000002586.20_PAR_Y"), (alike, "ENSG00000002586.20")):
        for contig, gene_id in (("X", "ENSG00000002586.20"), ("Y", on_y)):
            (gene,) = annotated(tmp_path, gtf, [f"{contig}:2691186-2691187 {gene_id}"])
            assert (gene.contig, gene.symbol) == (contig, "CD99")


def test_versions_that_may_be_other_genes_are_not_matched(tmp_path: Path) -> None:
    """AC004.1 and AC004.2 are two clones' genes: where one is there, the other is not it."""
    line = '1\tx\tgene\t101\t200\t.\t+\t.\tgene_id "{}"; gene_name "{}";\n'
    one = line.format("AC004.1", "ONE")
    rows = ["1:100-101 AC004.1", "1:150-151 AC004.2"]
    assert [gene.symbol for gene in annotated(tmp_path, one, rows)] == ["ONE", None]
    two = one + line.format("AC004.2", "TWO") + line.format("B", "OTHER")
    rows = ["1:100-101 AC004.3", "1:150-151 B"]
    assert [gene.symbol for gene in annotated(tmp_path, two, rows)] == [None, "OTHER"]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (["22:9-10 Q1"], r"genes.gtf has none of the 1 genes of .*: its ids look like ENSG00000093010.15, "
         "those of the table like Q1; give the GTF"),
        (["22:9-10 ENSG00000093010", "22:20127354-20127355 ENSG00000099899", "22:11-12 ENSG00000288683"],
         r"has 2 of 3 genes elsewhere than .*, first ENSG00000093010: chr22:19,941,371 there, 22:10 here; "
         "give the GTF of the table's genome build"),
        (["22:19941370-19941371 ENSG00000093010 -"],
         r"1 of 1 genes have another strand than in .*, first ENSG00000093010, - here and \+ there"),
    ],
)  # fmt: skip
def test_an_annotation_that_does_not_fit(tmp_path: Path, rows: list[str], told: str) -> None:
    assert re.search(told, message(lambda: annotated(tmp_path, GENCODE, rows)))


def test_the_strand_of_the_table_fills_what_the_annotation_lacks(tmp_path: Path) -> None:
    unknown = GENCODE.replace("\t+\t", "\t.\t")
    rows = ["22:19941370-19969975 ENSG00000093010 -"]
    assert [(gene.tss, gene.strand) for gene in annotated(tmp_path, unknown, rows)] == [(19_969_974, "-")]
    assert "has no strand, so" in message(
        lambda: annotated(tmp_path, unknown, ["22:19941370-19969975 ENSG00000093010"])
    )


def test_genes_that_a_run_saved_stand_in_for_the_annotation(tmp_path: Path) -> None:
    """Rows that only the GTF could place, of genes that the run left out, are not read."""
    rows = [
        "22:19900000-20000000 ENSG00000093010",
        "22:20100000-20200000 ENSG00000099899",
        "22:17165286-17165287 ENSG00000288683",
    ]
    genes = annotated(tmp_path, GENCODE, rows)
    saved = GeneAnnotation.of_run((genes[0],))
    assert read_expression(tmp_path / "expression.bed", None, saved).genes == (
        genes[0],
        Gene("ENSG00000288683", "22", 17_165_286),
    )


def test_a_symbol_names_a_gene_where_no_id_does() -> None:
    genes = (
        Gene("ENSG1.1", "1", 0, symbol="COMT"),
        Gene("ENSG2.1", "1", 1, symbol="SHARED"),
        Gene("ENSG3.1", "1", 2, symbol="SHARED"),
        Gene("COMT2", "1", 3),
        Gene("ENSG4.1", "1", 4, symbol="COMT2"),
    )
    assert find_genes(genes, "COMT,ENSG2", "the table") == [0, 1]
    assert find_genes(genes, "COMT,ENSG1.1", "the table") == [0]
    assert find_genes(genes, "COMT2", "the table") == [3]
    assert "SHARED may be any of ENSG2.1, ENSG3.1; write the id" in message(
        lambda: find_genes(genes, "SHARED", "the table")
    )

"""Tables of scores: each allele has its own, and tables at fault are refused."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from haploscribe.annotations.base import AnnotatedAlleles
from haploscribe.annotations.scores import Scores
from haploscribe.errors import InputError

HEADER = "#CHROM\tPOS\tREF\tALT\tcadd\tdelta\n"
LENGTHS = {"chr2": 1_000}


def alleles(*rows: tuple[int, str, str]) -> AnnotatedAlleles:
    """Alleles of chr2, positions 0-based."""
    positions, references, alternates = zip(*rows, strict=True)
    return AnnotatedAlleles("chr2", np.array(positions, dtype=np.int64), references, alternates)


def written(tmp_path: Path, rows: str) -> Path:
    path = tmp_path / "scores.tsv"
    path.write_text(HEADER + rows)
    return path


def test_alleles_have_their_own_scores_and_others_none(tmp_path: Path) -> None:
    path = written(tmp_path, "2\t11\tA\tG\t1.5\t-2\n2\t11\tA\tT\t3\t4\n2\t30\tct\tc\t0\t1e-3\n")
    scores = Scores(path, LENGTHS)
    assert scores.columns == ("cadd", "delta")
    found = scores.read(alleles((10, "A", "T"), (10, "A", "G"), (15, "C", "G"), (29, "CT", "C")))
    np.testing.assert_array_equal(found, [[3.0, 4.0], [1.5, -2.0], [np.nan, np.nan], [0.0, 1e-3]])
    assert np.isnan(scores.read(alleles((500, "A", "G")))).all()


def test_parquet_gives_the_same(tmp_path: Path) -> None:
    path = written(tmp_path, "2\t11\tA\tG\t1.5\t-2\n")
    pl.read_csv(path, separator="\t").rename({"#CHROM": "chrom"}).write_parquet(tmp_path / "scores.parquet")
    wanted = alleles((10, "A", "G"))
    np.testing.assert_array_equal(
        Scores(tmp_path / "scores.parquet", LENGTHS).read(wanted), Scores(path, LENGTHS).read(wanted)
    )


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("", r"has no variant on the genes' contigs"),
        ("3\t11\tA\tG\t1\t2\n", r"has no variant on the genes' contigs \(chr2\); it has 3"),
        ("2\t11\tA\tG\t1\t2\n2\t11\tA\tG\t1\t3\n", "has 2:11:A:G more than once"),
        ("2\t11\tA\tG\t1\t2\n2\t12\tA\t.\t1\t2\n", r"has no allele in 1 of 2 rows, the first row 2"),
        ("2\t11\tA\t\t1\t2\n", "has no allele in 1 of 1 rows"),
        ("2\tx\tA\tG\t1\t2\n", "has no allele in 1 of 1 rows"),
        ("2\t11\tA\tG\tNaN\t2\n", "has a score that is no finite number in 1 of 1 rows"),
        ("2\t11\tA\tG\thigh\t2\n", "has a score that is no finite number"),
    ],
)
def test_tables_at_fault_are_refused(tmp_path: Path, rows: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Scores(written(tmp_path, rows), LENGTHS)


@pytest.mark.parametrize("header", ["chrom\tpos\tref\tscore\n", "chrom\tpos\tref\talt\n", "\x00\x01"])
def test_a_table_lacks_no_column(tmp_path: Path, header: str) -> None:
    path = tmp_path / "scores.tsv"
    path.write_text(header + "2\t11\tA\t1\n")
    with pytest.raises(InputError, match="the header must be chrom, pos"):
        Scores(path, LENGTHS)


def test_scores_of_another_build_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "".join(f"2\t{10 + i}\tA\tG\t1\t2\n" for i in range(9)))
    with pytest.raises(InputError, match="has other alleles than the genotypes at 9 of 9 positions"):
        Scores(path, LENGTHS).read(alleles(*((9 + i, "C", "T") for i in range(9))))

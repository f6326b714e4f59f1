"""The reference FASTA against pysam, and what is said when it cannot be read."""

import gzip
import os
from pathlib import Path

import pysam
import pytest

from haploscribe.errors import InputError
from haploscribe.genome.contigs import match_contig
from haploscribe.genome.reference import Reference
from tests.fixtures.variants import write_fasta

SEQUENCE = "ACGTacgtNNRYKM" * 30


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    folder = tmp_path / "user"
    folder.mkdir()
    return write_fasta(folder / "r.fa", {"chr1": SEQUENCE, "chr2": "ACGT", "MT": "GATTACA"})


@pytest.fixture
def bgzipped(plain: Path) -> Path:
    path = plain.with_name("r.fa.gz")
    pysam.tabix_compress(str(plain), str(path))
    return path


def _expected(start: int, end: int) -> bytes:
    return "".join(base if base in "ACGT" else "N" for base in SEQUENCE[start:end].upper()).encode()


@pytest.mark.parametrize("kind", ["plain", "bgzipped"])
def test_fetch_is_upper_case_with_n_for_every_other_letter(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with Reference.open(request.getfixturevalue(kind), tmp_path / "index") as reference:
        assert reference.fetch("chr1", 50, 200) == _expected(50, 200)


def test_contigs_are_those_of_the_fasta_with_their_lengths(plain: Path, tmp_path: Path) -> None:
    with Reference.open(plain, tmp_path / "index") as reference:
        assert reference.contigs == {"chr1": len(SEQUENCE), "chr2": 4, "MT": 7}


@pytest.mark.parametrize("kind", ["plain", "bgzipped"])
def test_nothing_is_written_beside_the_users_file(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    path: Path = request.getfixturevalue(kind)
    before = sorted(path.parent.iterdir())
    Reference.open(path, tmp_path / "index").close()
    assert sorted(path.parent.iterdir()) == before


def test_an_index_beside_the_file_is_used(plain: Path, tmp_path: Path) -> None:
    pysam.faidx(str(plain))
    Reference.open(plain, tmp_path / "index").close()
    assert not (tmp_path / "index").exists()


def test_an_index_older_than_the_file_is_not_used(plain: Path, tmp_path: Path) -> None:
    pysam.faidx(str(plain))
    os.utime(f"{plain}.fai", (0, 0))
    write_fasta(plain, {"other": "ACGTACGT"})
    with Reference.open(plain, tmp_path / "index") as reference:
        assert dict(reference.contigs) == {"other": 8}


def test_an_own_index_is_made_once(plain: Path, tmp_path: Path) -> None:
    Reference.open(plain, tmp_path / "index").close()
    first = {path: path.stat().st_mtime_ns for path in (tmp_path / "index").iterdir()}
    Reference.open(plain, tmp_path / "index").close()
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "index").iterdir()} == first


@pytest.mark.parametrize(
    ("name", "available", "expected"),
    [
        ("22", ["chr21", "chr22"], "chr22"),
        ("chr22", ["21", "22"], "22"),
        ("chrM", ["1", "MT"], "MT"),
        ("MT", ["chr1", "chrM"], "chrM"),
        ("22", ["22", "chr22"], "22"),
        ("X", ["chr1"], None),
        ("2", ["chr22"], None),
    ],
)
def test_contig_names_are_matched(name: str, available: list[str], expected: str | None) -> None:
    assert match_contig(name, available) == expected


def test_an_ambiguous_contig_name_is_refused() -> None:
    with pytest.raises(InputError, match="contig MT could be M or chrM; rename one of them"):
        match_contig("MT", ["M", "chrM"])
    with pytest.raises(InputError, match=r"could be 1 or Chr1 in v\.vcf; rename one of them"):
        match_contig("chr1", ["1", "Chr1"], "v.vcf")


def _message(error: pytest.ExceptionInfo[InputError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def test_an_unknown_contig_is_refused_with_some_that_are_there(plain: Path, tmp_path: Path) -> None:
    with Reference.open(plain, tmp_path) as reference, pytest.raises(InputError) as error:
        reference.resolve("chr9")
    assert _message(error).endswith("(it has: chr1, chr2, MT); use its contig names")


def test_a_region_beyond_the_contig_is_refused(plain: Path, tmp_path: Path) -> None:
    with Reference.open(plain, tmp_path) as reference, pytest.raises(InputError) as error:
        reference.fetch("2", 2, 9)
    assert "region chr2:3-9 is not inside chr2" in _message(error)


def test_a_gzipped_fasta_is_refused_with_the_bgzip_command(plain: Path, tmp_path: Path) -> None:
    path = plain.with_name("g.fa.gz")
    path.write_bytes(gzip.compress(plain.read_bytes()))
    with pytest.raises(InputError) as error:
        Reference.open(path, tmp_path)
    assert "gunzip -c g.fa.gz | bgzip" in _message(error)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        Reference.open(tmp_path / "none.fa", tmp_path)
    assert "none.fa: No such file" in _message(error)


def test_a_file_that_is_no_fasta_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.fa"
    path.write_text("gene\tvalue\n")
    with pytest.raises(InputError) as error:
        Reference.open(path, tmp_path)
    assert "is not a FASTA file" in _message(error)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.fa"
    path.touch()
    with pytest.raises(InputError) as error:
        Reference.open(path, tmp_path)
    assert "is not a FASTA file" in _message(error)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_lines_of_unequal_length_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"r.fa{suffix}"
    with pysam.BGZFile(str(path), "w") if suffix else path.open("wb") as file:
        file.write(b">c\nACGT\nACGTACGT\nAC\n")
    with pytest.raises(InputError) as error:
        Reference.open(path, tmp_path)
    assert "cannot be indexed as FASTA" in _message(error)


def test_a_bgzipped_fasta_cut_short_is_refused(bgzipped: Path, tmp_path: Path) -> None:
    bgzipped.write_bytes(bgzipped.read_bytes()[:-40])
    with pytest.raises(InputError) as error:
        Reference.open(bgzipped, tmp_path)
    assert "is cut short" in _message(error)


def test_a_fasta_that_lost_bases_after_indexing_is_refused(plain: Path, tmp_path: Path) -> None:
    pysam.faidx(str(plain))
    plain.write_text(plain.read_text()[:100])
    os.utime(f"{plain}.fai")
    with Reference.open(plain, tmp_path) as reference, pytest.raises(InputError) as error:
        reference.fetch("chr1", 50, 300)
    assert "does not fit its index at chr1:51-300" in _message(error)

"""Dosages of VCF, BCF and PGEN, against what bcftools, htslib and plink2 read of the same files."""

import gzip
import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haploscribe.config.options import CohortOptions
from haploscribe.errors import InputError
from haploscribe.genome.dosages import dosages, hard_calls, minor_allele_frequencies
from haploscribe.genome.readers.cache import GenotypeCache, write_variant_block, write_variant_samples
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.variants import Variants, concatenate
from tests.fixtures.imputed import imputed_vcf
from tests.fixtures.peers import require_program
from tests.fixtures.variants import SAMPLES, DrawnContig, contigs, only_file, vcf_text

_PGEN_STEP = 1 / 16_384
"""Difference between neighbouring dosages of a PGEN."""


def read(path: Path, end: int = 60_000_000) -> Variants:
    with open_variants(path, max_missing=1) as reader:
        return reader.read(reader.contigs[0], 0, end, reader.sample_ids)


def read_lines(folder: Path, *lines: str) -> Variants:
    """Read records, less their first columns, of the samples a and b."""
    path = folder / "v.vcf"
    path.write_text(
        vcf_text({"1": 1_000}, [f"1\t{10 * i + 10}\t.\tA\t{line}" for i, line in enumerate(lines)])
    )
    return read(path)


def bcftools_values(path: Path, key: str) -> list[list[str]]:
    """Each record's values of a key of FORMAT, one per sample."""
    text = pysam.bcftools.query("-f", f"[%{key}\t]\n", str(path))
    return [line.rstrip("\t").split("\t") for line in str(text).splitlines()]


def of_example(example: CohortOptions, folder: Path, keys: str, missing: float = 0.02) -> Path:
    """Write some real sites of one ALT allele, with dosages."""
    lines = gzip.decompress(only_file(example.variants).read_bytes()).decode().splitlines()
    kept = [line for line in lines if line[0] == "#" or "," not in line.split("\t")[4]][:60]
    path = folder / f"{keys.replace(':', '-')}.vcf"
    path.write_text(imputed_vcf("\n".join(kept), 3, keys, missing=missing))
    return path


def pgen_of(vcf: Path, key: str) -> Path:
    command = [require_program("plink2"), "--vcf", str(vcf), f"dosage={key}", "--make-pgen", "--out"]
    subprocess.run([*command, str(vcf.with_suffix(""))], check=True, capture_output=True)
    return vcf.with_suffix(".pgen")


@pytest.mark.parametrize("kind", ["vcf", "vcf.gz", "bcf"])
def test_ds_is_what_bcftools_reads(example: CohortOptions, tmp_path: Path, kind: str) -> None:
    plain = of_example(example, tmp_path, "GT:DS")
    path = tmp_path / f"other.{kind}"
    how = {"vcf": "v", "vcf.gz": "z", "bcf": "b"}[kind]
    pysam.bcftools.view("-O", how, "-o", str(path), str(plain), catch_stdout=False)
    found = read(path)
    expected = np.array(
        [[np.nan if v == "." else float(v) for v in row] for row in bcftools_values(plain, "DS")]
    )
    calls = np.array(bcftools_values(plain, "GT"))
    called = np.char.count(calls, "1").astype(float)
    expected = np.where(np.isnan(expected), np.where(calls == ".|.", np.nan, called), expected)
    np.testing.assert_allclose(dosages(found)[1].T, expected, rtol=1e-6)
    np.testing.assert_array_equal(hard_calls(found)[1].T, called)
    assert found.missing is not None
    np.testing.assert_array_equal(found.missing, calls == ".|.")
    assert found.counts.n_missing_calls == (calls == ".|.").sum() > 0
    assert found.counts.n_missing_dosages == np.isnan(expected).sum() > 0
    assert found.counts.n_uncertain_calls == ((expected != called) & ~np.isnan(expected)).sum()


@pytest.mark.parametrize("key", ["DS", "HDS"])
def test_a_pgen_has_the_dosages_of_the_vcf(example: CohortOptions, tmp_path: Path, key: str) -> None:
    vcf = of_example(example, tmp_path, f"GT:{key}")
    pgen = pgen_of(vcf, key)
    one, other = read(vcf), open_assumed(pgen)
    np.testing.assert_allclose(dosages(other)[1], dosages(one)[1], atol=_PGEN_STEP)
    assert one.alt_dosages is not None
    assert other.alt_dosages is not None
    assert one.missing is not None
    # Where GT is missing, plink2 calls alleles from the dosage, without phase.
    both = ~one.missing
    np.testing.assert_allclose(other.alt_dosages[both], one.alt_dosages[both], atol=_PGEN_STEP)
    # The numbers that plink2 exports of it
    command = [require_program("plink2"), "--pfile", str(pgen.with_suffix("")), "--export", "A", "--out"]
    subprocess.run([*command, str(tmp_path / "a")], check=True, capture_output=True)
    raw = pl.read_csv(tmp_path / "a.raw", separator="\t", null_values="NA", infer_schema_length=None)
    exported = raw.select(pl.all().exclude("FID", "IID", "PAT", "MAT", "SEX", "PHENOTYPE").cast(pl.Float64))
    counted = exported.to_numpy()
    reference_counted = np.array([name.rsplit("_", 1)[1] for name in exported.columns]) == [
        record[0].decode() for record in one.alleles
    ]
    counted = np.where(reference_counted, 2.0 - counted, counted)
    np.testing.assert_allclose(dosages(other)[1], counted, atol=1e-4)


def open_assumed(path: Path) -> Variants:
    with open_variants(path, max_missing=1, assume_phased=True) as reader:
        return reader.read(reader.contigs[0], 0, 60_000_000, reader.sample_ids)


def test_haplotypes_have_hds_and_calls_the_ds_that_they_round(tmp_path: Path) -> None:
    found = read_lines(
        tmp_path,
        "C\t.\t.\t.\tGT:HDS\t0|1:0.1,0.8\t.|.:0.25,0.5",
        "C\t.\t.\t.\tGT:DS:HDS\t1|1:1.8:0.9,0.9\t0|0:0.02:0.005,0.015",
        "C\t.\t.\t.\tGT:DS\t0|1:0.9\t1|0:1.25",
        "C\t.\t.\t.\tGT:DS\t1|1:1.9\t./.:0.5",
        "C\t.\t.\t.\tGT:HDS\t1:0.75\t0|1",
        "C\t.\t.\t.\tGT:DS\t1:0.75\t0:0.25",
        "C,G\t.\t.\t.\tGT:DS\t1|2:0.75,1.5\t.|.:.,.",
    )
    assert found.alt_dosages is not None
    expected = [
        [[0.1, 0.8], [0.25, 0.5]],
        [[0.9, 0.9], [0.005, 0.015]],
        [[0.0, 0.9], [1.0, 0.25]],
        [[0.95, 0.95], [0.25, 0.25]],
        [[0.75, 0.0], [0.0, 1.0]],
        [[0.75, 0.0], [0.25, 0.0]],
        [[0.75, 0.0], [np.nan, np.nan]],
        [[0.5, 1.0], [np.nan, np.nan]],
    ]
    np.testing.assert_allclose(found.alt_dosages, expected, rtol=1e-6)
    assert found.counts.n_missing_calls == 3
    assert found.counts.n_missing_dosages == 1


def test_rounding_beyond_the_range_is_forgiven(tmp_path: Path) -> None:
    found = read_lines(tmp_path, "C\t.\t.\t.\tGT:DS\t1|1:2.0004\t0|0:-2e-4")
    np.testing.assert_array_equal(dosages(found)[1], [[2.0], [0.0]])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("C\t.\t.\t.\tGT:DS\t0|1:1\t0|0:2.01", "has a DS at 1:10 that is not a number of 0 to 2"),
        ("C\t.\t.\t.\tGT:DS\t0|1:nan\t0|0:0", "has a DS at 1:10 that is not a number of 0 to 2"),
        ("C\t.\t.\t.\tGT:DS\t0|1:a\t0|0:0", "has a DS at 1:10 that is not a number of 0 to 2"),
        ("C\t.\t.\t.\tGT:DS\t0|1:1.0.0\t0|0:0", "has a DS at 1:10 that is not a number of 0 to 2"),
        ("C\t.\t.\t.\tGT:DS\t0|1:1,0\t0|0:0", "has 2 DS values of a call at 1:10, not 1"),
        ("C,G\t.\t.\t.\tGT:DS\t0|1:1\t0|0:0,0", "has 1 DS values of a call at 1:10, not 2"),
        ("C\t.\t.\t.\tGT:HDS\t0|1:0,1.5\t0|0:0,0", "has a HDS at 1:10 that is not a number of 0 to 1"),
        ("C\t.\t.\t.\tGT:HDS\t0|1:1\t0|0:0,0", "has 1 HDS values of a call at 1:10, not 2"),
        ("C,G\t.\t.\t.\tGT:HDS\t0|1:1,0\t0|0:0,0", "has HDS of several ALT alleles at 1:10"),
        ("C\t.\t.\t.\tDS:GT\t1:0|1\t0:0|0:3", "has a call of more values than FORMAT names at 1:10"),
    ],
)
def test_a_dosage_that_is_none_is_named_with_its_site(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_lines(tmp_path, line)


def test_a_file_of_dosages_alone_has_calls_that_are_missing_and_frequencies(
    example: CohortOptions, tmp_path: Path
) -> None:
    alone = read(of_example(example, tmp_path, "DS", missing=0))
    called = read(of_example(example, tmp_path, "GT:DS", missing=0))
    assert alone.missing is not None
    assert alone.missing.all()
    assert not alone.genotypes.any()
    np.testing.assert_array_equal(dosages(alone)[1], dosages(called)[1])
    frequency = dosages(alone)[1].mean(axis=0, dtype=float) / 2
    np.testing.assert_allclose(minor_allele_frequencies(alone), np.minimum(frequency, 1 - frequency))
    carried = called.genotypes.mean(axis=(1, 2))
    np.testing.assert_allclose(minor_allele_frequencies(called), np.minimum(carried, 1 - carried))


def assert_equal(found: Variants, expected: Variants) -> None:
    np.testing.assert_array_equal(found.positions, expected.positions)
    np.testing.assert_array_equal(found.genotypes, expected.genotypes)
    np.testing.assert_array_equal(dosages(found)[1], dosages(expected)[1])
    for one, other in (
        (found.missing, expected.missing),
        (found.alt_dosages, expected.alt_dosages),
    ):
        if one is not None and other is not None:
            np.testing.assert_array_equal(one, other)


@st.composite
def imputed_contigs(draw: st.DrawFn) -> tuple[DrawnContig, str]:
    """A crowded contig, and the text of its VCF with dosages and missing calls."""
    drawn = draw(contigs())
    text = vcf_text({"c": len(drawn.sequence)}, [record.line("c") for record in drawn.records])
    keys = draw(st.sampled_from(["GT", "GT:DS", "DS", "DS:GT"]))
    seed = draw(st.integers(0, 99))
    return drawn, text if keys == "GT" else imputed_vcf(text, seed, keys, missing=0.2)


@settings(deadline=None, max_examples=40)
@given(drawn=imputed_contigs(), data=st.data())
def test_parts_cached_and_joined_are_the_whole(drawn: tuple[DrawnContig, str], data: st.DataObject) -> None:
    contig, text = drawn
    with TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "v.vcf"
        path.write_text(text)
        if not contig.records:
            return
        whole = read(path)
        n = len(whole.positions)
        cuts = sorted({0, n, *data.draw(st.lists(st.integers(0, n), max_size=3))})
        parts = [whole.consecutive(first, last) for first, last in pairwise(cuts)]
        # A part without dosages of its own, beside others that have some
        parts = [
            replace(part, alt_dosages=None)
            if np.array_equal(dosages(replace(part, alt_dosages=None))[1], dosages(part)[1], equal_nan=True)
            and data.draw(st.booleans())
            else part
            for part in parts
        ]
        if parts:
            assert_equal(concatenate(parts), whole)
        keep = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), dtype=np.bool_)
        taken, columns = whole.take(keep), np.repeat(keep, whole.n_alternates)
        np.testing.assert_array_equal(dosages(taken)[1], dosages(whole)[1][:, columns])
        np.testing.assert_array_equal(
            dosages(taken.take_samples(np.array([1])))[1], dosages(whole)[1][1:, columns]
        )
        write_variant_samples(folder / "cache", SAMPLES)
        write_variant_block(folder / "cache", 0, whole)
        with GenotypeCache(folder / "cache", 1_000) as cache:
            again = cache.read(whole.contig, 0, 10_000, SAMPLES)
        assert_equal(again, whole)
        assert (again.alt_dosages is None) == (whole.alt_dosages is None)


def test_a_cache_of_complete_calls_holds_nothing_else(tmp_path: Path) -> None:
    whole = read_lines(tmp_path, "C\t.\t.\t.\tGT\t0|1\t1|1")
    write_variant_block(tmp_path, 0, whole)
    with np.load(next(tmp_path.rglob("0.npz")), allow_pickle=False) as arrays:
        assert not {"missing", "differs", "dosages"} & set(arrays.files)


@given(
    numbers=st.lists(st.floats(0, 2) | st.sampled_from([0.0, 1.0, 2.0]), min_size=2, max_size=2),
    data=st.data(),
)
def test_any_spelling_of_a_number_is_read_as_python_does(numbers: list[float], data: st.DataObject) -> None:
    spellings = ("{:g}", "{:.3f}", "{:.17g}", "{:e}", "{:.0f}", "+{:.4f}")
    texts = [data.draw(st.sampled_from(spellings)).format(number) for number in numbers]
    with TemporaryDirectory() as name:
        found = read_lines(Path(name), "C\t.\t.\t.\tDS\t" + "\t".join(texts))
    expected = np.array([[float(text)] for text in texts], dtype=np.float32)
    np.testing.assert_array_equal(dosages(found)[1], expected)

"""ALT alleles one by one, as bcftools splits them."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pysam.bcftools
from hypothesis import given, settings

from haploscribe.genome.variants import AltAllele
from haploscribe.genome.alternates import alternates
from haploscribe.genome.variants import dosages
from haploscribe.genome.readers.open import open_variants
from tests.fixtures.variants import SAMPLES, DrawnContig, contigs, write_vcf, write_vcf_lines


@settings(deadline=None, max_examples=20)
@given(drawn=contigs())
def test_alleles_and_their_names_are_those_of_bcftools(drawn: DrawnContig) -> None:
    with TemporaryDirectory() as folder:
        vcf = write_vcf(Path(folder) / "v.vcf.gz", {"c": drawn})
        with open_variants(vcf, max_missing=1) as reader:
            variants = reader.read("c", 0, len(drawn.sequence), SAMPLES)
        split = str(pysam.bcftools.norm("-m-any", str(vcf)))
    records = [line.split("\t")[:5] for line in split.splitlines() if not line.startswith("#")]
    expected = [
        (f"{contig}:{position}:{reference}:{alternate}", int(position) - 1)
        for contig, position, _, reference, alternate in records
        if alternate.isalpha()
    ]
    found = alternates(variants)
    # bcftools sorts the alleles of one position anew.
    assert sorted((each.name("c"), each.position) for each in found) == sorted(expected)
    assert [each.position for each in found] == dosages(variants)[0].tolist()


def test_alleles_of_a_record_with_an_identifier_go_by_it(tmp_path: Path) -> None:
    line = "c\t5\trs7\tA\tC,AG\t.\t.\t.\tGT\t0|1\t2|0"
    with open_variants(write_vcf_lines(tmp_path / "v.vcf.gz", {"c": 20}, [line])) as reader:
        found = alternates(reader.read("c", 0, 20, SAMPLES))
    assert [each.name("c") for each in found] == ["rs7", "rs7"]
    assert [(each.reference, each.alternate) for each in found] == [(b"A", b"C"), (b"A", b"AG")]


def test_an_allele_of_which_no_identifier_is_known_goes_by_its_place() -> None:
    assert AltAllele(4, b"A", b"AG").name("c") == "c:5:A:AG"

"""Options that travel to other machines name files from the root on."""

from pathlib import Path

import pytest

from haploscribe.config.options import CohortOptions


def test_every_file_is_named_absolutely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "genes.txt").write_text("G1\n")
    options = CohortOptions(Path("v.vcf"), Path("r.fa"), Path("e.bed"), Path("c.txt"), genes="genes.txt")
    found = options.absolute()
    assert (found.variants, found.covariates) == (tmp_path / "v.vcf", tmp_path / "c.txt")
    assert found.genes == str(tmp_path / "genes.txt")
    assert found.hidden_factors is None


def test_gene_names_stay_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = CohortOptions(Path("v.vcf"), Path("r.fa"), Path("e.bed"), genes="G1,G2")
    assert options.absolute().genes == "G1,G2"

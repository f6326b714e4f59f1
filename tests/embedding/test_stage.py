"""Half precision is refused where it makes deltas inaccurate."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cosine

from haploscribe.config.options import BackboneOptions, CohortOptions, WorkerOptions
from haploscribe.embedding.backbones.nucleotide_transformer import NucleotideTransformer
from haploscribe.embedding.engine import check_half_precision, delta_cosines
from haploscribe.errors import InputError
from haploscribe.workflows.embed import embed


def test_cosines_are_scipys() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=(2, 5, 3, 4)).astype(np.float32)
    expected = [1 - cosine(x.ravel(), y.ravel()) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(delta_cosines(a, b), expected, rtol=1e-6)


def test_a_delta_that_vanishes_has_cosine_zero() -> None:
    ones, zeros = np.ones((1, 1, 2), dtype=np.float32), np.zeros((1, 1, 2), dtype=np.float32)
    assert delta_cosines(zeros, ones).tolist() == [0.0]


def test_one_bad_delta_in_a_hundred_may_be() -> None:
    check_half_precision(np.array([0.5, *np.ones(199)]), "x")
    with pytest.raises(InputError, match="--precision float32"):
        check_half_precision(np.array([0.5] * 5 + [1.0] * 95), "x")


@pytest.fixture
def one_gene(example: CohortOptions) -> CohortOptions:
    return replace(example, genes="ENSG00000128191.9", window=12_000)


@pytest.mark.slow
def test_deltas_of_nano_survive_mixed_precision(one_gene: CohortOptions, tmp_path: Path) -> None:
    found = embed(
        one_gene, BackboneOptions(precision="mixed", device="cpu"), tmp_path / "s.zarr", WorkerOptions()
    )
    assert found["forward_passes"] > 0


def test_a_backbone_whose_deltas_drown_is_refused_before_anything_is_stored(
    one_gene: CohortOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With noise of a thousandth, as much as one SNP moves an embedding."""
    embed_sequences = NucleotideTransformer.embed

    def noisy(self, sequences):  # type: ignore[no-untyped-def]
        found = embed_sequences(self, sequences)
        if self.settings["dtype"] == "float32":
            return found
        noise = np.random.default_rng(0).normal(size=found.shape).astype(np.float32)
        return found + np.float32(1e-3) * noise

    monkeypatch.setattr(NucleotideTransformer, "embed", noisy)
    with pytest.raises(InputError, match="are too inaccurate"):
        embed(
            one_gene, BackboneOptions(precision="mixed", device="cpu"), tmp_path / "s.zarr", WorkerOptions()
        )
    assert not list((tmp_path / "s.zarr").glob("vectors"))

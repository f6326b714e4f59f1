"""Xpresso: its input on a made file, its measure on real genes."""

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import pearsonr

from haploscribe.arrays import Float64Array
from haploscribe.errors import InputError
from haploscribe.expression.genes import Gene
from haploscribe.expression.table import ExpressionTable, read_expression
from haploscribe.genome.centred import reverse_complement
from haploscribe.genome.reference import Reference
from haploscribe.zero_shot.xpresso import Xpresso, read_xpresso

from .keras_files import MadeModel

_LENGTH = 10_500


def _made() -> MadeModel:
    return MadeModel(length=_LENGTH, features=6, filters=(3, 4), pools=(30, 10))


def _sequence(seed: int) -> bytes:
    return bytes(np.random.default_rng(seed).choice(np.frombuffer(b"ACGTN", np.uint8), _LENGTH).tobytes())


def test_prediction_is_that_of_bases_in_the_order_acgt_with_all_features_zero(tmp_path: Path) -> None:
    made = _made()
    sequences = [_sequence(seed) for seed in range(3)]
    found = read_xpresso(made.write(tmp_path / "model.h5")).predict(sequences)
    # By comparison with each letter in turn; an N equals none of them.
    one_hot = [
        np.array([[base == letter for letter in b"ACGT"] for base in sequence], dtype=np.float32)
        for sequence in sequences
    ]
    expected = [made.expected(bases, np.zeros(6, dtype=np.float32)) for bases in one_hot]
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-3)


def test_prediction_does_not_depend_on_the_company_to_the_bit(tmp_path: Path) -> None:
    model = read_xpresso(_made().write(tmp_path / "model.h5"))
    sequences = [_sequence(seed) for seed in range(5)]
    together = model.predict(sequences)
    assert together.tolist() == [model.predict([sequence]).item() for sequence in sequences]


def test_no_sequence_has_no_prediction(tmp_path: Path) -> None:
    assert read_xpresso(_made().write(tmp_path / "model.h5")).predict([]).shape == (0,)


def test_sequence_of_another_length_is_refused(tmp_path: Path) -> None:
    model = read_xpresso(_made().write(tmp_path / "model.h5"))
    with pytest.raises(ValueError, match="10,500 bases, not 10,499"):
        model.predict([_sequence(0)[1:]])


def test_a_shorter_network_is_not_xpresso(tmp_path: Path) -> None:
    path = MadeModel().write(tmp_path / "model.h5")
    with pytest.raises(InputError, match=r"is not Xpresso: it reads \[\(97, 4\), \(3,\)\]"):
        read_xpresso(path)


@pytest.fixture(scope="module")
def published() -> Xpresso:
    root = Path(os.environ.get("HAPLOSCRIBE_SHARED", Path(__file__).parents[3] / "shared"))
    path = root / "models" / "xpresso_GM12878.h5"
    if not path.is_file():
        pytest.skip(
            f"no published weights at {path}: set HAPLOSCRIBE_SHARED to the folder that holds models/"
        )
    return read_xpresso(path)


def _stretch(reference: Reference, gene: Gene, upstream: int, downstream: int, strand: str) -> bytes:
    if strand == "+":
        return reference.fetch(gene.contig, gene.tss - upstream, gene.tss + downstream)
    return reverse_complement(
        reference.fetch(gene.contig, gene.tss - downstream + 1, gene.tss + upstream + 1)
    )


def _correlation(model: Xpresso, sequences: list[bytes], expression: Float64Array) -> float:
    return float(pearsonr(model.predict(sequences), expression).statistic)


def _typical(table: ExpressionTable) -> Float64Array:
    """log10 of the median RPKM: unlike the mean, no one clone of B cells decides it."""
    return np.asarray(np.log10(np.median(table.values, axis=1) + 0.1))


@pytest.mark.slow
@pytest.mark.shared
def test_published_weights_rank_real_genes_and_only_when_read_the_right_way(
    published: Xpresso, shared_cohort: Path, tmp_path: Path
) -> None:
    table = read_expression(shared_cohort / "expression.rpkm.bed.gz")
    with Reference.open(shared_cohort / "reference.fa.gz", tmp_path) as reference:
        stretch = partial(_stretch, reference)
        right = [stretch(gene, 7000, 3500, gene.strand) for gene in table.genes]
        swapped = [stretch(gene, 3500, 7000, gene.strand) for gene in table.genes]
        other_strand = [stretch(gene, 7000, 3500, "+-"[gene.strand == "+"]) for gene in table.genes]
    wrong = {
        "extents swapped": swapped,
        "the other strand": other_strand,
        "the window reverse-complemented": [reverse_complement(sequence) for sequence in right],
        "bases in the order ATGC": [_renamed(sequence, b"ATGC") for sequence in right],
        "bases in the order TCGA": [_renamed(sequence, b"TCGA") for sequence in right],
    }
    expression = _typical(table)
    best = _correlation(published, right, expression)
    others = {name: _correlation(published, sequences, expression) for name, sequences in wrong.items()}
    assert best > 0.25  # .342 measured
    assert max(others.values()) < best - 0.02, others


def _renamed(sequence: bytes, order: bytes) -> bytes:
    return sequence.translate(bytes.maketrans(b"ACGT", order))

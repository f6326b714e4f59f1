"""Xpresso against the same network in plain numpy, refusals of other files, and its measure on real genes."""

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from scipy.stats import pearsonr

from haploscribe.errors import InputError
from haploscribe.expression.genes import Gene
from haploscribe.expression.table import ExpressionTable, read_expression
from haploscribe.genome.haplotypes import reverse_complement
from haploscribe.genome.reference import Reference
from haploscribe.utils.types import Float64Array
from haploscribe.zero_shot.xpresso import Xpresso, read_xpresso
from tests.fixtures.xpresso_files import RandomXpresso

_LENGTH = 10_500


def _sequence(seed: int) -> bytes:
    return bytes(np.random.default_rng(seed).choice(np.frombuffer(b"ACGTN", np.uint8), _LENGTH).tobytes())


@pytest.mark.parametrize("seed", range(3))
def test_network_computes_what_numpy_computes(tmp_path: Path, seed: int) -> None:
    random = RandomXpresso(seed)
    rng = np.random.default_rng(seed)
    bases = rng.normal(size=(3, _LENGTH, 4)).astype(np.float32)
    features = rng.normal(size=(3, 6)).astype(np.float32)
    network = read_xpresso(random.write(tmp_path / "model.h5")).network
    found = network(torch.from_numpy(bases), torch.from_numpy(features))
    expected = [random.expected(*inputs) for inputs in zip(bases, features, strict=True)]
    np.testing.assert_allclose(found[:, 0].numpy(), expected, rtol=1e-4, atol=1e-5)


def test_prediction_is_that_of_bases_in_the_order_acgt_with_all_features_zero(tmp_path: Path) -> None:
    random = RandomXpresso()
    sequences = [_sequence(seed) for seed in range(3)]
    found = read_xpresso(random.write(tmp_path / "model.h5")).predict(sequences)
    # By comparison with each letter in turn; an N equals none of them.
    one_hot = [
        np.array([[base == letter for letter in b"ACGT"] for base in sequence], dtype=np.float32)
        for sequence in sequences
    ]
    expected = [random.expected(bases, np.zeros(6, dtype=np.float32)) for bases in one_hot]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_prediction_does_not_depend_on_the_company_to_the_bit(tmp_path: Path) -> None:
    model = read_xpresso(RandomXpresso().write(tmp_path / "model.h5"))
    sequences = [_sequence(seed) for seed in range(5)]
    together = model.predict(sequences)
    assert together.tolist() == [model.predict([sequence]).item() for sequence in sequences]


def test_reading_leaves_the_random_numbers_of_others_alone(tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    read_xpresso(RandomXpresso().write(tmp_path / "model.h5"))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_no_sequence_has_no_prediction(tmp_path: Path) -> None:
    assert read_xpresso(RandomXpresso().write(tmp_path / "model.h5")).predict([]).shape == (0,)


def test_sequence_of_another_length_is_refused(tmp_path: Path) -> None:
    model = read_xpresso(RandomXpresso().write(tmp_path / "model.h5"))
    with pytest.raises(ValueError, match="10,500 bases, not 10,499"):
        model.predict([_sequence(0)[1:]])


def test_names_of_layers_are_the_files_own(tmp_path: Path) -> None:
    """Keras counts layers on through a session: another training's have other numbers."""
    random = RandomXpresso()
    expected = read_xpresso(random.write(tmp_path / "model.h5")).predict([_sequence(0)])
    text = json.dumps(random.layers).replace("conv1d_2", "conv1d_12")
    random.layers = json.loads(text)
    random.weights["conv1d_12"] = random.weights.pop("conv1d_2")
    assert read_xpresso(random.write(tmp_path / "other.h5")).predict([_sequence(0)]) == expected


def _unknown_layer(random: RandomXpresso) -> None:
    random.layer("dropout_1")["class_name"] = "Lambda"


def _lacking_layer(random: RandomXpresso) -> None:
    del random.layers[-2]


def _setting(layer: str, name: str, value: object) -> Callable[[RandomXpresso], None]:
    def change(random: RandomXpresso) -> None:
        random.layer(layer)["config"][name] = value

    return change


def _no_units(random: RandomXpresso) -> None:
    del random.layer("dense_1")["config"]["units"]


def _missing_weights(random: RandomXpresso) -> None:
    del random.weights["dense_2"]["bias"]


def _wrong_shape(random: RandomXpresso) -> None:
    random.weights["dense_1"]["kernel"] = random.weights["dense_1"]["kernel"][:-1]


def _not_finite(random: RandomXpresso) -> None:
    random.weights["conv1d_1"]["kernel"][0, 0, 0] = np.nan


def _used_twice(random: RandomXpresso) -> None:
    random.layer("dense_1")["inbound_nodes"] *= 2


def _inputs_swapped(random: RandomXpresso) -> None:
    random.layer("concatenate_1")["inbound_nodes"][0].reverse()


def _no_inputs(random: RandomXpresso) -> None:
    del random.layers[3]["inbound_nodes"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_unknown_layer, "its layers are InputLayer, .*Lambda, .* not InputLayer, Conv1D"),
        (_lacking_layer, "its layers are InputLayer, .* not InputLayer, Conv1D"),
        (
            _setting("activation_2", "activation", "linear"),
            "activation_2 has activation 'linear'",
        ),
        (_setting("conv1d_1", "strides", [2]), r"conv1d_1 has strides \[2\], not \[1\]"),
        (_setting("conv1d_1", "filters", 64), "conv1d_1 has filters 64, not 128"),
        (_setting("conv1d_2", "data_format", "channels_first"), "conv1d_2 has data_format 'channels_first'"),
        (_setting("max_pooling1d_2", "pool_size", [5]), r"max_pooling1d_2 has pool_size \[5\], not \[10\]"),
        (_setting("concatenate_1", "axis", 1), "concatenate_1 has axis 1, not -1"),
        (_setting("promoter", "batch_input_shape", [None, 97, 4]), "promoter has batch_input_shape .*97"),
        (_no_units, "dense_1 has units None, not 64"),
        (_missing_weights, r"dense_2 has weights \['kernel'\], not \['bias', 'kernel'\]"),
        (_wrong_shape, r"dense_1/kernel:0 is float32 \(1125, 64\), not float32 \(1126, 64\)"),
        (_not_finite, "conv1d_1/kernel:0 holds values that are not finite"),
        (_used_twice, r"dense_1 has inputs \['concatenate_1', 'concatenate_1'\]"),
        (_inputs_swapped, r"concatenate_1 has inputs \['halflife', 'flatten_1'\]"),
        (_no_inputs, "model_config is not that of a functional Keras 2 model"),
    ],
)
def test_a_network_that_differs_from_the_published_one_is_refused_in_one_line(
    tmp_path: Path, change: Callable[[RandomXpresso], None], words: str
) -> None:
    random = RandomXpresso()
    change(random)
    path = random.write(tmp_path / "model.h5")
    with pytest.raises(InputError, match=f"is not the published Xpresso: .*{words}") as refusal:
        read_xpresso(path)
    assert "\n" not in str(refusal.value)


def _no_config(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file.attrs["model_config"]


def _no_json(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = b"{"


def _other_output(path: Path) -> None:
    with h5py.File(path, "a") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["output_layers"] = [["dense_2", 0, 0]]
        file.attrs["model_config"] = json.dumps(config)


def _listed_weights_gone(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["model_weights/dense_1/dense_1/kernel:0"]


def _weights_unlisted(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["model_weights/dense_1"].attrs["weight_names"] = 7


def _text_for_numbers(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["model_weights/dense_3/dense_3/bias:0"]
        file["model_weights/dense_3/dense_3/bias:0"] = "one"


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:3000])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_no_config, "no model_config"),
        (_no_json, "not that of a functional Keras 2 model"),
        (_other_output, r"its outputs are \['dense_2'\], not \['dense_3'\]"),
        (_listed_weights_gone, "model_weights/dense_1/dense_1/kernel:0 is missing"),
        (_weights_unlisted, r"dense_1 has weights \['7'\]"),
        (_text_for_numbers, r"dense_3/bias:0 is object \(\), not float32 \(1,\)"),
        (_cut, "cannot be read as HDF5"),
        (lambda path: path.write_text("no HDF5\n"), "cannot be read as HDF5"),
        (lambda path: path.unlink(), "there is no file"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(
    tmp_path: Path, spoil: Callable[[Path], None], words: str
) -> None:
    path = RandomXpresso().write(tmp_path / "model.h5")
    spoil(path)
    with pytest.raises(InputError, match=words) as refusal:
        read_xpresso(path)
    assert "\n" not in str(refusal.value)


def test_without_h5py_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = RandomXpresso().write(tmp_path / "model.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match=r"pip install 'haploscribe\[xpresso\]'"):
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

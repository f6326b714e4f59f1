"""Xpresso: expression from 10.5 kb around the TSS (Agarwal & Shendure 2020, Cell Reports 31:107663)."""

from pathlib import Path

import torch

from haploscribe.errors import InputError
from haploscribe.zero_shot.keras_file import read_keras_model
from haploscribe.zero_shot.keras_network import KerasNetwork, build_network
from haploscribe.zero_shot.one_hot import one_hot
from haploscribe.zero_shot.protocol import OneByOne

UPSTREAM = 7_000
DOWNSTREAM = 3_500


class Xpresso(OneByOne):
    """A `SequenceModel` with the published weights.

    It predicts the logarithm of a gene's mRNA level, standardised over genes. Besides the sequence it reads
    six features of the mRNA that bear on its half-life, standardised too. They are set to 0, the average
    gene: it takes an annotation of the exons to know them, and they rarely differ between people.

    Parameters
    ----------
    network
        As `read_xpresso` builds it.
    promoter
        Name of its input for the sequence; all others are set to 0.

    Attributes
    ----------
    name, upstream, downstream, strand_specific, reading
        See `SequenceModel`.
    """

    name = "xpresso"
    upstream = UPSTREAM
    downstream = DOWNSTREAM
    strand_specific = True
    reading = "half-life features 0"

    def __init__(self, network: KerasNetwork, promoter: str) -> None:
        self._network = network
        self._promoter = promoter

    def predict_one(self, sequence: bytes, *, reverse_complement: bool) -> float:
        """See `OneByOne.predict_one`; the model is strand-specific."""
        inputs = {name: torch.zeros(1, *shape) for name, shape in self._network.input_shapes.items()}
        inputs[self._promoter] = torch.from_numpy(one_hot(sequence)[None])
        return float(self._network(inputs))


def read_xpresso(path: Path) -> Xpresso:
    """Read the weights that the authors published as Keras models (`.h5`).

    Raises
    ------
    InputError
        When h5py is not installed, the file cannot be read, or the network in it is not Xpresso's: one
        input of 10,500 one-hot bases, others of plain numbers, one number out.
    """
    network = build_network(read_keras_model(path))
    sequence_shape = (UPSTREAM + DOWNSTREAM, 4)
    promoters = [name for name, shape in network.input_shapes.items() if shape == sequence_shape]
    others = [shape for shape in network.input_shapes.values() if shape != sequence_shape]
    if len(promoters) != 1 or any(len(shape) != 1 for shape in others) or network.output_shape != (1,):
        raise InputError(
            f"{path} is not Xpresso: it reads {list(network.input_shapes.values())} and writes "
            f"{network.output_shape}, not one input of {sequence_shape} and one number; give its own file"
        )
    return Xpresso(network, promoters[0])

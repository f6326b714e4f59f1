"""Predict expression with Xpresso, from 10.5 kb (Agarwal & Shendure 2020, Cell Reports 31:107663)."""

from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor, nn

from haploscribe.zero_shot.base import SingleSequenceModel, one_hot
from haploscribe.zero_shot.keras_file import (
    Layer,
    activation,
    convolution,
    dense,
    input_layer,
    pooling,
    read_layers,
)
from haploscribe.zero_shot.weights_folder import on_meta

UPSTREAM = 7_000
DOWNSTREAM = 3_500
N_FEATURES = 6
"""Features of the mRNA that bear on its half-life."""

# In the order of the published file. Dropout does nothing at prediction: its rate is free.
_LAYERS = (
    input_layer(UPSTREAM + DOWNSTREAM, 4),
    convolution(0, 6, 4, 128, activation="relu"),
    pooling(1, 30),
    convolution(2, 9, 128, 32, activation="relu"),
    pooling(3, 10),
    Layer("Flatten", (4,), {}, {}),
    input_layer(N_FEATURES),
    Layer("Concatenate", (5, 6), {"axis": -1}, {}),
    dense(7, 35 * 32 + N_FEATURES, 64),
    activation(8, "relu"),
    Layer("Dropout", (9,), {}, {}),
    dense(10, 64, 2),
    activation(11, "relu"),
    Layer("Dropout", (12,), {}, {}),
    dense(13, 2, 1),
)


class XpressoNetwork(nn.Module):
    """Compute in float32 what Keras 2 computes with the published layers at prediction.

    Conv1D is a correlation (the kernel is not reversed), `same` padding of an even kernel adds one more zero
    behind than before, and Flatten runs over positions, then channels.
    """

    def __init__(self) -> None:
        super().__init__()
        self.convolution_1 = nn.Conv1d(4, 128, 6)
        self.convolution_2 = nn.Conv1d(128, 32, 9)
        self.dense_1 = nn.Linear(35 * 32 + N_FEATURES, 64)
        self.dense_2 = nn.Linear(64, 2)
        self.dense_3 = nn.Linear(2, 1)

    def forward(self, bases: Tensor, features: Tensor) -> Tensor:
        """Return float32 `(n, 1)` from one-hot bases `(n, 10500, 4)` and features of mRNA `(n, 6)`."""
        hidden = F.pad(bases.transpose(1, 2), (2, 3))
        hidden = F.max_pool1d(torch.relu(self.convolution_1(hidden)), 30)
        hidden = F.max_pool1d(torch.relu(self.convolution_2(F.pad(hidden, (4, 4)))), 10)
        joined = torch.cat((hidden.transpose(1, 2).flatten(1), features), dim=-1)
        hidden = torch.relu(self.dense_2(torch.relu(self.dense_1(joined))))
        predicted: Tensor = self.dense_3(hidden)
        return predicted


class Xpresso(SingleSequenceModel):
    """Predict the logarithm of a gene's mRNA level, standardised over genes, with the published weights.

    Besides the sequence the network reads six standardised features of the mRNA that bear on its half-life.
    They are set to 0, the average gene: computing them takes an annotation of exons, and they rarely differ
    between samples.

    Parameters
    ----------
    network
        As `read_xpresso` returns it.

    Attributes
    ----------
    name, upstream, downstream, strand_specific, logarithmic, reading
        See `SequenceModel`.
    network
        The parameter.
    """

    name = "xpresso"
    upstream = UPSTREAM
    downstream = DOWNSTREAM
    strand_specific = True
    logarithmic = True
    reading = "half-life features 0"

    def __init__(self, network: XpressoNetwork) -> None:
        self.network = network

    def predict_one(self, sequence: bytes, *, reverse_complement: bool) -> float:
        """Predict from one sequence, along the gene's strand: see `SingleSequenceModel.predict_one`."""
        with torch.inference_mode():
            return float(self.network(torch.from_numpy(one_hot(sequence)[None]), torch.zeros(1, N_FEATURES)))


def read_xpresso(path: Path) -> Xpresso:
    """Read the published weights, a whole model that Keras 2 saved as HDF5; nothing in the file is run.

    Raises
    ------
    InputError
        When h5py is not installed, the file cannot be read, or its layers, settings or weights are not
        Xpresso's.
    """
    weights = read_layers(path, _LAYERS, [len(_LAYERS) - 1], "Xpresso")
    network = on_meta(XpressoNetwork)
    for layer, tensors in zip(network.children(), weights, strict=True):
        layer.load_state_dict(tensors, assign=True)
    return Xpresso(network.eval().requires_grad_(requires_grad=False))

"""Predict expression with CLIPNET, as transcription initiation in lymphoblastoid cells, from 1 kb.

He & Danko, bioRxiv 2024.03.13.583868. Layers, encoding and outputs are those of the authors' code
(github.com/Danko-Lab/clipnet, `rnn_v10` and `model_summary.txt`).
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor, nn

from haploscribe.errors import InputError
from haploscribe.genome.haplotypes import reverse_complement as reverse_complement_of
from haploscribe.zero_shot.base import SingleSequenceModel, one_hot
from haploscribe.zero_shot.keras_file import (
    Layer,
    activation,
    batch_norm,
    convolution,
    dense,
    input_layer,
    pooling,
    read_layers,
)
from haploscribe.zero_shot.weights_folder import on_meta

LENGTH = 1_000
N_PREDICTED = 500
"""Base pairs in the middle of which initiation is predicted, on both strands."""
N_FOLDS = 9
FILES = tuple(f"fold_{number}.h5" for number in range(1, N_FOLDS + 1))
"""The published files."""

_N_BLOCKS = 9
_CHANNELS = 64
_EPSILON = 1e-3


def _layers() -> Iterator[Layer]:
    """Yield the published layers in the order of a file. Dropout does nothing at prediction."""
    yield input_layer(LENGTH, 4)
    yield batch_norm(0, 4, _EPSILON)
    yield convolution(1, 8, 4, 64, padding="valid")
    yield batch_norm(2, 64, _EPSILON)
    yield activation(3, "elu")
    yield pooling(4, 2)
    yield convolution(5, 4, 64, 128, padding="valid")
    yield batch_norm(6, 128, _EPSILON)
    yield activation(7, "relu")
    yield pooling(8, 2)
    yield convolution(9, 1, 128, _CHANNELS, padding="valid")
    last = 10
    for block in range(_N_BLOCKS):
        yield convolution(last, 3, _CHANNELS, _CHANNELS, dilation_rate=[2**block])
        yield batch_norm(last + 1, _CHANNELS, _EPSILON)
        yield activation(last + 2, "relu")
        yield Layer("Add", (last, last + 3), {}, {})
        yield batch_norm(last + 4, _CHANNELS, _EPSILON)
        yield activation(last + 5, "relu")
        last += 6
    yield pooling(last, 2)
    yield Layer("Flatten", (last + 1,), {}, {})
    yield Layer("GlobalAveragePooling1D", (last + 1,), {}, {})
    yield dense(last + 2, 123 * _CHANNELS, 2 * N_PREDICTED)
    yield dense(last + 3, _CHANNELS, 1)
    yield batch_norm(last + 4, 2 * N_PREDICTED, _EPSILON)
    yield batch_norm(last + 5, 1, _EPSILON)
    yield activation(last + 6, "relu")
    yield activation(last + 7, "relu")
    yield Layer("Dropout", (last + 8,), {}, {})
    yield Layer("Dropout", (last + 9,), {}, {})


_LAYERS = tuple(_layers())
_OUTPUTS = (len(_LAYERS) - 2, len(_LAYERS) - 1)


class _Block(nn.Module):
    """A dilated convolution beside a skip, as published: normalised before and after they are added."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(_CHANNELS, _CHANNELS, 3, dilation=dilation, padding=dilation)
        self.norm = nn.BatchNorm1d(_CHANNELS, eps=_EPSILON)
        self.norm_of_sum = nn.BatchNorm1d(_CHANNELS, eps=_EPSILON)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return `(n, channels, length)` of the same."""
        added = hidden + torch.relu(self.norm(self.convolution(hidden)))
        found: Tensor = torch.relu(self.norm_of_sum(added))
        return found


class ClipnetNetwork(nn.Module):
    """Compute in float32 what Keras 2 computes with the published layers at prediction."""

    def __init__(self) -> None:
        super().__init__()
        # In the order of the layers' weights in a file.
        self.norm = nn.BatchNorm1d(4, eps=_EPSILON)
        self.convolution_1 = nn.Conv1d(4, 64, 8)
        self.norm_1 = nn.BatchNorm1d(64, eps=_EPSILON)
        self.convolution_2 = nn.Conv1d(64, 128, 4)
        self.norm_2 = nn.BatchNorm1d(128, eps=_EPSILON)
        self.narrow = nn.Conv1d(128, _CHANNELS, 1)
        self.blocks = nn.ModuleList([_Block(2**block) for block in range(_N_BLOCKS)])
        self.profile = nn.Linear(123 * _CHANNELS, 2 * N_PREDICTED)
        self.quantity = nn.Linear(_CHANNELS, 1)
        self.profile_norm = nn.BatchNorm1d(2 * N_PREDICTED, eps=_EPSILON)
        self.quantity_norm = nn.BatchNorm1d(1, eps=_EPSILON)

    def forward(self, bases: Tensor) -> tuple[Tensor, Tensor]:
        """Predict initiation from two-hot bases `(n, 1000, 4)`, of which each has two copies.

        Returns
        -------
        profile
            float32 `(n, 1000)`; its shape on the strand of the sequence, then on the other.
        quantity
            float32 `(n,)`; reads per million on both strands.
        """
        hidden = self.norm(bases.transpose(1, 2))
        hidden = F.max_pool1d(F.elu(self.norm_1(self.convolution_1(hidden))), 2)
        hidden = F.max_pool1d(torch.relu(self.norm_2(self.convolution_2(hidden))), 2)
        hidden = self.narrow(hidden)
        for block in self.blocks:
            hidden = block(hidden)
        hidden = F.max_pool1d(hidden, 2)
        profile = torch.relu(self.profile_norm(self.profile(hidden.transpose(1, 2).flatten(1))))
        quantity = torch.relu(self.quantity_norm(self.quantity(hidden.mean(dim=2))))
        return profile, quantity[:, 0]

    def weighted_parts(self) -> Iterator[nn.Module]:
        """Yield the parts that have weights, in the order of a file."""
        return (part for part in self.modules() if not list(part.children()))


class Clipnet(SingleSequenceModel):
    """Predict initiation on the gene's strand within 250 bp of the TSS, in reads per million.

    Quantity and profile are the means over the folds; the profile, scaled to the quantity, is summed over the
    gene's strand, as the authors advise. A haplotype is read as if both chromosomes had it.

    Parameters
    ----------
    networks
        Of the folds, at least one.

    Attributes
    ----------
    name, upstream, downstream, strand_specific, reading
        See `SequenceModel`.
    """

    name = "clipnet"
    upstream = LENGTH // 2
    downstream = LENGTH // 2
    strand_specific = False

    def __init__(self, networks: Sequence[ClipnetNetwork]) -> None:
        self._networks = tuple(networks)
        self.reading = f"initiation on the strand within 250 bp, mean of {len(self._networks)} folds"

    def predict_one(self, sequence: bytes, *, reverse_complement: bool) -> float:
        """Predict from one sequence: see `SingleSequenceModel.predict_one`."""
        if reverse_complement:
            sequence = reverse_complement_of(sequence)
        bases = torch.from_numpy(2.0 * one_hot(sequence))[None]
        with torch.inference_mode():
            found = [network(bases) for network in self._networks]
        profile, quantity = (
            torch.stack(part)[:, 0].double().mean(dim=0) for part in zip(*found, strict=True)
        )
        own = slice(N_PREDICTED, None) if reverse_complement else slice(N_PREDICTED)
        total = profile.sum()
        return float(quantity * profile[own].sum() / total) if total > 0 else 0.0


def read_clipnet(source: Path) -> Clipnet:
    """Read the published weights, whole models that Keras 2 saved as HDF5; nothing in the files is run.

    Parameters
    ----------
    source
        A folder with `FILES`, of which the mean is taken, or one such file. Fold *k* was trained without the
        chromosomes of fold *k*, not without some of the donors.

    Raises
    ------
    InputError
        When a file is missing or is not CLIPNET's: see `read_layers`.
    """
    files = [source / name for name in FILES] if source.is_dir() else [source]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise InputError(
            f"{source} has no {', '.join(missing)}; give a folder with {FILES[0]} to {FILES[-1]}, or one "
            "of these files"
        )
    return Clipnet([_read_network(file) for file in files])


def _read_network(file: Path) -> ClipnetNetwork:
    network = on_meta(ClipnetNetwork)
    weights = read_layers(file, _LAYERS, _OUTPUTS, "CLIPNET")
    for part, tensors in zip(network.weighted_parts(), weights, strict=True):
        counter: Mapping[str, Tensor] = (
            {"num_batches_tracked": torch.zeros((), dtype=torch.long)}
            if isinstance(part, nn.BatchNorm1d)
            else {}
        )
        part.load_state_dict({**tensors, **counter}, assign=True)
    return network.eval().requires_grad_(requires_grad=False)

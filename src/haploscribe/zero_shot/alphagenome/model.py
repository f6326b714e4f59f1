"""Predict expression with AlphaGenome, as CAGE or PRO-cap at the TSS, or as RNA-seq over exons.

Avsec et al., Nature 649:1206-1218, 2026. The network is that of the package `alphagenome-pytorch`, which
needs Python 3.12.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from haploscribe.config.zero_shot import DEFAULT_ALPHAGENOME_TRACKS, DEFAULT_ALPHAGENOME_WINDOW
from haploscribe.embedding.backbones.checkpoint import WEIGHTS_FILE, read_tensors
from haploscribe.embedding.backbones.devices import resolve_device
from haploscribe.embedding.backbones.hub import download_file
from haploscribe.errors import InputError
from haploscribe.utils.resources import GIBIBYTE
from haploscribe.zero_shot.alphagenome.configuration import (
    HEADS,
    HUB_FILE,
    HUB_NAMES,
    TERMS,
    find_tracks,
)
from haploscribe.zero_shot.configuration import Track
from haploscribe.zero_shot.signal_model import SignalModel, SignalNetwork
from haploscribe.zero_shot.weights_folder import load_tensors, on_meta

_BYTES, _BYTES_PER_BASE = 2.2 * GIBIBYTE, 34 * 1024
"""Memory on a CPU: that of the weights, and that of each base pair (`benchmarks sequence_models`)."""

_UNUSED = (
    "contact_maps_head",
    "splice_sites_classification_head",
    "splice_sites_usage_head",
    "splice_sites_junction_head",
)


class AlphaGenomeNetwork(SignalNetwork):
    """Give the package's network the form of `SignalNetwork`: bins of one base, for human.

    Parameters
    ----------
    network
        An `alphagenome_pytorch.AlphaGenome`, in float32: its rotary frequencies lose precision below.
    window
        Base pairs that it reads, all of which it predicts.
    """

    def __init__(self, network: Any, window: int) -> None:
        super().__init__(bin_size=1, n_bins=window)
        self.network = network

    def embed(self, bases: Tensor) -> Tensor:
        """Compute the input of the heads: see `SignalNetwork.embed`."""
        organism = torch.zeros(len(bases), dtype=torch.long, device=bases.device)
        found = self.network.encode(bases, organism, resolutions=(1,), channels_last=False)
        embedded: Tensor = found["embeddings_1bp"]
        return embedded.transpose(1, 2)

    def tracks(self, embedded: Tensor) -> Tensor:
        """Return the signals of `HEADS`, one head behind the other: see `SignalNetwork.tracks`.

        Heads are convolutions of width 1, so bins may be left out before them.
        """
        organism = torch.zeros(1, dtype=torch.long, device=embedded.device)
        flat = {1: embedded.reshape(1, -1, embedded.shape[-1]).transpose(1, 2)}
        signals = [self.network.heads[head.name](flat, organism)[1] for head in HEADS.values()]
        return torch.cat(signals, dim=-1).reshape(*embedded.shape[:-1], -1)


class AlphaGenome(SignalModel):
    """Predict expression as the authors score it.

    CAGE and PRO-cap are summed over the 501 bp around the TSS; RNA-seq is averaged over exons.
    """

    name = "alphagenome"
    n_bins_before = 250
    n_bins_from = 251

    def __init__(
        self,
        network: AlphaGenomeNetwork,
        tracks: Sequence[Track],
        window: int = DEFAULT_ALPHAGENOME_WINDOW,
        device: str = "cpu",
    ) -> None:
        super().__init__(network, tracks, window, device)


def read_alphagenome(
    source: str | None,
    *,
    tracks: Sequence[str] = DEFAULT_ALPHAGENOME_TRACKS,
    window: int = DEFAULT_ALPHAGENOME_WINDOW,
    device: str = "cpu",
) -> tuple[AlphaGenome, Path]:
    """Read AlphaGenome's weights; of the hub's, the terms are printed.

    Parameters
    ----------
    source
        A safetensors file as the package writes it, a folder with it as `model.safetensors`, or one of
        `HUB_NAMES`; None for the first of them.
    tracks
        As in `find_tracks`.
    window
        Base pairs to read, a multiple of 2,048.
    device
        `cpu`, `cuda`, `cuda:1`, … or `auto`.

    Returns
    -------
    The model, and the file of its weights.

    Raises
    ------
    InputError
        When the package is missing or Python too old for it; when there is no such track, device or file;
        when a tensor is missing, unexpected, of another shape or not finite; when the window takes more
        memory than there is.
    """
    network_class = _network_class()
    found = find_tracks(tracks)
    if resolve_device(device).type == "cpu":
        require_memory(window)
    remedy = "give the file as alphagenome-pytorch saved it"
    if source is None or source in HUB_NAMES:
        name = source or next(iter(HUB_NAMES))
        print(TERMS, file=sys.stderr)
        file = download_file(name, HUB_NAMES[name], HUB_FILE, remedy)
    else:
        file = Path(source) / WEIGHTS_FILE if Path(source).is_dir() else Path(source)
    network = load_tensors(
        on_meta(network_class), read_tensors(file), str, source=file, model="AlphaGenome", remedy=remedy
    )
    for part in _UNUSED:  # some have buffers that no checkpoint holds
        setattr(network, part, None)
    return AlphaGenome(AlphaGenomeNetwork(network, window), found, window, device), file


def _network_class() -> Any:
    try:
        from alphagenome_pytorch import AlphaGenome as Network  # noqa: PLC0415 - an extra
    except ImportError:
        if sys.version_info < (3, 12):
            raise InputError(
                f"--models: alphagenome needs Python 3.12 or newer, this is {sys.version_info.major}."
                f"{sys.version_info.minor}; there: pip install 'haploscribe[alphagenome]'"
            ) from None
        raise InputError(
            "--models: alphagenome needs an extra: pip install 'haploscribe[alphagenome]'"
        ) from None
    return Network


def require_memory(window: int) -> None:
    """Check that the machine has the memory that a sequence takes on the CPU.

    Raises
    ------
    InputError
        Otherwise.
    """
    needed = _BYTES + _BYTES_PER_BASE * window
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else needed
    if needed > there:
        raise InputError(
            f"--alphagenome-window {window:,}: on a CPU it takes about {needed / GIBIBYTE:.0f} GiB, and this "
            f"machine has {there / GIBIBYTE:.0f}; give a shorter window, or a GPU"
        )

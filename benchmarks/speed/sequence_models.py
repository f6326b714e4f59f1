"""Measure time and peak memory of the zero-shot models on one sequence, with random weights.

Each row is a process of its own that makes the network in its published shape and reads one random sequence.
Random weights change neither.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from benchmarks.common.measuring import Seconds, json_of, peak_mebibytes, timed
from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import stamp, write_section
from haploscribe.config.zero_shot import (
    DEFAULT_ALPHAGENOME_TRACKS,
    DEFAULT_BORZOI_TRACKS,
    DEFAULT_ENFORMER_TRACKS,
)
from haploscribe.embedding.backbones.devices import resolve_device
from haploscribe.errors import InputError
from haploscribe.zero_shot.alphagenome import configuration as alphagenome
from haploscribe.zero_shot.alphagenome.model import AlphaGenome, AlphaGenomeNetwork, require_memory
from haploscribe.zero_shot.base import SingleSequenceModel
from haploscribe.zero_shot.borzoi import configuration as borzoi
from haploscribe.zero_shot.borzoi.model import Borzoi, BorzoiPrime, Flashzoi
from haploscribe.zero_shot.borzoi.network import BorzoiNetwork
from haploscribe.zero_shot.clipnet import N_FOLDS, Clipnet, ClipnetNetwork
from haploscribe.zero_shot.enformer import configuration as enformer
from haploscribe.zero_shot.enformer.model import Enformer
from haploscribe.zero_shot.enformer.network import EnformerNetwork
from haploscribe.zero_shot.xpresso import Xpresso, XpressoNetwork

HEAD = (
    "# Sequence models: time and memory\n\nRandom weights in the published shapes; one random sequence, read "
    "in a process of its own. On a CPU by one thread, in its processor seconds; memory is the process's "
    "resident peak, with program and weights. On a GPU wall-clock seconds of a second sequence, and the "
    "GPU's memory."
)
SEED = 0
WINDOWS = (16_384, 131_072, 524_288, 1_048_576)
"""Lengths that AlphaGenome is asked to read."""


def _xpresso(_: str) -> tuple[SingleSequenceModel, torch.nn.Module]:
    network = XpressoNetwork().eval()
    return Xpresso(network), network


def _clipnet(_: str) -> tuple[SingleSequenceModel, torch.nn.Module]:
    networks = torch.nn.ModuleList([ClipnetNetwork() for _ in range(N_FOLDS)]).eval()
    return Clipnet(list(networks)), networks  # type: ignore[arg-type]


def _enformer(device: str) -> tuple[SingleSequenceModel, torch.nn.Module]:
    configuration = enformer.parse_configuration({}, "published")
    network = EnformerNetwork(configuration).eval()
    tracks = enformer.find_tracks(DEFAULT_ENFORMER_TRACKS, configuration.n_tracks)
    return Enformer(network, tracks, device=device), network


def _alphagenome(window: int) -> "Maker":
    def made(device: str) -> tuple[SingleSequenceModel, torch.nn.Module]:
        from alphagenome_pytorch import AlphaGenome as Network  # noqa: PLC0415 - an extra

        if device == "cpu":
            require_memory(window)
        network = Network().eval().requires_grad_(requires_grad=False)
        tracks = alphagenome.find_tracks(DEFAULT_ALPHAGENOME_TRACKS)
        return AlphaGenome(AlphaGenomeNetwork(network, window), tracks, window, device), network

    return made


def _borzoi(kind: type[Borzoi], **content: object) -> "Maker":
    def made(device: str) -> tuple[SingleSequenceModel, torch.nn.Module]:
        network = BorzoiNetwork(borzoi.parse_configuration(content, "published")).eval()
        tracks = borzoi.find_tracks(DEFAULT_BORZOI_TRACKS, prime=kind is BorzoiPrime)
        return kind(network, tracks, device=device), network

    return made


Maker = Callable[[str], tuple[SingleSequenceModel, torch.nn.Module]]
MAKERS: Mapping[str, Maker] = {
    "xpresso": _xpresso,
    "clipnet, nine folds": _clipnet,
    "enformer": _enformer,
    "borzoi": _borzoi(Borzoi),
    "flashzoi": _borzoi(Flashzoi, flashed=True),
    "borzoi-prime": _borzoi(BorzoiPrime, model_type="prime"),
    **{f"alphagenome, {window:,} bp": _alphagenome(window) for window in WINDOWS},
}
"""AlphaGenome needs its extra."""


def measure(name: str, device: str) -> dict[str, float]:
    """Read one random sequence; return its length, the parameters, seconds, and peak memory in MiB."""
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    model, network = MAKERS[name](device)
    n_bases = model.upstream + model.downstream
    letters = np.random.default_rng(SEED).integers(0, 4, n_bases)
    sequence = np.frombuffer(b"ACGT", dtype=np.uint8)[letters].tobytes()
    on_gpu = device != "cpu"
    if on_gpu:
        model.predict([sequence])
    taken = Seconds()
    with timed(taken):
        model.predict([sequence])
    return {
        "bases": n_bases,
        "parameters": sum(part.numel() for part in network.parameters()),
        "seconds": taken.wall if on_gpu else taken.processor,
        "mebibytes": torch.cuda.max_memory_allocated(device) / 2**20 if on_gpu else peak_mebibytes(),
    }


def main(argv: Sequence[str]) -> None:
    """Run all models, or those named, and write the section of the device."""
    parser = benchmark_parser("sequence_models", __doc__, source=False)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--one", metavar="MODEL", choices=list(MAKERS), help="measure one model and print it")
    arguments = parser.parse_args(argv)
    if arguments.one is not None:
        try:
            print(json.dumps(measure(arguments.one, arguments.device)))
        except InputError as error:
            print(error, file=sys.stderr)
            print("{}")
        return
    device = resolve_device(arguments.device)
    lines = [
        f"{stamp(f'sequence_models --device {arguments.device}')}, torch {torch.__version__}.",
        "",
        "| model | bases | parameters | seconds | peak memory, GiB |",
        "|---|---|---|---|---|",
    ]
    for name in MAKERS:
        command = [sys.executable, "-m", "benchmarks", "sequence_models", "--device", arguments.device]
        found = json_of([*command, "--one", name])
        lines.append(
            f"| {name} | {found['bases']:,} | {found['parameters'] / 1e6:.1f} million "
            f"| {found['seconds']:.{0 if found['seconds'] >= 1 else 3}f} | {found['mebibytes'] / 1024:.1f} |"
            if found
            else f"| {name} | | | not run: more memory than there is | |"
        )
        print(lines[-1], flush=True)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "One CPU core"
    write_section(arguments.table, HEAD, where, lines)

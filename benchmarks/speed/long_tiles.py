"""Measure time and peak memory of NTv3 on tiles of up to 1 Mb, with random weights.

Each row is a process of its own that loads the checkpoint and embeds one random sequence. Weights are random,
which changes neither.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from benchmarks.common.measuring import Seconds, json_of, peak_mebibytes, timed
from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import stamp, write_section
from haploscribe.embedding.backbones.catalogue import BACKBONES
from haploscribe.embedding.backbones.devices import resolve_device
from haploscribe.embedding.backbones.ntv3_configuration import VOCABULARY, parse_ntv3_configuration
from haploscribe.embedding.backbones.ntv3_network import NTv3ForMaskedTokens
from haploscribe.embedding.backbones.registry import load_backbone
from haploscribe.genome.haplotypes import TileHaplotype

HEAD = (
    "# NTv3 on long tiles\n\nRandom weights in the published shapes; one sequence, embedded in a process of "
    "its own. On a CPU by one thread, in its processor seconds; memory is the process's resident peak, with "
    "program and weights. On a GPU wall-clock seconds and the GPU's memory."
)
SIZES = (
    ("ntv3-8m", 8_192),
    ("ntv3-8m", 131_072),
    ("ntv3-8m", 1_048_576),
    ("ntv3-100m", 8_192),
    ("ntv3-650m", 8_192),
)
"""Backbone and bases."""
SEED = 0


def write_random_checkpoint(name: str, folder: Path) -> None:
    """Write a checkpoint in the shape of a backbone of the table, with random weights."""
    entry = next(entry for entry in BACKBONES if entry.name == name)
    content = {
        "model_type": "ntv3",
        "architectures": ["NTv3PreTrained"],
        "alphabet_size": len(VOCABULARY),
        "pad_token_id": VOCABULARY["<pad>"],
        "mask_token_id": VOCABULARY["<mask>"],
        "token_embed_dim": 16,
        "conv_init_embed_dim": entry.dimension,
        "embed_dim": entry.dimension,
        "ffn_embed_dim": entry.feed_forward_size,
        "num_layers": entry.n_layers,
        "num_downsamples": entry.tile_multiple.bit_length() - 1,
        "attention_heads": entry.n_heads,
        "key_size": entry.dimension // entry.n_heads,
        "num_hidden_layers_head": 0,
        "layer_norm_eps": 1e-5,
        "deconv_upsample_type": "repeat+conv",
        "use_skip_connection": True,
    }
    torch.manual_seed(SEED)
    model = NTv3ForMaskedTokens(parse_ntv3_configuration(content, name))
    save_file(model.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(content))
    (folder / "vocab.json").write_text(json.dumps(dict(VOCABULARY)))


def measure(folder: Path, n_bases: int, device: str) -> dict[str, float]:
    """Embed one random sequence; return its seconds and this process's peak memory in MiB."""
    torch.set_num_threads(1)
    backbone = load_backbone(str(folder), device=device)
    letters = np.random.default_rng(SEED).integers(0, 4, n_bases)
    sequence = np.frombuffer(b"ACGT", dtype=np.uint8)[letters].tobytes()
    if device != "cpu":
        backbone.embed([TileHaplotype(sequence)])
    taken = Seconds()
    with timed(taken):
        backbone.embed([TileHaplotype(sequence)])
    if device == "cpu":
        return {"seconds": taken.processor, "mebibytes": peak_mebibytes()}
    return {"seconds": taken.wall, "mebibytes": torch.cuda.max_memory_allocated(device) / 2**20}


def main(argv: Sequence[str]) -> None:
    """Run all sizes and write the section of the device."""
    parser = benchmark_parser("long_tiles", __doc__, source=False)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--one", nargs=2, metavar=("FOLDER", "BASES"), help="measure one size and print it")
    arguments = parser.parse_args(argv)
    if arguments.one is not None:
        folder, n_bases = arguments.one
        print(json.dumps(measure(Path(folder), int(n_bases), arguments.device)))
        return
    device = resolve_device(arguments.device)
    lines = [
        f"{stamp(f'long_tiles --device {arguments.device}')}, torch {torch.__version__}.",
        "",
        "| backbone | bases | seconds | bases per second | peak memory, GiB |",
        "|---|---|---|---|---|",
    ]
    for name, n_bases in SIZES:
        with tempfile.TemporaryDirectory() as text:
            write_random_checkpoint(name, Path(text))
            command = [sys.executable, "-m", "benchmarks", "long_tiles", "--device", arguments.device]
            found = json_of([*command, "--one", text, str(n_bases)])
        lines.append(
            f"| `{name}` | {n_bases:,} | {found['seconds']:.1f} | {n_bases / found['seconds']:,.0f} "
            f"| {found['mebibytes'] / 1024:.1f} |"
        )
        print(lines[-1], flush=True)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "One CPU core"
    write_section(arguments.table, HEAD, where, lines)

"""Write `tests/zero_shot/borzoi/`: small models of each kind as `borzoi-pytorch` computes them.

    python -m tests.zero_shot.borzoi.make_fixture FOLDER

FOLDER is the unpacked source of flash-attn. Needs an environment of its own: see the fixture's README.
"""

import importlib
import json
import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from borzoi_pytorch import AnnotatedBorzoi, Borzoi, Prime  # type: ignore[import-not-found]
from borzoi_pytorch.config_borzoi import BorzoiConfig  # type: ignore[import-not-found]
from borzoi_pytorch.pytorch_borzoi_transformer import get_positional_embed  # type: ignore[import-not-found]
from borzoi_pytorch.pytorch_borzoi_utils import undo_squashed_scale  # type: ignore[import-not-found]
from safetensors.torch import save_file

from tests.fixtures.borzoi_weights import (
    BORZOI,
    FLASHZOI,
    LENGTH,
    PRIME,
    PRIME_TSS_BINS,
    TRACK_STEP,
    TSS_BINS,
    drawn_tensor,
)
from tests.fixtures.enformer_weights import drawn_sequence

FOLDER = Path(__file__).parent


def flash_attention_on_the_cpu(source: Path) -> None:
    """Make flash-attn's own `MHA` importable where its kernels for GPUs are not built.

    Its attention has a plain form, `use_flash_attn=False`, and its rotation one for tests,
    `apply_rotary_emb_torch`: both are put in the kernels' place.
    """
    package = ModuleType("flash_attn")
    package.__path__ = [str(source / "flash_attn")]
    sys.modules["flash_attn"] = package
    kernel: Any = ModuleType("flash_attn.ops.triton.rotary")
    kernel.apply_rotary = None
    sys.modules["flash_attn.ops.triton.rotary"] = kernel
    rotary: Any = importlib.import_module("flash_attn.layers.rotary")
    attention: Any = importlib.import_module("flash_attn.modules.mha")

    def rotate(x: Any, cos: Any, sin: Any, *_: Any, interleaved: bool = False, **__: Any) -> Any:
        return rotary.apply_rotary_emb_torch(x, cos, sin, interleaved)

    def rotate_keys(kv: Any, cos: Any, sin: Any, *_: Any, interleaved: bool = False, **__: Any) -> Any:
        keys = rotary.apply_rotary_emb_torch(kv[:, :, 0], cos, sin, interleaved)
        return torch.stack((keys, kv[:, :, 1]), dim=2)

    rotary.apply_rotary_emb_func, rotary.apply_rotary_emb_kv_ = rotate, rotate_keys
    of_the_package = attention.MHA

    def plain(*arguments: Any, **options: Any) -> Any:
        return of_the_package(*arguments, **{**options, "use_flash_attn": False})

    attention.MHA = partial(plain)


def drawn(model: Any) -> Any:
    """Give the package's model the drawn weights."""
    model.eval()
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.from_numpy(drawn_tensor(name, tuple(tensor.shape))))
    return model


def one_hot(seeds: range) -> torch.Tensor:
    """Drawn sequences, `(n, 4, length)`."""
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)
    sequences = [np.frombuffer(drawn_sequence(seed, LENGTH), dtype=np.uint8) for seed in seeds]
    return torch.from_numpy(np.stack([letters[:, None] == sequence for sequence in sequences])).float()


def some_tracks(model: Any) -> torch.Tensor:
    """Some tracks of the human head, `(n, tracks, bins)`."""
    with torch.inference_mode():
        tracks: torch.Tensor = model(one_hot(range(2)))[:, ::TRACK_STEP]
    return tracks.contiguous()


def counts_at_tss() -> dict[str, torch.Tensor]:
    """Counts at the TSS, by the name of tracks; of the sequence and of its reverse complement.

    All by the package's own table of tracks, with its own choice of strands and its own scaling back.
    """
    model = drawn(AnnotatedBorzoi(BorzoiConfig(**BORZOI)))
    with torch.inference_mode():
        by_strand = [
            model._undo_squashed_scale(
                model._predict_gene_count(
                    one_hot(range(1)), [torch.tensor(TSS_BINS)], predict_antisense=other
                )[0]
            ).sum(-1)[0]
            for other in (False, True)
        ]
    descriptions = model.output_tracks_df["description"]
    rows = {name: descriptions == name for name in ("RNA:GM12878", "RNA:blood", "RNA:vagina")}
    rows["CAGE:GM12878"] = descriptions.str.startswith("CAGE:B lymphoblastoid cell line: GM12878")
    return {
        name: torch.stack([counts[torch.from_numpy(chosen.to_numpy())].mean() for counts in by_strand])
        for name, chosen in rows.items()
    }


GM12878, BLOOD = (2226, 2227), (3645, 3646, 3647)
"""In Prime's head: both strands of an experiment (repository calico/baskerville,
`releases/borzoi_prime/targets_human.txt`), and the tracks that the package's notebook takes for blood."""


def prime_counts_at_tss() -> dict[str, torch.Tensor]:
    """Counts at the TSS by Prime, of the sequence and of its reverse complement."""
    model = drawn(Prime.from_hparams(**PRIME))
    forward = one_hot(range(1))
    with torch.inference_mode():
        signals = model(forward)[0], model(forward.flip(1, 2))[0].flip(-1)
    found = {}
    for name, scale, by_strand in (
        ("prime RNA:GM12878", 0.3, ([GM12878[0]], [GM12878[1]])),
        ("prime RNA:blood", 0.02, (list(BLOOD), list(BLOOD))),
    ):
        signal = torch.stack([one[tracks] for one, tracks in zip(signals, by_strand, strict=True)])
        counts = undo_squashed_scale(
            signal[..., PRIME_TSS_BINS], clip_soft=64, track_scale=scale, old_transform=False
        )
        found[name] = counts.sum(-1).mean(-1)
    return found


def main() -> None:
    """Write the folder."""
    flash_attention_on_the_cpu(Path(sys.argv[1]))
    outputs = {}
    for name, configuration in (("borzoi", BORZOI), ("flashzoi", FLASHZOI), ("borzoi-prime", PRIME)):
        model = drawn((Prime if name == "borzoi-prime" else Borzoi).from_hparams(**configuration))
        outputs[name] = some_tracks(model)
        shapes = {part: list(tensor.shape) for part, tensor in model.state_dict().items()}
        (FOLDER / f"{name}_shapes.json").write_text(json.dumps(shapes, indent=1) + "\n")
        model.config.save_pretrained(FOLDER / name)
    features = get_positional_embed(64, 4096, 32, "cpu")
    outputs["positions"] = features.to(torch.int8).contiguous()
    outputs["positions_of_4096"] = get_positional_embed(4096, 4096, 32, "cpu").abs().sum(0)
    outputs |= counts_at_tss() | prime_counts_at_tss()
    outputs["counts"] = undo_squashed_scale(torch.linspace(0, 8, 9))
    shifted = {"clip_soft": 64, "track_scale": 0.02, "old_transform": False}
    outputs["shifted_counts"] = undo_squashed_scale(torch.linspace(0, 80, 9), **shifted)
    save_file(outputs, FOLDER / "expected.safetensors")


if __name__ == "__main__":
    main()

"""Folders of small Borzoi and Flashzoi weights, as the hub has them."""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from .borzoi_weights import drawn_tensor

FIXTURE = Path(__file__).parent / "borzoi"


def drawn_tensors(name: str) -> dict[str, Tensor]:
    """Draw all tensors of the fixture's model of that name."""
    shapes: dict[str, list[int]] = json.loads((FIXTURE / f"{name}_shapes.json").read_text())
    return {
        part: torch.zeros((), dtype=torch.long)
        if part.endswith("num_batches_tracked")
        else torch.from_numpy(drawn_tensor(part, tuple(shape)))
        for part, shape in shapes.items()
    }


def write_folder(folder: Path, name: str, tensors: dict[str, Tensor]) -> Path:
    """Write tensors beside the fixture's configuration of that name."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(FIXTURE / name / "config.json", folder)
    save_file(tensors, folder / "model.safetensors")
    return folder

"""Write `tests/zero_shot/enformer/`: small Enformers as `enformer-pytorch` computes them.

    python -m tests.zero_shot.enformer.make_fixture

Needs an environment of its own, as that package pins another transformers: see the folder's README.
"""

import json
import re
from pathlib import Path
from typing import Any

import torch
from enformer_pytorch import Enformer, str_to_one_hot  # type: ignore[import-not-found]
from safetensors.torch import save_file, save_model

from tests.fixtures.enformer_weights import drawn_sequence, drawn_tensor

FOLDER = Path(__file__).parent
SMALL = {
    "dim": 36,
    "depth": 2,
    "heads": 2,
    "attn_dim_key": 5,
    "num_downsamples": 4,
    "dim_divisible_by": 2,
    "target_length": 9,
    "output_heads": {"human": 7, "mouse": 3},
}
# 1,536 bins, the only number with which the package has the published position features.
PUBLISHED_POSITIONS = {
    "dim": 192,
    "depth": 1,
    "heads": 1,
    "attn_dim_key": 6,
    "num_downsamples": 3,
    "dim_divisible_by": 4,
    "target_length": 64,
    "output_heads": {"human": 3},
    "use_tf_gamma": True,
}
_TRUNK = re.compile(r"_trunk\.\d+\.")


def drawn_model(configuration: dict[str, Any]) -> Any:
    """Build the package's model and give it the drawn weights."""
    model = Enformer.from_hparams(**configuration).eval()
    tensors = model.state_dict()
    for name, tensor in tensors.items():
        if not _TRUNK.match(name) and tensor.is_floating_point():  # the trunk has the same tensors once more
            tensor.copy_(torch.from_numpy(drawn_tensor(name, tuple(tensor.shape))))
    return model


def expected(model: Any, sequences: list[bytes]) -> torch.Tensor:
    """Tracks of the human head, `(n, target_length, tracks)`."""
    with torch.inference_mode():
        tracks: torch.Tensor = model(str_to_one_hot([sequence.decode() for sequence in sequences]))["human"]
    return tracks.contiguous()


def main() -> None:
    """Write the folder."""
    small = drawn_model(SMALL)
    small.config.save_pretrained(FOLDER / "small")
    save_model(small, str(FOLDER / "small" / "model.safetensors"))  # save_pretrained refuses shared tensors
    outputs = {"small": expected(small, [drawn_sequence(seed, 272) for seed in range(3)])}
    positions = drawn_model(PUBLISHED_POSITIONS)
    (FOLDER / "published_positions.json").write_text(json.dumps(PUBLISHED_POSITIONS, indent=2) + "\n")
    outputs["published_positions"] = expected(positions, [drawn_sequence(0, 12_288)])
    save_file(outputs, FOLDER / "expected.safetensors")
    names = {
        name: list(tensor.shape) for name, tensor in positions.state_dict().items() if not _TRUNK.match(name)
    }
    (FOLDER / "published_positions_shapes.json").write_text(json.dumps(names, indent=1) + "\n")


if __name__ == "__main__":
    main()

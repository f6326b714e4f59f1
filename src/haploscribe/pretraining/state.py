"""The state of a training run: one file, replaced whole, from which it goes on to the bit."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from haploscribe.errors import InputError
from haploscribe.utils.files import atomic_write

STATE_FILE = "training.safetensors"
_MOMENTS = ("exp_avg", "exp_avg_sq")  # AdamW's names
_LOSSES = "losses"


@dataclass(frozen=True, slots=True)
class TrainingState:
    """Where a run stands.

    Attributes
    ----------
    step
        Steps done.
    steps
        Steps it was to have in all.
    identity
        All that decides the weights besides the number of steps.
    losses
        float64 `(n_checkpoints, 3)`: steps done, training loss and held-out loss in bits per base.
    tensors
        Weights as `model.…`, AdamW's moments as `exp_avg.…` and `exp_avg_sq.…`.
    """

    step: int
    steps: int
    identity: Mapping[str, Any]
    losses: Tensor
    tensors: Mapping[str, Tensor]

    def weights(self) -> dict[str, Tensor]:
        """Take out the weights, by the model's names."""
        prefix = "model."
        return {
            name.removeprefix(prefix): tensor
            for name, tensor in self.tensors.items()
            if name.startswith(prefix)
        }

    def restore(self, model: nn.Module, optimiser: torch.optim.AdamW) -> None:
        """Put weights and moments back."""
        weights = dict(model.named_parameters())
        with torch.no_grad():
            for name, parameter in weights.items():
                parameter.copy_(self.tensors[f"model.{name}"])
                optimiser.state[parameter] = {
                    "step": torch.tensor(float(self.step)),
                    **{
                        moment: self.tensors[f"{moment}.{name}"].to(parameter.device, copy=True)
                        for moment in _MOMENTS
                    },
                }


def captured(model: nn.Module, optimiser: torch.optim.AdamW) -> dict[str, Tensor]:
    """Collect weights and moments, on the CPU."""
    tensors = {}
    for name, parameter in model.named_parameters():
        tensors[f"model.{name}"] = parameter.detach().cpu().contiguous()
        for moment in _MOMENTS:
            tensors[f"{moment}.{name}"] = optimiser.state[parameter][moment].detach().cpu().contiguous()
    return tensors


def write_state(state: TrainingState, folder: Path) -> None:
    """Replace the state file.

    Raises
    ------
    InputError
        When it cannot be written; the state before it is left as it was.
    """
    about = {"step": state.step, "steps": state.steps, "identity": dict(state.identity)}
    content = save(
        {**state.tensors, _LOSSES: state.losses}, metadata={"training": json.dumps(about, sort_keys=True)}
    )
    with atomic_write(folder / STATE_FILE) as aside:
        aside.write_bytes(content)


def read_state(folder: Path) -> TrainingState | None:
    """Read the state file; None where there is none.

    Raises
    ------
    InputError
        When it is damaged or no state of a training run.
    """
    path = folder / STATE_FILE
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["training"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        return TrainingState(about["step"], about["steps"], about["identity"], tensors.pop(_LOSSES), tensors)
    except (SafetensorError, OSError, KeyError, json.JSONDecodeError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(
            f"{path} is no readable state of a training run ({reason}); delete it to start afresh"
        ) from None

"""Train with AdamW and checkpoints from which a run resumes to the bit."""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from haploscribe.embedding.backbones.esm import EsmConfiguration
from haploscribe.embedding.backbones.esm_v2 import EsmV2ForMaskedTokens
from haploscribe.embedding.backbones.tokeniser import K
from haploscribe.errors import InputError
from haploscribe.pretraining.batches import BatchSampler, MaskedBatch
from haploscribe.pretraining.model import initial_model
from haploscribe.utils.files import atomic_write
from haploscribe.utils.progress import Advance

WARMUP_STEPS = 100
DECAY_SHARE = 0.25
"""Share of the steps, at the end, over which the learning rate decays."""

BETAS = (0.9, 0.98)
WEIGHT_DECAY = 0.01
LARGEST_GRADIENT_NORM = 1.0
HELD_OUT_BATCHES = 8

BITS_PER_BASE = 1 / (math.log(2) * K)
"""Converts a token's loss in nats to bits per base: a token has six bases."""

STATE_FILE = "training.safetensors"
_MOMENTS = ("exp_avg", "exp_avg_sq")  # AdamW's names
_LOSSES = "losses"


@dataclass(frozen=True, slots=True)
class TrainingState:
    """Progress, weights and optimiser moments of a training run.

    Attributes
    ----------
    step
        Steps done.
    steps
        Total number of steps planned.
    identity
        All that determines the weights besides `steps`.
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
        """Return the weights by parameter name."""
        prefix = "model."
        return {
            name.removeprefix(prefix): tensor
            for name, tensor in self.tensors.items()
            if name.startswith(prefix)
        }

    def restore(self, model: nn.Module, optimiser: torch.optim.AdamW) -> None:
        """Load weights and moments into a model and its optimiser."""
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


def train(
    batches: BatchSampler,
    configuration: EsmConfiguration,
    *,
    steps: int,
    peak_rate: float,
    checkpoint_every: int,
    seed: int,
    device: torch.device,
    identity: Mapping[str, Any],
    out: Path,
    advance: Advance,
) -> TrainingState:
    """Train a model, or resume the run whose state is in `out`.

    Parameters
    ----------
    batches
        Training and held-out batches.
    configuration
        Dimensions of the model.
    steps, peak_rate
        See `learning_rate`.
    checkpoint_every
        Steps between checkpoints.
    seed
        Seed of the initial weights.
    device
        Device to train on; a GPU trains in mixed precision (bfloat16).
    identity
        All that determines the weights besides `steps`; a state with another identity is refused.
    out
        Existing folder of the state file.
    advance
        Called with the number of steps done, those of an earlier call at once.

    Returns
    -------
    TrainingState
        After the last step.

    Raises
    ------
    InputError
        When `out` holds another run, a checkpoint cannot be written, or the loss is no longer finite.
    """
    model = initial_model(configuration, seed).to(device)
    optimiser = _optimiser(model)
    state = read_state(out)
    if state is not None:
        _require_same(state, identity, steps, out)
        state.restore(model, optimiser)
        advance(state.step)
    held_out = batches.held_out(HELD_OUT_BATCHES)
    rows = [] if state is None else state.losses.tolist()
    losses: list[float] = []
    for step in range(0 if state is None else state.step, steps):
        _set_rate(optimiser, learning_rate(step, steps, peak_rate))
        losses.append(_take_step(model, optimiser, batches.training(step), device))
        if not math.isfinite(losses[-1]):
            raise InputError(f"the loss of step {step + 1} is not finite; train with a lower --learning-rate")
        if (step + 1) % checkpoint_every == 0 or step + 1 == steps:
            rows.append([step + 1, sum(losses) / len(losses), evaluate(model, held_out, device)])
            losses = []
            table = torch.tensor(rows, dtype=torch.float64)
            state = TrainingState(step + 1, steps, identity, table, capture_tensors(model, optimiser))
            write_state(state, out)
        advance(1)
    assert state is not None, "a run has at least one step"
    return state


def evaluate(model: EsmV2ForMaskedTokens, batches: Sequence[MaskedBatch], device: torch.device) -> float:
    """Return the mean loss over the masked tokens of some batches, in bits per base; NaN without any."""
    total, n_masked = 0.0, 0
    with torch.inference_mode():
        for batch in batches:
            total += float(_token_losses(model, batch, device).double().sum())
            n_masked += len(batch.labels)
    return total * BITS_PER_BASE / n_masked if n_masked else math.nan


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Return the learning rate of a step under a warmup-stable-decay schedule (linear warm-up and decay).

    On the plateau the rate does not depend on `steps`, so a run interrupted there can resume with more steps
    and equal a run that had them from the start (Hägele et al., NeurIPS 2024).

    Parameters
    ----------
    step
        From 0.
    steps
        Total number of steps.
    peak
        Rate of the plateau.
    """
    warmup = (step + 1) / WARMUP_STEPS
    decay = (steps - step) / max(1.0, DECAY_SHARE * steps)
    return peak * min(1.0, warmup, decay)


def capture_tensors(model: nn.Module, optimiser: torch.optim.AdamW) -> dict[str, Tensor]:
    """Return weights and moments, on the CPU."""
    tensors = {}
    for name, parameter in model.named_parameters():
        tensors[f"model.{name}"] = parameter.detach().cpu().contiguous()
        for moment in _MOMENTS:
            tensors[f"{moment}.{name}"] = optimiser.state[parameter][moment].detach().cpu().contiguous()
    return tensors


def write_state(state: TrainingState, folder: Path) -> None:
    """Write the state file.

    Raises
    ------
    InputError
        When it cannot be written; the earlier file is then unchanged.
    """
    about = {"step": state.step, "steps": state.steps, "identity": dict(state.identity)}
    content = save(
        {**state.tensors, _LOSSES: state.losses}, metadata={"training": json.dumps(about, sort_keys=True)}
    )
    with atomic_write(folder / STATE_FILE) as aside:
        aside.write_bytes(content)


def read_state(folder: Path) -> TrainingState | None:
    """Read the state file; None if there is none.

    Raises
    ------
    InputError
        When it is damaged, or is not the state of a training run.
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
            f"{path} is not a readable training state ({reason}); delete it to start again"
        ) from None


def _take_step(
    model: EsmV2ForMaskedTokens, optimiser: torch.optim.AdamW, batch: MaskedBatch, device: torch.device
) -> float:
    """Take an optimiser step; return the batch's mean loss in bits per base."""
    loss = _token_losses(model, batch, device).mean()
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT_NORM)
    optimiser.step()
    return float(loss.detach()) * BITS_PER_BASE


def _set_rate(optimiser: torch.optim.AdamW, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate


def _token_losses(model: EsmV2ForMaskedTokens, batch: MaskedBatch, device: torch.device) -> Tensor:
    """Return each masked token's cross-entropy in nats, float32 `(n_masked,)`; others skip the head."""
    attention_mask = None if batch.attention_mask.all() else torch.from_numpy(batch.attention_mask).to(device)
    mixed = torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()
    with mixed:
        hidden = model.esm(torch.from_numpy(batch.input_ids).to(device), attention_mask)
        logits = model.lm_head(hidden[torch.from_numpy(batch.masked).to(device)])
    return F.cross_entropy(logits.float(), torch.from_numpy(batch.labels).to(device), reduction="none")


def _optimiser(model: EsmV2ForMaskedTokens) -> torch.optim.AdamW:
    """Return AdamW with weight decay on matrices, not on vectors (biases, layer norms)."""
    matrices = [weight for weight in model.parameters() if weight.ndim > 1]
    vectors = [weight for weight in model.parameters() if weight.ndim == 1]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": WEIGHT_DECAY},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=BETAS, foreach=True)


def _require_same(state: TrainingState, identity: Mapping[str, Any], steps: int, out: Path) -> None:
    differing = [name for name in identity if state.identity.get(name) != identity[name]]
    if differing:
        name = differing[0]
        raise InputError(
            f"{out} holds a training run with {name} {state.identity.get(name)!r}, not {identity[name]!r}; "
            "give the same options as before, or another --out"
        )
    if state.step > steps or not _same_rates(state.step, state.steps, steps):
        raise InputError(
            f"{out} holds step {state.step} of a run of {state.steps} steps, whose learning rate has begun "
            f"to decay; --steps {steps} cannot resume it: give --steps {state.steps}, or another --out"
        )


def _same_rates(done: int, steps: int, other: int) -> bool:
    """Return whether runs of `steps` and of `other` steps have the same rates in the first `done` steps."""
    return all(learning_rate(step, steps, 1.0) == learning_rate(step, other, 1.0) for step in range(done))

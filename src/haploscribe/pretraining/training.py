"""The training loop: masked tokens, AdamW, checkpoints from which a run goes on to the bit."""

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from haploscribe.embedding.backbones.esm import EsmConfiguration
from haploscribe.embedding.backbones.esm_v2 import EsmV2ForMaskedTokens
from haploscribe.embedding.backbones.tokeniser import K
from haploscribe.errors import InputError
from haploscribe.pretraining.batches import Batches
from haploscribe.pretraining.masking import MaskedBatch
from haploscribe.pretraining.schedule import learning_rate, same_so_far
from haploscribe.pretraining.starting_model import starting_model
from haploscribe.pretraining.state import TrainingState, captured, read_state, write_state
from haploscribe.progress import Advance

BETAS = (0.9, 0.98)
WEIGHT_DECAY = 0.01
LARGEST_GRADIENT_NORM = 1.0
HELD_OUT_BATCHES = 8

BITS_PER_BASE = 1 / (math.log(2) * K)
"""From a token's loss in nats to bits per base: a guessed token stands for six bases."""


def train(
    batches: Batches,
    configuration: EsmConfiguration,
    *,
    steps: int,
    highest_rate: float,
    checkpoint_every: int,
    seed: int,
    device: torch.device,
    identity: Mapping[str, Any],
    out: Path,
    advance: Advance,
) -> TrainingState:
    """Train a model, or go on with the run whose state is in `out`.

    Parameters
    ----------
    batches
        What to train on.
    configuration
        Dimensions of the model.
    steps, highest_rate
        See `learning_rate`.
    checkpoint_every
        Steps between checkpoints.
    seed
        Seed of the first weights.
    device
        Where to train; on a GPU in mixed precision (bfloat16).
    identity
        All that decides the weights besides `steps`; a state of another one is refused.
    out
        Folder of the state file.
    advance
        Told of each step done, those of an earlier call at once.

    Returns
    -------
    TrainingState
        The last one.

    Raises
    ------
    InputError
        When `out` holds another run, a checkpoint cannot be written, or the loss is no longer finite.
    """
    model = starting_model(configuration, seed).to(device)
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
        _set_rate(optimiser, learning_rate(step, steps, highest_rate))
        losses.append(_take_step(model, optimiser, batches.training(step), device))
        if not math.isfinite(losses[-1]):
            raise InputError(f"the loss of step {step + 1} is not finite; train with a lower --learning-rate")
        if (step + 1) % checkpoint_every == 0 or step + 1 == steps:
            rows.append([step + 1, sum(losses) / len(losses), evaluate(model, held_out, device)])
            losses = []
            table = torch.tensor(rows, dtype=torch.float64)
            state = TrainingState(step + 1, steps, identity, table, captured(model, optimiser))
            write_state(state, out)
        advance(1)
    assert state is not None, "a run has at least one step"
    return state


def evaluate(model: EsmV2ForMaskedTokens, batches: Sequence[MaskedBatch], device: torch.device) -> float:
    """Mean loss over the guessed tokens of some batches in bits per base; NaN without any."""
    total, n_guessed = 0.0, 0
    with torch.inference_mode():
        for batch in batches:
            total += float(_losses(model, batch, device).double().sum())
            n_guessed += len(batch.answers)
    return total * BITS_PER_BASE / n_guessed if n_guessed else math.nan


def _take_step(
    model: EsmV2ForMaskedTokens, optimiser: torch.optim.AdamW, batch: MaskedBatch, device: torch.device
) -> float:
    """Do one step; the batch's mean loss in bits per base."""
    loss = _losses(model, batch, device).mean()
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT_NORM)
    optimiser.step()
    return float(loss.detach()) * BITS_PER_BASE


def _set_rate(optimiser: torch.optim.AdamW, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate


def _losses(model: EsmV2ForMaskedTokens, batch: MaskedBatch, device: torch.device) -> Tensor:
    """Loss of each guessed token in nats, float32 `(n_guessed,)`; other tokens do not pass the head."""
    attend = None if batch.attend.all() else torch.from_numpy(batch.attend).to(device)
    mixed = torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()
    with mixed:
        hidden = model.esm(torch.from_numpy(batch.shown).to(device), attend)
        logits = model.lm_head(hidden[torch.from_numpy(batch.guessed).to(device)])
    return F.cross_entropy(logits.float(), torch.from_numpy(batch.answers).to(device), reduction="none")


def _optimiser(model: EsmV2ForMaskedTokens) -> torch.optim.AdamW:
    """AdamW; matrices decay, vectors (biases, layer norms) do not."""
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
    if state.step > steps or not same_so_far(state.step, state.steps, steps):
        raise InputError(
            f"{out} holds step {state.step} of a run of {state.steps} steps, whose learning rate had begun "
            f"to fall; --steps {steps} cannot go on from there: give --steps {state.steps}, or another --out"
        )

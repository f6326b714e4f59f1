"""The model card: what a backbone was trained on, how, and how well it does."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from haploscribe._version import __version__
from haploscribe.config.options import PretrainingOptions

TRAINING_COLUMNS = ("step", "training_bits_per_base", "held_out_bits_per_base")


def losses_table(rows: Sequence[Sequence[float]]) -> str:
    """Write the loss curve as a TSV, a row a checkpoint: bits per base, `NA` where nothing was held out."""
    lines = ["\t".join(TRAINING_COLUMNS)]
    lines += [f"{int(step)}\t{training:.6f}\t{_number(held_out, 6)}" for step, training, held_out in rows]
    return "\n".join(lines) + "\n"


def model_card(
    facts: Mapping[str, Any],
    options: PretrainingOptions,
    n_parameters: int,
    rows: Sequence[Sequence[float]],
) -> str:
    """Write the card, Markdown with the hub's header.

    Parameters
    ----------
    facts
        What the data are.
    options
        The run.
    n_parameters
        Size of the model.
    rows
        Steps done, training loss and held-out loss, a row a checkpoint.
    """
    held_out = ", ".join(facts["held_out"]) or "nothing"
    genotypes = "none" if facts["variants"] is None else f"`{facts['variants']}`, half of all windows"
    step, training_loss, held_out_loss = rows[-1]
    tokens = int(step) * options.batch * options.window // 6
    shape = f"{options.layers}, {options.hidden_size}, {options.heads}, {options.feed_forward}"
    return f"""---
library_name: haploscribe
pipeline_tag: fill-mask
tags: [genomics, dna, nucleotide-transformer]
---

# A small Nucleotide Transformer, trained by Haploscribe {__version__}

Masked-token model of DNA: 6-mer tokens, rotary positions, gated feed-forward (the Nucleotide Transformer's
second version), {n_parameters:,} parameters. `haploscribe run --backbone FOLDER` reads it as it is.
Its longest input is {options.window:,} bp, and it was trained on no other length.

## Data
| | |
|---|---|
| reference | `{facts["reference"]}` (contig names and upper-case sequence), {facts["contigs"]} contigs |
| genotypes | {genotypes} |
| held out | {held_out} |
| trained on | {facts["training_bases"]:,} bases other than N |

The weights are derived from these data alone; whoever shares them sets a licence that the data allow. Where
genotypes were read, the weights may reveal something of those people.

## Training
Windows of {options.window:,} bp without N, begun at any base (so in any frame), read on either strand.
15 % of the 6-mers are guessed (80 % shown as `<mask>`, 10 % as a random 6-mer, 10 % as they are).

| | |
|---|---|
| layers, width, heads, feed-forward | {shape} |
| steps, sequences a step | {int(step):,}, {options.batch} ({tokens:,} tokens in all) |
| optimiser | AdamW, learning rate up to {options.learning_rate:g} (rise, plateau, fall) |
| seed | {options.seed} |
| torch | {torch.__version__} |

## Losses
In bits per base: the loss of a guessed token over six bases; no knowledge is 2.0. The training loss is the
mean since the checkpoint before; the held-out loss is of fixed windows of the reference, on one strand, with
all guessed tokens shown as `<mask>`. The whole curve is in `losses.tsv`.

| step | training | held out |
|---|---|---|
{_some_rows(rows)}
| **{int(step):,}** | **{training_loss:.4f}** | **{_number(held_out_loss, 4)}** |
"""


def _some_rows(rows: Sequence[Sequence[float]], n: int = 10) -> str:
    """About `n` rows of the curve before the last, evenly spread."""
    chosen = rows[:-1][:: max(1, len(rows) // n)] or rows[:1]
    return "\n".join(
        f"| {int(step):,} | {training:.4f} | {_number(held_out, 4)} |" for step, training, held_out in chosen
    )


def _number(value: float, digits: int) -> str:
    return "NA" if value != value else f"{value:.{digits}f}"  # noqa: PLR0124 - NaN differs from itself

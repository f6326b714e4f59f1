"""The options of `pretrain`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from haploscribe.config.fields import Check, Group, Option, Options, at_least, positive_and_finite
from haploscribe.config.options import SEED, AssumePhased, Device, Reference
from haploscribe.utils.file_lists import Files

_TOKEN = 6
"""Base pairs of a token of the Nucleotide Transformer."""
_POSITIVE = at_least(1, "give a positive number")


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainingOptions(Options):
    """A training run of a small backbone; the defaults are those that made `nano`."""

    group: ClassVar[Group] = "Training"

    reference: Reference
    variants: Annotated[
        Path | Files | None,
        Option(
            "Phased genotypes as for `run`; their haplotypes are read too.",
            metavar="FILE|FOLDER",
            unset="the reference alone",
            group="Inputs",
        ),
    ] = None
    assume_phased: AssumePhased = False
    hold_out: Annotated[
        tuple[str, ...],
        Option(
            "Region never trained on, whose loss is watched; 1-based, both ends included; may be repeated.",
            metavar="C:S-E",
            flag="hold-out",
            group="Inputs",
        ),
    ] = ()
    window: Annotated[
        int,
        Option(
            "Length of a training sequence in base pairs, a multiple of 6; also the longest tile.",
            metavar="BP",
            unit="bp",
            group="Network",
            check=Check(
                lambda value: value >= 2 * _TOKEN and value % _TOKEN == 0,
                f"give a multiple of {_TOKEN} bp, such as 5994",
            ),
        ),
    ] = 5_994
    hidden_size: Annotated[int, Option("Width of the model.", check=_POSITIVE, group="Network")] = 128
    layers: Annotated[int, Option("Encoder layers.", check=_POSITIVE, group="Network")] = 4
    heads: Annotated[int, Option("Attention heads.", check=_POSITIVE, group="Network")] = 4
    feed_forward: Annotated[
        int, Option("Width of the feed-forward layers.", check=_POSITIVE, group="Network")
    ] = 256
    batch: Annotated[int, Option("Sequences per step.", check=_POSITIVE)] = 4
    steps: Annotated[int, Option("Steps in all.", check=_POSITIVE)] = 3_200
    learning_rate: Annotated[
        float,
        Option("Highest learning rate.", check=positive_and_finite("give a positive number, such as 0.002")),
    ] = 2e-3
    checkpoint_every: Annotated[int, Option("Steps between checkpoints.", check=_POSITIVE)] = 100
    seed: Annotated[int, Option("Seed of weights and batches.", check=SEED)] = 0
    device: Device = "auto"

"""What a user can set of a training run; the defaults are those that made `nano`."""

from dataclasses import dataclass
from pathlib import Path

DEFAULT_WINDOW = 5_994
DEFAULT_STEPS = 3_200


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainingOptions:
    """A training run.

    Attributes
    ----------
    reference
        Genome as FASTA.
    variants
        Phased genotypes whose haplotypes are read beside the reference; None for the reference alone.
    hold_out
        Regions that are never read in training, `contig:start-end`, 1-based, both ends included; their loss
        is watched.
    assume_phased
        Read unphased heterozygotes as if phased.
    window
        Length of a training sequence in base pairs, a multiple of 6; the longest tile of the backbone.
    hidden_size, layers, heads, feed_forward
        Dimensions of the model.
    batch
        Sequences a step.
    steps
        Steps in all.
    learning_rate
        Its highest value.
    checkpoint_every
        Steps between checkpoints; losses are averaged over as many.
    seed
        Seed of the first weights and of every batch.
    device
        `auto` (a GPU where there is one), `cpu`, `cuda` or `cuda:N`.
    """

    reference: Path
    variants: Path | None = None
    hold_out: tuple[str, ...] = ()
    assume_phased: bool = False
    window: int = DEFAULT_WINDOW
    hidden_size: int = 128
    layers: int = 4
    heads: int = 4
    feed_forward: int = 256
    batch: int = 4
    steps: int = DEFAULT_STEPS
    learning_rate: float = 2e-3
    checkpoint_every: int = 100
    seed: int = 0
    device: str = "auto"

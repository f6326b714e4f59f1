"""Pretrain a small backbone on a genome."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from haploscribe.config.pretraining import PretrainingOptions
from haploscribe.embedding.backbones.devices import resolve_device
from haploscribe.embedding.backbones.esm import parse_configuration
from haploscribe.errors import InputError
from haploscribe.genome.readers.open import variant_files
from haploscribe.pretraining.batches import BatchSampler
from haploscribe.pretraining.data import (
    GenomeSequences,
    Segment,
    WindowSampler,
    intersect_regions,
    resolve_region,
    scan_genome,
    subtract_regions,
)
from haploscribe.pretraining.model import (
    checkpoint_weights,
    losses_table,
    model_card,
    published_configuration,
    write_model_folder,
)
from haploscribe.pretraining.training import train
from haploscribe.utils.files import make_folder, remove_on_input_error
from haploscribe.utils.hashing import files_digest
from haploscribe.utils.progress import stage


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Segments to train on and held out, and what identifies the data.

    Attributes
    ----------
    training, held_out
        Intervals without N.
    description
        Digests and sizes, for the run's identity and the model card.
    """

    training: tuple[Segment, ...]
    held_out: tuple[Segment, ...]
    description: Mapping[str, Any]


def pretrain(options: PretrainingOptions, out: Path) -> dict[str, str | int]:
    """Train a backbone of the Nucleotide Transformer v2 architecture on a genome.

    An interrupted run resumes from its last checkpoint when called again with the same arguments, and ends
    with the same bytes.

    Parameters
    ----------
    options
        Options of the run.
    out
        Folder of the model; created if missing.

    Returns
    -------
    dict
        Summary to print.

    Raises
    ------
    InputError
        When an input or an option is invalid, or a file cannot be written.
    """
    device = resolve_device(options.device)
    content = published_configuration(
        hidden_size=options.hidden_size,
        layers=options.layers,
        heads=options.heads,
        feed_forward=options.feed_forward,
        window=options.window,
    )
    configuration = parse_configuration(content, "the options")
    with (
        ExitStack() as refusing,
        GenomeSequences.open(
            options.reference, options.variants, assume_phased=options.assume_phased
        ) as sequences,
    ):
        data = _training_data(sequences, options)
        refusing.enter_context(remove_on_input_error(out))
        make_folder(out)
        batches = BatchSampler(
            sequences,
            WindowSampler(data.training, options.window),
            WindowSampler(data.held_out, options.window),
            options.batch,
            options.seed,
        )
        with stage("Training", options.steps, "steps") as advance:
            state = train(
                batches,
                configuration,
                steps=options.steps,
                peak_rate=options.learning_rate,
                checkpoint_every=options.checkpoint_every,
                seed=options.seed,
                device=device,
                identity={**data.description, **_training_settings(options)},
                out=out,
                advance=advance,
            )
    rows = state.losses.tolist()
    weights = checkpoint_weights(configuration, state.weights())
    n_parameters = sum(tensor.numel() for tensor in weights.values())
    card = model_card(data.description, options, n_parameters, rows)
    write_model_folder(out, content, weights, card, losses_table(rows))
    return {
        "parameters": n_parameters,
        "steps": state.step,
        "training loss, bits per base": f"{rows[-1][1]:.4f}",
        "held-out loss, bits per base": f"{rows[-1][2]:.4f}" if data.held_out else "-",
        "model": str(out),
    }


def _training_data(sequences: GenomeSequences, options: PretrainingOptions) -> TrainingData:
    """Scan the genome, split off the held-out regions, and check that enough is left to train on."""
    reference = sequences.reference
    with stage("Reading the reference", sum(reference.contigs.values()), "bp") as advance:
        scan = scan_genome(reference, advance)
    regions = [resolve_region(text, reference, "--hold-out") for text in options.hold_out]
    training = subtract_regions(scan.segments, regions)
    held_out = intersect_regions(scan.segments, regions)
    longest = max((segment.end - segment.start for segment in training), default=0)
    if longest < options.window:
        raise InputError(
            f"{options.reference} has no {options.window:,} bp without N to train on (the longest part "
            f"has {longest:,} bp, of {scan.n_bases:,} known bases); give a longer FASTA or a shorter --window"
        )
    variants = None if options.variants is None else files_digest(variant_files(options.variants))
    return TrainingData(
        training,
        held_out,
        {
            "reference": scan.digest,
            "variants": variants,
            "contigs": len(reference.contigs),
            "training_bases": sum(segment.end - segment.start for segment in training),
            "held_out": [f"{region.contig}:{region.start + 1}-{region.end}" for region in regions],
        },
    )


def _training_settings(options: PretrainingOptions) -> dict[str, Any]:
    """Return the options that determine the weights, besides the number of steps."""
    names = (
        *("assume_phased", "window", "hidden_size", "layers", "heads", "feed_forward", "batch"),
        *("learning_rate", "checkpoint_every", "seed"),
    )
    return {name: getattr(options, name) for name in names}

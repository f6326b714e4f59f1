"""The job behind `haploscribe pretrain`: from a genome to a model folder."""

import math
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from haploscribe.atomic import kept_unless_refused, make_folder
from haploscribe.embedding.backbones.devices import resolve_device
from haploscribe.embedding.backbones.esm import parse_configuration
from haploscribe.embedding.backbones.tokeniser import K
from haploscribe.errors import InputError
from haploscribe.io.digests import file_digest
from haploscribe.pretraining.batches import Batches
from haploscribe.pretraining.model_card import losses_table, model_card
from haploscribe.pretraining.model_folder import configuration_content, write_model
from haploscribe.pretraining.options import PretrainingOptions
from haploscribe.pretraining.segments import Segment, WindowStarts, place_region, scan_genome, within, without
from haploscribe.pretraining.starting_model import plain_weights
from haploscribe.pretraining.training import train
from haploscribe.pretraining.windows import GenomeSequences
from haploscribe.progress import stage


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a run trains on.

    Attributes
    ----------
    training, held_out
        Stretches without N.
    facts
        What the data are, for identity and model card.
    """

    training: tuple[Segment, ...]
    held_out: tuple[Segment, ...]
    facts: Mapping[str, Any]


def pretrain(options: PretrainingOptions, out: Path) -> dict[str, str | int]:
    """Train a backbone of the second Nucleotide Transformer's family on a genome.

    A stopped run goes on from its last checkpoint when it is called again with the same arguments, and ends
    with the same bytes.

    Parameters
    ----------
    options
        The run.
    out
        Folder of the model; made when missing.

    Returns
    -------
    dict
        What was done, for a person to read.

    Raises
    ------
    InputError
        When an input or an option is at fault, or a file cannot be written.
    """
    _check_ranges(options)
    device = resolve_device(options.device)
    content = configuration_content(
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
        refusing.enter_context(kept_unless_refused(out))
        make_folder(out)
        batches = Batches(
            sequences,
            WindowStarts(data.training, options.window),
            WindowStarts(data.held_out, options.window),
            options.batch,
            options.seed,
        )
        with stage("Training", options.steps, "steps") as advance:
            state = train(
                batches,
                configuration,
                steps=options.steps,
                highest_rate=options.learning_rate,
                checkpoint_every=options.checkpoint_every,
                seed=options.seed,
                device=device,
                identity={**data.facts, **_deciding(options)},
                out=out,
                advance=advance,
            )
    rows = state.losses.tolist()
    weights = plain_weights(configuration, state.weights())
    n_parameters = sum(tensor.numel() for tensor in weights.values())
    card = model_card(data.facts, options, n_parameters, rows)
    write_model(out, content, weights, card, losses_table(rows))
    return {
        "parameters": n_parameters,
        "steps": state.step,
        "training loss, bits per base": f"{rows[-1][1]:.4f}",
        "held-out loss, bits per base": f"{rows[-1][2]:.4f}" if data.held_out else "-",
        "model": str(out),
    }


def _check_ranges(options: PretrainingOptions) -> None:
    for name in ("hidden_size", "layers", "heads", "feed_forward", "batch", "steps", "checkpoint_every"):
        if getattr(options, name) < 1:
            raise InputError(f"--{name.replace('_', '-')} {getattr(options, name)}: give a positive number")
    if options.window < 2 * K or options.window % K:
        raise InputError(f"--window {options.window}: give a multiple of {K} bp, such as 5994")
    if not 0 < options.learning_rate < math.inf:
        raise InputError(f"--learning-rate {options.learning_rate:g}: give a positive number, such as 0.002")
    if not 0 <= options.seed < 1 << 63:
        raise InputError(f"--seed {options.seed}: give a whole number from 0 to below 2^63")


def _training_data(sequences: GenomeSequences, options: PretrainingOptions) -> TrainingData:
    """Scan the genome, split off what is held out, and see that enough is left."""
    reference = sequences.reference
    with stage("Reading the reference", sum(reference.contigs.values()), "bp") as advance:
        scan = scan_genome(reference, advance)
    regions = [place_region(text, reference, "--hold-out") for text in options.hold_out]
    training, held_out = without(scan.segments, regions), within(scan.segments, regions)
    longest = max((segment.end - segment.start for segment in training), default=0)
    if longest < options.window:
        raise InputError(
            f"{options.reference} has no stretch of {options.window:,} bp without N to train on (the longest "
            f"has {longest:,} bp of {scan.n_bases:,} known bases); give a longer FASTA or a shorter --window"
        )
    return TrainingData(
        training,
        held_out,
        {
            "reference": scan.digest,
            "variants": None if options.variants is None else file_digest(options.variants),
            "contigs": len(reference.contigs),
            "training_bases": sum(segment.end - segment.start for segment in training),
            "held_out": [f"{region.contig}:{region.start + 1}-{region.end}" for region in regions],
        },
    )


def _deciding(options: PretrainingOptions) -> dict[str, Any]:
    """Options that decide the weights, besides the number of steps."""
    names = (
        *("assume_phased", "window", "hidden_size", "layers", "heads", "feed_forward", "batch"),
        *("learning_rate", "checkpoint_every", "seed"),
    )
    return {name: getattr(options, name) for name in names}

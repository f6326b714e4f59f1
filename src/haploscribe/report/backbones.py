"""Format the table of backbones, and a backbone's score, for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from haploscribe.embedding.backbones.registry import BackboneEntry


def backbone_lines(entries: Sequence[BackboneEntry]) -> list[str]:
    """Return the lines of `haploscribe backbones`, at most 80 columns wide."""
    lines = [f"{'name':23} {'family':6} {'dimension':>9} {'layers':>6} {'longest tile':>13}  licence"]
    for entry in entries:
        unsure = " " if entry.confirmed else "*"
        sizes = f"{entry.dimension:>8}{unsure} {entry.n_layers or '-':>5}{unsure} {entry.max_tile:>10,} bp"
        lines.append(f"{entry.name:23} {entry.family:6} {sizes}  {entry.licence}")
        if entry.hub_id is not None:
            lines.append(f"    {entry.hub_id} @ {entry.revision[:12]}")
    lines.append("* not read off the published files; the checkpoint's own value is what counts")
    return lines


def score_lines(score: Mapping[str, Any]) -> list[str]:
    """Return the lines of `haploscribe backbones score`.

    Parameters
    ----------
    score
        The fields of `haploscribe.pretraining.scoring.Score`.
    """
    rows = (
        (f"{score['model']:.4f} ± {score['model_standard_error']:.4f}", score["backbone"]),
        (f"{score['markov_both_sides']:.4f}", "order-5 Markov chain, given five bases on either side"),
        (f"{score['markov']:.4f}", "order-5 Markov chain, given the five bases before"),
        (f"{score['uniform']:.4f}", "uniform guessing"),
    )
    head = f"bits per base over {score['n_tokens']:,} masked 6-mers of {score['region']}"
    return [head, *(f"{figure:16} {name}" for figure, name in rows)]

"""The table of backbones for a terminal."""

from collections.abc import Sequence

from haploscribe.embedding.backbones.registry import BackboneEntry


def backbone_lines(entries: Sequence[BackboneEntry]) -> list[str]:
    """Make the lines that `haploscribe backbones` prints; they fit 80 columns."""
    lines = [f"{'name':23} {'family':6} {'dimension':>9} {'layers':>6} {'longest tile':>13}  licence"]
    for entry in entries:
        unsure = " " if entry.confirmed else "*"
        sizes = f"{entry.dimension:>8}{unsure} {entry.n_layers or '-':>5}{unsure} {entry.max_tile:>10,} bp"
        lines.append(f"{entry.name:23} {entry.family:6} {sizes}  {entry.licence}")
        if entry.hub_id is not None:
            lines.append(f"    {entry.hub_id} @ {entry.revision[:12]}")
    lines.append("* not read off the published files; the checkpoint's own value is what counts")
    return lines

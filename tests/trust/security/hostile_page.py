"""A page in which every name that can come from data is hostile, and the figures of such names."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from haploscribe.embedding.stage import EmbeddingSummary
from haploscribe.expression.genes import Gene
from haploscribe.interpret.tracks import RegionTracks
from haploscribe.report.page import render_page
from haploscribe.results.tables import Results
from tests.report.made import EMBEDDING, made_results, made_tracks, shifted

HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "</script><script>alert(1)</script>",
    "</title></style></textarea><svg onload=alert(1)>",
    "<!--<script>",
    "]]><script>alert(1)</script>",
    "javascript:alert(1)",
    "a\u2028b\u2029c",
    "&lt;script&gt;&quot;",
    "${alert(1)}{{ 7 * 7 }}{% raw %}",
    "'-alert(1)-'",
    "constructor",
)


def hostile_tracks(gene_id: str) -> RegionTracks:
    """Tracks of a region in which everything is called by a hostile name."""
    made = made_tracks(gene_id, n_variants=60)
    names = tuple(HOSTILE[i % len(HOSTILE)] for i in range(60))
    around = tuple(
        Gene(name, HOSTILE[0], made.start + 5_000 * place) for place, name in enumerate(HOSTILE, start=1)
    )
    return replace(
        made,
        gene=replace(made.gene, contig=HOSTILE[0]),
        neighbours=around,
        contig=HOSTILE[0],
        names=names,
        effects=dict(zip(HOSTILE, made.effects.values(), strict=False)),
        tile_weights={HOSTILE[1]: next(iter(made.tile_weights.values()))},
    )


def hostile_results() -> Results:
    """Results in which genes, models, options, paths, versions, backbone and stages are hostile."""
    values = shifted(0.03, n_genes=len(HOSTILE))
    r = {"elastic-net": values["elastic-net"]} | dict.fromkeys(HOSTILE[:4], values["transformer"])
    every: Mapping[str, Any] = {name: name for name in HOSTILE}
    run = {
        "haploscribe": HOSTILE[0],
        "versions": every,
        "options": {**every, "models": list(HOSTILE), "genes": HOSTILE[2], "nested": every},
        "inputs": {name: {"path": f"/data/{name}/a.vcf", "digest": name} for name in HOSTILE},
        "data": every,
    }
    embedding: EmbeddingSummary = {**EMBEDDING, "backbone": HOSTILE[2]}
    results = made_results(r, genes=HOSTILE, embedding=embedding, run=run)
    cost = {"forward_passes": 1, "naive_forward_passes": 2, "seconds": 1.0}
    summary: Any = {
        **results.summary,
        "stages": dict.fromkeys(HOSTILE, 1.5),
        "zero_shot": dict.fromkeys(HOSTILE, cost),
    }
    return replace(results, summary=summary)


def hostile_page() -> str:
    """Make the page, with regions of two genes."""
    return render_page(hostile_results(), {name: hostile_tracks(name) for name in HOSTILE[:2]})

"""Results made up for the tests of the page and the terminal table."""

import json
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from haploscribe.embedding.stage import EmbeddingSummary
from haploscribe.evaluation.cross_validation import PREDICTION_SCHEMA
from haploscribe.evaluation.metrics import METRIC_SCHEMA, summarise_models
from haploscribe.evaluation.paired import compare_models
from haploscribe.expression.genes import Gene
from haploscribe.interpret.tracks import RegionTracks
from haploscribe.results.tables import Results, write_predictions, write_results

EMBEDDING: EmbeddingSummary = {
    "backbone": "kmer",
    "tiles": 1357,
    "unique_haplotypes": 24680,
    "forward_passes": 24680,
    "naive_forward_passes": 987200,
    "seconds": 272.4,
}
VOID = {"meta", "input", "br"}


def made_results(
    r: Mapping[str, Sequence[float]],
    *,
    genes: Sequence[str] | None = None,
    constant: Mapping[str, Sequence[bool]] | None = None,
    embedding: EmbeddingSummary | None = EMBEDDING,
    run: Mapping[str, Any] | None = None,
) -> Results:
    """Results with these r a model, in this order of models; a NaN leaves the gene out for that model."""
    n_genes = len(next(iter(r.values())))
    genes = genes or [f"GENE{i:04d}" for i in range(n_genes)]
    rows = [
        (
            gene,
            model,
            120,
            1000 + i,
            value,
            0.0001 if value > 0.2 else 0.7,
            value,
            value**2,
            bool(constant and constant[model][i]),
        )
        for model, values in r.items()
        for i, (gene, value) in enumerate(zip(genes, values, strict=True))
        if not np.isnan(value)
    ]
    metrics = pl.DataFrame(rows, schema=METRIC_SCHEMA, orient="row").sort("gene_id", "model")
    return Results(
        metrics=metrics,
        comparison=compare_models(metrics),
        summary={"models": summarise_models(metrics), "embedding": embedding, "wall_seconds": 4000.0},
        run={
            "haploscribe": "9.8.7",
            "versions": {"numpy": "2.4.1"},
            "options": {"models": list(r), "window": 196608, "dask": None, "assume_phased": False},
            "inputs": {"variants": {"path": "/some/where/a.vcf.gz", "digest": "sha256:00ff"}},
            "data": {"samples_shared": 120, "variants": 83564, "missing_rate": 0.00125},
        }
        | dict(run or {}),
    )


def made_tracks(gene_id: str = "GENE0000", *, n_variants: int = 600, seed: int = 0) -> RegionTracks:
    """Tracks of a made-up gene with one strong signal, four neighbours, two linear and one sequence model."""
    rng = np.random.default_rng(seed)
    start, end, tile = 20_000_000, 20_196_608, 5994
    positions = np.sort(rng.choice(np.arange(start, end), n_variants, replace=False)).astype(np.int64)
    log10_p = rng.exponential(0.43, n_variants) + 9 * np.exp(-np.abs(positions - 20_080_000) / 6000)
    log10_p[::17] = np.nan
    sparse = np.full(n_variants, np.nan)
    chosen = np.argsort(-np.nan_to_num(log10_p))[:40:5]
    sparse[chosen] = rng.normal(0, 0.1, len(chosen))
    edges = np.arange(start // tile, end // tile + 1, dtype=np.int64) * tile
    return RegionTracks(
        gene=Gene(gene_id, "22", 20_098_304, "-"),
        neighbours=(
            Gene("ENSG00000100426.2", "22", 20_060_000),
            Gene("ENSG00000184058.8", "22", 20_105_000),
            Gene("ENSG00000099899.10", "22", 20_190_000),
            Gene("ENSG00000183773.11", "22", 20_003_000, "-"),
        ),
        contig="22",
        start=start,
        end=end,
        positions=positions,
        names=tuple(f"22:{position + 1}:A:G" for position in positions),
        log10_p=log10_p,
        effects={"elastic-net": sparse, "blup": rng.normal(0, 0.002, n_variants), "transformer": sparse / 3},
        tiles=np.stack([edges, edges + tile], axis=1),
        tile_weights={"transformer": rng.exponential(1.0, len(edges))},
    )


def write_made(folder: Path, results: Results) -> None:
    """Write a results folder whose predictions have no rows: the page reads none."""
    write_predictions(folder, [pl.DataFrame(schema=PREDICTION_SCHEMA)], folder)
    write_results(folder, results)


def shifted(by: float, *, spread: float = 0.02, n_genes: int = 60, seed: int = 0) -> dict[str, list[float]]:
    """Give elastic-net and another model whose r differs by about `by`."""
    rng = np.random.default_rng(seed)
    base = rng.uniform(0.05, 0.6, n_genes)
    other = base + by + rng.normal(0, spread, n_genes)
    return {"elastic-net": base.tolist(), "transformer": other.tolist()}


class PageParser(HTMLParser):
    """Reads a page strictly: every tag must close the one opened last.

    Attributes
    ----------
    tags
        Name and attributes of every element, in order.
    tables
        Cells' text by the table's id (or by what labels it): one list a row.
    texts
        All text inside an element, for every element with an id.
    scripts
        The text of each script that may run.
    data
        What each block of JSON holds, by its id.
    """

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.texts: dict[str, str] = {}
        self.scripts: list[str] = []
        self.data: dict[str, Any] = {}
        self.svgs: list[str] = []
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self._table = ""
        self.feed(page)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        assert len(named) == len(attrs), f"an attribute twice: {attrs}"
        self.tags.append((tag, named))
        if tag == "table":
            self._table = named.get("id") or named.get("aria-labelledby") or ""
            self.tables[self._table] = []
        elif tag == "tr":
            self.tables[self._table].append([])
        elif tag in ("th", "td"):
            self.tables[self._table][-1].append("")
        if tag not in VOID:
            self._open.append((tag, named))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop()[0] == tag, f"</{tag}> out of turn"

    def handle_data(self, data: str) -> None:
        inside = [tag for tag, _ in self._open]
        if inside and inside[-1] == "script":
            attributes = self._open[-1][1]
            if attributes.get("type") == "application/json":
                self.data[attributes["id"] or ""] = json.loads(data)
            else:
                self.scripts.append(data)
        if "th" in inside or "td" in inside:
            self.tables[self._table][-1][-1] += data
        for _, attributes in self._open:
            name = attributes.get("id")
            if name:
                self.texts[name] = self.texts.get(name, "") + data


def to_number(text: str) -> float:
    """Read a number as the page prints it: 1,234, −0.5, 1.3 × 10−5."""
    plain = text.replace("\u00a0×\u00a010−", "e-").replace("−", "-").replace(",", "")
    return float(plain)

"""Format the exponents, tables and figure of `growth`."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.scale.log_plot import Panel, Series, log_log_drawing
from haploscribe.embedding.backbones.registry import table_entry
from haploscribe.report.canvas import svg_for_themes
from haploscribe.utils.types import Float64Array

SIZES = (100, 358, 1_000, 3_202, 10_000, 30_000, 100_000)
FLOORS = (0.0, 0.001, 0.01)
BIOBANK = 500_000
UK_BIOBANK, UK_BIOBANK_VARIANTS = 150_119, 585_040_410
"""Samples, and SNVs found in them, of Halldorsson et al., Nature 607:732, 2022."""
_NANO = table_entry("nano")
assert _NANO is not None
TILE = _NANO.default_tile
AUTOSOMES = 2_875_001_522
"""Base pairs of GRCh38's chromosomes 1 to 22; about 5 % are gaps, so tiles are counted too high."""

DIGEST_BYTES, INDEX_BYTES = 32, 8
"""Bytes in the store beside vectors: two digests per sequence, and two int32 per sample."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Mean costs per tile of some stretches; each array is `(n_stretches, n_sizes, n_floors)`.

    Attributes
    ----------
    variants
        Variants above the floor.
    passes
        Forward passes: unique sequences, the reference among them; 0 in a tile that carries no variant.
    stored_index
        Bytes of the index, compressed as in the store.
    seconds
        Processor time of `tile_haplotypes`.
    """

    variants: Float64Array
    passes: Float64Array
    stored_index: Float64Array
    seconds: Float64Array


@dataclass(frozen=True, slots=True)
class PassCost:
    """Cost of one forward pass.

    Attributes
    ----------
    seconds
        Processor time.
    vector_bytes
        Bytes of its vectors, as the store keeps them but for compression.
    """

    seconds: float
    vector_bytes: int

    @property
    def stored_bytes(self) -> int:
        """Bytes of its vectors and digests."""
        return self.vector_bytes + DIGEST_BYTES


def exponents(sizes: Float64Array, values: Float64Array) -> Float64Array:
    """Fit `value ∝ size^exponent` to each stretch, by least squares of the logarithms.

    Parameters
    ----------
    sizes
        float64 `(n_sizes,)`.
    values
        float64 `(n_stretches, n_sizes)`, positive.

    Returns
    -------
    float64 `(n_stretches,)`
    """
    x, y = np.log(sizes), np.log(values)
    x = x - x.mean()
    return np.asarray(y @ x / (x @ x), dtype=np.float64)


def last_decade(values: Float64Array) -> Float64Array:
    """Fit exponents to 10,000 samples and more: values `(n_stretches, n_sizes)` to `(n_stretches,)`."""
    sizes = np.array(SIZES, dtype=np.float64)
    rows = np.flatnonzero(sizes >= SIZES[-1] / 10)
    return exponents(sizes[rows], values[:, rows])


def extrapolated(values: Float64Array, size: int) -> Float64Array:
    """Extend values `(n_stretches, n_sizes)` beyond the last size, by the last decade's exponent."""
    return np.asarray(values[:, -1] * (size / SIZES[-1]) ** last_decade(values), dtype=np.float64)


def with_error(values: Float64Array, digits: int) -> str:
    """Format the mean of independent values, float64 `(n,)`, ± its standard error (n at least 2)."""
    error = values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():,.{digits}f} ± {error:,.{digits}f}"


def size_lines(growth: Growth, cost: PassCost) -> Iterator[str]:
    """Tabulate cost against samples and floor."""
    yield from (
        "## A tile's cost",
        "",
        "Bytes of vectors (with two digests a sequence) and of the index (two int32 a sample) are those of "
        "the arrays; the store's compression makes little of vectors and much of the index.",
        "",
        "| samples | MAF at least | variants | forward passes | times fewer | vectors, bytes | index, bytes "
        "| index as stored | haplotypes, s | `nano`, s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    )
    for i, size in enumerate(SIZES):
        for j, floor in enumerate(FLOORS):
            passes = growth.passes[:, i, j]
            yield (
                f"| {size:,} | {floor:g} | {growth.variants[:, i, j].mean():.1f} | {with_error(passes, 1)} "
                f"| {2 * size / passes.mean():,.1f} | {passes.mean() * cost.stored_bytes:,.0f} "
                f"| {size * INDEX_BYTES:,} | {growth.stored_index[:, i, j].mean():,.0f} "
                f"| {growth.seconds[:, i, j].mean():.2g} | {passes.mean() * cost.seconds:.2g} |"
            )
    yield ""


def exponent_lines(growth: Growth) -> Iterator[str]:
    """Tabulate exponents, over all sizes and over the last decade."""
    yield from (
        "## Exponents",
        "",
        "Cost ∝ samples^exponent, least squares of the logarithms in each stretch. Bytes of vectors and the "
        "time of `nano` are proportional to the passes; the index before compression has exponent 1. Where "
        "the last decade differs from the whole range growth is no power law, and the last decade is the one "
        "to extrapolate from. In fewer than 500 samples a single copy passes a floor of .001.",
        "",
        f"| what | MAF at least | {SIZES[0]:,} to {SIZES[-1]:,} | last decade |",
        "|---|---|---|---|",
    )
    for name, values in (
        ("variants", growth.variants),
        ("forward passes", growth.passes),
        ("index as stored", growth.stored_index),
        ("haplotypes, s", growth.seconds),
    ):
        for j, floor in enumerate(FLOORS):
            whole = exponents(np.array(SIZES, dtype=np.float64), values[:, :, j])
            last = last_decade(values[:, :, j])
            yield f"| {name} | {floor:g} | {with_error(whole, 3)} | {with_error(last, 3)} |"
    yield from (
        "",
        "With all variants, every new sample brings new variants, so passes keep growing. Above a floor the "
        "number of variants stands still, and passes grow slowly, by recombination: more samples, more "
        "combinations of the same alleles.",
        "",
    )


def genome_lines(growth: Growth, cost: PassCost) -> Iterator[str]:
    """Project the autosomes of three cohorts."""
    n_tiles = -(-AUTOSOMES // TILE)
    yield from (
        "## The autosomes",
        "",
        f"{n_tiles:,} tiles of {TILE:,} bp, gaps counted as sequence. 358 and 3,202 samples are "
        f"simulated; **{BIOBANK:,} are extrapolated** from {SIZES[-1]:,}, by the exponents of the last "
        "decade. Hours are of one CPU thread; `haplotypes` is the search for unique sequences alone, without "
        "reading a file.",
        "",
        "| samples | MAF at least | passes per tile | passes, millions | times fewer "
        "| vectors, GB | index as stored, GB | `nano`, CPU hours | haplotypes, CPU hours |",
        "|---|---|---|---|---|---|---|---|---|",
    )
    for size in (358, 3_202, BIOBANK):
        for j, floor in enumerate(FLOORS):
            passes, stored, seconds = (
                values[:, SIZES.index(size), j] if size in SIZES else extrapolated(values[:, :, j], size)
                for values in (growth.passes, growth.stored_index, growth.seconds)
            )
            total = passes.mean() * n_tiles
            yield (
                f"| {size:,}{'' if size in SIZES else ' (extrapolated)'} | {floor:g} "
                f"| {with_error(passes, 1)} | {total / 1e6:,.1f} "
                f"| {2 * size / passes.mean():,.1f} | {total * cost.stored_bytes / 1e9:,.1f} "
                f"| {stored.mean() * n_tiles / 1e9:,.1f} "
                f"| {total * cost.seconds / 3600:,.0f} | {seconds.mean() * n_tiles / 3600:,.1f} |"
            )
    yield ""


def rare_variant_lines(growth: Growth) -> Iterator[str]:
    """Compare the number of variants in a large cohort with a real one."""
    variants = with_error(extrapolated(growth.variants[:, :, 0], UK_BIOBANK), 0)
    yield from (
        "## Rare variants, simulated and real",
        "",
        f"The first {UK_BIOBANK:,} genomes of UK Biobank, not all of them of European ancestry, hold "
        f"{UK_BIOBANK_VARIANTS:,} SNVs (Halldorsson et al., Nature 607:732, 2022): "
        f"{UK_BIOBANK_VARIANTS / AUTOSOMES * TILE:,.0f} per tile. Here as many samples are "
        f"extrapolated to hold {variants}.",
        "",
    )


def figure(growth: Growth, cost: PassCost) -> str:
    """Draw passes, bytes and seconds per tile against samples."""
    sizes = np.array(SIZES, dtype=np.float64)
    names = [f"MAF ≥ {100 * floor:g} %" if floor else "all variants" for floor in FLOORS]

    def by_floor(values: Float64Array, what: str = "") -> list[Series]:
        means = values.mean(axis=0)
        return [Series(what + name, sizes, means[:, j]) for j, name in enumerate(names)]

    alone = Series("each haplotype on its own", sizes, 2 * sizes)
    index = Series("index, any floor", sizes, sizes * INDEX_BYTES)
    alone_seconds = Series(alone.name, sizes, 2 * sizes * cost.seconds)
    seconds = by_floor(growth.passes * cost.seconds + growth.seconds)
    drawn = log_log_drawing(
        [
            Panel("Forward passes per tile", (*by_floor(growth.passes), alone)),
            Panel("Bytes per tile", (*by_floor(growth.passes * cost.stored_bytes, "vectors, "), index)),
            Panel("Processor seconds per tile", (*seconds, alone_seconds)),
        ],
        x_label="samples",
    )
    return svg_for_themes(drawn)

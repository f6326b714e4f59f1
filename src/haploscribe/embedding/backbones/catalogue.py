"""List the backbones that load by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from haploscribe.embedding.backbones import kmer, random_vectors
from haploscribe.embedding.backbones.base import SequenceBackbone
from haploscribe.embedding.backbones.kmer import KmerCounts
from haploscribe.embedding.backbones.random_vectors import RandomVectors

if TYPE_CHECKING:
    from haploscribe.embedding.backbones.esm import Family

_LICENCE = "CC-BY-NC-SA-4.0"

WEIGHTLESS: Mapping[str, type[SequenceBackbone]] = {"kmer": KmerCounts, "random": RandomVectors}
"""The backbones that have no weights, by short name: they take no options and guess no tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneEntry:
    """One backbone of the table.

    Attributes
    ----------
    name
        Short name, as on the command line.
    hub_id
        Repository on the Hugging Face hub; None where the weights are in the package, or none are needed.
    revision
        What is downloaded, which holds safetensors: a commit hash, or a branch or pull request, whose newest
        commit is taken; `-` where nothing is.
    family
        Architecture.
    dimension
        Length of one vector.
    n_layers, n_heads, feed_forward_size, vocabulary_size
        Dimensions of the model; 0 where there is none.
    tile_multiple, max_tile
        As in `Backbone`, in base pairs.
    licence
        SPDX identifier of the weights' licence; this package's own where there are none.
        `InstaDeep-OML-1.0`, which has none, is the InstaDeep Open Model Licence: non-commercial, as to what
        the models put out too.
    confirmed
        False where a dimension was not read off the published files. The table only informs: a model is
        built from the checkpoint's own `config.json`.
    """

    name: str
    hub_id: str | None
    revision: str
    family: "Literal['kmer', 'random', 'ntv3'] | Family"
    dimension: int
    n_layers: int
    n_heads: int
    feed_forward_size: int
    vocabulary_size: int
    tile_multiple: int
    max_tile: int
    licence: str
    confirmed: bool


def _weightless(name: "Literal['kmer', 'random']", dimension: int) -> BackboneEntry:
    backbone = WEIGHTLESS[name]
    return BackboneEntry(
        name=name,
        hub_id=None,
        revision="-",
        family=name,
        dimension=dimension,
        n_layers=0,
        n_heads=0,
        feed_forward_size=0,
        vocabulary_size=0,
        tile_multiple=backbone.tile_multiple,
        max_tile=backbone.max_tile,
        licence="Apache-2.0",
        confirmed=True,
    )


def _first_version(
    size: str, revision: str, *, dimension: int, n_layers: int, confirmed: bool
) -> BackboneEntry:
    return BackboneEntry(
        name=f"nt-{size}",
        hub_id=f"InstaDeepAI/nucleotide-transformer-{size}",
        revision=revision,
        family="nt-v1",
        dimension=dimension,
        n_layers=n_layers,
        n_heads=20,
        feed_forward_size=4 * dimension,
        vocabulary_size=4105,
        tile_multiple=6,
        max_tile=5_994,
        licence=_LICENCE,
        confirmed=confirmed,
    )


def _second_version(
    size: str, revision: str, *, dimension: int, n_layers: int, confirmed: bool
) -> BackboneEntry:
    return BackboneEntry(
        name=f"nt-v2-{size}",
        hub_id=f"InstaDeepAI/nucleotide-transformer-v2-{size}-multi-species",
        revision=revision,
        family="nt-v2",
        dimension=dimension,
        n_layers=n_layers,
        n_heads=16,
        feed_forward_size=4 * dimension,
        vocabulary_size=4107,
        tile_multiple=6,
        max_tile=12_282,
        licence=_LICENCE,
        confirmed=confirmed,
    )


def _third_version(
    size: str,
    *,
    dimension: int,
    n_layers: int,
    n_heads: int,
    confirmed: bool = False,
    revision: str = "main",
    stage: str = "",
    max_tile: int = 2**20,
) -> BackboneEntry:
    return BackboneEntry(
        name=f"ntv3-{size.lower()}{stage.replace('_', '-')}",
        hub_id=f"InstaDeepAI/NTv3_{size}_pre{stage}",
        revision=revision,
        family="ntv3",
        dimension=dimension,
        n_layers=n_layers,
        n_heads=n_heads,
        feed_forward_size=4 * dimension,
        vocabulary_size=11,
        tile_multiple=128,
        max_tile=max_tile,
        licence="InstaDeep-OML-1.0",
        confirmed=confirmed,
    )


BACKBONES: tuple[BackboneEntry, ...] = (
    _weightless("random", random_vectors.DIMENSION),
    _weightless("kmer", kmer.DIMENSION),
    BackboneEntry(
        name="nano",
        hub_id=None,
        revision="-",
        family="nt-v2",
        dimension=128,
        n_layers=4,
        n_heads=4,
        feed_forward_size=256,
        vocabulary_size=4107,
        tile_multiple=6,
        max_tile=5_994,
        licence="Apache-2.0",
        confirmed=True,
    ),
    _first_version(
        "500m-human-ref",
        "b75f5b52d1da341191a10f401f60c4131d560394",
        dimension=1280,
        n_layers=24,
        confirmed=True,
    ),
    _first_version(
        "500m-1000g", "c847eea3fee92c2e3e625a7425ce4a62cc9c731b", dimension=1280, n_layers=24, confirmed=True
    ),
    _first_version(
        "2.5b-1000g", "c13cfe481c2f6a2b1cabbb2b80e0ad1fbf32e45a", dimension=2560, n_layers=32, confirmed=False
    ),
    _first_version("2.5b-multi-species", "refs/pr/8", dimension=2560, n_layers=32, confirmed=True),
    _second_version(
        "50m", "81b29e5786726d891dbf929404ef20adca5b36f1", dimension=512, n_layers=12, confirmed=True
    ),
    _second_version("100m", "main", dimension=512, n_layers=22, confirmed=True),
    _second_version("250m", "refs/pr/2", dimension=768, n_layers=24, confirmed=False),
    _second_version(
        "500m", "f1fd7a1df5b19d31b88f11db1ce87caeb1ea4d2a", dimension=1024, n_layers=29, confirmed=True
    ),
    _third_version(
        "8M",
        dimension=256,
        n_layers=2,
        n_heads=8,
        confirmed=True,
        revision="c57a813117f0f90142098f81cc912b3357c9ecd1",
    ),
    _third_version(
        "100M",
        dimension=768,
        n_layers=6,
        n_heads=12,
        confirmed=True,
        revision="5c685dca15891f5c5b80e0c930e23b87a217e441",
    ),
    _third_version(
        "650M",
        dimension=1536,
        n_layers=12,
        n_heads=24,
        revision="5e6050bed864a5a8fb32481096bf555495316b31",
    ),
    _third_version("8M", dimension=256, n_layers=2, n_heads=8, stage="_8kb", max_tile=2**13),
    _third_version("100M", dimension=768, n_layers=6, n_heads=12, stage="_8kb", max_tile=2**13),
    _third_version("650M", dimension=1536, n_layers=12, n_heads=24, stage="_8kb", max_tile=2**13),
)
"""Every backbone by short name, simplest first."""

"""List the backbones that load by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from haploscribe.config.options import DEFAULT_TILE
from haploscribe.embedding.backbones import kmer, random_vectors
from haploscribe.embedding.backbones.base import SequenceBackbone
from haploscribe.embedding.backbones.kmer import KmerCounts
from haploscribe.embedding.backbones.ntv3_configuration import NTV3_TILE
from haploscribe.embedding.backbones.random_vectors import RandomVectors

if TYPE_CHECKING:
    from haploscribe.embedding.backbones.esm import Family

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
    default_tile
        Tile size in base pairs where none is asked for.
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
    default_tile: int
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
        default_tile=DEFAULT_TILE,
        licence="Apache-2.0",
        confirmed=True,
    )


_OF_FAMILY: Mapping[str, Mapping[str, Any]] = {
    "nt-v1": {
        "n_heads": 20,
        "vocabulary_size": 4105,
        "tile_multiple": 6,
        "max_tile": 5_994,
        "default_tile": 5_994,
    },
    "nt-v2": {
        "n_heads": 16,
        "vocabulary_size": 4107,
        "tile_multiple": 6,
        "max_tile": 12_282,
        "default_tile": 5_994,
    },
    "ntv3": {
        "vocabulary_size": 11,
        "tile_multiple": 128,
        "max_tile": 2**20,
        "licence": "InstaDeep-OML-1.0",
        "default_tile": NTV3_TILE,
    },
}
"""What the published models of a family share."""


def _published(
    name: str,
    family: "Literal['ntv3'] | Family",
    repository: str,
    revision: str,
    *,
    dimension: int,
    n_layers: int,
    confirmed: bool = True,
    **others: Any,
) -> BackboneEntry:
    return BackboneEntry(
        name=name,
        hub_id=f"InstaDeepAI/{repository}",
        revision=revision,
        family=family,
        dimension=dimension,
        n_layers=n_layers,
        feed_forward_size=4 * dimension,
        confirmed=confirmed,
        **{"licence": "CC-BY-NC-SA-4.0", **_OF_FAMILY[family], **others},
    )


def _nucleotide_transformer(
    size: str, revision: str, dimension: int, n_layers: int, *, confirmed: bool = True
) -> BackboneEntry:
    shape: dict[str, Any] = {"dimension": dimension, "n_layers": n_layers, "confirmed": confirmed}
    if size.startswith("v2-"):
        repository = f"nucleotide-transformer-{size}-multi-species"
        return _published(f"nt-{size}", "nt-v2", repository, revision, **shape)
    return _published(f"nt-{size}", "nt-v1", f"nucleotide-transformer-{size}", revision, **shape)


def _ntv3(
    size: str, revision: str, dimension: int, n_layers: int, n_heads: int, *, confirmed: bool = False
) -> list[BackboneEntry]:
    """List the pre-trained model of a size, and its first stage of training, on 8 kb."""
    name, repository = f"ntv3-{size.lower()}", f"NTv3_{size}_pre"
    shape: dict[str, Any] = {"dimension": dimension, "n_layers": n_layers, "n_heads": n_heads}
    return [
        _published(name, "ntv3", repository, revision, confirmed=confirmed, **shape),
        _published(
            f"{name}-8kb", "ntv3", f"{repository}_8kb", "main", confirmed=False, max_tile=2**13, **shape
        ),
    ]


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
        default_tile=1_998,
        licence="Apache-2.0",
        confirmed=True,
    ),
    _nucleotide_transformer("500m-human-ref", "b75f5b52d1da341191a10f401f60c4131d560394", 1280, 24),
    _nucleotide_transformer("500m-1000g", "c847eea3fee92c2e3e625a7425ce4a62cc9c731b", 1280, 24),
    _nucleotide_transformer(
        "2.5b-1000g", "c13cfe481c2f6a2b1cabbb2b80e0ad1fbf32e45a", 2560, 32, confirmed=False
    ),
    _nucleotide_transformer("2.5b-multi-species", "refs/pr/8", 2560, 32),
    _nucleotide_transformer("v2-50m", "81b29e5786726d891dbf929404ef20adca5b36f1", 512, 12),
    _nucleotide_transformer("v2-100m", "main", 512, 22),
    _nucleotide_transformer("v2-250m", "refs/pr/2", 768, 24, confirmed=False),
    _nucleotide_transformer("v2-500m", "f1fd7a1df5b19d31b88f11db1ce87caeb1ea4d2a", 1024, 29),
    *_ntv3("8M", "c57a813117f0f90142098f81cc912b3357c9ecd1", 256, 2, 8, confirmed=True),
    *_ntv3("100M", "5c685dca15891f5c5b80e0c930e23b87a217e441", 768, 6, 12, confirmed=True),
    *_ntv3("650M", "5e6050bed864a5a8fb32481096bf555495316b31", 1536, 12, 24),
)
"""Every backbone by short name, simplest first."""

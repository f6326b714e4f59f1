"""Take embeddings as arrays, and backbones as classes or instances, from a notebook."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from haploscribe.api.gene import GeneTile
from haploscribe.api.keywords import option_groups, takes_options
from haploscribe.config.options import BackboneOptions
from haploscribe.embedding.backbones.base import Backbone
from haploscribe.embedding.backbones.both_strands import read_strands
from haploscribe.embedding.backbones.conformance import DEFAULT_TOLERANCE, Conformance, check_conformance
from haploscribe.embedding.backbones.registry import make_backbone
from haploscribe.embedding.deltas import subtract_reference
from haploscribe.embedding.engine import check_tile_size
from haploscribe.embedding.stage import LoadedBackbone
from haploscribe.errors import InputError
from haploscribe.estimators.inputs import TileDeltas
from haploscribe.genome.haplotypes import TileHaplotypes
from haploscribe.utils.plugins import plugin_name
from haploscribe.utils.types import Float32Array

BackboneLike: TypeAlias = "str | Path | type[Backbone] | Backbone"
"""A name, a path, a class or an instance."""


class Embeddings:
    """Vectors of unique tile sequences, made by any model; `Embeddings.from_arrays` makes them.

    Give them as `embedded` to `OpenedCohort.gene`: `GeneRegressor` and `GeneData.deltas` then use them.

    Examples
    --------
    >>> import numpy as np
    >>> import haploscribe
    >>> cohort = haploscribe.example_cohort(genes="ENSG00000099899", window=50_000, maf=0.05)
    >>> gene = cohort.gene("ENSG00000099899")
    >>> gc = {s: np.array([s.count("G") + s.count("C")], dtype="float32")
    ...       for tile in gene.tiles for s in tile.sequences}
    >>> embeddings = haploscribe.Embeddings.from_arrays(gc)
    >>> embeddings
    <embeddings of 81 sequences: 1 bins of 1 dimensions>
    >>> cohort.gene("ENSG00000099899", embeddings).deltas().shape
    (358, 2, 9, 1, 1)
    """

    def __init__(self, vectors: Mapping[bytes, Float32Array]) -> None:
        self._vectors = vectors

    @classmethod
    def from_arrays(
        cls,
        vectors: Mapping[str, npt.ArrayLike] | Mapping[bytes, npt.ArrayLike] | Sequence[npt.ArrayLike],
        tiles: Sequence[GeneTile] | None = None,
    ) -> "Embeddings":
        """Make embeddings from vectors of unique sequences.

        Parameters
        ----------
        vectors
            Without `tiles`, a mapping of each sequence (str or bytes, upper-case A, C, G, T and N) to its
            vector, float32 or float64 `(dimension,)` or `(n_bins, dimension)`. With `tiles`, one array per
            tile, `(n_unique, dimension)` or `(n_unique, n_bins, dimension)`, rows as `GeneTile.haplotypes`.
            All have the same shape; float64 is rounded to float32. The reference sequence of a tile is one of
            its sequences, and is needed: a delta is the difference to it.
        tiles
            `GeneData.tiles` of one or more genes.

        Raises
        ------
        InputError
            When an array has another type or shape or holds a value that is not finite, or two different
            vectors are given for one sequence.
        """
        known: dict[bytes, Float32Array] = {}
        shape: tuple[int, ...] | None = None
        for sequence, name, vector in _named_vectors(vectors, tiles):
            if vector.dtype not in (np.float32, np.float64):
                raise InputError(f"{name} is {vector.dtype}: give float32 (half precision loses deltas)")
            if vector.ndim not in (1, 2) or 0 in vector.shape:
                raise InputError(
                    f"{name} has shape {vector.shape}: give (dimension,) or (n_bins, dimension) per sequence"
                )
            if not np.isfinite(vector).all():
                raise InputError(f"{name} has a value that is not a finite number; give finite values")
            row = np.atleast_2d(vector).astype(np.float32)
            shape = shape or row.shape
            if row.shape != shape:
                raise InputError(f"{name} has shape {row.shape}, others {shape}: give all the same shape")
            if not np.array_equal(known.setdefault(sequence, row), row):
                raise InputError(f"{name}: another vector was given for the same sequence; give one")
        if not known:
            raise InputError("no vectors were given; give one for each sequence of gene.tiles")
        return cls(known)

    def tile_deltas(self, found: TileHaplotypes) -> TileDeltas:
        """Return the deltas of one tile, dictionary-encoded.

        Parameters
        ----------
        found
            The tile's unique sequences.

        Raises
        ------
        InputError
            When a sequence has no vector.
        """
        tile, sequences = found.tile, found.sequences
        missing = sum(sequence not in self._vectors for sequence in sequences)
        if missing:
            raise InputError(
                f"embeddings: no vector for {missing} of {len(sequences)} sequences of tile "
                f"{tile.contig}:{tile.start + 1}-{tile.end}; give one for each sequence of gene.tiles"
            )
        vectors = np.stack([self._vectors[sequence] for sequence in sequences])
        return TileDeltas(tile.start, tile.end, subtract_reference(vectors), found.index)

    def __len__(self) -> int:
        return len(self._vectors)

    def __repr__(self) -> str:
        n_bins, dimension = next(iter(self._vectors.values())).shape
        return f"<embeddings of {len(self)} sequences: {n_bins} bins of {dimension} dimensions>"


def _named_vectors(
    vectors: Mapping[str, npt.ArrayLike] | Mapping[bytes, npt.ArrayLike] | Sequence[npt.ArrayLike],
    tiles: Sequence[GeneTile] | None,
) -> Iterator[tuple[bytes, str, npt.NDArray[np.generic]]]:
    """Yield each sequence, what its vector is called in messages, and the vector."""
    if tiles is None:
        if not isinstance(vectors, Mapping):
            raise InputError("vectors is no mapping of sequences to vectors; give one, or the tiles too")
        for number, (sequence, vector) in enumerate(vectors.items()):
            if not isinstance(sequence, str | bytes):
                raise InputError(f"vectors: key {number} is a {type(sequence).__name__}; give sequences")
            letters = sequence.encode() if isinstance(sequence, str) else sequence
            yield (
                letters,
                f"vector {number} (sequence {letters[:12].decode(errors='replace')}…)",
                _array(vector),
            )
        return
    if isinstance(vectors, Mapping) or len(vectors) != len(tiles):
        raise InputError(f"{len(vectors)} arrays for {len(tiles)} tiles; give one array per tile, in order")
    for tile, arrays in zip(tiles, vectors, strict=True):
        rows, where = _array(arrays), f"{tile.contig}:{tile.start + 1}-{tile.end}"
        if rows.ndim not in (2, 3) or len(rows) != len(tile.haplotypes):
            raise InputError(
                f"the array of tile {where} has shape {rows.shape}; give {len(tile.haplotypes)} rows, one "
                "per sequence: (n_unique, dimension) or (n_unique, n_bins, dimension)"
            )
        for number, (haplotype, row) in enumerate(zip(tile.haplotypes, rows, strict=True)):
            yield haplotype.sequence, f"row {number} of tile {where}", row


def _array(values: npt.ArrayLike) -> npt.NDArray[np.generic]:
    try:
        return np.asarray(values)
    except ValueError:
        raise InputError("vectors: rows of different lengths; give all the same shape") from None


def importable_backbone(backbone: BackboneLike) -> str:
    """Return the name by which other processes load a backbone.

    Raises
    ------
    InputError
        When a class or an instance stands in no importable module.
    """
    if isinstance(backbone, str | Path):
        return str(backbone)
    name = plugin_name(backbone)
    if name is None:
        raise InputError(
            f"backbone {_label(backbone)} cannot be imported by workers and later predictions: put it in a "
            "module, at its top level, and give the class or 'module:Name'"
        )
    return name


@takes_options(BackboneOptions)
def check_backbone(
    backbone: BackboneLike,
    *,
    tile: int | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
    **options: Any,
) -> Conformance:
    """Check that a backbone keeps to the protocol, by embedding haplotypes made for that.

    - `output`: float32 `(n_haplotypes, n_bins, dimension)`, finite, for the reference of a tile, SNVs and
      indels; `N`: for a run of N, and for nothing else; `short sequence` and `empty sequence`: for one base,
      and for a deleted tile; `long sequence`: for a tile made a tenth longer by an insertion.
    - `determinism`, `loading again`: the same bits when called again, and when loaded again (an instance is
      not).
    - `batch independence`, `padding`: each haplotype has the same vectors alone, among others of its length
      in another order, and among others of all lengths.
    - `deltas`: an SNV near the tile's start, middle and end moves the vectors, ten times as far as a batch
      does.
    - `precision`: the vectors were not rounded to half precision at the end. What was rounded before that
      shows in `batch independence` and `deltas`, or not at all.
    - `lower case`: read as something, or refused by InputError. It says which; in a run lower case is made
      upper case and other letters N before a backbone sees them.

    Parameters
    ----------
    backbone
        A short name (`haploscribe backbones` lists them), the folder of a checkpoint, `module:Name`, or a
        class or an instance that follows `haploscribe.embedding.backbones.base.Backbone`.
    tile
        Size of the tile in base pairs; None for the longest that it takes, up to 12,288.
    tolerance
        Largest difference between a haplotype's vectors alone and in a batch, in units of their size
        (Euclidean norm).
    {options}

    Returns
    -------
    Conformance
        The checks and what was measured; it prints as one line each.

    Raises
    ------
    InputError
        When a check fails: in one line, all that did, with the input and how to fix it. When it cannot be
        loaded, or lacks a part of the protocol.

    Examples
    --------
    >>> import haploscribe
    >>> haploscribe.check_backbone("kmer", tile=600).checks[0].finding[:17]
    'float32, 1 × 4096'
    """
    (chosen,) = option_groups((BackboneOptions,), options)

    def load() -> Backbone:
        return load_backbone_like(backbone, chosen, tile).backbone

    found = check_conformance(load(), load, tile=tile, tolerance=tolerance)
    found.require()
    return found


def load_backbone_like(
    backbone: BackboneLike, options: BackboneOptions, tile_size: int | None
) -> LoadedBackbone:
    """Load a backbone in this process, by name or as a class or an instance.

    Parameters
    ----------
    backbone
        What was given.
    options
        Settings; their own `backbone` is not read.
    tile_size
        Size in base pairs of the tiles that it will embed; None to check none.

    Raises
    ------
    InputError
        When it cannot be loaded, does not follow the protocol, or does not take tiles of this size.
    """
    name = str(backbone) if isinstance(backbone, str | Path) else plugin_name(backbone)
    if name is not None:
        return LoadedBackbone.load(replace(options, backbone=name), tile_size)
    label = _label(backbone)
    if options.precision != "float32":
        raise InputError(
            f"backbone {label} of this session takes no precision={options.precision!r}; put it in a module"
        )
    if options.revision is not None:
        raise InputError(f"revision={options.revision!r}: backbone {label} is not on the hub; leave it out")
    # Nothing says whether code and weights of this session changed since they were last used.
    source = f"session-{uuid.uuid4().hex}"
    settings = {name: getattr(options, name) for name in ("layer", "pooling", "device", "precision")}
    made = read_strands(make_backbone(backbone, label, label, source, settings), options.strands)
    if tile_size is not None:
        check_tile_size(made, tile_size)
    return LoadedBackbone(replace(options, backbone=label), made)


def _label(backbone: object) -> str:
    kind = backbone if isinstance(backbone, type) else type(backbone)
    return f"{kind.__module__}:{kind.__qualname__}"

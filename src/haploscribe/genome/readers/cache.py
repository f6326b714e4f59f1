"""Cache a run's genotypes on disk, one file per block of tiles, and read them back.

A genotype file is parsed once. What the run uses (its samples, the variants of its filter) is
cached with a bit or two per allele, so that no later stage decompresses and parses text again. A bit per call
follows where calls are missing, and where the file has dosages, those that are not the count of the alleles.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.reference import Reference
from haploscribe.genome.tiles import TILES_PER_BLOCK
from haploscribe.genome.variants import VariantCounts, Variants, concatenate
from haploscribe.utils.files import atomic_write
from haploscribe.utils.names import folder_name
from haploscribe.utils.types import BoolArray, Int8Array, Int64Array, UInt8Array

_SAMPLES = "samples.json"


def write_variant_samples(folder: Path, sample_ids: Sequence[str]) -> None:
    """Write the sample names of a cache, in the order of its sample axis."""
    with atomic_write(folder / _SAMPLES) as aside:
        aside.write_text(json.dumps(list(sample_ids)), encoding="utf-8")


def read_variant_samples(folder: Path) -> tuple[str, ...]:
    """Read the sample names that `write_variant_samples` wrote."""
    return tuple(json.loads((folder / _SAMPLES).read_text(encoding="utf-8")))


def write_variant_block(folder: Path, number: int, variants: Variants) -> None:
    """Write the variants of one block of tiles.

    Parameters
    ----------
    folder
        Of the cache.
    number
        Index of the block on the contig (`TileBlock.number`).
    variants
        All records that determine the sequences of the block's tiles, from `read_for_tiles`.
    """
    planes = max(1, int(variants.genotypes.max(initial=0)).bit_length())
    path = _path(folder, variants.contig, number)
    with atomic_write(path) as aside, aside.open("wb") as file:
        np.savez(
            file,
            allow_pickle=False,
            **site_arrays(variants),
            genotypes=_packed(variants.genotypes, planes),
            **_missing_arrays(variants),
            **_dosage_arrays(variants),
        )


def site_arrays(variants: Variants) -> dict[str, npt.NDArray[Any]]:
    """Return records without genotypes as arrays; `read_sites` is the inverse."""
    alleles = [allele for record in variants.alleles for allele in record]
    names = [name.encode() for name in variants.identifiers]
    return {
        "positions": variants.positions,
        "n_alleles": np.array([len(record) for record in variants.alleles], dtype=np.int64),
        "allele_lengths": np.array([len(allele) for allele in alleles], dtype=np.int64),
        "alleles": _as_bytes(alleles),
        "identifier_lengths": np.array([len(name) for name in names], dtype=np.int64),
        "identifiers": _as_bytes(names),
    }


def read_sites(arrays: Mapping[str, npt.NDArray[Any]], contig: str) -> Variants:
    """Return the records of `site_arrays` as variants without samples."""
    alleles = iter(_as_list(arrays["alleles"], arrays["allele_lengths"]))
    names = _as_list(arrays["identifiers"], arrays["identifier_lengths"])
    return Variants(
        contig=contig,
        positions=arrays["positions"],
        identifiers=tuple(name.decode() for name in names),
        alleles=tuple(tuple(next(alleles) for _ in range(n)) for n in arrays["n_alleles"].tolist()),
        genotypes=np.zeros((len(arrays["positions"]), 0, 2), dtype=np.int8),
        sample_ids=(),
        counts=VariantCounts(),
    )


@dataclass(frozen=True, slots=True)
class CachedGenotypes:
    """Location of a genotype cache: small, hashable, and opened in any process.

    Attributes
    ----------
    reference
        The FASTA.
    index_folder
        Where its index is if there is none beside it.
    folder
        Of the cache.
    tile_size
        Size of the tile grid in base pairs.
    """

    reference: Path
    index_folder: Path
    folder: Path
    tile_size: int

    def open(self) -> Genotypes:
        """Open the FASTA and the cache."""
        blocks = GenotypeCache(self.folder, self.tile_size)
        return Genotypes(Reference.open(self.reference, self.index_folder), blocks, blocks.sample_ids)


class GenotypeCache:
    """A genotype cache as a `VariantReader`; a region must lie in cached blocks.

    Parameters
    ----------
    folder
        Where `write_variant_block` wrote them.
    tile_size
        Size of the tile grid in base pairs.
    cache_bytes
        Size of the genotypes cached in memory, at least one block: neighbouring genes read the same blocks.
    """

    def __init__(self, folder: Path, tile_size: int, *, cache_bytes: int = 16 << 20) -> None:
        self.path = folder
        self.sample_ids = read_variant_samples(folder)
        self.contigs = tuple(sorted(path.name for path in folder.iterdir() if path.is_dir()))
        self._span = TILES_PER_BLOCK * tile_size
        self._cache_bytes = cache_bytes
        self._blocks: dict[tuple[str, int], Variants] = {}

    def read(self, contig: str, start: int, end: int, samples: Sequence[str]) -> Variants:
        """Read the records that overlap a region: see `VariantReader.read`.

        Raises
        ------
        FileNotFoundError
            If the region lies in a block that was not cached: a defect in the caller.
        """
        assert tuple(samples) == self.sample_ids
        last = max(end - 1, start, 0) // self._span
        parts, read_upto = [], 0
        for number in range(max(start, 0) // self._span, last + 1):
            # Blocks left of the wanted tiles may be missing: records that extend from there are in the next.
            if number == last or _path(self.path, contig, number).exists():
                block = self._block(contig, number)
                parts.append(block.take(block.positions >= read_upto))
                read_upto = (number + 1) * self._span
        found = concatenate(parts)
        return found.take((found.positions < end) & (found.ends > start))

    def close(self) -> None:
        """Release the blocks cached in memory."""
        self._blocks.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _block(self, contig: str, number: int) -> Variants:
        key = (contig, number)
        if key not in self._blocks:
            block = _read(_path(self.path, contig, number), contig, self.sample_ids)
            n_bytes = sum(_size(other) for other in self._blocks.values())
            while self._blocks and n_bytes + _size(block) > self._cache_bytes:
                n_bytes -= _size(self._blocks.pop(next(iter(self._blocks))))
            self._blocks[key] = block
        return self._blocks[key]


class InMemoryVariants:
    """Variants of one contig as a `VariantReader`.

    Parameters
    ----------
    variants
        All records of the contig that will be read.
    """

    def __init__(self, variants: Variants) -> None:
        self.path = Path("(in memory)")
        self.sample_ids = variants.sample_ids
        self.contigs: tuple[str, ...] = (variants.contig,)
        self._variants = variants

    def read(self, contig: str, start: int, end: int, samples: Sequence[str]) -> Variants:
        """Return the records that overlap a region: see `VariantReader.read`."""
        assert (contig, tuple(samples)) == (self._variants.contig, self.sample_ids)
        variants = self._variants
        return variants.take((variants.positions < end) & (variants.ends > start))

    def close(self) -> None:
        """Close nothing: the variants are in memory."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _path(folder: Path, contig: str, number: int) -> Path:
    return folder / folder_name(contig, "contig") / f"{number}.npz"


def _size(variants: Variants) -> int:
    """Return the bytes of the arrays with a sample axis."""
    arrays = (variants.genotypes, variants.missing, variants.alt_dosages)
    return sum(array.nbytes for array in arrays if array is not None)


def _read(path: Path, contig: str, sample_ids: tuple[str, ...]) -> Variants:
    with np.load(path, allow_pickle=False) as arrays:
        stored = {name: arrays[name] for name in arrays.files}
    sites = read_sites(stored, contig)
    shape = (len(sites.positions), len(sample_ids), 2)
    genotypes = _unpacked(stored["genotypes"], shape)
    found = replace(sites, genotypes=genotypes, sample_ids=sample_ids)
    if "missing" in stored:
        found = replace(found, missing=_bits(stored["missing"], len(sample_ids)))
    if "dosages" in stored:
        dosages = found.haplotype_dosages()
        dosages[_bits(stored["differs"], dosages.size).reshape(dosages.shape)] = stored["dosages"]
        found = replace(found, alt_dosages=dosages)
    return found


def _missing_arrays(variants: Variants) -> dict[str, npt.NDArray[Any]]:
    """Return which calls are missing, one bit each; nothing where none is."""
    if variants.missing is None or not variants.missing.any():
        return {}
    return {"missing": np.packbits(variants.missing, axis=1)}


def _dosage_arrays(variants: Variants) -> dict[str, npt.NDArray[Any]]:
    """Return where dosages differ from the calls, one bit per haplotype and column, and the dosages there."""
    if variants.alt_dosages is None:
        return {}
    called = replace(variants, alt_dosages=None).haplotype_dosages()
    differs = (called != variants.alt_dosages) & ~(np.isnan(called) & np.isnan(variants.alt_dosages))
    return {"differs": np.packbits(differs), "dosages": variants.alt_dosages[differs]}


def _packed(genotypes: Int8Array, planes: int) -> UInt8Array:
    """Pack allele numbers to bits: uint8 `(planes, n_variants, ceil(2 n_samples / 8))`, lowest first."""
    flat = genotypes.reshape(len(genotypes), 2 * genotypes.shape[1])
    return np.stack([np.packbits((flat >> plane) & 1, axis=1) for plane in range(planes)])


def _unpacked(packed: UInt8Array, shape: tuple[int, int, int]) -> Int8Array:
    """Unpack the bits of `_packed` to int8 of this shape."""
    n_variants, n_samples, copies = shape
    flat = np.zeros((n_variants, copies * n_samples), dtype=np.int8)
    for plane, bits in enumerate(packed):
        flat |= np.unpackbits(bits, axis=1, count=copies * n_samples).view(np.int8) << plane
    return flat.reshape(shape)


def _bits(packed: UInt8Array, count: int) -> BoolArray:
    """Unpack the last axis of bits to bool of this length."""
    return np.unpackbits(packed, axis=-1, count=count).view(np.bool_)


def _as_bytes(texts: Sequence[bytes]) -> UInt8Array:
    return np.frombuffer(b"".join(texts), dtype=np.uint8)


def _as_list(joined: UInt8Array, lengths: Int64Array) -> list[bytes]:
    text, ends = joined.tobytes(), np.cumsum(lengths).tolist()
    return [text[end - length : end] for end, length in zip(ends, lengths.tolist(), strict=True)]

"""Find the distinct columns of a matrix of allele numbers."""

from collections.abc import Iterator

import numpy as np

from haploscribe.utils.types import Int8Array, Int64Array, UInt8Array

_BYTE = 1 << 8
_LARGEST_KEY = 1 << 62


def unique_patterns(alleles: Int8Array) -> tuple[Int8Array, Int64Array]:
    """Return the distinct columns of a matrix of allele numbers, in time linear in its size.

    A haplotype's alleles are the digits of one integer, its key, in a mixed radix: each variant has as many
    values as alleles. Equal keys mean equal alleles, and each row is read once, in memory order; eight
    biallelic variants are first packed into a byte. Before keys outgrow a lookup table, those that occur are
    renumbered.

    Parameters
    ----------
    alleles
        int8 `(n_variants, n_haplotypes)`; no number is negative.

    Returns
    -------
    patterns
        int8 `(n_patterns, n_variants)`; in no particular order.
    carried
        int64 `(n_haplotypes,)`; the pattern of each haplotype.
    """
    n_haplotypes = alleles.shape[1]
    table_size = 4 * n_haplotypes + 4096
    keys, n_keys = np.zeros(n_haplotypes, dtype=np.int64), 1
    for digits, base in _pack_rows(alleles):
        if n_keys <= table_size < n_keys * base or n_keys * base > _LARGEST_KEY:
            holders, keys = _renumber(keys, n_keys, table_size)
            n_keys = len(holders)
        keys *= base
        keys += digits
        n_keys *= base
    holders, carried = _renumber(keys, n_keys, table_size)
    return np.ascontiguousarray(alleles[:, holders].T), carried


def _pack_rows(alleles: Int8Array) -> Iterator[tuple[UInt8Array, int]]:
    """Pack consecutive rows into bytes; yield the bytes and the number of values they can have."""
    joined, n_values = np.zeros(alleles.shape[1], dtype=np.uint8), 1
    for row, highest in zip(alleles.view(np.uint8), alleles.max(axis=1, initial=0).tolist(), strict=True):
        base = highest + 1
        if n_values * base > _BYTE:
            yield joined, n_values
            joined, n_values = np.zeros_like(joined), 1
        joined *= base
        joined += row
        n_values *= base
    yield joined, n_values


def _renumber(keys: Int64Array, n_keys: int, table_size: int) -> tuple[Int64Array, Int64Array]:
    """Replace keys by consecutive integers; return a haplotype that has each new key, and the new keys.

    Keys are below `n_keys`; nothing is sorted if a table of `table_size` can hold them.
    """
    if n_keys > table_size:
        occurring, numbers = np.unique(keys, return_inverse=True)
    else:
        table = np.zeros(n_keys, dtype=np.int64)
        table[keys] = 1
        occurring = np.flatnonzero(table)
        table[occurring] = np.arange(len(occurring))
        numbers = table[keys]
    holders = np.zeros(len(occurring), dtype=np.int64)
    holders[numbers] = np.arange(len(keys))
    return holders, numbers

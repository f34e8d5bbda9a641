"""Blocks of rows, as RocksDB reads them (docs/formats.md, section 19).

A block's rows come one after another, each with its whole key, then where each begins, then a checksum. Whoever calls
gives a stretch of memory that is to become the next part of the file; a block that is not complete when that is full
is carried to the next one. Rows are columns: bytes of all keys and where each begins, the same of values. An empty
value takes a row away.
"""

from typing import Any, Final

import numpy as np

from mmsb.kernels.jit import inlined, kernel
from mmsb.kernels.memory import Bytes, Flag, Int, copy_bytes, copy_long, store_u64
from mmsb.kernels.table_files.xxh64 import xxh64

Places = Any  # an i64 array

BLOCK_BYTES: Final = 16_384
"""A block is complete with the row that makes it so large: less makes indexes larger, more reads more for one row."""

ENTRIES_MAX: Final = BLOCK_BYTES // 8
"""More rows than that no block has: each takes more than 8 bytes besides its place."""

TRAILER: Final = 5  # behind a block: 0 for what is not compressed, and four bytes of checksum
ENTRY_MAX: Final = 23  # what a row takes at most besides key and value
HANDLE_MAX: Final = 22  # what an entry of the index takes at most besides its key

# A place in what is being written.
FILE: Final = 0  # where in the file the memory begins
BEGIN: Final = 1  # where in memory the block begins
AT: Final = 2  # and how far it is written
ENTRIES: Final = 3  # how many rows it has
INDEX_AT: Final = 4  # how far the index is written
BLOCKS: Final = 5  # how many blocks it knows
WRITING: Final = 6  # how many such numbers there are

_BYTE: Final = 0xFF
_MORE: Final = 0x80
_VALUE: Final = np.uint64(1)
_REMOVED: Final = np.uint64(0)


@kernel
def add_rows(
    keys: Bytes,
    key_starts: Places,
    values: Bytes,
    value_starts: Places,
    row: Int,
    memory: Bytes,
    writing: Places,
    entries: Places,
    index: Bytes,
    index_entries: Places,
) -> Int:
    """Write rows from `row` on while there is room for them; gives the first for which there was none."""
    rows = key_starts.shape[0] - 1
    while row < rows:
        key, key_end = key_starts[row], key_starts[row + 1]
        value, value_end = value_starts[row], value_starts[row + 1]
        tail = 4 * (writing[ENTRIES] + 2) + TRAILER
        if writing[AT] + ENTRY_MAX + key_end - key + value_end - value + tail > memory.shape[0]:
            return row
        entries[writing[ENTRIES]] = writing[AT] - writing[BEGIN]
        writing[ENTRIES] += 1
        at = _put_number(memory, writing[AT], 0)
        at = _put_number(memory, at, key_end - key + 8)
        at = _put_number(memory, at, value_end - value)
        copy_bytes(memory, at, keys, key, key_end - key)
        at += key_end - key
        store_u64(memory, at, _VALUE if value_end > value else _REMOVED)
        copy_long(memory, at + 8, values, value, value_end - value)
        writing[AT] = at + 8 + value_end - value
        if writing[AT] - writing[BEGIN] + 4 * writing[ENTRIES] >= BLOCK_BYTES:
            _end_block(keys, key, key_end, memory, writing, entries, index, index_entries)
        row += 1
    return row


@kernel
def end_block(key: Bytes, memory: Bytes, writing: Places, entries: Places, index: Bytes, index_entries: Places) -> None:
    """Complete the last block, if there is one that is not; its last key is `key`."""
    if writing[ENTRIES]:
        _end_block(key, 0, key.shape[0], memory, writing, entries, index, index_entries)


@inlined
def _end_block(
    keys: Bytes,
    key: Int,
    key_end: Int,
    memory: Bytes,
    writing: Places,
    entries: Places,
    index: Bytes,
    index_entries: Places,
) -> None:
    begin, at = writing[BEGIN], writing[AT]
    for entry in range(writing[ENTRIES]):
        at = put_u32(memory, at, entries[entry])
    at = put_u32(memory, at, writing[ENTRIES])
    place = writing[INDEX_AT]
    index_entries[writing[BLOCKS]] = place
    place = _put_number(index, place, 0)
    place = _put_number(index, place, key_end - key)
    copy_bytes(index, place, keys, key, key_end - key)
    place = _put_number(index, place + key_end - key, writing[FILE] + begin)
    writing[INDEX_AT] = _put_number(index, place, at - begin)
    writing[BLOCKS] += 1
    memory[at] = 0
    at = put_u32(memory, at + 1, np.int64(xxh64(memory, begin, at + 1) & np.uint64(0xFFFF_FFFF)))
    writing[BEGIN] = writing[AT] = at
    writing[ENTRIES] = 0


@inlined
def _put_number(target: Bytes, at: Int, number: Int) -> Int:
    """Seven bits in a byte, the lowest first; the last has its highest bit clear. Gives the place behind."""
    while number >= _MORE:
        target[at] = np.uint8((number & (_MORE - 1)) | _MORE)
        number >>= 7
        at += 1
    target[at] = np.uint8(number)
    return at + 1


@inlined
def put_u32(target: Bytes, at: Int, number: Int) -> Int:
    for byte in range(4):
        target[at + byte] = np.uint8((number >> (8 * byte)) & _BYTE)
    return at + 4


@kernel
def do_rise(keys: Bytes, key_starts: Places) -> Flag:
    """Whether each key is greater than the one before."""
    for row in range(1, key_starts.shape[0] - 1):
        if not _is_less(keys, key_starts[row - 1], key_starts[row], key_starts[row + 1]):
            return False
    return True


@inlined
def _is_less(keys: Bytes, first: Int, second: Int, stop: Int) -> Flag:
    """Whether the key from `first` up to `second` is less than that from there up to `stop`."""
    shared = min(second - first, stop - second)
    for byte in range(shared):
        if keys[first + byte] != keys[second + byte]:
            return bool(keys[first + byte] < keys[second + byte])
    return second - first < stop - second

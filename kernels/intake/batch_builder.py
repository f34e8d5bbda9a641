"""Batches of packed intents of one class, compiled (docs/formats.md, sections 2 and 4).

All values have one size, so that a batch's size is known before it is written, and all that differs in a record before
its value is the index: the rest is a template. mmsb.schemas.batches says the same slowly.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmsb.kernels.jit import inlined, kernel
from mmsb.kernels.memory import Bytes, Int, Word, Words, store_u64
from mmsb.schemas.limits import BATCH_RECORDS_MAX
from mmsb.schemas.varints import encode_varint

HEADER_BYTES: Final = 61

# What a template says, in words: what comes before the value, and the value's head.
_BEFORE: Final = 0
_HEAD: Final = 2
_BEFORE_BYTES_MAX: Final = 16

# The indexes that take one, two and three bytes, and such a varint before the index is in it.
_STEPS: Final = ((0, 1 << 6, b"\x00"), (1 << 6, 1 << 13, b"\x80\x00"), (1 << 13, 1 << 20, b"\x80\x80\x00"))

_ONE: Final = np.uint64(1)
_TWO: Final = np.uint64(2)
_SEPTET: Final = np.uint64(0x7F)
_SECOND: Final = np.uint64(0x7F << 7)
_THIRD: Final = np.uint64(0x7F << 14)

assert _STEPS[-1][1] >= BATCH_RECORDS_MAX


def size_of(count: int, value_bytes: int) -> int:
    """How many bytes a batch of so many values of one size has."""
    size = HEADER_BYTES
    for start, stop, index in _STEPS:
        size += max(0, min(count, stop) - start) * _record_bytes(index, value_bytes)
    return size


def count_within(limit: int, value_bytes: int) -> int:
    """How many values of one size a batch of up to `limit` bytes holds."""
    room, count = limit - HEADER_BYTES, 0
    for start, stop, index in _STEPS:
        size = _record_bytes(index, value_bytes)
        fitting = max(0, min(stop - start, room // size))
        room, count = room - fitting * size, count + fitting
        if count < stop:
            break
    return min(count, BATCH_RECORDS_MAX)


def write_batch(
    target: NDArray[np.uint8],
    at: int,
    count: int,
    head: bytes,
    row: int,
    ids: NDArray[np.uint64],
    arguments: NDArray[np.uint64],
    metadata: NDArray[np.uint64],
) -> None:
    """Write the records of `count` intents from `row` on behind a header's place at `at`.

    `ids` and `arguments` have a row for each intent, of no words if there are none; `metadata` is for all.
    """
    widths = ids.shape[1], arguments.shape[1]
    value_bytes = len(head) + 8 * (sum(widths) + len(metadata))
    words = _read_only(ids), _read_only(arguments), _read_only(metadata)
    at += HEADER_BYTES
    for start, stop, index in _STEPS:
        if start < count:
            before = _before(index, value_bytes)
            template = np.frombuffer(before.ljust(_BEFORE_BYTES_MAX, b"\x00") + head, np.uint64)
            index_at = len(before) - len(encode_varint(value_bytes)) - 1 - len(index)
            indexes = start, min(stop, count)
            at = _write_records(target, at, indexes, template, len(before), index_at, row + start, widths, *words)


def _read_only(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Flat, and of the one type for which the kernel is compiled, whoever owns them."""
    flat = words.reshape(-1)
    flat.flags.writeable = False
    return flat


def _before(index: bytes, value_bytes: int) -> bytes:
    """A record up to its value: length, attributes, time, index, no key, the value's length."""
    behind = b"\x00\x00" + index + b"\x01" + encode_varint(value_bytes)
    return encode_varint(len(behind) + value_bytes + 1) + behind


def _record_bytes(index: bytes, value_bytes: int) -> int:
    return len(_before(index, value_bytes)) + value_bytes + 1


@kernel
def _write_records(
    target: Bytes,
    at: Int,
    indexes: tuple[Int, Int],
    template: Words,
    before_bytes: Int,
    index_at: Int,
    row: Int,
    widths: tuple[Int, Int],
    ids: Words,
    arguments: Words,
    metadata: Words,
) -> Int:
    """Write the records with these indexes, from one up to the other; gives where they end.

    What comes before a value is stored as two whole words: the two of its head, which come next, are always there.
    """
    shift = np.uint64(8 * index_at)
    id_words, words = widths
    for index in range(indexes[0], indexes[1]):
        store_u64(target, at, template[_BEFORE] | (_spread(index) << shift))
        store_u64(target, at + 8, template[_BEFORE + 1])
        at += before_bytes
        store_u64(target, at, template[_HEAD])
        store_u64(target, at + 8, template[_HEAD + 1])
        at = _store_words(target, at + 16, ids, id_words * row, id_words)
        at = _store_words(target, at, arguments, words * row, words)
        at = _store_words(target, at, metadata, 0, metadata.shape[0])
        target[at] = 0  # no headers
        at += 1
        row += 1
    return at


@inlined
def _spread(index: Int) -> Word:
    """An index's zigzag varint of up to three bytes, without the bits that say that more follows."""
    doubled = np.uint64(index) << _ONE
    return (doubled & _SEPTET) | ((doubled & _SECOND) << _ONE) | ((doubled & _THIRD) << _TWO)


@inlined
def _store_words(target: Bytes, to: Int, source: Words, at: Int, count: Int) -> Any:
    """Copy words to bytes; gives where they end."""
    for word in range(count):
        store_u64(target, to + 8 * word, source[at + word])
    return to + 8 * count

"""Records of a Kafka batch from columns: keys and values that lie somewhere in one buffer, and a mark on each.

mmsb.schemas.batches says the same slowly (docs/formats.md, section 2); what a mark is, is the caller's to know.
"""

from typing import Any, Final

import numpy as np

from mmsb.kernels.jit import inlined, kernel
from mmsb.kernels.memory import Bytes, Int, copy_bytes
from mmsb.schemas.limits import BATCH_RECORDS_MAX

# Where a record's parts are in the buffer: rows of an i64 array, a column for each record.
VALUE_AT: Final = 0
VALUE_SIZE: Final = 1
KEY_AT: Final = 2
KEY_SIZE: Final = 3
PREFIX_AT: Final = 4  # eight bytes before the key that are part of it; NO_PREFIX for none
ROWS: Final = 5

NO_PREFIX: Final = -1
PREFIX_BYTES: Final = 8

_ONE: Final = np.uint64(1)
_SEVEN: Final = np.uint64(7)
_LOW: Final = np.uint64(0x7F)
_MORE: Final = np.uint64(0x80)


@kernel
def write_records(
    target: Bytes, at: Int, columns: Any, first: Int, buffer: Bytes, header: Bytes, marks: Bytes, mark_bytes: Int
) -> tuple[Int, Int]:
    """Write records from column `first` on, as many as there is room for behind byte `at`; all of one time.

    The first of them has index 0. Each has one header: `header` are the bytes of all headers up to that one's value,
    which is the record's mark. Gives how many records there are, and where they end.
    """
    count = 0
    behind = header.shape[0] + mark_bytes
    while first + count < columns.shape[1] and count < BATCH_RECORDS_MAX:
        column = first + count
        value, key = columns[VALUE_SIZE, column], columns[KEY_SIZE, column]
        prefix_at = columns[PREFIX_AT, column]
        key_bytes = key if prefix_at == NO_PREFIX else key + PREFIX_BYTES
        size = 2 + _varint_bytes(count) + _varint_bytes(key_bytes) + key_bytes + _varint_bytes(value) + value + behind
        if at + _varint_bytes(size) + size > target.shape[0]:
            break
        at = _put_varint(target, at, size)
        target[at] = target[at + 1] = 0  # attributes, and the time that has passed since the first
        at = _put_varint(target, at + 2, count)
        at = _put_varint(target, at, key_bytes)
        if prefix_at != NO_PREFIX:
            copy_bytes(target, at, buffer, prefix_at, PREFIX_BYTES)
        copy_bytes(target, at + key_bytes - key, buffer, columns[KEY_AT, column], key)
        at = _put_varint(target, at + key_bytes, value)
        copy_bytes(target, at, buffer, columns[VALUE_AT, column], value)
        copy_bytes(target, at + value, header, 0, header.shape[0])
        copy_bytes(target, at + value + header.shape[0], marks, mark_bytes * column, mark_bytes)
        at += value + behind
        count += 1
    return count, at


@inlined
def _varint_bytes(number: Int) -> Int:
    """How many bytes the varint of a number from 0 on takes."""
    size, rest = 1, np.uint64(number) << _ONE
    while rest >= _MORE:
        rest >>= _SEVEN
        size += 1
    return size


@inlined
def _put_varint(target: Bytes, at: Int, number: Int) -> Int:
    """Write the varint of a number from 0 on; gives where it ends."""
    rest = np.uint64(number) << _ONE
    while rest >= _MORE:
        target[at] = np.uint8((rest & _LOW) | _MORE)
        rest >>= _SEVEN
        at += 1
    target[at] = np.uint8(rest)
    return at + 1

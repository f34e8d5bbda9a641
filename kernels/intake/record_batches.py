"""The records of a batch as columns, compiled; mmsb.schemas.batches says the same slowly (docs/formats.md, section 2).

What that refuses is refused here, without saying why: whoever asks then asks there.
"""

from typing import Any, Final

import numpy as np

from mmsb.kernels.arithmetic import add
from mmsb.kernels.jit import inlined, kernel
from mmsb.kernels.memory import Bytes

Columns = Any  # an i64 array: a row for each of the following, a column for each record

TIME: Final = 0
FLAGS: Final = 1
KEY_AT: Final = 2
KEY_SIZE: Final = 3  # -1 for null
VALUE_AT: Final = 4
VALUE_SIZE: Final = 5  # -1 for null
HEADERS_AT: Final = 6
ROWS: Final = 7

# The rows of an array that says where the records of batches lie, a column for each batch.
RECORDS_AT: Final = 0
END: Final = 1
COUNT: Final = 2
BASE_TIME: Final = 3
BATCH_FLAGS: Final = 4
BATCH_ROWS: Final = 5

REFUSED: Final = -1

_NULL: Final = -1
_VARINT_BYTES: Final = 5
_VARLONG_BYTES: Final = 10
_ZERO: Final = np.uint64(0)
_ONE: Final = np.uint64(1)
_SEPTET: Final = np.uint64(0x7F)
_SEVEN: Final = np.uint64(7)

Read = tuple[Any, int]  # a number, and where what follows begins; REFUSED if it is no number


@inlined
def _read_varint(buffer: Bytes, at: int, end: int) -> Read:
    """A varint of up to 32 bits; most are of one or two bytes."""
    if at + 1 < end:
        first = np.int64(buffer[at])
        if first < 128:
            return (first >> 1) ^ -(first & 1), at + 1
        second = np.int64(buffer[at + 1])
        if 0 < second < 128:
            rest = (first & 127) | (second << 7)
            return (rest >> 1) ^ -(rest & 1), at + 2
    return _read_long(buffer, at, end, _VARINT_BYTES)


@inlined
def _read_varlong(buffer: Bytes, at: int, end: int) -> Read:
    """A varint of up to 64 bits."""
    if at < end:
        first = np.int64(buffer[at])
        if first < 128:
            return (first >> 1) ^ -(first & 1), at + 1
    return _read_long(buffer, at, end, _VARLONG_BYTES)


@kernel
def _read_long(buffer: Bytes, at: int, end: int, size_max: int) -> Read:
    """A varint of any size, which must be the shortest and fit 32 bits, or 64 if it may have ten bytes."""
    rest, shift = _ZERO, _ZERO
    for position in range(at, min(end, at + size_max)):
        byte = np.uint64(buffer[position])
        rest |= (byte & _SEPTET) << shift
        shift += _SEVEN
        if byte <= _SEPTET:
            last = position - at + 1 == size_max
            top = np.uint64(1 if size_max == _VARLONG_BYTES else 15)
            if (byte == _ZERO and position > at) or (last and byte > top):
                break
            return np.int64(rest >> _ONE) ^ -np.int64(rest & _ONE), position + 1
    return 0, REFUSED


@inlined
def _read_sized(buffer: Bytes, at: int, end: int) -> tuple[int, int, int]:
    """A length and that many bytes: where they begin, how many (-1: null), where they end; REFUSED if that is wrong."""
    size, start = _read_varint(buffer, at, end)
    if start == REFUSED or size < _NULL or size > end - start:
        return 0, 0, REFUSED
    return start, size, start + max(size, 0)


@kernel
def _skip_headers(buffer: Bytes, at: int, end: int) -> int:
    """Where the headers that begin at `at` end."""
    count, at = _read_varint(buffer, at, end)
    if at == REFUSED or count < 0:
        return REFUSED
    for _ in range(count):
        _, size, at = _read_sized(buffer, at, end)
        if at == REFUSED or size == _NULL:
            return REFUSED
        _, size, at = _read_sized(buffer, at, end)
        if at == REFUSED:
            return REFUSED
    return at


@inlined
def _read_record(
    buffer: Bytes, start: int, batch_end: int, index: int, base_time: int, columns: Columns, to: int
) -> Any:
    """One record into column `to`; gives where it ends, or REFUSED."""
    size, at = _read_varint(buffer, start, batch_end)
    if at == REFUSED or size > batch_end - at:
        return REFUSED
    end = at + size
    time_delta, position = _read_varlong(buffer, at + 1, end)
    if position == REFUSED:
        return REFUSED
    time, beyond = add(base_time, time_delta)
    offset_delta, key_at = _read_varint(buffer, position, end)
    if beyond or key_at == REFUSED or offset_delta != index:
        return REFUSED
    key_start, key_size, value_at = _read_sized(buffer, key_at, end)
    if value_at == REFUSED:
        return REFUSED
    value_start, value_size, headers_at = _read_sized(buffer, value_at, end)
    if headers_at == REFUSED or headers_at >= end:
        return REFUSED
    if (buffer[headers_at] != 0 or headers_at + 1 != end) and _skip_headers(buffer, headers_at, end) != end:
        return REFUSED
    columns[TIME, to] = time
    columns[KEY_AT, to] = key_start
    columns[KEY_SIZE, to] = key_size
    columns[VALUE_AT, to] = value_start
    columns[VALUE_SIZE, to] = value_size
    columns[HEADERS_AT, to] = headers_at
    return end


@kernel
def decode_batches(buffer: Bytes, batches: Columns, columns: Columns) -> int:
    """The records of all batches, which have a column of `batches` each, into columns from 0 on.

    Frames and checksums are right already. Gives how many records there are, or REFUSED.
    """
    done = 0
    for batch in range(batches.shape[1]):
        at, base_time, flags = batches[RECORDS_AT, batch], batches[BASE_TIME, batch], batches[BATCH_FLAGS, batch]
        for index in range(batches[COUNT, batch]):
            at = _read_record(buffer, at, batches[END, batch], index, base_time, columns, done)
            if at == REFUSED:
                return REFUSED
            columns[FLAGS, done] = flags
            done += 1
        if at != batches[END, batch]:
            return REFUSED
    return done

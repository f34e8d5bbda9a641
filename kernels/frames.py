"""The chain of record batches in a log's bytes, compiled: where each begins, and whether it follows the one before.

These checks cover what a batch's checksum does not: base offset, length, leader epoch, magic (docs/formats.md,
section 2). The checksum itself is the caller's to compare. Nothing is said of the records inside.
"""

from typing import Any, Final

import numpy as np

from mmsb.kernels.jit import branching, inlined
from mmsb.kernels.memory import Bytes, Int
from mmsb.schemas.limits import BATCH_BYTES_MAX, BATCH_RECORDS_MAX

Table = Any  # an i64 array: a row for each of the following, a column for each batch

START: Final = 0
END: Final = 1
NEXT: Final = 2  # the offset after its last record
CHECKSUM: Final = 3
ROWS: Final = 4

# Why a walk ended.
DONE: Final = 0  # the buffer ended, or the offset asked for was reached
CUT: Final = 1  # a batch reaches beyond the buffer
WRONG_OFFSET: Final = 2
WRONG_LENGTH: Final = 3
WRONG_EPOCH: Final = 4
WRONG_MAGIC: Final = 5
WRONG_COUNT: Final = 6
WRONG_LAST: Final = 7

FRAME_BYTES_MIN: Final = 61  # a batch's header
_LENGTH_FROM: Final = 12


@inlined
def _read_u32(buffer: Bytes, at: Int) -> Any:
    """Four bytes, big-endian, as an i64."""
    high = (np.int64(buffer[at]) << 24) | (np.int64(buffer[at + 1]) << 16)
    return high | (np.int64(buffer[at + 2]) << 8) | np.int64(buffer[at + 3])


@inlined
def _read_i64(buffer: Bytes, at: Int) -> Any:
    return (_read_u32(buffer, at) << 32) | _read_u32(buffer, at + 4)


@branching
def walk_frames(buffer: Bytes, first: Int, until: Int, frames: Table) -> tuple[int, int]:
    """Batches from the buffer's begin on, the first of which must have the base offset `first`.

    Ends before a batch that is not whole or not right, and before one that begins at `until` or above. `frames` has a
    column for each batch that could fit. Gives how many there are, and why it ended.
    """
    at, expected, done = np.int64(0), np.int64(first), 0
    size = len(buffer)
    while at < size and expected < until:
        if size - at < FRAME_BYTES_MIN:
            return done, CUT
        if _read_i64(buffer, at) != expected:
            return done, WRONG_OFFSET
        length = _read_u32(buffer, at + 8) + _LENGTH_FROM
        if length < FRAME_BYTES_MIN or length > BATCH_BYTES_MAX:
            return done, WRONG_LENGTH
        if _read_u32(buffer, at + 12) != 0:
            return done, WRONG_EPOCH
        if buffer[at + 16] != 2:
            return done, WRONG_MAGIC
        count = _read_u32(buffer, at + 57)
        if count < 1 or count > BATCH_RECORDS_MAX:
            return done, WRONG_COUNT
        if _read_u32(buffer, at + 23) != count - 1:
            return done, WRONG_LAST
        if length > size - at:
            return done, CUT
        expected += count
        frames[START, done] = at
        frames[END, done] = at + length
        frames[NEXT, done] = expected
        frames[CHECKSUM, done] = _read_u32(buffer, at + 17)
        at += length
        done += 1
    return done, DONE

"""Batches in bytes of a log, each checked in full: the chain by a kernel, the checksum here.

A record batch's checksum leaves out base offset, length, leader epoch and magic, so those are held against the only
values that they can have in an embedded log.
"""

import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from crc32c import crc32c

from mmsb.kernels.frames import (
    CHECKSUM,
    CUT,
    DONE,
    END,
    FRAME_BYTES_MIN,
    NEXT,
    ROWS,
    START,
    WRONG_COUNT,
    WRONG_EPOCH,
    WRONG_LAST,
    WRONG_LENGTH,
    WRONG_MAGIC,
    WRONG_OFFSET,
    walk_frames,
)
from mmsb.schemas.limits import BATCH_BYTES_MAX, BATCH_RECORDS_MAX
from mmsb.schemas.types import I64_MAX

_CHECKED_FROM: Final = 21
_CHECKSUM_AT: Final = 17
_LENGTH_FROM: Final = 12
_LENGTH: Final = struct.Struct(">i")

# For each reason: where in the batch it is, how it is read, what it is called, and what it must be.
_WRONG: Final[dict[int, tuple[int, str, str]]] = {
    WRONG_OFFSET: (0, ">q", "a batch with base offset {offset}"),
    WRONG_LENGTH: (8, ">i", f"a batch length from {FRAME_BYTES_MIN - 12} to {BATCH_BYTES_MAX - 12}"),
    WRONG_EPOCH: (12, ">i", "partition leader epoch 0"),
    WRONG_MAGIC: (16, ">b", "magic 2"),
    WRONG_COUNT: (57, ">i", f"a record count from 1 to {BATCH_RECORDS_MAX}"),
    WRONG_LAST: (23, ">i", "a last offset delta of one less than the record count"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a batch: at which byte, what was expected there, what was found."""

    position: int
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Walk:
    """The whole, valid batches at the begin of some bytes."""

    starts: Any  # i64 array: where each begins
    ends: Any  # where each ends
    nexts: Any  # the offset after the last record of each
    fault: Fault | None  # what ended the walk, if not the end of the bytes or the offset asked for
    needed: int  # how many bytes the next batch needs, when there are not enough: 0 otherwise

    @property
    def count(self) -> int:
        return len(self.starts)

    @property
    def end(self) -> int:
        return int(self.ends[-1]) if self.count else 0


def walk(buffer: bytes, first: int, until: int = I64_MAX) -> Walk:
    """The batches from the begin of a buffer on, the first of which begins with offset `first`.

    Ends before a batch that begins at `until` or above.
    """
    frames = np.empty((ROWS, len(buffer) // FRAME_BYTES_MIN), np.int64)
    count, reason = walk_frames(np.frombuffer(buffer, np.uint8), first, until, frames)
    valid = _count_valid(buffer, frames[:, :count])
    starts, ends, nexts = frames[START, :valid], frames[END, :valid], frames[NEXT, :valid]
    end = int(ends[-1]) if valid else 0
    if valid < count:
        return Walk(starts, ends, nexts, _wrong_checksum(buffer, end, int(frames[END, valid])), 0)
    if reason == CUT:
        return Walk(starts, ends, nexts, None, _needed(buffer, end))
    fault = None if reason == DONE else _wrong(buffer, end, reason, int(nexts[-1]) if valid else first)
    return Walk(starts, ends, nexts, fault, 0)


def _count_valid(buffer: bytes, frames: Any) -> int:
    """How many batches have their checksum before one has not."""
    view = memoryview(buffer)
    starts, ends = (frames[START] + _CHECKED_FROM).tolist(), frames[END].tolist()
    actual = np.fromiter((crc32c(view[start:end]) for start, end in zip(starts, ends, strict=True)), np.int64)
    wrong = np.flatnonzero(actual != frames[CHECKSUM])
    return int(wrong[0]) if len(wrong) else len(actual)


def _needed(buffer: bytes, at: int) -> int:
    """The size of a batch of which the buffer has only the begin; a header's, if even that is cut."""
    if len(buffer) - at < FRAME_BYTES_MIN:
        return FRAME_BYTES_MIN
    length: int = _LENGTH.unpack_from(buffer, at + 8)[0]
    return length + _LENGTH_FROM


def _wrong_checksum(buffer: bytes, at: int, end: int) -> Fault:
    found = int.from_bytes(buffer[at + _CHECKSUM_AT : at + _CHECKED_FROM], "big")
    actual = crc32c(memoryview(buffer)[at + _CHECKED_FROM : end])
    return Fault(at + _CHECKSUM_AT, f"checksum {actual:08x}", f"{found:08x}")


def _wrong(buffer: bytes, at: int, reason: int, offset: int) -> Fault:
    place, form, expected = _WRONG[reason]
    found = struct.unpack_from(form, buffer, at + place)[0]
    return Fault(at + place, expected.format(offset=offset), str(found))

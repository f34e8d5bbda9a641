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
class Chain:
    """Batches at the begin of some bytes that follow each other; whether their checksums are right is open."""

    starts: Any  # i64 array: where each begins
    ends: Any  # where each ends
    nexts: Any  # the offset after the last record of each
    checksums: Any  # what each says of its content
    fault: Fault | None  # what ended the chain, if not the end of the bytes or the offset asked for
    needed: int  # how many bytes the next batch needs, when there are not enough: 0 otherwise

    @property
    def count(self) -> int:
        return len(self.starts)

    @property
    def end(self) -> int:
        return int(self.ends[-1]) if self.count else 0

    def upto(self, count: int, fault: Fault | None) -> "Chain":
        """The first batches alone."""
        return Chain(self.starts[:count], self.ends[:count], self.nexts[:count], self.checksums[:count], fault, 0)


def follow(buffer: bytes, first: int, until: int = I64_MAX) -> Chain:
    """The batches from the begin of a buffer on, the first of which begins with offset `first`, checksums unseen.

    Ends before a batch that begins at `until` or above.
    """
    frames = np.empty((ROWS, len(buffer) // FRAME_BYTES_MIN), np.int64)
    count, reason = walk_frames(np.frombuffer(buffer, np.uint8), first, until, frames)
    starts, ends, nexts, checksums = (frames[row, :count] for row in (START, END, NEXT, CHECKSUM))
    end = int(ends[-1]) if count else 0
    needed = _needed(buffer, end) if reason == CUT else 0
    offset = int(nexts[-1]) if count else first
    fault = None if reason in (DONE, CUT) else _wrong(buffer, end, reason, offset)
    return Chain(starts, ends, nexts, checksums, fault, needed)


def walk(buffer: bytes, first: int, until: int = I64_MAX) -> Chain:
    """As `follow`, but only batches that are valid, checksum included."""
    chain = follow(buffer, first, until)
    valid = count_valid(buffer, chain, 0, chain.count)
    return chain if valid == chain.count else chain.upto(valid, wrong_checksum(buffer, chain, valid))


def count_valid(buffer: bytes, chain: Chain, begin: int, end: int) -> int:
    """How many of the batches from `begin` up to `end` have their checksum before one has not."""
    view = memoryview(buffer)
    starts, ends = (chain.starts[begin:end] + _CHECKED_FROM).tolist(), chain.ends[begin:end].tolist()
    actual = np.fromiter((crc32c(view[start:end]) for start, end in zip(starts, ends, strict=True)), np.int64)
    wrong = np.flatnonzero(actual != chain.checksums[begin:end])
    return int(wrong[0]) if len(wrong) else len(actual)


def wrong_checksum(buffer: bytes, chain: Chain, at: int) -> Fault:
    """What is wrong with a batch that `count_valid` did not count."""
    start, end = int(chain.starts[at]), int(chain.ends[at])
    actual = crc32c(memoryview(buffer)[start + _CHECKED_FROM : end])
    return Fault(start + _CHECKSUM_AT, f"checksum {actual:08x}", f"{int(chain.checksums[at]):08x}")


def _needed(buffer: bytes, at: int) -> int:
    """The size of a batch of which the buffer has only the begin; a header's, if even that is cut."""
    if len(buffer) - at < FRAME_BYTES_MIN:
        return FRAME_BYTES_MIN
    length: int = _LENGTH.unpack_from(buffer, at + 8)[0]
    return length + _LENGTH_FROM


def _wrong(buffer: bytes, at: int, reason: int, offset: int) -> Fault:
    place, form, expected = _WRONG[reason]
    found = struct.unpack_from(form, buffer, at + place)[0]
    return Fault(at + place, expected.format(offset=offset), str(found))

"""Whether two copies of a log say the same, however each has cut it into batches."""

import struct
from collections.abc import AsyncIterator
from typing import Final

from mmsb.processors.batching import RawBatch
from mmsb.processors.intake import read_batches
from mmsb.schemas.records import Records

# What decides about the records of a batch, beside the records: attributes, base and max timestamp.
_TIMES: Final = struct.Struct(">21xh4xqq")
_RECORDS_FROM: Final = 61
_APPEND_TIME: Final = 0x08
_FLAGS: Final = 0x30  # transactional, control


async def first_difference(
    ours: AsyncIterator[RawBatch], theirs: AsyncIterator[RawBatch], start: int = 0
) -> int | None:
    """The offset of the first record from `start` on that is another, as far as both go; both have that one first."""
    left, right = _Reading(ours, start), _Reading(theirs, start)
    while await left.fill() and await right.fill():
        assert left.at == right.at, "they are read side by side"
        if left.is_like(right):
            count = left.left
        else:
            count = min(left.left, right.left)
            difference = _first_in(left.records(count), right.records(count))
            if difference is not None:
                return difference
        left.at += count
        right.at += count
    return None


class _Reading:
    """One copy, batch by batch."""

    def __init__(self, batches: AsyncIterator[RawBatch], start: int) -> None:
        self._batches = batches
        self._batch: RawBatch | None = None
        self._decoded: Records | None = None
        self.at = start

    @property
    def left(self) -> int:
        """Records of the batch at hand that were not compared."""
        return 0 if self._batch is None else self._batch.first + self._batch.count - self.at

    async def fill(self) -> bool:
        """Have a batch at hand; says whether there is one."""
        if self.left == 0:
            self._batch, self._decoded = await anext(self._batches, None), None
            if self._batch is not None:
                self.at = max(self.at, self._batch.first)
        return self._batch is not None

    def is_like(self, other: "_Reading") -> bool:
        """Whether both batches say the same in the same bytes; if not, their records may still be the same."""
        ours, theirs = self._batch, other._batch
        assert ours is not None, "it was filled"
        assert theirs is not None, "it was filled"
        if (self.at, ours.first, ours.count) != (ours.first, theirs.first, theirs.count):
            return False
        same_records = memoryview(ours.data)[_RECORDS_FROM:] == memoryview(theirs.data)[_RECORDS_FROM:]
        return same_records and _times(ours) == _times(theirs)

    def records(self, count: int) -> Records:
        """The next ones of the batch at hand."""
        assert self._batch is not None, "it was filled"
        if self._decoded is None:
            self._decoded = read_batches(self._batch.data)
        start = self.at - self._batch.first
        return self._decoded.slice(start, start + count)


def _times(batch: RawBatch) -> tuple[int, int, int]:
    attributes, base, last = _TIMES.unpack_from(batch.data)
    return attributes & (_FLAGS | _APPEND_TIME), base, last if attributes & _APPEND_TIME else 0


def _first_in(ours: Records, theirs: Records) -> int | None:
    if ours == theirs:
        return None
    pairs = zip(ours, theirs, ours.flags, theirs.flags, strict=True)
    index = next(index for index, (a, b, flags, others) in enumerate(pairs) if (a, flags) != (b, others))
    return ours.first + index

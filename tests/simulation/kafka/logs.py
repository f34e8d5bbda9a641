"""One partition's log as its leader has it: raw batches, whose headers the broker writes, and a high watermark."""

import asyncio
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crc32c import crc32c

HEADER: Final = struct.Struct(">qiibIhiqqqhii")  # base offset … record count
CHECKED_FROM: Final = 21
APPEND_TIME: Final = 0x08
MAGIC: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    base: int
    count: int
    data: bytes

    @property
    def end(self) -> int:
        return self.base + self.count


def count_of(batch: bytes) -> int:
    """How many records a producer says are in a batch; what is not one batch is refused."""
    if len(batch) < HEADER.size:
        raise ValueError(f"{len(batch)} bytes are no batch")
    _, length, _, magic, checksum, _, last, *_, count = HEADER.unpack_from(batch)
    if (length, magic, last) != (len(batch) - 12, MAGIC, count - 1) or crc32c(batch[CHECKED_FROM:]) != checksum:
        raise ValueError("length, magic, count or checksum")
    return int(count)


def stamped(batch: bytes, base: int, epoch: int, append_time_ms: int | None) -> bytes:
    """As a broker writes it: its offset and leader epoch, and its own time where the topic says so."""
    fields = list(HEADER.unpack_from(batch))
    fields[0], fields[2] = base, epoch
    data = bytearray(batch)
    if append_time_ms is not None:
        fields[5] |= APPEND_TIME
        fields[8] = append_time_ms
    HEADER.pack_into(data, 0, *fields)
    struct.pack_into(">I", data, 17, crc32c(data[CHECKED_FROM:]))
    return bytes(data)


@dataclass(eq=False)
class PartitionLog:
    """`start <= high <= end`; consumers see what lies between `start` and `high`."""

    append_time: bool
    start: int = 0
    high: int = 0
    epoch: int = 0

    def __post_init__(self) -> None:
        self.batches: list[Stored] = []
        self._base = 0  # of the next batch, when there is none
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def end(self) -> int:
        return self.batches[-1].end if self.batches else self._base

    def append(self, batch: bytes, time_ms: int) -> Stored:
        base = self.end
        data = stamped(batch, base, self.epoch, time_ms if self.append_time else None)
        self.batches.append(Stored(base, count_of(batch), data))
        return self.batches[-1]

    def rise(self, stored: Stored) -> bool:
        """Followers have a batch, unless an election took it meanwhile; says whether it is there."""
        if not self.has(stored):
            return False
        if stored.end > self.high:
            self.high = stored.end
            self.wake()
        return True

    def has(self, stored: Stored) -> bool:
        return any(each is stored for each in reversed(self.batches))

    def elect(self, end: int) -> None:
        """Another leads, whose log ends there: what lies above it is gone. Below the high watermark it is unclean."""
        self.epoch += 1
        self._base = self.batches[0].base if self.batches else self._base
        self.batches = [batch for batch in self.batches if batch.end <= end]
        self.high = min(self.high, self.end)
        self.wake()

    def trim(self, offset: int) -> None:
        """Whole batches below an offset are gone."""
        self.start = max(self.start, min(offset, self.high))
        self._base = self.end
        self.batches = [batch for batch in self.batches if batch.end > self.start]
        self.wake()

    def visible(self, offset: int) -> Sequence[Stored]:
        """What a fetch from an offset on may give."""
        return [batch for batch in self.batches if batch.end > offset and batch.end <= self.high]

    def moved(self) -> "asyncio.Future[None]":
        """Done when there is something else to see."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return future

    def wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

"""Batches that brokers store and our logs do not hold, written again as batches that they do.

A broker reads records as loosely as Kafka's own client: numbers may take more bytes than they need, times may wrap.
What that client reads, we read, and write as it should have been. What it cannot read either, or what is larger than
our limits, becomes a record for each offset that settles as `malformed`: whoever may write to a topic must not be able
to stop it. All this depends on nothing but the bytes, so that every reader sees the same log.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from mmsb.processors.batching import RawBatch
from mmsb.schemas.batches import Record, encode_batch
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.limits import BATCH_RECORDS_MAX
from mmsb.schemas.records import NULL, Headers
from mmsb.schemas.types import I64_MIN
from mmsb.schemas.varints import VARINT_BITS, VARLONG_BITS, encode_varint
from mmsb.streams.kafka.batches.header import APPEND_TIME, CONTROL, HEADER_BYTES, TRANSACTIONAL, seal

MALFORMED: Final = b"MMI\x01"
"""The value of a record that stands for one that cannot be read: the begin of a packed intent, and nothing else."""

_HEADER: Final = struct.Struct(">q13xh4xqq14xi")  # base offset, attributes, base and max timestamp, count
_NUMBER: Final = struct.Struct(">i")
_LAST_AT: Final = 23
_COUNT_AT: Final = 57


class Unreadable(Exception):
    """Not even Kafka's client reads this."""


def rewritten(header: memoryview, content: memoryview | None) -> list[RawBatch]:
    """Batches for the same offsets. `content` is what lies behind the header, expanded; None if nobody knows it."""
    first, attributes, base_time, time_max, count = _HEADER.unpack_from(header)
    writing = _Writing(attributes, time_max)
    try:
        if content is not None:
            return writing.encode(first, [record for _, record in read_loosely(content, count, base_time)])
    except (Unreadable, IndexError):
        pass
    counts = [min(BATCH_RECORDS_MAX, count - start) for start in range(0, count, BATCH_RECORDS_MAX)]
    return [writing.stand_ins(first + index * BATCH_RECORDS_MAX, some, base_time) for index, some in enumerate(counts)]


class _Writing:
    """Batches with the attributes that a batch had."""

    def __init__(self, attributes: int, time_max: int) -> None:
        self._append_time = time_max if attributes & APPEND_TIME else None
        self._transactional = bool(attributes & TRANSACTIONAL)
        self._control = bool(attributes & CONTROL)

    def one(self, first: int, records: Sequence[Record]) -> RawBatch:
        if self._append_time is not None:  # theirs may be anything, and count for nothing
            records = [Record(each.key, each.value, self._append_time, each.headers) for each in records]
        data = encode_batch(
            first,
            records,
            append_time=self._append_time,
            transactional=self._transactional,
            control=self._control,
        )
        return RawBatch(first, len(records), data)

    def stand_ins(self, first: int, count: int, time: int) -> RawBatch:
        """As many records as were meant; there may be millions, so they are not encoded one by one."""
        batch = bytearray(self.one(first, [Record(None, MALFORMED, time)]).data[:HEADER_BYTES])
        batch += _stand_ins(count)
        _NUMBER.pack_into(batch, _LAST_AT, count - 1)
        _NUMBER.pack_into(batch, _COUNT_AT, count)
        return RawBatch(first, count, bytes(seal(batch)))

    def encode(self, first: int, records: Sequence[Record]) -> list[RawBatch]:
        """As one batch, or several if it would be too large or its times lie too far from each other."""
        try:
            return [self.one(first, records)]
        except InvalidValue:
            middle = len(records) // 2
            if middle == 0:
                return [self.one(first, [Record(None, MALFORMED, records[0].time)])]
            return self.encode(first, records[:middle]) + self.encode(first + middle, records[middle:])


def _stand_ins(count: int) -> bytes:
    """Their records, all of whose bytes are the same but for the index; rows of one length each."""
    parts: list[bytes] = []
    start = 0
    while start < count:
        size = len(encode_varint(start))
        stop = min(count, 1 << 7 * size - 1)
        behind = b"\x01" + encode_varint(len(MALFORMED)) + MALFORMED + b"\x00"
        rows = np.empty((stop - start, 3 + size + len(behind)), np.uint8)
        rows[:, :3] = 2 * (rows.shape[1] - 1), 0, 0
        indices = np.arange(start, stop) << 1
        for at in range(size):
            rows[:, 3 + at] = indices >> 7 * at & 0x7F | (0x80 if at + 1 < size else 0)
        rows[:, 3 + size :] = np.frombuffer(behind, np.uint8)
        parts.append(rows.tobytes())
        start = stop
    return b"".join(parts)


def read_loosely(data: memoryview, count: int, base_time: int) -> Iterator[tuple[int, Record]]:
    """Offset deltas and records as Kafka's client reads them. Raises Unreadable or IndexError where that cannot."""
    at = 0
    for _ in range(count):
        size, at = _varint(data, at)
        end = at + size
        if not at < end <= len(data):
            raise Unreadable
        delta, at = _varint(data, at + 1, VARLONG_BITS)
        place, at = _varint(data, at)
        key, at = _sized(data, at)
        value, at = _sized(data, at)
        headers, at = _headers(data, at, end)
        if at != end:
            raise Unreadable
        yield place, Record(key, value, _wrapped(base_time + delta), headers)
    if at != len(data):
        raise Unreadable


def _headers(data: memoryview, at: int, end: int) -> tuple[Headers, int]:
    count, at = _varint(data, at)
    if not 0 <= count <= end - at:
        raise Unreadable
    headers: list[tuple[str, bytes | None]] = []
    for _ in range(count):
        name, at = _sized(data, at)
        value, at = _sized(data, at)
        if name is None:
            raise Unreadable
        headers.append((name.decode("utf-8", "surrogateescape"), value))
    return tuple(headers), at


def _sized(data: memoryview, at: int) -> tuple[bytes | None, int]:
    """A length and that many bytes; a length below 0 is null."""
    size, at = _varint(data, at)
    if size <= NULL:
        return None, at
    if at + size > len(data):
        raise Unreadable
    return bytes(data[at : at + size]), at + size


def _varint(data: memoryview, at: int, bits: int = VARINT_BITS) -> tuple[int, int]:
    """A number of up to 5 or 10 bytes, needed or not; what goes beyond its bits is lost."""
    rest = shift = 0
    for position in range(at, at + -(-bits // 7)):
        byte = data[position]
        rest |= (byte & 0x7F) << shift
        if byte < 0x80:
            rest &= (1 << bits) - 1
            return (rest >> 1) ^ -(rest & 1), position + 1
        shift += 7
    raise Unreadable


def _wrapped(time: int) -> int:
    """A time in 64 bits, as Java computes it."""
    return (time - I64_MIN) % 2**64 + I64_MIN

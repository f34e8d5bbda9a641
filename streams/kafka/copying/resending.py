"""Batches of a log as a broker takes them from a producer, with the same keys, values, headers and times.

A broker writes offsets and its own time into headers, and remembers the producers that they name. So batches are sent
as of no producer, each record with the time that it has. Small ones are sent together, because each waits for an
answer.
"""

import struct
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from crc32c import crc32c

from mmsb.processors.batching import RawBatch
from mmsb.processors.intake import read_batches
from mmsb.schemas.batches import Record, encode_batch
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.limits import BATCH_RECORDS_MAX

TOGETHER_BYTES: Final = 65_536
"""Batches are sent together up to about this size; larger ones stay as they are, and cost nothing."""

_HEADER: Final = struct.Struct(">qiibIhiqqqhii")  # docs/formats.md, section 2
_CHECKSUM: Final = struct.Struct(">I")
_CHECKSUM_AT: Final = 17
_CHECKED_FROM: Final = 21
_APPEND_TIME: Final = 0x08
_TRANSACTIONAL: Final = 0x10
_CONTROL: Final = 0x20


@dataclass(frozen=True, slots=True)
class Sendable:
    first: int
    count: int
    data: bytes


async def sendable(batches: AsyncIterator[RawBatch], limit: int, *, together: bool) -> AsyncGenerator[Sendable, None]:
    """All records of some batches, in batches of at most `limit` bytes."""
    small = list[RawBatch]()
    size = 0
    async for batch in batches:
        if small and (not together or size + len(batch.data) > min(TOGETHER_BYTES, limit)):
            for each in _sendable(small, limit):
                yield each
            small, size = [], 0
        small.append(batch)
        size += len(batch.data)
    for each in _sendable(small, limit) if small else ():
        yield each


def _sendable(batches: Sequence[RawBatch], limit: int) -> list[Sendable]:
    for batch in batches:
        _check(batch)
    if len(batches) == 1 and len(batches[0].data) <= limit:
        as_it_is = _without_producer(batches[0])
        if as_it_is is not None:
            return [as_it_is]
    records = read_batches(b"".join(batch.data for batch in batches))
    return _encode(records.first, list(records), limit)


def _check(batch: RawBatch) -> None:
    attributes = _HEADER.unpack_from(batch.data)[5]
    if attributes & (_TRANSACTIONAL | _CONTROL):
        kind = "a marker of a transaction" if attributes & _CONTROL else "part of a transaction"
        raise InvalidValue(
            f"offset {batch.first}: expected records that a broker takes from any producer, found {kind}: it cannot be "
            "copied into Kafka; bring a checkpoint instead: mmsb checkpoint export, mmsb checkpoint import"
        )


def _without_producer(batch: RawBatch) -> Sendable | None:
    """The same records behind another header; None if their times stand in the header alone."""
    fields = list(_HEADER.unpack_from(batch.data))
    if fields[5] & _APPEND_TIME:
        return None
    fields[0], fields[2], fields[9:12] = 0, 0, [-1, -1, -1]
    data = bytearray(batch.data)
    _HEADER.pack_into(data, 0, *fields)
    _CHECKSUM.pack_into(data, _CHECKSUM_AT, crc32c(memoryview(data)[_CHECKED_FROM:]))
    return Sendable(batch.first, batch.count, bytes(data))


def _encode(first: int, records: Sequence[Record], limit: int) -> list[Sendable]:
    """In as few batches as `limit` and their times let them be, found by halving."""
    data = _encode_one(records)
    if data is not None and len(data) <= limit:
        return [Sendable(first, len(records), data)]
    middle = len(records) // 2
    if middle == 0:
        raise InvalidValue(
            f"offset {first}: expected a record that fits a batch of {limit} bytes, found one that does not; set a "
            "larger max.message.bytes for the topic, and copy on"
        )
    return _encode(first, records[:middle], limit) + _encode(first + middle, records[middle:], limit)


def _encode_one(records: Sequence[Record]) -> bytes | None:
    if len(records) > BATCH_RECORDS_MAX:
        return None
    try:
        return encode_batch(0, records)
    except InvalidValue:
        return None

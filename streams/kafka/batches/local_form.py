"""Kafka's batches as the mirror holds them: whole, dense, not compressed and with leader epoch 0, as our own logs do.

The leader epoch is the broker's note of who led when a batch came in. It differs between copies of the same records,
the checksum leaves it out, and so do we. Compressed batches are expanded, once. What a broker stores and our logs do
not hold is written again (rewriting.py). All else stays as it is, byte for byte, and where it is.
"""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from crc32c import crc32c

from mmsb.kernels.intake import record_batches as rows
from mmsb.processors.batching import RawBatch
from mmsb.processors.intake import bytes_of
from mmsb.schemas.errors import CorruptState
from mmsb.schemas.limits import BATCH_BYTES_MAX, BATCH_RECORDS_MAX
from mmsb.streams.kafka.batches.expanding import expand
from mmsb.streams.kafka.batches.rewriting import rewritten

# What is read of a batch's header (docs/formats.md, section 2).
_HEADER: Final = struct.Struct(">qiibIhiq22xi")
_LENGTH: Final = struct.Struct(">i")
_CHECKSUM: Final = struct.Struct(">I")
_ATTRIBUTES: Final = struct.Struct(">h")
_LENGTH_FROM: Final = 12  # the length counts the bytes after itself
_EPOCH: Final = slice(12, 16)
_NO_EPOCH: Final = bytes(4)
_CHECKSUM_AT: Final = 17
_CHECKED_FROM: Final = 21
_MAGIC: Final = 2
_CODEC: Final = 0x07
_RECORD_BYTES_MIN: Final = 7


class _Batch(NamedTuple):
    """What a header says, and where the batch lies."""

    first: int
    length: int
    epoch: int
    magic: int
    checksum: int
    attributes: int
    last_delta: int
    base_time: int
    record_count: int
    start: int
    end: int

    @property
    def codec(self) -> int:
        return self.attributes & _CODEC


def local_form(data: bytes) -> list[RawBatch]:
    """The batches of a fetch, which follow each other without a gap in bytes or offsets."""
    batches = _read(data)
    view = _without_epochs(data, batches)
    plain = [batch for batch in batches if not batch.codec]
    right = _are_right(view, plain)
    local: list[RawBatch] = []
    for batch in batches:
        raw = view[batch.start : batch.end]
        if batch.codec:
            local += _expanded(batch, raw)
        elif right or _are_right(view, [batch]):
            local.append(RawBatch(batch.first, batch.record_count, raw))
        else:
            local += rewritten(raw, raw[_HEADER.size :])
    return local


def _read(data: bytes) -> list[_Batch]:
    view, at, expected = memoryview(data), 0, -1
    batches: list[_Batch] = []
    while at < len(data):
        batch = _read_one(view, at)
        if not 1 <= batch.record_count == batch.last_delta + 1 or batch.first != expected != -1:
            raise CorruptState(
                f"expected records from offset {batch.first if expected == -1 else expected} on without a gap, found "
                f"{batch.record_count} for the offsets {batch.first} to {batch.first + batch.last_delta}: the topic "
                "was compacted or is damaged; set cleanup.policy=delete, and make it anew from a copy: mmsb log copy"
            )
        batches.append(batch)
        at, expected = batch.end, batch.first + batch.record_count
    return batches


def _read_one(data: memoryview, at: int) -> _Batch:
    if len(data) - at < _HEADER.size:
        raise _damaged(at, f"{_HEADER.size} bytes of a batch's header", f"{len(data) - at}")
    header = _HEADER.unpack_from(data, at)
    batch = _Batch._make((*header, at, at + _LENGTH_FROM + header[1]))
    if batch.magic != _MAGIC:
        raise CorruptState(
            f"offset {batch.first}: expected a record batch of Kafka's format 2, found format {batch.magic}, which "
            "brokers before 0.11 wrote; copy what is in the topic into a new one"
        )
    if not at + _HEADER.size <= batch.end <= len(data):
        raise _damaged(at, f"a batch within the {len(data) - at} bytes that there are", f"{batch.end - at}")
    checksum = crc32c(data[at + _CHECKED_FROM : batch.end])
    if checksum != batch.checksum:
        raise _damaged(at, f"checksum {checksum:08x} of the batch at offset {batch.first}", f"{batch.checksum:08x}")
    return batch


def _without_epochs(data: bytes, batches: Sequence[_Batch]) -> memoryview:
    """The same bytes if there are no leader epochs in them, else a copy without."""
    starts = [batch.start for batch in batches if batch.epoch != 0]
    if not starts:
        return memoryview(data)
    copy = bytearray(data)
    for start in starts:
        copy[start + _EPOCH.start : start + _EPOCH.stop] = _NO_EPOCH
    return memoryview(copy).toreadonly()


def _are_right(data: memoryview, batches: Sequence[_Batch]) -> bool:
    """Whether our logs hold these batches, which are not compressed, as they are."""
    if not batches:
        return True
    for batch in batches:
        size = batch.end - batch.start
        fitting = min(BATCH_RECORDS_MAX, (size - _HEADER.size) // _RECORD_BYTES_MIN)
        if size > BATCH_BYTES_MAX or batch.record_count > fitting:
            return False
    table = np.empty((rows.BATCH_ROWS, len(batches)), np.int64)
    table[rows.RECORDS_AT] = [batch.start + _HEADER.size for batch in batches]
    table[rows.END] = [batch.end for batch in batches]
    table[rows.COUNT] = [batch.record_count for batch in batches]
    table[rows.BASE_TIME] = [batch.base_time for batch in batches]
    table[rows.BATCH_FLAGS] = 0
    columns = np.empty((rows.ROWS, sum(batch.record_count for batch in batches)), np.int64)
    return rows.decode_batches(bytes_of(data), table, columns) != rows.REFUSED


def _expanded(batch: _Batch, raw: memoryview) -> list[RawBatch]:
    content = expand(batch.codec, raw[_HEADER.size :], BATCH_BYTES_MAX - _HEADER.size)
    if content is None:
        return rewritten(raw, None)
    data = bytearray(raw[: _HEADER.size])
    data += content
    _LENGTH.pack_into(data, _LENGTH_FROM - _LENGTH.size, len(data) - _LENGTH_FROM)
    _ATTRIBUTES.pack_into(data, _CHECKED_FROM, batch.attributes & ~_CODEC)
    view = memoryview(data)
    _CHECKSUM.pack_into(data, _CHECKSUM_AT, crc32c(view[_CHECKED_FROM:]))
    if _are_right(view, [batch._replace(start=0, end=len(data))]):
        return [RawBatch(batch.first, batch.record_count, view.toreadonly())]
    return rewritten(view, view[_HEADER.size :])


def _damaged(at: int, expected: str, found: str) -> CorruptState:
    return CorruptState(
        f"fetched batches: expected {expected}, found {found} at byte {at}: damaged on the way, or on the broker's "
        "disk; fetch it again, and if it stays so, from another replica"
    )

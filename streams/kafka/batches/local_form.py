"""Kafka's batches as the mirror holds them: whole, dense, not compressed and with leader epoch 0, as our own logs do.

The leader epoch is the broker's note of who led when a batch came in. It differs between copies of the same records,
the checksum leaves it out, and so do we. Compressed batches are expanded, once. What a broker stores and our logs do
not hold is written again (rewriting.py). All else stays as it is, byte for byte, and where it is.
"""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from mmsb.kernels.intake import record_batches as rows
from mmsb.processors.batching import RawBatch
from mmsb.processors.intake import bytes_of
from mmsb.schemas.errors import CorruptState
from mmsb.schemas.limits import BATCH_BYTES_MAX, BATCH_RECORDS_MAX
from mmsb.streams.kafka.batches.expanding import expand
from mmsb.streams.kafka.batches.header import (
    CODEC,
    EPOCH,
    HEADER_BYTES,
    LENGTH_FROM,
    NO_EPOCH,
    checksum_of,
    with_content,
)
from mmsb.streams.kafka.batches.rewriting import rewritten

# What is read of a batch's header (docs/formats.md, section 2).
_HEADER: Final = struct.Struct(">qiibIhiq22xi")
_MAGIC: Final = 2
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
        return self.attributes & CODEC


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
            local += rewritten(raw, raw[HEADER_BYTES:])
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
    if len(data) - at < HEADER_BYTES:
        raise _damaged(at, f"{HEADER_BYTES} bytes of a batch's header", f"{len(data) - at}")
    header = _HEADER.unpack_from(data, at)
    batch = _Batch._make((*header, at, at + LENGTH_FROM + header[1]))
    if batch.magic != _MAGIC:
        raise CorruptState(
            f"offset {batch.first}: expected a record batch of Kafka's format 2, found format {batch.magic}, which "
            "brokers before 0.11 wrote; copy what is in the topic into a new one"
        )
    if not at + HEADER_BYTES <= batch.end <= len(data):
        raise _damaged(at, f"a batch within the {len(data) - at} bytes that there are", f"{batch.end - at}")
    checksum = checksum_of(data[at : batch.end])
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
        copy[start + EPOCH.start : start + EPOCH.stop] = NO_EPOCH
    return memoryview(copy).toreadonly()


def _are_right(data: memoryview, batches: Sequence[_Batch]) -> bool:
    """Whether our logs hold these batches, which are not compressed, as they are."""
    if not batches:
        return True
    for batch in batches:
        size = batch.end - batch.start
        fitting = min(BATCH_RECORDS_MAX, (size - HEADER_BYTES) // _RECORD_BYTES_MIN)
        if size > BATCH_BYTES_MAX or batch.record_count > fitting:
            return False
    table = np.empty((rows.BATCH_ROWS, len(batches)), np.int64)
    table[rows.RECORDS_AT] = [batch.start + HEADER_BYTES for batch in batches]
    table[rows.END] = [batch.end for batch in batches]
    table[rows.COUNT] = [batch.record_count for batch in batches]
    table[rows.BASE_TIME] = [batch.base_time for batch in batches]
    table[rows.BATCH_FLAGS] = 0
    columns = np.empty((rows.ROWS, sum(batch.record_count for batch in batches)), np.int64)
    return rows.decode_batches(bytes_of(data), table, columns) != rows.REFUSED


def _expanded(batch: _Batch, raw: memoryview) -> list[RawBatch]:
    content = expand(batch.codec, raw[HEADER_BYTES:], BATCH_BYTES_MAX - HEADER_BYTES)
    if content is None:
        return rewritten(raw, None)
    view = memoryview(with_content(raw, content))
    if _are_right(view, [batch._replace(start=0, end=len(view))]):
        return [RawBatch(batch.first, batch.record_count, view.toreadonly())]
    return rewritten(view, view[HEADER_BYTES:])


def _damaged(at: int, expected: str, found: str) -> CorruptState:
    return CorruptState(
        f"fetched batches: expected {expected}, found {found} at byte {at}: damaged on the way, or on the broker's "
        "disk; fetch it again, and if it stays so, from another replica"
    )

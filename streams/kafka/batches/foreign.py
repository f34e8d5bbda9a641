"""Batches of topics that are not ours, as rows: compacted ones have gaps, and what was aborted does not count.

Batches as our own logs hold them are decoded by compiled code. What is there besides (gaps within a batch, numbers that
take more bytes than they need) is read record by record, as Kafka's own client reads it.
"""

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmsb.processors.intake import read_batches
from mmsb.schemas.errors import CorruptState, MalformedBytes
from mmsb.schemas.limits import BATCH_BYTES_MAX
from mmsb.schemas.records import Records
from mmsb.streams.kafka.batches.expanding import expand
from mmsb.streams.kafka.batches.header import (
    APPEND_TIME,
    CODEC,
    CONTROL,
    HEADER_BYTES,
    LENGTH_FROM,
    TRANSACTIONAL,
    checksum_of,
    with_content,
)
from mmsb.streams.kafka.batches.rewriting import Unreadable, read_loosely
from mmsb.streams.kafka.cluster.broker import Aborted, Fetched

EXPANDED_BYTES_MAX: Final = 64 << 20
"""Of one batch. What a producer compressed well may be far larger than our own logs allow, and still no mistake."""

_HEADER: Final = struct.Struct(">qiibIhiqqqhii")  # docs/formats.md, section 2
_MARKER: Final = struct.Struct(">hh")  # a control record's key: version, and what it marks
_ABORT: Final = 0


@dataclass(frozen=True, eq=False)
class Rows:
    """Records and where each was; or, where there are none, a stretch of offsets that nobody can read."""

    offsets: NDArray[np.int64]
    records: Records | None
    next: int
    """The offset behind the last of them."""


class _Batch:
    def __init__(self, data: memoryview, at: int) -> None:
        (
            self.first, length, _, _, self.checksum, self.attributes, last_delta,
            self.base_time, self.max_time, self.producer, _, _, self.count,
        ) = _HEADER.unpack_from(data, at)  # fmt: skip
        self.last: int = self.first + last_delta
        self.data = data[at : at + LENGTH_FROM + length]

    @property
    def is_control(self) -> bool:
        return bool(self.attributes & CONTROL)

    @property
    def is_dense(self) -> bool:
        return bool(self.count == self.last - self.first + 1)

    @property
    def offsets(self) -> NDArray[np.int64]:
        return np.arange(self.first, self.last + 1, dtype=np.int64)


def read_foreign(fetched: Fetched, offset: int) -> Iterator[Rows]:
    """What counts of a fetch, from an offset on. Raises CorruptState for what was damaged on the way."""
    aborted = sorted(fetched.aborted, key=lambda each: each.first, reverse=True)
    ended: set[int] = set()  # producers whose transaction, as far as it is here, was aborted
    for batch in _batches(fetched.data):
        _check(batch)
        _begin_aborted(aborted, ended, batch.last)
        if batch.is_control:
            if batch.producer in ended and _is_abort(batch):
                ended.discard(batch.producer)
            yield _none(batch)
        elif (batch.attributes & TRANSACTIONAL and batch.producer in ended) or not batch.count:
            yield _none(batch)
        else:
            yield _from(_rows(batch), offset)


def _batches(data: bytes) -> Iterator[_Batch]:
    view, at = memoryview(data), 0
    while at < len(view):
        batch = _Batch(view, at)
        yield batch
        at += len(batch.data)


def _check(batch: _Batch) -> None:
    found = checksum_of(batch.data)
    if found != batch.checksum:
        raise CorruptState(
            f"fetched batches: expected checksum {batch.checksum:08x} of the batch at offset {batch.first}, found "
            f"{found:08x}: damaged on the way, or on the broker's disk; fetch it again, and if it stays so, from "
            "another replica"
        )


def _begin_aborted(aborted: list[Aborted], ended: set[int], last: int) -> None:
    """`aborted` has the transactions that begin later at its front."""
    while aborted and aborted[-1].first <= last:
        ended.add(aborted.pop().producer)


def _is_abort(batch: _Batch) -> bool:
    content = batch.data[HEADER_BYTES:]
    for _, record in read_loosely(content, batch.count, batch.base_time):
        if record.key is not None and len(record.key) >= _MARKER.size:
            return bool(_MARKER.unpack_from(record.key)[1] == _ABORT)
    return False


def _none(batch: _Batch) -> Rows:
    return Rows(np.empty(0, np.int64), Records.of(batch.first, []), batch.last + 1)


def _rows(batch: _Batch) -> Rows:
    content, codec = batch.data[HEADER_BYTES:], batch.attributes & CODEC
    expanded = expand(codec, content, EXPANDED_BYTES_MAX) if codec else content
    try:
        if expanded is None:
            raise Unreadable
        if batch.is_dense and HEADER_BYTES + len(expanded) <= BATCH_BYTES_MAX:  # more is no batch of our own
            with suppress(MalformedBytes):
                return Rows(batch.offsets, read_batches(bytes(with_content(batch.data, expanded))), batch.last + 1)
        read = list(read_loosely(expanded, batch.count, batch.base_time))
    except (Unreadable, IndexError):
        return Rows(batch.offsets, None, batch.last + 1)
    records = [record for _, record in read]
    if batch.attributes & APPEND_TIME:
        records = [replace(record, time=batch.max_time) for record in records]
    offsets = np.array([batch.first + delta for delta, _ in read], np.int64)
    return Rows(offsets, Records.of(batch.first, records), batch.last + 1)


def _from(rows: Rows, offset: int) -> Rows:
    """Without those before an offset: the first batch of a fetch may begin there."""
    start = int(np.searchsorted(rows.offsets, offset))
    if not start:
        return rows
    records = None if rows.records is None else rows.records.slice(start, len(rows.records))
    return Rows(rows.offsets[start:], records, rows.next)

"""Kafka's batches as the mirror holds them: whole, dense and with leader epoch 0, as our own logs have them.

The leader epoch is the broker's note of who led when a batch came in. It differs between copies of the same records,
the checksum leaves it out, and so do we.
"""

import struct
from typing import Final, NamedTuple

from crc32c import crc32c

from mmsb.processors.batching import RawBatch
from mmsb.schemas.errors import CorruptState

_HEADER: Final = struct.Struct(">qiibIhi30xi")  # what is read of a batch's header: docs/formats.md, section 2
_LENGTH_FROM: Final = 12
_EPOCH_AT: Final = 12
_NO_EPOCH: Final = bytes(4)
_CHECKED_FROM: Final = 21
_MAGIC: Final = 2
_CODEC: Final = 0x07
_CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd", "codec 5", "codec 6", "codec 7")


class _Header(NamedTuple):
    first: int
    length: int
    epoch: int
    magic: int
    checksum: int
    attributes: int
    last: int
    record_count: int


def local_form(data: bytes) -> list[RawBatch]:
    """The batches of a fetch, which follow each other without a gap in bytes or offsets. Few bytes are copied twice."""
    batches: list[RawBatch] = []
    copied: bytearray | None = None
    view, at, expected = memoryview(data), 0, -1
    while at < len(data):
        header, end = _read(view, at, expected)
        if header.epoch != 0:
            if copied is None:
                copied = bytearray(data)
                view = memoryview(copied)
            copied[at + _EPOCH_AT : at + _EPOCH_AT + len(_NO_EPOCH)] = _NO_EPOCH
        batches.append(RawBatch(header.first, header.record_count, view[at:end].toreadonly()))
        at, expected = end, header.first + header.record_count
    return batches


def _read(data: memoryview, at: int, expected: int) -> tuple[_Header, int]:
    """The header of the batch at `at`, and where the batch ends; `expected` is its offset, or -1 for any."""
    if len(data) - at < _HEADER.size:
        raise _wrong(at, f"{_HEADER.size} bytes of a batch's header", f"{len(data) - at}")
    header = _Header._make(_HEADER.unpack_from(data, at))
    end = at + _LENGTH_FROM + header.length
    if header.magic != _MAGIC:
        raise CorruptState(
            f"offset {header.first}: expected a record batch of Kafka's format 2, found format {header.magic}, which "
            "brokers before 0.11 wrote; copy what is in the topic into a new one"
        )
    if not at + _HEADER.size <= end <= len(data):
        raise _wrong(at, f"a batch within the {len(data) - at} bytes that there are", f"{end - at}")
    checksum = crc32c(data[at + _CHECKED_FROM : end])
    if checksum != header.checksum:
        raise _wrong(at, f"checksum {checksum:08x} of the batch at offset {header.first}", f"{header.checksum:08x}")
    if not 1 <= header.record_count == header.last + 1 or header.first != expected != -1:
        raise CorruptState(
            f"expected records from offset {header.first if expected == -1 else expected} on without a gap, found "
            f"{header.record_count} for the offsets {header.first} to {header.first + header.last}: the topic was "
            "compacted or is damaged; set cleanup.policy=delete, and make it anew from a copy: mmsb log copy"
        )
    if header.attributes & _CODEC:
        codec = _CODECS[header.attributes & _CODEC]
        raise CorruptState(f"offset {header.first}: expected a batch that is not compressed, found {codec}")
    return header, end


def _wrong(at: int, expected: str, found: str) -> CorruptState:
    return CorruptState(
        f"fetched batches: expected {expected}, found {found} at byte {at}: damaged on the way, or on the broker's "
        "disk; fetch it again, and if it stays so, from another replica"
    )

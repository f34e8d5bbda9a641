"""Kafka's v2 record batch, byte for byte (docs/formats.md, section 2): both logs hold nothing else.

Reading trusts nothing: the checksum comes before the content, and a count or length is held against the bytes
that are there before room is made for anything. Compressed batches are refused by name: what comes from a topic is
expanded before it gets here (mmsb.streams.kafka.batches.local_form).
"""

import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crc32c import crc32c

from mmsb.schemas.errors import InvalidValue, MalformedBytes
from mmsb.schemas.limits import BATCH_BYTES_MAX, BATCH_RECORDS_MAX
from mmsb.schemas.records import (
    CONTROL,
    NULL,
    TRANSACTIONAL,
    Buffer,
    Columns,
    Record,
    Records,
    concat,
    encode_headers,
    flags_of,
    read_headers,
    read_sized,
)
from mmsb.schemas.types import I64_MAX, I64_MIN
from mmsb.schemas.varints import VARLONG_BITS, encode_varint, read_varint

__all__ = [
    "CONTROL",
    "TRANSACTIONAL",
    "Frame",
    "Record",
    "Records",
    "concat",
    "decode_batch",
    "decode_batches",
    "encode_batch",
    "read_frame",
]

# Kafka's numbers: they are on disk and on the wire, and not ours to change.
_PREFIX = struct.Struct(">qiibI")  # base offset, length, leader epoch, magic, checksum
_HEADER = struct.Struct(">hiqqqhii")  # what the checksum covers, before the records
_LENGTH_FROM: Final = 12  # the length counts the bytes after itself
_CHECKED_FROM: Final = 21
_RECORDS_FROM: Final = 61
_MAGIC: Final = 2
_APPEND_TIME: Final = 0x08
_TRANSACTIONAL: Final = 0x10
_CONTROL: Final = 0x20
_CODECS: Final[tuple[str, ...]] = ("none", "gzip", "snappy", "lz4", "zstd", "codec 5", "codec 6", "codec 7")
_RECORD_BYTES_MIN: Final = 7  # seven fields of a byte each: length, attributes, time, offset, key, value, headers


def encode_batch(
    base_offset: int,
    records: Sequence[Record],
    *,
    append_time: int | None = None,
    transactional: bool = False,
    control: bool = False,
    leader_epoch: int = 0,
) -> bytes:
    """One batch. With an `append_time` readers see that time for every record, as brokers can be told to do."""
    if not 1 <= len(records) <= BATCH_RECORDS_MAX:
        raise InvalidValue(f"a batch holds 1 to {BATCH_RECORDS_MAX} records, found {len(records)}")
    if not 0 <= base_offset <= I64_MAX - (len(records) - 1):
        raise InvalidValue(f"expected offsets from 0 to {I64_MAX}, found {base_offset} and on")
    times = [record.time for record in records]
    time_max = max(times) if append_time is None else append_time
    for time in (*times, time_max):
        if not I64_MIN <= time <= I64_MAX or time - times[0] != _signed(time - times[0]):
            raise InvalidValue(f"expected times within 64 bits of each other, found {times[0]} and {time}")
    content = b"".join(part for index, record in enumerate(records) for part in _encode_record(index, record, times[0]))
    if _RECORDS_FROM + len(content) > BATCH_BYTES_MAX:
        found = _RECORDS_FROM + len(content)
        raise InvalidValue(f"a batch has at most {BATCH_BYTES_MAX} bytes, found {found}; write several")
    attributes = _APPEND_TIME * (append_time is not None) + _TRANSACTIONAL * transactional + _CONTROL * control
    count = len(records)
    header = _HEADER.pack(attributes, count - 1, times[0], time_max, -1, -1, -1, count)
    length = _CHECKED_FROM - _LENGTH_FROM + len(header) + len(content)
    checksum = crc32c(content, crc32c(header))
    return b"".join((_PREFIX.pack(base_offset, length, leader_epoch, _MAGIC, checksum), header, content))


def _encode_record(index: int, record: Record, base_time: int) -> Sequence[bytes]:
    """In parts, because a block's value is large enough for each copy of it to be felt."""
    before = b"\x00" + encode_varint(record.time - base_time) + encode_varint(index) + _size(record.key)
    key, between, value = record.key or b"", _size(record.value), record.value or b""
    headers = encode_headers(record.headers)
    size = len(before) + len(key) + len(between) + len(value) + len(headers)
    return encode_varint(size), before, key, between, value, headers


def _size(data: bytes | None) -> bytes:
    return encode_varint(NULL if data is None else len(data))


def _signed(value: int) -> int:
    """What is left of a number in 64 bits."""
    return (value - I64_MIN) % 2**64 + I64_MIN


def decode_batches(buffer: Buffer) -> list[Records]:
    """All batches of a buffer, which follow each other without a gap in bytes or offsets."""
    batches: list[Records] = []
    at = 0
    while at < len(buffer):
        records, end = decode_batch(buffer, at)
        if batches and records.first != batches[-1].last + 1:
            raise _malformed(f"base offset {batches[-1].last + 1}", records.first, at)
        batches.append(records)
        at = end
    return batches


def decode_batch(buffer: Buffer, at: int = 0) -> tuple[Records, int]:
    """The batch that begins at `at`, and where it ends."""
    frame = read_frame(buffer, at)
    columns = Columns()
    position, end = frame.records_at, frame.end
    for index in range(frame.count):
        position = _read_record(buffer, position, end, index, frame.base_time, columns)
    if position != end:
        raise _malformed("the end of the batch", f"{end - position} more bytes", position)
    if frame.append_time is not None:
        columns.times = array("q", [frame.append_time]) * frame.count
    return columns.over(frame.first, frame.flags, buffer), end


@dataclass(frozen=True, slots=True)
class Frame:
    """What a batch says before its records, which lie from `records_at` up to `end`."""

    first: int
    records_at: int
    end: int
    count: int
    base_time: int
    append_time: int | None
    flags: int


def read_frame(buffer: Buffer, at: int) -> Frame:
    """Everything that can be said of the batch at `at` without reading its records."""
    first, end = _check_frame(buffer, at)
    attributes: int
    attributes, last_delta, base_time, time_max, _, _, _, count = _HEADER.unpack_from(buffer, at + _CHECKED_FROM)
    if attributes & 7:
        codec: str = _CODECS[attributes & 7]
        raise _malformed("no compression (our logs hold none)", codec, at + 21)
    if not 1 <= count <= min(BATCH_RECORDS_MAX, (end - at - _RECORDS_FROM) // _RECORD_BYTES_MIN):
        raise _malformed("a record count from 1 to what fits the batch", count, at + 57)
    if last_delta != count - 1:
        raise _malformed(f"a last offset delta of {count - 1}", last_delta, at + 23)
    if first > I64_MAX - last_delta:
        raise _malformed("offsets below 2**63", first, at)
    append_time = time_max if attributes & _APPEND_TIME else None
    flags = flags_of(bool(attributes & _CONTROL), bool(attributes & _TRANSACTIONAL))
    return Frame(first, at + _RECORDS_FROM, end, count, base_time, append_time, flags)


def _check_frame(buffer: Buffer, at: int) -> tuple[int, int]:
    """Everything that can be said before the content is trusted; gives the base offset and the end."""
    if len(buffer) - at < _RECORDS_FROM:
        raise _malformed(f"{_RECORDS_FROM} bytes of header", len(buffer) - at, at)
    base_offset, length, _, magic, checksum = _PREFIX.unpack_from(buffer, at)
    if base_offset < 0:
        raise _malformed("a base offset of 0 or more", base_offset, at)
    if not _RECORDS_FROM <= length + _LENGTH_FROM <= BATCH_BYTES_MAX:
        raise _malformed(f"a length up to {BATCH_BYTES_MAX - _LENGTH_FROM}", length, at + 8)
    end = at + _LENGTH_FROM + length
    if end > len(buffer):
        raise _malformed(f"a length within the {len(buffer)} bytes there are", length, at + 8)
    if magic != _MAGIC:
        raise _malformed("magic 2", magic, at + 16)
    actual = crc32c(memoryview(buffer)[at + _CHECKED_FROM : end])
    if actual != checksum:
        raise _malformed(f"checksum {actual:08x}", f"{checksum:08x}", at + 17)
    return base_offset, end


def _read_record(buffer: Buffer, start: int, batch_end: int, index: int, base_time: int, columns: Columns) -> int:
    """Append one record to the columns; gives where it ends."""
    size, at = read_varint(buffer, start, batch_end)
    if not _RECORD_BYTES_MIN - 1 <= size <= batch_end - at:
        raise _malformed("a record length that fits the batch", size, start)
    end = at + size
    time_delta, position = read_varint(buffer, at + 1, end, VARLONG_BITS)
    time = base_time + time_delta
    if time != _signed(time):
        raise _malformed("a time within 64 bits", time, at + 1)
    offset_delta, key_at = read_varint(buffer, position, end)
    if offset_delta != index:
        raise _malformed(f"offset delta {index}", offset_delta, position)
    key_start, key_size, value_at = read_sized(buffer, key_at, end)
    value_start, value_size, headers_at = read_sized(buffer, value_at, end)
    _, position = read_headers(buffer, headers_at, end)
    if position != end:
        raise _malformed("the end of the record", f"{end - position} more bytes", position)
    columns.times.append(time)
    columns.key_starts.append(key_start)
    columns.key_sizes.append(key_size)
    columns.starts.append(value_start)
    columns.sizes.append(value_size)
    columns.header_starts.append(headers_at)
    return end


def _malformed(expected: str, found: object, position: int) -> MalformedBytes:
    return MalformedBytes("record batch", expected, found, position)

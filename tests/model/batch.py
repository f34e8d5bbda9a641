"""Kafka's v2 record batches: formats.md, section 2."""

import struct
from dataclasses import dataclass

from tests.model.constants import BATCH_BYTES_MAX, BATCH_RECORDS_MAX

HEADER = ">qiibIhiqqqhii"  # base offset … record count, 61 bytes
TABLE = []
for number in range(256):
    entry = number
    for _ in range(8):
        entry = (entry >> 1) ^ (0x82F63B78 if entry & 1 else 0)
    TABLE.append(entry)


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


class BadBatch(ValueError):
    """The bytes are not a record batch."""


@dataclass(frozen=True)
class Record:
    """One record of a log. `time` is in milliseconds."""

    offset: int
    time: int
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[bytes, bytes | None], ...] = ()
    control: bool = False
    transactional: bool = False


def varint(value: int) -> bytes:
    number = value << 1 if value >= 0 else (-value << 1) - 1
    out = bytearray()
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def sized(data: bytes | None) -> bytes:
    return varint(-1) if data is None else varint(len(data)) + data


def encode_batch(
    records: list[Record],
    *,
    append_time: bool = False,
    leader_epoch: int = 0,
    producer: tuple[int, int, int] = (-1, -1, -1),
    more_attributes: int = 0,
) -> bytes:
    """One batch; offsets are dense, and control and transactional are those of the first record."""
    first = records[0]
    base_time = first.time
    body = bytearray()
    for index, record in enumerate(records):
        assert record.offset == first.offset + index
        delta = 0 if append_time else record.time - base_time
        inner = b"\0" + varint(delta) + varint(index) + sized(record.key) + sized(record.value)
        inner += varint(len(record.headers))
        inner += b"".join(sized(name) + sized(value) for name, value in record.headers)
        body += varint(len(inner)) + inner
    attributes = append_time * 8 | first.transactional * 16 | first.control * 32 | more_attributes
    max_time = max(record.time for record in records)
    tail = struct.pack(
        ">hiqqqhii", attributes, len(records) - 1, base_time, max_time, *producer[:2], producer[2], len(records)
    ) + bytes(body)
    return struct.pack(">qiibI", first.offset, len(tail) + 9, leader_epoch, 2, crc32c(tail)) + tail


class _Reader:
    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def varint(self, bits: int = 32) -> int:
        number = shift = 0
        while True:
            if self.at >= len(self.data):
                raise BadBatch("a varint beyond the batch")
            byte = self.data[self.at]
            self.at += 1
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
            if shift >= (35 if bits == 32 else 70):
                raise BadBatch("a varint that is too long")
        if (byte == 0 and shift > 7) or number >= 2**bits:
            raise BadBatch("a varint longer than needed, or too large")
        return number >> 1 if number % 2 == 0 else -(number >> 1) - 1

    def take(self, size: int) -> bytes:
        if size < 0 or self.at + size > len(self.data):
            raise BadBatch("a length beyond the batch")
        self.at += size
        return self.data[self.at - size : self.at]

    def sized(self) -> bytes | None:
        size = self.varint()
        return None if size == -1 else self.take(size)


def _record(reader: _Reader, index: int) -> tuple[int, bytes | None, bytes | None, tuple]:
    size = reader.varint()
    inner = _Reader(reader.take(size), 0)
    inner.take(1)  # attributes, which nobody checks
    delta = inner.varint(64)
    if inner.varint() != index:
        raise BadBatch("offsets are not dense")
    key, value = inner.sized(), inner.sized()
    count = inner.varint()
    if count < 0:
        raise BadBatch("fewer than no headers")
    headers = []
    for _ in range(count):
        name = inner.sized()
        if name is None:
            raise BadBatch("a header without a name")
        headers.append((name, inner.sized()))
    if inner.at != len(inner.data):
        raise BadBatch("bytes left over in a record")
    return delta, key, value, tuple(headers)


def decode_batch(data: bytes, at: int = 0) -> tuple[list[Record], int]:
    """The records of the batch that begins at `at`, and where it ends."""
    if len(data) - at < 61:
        raise BadBatch("shorter than a batch's header")
    base, length, _epoch, magic, crc, attributes, last, base_time, max_time, _pid, _pepoch, _seq, count = (
        struct.unpack_from(HEADER, data, at)
    )
    if base < 0 or not 49 <= length <= BATCH_BYTES_MAX - 12 or magic != 2:
        raise BadBatch("base offset, length or magic")
    end = at + 12 + length
    if end > len(data):
        raise BadBatch("shorter than its length says")
    if crc32c(data[at + 21 : end]) != crc:
        raise BadBatch("CRC")
    if attributes & 7:
        raise BadBatch("compressed")
    if not 1 <= count <= BATCH_RECORDS_MAX or last != count - 1 or base + last >= 2**63:
        raise BadBatch("record count")
    reader = _Reader(data[at:end], 61)
    records = []
    for index in range(count):
        delta, key, value, headers = _record(reader, index)
        time = max_time if attributes & 8 else base_time + delta
        if not -(2**63) <= time < 2**63:
            raise BadBatch("a time beyond 64 bits")
        control, transactional = bool(attributes & 32), bool(attributes & 16)
        records.append(Record(base + index, time, value, key, headers, control, transactional))
    if reader.at != len(reader.data):
        raise BadBatch("bytes left over")
    return records, end


def decode_batches(data: bytes) -> list[Record]:
    records: list[Record] = []
    at = 0
    while at < len(data):
        more, at = decode_batch(data, at)
        records += more
    return records

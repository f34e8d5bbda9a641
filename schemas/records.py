"""Records as columns: what a batch decodes to and what the machine steps over.

Keys, values and headers stay where they are, in one buffer; the columns say where. Nothing is copied until
somebody asks for a value, and nothing here can be changed. Offsets are dense: record i has offset `first + i`.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from mmsb.schemas.errors import MalformedBytes
from mmsb.schemas.varints import encode_varint, read_varint

CONTROL: Final = 1
TRANSACTIONAL: Final = 2
NO_TIME: Final = -1  # what Kafka writes for a record without a time; the partition clock ignores it
NULL: Final = -1  # the size of a key or value that is not there; not the same as an empty one

Buffer = bytes | memoryview
Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class Record:
    """One record as a producer hands it over; `time` is in milliseconds."""

    key: bytes | None
    value: bytes | None
    time: int = NO_TIME
    headers: Headers = ()


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """Consecutive records of one partition. Two are equal when their records are, wherever these lie.

    Columns may be rows of an array (mmsb.processors.intake), whose elements are no Python integers: ask the methods.
    """

    first: int
    times: Sequence[int]
    flags: bytes
    key_starts: Sequence[int]
    key_sizes: Sequence[int]
    starts: Sequence[int]
    sizes: Sequence[int]
    header_starts: Sequence[int]
    buffer: Buffer

    @classmethod
    def of(
        cls,
        first: int,
        records: Sequence[Record],
        *,
        control: bool = False,
        transactional: bool = False,
    ) -> "Records":
        """Columns of records that were never in a batch."""
        content = bytearray()
        columns = Columns()
        for record in records:
            key, value = record.key or b"", record.value or b""
            at = len(content)
            columns.times.append(record.time)
            columns.key_starts.append(at)
            columns.key_sizes.append(NULL if record.key is None else len(key))
            columns.starts.append(at + len(key))
            columns.sizes.append(NULL if record.value is None else len(value))
            columns.header_starts.append(at + len(key) + len(value))
            content += key + value + encode_headers(record.headers)
        return columns.over(first, flags_of(control, transactional), bytes(content))

    def __len__(self) -> int:
        return len(self.sizes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Records):
            return NotImplemented
        return (self.first, self.flags, *self) == (other.first, other.flags, *other)

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[Record]:
        return map(self.record, range(len(self)))

    @property
    def last(self) -> int:
        """The offset of the last record; `first - 1` when there are none."""
        return self.first + len(self) - 1

    def time(self, index: int) -> int:
        return int(self.times[index])

    def key(self, index: int) -> bytes | None:
        return _cut(self.buffer, self.key_starts[index], self.key_sizes[index])

    def value(self, index: int) -> bytes | None:
        return _cut(self.buffer, self.starts[index], self.sizes[index])

    def headers(self, index: int) -> Headers:
        return read_headers(self.buffer, int(self.header_starts[index]), len(self.buffer))[0]

    def record(self, index: int) -> Record:
        return Record(self.key(index), self.value(index), self.time(index), self.headers(index))

    def slice(self, start: int, stop: int) -> "Records":
        """The records with index `start` up to `stop`, over the same buffer."""
        assert 0 <= start <= stop <= len(self), "a slice lies within its records"
        return Records(
            self.first + start,
            self.times[start:stop],
            self.flags[start:stop],
            self.key_starts[start:stop],
            self.key_sizes[start:stop],
            self.starts[start:stop],
            self.sizes[start:stop],
            self.header_starts[start:stop],
            self.buffer,
        )


class Columns:
    """Columns while they grow."""

    def __init__(self) -> None:
        self.times = array("q")
        self.key_starts = array("q")
        self.key_sizes = array("q")
        self.starts = array("q")
        self.sizes = array("q")
        self.header_starts = array("q")

    def over(self, first: int, flags: int, buffer: Buffer) -> Records:
        """The finished columns, all with the same flags."""
        return Records(
            first,
            self.times,
            bytes([flags]) * len(self.sizes),
            self.key_starts,
            self.key_sizes,
            self.starts,
            self.sizes,
            self.header_starts,
            buffer,
        )


def flags_of(control: bool, transactional: bool) -> int:
    return CONTROL * control + TRANSACTIONAL * transactional


def concat(parts: Sequence[Records]) -> Records:
    """Consecutive records as one. Each buffer is taken once, however many of the parts lie in it."""
    assert parts, "there is something to join"
    for before, after in pairwise(parts):
        assert after.first == before.last + 1, "records that are joined follow each other"
    buffers = {id(part.buffer): part.buffer for part in parts}
    shifts: dict[int, int] = {}
    end = 0
    for key, buffer in buffers.items():
        shifts[key] = end
        end += len(buffer)
    moved = [(part, shifts[id(part.buffer)]) for part in parts]
    return Records(
        parts[0].first,
        array("q", (time for part in parts for time in part.times)),
        b"".join(part.flags for part in parts),
        array("q", (start + shift for part, shift in moved for start in part.key_starts)),
        array("q", (size for part in parts for size in part.key_sizes)),
        array("q", (start + shift for part, shift in moved for start in part.starts)),
        array("q", (size for part in parts for size in part.sizes)),
        array("q", (start + shift for part, shift in moved for start in part.header_starts)),
        parts[0].buffer if len(buffers) == 1 else b"".join(buffers.values()),
    )


def encode_headers(headers: Headers) -> bytes:
    content = bytearray(encode_varint(len(headers)))
    for name, value in headers:
        # Kafka does not check names: bytes that are no UTF-8 come back as they were.
        raw = name.encode("utf-8", "surrogateescape")
        content += encode_varint(len(raw)) + raw
        content += encode_varint(NULL) if value is None else encode_varint(len(value)) + value
    return bytes(content)


def read_headers(buffer: Buffer, at: int, end: int) -> tuple[Headers, int]:
    """The headers that begin at `at`, and where they end."""
    count, at = read_varint(buffer, at, end)
    if not 0 <= count <= (end - at) // 2:  # a header takes two bytes at least
        raise MalformedBytes("record batch", "a header count that fits the record", count, at)
    headers: list[tuple[str, bytes | None]] = []
    for _ in range(count):
        start, size, at = read_sized(buffer, at, end)
        if size == NULL:
            raise MalformedBytes("record batch", "a header name", "null", start - 1)
        name = bytes(buffer[start:at]).decode("utf-8", "surrogateescape")
        start, size, at = read_sized(buffer, at, end)
        headers.append((name, _cut(buffer, start, size)))
    return tuple(headers), at


def read_sized(buffer: Buffer, at: int, end: int) -> tuple[int, int, int]:
    """A length and that many bytes: where they begin, how many, where they end. −1 is null and has none."""
    size, start = read_varint(buffer, at, end)
    if not NULL <= size <= end - start:
        raise MalformedBytes("record batch", "a length that fits the record, or -1", size, at)
    return start, size, start + max(size, 0)


def _cut(buffer: Buffer, start: int, size: int) -> bytes | None:
    return None if size == NULL else bytes(buffer[start : start + size])

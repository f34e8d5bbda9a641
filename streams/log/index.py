"""Where offsets lie in a segment: one entry for every INDEX_BYTES of it, in memory and in a file beside it.

The file is written when its segment is sealed and says nothing that the segment does not: it saves scanning. Whatever
is wrong with it, the segment is scanned instead (docs/formats.md, section 15).
"""

import struct
from array import array
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

import numpy as np
from blake3 import blake3

from mmsb.schemas.errors import MalformedBytes, NewerFormat

INDEX_BYTES: Final = 65_536
"""A batch has an entry if it begins this far or more behind the one that has the last: smaller finds faster, larger
keeps less. Canonical, so it is part of the format."""

HEADER_BYTES: Final = 48
_MAGIC: Final = b"MMO\x01"
_HEADER: Final = struct.Struct("<4sIqqq8s")  # magic, entries, base, end, segment's size, hash of the entries
_HASH_BYTES: Final = 8
_ENTRY_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Summary:
    """What the header of an index file says of its segment."""

    base: int
    end: int  # the offset after its last record
    size: int  # in bytes


class SparseIndex:
    """Entries of one segment, in order. One thread may add while others look up: an entry's offset comes last."""

    def __init__(self) -> None:
        self.offsets = array("q")
        self.positions = array("q")

    @property
    def next_position(self) -> int:
        """From where on a batch gets an entry."""
        return self.positions[-1] + INDEX_BYTES if self.positions else 0

    def add(self, offset: int, position: int) -> None:
        """Take note of a batch, if it is far enough behind the last one noted."""
        if position >= self.next_position:
            self.positions.append(position)
            self.offsets.append(offset)

    def find(self, offset: int) -> tuple[int, int]:
        """Offset and position of the last batch noted that begins at `offset` or below."""
        at = bisect_right(self.offsets, offset) - 1
        return self.offsets[at], self.positions[at]

    def cut(self, position: int) -> None:
        """Forget what lies at a position or behind it."""
        while self.positions and self.positions[-1] >= position:
            self.offsets.pop()
            self.positions.pop()


def encode_index(summary: Summary, index: SparseIndex) -> bytes:
    entries = np.stack([np.array(index.offsets, "<i8"), np.array(index.positions, "<i8")], axis=1).tobytes()
    count = len(index.offsets)
    header = _HEADER.pack(_MAGIC, count, summary.base, summary.end, summary.size, _hash(entries))
    return header + _hash(header) + entries


def decode_summary(data: bytes) -> Summary:
    """The header alone: enough to trust a sealed segment without reading it."""
    if len(data) < HEADER_BYTES:
        raise _malformed(f"{HEADER_BYTES} bytes of header", f"{len(data)} bytes", 0)
    magic, count, base, end, size, _ = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        if magic[:3] == _MAGIC[:3] and magic[3] > _MAGIC[3]:
            raise NewerFormat(
                f"log index: expected version {_MAGIC[3]}, found {magic[3]}; use the release that wrote it"
            )
        raise _malformed(repr(_MAGIC), repr(magic), 0)
    if data[_HEADER.size : HEADER_BYTES] != _hash(data[: _HEADER.size]):
        raise _malformed("the hash of the header", "another", _HEADER.size)
    if not 0 <= base < end or not count or size <= 0:
        raise _malformed("a segment that holds something", f"offsets {base} to {end} in {size} bytes", 4)
    return Summary(base, end, size)


def decode_index(data: bytes) -> tuple[Summary, SparseIndex]:
    """All of an index file; refuses what `encode_index` would not have written for any segment."""
    summary = decode_summary(data)
    count, entries = _HEADER.unpack_from(data)[1], data[HEADER_BYTES:]
    if len(entries) != count * _ENTRY_BYTES:
        raise _malformed(f"{count} entries", f"{len(entries)} bytes", HEADER_BYTES)
    if _HEADER.unpack_from(data)[5] != _hash(entries):
        raise _malformed("the hash of the entries", "another", _HEADER.size - _HASH_BYTES)
    table = np.frombuffer(entries, "<i8").reshape(count, 2)
    offsets, positions = table[:, 0], table[:, 1]
    if offsets[0] != summary.base or positions[0] != 0:
        raise _malformed(f"a first entry of {summary.base} at 0", f"{offsets[0]} at {positions[0]}", HEADER_BYTES)
    if offsets[-1] >= summary.end or positions[-1] >= summary.size:
        raise _malformed("entries within the segment", f"{offsets[-1]} at {positions[-1]}", HEADER_BYTES)
    if count > 1 and (np.diff(offsets).min() < 1 or np.diff(positions).min() < INDEX_BYTES):
        raise _malformed(f"entries {INDEX_BYTES} bytes or more apart", "others", HEADER_BYTES)
    index = SparseIndex()
    index.offsets.frombytes(offsets.astype(np.int64).tobytes())
    index.positions.frombytes(positions.astype(np.int64).tobytes())
    return summary, index


def _hash(data: bytes) -> bytes:
    return blake3(data).digest(_HASH_BYTES)


def _malformed(expected: str, found: str, position: int) -> MalformedBytes:
    return MalformedBytes("log index", expected, found, position)

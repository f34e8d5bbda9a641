"""What RocksDB finds behind the rows of a file: which keys it has, where its blocks are, and what it is.

docs/formats.md, section 19.
"""

import secrets
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from mmsb.kernels.table_files import blocks, filters
from mmsb.kernels.table_files.xxh64 import hash_bytes

FORMAT: Final = 5  # of RocksDB's tables
MAGIC: Final = 0x88E2_41B7_85F4_CFF7
XXH64: Final = 3  # which checksum its blocks have

_FOOTER_BYTES: Final = 53
_SESSION_LETTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SESSION_SIZE: Final = 20
_FILTER: Final = b"fullfilter.rocksdb.BuiltinBloomFilter"
_PROPERTIES: Final = b"rocksdb.properties"


@dataclass
class Counted:
    """What is told of the rows of a file."""

    rows: int = 0
    removed: int = 0
    key_bytes: int = 0
    value_bytes: int = 0


def make_tail(start: int, session: str, hashes: Any, index: bytes, block_count: int, counted: Counted) -> bytes:
    """All that comes behind the rows, which end at `start`; `hashes` are those of their keys."""
    tail = Tail(start)
    kept = tail.block(_filter(hashes))
    found = tail.block(index)
    numbers = {
        "rocksdb.data.size": start,
        "rocksdb.deleted.keys": counted.removed,
        "rocksdb.filter.size": kept[1],
        "rocksdb.format.version": FORMAT,
        "rocksdb.index.key.is.user.key": 1,
        "rocksdb.index.size": len(index) + blocks.TRAILER,
        "rocksdb.index.value.is.delta.encoded": 1,
        "rocksdb.key.largest.seqno": 0,
        "rocksdb.num.data.blocks": block_count,
        "rocksdb.num.entries": counted.rows,
        "rocksdb.num.filter_entries": counted.rows,
        "rocksdb.original.file.number": 1,
        "rocksdb.raw.key.size": counted.key_bytes,
        "rocksdb.raw.value.size": counted.value_bytes,
        "rocksdb.tail.start.offset": start,
    }
    told = _told(session) | {name.encode(): number_of(value) for name, value in numbers.items()}
    properties = tail.block(_named(told))
    places = tail.block(_named({_FILTER: _handle(kept), _PROPERTIES: _handle(properties)}))
    return tail.ended(places, found)


class Tail:
    """What comes behind the rows: blocks of which each is named by an earlier or a later one."""

    def __init__(self, start: int) -> None:
        self._start = start
        self._data = bytearray()

    def block(self, content: bytes) -> tuple[int, int]:
        """Add a block; gives where it is, and how long without its checksum."""
        place = self._start + len(self._data)
        data = content + b"\0"
        self._data += data
        self._data += (int(hash_bytes(np.frombuffer(data, np.uint8))) & 0xFFFF_FFFF).to_bytes(4, "little")
        return place, len(content)

    def ended(self, places: tuple[int, int], index: tuple[int, int]) -> bytes:
        handles = bytes((XXH64,)) + _handle(places) + _handle(index)
        end = FORMAT.to_bytes(4, "little") + MAGIC.to_bytes(8, "little")
        return bytes(self._data) + handles.ljust(_FOOTER_BYTES - len(end), b"\0") + end


def _filter(hashes: Any) -> bytes:
    lines = -(-len(hashes) * filters.BITS // (8 * filters.LINE)) | 1  # odd, so that more of a hash decides
    bits = np.zeros(lines * filters.LINE, np.uint8)
    filters.set_bits(hashes, bits, lines)
    return bits.tobytes() + bytes((filters.PROBES,)) + lines.to_bytes(4, "little")


def new_session() -> str:
    return "".join(secrets.choice(_SESSION_LETTERS) for _ in range(_SESSION_SIZE))


def _told(session: str) -> dict[bytes, bytes]:
    return {
        b"rocksdb.block.based.table.index.type": bytes(4),
        b"rocksdb.block.based.table.prefix.filtering": b"0",
        b"rocksdb.block.based.table.whole.key.filtering": b"1",
        b"rocksdb.comparator": b"leveldb.BytewiseComparator",
        b"rocksdb.compression": b"NoCompression",
        b"rocksdb.creating.db.identity": b"MMSB",
        b"rocksdb.creating.session.identity": session.encode(),
        b"rocksdb.external_sst_file.global_seqno": bytes(8),
        b"rocksdb.external_sst_file.version": (2).to_bytes(4, "little"),
    }


def _named(values: dict[bytes, bytes]) -> bytes:
    """A block of names and what they stand for."""
    data, entries = bytearray(), list[int]()
    for name, value in sorted(values.items()):
        entries.append(len(data))
        data += b"\0" + number_of(len(name)) + number_of(len(value)) + name + value
    return with_entries(bytes(data), entries)


def with_entries(data: bytes, entries: Any) -> bytes:
    """A block of which all entries are named, as RocksDB searches them."""
    places: bytes = np.asarray(entries).astype("<u4").tobytes()
    return data + places + len(entries).to_bytes(4, "little")


def _handle(block: tuple[int, int]) -> bytes:
    return number_of(block[0]) + number_of(block[1])


def number_of(number: int) -> bytes:
    """Seven bits in a byte, the lowest first."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)

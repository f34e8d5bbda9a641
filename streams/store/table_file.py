"""Writes rows as a sorted file that RocksDB takes over: the same as its own writer makes, from columns, by kernels.

    blocks of rows ─▶ filter ─▶ index ─▶ properties ─▶ where those three are ─▶ footer

docs/formats.md, section 19, says what is in them; docs/decisions/0016 why RocksDB's writer does not do.
"""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmsb.kernels.table_files import blocks, filters
from mmsb.kernels.table_files.xxh64 import hash_bytes
from mmsb.schemas.errors import InvalidValue
from mmsb.state.store import Row, Run
from mmsb.streams.store.ahead import AheadFile

FORMAT: Final = 5  # of RocksDB's tables
MAGIC: Final = 0x88E2_41B7_85F4_CFF7
XXH64: Final = 3  # which checksum its blocks have

PACKED_BYTES: Final = 1 << 20
"""Single rows are put together into columns of about so many bytes."""

WORD: Final = 8

_FOOTER_BYTES: Final = 53
_SESSION_LETTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SESSION_SIZE: Final = 20
_FILTER: Final = b"fullfilter.rocksdb.BuiltinBloomFilter"
_PROPERTIES: Final = b"rocksdb.properties"

Bytes = Any  # a u8 array
Places = Any  # an i64 array


@dataclass(frozen=True)
class Columns:
    """Rows: all keys, values, and where each begins; both `starts` have one more entry than there are rows."""

    keys: Bytes
    key_starts: Places
    values: Bytes
    value_starts: Places

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "Columns":
        keys, values = [key for key, _ in rows], [value for _, value in rows]
        return cls(*_column(keys), *_column(values))

    @classmethod
    def of_run(cls, run: Run) -> "Columns":
        count, size = run.keys.shape
        key_starts = np.arange(0, (count + 1) * size, size, dtype=np.int64)
        return cls(run.keys.reshape(-1), key_starts, run.words.view(np.uint8), WORD * run.starts)

    def __len__(self) -> int:
        return len(self.key_starts) - 1

    def key(self, row: int) -> bytes:
        start, stop = self.key_starts[row : row + 2].tolist()
        found: bytes = self.keys[start:stop].tobytes()
        return found


def _column(parts: list[bytes]) -> tuple[Bytes, Places]:
    starts = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=starts[1:])
    return np.frombuffer(bytearray().join(parts), np.uint8), starts  # as runs have it: memory that can be written


def columns_of(pieces: Iterable[Row | Run]) -> Iterator[Columns]:
    """Runs as they are, and single rows some at once."""
    rows, size = list[Row](), 0
    for piece in pieces:
        if not isinstance(piece, Run):
            rows.append(piece)
            size += len(piece[1])
        if rows and (isinstance(piece, Run) or size >= PACKED_BYTES):
            yield Columns.of(rows)
            rows, size = [], 0
        if isinstance(piece, Run):
            yield Columns.of_run(piece)
    if rows:
        yield Columns.of(rows)


class TableFile:
    """One such file, from its first row to its last."""

    def __init__(self, path: Path, session: str) -> None:
        """`session` is a `new_session`: RocksDB tells files apart by it."""
        self._path = path
        self._session = session
        self._file = AheadFile(path)
        self._memory = self._file.memory()
        self._writing = np.zeros(blocks.WRITING, np.int64)
        self._entries = np.empty(blocks.ENTRIES_MAX, np.int64)
        self._index: Bytes = np.empty(0, np.uint8)
        self._index_entries: Places = np.empty(0, np.int64)
        self._hashes: list[Any] = []
        self._last: bytes | None = None
        self._removed = self._key_bytes = self._value_bytes = 0

    def add(self, rows: Columns) -> None:
        """Rows whose keys rise, and are greater than all before."""
        if not len(rows):
            return
        self._check(rows)
        self._make_room_in_index(rows)
        at = 0
        while at < len(rows):
            at = int(
                blocks.add_rows(
                    rows.keys, rows.key_starts, rows.values, rows.value_starts, at,
                    self._memory, self._writing, self._entries, self._index, self._index_entries,
                )
            )  # fmt: skip
            if at < len(rows):
                self._write_part(_needed(rows, at))
        self._note(rows)

    def finish(self) -> int:
        """Make it complete and durable; gives its size."""
        assert self._last is not None, "a table has rows"
        last = np.frombuffer(self._last, np.uint8)
        blocks.end_block(last, self._memory, self._writing, self._entries, self._index, self._index_entries)
        tail = self._tail(int(self._writing[blocks.FILE] + self._writing[blocks.AT]))
        self._write_part(len(tail))
        at = int(self._writing[blocks.AT])
        self._memory[at : at + len(tail)] = np.frombuffer(tail, np.uint8)
        self._file.write(self._memory, at + len(tail))
        self._file.finish()
        return self._file.written

    def close(self) -> None:
        """Let go of the file, complete or not."""
        self._file.close()

    def _check(self, rows: Columns) -> None:
        if not blocks.do_rise(rows.keys, rows.key_starts) or (self._last is not None and rows.key(0) <= self._last):
            raise InvalidValue(
                f"{self._path.parent}: expected rows whose keys rise, found one that does not: sort them"
            )

    def _make_room_in_index(self, rows: Columns) -> None:
        """For the case that each row completes a block."""
        longest = int(np.diff(rows.key_starts).max())
        size = int(self._writing[blocks.INDEX_AT]) + (len(rows) + 2) * (longest + blocks.HANDLE_MAX + 6)
        self._index = _grown(self._index, size)
        self._index_entries = _grown(self._index_entries, int(self._writing[blocks.BLOCKS]) + len(rows) + 2)

    def _note(self, rows: Columns) -> None:
        hashes = np.empty(len(rows), np.uint64)
        filters.hash_keys(rows.keys, rows.key_starts, hashes)
        self._hashes.append(hashes)
        self._last = rows.key(len(rows) - 1)
        self._removed += int(np.count_nonzero(np.diff(rows.value_starts) == 0))
        self._key_bytes += int(rows.key_starts[-1] - rows.key_starts[0]) + 8 * len(rows)
        self._value_bytes += int(rows.value_starts[-1] - rows.value_starts[0])

    def _write_part(self, more: int) -> None:
        """Hand over all blocks that are complete, and go on in other memory, with so much room beside what is not."""
        done, at = int(self._writing[blocks.BEGIN]), int(self._writing[blocks.AT])
        memory = self._file.memory(at - done + more + 4 * blocks.ENTRIES_MAX)
        memory[: at - done] = self._memory[done:at]
        if done:
            self._file.write(self._memory, done)
        self._memory = memory
        self._writing[blocks.FILE] += done
        self._writing[blocks.BEGIN] -= done
        self._writing[blocks.AT] -= done

    def _tail(self, start: int) -> bytes:
        """All that comes behind the rows."""
        tail = Tail(start)
        count, known = int(self._writing[blocks.BLOCKS]), int(self._writing[blocks.INDEX_AT])
        hashes = np.concatenate(self._hashes)
        index = _with_entries(self._index[:known].tobytes(), self._index_entries[:count])
        filter_at, filter_size = tail.block(_filter(hashes))
        index_handle = tail.block(index)
        numbers = {
            "rocksdb.data.size": start,
            "rocksdb.deleted.keys": self._removed,
            "rocksdb.filter.size": filter_size,
            "rocksdb.format.version": FORMAT,
            "rocksdb.index.key.is.user.key": 1,
            "rocksdb.index.size": len(index) + blocks.TRAILER,
            "rocksdb.index.value.is.delta.encoded": 1,
            "rocksdb.key.largest.seqno": 0,
            "rocksdb.num.data.blocks": count,
            "rocksdb.num.entries": len(hashes),
            "rocksdb.num.filter_entries": len(hashes),
            "rocksdb.original.file.number": 1,
            "rocksdb.raw.key.size": self._key_bytes,
            "rocksdb.raw.value.size": self._value_bytes,
            "rocksdb.tail.start.offset": start,
        }
        properties = tail.block(
            _named({name.encode(): number_of(value) for name, value in numbers.items()} | _fixed(self._session))
        )
        places = _named({_FILTER: _handle((filter_at, filter_size)), _PROPERTIES: _handle(properties)})
        return tail.ended(tail.block(places), index_handle)


def _needed(rows: Columns, at: int) -> int:
    """How much room one row may take."""
    key, value = np.diff(rows.key_starts[at : at + 2])[0], np.diff(rows.value_starts[at : at + 2])[0]
    return int(key + value) + blocks.ENTRY_MAX + blocks.TRAILER + 8


def _grown(array: Any, size: int) -> Any:
    if size <= len(array):
        return array
    larger = np.empty(max(size, 2 * len(array)), array.dtype)
    larger[: len(array)] = array
    return larger


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


def _fixed(session: str) -> dict[bytes, bytes]:
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
    return _with_entries(bytes(data), entries)


def _with_entries(data: bytes, entries: Any) -> bytes:
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

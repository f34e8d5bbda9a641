"""The file of a page index, beside its sealed segment (docs/formats.md, section 16).

It says nothing that the segment does not. Blocks and entries lie in sheets of 4 KiB, each with a hash in a directory,
so that a look-up reads and checks a few sheets of a file that may be large. Whatever is wrong with it, it is made anew.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from blake3 import blake3

from mmsb.kernels.memory import Words
from mmsb.schemas.errors import MalformedBytes, NewerFormat
from mmsb.schemas.records import Buffer
from mmsb.streams.files import File, Files
from mmsb.streams.folder import Progress
from mmsb.streams.log.segments import log_path
from mmsb.streams.past.growing import BlockPlace, Entries, GrowingIndex, Place, Standing, word_of

SHEET_BYTES: Final = 4096
"""How much is read and hashed at once: smaller makes the directory larger, larger makes a look-up slower. On disk."""

BLOCKS: Final = np.dtype(
    {
        "names": ["last", "clock", "tlog", "position", "size", "value", "offsets", "deltas", "metadata", "zero"],
        "formats": ["<i8", "<i8", "<u4", "<u4", "<u4", "<u4", "<u4", "<u4", "<u4", "<u4"],
    }
)
ENTRIES: Final = np.dtype([("page", "<u8"), ("note", "<u8")])
MARKS: Final = np.dtype({"names": ["tlog", "position", "size"], "formats": ["<i8", "<u4", "<u4"]})

_MAGIC: Final = b"MMX\x02"
_HEADER: Final = struct.Struct("<4sI3q3qQQ32s32s8s")
_HASH_BYTES: Final = 8
HEADER_BYTES: Final = _HEADER.size + _HASH_BYTES
_FENCES: Final = np.dtype([("first", "<u8"), ("hash", f"V{_HASH_BYTES}")])

assert (HEADER_BYTES, BLOCKS.itemsize, ENTRIES.itemsize, _FENCES.itemsize) == (152, 48, 16, 16)


def pages_path(folder: Path, base: int) -> Path:
    return folder / f"{base:020}.pages"


@dataclass(frozen=True, slots=True)
class Summary:
    """What the header says of the segment, beside what is counted there."""

    base: int
    end: int  # the offset after its last record
    size: int  # in bytes
    before: Standing  # its clock is not in the file, and 0 here
    after: Standing


def summary_of(index: GrowingIndex) -> Summary:
    before = Standing(index.before.settled, index.before.head)
    return Summary(index.base, index.end, index.size, before, index.after)


def encode_pages(index: GrowingIndex) -> Iterator[Buffer]:
    """The file of an index, in parts."""
    return encode(summary_of(index), index.marks, _block_rows(index), index.entries.view(ENTRIES)[:, 0])


def encode(summary: Summary, places: Sequence[Place], blocks: Any, entries: Any) -> Iterator[Buffer]:
    marks = np.array([tuple(place) for place in places], MARKS)
    parts = [np.ascontiguousarray(rows).view(np.uint8).data for rows in (blocks, entries)]
    fences = np.concatenate([_fences(blocks, parts[0]), _fences(entries, parts[1])])
    directory = marks.tobytes() + fences.tobytes()
    before, after = summary.before, summary.after
    header = _HEADER.pack(
        _MAGIC, len(marks), summary.base, summary.end, summary.size, before.settled, after.settled, after.clock,
        len(blocks), len(entries), before.head, after.head, _hash(directory),
    )  # fmt: skip
    yield header + _hash(header) + directory
    yield from filter(len, parts)


def _block_rows(index: GrowingIndex) -> Any:
    rows: Any = np.zeros(index.block_count, BLOCKS)
    for name, column in zip(BlockPlace._fields, index.columns, strict=True):
        rows[name] = np.array(column, np.int64) - (index.base if name == "tlog" else 0)
    return rows


def _fences(rows: Any, data: memoryview) -> Any:
    """What the directory says of each sheet of some rows."""
    firsts = rows[rows.dtype.names[0]][:: _per_sheet(rows.dtype)]
    fences: Any = np.empty(len(firsts), _FENCES)
    fences["first"] = firsts
    size = _per_sheet(rows.dtype) * rows.dtype.itemsize
    hashes = b"".join([_hash(data[start : start + size]) for start in range(0, len(data), size)])
    fences["hash"] = np.frombuffer(hashes, f"V{_HASH_BYTES}")
    return fences


def write_pages(files: Files, folder: Path, index: GrowingIndex, tell: Progress = lambda _, __: None) -> None:
    """Put an index beside its sealed segment, whole or not at all."""
    path = pages_path(folder, index.base)
    new = path.with_suffix(".pages-new")
    if files.exists(new):
        files.remove(new)
    file, position = files.create(new), 0
    try:
        for part in encode_pages(index):
            file.write(position, part)
            position += len(part)
            tell(index.end, index.end)
        file.sync()
    finally:
        file.close()
    files.replace(new, path)
    if not files.exists(log_path(folder, index.base)):
        files.remove(path)  # the segment was trimmed meanwhile, and nobody would look for this again
    files.sync_folder(folder)


class _Table:
    """Rows in sheets, rising by their first field."""

    def __init__(self, file: File, at: int, count: int, form: Any, fences: Any) -> None:
        self._file = file
        self._at = at
        self._count = count
        self._form = form
        self._firsts = np.ascontiguousarray(fences["first"])
        self._hashes: bytes = fences["hash"].tobytes()
        self.per_sheet = _per_sheet(form)
        self._last: tuple[int, Any] = (-1, None)

    def sheet(self, number: int) -> Any:
        """The rows of a sheet; whoever looks at neighbours reads it once."""
        if self._last[0] != number:
            rows = min(self.per_sheet, self._count - number * self.per_sheet)
            at = self._at + number * self.per_sheet * self._form.itemsize
            data = self._file.read(at, rows * self._form.itemsize)
            if len(data) != rows * self._form.itemsize or not self._is_sound(number, data):
                raise _malformed("the sheet that the directory names", "another", at)
            self._last = number, np.frombuffer(data, self._form)
        return self._last[1]

    def _is_sound(self, number: int, data: bytes) -> bool:
        return _hash(data) == self._hashes[_HASH_BYTES * number : _HASH_BYTES * (number + 1)]

    def place(self, key: int) -> int:
        """The first row that does not begin with less."""
        if not self._count:
            return 0
        number = max(int(np.searchsorted(self._firsts, np.uint64(key))) - 1, 0)
        rows = self.sheet(number)
        found = int(np.searchsorted(rows[self._form.names[0]].astype(np.uint64), np.uint64(key)))
        return int(number * self.per_sheet + found)

    def rows(self, start: int, stop: int) -> Any:
        parts: list[Any] = []
        while start < stop:
            number, within = divmod(start, self.per_sheet)
            part = self.sheet(number)[within : within + stop - start]
            parts.append(part)
            start += len(part)
        return np.concatenate(parts) if parts else np.empty(0, self._form)

    def take(self, numbers: Any) -> Any:
        """Rows by their numbers, each sheet read once."""
        rows = np.empty(len(numbers), self._form)
        sheets = np.asarray(numbers) // self.per_sheet
        for sheet in np.flatnonzero(np.bincount(sheets)).tolist() if len(numbers) else ():
            mine = np.flatnonzero(sheets == sheet)
            rows[mine] = self.sheet(sheet)[numbers[mine] - sheet * self.per_sheet]
        return rows


class _StoredEntries:
    """Entries in a file, read when they are asked for."""

    def __init__(self, table: _Table, start: int, end: int) -> None:
        self._table = table
        self._start = start
        self._end = end

    def __len__(self) -> int:
        return self._end - self._start

    def rows(self, start: int, stop: int) -> Words:
        rows: Words = self._table.rows(self._start + start, self._start + stop)
        return rows.view(np.uint64).reshape(-1, 2)


class StoredIndex:
    """A PageIndex in its file."""

    def __init__(self, file: File) -> None:
        self._file = file
        head = _read_head(file)
        self.summary, self.block_count, self._entry_count = head.summary, head.block_count, head.entry_count
        self.marks = [Place(*row.tolist()) for row in np.frombuffer(head.directory, MARKS, head.mark_count)]
        fences = np.frombuffer(head.directory, _FENCES, offset=MARKS.itemsize * head.mark_count)
        at, blocks = HEADER_BYTES + len(head.directory), _sheet_count(self.block_count, BLOCKS)
        self._blocks = _Table(file, at, self.block_count, BLOCKS, fences[:blocks])
        at += BLOCKS.itemsize * self.block_count
        self._entries = _Table(file, at, self._entry_count, ENTRIES, fences[blocks:])

    def block(self, number: int) -> BlockPlace:
        row = self._blocks.sheet(number // self._blocks.per_sheet)[number % self._blocks.per_sheet]
        last, clock, tlog, *rest, _ = row.tolist()
        return BlockPlace(last, clock, self.summary.base + tlog, *rest)

    def blocks(self, numbers: Any) -> Any:
        rows = self._blocks.take(numbers)
        found = np.stack([rows[name].astype(np.int64) for name in BlockPlace._fields])
        found[BlockPlace._fields.index("tlog")] += self.summary.base
        return found

    def find(self, offset: int) -> int:
        return self._blocks.place(max(offset, 0))

    def deltas_of(self, page_hash: int, start: int, stop: int) -> Entries:
        return _StoredEntries(self._entries, *(self._entries.place(word_of(page_hash, each)) for each in (start, stop)))

    def content(self) -> tuple[Any, Any]:
        """All blocks and entries."""
        return self._blocks.rows(0, self.block_count), self._entries.rows(0, self._entry_count)

    def close(self) -> None:
        self._file.close()


class _Head(NamedTuple):
    summary: Summary
    mark_count: int
    block_count: int
    entry_count: int
    directory: bytes


def _per_sheet(form: Any) -> int:
    return SHEET_BYTES // int(form.itemsize)


def _sheet_count(rows: int, form: Any) -> int:
    return -(-rows // _per_sheet(form))


def _read_head(file: File) -> _Head:
    """Header and directory, checked; and that the file is as large as they say."""
    data = file.read(0, HEADER_BYTES)
    if len(data) < HEADER_BYTES:
        raise _malformed(f"{HEADER_BYTES} bytes of header", f"{len(data)} bytes", 0)
    magic, mark_count, base, end, size, settled_before, settled, clock, *rest = _HEADER.unpack_from(data)
    block_count, entry_count, head_before, head, directory_hash = rest
    if magic != _MAGIC:
        if magic[:3] == _MAGIC[:3] and magic[3] > _MAGIC[3]:
            found = f"expected version {_MAGIC[3]}, found {magic[3]}"
            raise NewerFormat(f"page index: {found}; use the release that wrote it")
        raise _malformed(repr(_MAGIC), repr(magic), 0)
    if data[_HEADER.size :] != _hash(data[: _HEADER.size]):
        raise _malformed("the hash of the header", "another", _HEADER.size)
    sheets = _sheet_count(block_count, BLOCKS) + _sheet_count(entry_count, ENTRIES)
    directory_size = MARKS.itemsize * mark_count + _FENCES.itemsize * sheets
    expected = HEADER_BYTES + directory_size + BLOCKS.itemsize * block_count + ENTRIES.itemsize * entry_count
    if file.size() != expected:
        raise _malformed(f"{expected} bytes", f"{file.size()} bytes", 4)
    directory = file.read(HEADER_BYTES, directory_size)
    if _hash(directory) != directory_hash:
        raise _malformed("the hash of the directory", "another", _HEADER.size - _HASH_BYTES)
    before, after = Standing(settled_before, head_before), Standing(settled, head, clock)
    return _Head(Summary(base, end, size, before, after), mark_count, block_count, entry_count, directory)


def _hash(data: bytes | memoryview) -> bytes:
    return blake3(data).digest(_HASH_BYTES)


def _malformed(expected: str, found: str, position: int) -> MalformedBytes:
    return MalformedBytes("page index", expected, found, position)

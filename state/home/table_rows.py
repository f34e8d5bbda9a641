"""Rows of remembered ids and of marks of sources: stretches of flat tables, each with a checksum.

docs/formats.md, section 18, says what a row is.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from mmsb.kernels.memory import Words
from mmsb.kernels.pages.buckets import CHECKSUM, HEAD, row_checksum
from mmsb.kernels.tables import id_window, source_marks
from mmsb.schemas.errors import CorruptState
from mmsb.state.arrays import ArrayIds, ArrayMarks
from mmsb.state.store import IDS, MARKS, Row, Snapshot, chunk_key

OFFSETS: Final = 1_024  # of which a row has the ids
SOURCES: Final = 256  # of which a row has the marks

_HEADS: Final = {IDS: 0x0152_4D4D, MARKS: 0x014D_4D4D}  # MMR and MMM, version 1
_AT_ONCE: Final = 16  # rows that are read together: what so many take is small beside what they become


class IdRows:
    """What the rows say of a partition's remembered ids."""

    def __init__(self, first: int = 0, end: int = 0) -> None:
        """Rows there are only of offsets from `first` up to `end`."""
        self.first = first
        self.end = end

    def changed(self, ids: ArrayIds) -> list[Row]:
        """The rows that are to be written, and those to be taken away, so that they say what is remembered."""
        floor, end = ids.span
        oldest = floor // OFFSETS
        gone = range(self.first // OFFSETS, min(oldest, -(-self.end // OFFSETS)))
        rows = [(chunk_key(IDS, chunk), b"") for chunk in gone]
        rows += _rows(ids, max(self.end, floor) // OFFSETS * OFFSETS, max(end, floor))
        self.first, self.end = oldest * OFFSETS, end
        return rows

    def read(self, store: Snapshot, ids: ArrayIds, span: tuple[int, int]) -> None:
        """Remember what the rows say."""
        chunks = range(self.first // OFFSETS, -(-self.end // OFFSETS))
        for words in _read(store, IDS, chunks, id_window.ROW):
            ids.enter(words)
        ids.go_back(span)


def _rows(ids: ArrayIds, start: int, end: int) -> Iterator[Row]:
    words = ids.words_from(start, end)
    chunks = (words[:, 0].astype(np.int64) - 1) // OFFSETS
    numbers, starts = np.unique(chunks, return_index=True)  # they rise, so each has one stretch
    bounds = [*starts.tolist(), len(words)]
    for at, chunk in enumerate(numbers.tolist()):
        yield chunk_key(IDS, chunk), _pack(IDS, chunk, words[bounds[at] : bounds[at + 1]])


class MarkRows:
    """What the rows say of a partition's marks."""

    def __init__(self, rows: Any = None) -> None:
        self._rows: Words = np.zeros((0, source_marks.ROW), np.uint64) if rows is None else rows

    def changed(self, marks: ArrayMarks) -> list[Row]:
        """The rows that are to be written, so that they say what the marks are; marks are never taken away."""
        now, before = marks.words(), self._rows
        rows: list[Row] = []
        for start in range(0, len(now), SOURCES):
            some = now[start : start + SOURCES]
            if not np.array_equal(some, before[start : start + SOURCES]):
                rows.append((chunk_key(MARKS, start // SOURCES), _pack(MARKS, start // SOURCES, some)))
        self._rows = now
        return rows

    @classmethod
    def read(cls, store: Snapshot, marks: ArrayMarks, count: int) -> "MarkRows":
        for words in _read(store, MARKS, range(-(-count // SOURCES)), source_marks.ROW):
            marks.enter(words)
        if len(marks) != count:
            raise CorruptState(f"store: expected {count} marks of sources, found {len(marks)}; restore a checkpoint")
        return cls(marks.words())


def _pack(kind: bytes, chunk: int, words: Words) -> bytes:
    row: Words = np.zeros(HEAD + words.size, np.uint64)
    row[:CHECKSUM] = _HEADS[kind], chunk, len(words)
    row[HEAD:] = words.reshape(-1)
    row[CHECKSUM] = row_checksum(row)
    packed: bytes = row.tobytes()
    return packed


def _read(store: Snapshot, kind: bytes, chunks: range, width: int) -> Iterator[Words]:
    """Each row once, as a stretch: a store need not remember it for the next who asks."""
    for start in range(chunks.start, chunks.stop, _AT_ONCE):
        stop = min(start + _AT_ONCE, chunks.stop)
        numbers = {chunk_key(kind, chunk): chunk for chunk in range(start, stop)}
        for key, data in store.rows(chunk_key(kind, start), chunk_key(kind, stop)):
            if key in numbers:
                yield unpack_table(kind, numbers[key], data, width)


def unpack_table(kind: bytes, chunk: int, data: bytes, width: int) -> Words:
    """The entries of a row, `width` words each."""
    row = np.frombuffer(data[: len(data) // 8 * 8], np.uint64)
    whole = len(data) % 8 == 0 and len(row) > HEAD and row[:2].tolist() == [_HEADS[kind], chunk]
    if not whole or len(row) != HEAD + width * int(row[2]) or row_checksum(row) != row[CHECKSUM]:
        what = "ids" if kind == IDS else "marks"
        raise CorruptState(f"store: expected row {chunk} of {what}, found something else; restore a checkpoint")
    return row[HEAD:].reshape(-1, width)

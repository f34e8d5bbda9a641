"""Writes rows as a sorted file that RocksDB takes over: the same as its own writer makes, from columns, by kernels.

    blocks of rows ─▶ filter ─▶ index ─▶ properties ─▶ where those three are ─▶ footer

docs/formats.md, section 19, says what is in them; docs/decisions/0017 why RocksDB's own writer does not do. What comes
behind the rows is mmsb.streams.store.table_tail's.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np

from mmsb.kernels.table_files import blocks, filters
from mmsb.schemas.errors import InvalidValue
from mmsb.streams.store.ahead import AheadFile
from mmsb.streams.store.columns import Bytes, Columns, Places
from mmsb.streams.store.table_tail import Counted, make_tail, with_entries

KEY_MORE: Final = 8  # bytes that RocksDB has behind each key: its number, 0 here, and whether the row is taken away


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
        self._hashes: list[Any] = []  # of keys
        self._last: bytes | None = None
        self._counted = Counted()

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
        self._counted.rows += len(rows)
        self._counted.removed += int(np.count_nonzero(np.diff(rows.value_starts) == 0))
        self._counted.key_bytes += int(rows.key_starts[-1] - rows.key_starts[0]) + KEY_MORE * len(rows)
        self._counted.value_bytes += int(rows.value_starts[-1] - rows.value_starts[0])

    def _write_part(self, more: int) -> None:
        """Hand over all blocks that are complete, and go on in other memory, with so much room beside what is not."""
        done, at = int(self._writing[blocks.BEGIN]), int(self._writing[blocks.AT])
        memory = self._file.memory(at - done + more + 4 * blocks.ENTRIES_MAX)
        memory[: at - done] = self._memory[done:at]
        self._file.write(self._memory, done)
        self._memory = memory
        self._writing[blocks.FILE] += done
        self._writing[blocks.BEGIN] -= done
        self._writing[blocks.AT] -= done

    def _tail(self, start: int) -> bytes:
        """All that comes behind the rows."""
        count, known = int(self._writing[blocks.BLOCKS]), int(self._writing[blocks.INDEX_AT])
        index = with_entries(self._index[:known].tobytes(), self._index_entries[:count])
        return make_tail(start, self._session, np.concatenate(self._hashes), index, count, self._counted)


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

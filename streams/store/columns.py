"""Rows in columns, as kernels take them: all keys one after another, all values, and where each begins."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from mmsb.state.store import Row, Run

PACKED_BYTES: Final = 1 << 20
"""Single rows are put together into columns of about so many bytes."""

WORD: Final = 8

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

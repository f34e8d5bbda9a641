"""Rows of bytes of different lengths, made column by column: how traffic is written without a Python object per record.

A column holds each row's bytes at the left of a cell of the same width, and how many of them count. `join` sets columns
side by side and leaves the rest of every cell out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]

_DIGITS_MAX = 19  # of an i64 that is not negative


@dataclass(frozen=True)
class Column:
    """`cells` is rows × width; of row i the first `sizes[i]` bytes count."""

    cells: Bytes
    sizes: Numbers

    def only(self, rows: NDArray[np.bool_]) -> "Column":
        """The same, empty everywhere else."""
        return Column(self.cells, np.where(rows, self.sizes, 0))


def join(columns: Sequence[Column]) -> Column:
    """One column whose rows are those of the columns, one behind the other."""
    sizes = np.sum([column.sizes for column in columns], axis=0)
    cells = np.zeros((len(sizes), int(sizes.max(initial=0))), np.uint8)
    cells[_counting(cells, sizes)] = flatten(columns)
    return Column(cells, sizes)


def flatten(columns: Sequence[Column]) -> Bytes:
    """All rows, without gaps."""
    cells = np.concatenate([column.cells for column in columns], axis=1)
    counting = np.concatenate([_counting(column.cells, column.sizes) for column in columns], axis=1)
    return np.asarray(cells[counting], np.uint8)


def _counting(cells: Bytes, sizes: Numbers) -> NDArray[np.bool_]:
    width: int = cells.shape[1]
    return np.arange(width) < sizes[:, None]


def words(columns: Sequence[NDArray[Any]], sizes: Numbers) -> Column:
    """Rows of whole words, of which `sizes` bytes count."""
    # each made u64 on its own: NumPy makes f64 of u64 beside i64
    rows = np.column_stack([column.astype("<u8") for column in columns])
    return Column(rows.view(np.uint8), sizes)


def labels(kinds: Numbers, texts: Sequence[bytes]) -> Column:
    """For each row the text of its kind."""
    width = max(map(len, texts))
    table = np.frombuffer(b"".join(text.ljust(width, b"\0") for text in texts), np.uint8).reshape(len(texts), width)
    return Column(table[kinds], np.array([len(text) for text in texts])[kinds])


def decimals(values: Numbers) -> Column:
    """Numbers that are not negative, as ASCII digits."""
    powers = 10 ** np.arange(_DIGITS_MAX, dtype=np.int64)
    sizes = np.maximum(np.searchsorted(powers, values, side="right"), 1)
    width = int(sizes.max(initial=1))
    places = np.maximum(sizes[:, None] - 1 - np.arange(width), 0)
    return Column((values[:, None] // powers[places] % 10 + ord("0")).astype(np.uint8), sizes)


def varints(values: Numbers) -> Column:
    """Zigzag varints, seven bits a byte, low bits first."""
    zigzag = ((values << 1) ^ (values >> 63)).astype(np.uint64)
    limits = np.uint64(1) << np.arange(7, 64, 7, dtype=np.uint64)
    sizes = 1 + np.searchsorted(limits, zigzag, side="right")
    width = int(sizes.max(initial=1))
    places = np.arange(width)
    septets = (zigzag[:, None] >> (7 * places).astype(np.uint64)) & np.uint64(0x7F)
    more = np.where(places < sizes[:, None] - 1, 0x80, 0).astype(np.uint64)
    return Column((septets | more).astype(np.uint8), sizes)

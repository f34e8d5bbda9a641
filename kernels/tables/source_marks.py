"""The marks of sources: the highest number of each that counted, as rows in order of appearance and a hash table.

Rows are never removed, except the last ones again by whoever takes back what it did. There is room for every source
that a partition may have, so nothing here ever grows.
"""

from typing import Final

import numpy as np

from mmsb.kernels.jit import inlined, kernel
from mmsb.kernels.memory import Int, Word, Words
from mmsb.kernels.mixing import seed_with
from mmsb.schemas.limits import SOURCES_MAX

# The words of an array of marks before its rows.
COUNT: Final = 0
SALT: Final = 1
ROWS: Final = 8

# The words of a row.
KIND: Final = 0
FIRST: Final = 1
SECOND: Final = 2
NUMBER: Final = 3
ROW: Final = 4

ABSENT: Final = -1

_TABLE: Final = ROWS + ROW * SOURCES_MAX
_PLACES: Final = 2 * SOURCES_MAX
SIZE: Final = _TABLE + _PLACES

_EMPTY: Final = np.uint64(0)
_ONE: Final = np.uint64(1)

assert _PLACES & (_PLACES - 1) == 0, "places are found by masking"


@inlined
def _search(marks: Words, kind: Word, a: Word, b: Word) -> Int:
    """The place of a source's entry, or the empty one where it would go."""
    hashed = seed_with(seed_with(seed_with(marks[SALT], kind), a), b)
    place = np.int64(hashed & np.uint64(_PLACES - 1))
    while True:
        entry = marks[_TABLE + place]
        if entry == _EMPTY:
            return _TABLE + place
        row = ROWS + ROW * (np.int64(entry) - 1)
        if marks[row + KIND] == kind and marks[row + FIRST] == a and marks[row + SECOND] == b:
            return _TABLE + place
        place = (place + 1) & (_PLACES - 1)


@inlined
def find_mark(marks: Words, kind: Word, a: Word, b: Word) -> Int:
    """The index of a source's row; ABSENT for a source never seen."""
    entry = marks[_search(marks, kind, a, b)]
    return ABSENT if entry == _EMPTY else np.int64(entry) - 1


@inlined
def add_mark(marks: Words, kind: Word, a: Word, b: Word, number: Word) -> Int:
    """A row for a source that has none; gives its index."""
    index = np.int64(marks[COUNT])
    marks[_search(marks, kind, a, b)] = np.uint64(index + 1)
    row = ROWS + ROW * index
    marks[row + KIND] = kind
    marks[row + FIRST] = a
    marks[row + SECOND] = b
    marks[row + NUMBER] = number
    marks[COUNT] += _ONE
    return index


@inlined
def drop_last_mark(marks: Words) -> None:
    """Take back the last `add_mark`."""
    row = ROWS + ROW * (np.int64(marks[COUNT]) - 1)
    marks[_search(marks, marks[row + KIND], marks[row + FIRST], marks[row + SECOND])] = _EMPTY
    marks[COUNT] -= _ONE


@kernel
def find_source(marks: Words, kind: Word, a: Word, b: Word) -> Int:
    """`find_mark` for one source at a time."""
    return find_mark(marks, kind, a, b)


@kernel
def add_source(marks: Words, kind: Word, a: Word, b: Word, number: Word) -> Int:
    """`add_mark` for one source at a time."""
    return add_mark(marks, kind, a, b, number)


@kernel
def drop_last_source(marks: Words) -> None:
    """`drop_last_mark` for one source at a time."""
    drop_last_mark(marks)

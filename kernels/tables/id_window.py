"""The dedupe window: the ids of the last W offsets, exactly, without ever deleting one from a table.

A ring, indexed by offset, holds the ids; two hash tables say where in it an id is. Offsets of one generation (W in a
row) enter one table, those of the next the other, which is emptied first: all that it held has left the window by then.
Entries are checked against the ring, so stale ones are harmless. The ring is longer than W by the largest block, so
that whatever a block forgot can be recalled.

Looking up random ids costs what memory costs: so each word has an entry of either table, and one access finds both. An
entry is where in the ring the id is, and above that as much of its hash as there is room for.
"""

from typing import Final

import numpy as np

from mmsb.kernels.jit import inlined, inner, kernel
from mmsb.kernels.memory import Int, Word, Words, prefetch
from mmsb.kernels.mixing import seed_with
from mmsb.schemas.limits import BLOCK_INTENTS_MAX

# The words of a window before its ring.
SIZE: Final = 0  # W
RING: Final = 1  # how many offsets the ring holds
BITS: Final = 2  # log2 of a table's size
SALT: Final = 3
FLOOR: Final = 4  # the lowest offset whose id may still be remembered
GENERATION: Final = 5  # whose ids were entered last, + 1
END: Final = 6  # no id was remembered at this offset or later
ROW_BITS: Final = 7  # of an entry, that say which row of the ring, + 1
ENTERED: Final = 8  # for each table: whether anything was entered since it was emptied
HEADER: Final = 10

ROW: Final = 3  # words in the ring for each offset: offset + 1 (0: none), id
ABSENT: Final = -1

_LOW: Final = np.uint64(0xFFFF_FFFF)
_EMPTY: Final = np.uint64(0)
_ONE: Final = np.uint64(1)
_WHOLE: Final = np.uint64(64)


def ring_size(window: Int) -> Int:
    """How many offsets a ring holds for a window of W."""
    return window + BLOCK_INTENTS_MAX


def table_bits(window: Int) -> Int:
    """Tables are at most half full."""
    return (2 * window - 1).bit_length()


def row_bits(window: Int) -> Int:
    """An entry's bits that name a row of the ring, from 1: 0 is no entry."""
    return ring_size(window).bit_length()


def word_count(window: Int) -> Int:
    """How many words header, ring and tables take."""
    return HEADER + ROW * ring_size(window) + (1 << table_bits(window))


@inlined
def hash_id(window: Words, a: Word, b: Word) -> Word:
    return seed_with(seed_with(window[SALT], a), b)


@inlined
def _place(window: Words, hashed: Word) -> Int:
    """Where a hash belongs, in the table of either generation."""
    return HEADER + ROW * np.int64(window[RING]) + np.int64(hashed >> (_WHOLE - window[BITS]))


@inlined
def _next(window: Words, place: Int) -> Int:
    """The place after one: the table is a ring too."""
    table = HEADER + ROW * np.int64(window[RING])
    return table + ((place - table + 1) & ((1 << np.int64(window[BITS])) - 1))


@inlined
def _shift(generation: Int) -> Word:
    return np.uint64((generation & 1) << 5)


@inlined
def _entry(window: Words, generation: Int, place: Int) -> Word:
    return (window[place] >> _shift(generation)) & _LOW


@inlined
def _set_entry(window: Words, generation: Int, place: Int, entry: Word) -> None:
    kept = window[place] & ~(_LOW << _shift(generation))
    window[place] = kept | (entry << _shift(generation))


@inlined
def _row_mask(window: Words) -> Word:
    """The part of an entry that says where in the ring; the rest is of the hash."""
    return (_ONE << window[ROW_BITS]) - _ONE


@inlined
def prefetch_id(window: Words, hashed: Word) -> None:
    prefetch(window, _place(window, hashed))


@inlined
def row_of(window: Words, offset: Int) -> Int:
    """Where in the array the ring's row of an offset is. That takes a division, and `next_row` does not."""
    return HEADER + ROW * (offset % np.int64(window[RING]))


@inlined
def next_row(window: Words, row: Int) -> Int:
    """The row of the offset after."""
    row += ROW
    return row if row < HEADER + ROW * np.int64(window[RING]) else HEADER


@inlined
def is_remembered(window: Words, offset: Int, row: Int) -> bool:
    """Whether an id was remembered at an offset, whose row this is."""
    return bool(np.int64(window[row]) == offset + 1)


@inlined
def _search(window: Words, generation: Int, hashed: Word, a: Word, b: Word, floor: Int) -> tuple[Int, Int]:
    """The offset of an id in one table, if that is not below the floor, or ABSENT; and the place that told it."""
    place, rows = _place(window, hashed), _row_mask(window)
    while True:
        entry = _entry(window, generation, place)
        if entry == _EMPTY:
            return ABSENT, place
        if (entry ^ hashed) & _LOW & ~rows == _EMPTY:  # the place says the upper half already
            row = HEADER + ROW * (np.int64(entry & rows) - 1)
            offset = np.int64(window[row]) - 1
            if offset >= floor and window[row + 1] == a and window[row + 2] == b:
                return offset, place
        place = _next(window, place)


@inlined
def settle_id(
    window: Words, offset: Int, generation: Int, row: Int, hashed: Word, a: Word, b: Word, floor: Int
) -> tuple[Int, Int]:
    """Where an id was first seen; if that was below `floor` or never, ABSENT, and it is remembered for `offset`.

    `generation` and `row` are the offset's. Also gives the place of the entry that was made, for `unremember`.
    """
    _open(window, generation)
    found, _ = _search(window, generation + 1, hashed, a, b, floor)
    if found != ABSENT:
        return found, ABSENT
    found, place = _search(window, generation, hashed, a, b, floor)
    if found != ABSENT:
        return found, ABSENT
    window[row] = window[END] = np.uint64(offset + 1)
    window[row + 1] = a
    window[row + 2] = b
    _enter(window, generation, place, row, hashed)
    return ABSENT, place


@inlined
def _enter(window: Words, generation: Int, place: Int, row: Int, hashed: Word) -> None:
    """Make an id of the ring findable, at a place that is empty."""
    number = np.uint64((row - HEADER) // ROW + 1)
    _set_entry(window, generation, place, (hashed & _LOW & ~_row_mask(window)) | number)
    window[ENTERED + (generation & 1)] = _ONE


@inlined
def _open(window: Words, generation: Int) -> None:
    """Empty the table of a generation before its first entry."""
    last = np.int64(window[GENERATION]) - 1
    if generation == last:
        return
    window[GENERATION] = np.uint64(generation + 1)
    _clear(window, generation)
    if generation != last + 1:  # nothing was entered for so long that the other table is of no use either
        _clear(window, generation + 1)


@inner
def _clear(window: Words, generation: Int) -> None:
    """Empty a table; one that is empty takes no memory yet, and shall not."""
    if window[ENTERED + (generation & 1)] == _EMPTY:
        return
    window[ENTERED + (generation & 1)] = _EMPTY
    table, kept = HEADER + ROW * np.int64(window[RING]), ~(_LOW << _shift(generation))
    for place in range(table, table + (1 << np.int64(window[BITS]))):
        window[place] &= kept


@inlined
def unremember(window: Words, generation: Int, place: Int, row: Int) -> None:
    """Take back what `settle_id` remembered; several are taken back in reverse order."""
    _set_entry(window, generation, place, _EMPTY)
    window[row] = _EMPTY


@kernel
def first_offset_of(window: Words, a: Word, b: Word) -> Int:
    """Where an id was first seen; ABSENT if it is not remembered."""
    hashed, floor = hash_id(window, a, b), np.int64(window[FLOOR])
    found, _ = _search(window, 0, hashed, a, b, floor)
    if found == ABSENT:
        found, _ = _search(window, 1, hashed, a, b, floor)
    return found


@kernel
def remember_one(window: Words, offset: Int, a: Word, b: Word) -> None:
    """`settle_id` for an id that is not remembered."""
    generation, row = offset // np.int64(window[SIZE]), row_of(window, offset)
    settle_id(window, offset, generation, row, hash_id(window, a, b), a, b, np.int64(window[FLOOR]))


@kernel
def rebuild(window: Words) -> None:
    """Fill both tables anew from the ring."""
    size, end = np.int64(window[SIZE]), np.int64(window[END])
    last = (end - 1) // size
    _clear(window, 0)
    _clear(window, 1)
    window[GENERATION] = np.uint64(last + 1)
    for offset in range(max(np.int64(window[FLOOR]), (last - 1) * size), end):
        row = row_of(window, offset)
        if is_remembered(window, offset, row):
            a, b = window[row + 1], window[row + 2]
            hashed = hash_id(window, a, b)
            _, place = _search(window, offset // size, hashed, a, b, end)  # from the end on there is none
            _enter(window, offset // size, place, row, hashed)

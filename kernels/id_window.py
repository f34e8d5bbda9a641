"""The dedupe window: the ids of the last W offsets, exactly, without ever deleting one from a table.

A ring, indexed by offset, holds the ids; two hash tables say where in it an id is. Offsets of one generation (W in a
row) enter one table, those of the next the other, which is emptied first: all that it held has left the window by then.
Entries are checked against the ring, so stale ones are harmless. The ring is longer than W by the largest block, so
that whatever a block forgot can be recalled.
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
ENTERED: Final = 8  # for each table: whether anything was entered since it was emptied
HEADER: Final = 10

ROW: Final = 3  # words in the ring for each offset: offset + 1 (0: none), id
ABSENT: Final = -1

_HALF: Final = np.uint64(32)
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


@inlined
def hash_id(window: Words, a: Word, b: Word) -> Word:
    return seed_with(seed_with(window[SALT], a), b)


@inlined
def _place(window: Words, generation: Int, hashed: Word) -> Int:
    """Where in the table of a generation a hash belongs, as an index of the whole array."""
    table = HEADER + ROW * np.int64(window[RING]) + ((generation & 1) << np.int64(window[BITS]))
    return table + np.int64(hashed >> (_WHOLE - window[BITS]))


@inlined
def _next(window: Words, generation: Int, place: Int) -> Int:
    """The place after one in its table, which is a ring too."""
    bits = np.int64(window[BITS])
    table = HEADER + ROW * np.int64(window[RING]) + ((generation & 1) << bits)
    return table + ((place - table + 1) & ((1 << bits) - 1))


@inlined
def prefetch_id(window: Words, hashed: Word) -> None:
    for table in range(2):
        if window[ENTERED + table] != _EMPTY:
            prefetch(window, _place(window, table, hashed))


@inlined
def _search(window: Words, generation: Int, hashed: Word, a: Word, b: Word, floor: Int) -> Int:
    """The offset of an id in one table, if that is not below the floor; ABSENT otherwise."""
    place = _place(window, generation, hashed)
    tag = hashed & _LOW  # the place says the upper bits already
    while True:
        entry = window[place]
        if entry == _EMPTY:
            return ABSENT
        if entry >> _HALF == tag:
            row = HEADER + ROW * (np.int64(entry & _LOW) - 1)
            offset = np.int64(window[row]) - 1
            if offset >= floor and window[row + 1] == a and window[row + 2] == b:
                return offset
        place = _next(window, generation, place)


@inlined
def first_offset(window: Words, hashed: Word, a: Word, b: Word, floor: Int) -> Int:
    """Where an id was first seen; ABSENT if that was below `floor` or never."""
    for table in range(2):
        if window[ENTERED + table] != _EMPTY:  # a young partition has one table's worth of ids: half the misses
            found = _search(window, table, hashed, a, b, floor)
            if found != ABSENT:
                return found
    return ABSENT


@inlined
def remember(window: Words, offset: Int, hashed: Word, a: Word, b: Word) -> Int:
    """Enter an id that is not remembered; gives the place of its entry, for `unremember`."""
    generation = offset // np.int64(window[SIZE])
    _open(window, generation)
    row = HEADER + ROW * (offset % np.int64(window[RING]))
    window[row] = window[END] = np.uint64(offset + 1)
    window[row + 1] = a
    window[row + 2] = b
    return _enter(window, offset, hashed)


@inlined
def _enter(window: Words, offset: Int, hashed: Word) -> Int:
    """Make an id of the ring findable; gives the place of its entry."""
    generation = offset // np.int64(window[SIZE])
    place = _place(window, generation, hashed)
    while window[place] != _EMPTY:
        place = _next(window, generation, place)
    window[place] = ((hashed & _LOW) << _HALF) | np.uint64(offset % np.int64(window[RING]) + 1)
    window[ENTERED + (generation & 1)] = _ONE
    return place


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
    bits = np.int64(window[BITS])
    table = HEADER + ROW * np.int64(window[RING]) + ((generation & 1) << bits)
    for place in range(table, table + (1 << bits)):
        window[place] = _EMPTY


@inlined
def unremember(window: Words, offset: Int, place: Int) -> None:
    """Take back a `remember`; several are taken back in reverse order."""
    window[place] = _EMPTY
    window[HEADER + ROW * (offset % np.int64(window[RING]))] = _EMPTY


@inlined
def remembered(window: Words, offset: Int) -> Int:
    """The row of the id that was remembered at an offset; ABSENT if there is none."""
    row = HEADER + ROW * (offset % np.int64(window[RING]))
    return row if np.int64(window[row]) - 1 == offset else ABSENT


@kernel
def first_offset_of(window: Words, a: Word, b: Word) -> Int:
    """`first_offset` for one id at a time."""
    return first_offset(window, hash_id(window, a, b), a, b, np.int64(window[FLOOR]))


@kernel
def remember_one(window: Words, offset: Int, a: Word, b: Word) -> None:
    """`remember` for one id at a time."""
    remember(window, offset, hash_id(window, a, b), a, b)


@kernel
def rebuild(window: Words) -> None:
    """Fill both tables anew from the ring."""
    size, end = np.int64(window[SIZE]), np.int64(window[END])
    generation = (end - 1) // size
    _clear(window, 0)
    _clear(window, 1)
    window[GENERATION] = np.uint64(generation + 1)
    for offset in range(max(np.int64(window[FLOOR]), (generation - 1) * size), end):
        row = remembered(window, offset)
        if row != ABSENT:
            a, b = window[row + 1], window[row + 2]
            _enter(window, offset, hash_id(window, a, b))

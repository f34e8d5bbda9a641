"""Ids and marks of a block's outcomes, counted as docs/formats.md, section 13, says, so that they can be taken back."""

from typing import Any, Final

import numpy as np

from mmsb.kernels.folding.block_sections import (
    DUPLICATE,
    FIRST,
    ID_W,
    IDS,
    IDS_N,
    INTENTS,
    MARKS_DONE,
    NOOP,
    SOURCE_W,
    SOURCES,
    SOURCES_N,
    Plan,
    flags_of,
)
from mmsb.kernels.jit import branching, inlined
from mmsb.kernels.memory import Bytes, Int, Word, Words
from mmsb.kernels.mixing import ID, MARK, mix, seed_with
from mmsb.kernels.tables.id_window import (
    ABSENT,
    END,
    FLOOR,
    SIZE,
    hash_id,
    is_remembered,
    next_row,
    prefetch_id,
    row_of,
    settle_id,
)
from mmsb.kernels.tables.source_marks import COUNT, NUMBER, ROW, ROWS, add_mark, drop_last_mark, find_mark
from mmsb.schemas.limits import SOURCES_MAX
from mmsb.schemas.tlog.blocks import HAS_ID, HAS_SOURCE, STATUS_BITS

AHEAD: Final = 64  # ids whose places are brought near together

_LIMIT: Final = np.uint64(SOURCES_MAX)
_ZERO: Final = np.uint64(0)
_ONE: Final = np.uint64(1)
_U32: Final = np.uint64(32)


@inlined
def _add(digest: Words, word: Word, index: Int, start: Word) -> None:
    a, b = mix(word, index, start)
    digest[0] += a
    digest[1] += b


@inlined
def _take(digest: Words, word: Word, index: Int, start: Word) -> None:
    a, b = mix(word, index, start)
    digest[0] -= a
    digest[1] -= b


@branching
def settle_ids(words: Words, value8: Bytes, plan: Plan, window: Words, hashes: Words, digest: Words) -> None:
    """Remember what ids are new, and forget those that the window leaves behind."""
    offset, size = plan[FIRST], np.int64(window[SIZE])
    generation, ring = offset // size, row_of(window, offset)
    row, index = plan[IDS], 0
    end = row + ID_W * plan[IDS_N]
    while row < end:
        near = min(row + ID_W * AHEAD, end)
        for at in range(row, near, ID_W):
            hashed = hash_id(window, words[at], words[at + 1])
            hashes[(at - row) // ID_W] = hashed
            prefetch_id(window, hashed)
        start = row
        while row < near:
            flags = flags_of(value8, plan, index)
            if flags & HAS_ID:
                if _remembers(flags & STATUS_BITS):
                    hashed = hashes[(row - start) // ID_W]
                    _remember(window, offset, generation, ring, hashed, words[row], words[row + 1], digest)
                row += ID_W
            index += 1
            offset, ring = offset + 1, next_row(window, ring)
            generation += offset == (generation + 1) * size
    _forget(window, plan[FIRST] + plan[INTENTS] - 1 - size, digest)


@inlined
def _remembers(status: Int) -> bool:
    return status not in (DUPLICATE, NOOP)


@inlined
def _remember(
    window: Words, offset: Int, generation: Int, ring: Int, hashed: Word, a: Word, b: Word, digest: Words
) -> None:
    """Ids below the floor are forgotten by now."""
    found, _ = settle_id(window, offset, generation, ring, hashed, a, b, offset - np.int64(window[SIZE]))
    if found == ABSENT:
        start = seed_with(ID, np.uint64(offset))
        _add(digest, a, 0, start)
        _add(digest, b, 1, start)


@inlined
def _forget(window: Words, offset: Int, digest: Words) -> None:
    """Forget up to an offset."""
    floor = np.int64(window[FLOOR])
    if offset < floor:
        return
    row = row_of(window, floor)
    for old in range(floor, min(offset + 1, np.int64(window[END]))):
        if is_remembered(window, old, row):
            start = seed_with(ID, np.uint64(old))
            _take(digest, window[row + 1], 0, start)
            _take(digest, window[row + 2], 1, start)
        row = next_row(window, row)
    window[FLOOR] = np.uint64(offset + 1)


@branching
def take_back_ids(plan: Plan, window: Words) -> None:
    """Empty the rows of the block's offsets; what came before is what its owner makes of the rest (`go_back`)."""
    row = row_of(window, plan[FIRST])
    for offset in range(plan[FIRST], plan[FIRST] + plan[INTENTS]):
        if is_remembered(window, offset, row):
            window[row] = _ZERO
        row = next_row(window, row)


@branching
def settle_sources(words: Words, value8: Bytes, plan: Plan, marks: Words, undone: Any, digest: Words) -> bool:
    """Raise marks; whether there was room for all new sources. `undone` keeps what `take_back_sources` needs."""
    row = plan[SOURCES]
    end = row + SOURCE_W * plan[SOURCES_N]
    plan[MARKS_DONE] = index = 0
    while row < end:
        flags = flags_of(value8, plan, index)
        if flags & HAS_SOURCE:
            if flags & STATUS_BITS != NOOP and not _raise_mark(words, row, plan, marks, undone, digest):
                return False
            row += SOURCE_W
        index += 1
    return True


@inlined
def _raise_mark(words: Words, row: Int, plan: Plan, marks: Words, undone: Any, digest: Words) -> bool:
    a, b, number, kind = words[row], words[row + 1], words[row + 2], words[row + 3] >> _U32
    mark = find_mark(marks, kind, a, b)
    before = _ZERO if mark == ABSENT else marks[ROWS + ROW * mark + NUMBER]
    if number <= before:
        return True
    start = seed_with(seed_with(seed_with(MARK, kind), a), b)
    if mark != ABSENT:
        _take(digest, before, 0, start)
        marks[ROWS + ROW * mark + NUMBER] = number
    elif marks[COUNT] < _LIMIT:
        mark = add_mark(marks, kind, a, b, number)
    else:
        return False
    _add(digest, number, 0, start)
    undone[2 * plan[MARKS_DONE]] = mark
    undone[2 * plan[MARKS_DONE] + 1] = np.int64(before)
    plan[MARKS_DONE] += 1
    return True


@branching
def take_back_sources(plan: Plan, marks: Words, undone: Any) -> None:
    for at in range(2 * plan[MARKS_DONE] - 2, -1, -2):
        if undone[at + 1] == 0:
            drop_last_mark(marks)
        else:
            marks[ROWS + ROW * undone[at] + NUMBER] = np.uint64(undone[at + 1])

"""Sources and ids in order: which offsets repeat what was counted or remembered (docs/formats.md, 6, rules 1, 4 and 5).

A stretch of offsets is settled ahead of lowering, since lowering has no say in it. What turns out not to fit into the
block is taken back: `unsettle`. The digest follows only for what stays: `count_settled`.
"""

from typing import Final

import numpy as np

from mmsb.kernels.flat_json.json_scan import SLOW as NOT_FLAT
from mmsb.kernels.intake.envelopes import (
    GO_ON,
    ID_AT,
    METADATA_SIZE,
    NOOP,
    REJECTED,
    SLOW,
    SOURCE_AT,
    SOURCE_KIND,
    TYPE,
    VERDICT,
)
from mmsb.kernels.intake.record_batches import TIME, VALUE_SIZE
from mmsb.kernels.intake.rejections import I64, head, put_rejection
from mmsb.kernels.jit import branching, inlined, kernel
from mmsb.kernels.memory import Bytes, Int, Word, Words, load_u64
from mmsb.kernels.mixing import CLOCK, ID, MARK, mix, seed_with
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
    unremember,
)
from mmsb.kernels.tables.source_marks import COUNT, NUMBER, ROW, ROWS, add_mark, drop_last_mark, find_mark
from mmsb.schemas.limits import SOURCES_MAX, TIME_MS_MAX
from mmsb.schemas.rejections import Code

# Rows of what is known of each offset while its batch is stepped.
NOW: Final = 0  # the partition clock with this record's time
FIRST: Final = 1  # of a duplicate: the first offset, or -1
ID_PLACE: Final = 2  # where the window's entry is that was made for it; -1: none
MARK_ROW: Final = 3  # the row of its source, where it raised the mark; -1: none
MARK_BEFORE: Final = 4  # the mark before; 0: a new source
ROWS_OF_RUN: Final = 5

DUPLICATE: Final = 3

_FOLLOW_UP: Final = 1
_TOO_MANY: Final = np.uint64(head(Code.TOO_MANY_SOURCES, kind=I64))
_LIMIT: Final = np.uint64(SOURCES_MAX)
_ZERO: Final = np.uint64(0)
_ONE: Final = np.uint64(1)


@kernel
def advance_clock(columns: Words, start: Int, stop: Int, clock: Int, run: Words) -> None:
    """Rule 1 for a stretch, from the clock before it."""
    for i in range(start, stop):
        time = columns[TIME, i]
        if 0 <= time <= TIME_MS_MAX and 1000 * time > clock:
            clock = 1000 * time
        run[NOW, i] = clock


@branching
def settle(
    buffer: Bytes,
    envelopes: Words,
    rejections: Words,
    run: Words,
    hashes: Words,
    window: Words,
    marks: Words,
    first: Int,
    start: Int,
    stop: Int,
) -> None:
    """Rules 4 and 5 for a stretch of one generation of the window; `first` is the offset of index 0."""
    for i in range(start, stop):
        at = envelopes[ID_AT, i]
        if at >= 0:
            hashed = hash_id(window, load_u64(buffer, at), load_u64(buffer, at + 8))
            hashes[i - start] = hashed
            prefetch_id(window, hashed)
    size = np.int64(window[SIZE])
    generation, row = (first + start) // size, row_of(window, first + start)
    for i in range(start, stop):
        run[ID_PLACE, i] = ABSENT
        run[MARK_ROW, i] = ABSENT
        if envelopes[VERDICT, i] == GO_ON and envelopes[SOURCE_AT, i] >= 0:
            _settle_source(buffer, envelopes, rejections, run, marks, i)
        if envelopes[VERDICT, i] == GO_ON and envelopes[ID_AT, i] >= 0:
            at = envelopes[ID_AT, i]
            a, b = load_u64(buffer, at), load_u64(buffer, at + 8)
            offset = first + i
            found, place = settle_id(window, offset, generation, row, hashes[i - start], a, b, offset - size)
            run[ID_PLACE, i] = place
            if found != ABSENT:
                envelopes[VERDICT, i] = DUPLICATE
                run[FIRST, i] = found
        row = next_row(window, row)


@inlined
def _settle_source(buffer: Bytes, envelopes: Words, rejections: Words, run: Words, marks: Words, i: Int) -> None:
    at, kind = envelopes[SOURCE_AT, i], envelopes[SOURCE_KIND, i]
    a, b, number = load_u64(buffer, at), load_u64(buffer, at + 8), load_u64(buffer, at + 16)
    row = find_mark(marks, np.uint64(kind), a, b)
    if row == ABSENT and marks[COUNT] >= _LIMIT:
        put_rejection(rejections, 4 * i, _TOO_MANY, _ZERO, _ZERO, _LIMIT)
        envelopes[VERDICT, i] = REJECTED
        _close(envelopes, i)
        return
    before = _ZERO if row == ABSENT else marks[ROWS + ROW * row + NUMBER]
    if number <= before:
        envelopes[VERDICT, i] = DUPLICATE
        run[FIRST, i] = -1
    elif kind == _FOLLOW_UP and number > before + _ONE:
        envelopes[VERDICT, i] = NOOP
    else:
        if row == ABSENT:
            row = add_mark(marks, np.uint64(kind), a, b, number)
        else:
            marks[ROWS + ROW * row + NUMBER] = number
        run[MARK_ROW, i] = row
        run[MARK_BEFORE, i] = np.int64(before)


@inlined
def _close(envelopes: Words, i: Int) -> None:
    """What rule 3 rejects counts as having no envelope."""
    envelopes[ID_AT, i] = -1
    envelopes[SOURCE_AT, i] = -1
    envelopes[METADATA_SIZE, i] = 0
    envelopes[TYPE, i] = -1


@branching
def unsettle(run: Words, window: Words, marks: Words, first: Int, start: Int, stop: Int) -> None:
    """Take back what `settle` did for the offsets from `start` on, the last first."""
    generation = (first + start) // np.int64(window[SIZE])
    for i in range(stop - 1, start - 1, -1):
        if run[ID_PLACE, i] >= 0:
            unremember(window, generation, run[ID_PLACE, i], row_of(window, first + i))
        row, before = run[MARK_ROW, i], run[MARK_BEFORE, i]
        if row >= 0 and before == 0:
            drop_last_mark(marks)
        elif row >= 0:
            marks[ROWS + ROW * row + NUMBER] = np.uint64(before)


@branching
def count_settled(
    buffer: Bytes,
    envelopes: Words,
    run: Words,
    window: Words,
    marks: Words,
    first: Int,
    start: Int,
    stop: Int,
    clock: Int,
    digest: Words,
) -> None:
    """The digest's terms of ids, marks and clock for a stretch that stays; ids that leave the window are forgotten."""
    row = row_of(window, first + start)
    for i in range(start, stop):
        if run[ID_PLACE, i] >= 0:
            _add_id(window, first + i, row, digest, _ONE)
        if run[MARK_ROW, i] >= 0:
            _raise_mark(buffer, envelopes, run, marks, i, digest)
        row = next_row(window, row)
    if stop > start:
        _forget(window, first + stop - 1 - np.int64(window[SIZE]), digest)
    if stop > start and run[NOW, stop - 1] != clock:
        _add(digest, np.uint64(run[NOW, stop - 1]), seed_clock(), _ONE)
        if clock > 0:
            _add(digest, np.uint64(clock), seed_clock(), _ZERO - _ONE)


@inlined
def seed_clock() -> Word:
    return CLOCK  # the clock's seed names no thing besides its tag


@inlined
def _add(digest: Words, word: Word, start: Word, sign: Word) -> None:
    """Add or, with sign -1, subtract the term of a single word."""
    a, b = mix(word, 0, start)
    digest[0] += sign * a
    digest[1] += sign * b


@inlined
def _add_id(window: Words, offset: Int, row: Int, digest: Words, sign: Word) -> None:
    start = seed_with(ID, np.uint64(offset))
    a, b = mix(window[row + 1], 0, start)
    c, d = mix(window[row + 2], 1, start)
    digest[0] += sign * (a + c)
    digest[1] += sign * (b + d)


@inlined
def _raise_mark(buffer: Bytes, envelopes: Words, run: Words, marks: Words, i: Int, digest: Words) -> None:
    at = envelopes[SOURCE_AT, i]
    start = seed_with(MARK, np.uint64(envelopes[SOURCE_KIND, i]))
    start = seed_with(seed_with(start, load_u64(buffer, at)), load_u64(buffer, at + 8))
    _add(digest, load_u64(buffer, at + 16), start, _ONE)
    if run[MARK_BEFORE, i] > 0:
        _add(digest, np.uint64(run[MARK_BEFORE, i]), start, _ZERO - _ONE)


@inlined
def _forget(window: Words, offset: Int, digest: Words) -> None:
    """Forget ids up to this offset, which the window has left behind."""
    floor = np.int64(window[FLOOR])
    if offset < floor:
        return
    row = row_of(window, floor)
    for old in range(floor, min(offset + 1, np.int64(window[END]))):
        if is_remembered(window, old, row):
            _add_id(window, old, row, digest, _ZERO - _ONE)
        row = next_row(window, row)
    window[FLOOR] = np.uint64(offset + 1)


@kernel
def digest_ids(window: Words, digest: Words) -> None:
    """Add the digest's terms of all ids that are remembered."""
    floor = np.int64(window[FLOOR])
    row = row_of(window, floor)
    for offset in range(floor, np.int64(window[END])):
        if is_remembered(window, offset, row):
            _add_id(window, offset, row, digest, _ONE)
        row = next_row(window, row)


@kernel
def ready(columns: Words, envelopes: Words, left_out: Words, count: Int) -> Int:
    """How many records from the first on compiled code takes; `left_out` says which types it does not."""
    for i in range(count):
        number = envelopes[TYPE, i]
        left = envelopes[VERDICT, i] == GO_ON and number >= 0 and left_out[number]
        if left or envelopes[VERDICT, i] == SLOW or columns[VALUE_SIZE, i] == NOT_FLAT:
            return i
    return count

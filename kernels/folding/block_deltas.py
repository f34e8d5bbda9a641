"""The rows of a block's deltas: checked as far as that takes no page, and put in order of their page types.

Deltas of different types have nothing to do with each other, and those of one type keep their order.
"""

from typing import Any, Final

import numpy as np

from mmsb.kernels.folding.block_sections import (
    APPLIED,
    DELTA_W,
    DELTAS,
    DELTAS_N,
    FIRST,
    INTENTS,
    PAGE,
    PAYLOAD,
    PAYLOAD_W,
    TYPES_N,
    USED_BY_DELTA,
    USED_BY_INTENT,
    USES,
    Plan,
    check_columns,
    flags_of,
)
from mmsb.kernels.jit import branching, inlined
from mmsb.kernels.memory import Bytes, Int, Words
from mmsb.kernels.stepping.changes import DELETE
from mmsb.schemas.limits import PAGES_PER_INTENT_MAX
from mmsb.schemas.tlog.blocks import STATUS_BITS

Columns = Any  # an i64 array with named rows

# Rows of what is known of each delta, in order of page types.
ROW: Final = 0  # where its index row is
KEY_AT: Final = 1  # where its key is
SLOT: Final = 2  # its page's, as far as known
JOURNAL_AT: Final = 3  # where the words are that it changed
UNSORTED: Final = 4  # where the key of each delta of the block is, in its own order
DELTA_ROWS: Final = 5

# Rows of what is known of each page type.
START: Final = 0  # of its deltas among the columns above
STOP: Final = 1
CREATIONS: Final = 2  # at most so many pages are made
GROUP_ROWS: Final = 3

_ZERO: Final = np.uint64(0)
_BYTE: Final = np.uint64(255)
_U16: Final = np.uint64(0xFFFF)
_LOW: Final = np.uint64(0xFFFF_FFFF)
_U32: Final = np.uint64(32)
_U35: Final = np.uint64(35)
_U48: Final = np.uint64(48)
_U56: Final = np.uint64(56)
_UNEVEN: Final = np.uint64(0x0000_0007_0000_0007)


@inlined
def index_of(words: Words, row: Int) -> Int:
    return np.int64(words[row] & _LOW)


@inlined
def number_of(words: Words, row: Int) -> Int:
    return np.int64((words[row] >> _U32) & _U16)


@inlined
def kind_of(words: Words, row: Int) -> Int:
    return np.int64((words[row] >> _U48) & _BYTE)


@inlined
def base_of(words: Words, row: Int) -> Int:
    return np.int64(words[row + 1])


@inlined
def key_words_of(words: Words, row: Int) -> Int:
    return np.int64((words[row + 2] & _LOW) >> np.uint64(3))


@inlined
def payload_words_of(words: Words, row: Int) -> Int:
    return np.int64(words[row + 2] >> _U35)


@branching
def check_block(
    words: Words,
    value8: Bytes,
    plan: Plan,
    types: Any,
    intents: Words,
    pages: Words,
    messages: Int,
    clock: Int,
    columns: Columns,
    groups: Columns,
) -> bool:
    """Whether all but pages and follow-ups is right (see `check_columns`); fills `types`, `columns` and `groups`."""
    groups[:] = 0
    if not check_columns(words, value8, plan, types, intents, pages, messages, clock):
        return False
    if not _check_rows(words, value8, plan, types, columns, groups):
        return False
    for number in range(plan[TYPES_N]):
        if types[USES, number] & (USED_BY_INTENT | USED_BY_DELTA) == 0:
            return False
    _group(words, plan, types, columns, groups)
    return True


@inlined
def _check_rows(words: Words, value8: Bytes, plan: Plan, types: Any, columns: Columns, groups: Columns) -> bool:
    at, end = plan[PAYLOAD], plan[PAYLOAD] + plan[PAYLOAD_W]
    before, same, deletes = -1, 0, False
    for delta in range(plan[DELTAS_N]):
        row = plan[DELTAS] + DELTA_W * delta
        index, number = index_of(words, row), number_of(words, row)
        if words[row] >> _U56 != _ZERO or words[row + 2] & _UNEVEN != _ZERO:
            return False
        if index < before or index >= plan[INTENTS] or number >= plan[TYPES_N] or types[PAGE, number] < 0:
            return False
        if index != before:
            if flags_of(value8, plan, index) & STATUS_BITS != APPLIED:
                return False
            before, same, deletes = index, 0, False
        columns[UNSORTED, delta] = at
        base, kind = base_of(words, row), kind_of(words, row)
        if same == PAGES_PER_INTENT_MAX or kind > DELETE or base == plan[FIRST] + index + 1:
            return False  # a page that has this offset's epoch already was changed by this intent
        at += key_words_of(words, row) + payload_words_of(words, row)
        if at > end or (deletes and base == 0 and _is_repeated(words, columns, row, delta, same)):
            return False
        same += 1
        deletes |= kind == DELETE
        types[USES, number] |= USED_BY_DELTA
        groups[STOP, types[PAGE, number]] += 1
        groups[CREATIONS, types[PAGE, number]] += base == 0
    return bool(at == end)


@inlined
def _is_repeated(words: Words, columns: Columns, row: Int, delta: Int, same: Int) -> bool:
    """Whether one of the last `same` deltas is of the same page."""
    size, at = key_words_of(words, row), columns[UNSORTED, delta]
    for back in range(1, same + 1):
        other, place = row - DELTA_W * back, columns[UNSORTED, delta - back]
        if number_of(words, other) == number_of(words, row) and key_words_of(words, other) == size:
            differing = _ZERO
            for word in range(size):
                differing |= words[at + word] ^ words[place + word]
            if differing == _ZERO:
                return True
    return False


@inlined
def _group(words: Words, plan: Plan, types: Any, columns: Columns, groups: Columns) -> None:
    """Give each page type its stretch of the columns, and each delta its place there."""
    start = 0
    for page in range(groups.shape[1]):
        groups[START, page] = start
        start += groups[STOP, page]
        groups[STOP, page] = groups[START, page]
    for delta in range(plan[DELTAS_N]):
        row = plan[DELTAS] + DELTA_W * delta
        page = types[PAGE, number_of(words, row)]
        place = groups[STOP, page]
        columns[ROW, place] = row
        columns[KEY_AT, place] = columns[UNSORTED, delta]
        groups[STOP, page] = place + 1

"""Where the sections of one block are in the bytes of a whole segment, and what is kept to know its parts again.

Bytes come from a mapped file, of which nothing is checked beforehand: a place is looked at only if it lies within the
block, and the block within the bytes. Blocks begin at any byte.
"""

from typing import Any, Final

import numpy as np

from mmsb.kernels.jit import inlined
from mmsb.kernels.memory import Bytes, Flag, Int, Word, load_u32, load_u64
from mmsb.kernels.mixing import seed_with
from mmsb.schemas.limits import BLOCK_BYTES_MAX, BLOCK_INTENTS_MAX
from mmsb.schemas.rejections import ROW_BYTES
from mmsb.schemas.sources import SOURCE_BYTES
from mmsb.schemas.tlog.blocks import CLOCK_ROW, DELTA_ROW, FIXED, FOLLOW_UP_ROW, HEADER_BYTES, ID_BYTES
from mmsb.schemas.tlog.records import MAGIC, TlogKind

Plan = Any  # an i64 array: places are bytes of the segment

FIRST: Final = 0  # the first offset
COUNT: Final = 1  # of offsets
TYPES: Final = 2
OUTCOMES: Final = 3
INTENT_TYPES: Final = 4
RISES: Final = 5
IDS: Final = 6
SOURCES: Final = 7
DELTAS: Final = 10
METADATA: Final = 12
PAYLOAD: Final = 13
FOLLOW_UPS: Final = 14
END: Final = 15
TYPES_N: Final = 16  # rows
RISES_N: Final = 17
DELTAS_N: Final = 22
WORDS: Final = 28

SOURCE_WORDS: Final = SOURCE_BYTES // 8
DELTA_BYTES: Final = DELTA_ROW.size
RISE_BYTES: Final = CLOCK_ROW.size
ID_WORDS: Final = ID_BYTES // 8

PAGE_TAG: Final = np.uint64(8)  # of the seeds of docs/formats.md, section 16
DELTA_TAG: Final = np.uint64(9)
OUTCOME_TAG: Final = np.uint64(10)

_MAGIC: Final = np.uint64(int.from_bytes(MAGIC, "little"))
_FIRST_AT: Final = 56
_COUNTS_AT: Final = FIXED.size
_BLOCK: Final = int(TlogKind.BLOCK)
_QUARANTINE: Final = int(TlogKind.QUARANTINE)
_U48: Final = np.uint64(48)

assert (SOURCE_BYTES, ROW_BYTES, DELTA_BYTES, FOLLOW_UP_ROW.size, RISE_BYTES, ID_BYTES) == (32, 32, 24, 24, 16, 16)


@inlined
def number(value8: Bytes, at: Int) -> Int:
    """An i64, or a u64 that is one."""
    return np.int64(load_u64(value8, at))


@inlined
def small(value8: Bytes, at: Int) -> Int:
    return np.int64(load_u32(value8, at))


@inlined
def find_sections(value8: Bytes, at: Int, plan: Plan) -> Flag:
    """Plan the block that begins at byte `at`; False if none can begin there."""
    if at < 0 or at + HEADER_BYTES > value8.shape[0] or load_u32(value8, at) != _MAGIC:
        return False
    kind = small(value8, at + 4)
    first, last = number(value8, at + _FIRST_AT), number(value8, at + _FIRST_AT + 8)
    if (kind != _BLOCK and kind != _QUARANTINE) or first < 0 or last < first or last - first >= BLOCK_INTENTS_MAX:
        return False
    plan[FIRST], plan[COUNT] = first, last - first + 1
    for section in range(11):
        plan[TYPES_N + section] = small(value8, at + _COUNTS_AT + 4 * section)
    place = at + HEADER_BYTES
    for section in range(13):
        plan[TYPES + section] = place
        place += (_section_bytes(plan, section) + 7) & ~7
    plan[END] = place
    return place <= value8.shape[0] and place - at <= BLOCK_BYTES_MAX


@inlined
def _section_bytes(plan: Plan, section: Int) -> Int:
    count = plan[COUNT]
    if section == 1:
        return count
    if section == 2:
        return 2 * count
    rows = plan[TYPES_N + section - (2 if section > 2 else 0)]
    if section in (0, 6):
        return 8 * rows
    if section in (3, 4):
        return 16 * rows
    if section in (5, 7):
        return 32 * rows
    if section in (8, 9):
        return 24 * rows
    return rows


@inlined
def seed_bytes(start: Word, value8: Bytes, at: Int, words: Int) -> Word:
    """The seed that says some words more."""
    for word in range(words):
        start = seed_with(start, load_u64(value8, at + 8 * word))
    return start


@inlined
def delta_check(value8: Bytes, first: Int, type_id: Word, row: Int, start: Int, words: Int) -> Word:
    """16 bits by which a delta is known again: its block's first offset, its type, its row, its key and payload."""
    mixed = seed_with(seed_with(DELTA_TAG, np.uint64(first)), type_id)
    return seed_bytes(seed_bytes(mixed, value8, row, DELTA_BYTES // 8), value8, start, words) >> _U48

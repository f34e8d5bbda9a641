"""What became of single offsets of a block, and who asked: found by going through the flags of those before them."""

from typing import Any, Final

import numpy as np

from mmsb.kernels.jit import inlined, kernel
from mmsb.kernels.memory import Bytes, Flag, Int, Word, load_u64
from mmsb.kernels.mixing import seed_with
from mmsb.kernels.past.sections import (
    COUNT,
    DELTA_BYTES,
    DELTAS,
    DELTAS_N,
    ID_WORDS,
    IDS,
    INTENT_TYPES,
    METADATA,
    OUTCOME_TAG,
    OUTCOMES,
    RISE_BYTES,
    RISES,
    RISES_N,
    SOURCE_WORDS,
    SOURCES,
    TYPES,
    TYPES_N,
    Plan,
    find_sections,
    number,
    seed_bytes,
    small,
)
from mmsb.schemas.tlog.blocks import HAS_ID, HAS_METADATA, HAS_SOURCE, NO_TYPE

# What was seen of the offsets so far: an i64 array.
NEXT: Final = 0  # the first index not gone over
CLOCK: Final = 1
RISE: Final = 2  # how many clock rows were
ID_AT: Final = 3  # bytes of the segment
SOURCE_AT: Final = 4
META_AT: Final = 5
META_SIZE: Final = 6  # of every metadata block so far: 0 none, -1 of several sizes
SEEN: Final = 8

# Rows of what is known of the outcome of a delta: an i64 array.
STATUS: Final = 0  # what became of reading it
FLAGS: Final = 1
INTENT: Final = 2  # the intent's type id as an i64; meaningful if FLAGS has KNOWN
TIME: Final = 3
ID: Final = 4  # places in the segment; 0 if there is none
SOURCE: Final = 5
META: Final = 6
META_BYTES: Final = 7
ORDINAL: Final = 8
ROWS: Final = 9

KNOWN: Final = 256  # in FLAGS: the intent's type is known

READ: Final = 0
DAMAGED: Final = 1

_U48: Final = np.uint64(48)


@inlined
def start_outcomes(plan: Plan, clock: Int, seen: Any) -> None:
    seen[NEXT], seen[CLOCK], seen[RISE] = 0, clock, 0
    seen[ID_AT], seen[SOURCE_AT], seen[META_AT], seen[META_SIZE] = plan[IDS], plan[SOURCES], plan[METADATA], 0


@inlined
def follow_outcome(value8: Bytes, plan: Plan, index: Int, seen: Any) -> Flag:
    """Go over all offsets before one; False if that leads out of the block."""
    if index < seen[NEXT] or index > plan[COUNT]:
        return False
    for each in range(seen[NEXT], index):
        flags = np.int64(value8[plan[OUTCOMES] + each])
        seen[ID_AT] += 2 * (flags & HAS_ID)  # 16 bytes for a flag of 8
        seen[SOURCE_AT] += 2 * (flags & HAS_SOURCE)
        if flags & HAS_METADATA:
            size = _meta_size(value8, plan, seen[META_AT])
            if size < 8:
                return False
            seen[META_AT] += size
            seen[META_SIZE] = size if seen[META_SIZE] == size or not seen[META_SIZE] else -1
    seen[NEXT] = index
    _follow_clock(value8, plan, index, seen)
    return seen[ID_AT] <= plan[SOURCES] and seen[SOURCE_AT] <= plan[SOURCES + 1]


@inlined
def _meta_size(value8: Bytes, plan: Plan, at: Int) -> Int:
    """Of the metadata block at a place; 0 if there is none."""
    if at + 8 > plan[METADATA + 1]:
        return 0
    size = small(value8, at + 4)
    return 0 if size & 7 or at + size > plan[METADATA + 1] else size


@inlined
def _follow_clock(value8: Bytes, plan: Plan, index: Int, seen: Any) -> None:
    while seen[RISE] < plan[RISES_N]:
        at = plan[RISES] + RISE_BYTES * seen[RISE]
        if small(value8, at) > index:
            break
        seen[CLOCK] = number(value8, at + 8)
        seen[RISE] += 1


@inlined
def outcome_check(said: Word, ordinal: Int) -> Word:
    """16 bits by which it is known again who asked for a delta, when, and which of the intent's deltas it is."""
    return seed_with(said, np.uint64(ordinal)) >> _U48


@inlined
def outcome_seed(value8: Bytes, plan: Plan, index: Int, seen: Any) -> Word:
    """Who asked for what, and when; `seen` is that of all offsets before."""
    flags = np.int64(value8[plan[OUTCOMES] + index])
    kind = small_type(value8, plan, index)
    mixed = seed_with(seed_with(OUTCOME_TAG, np.uint64(flags | kind << 8)), np.uint64(seen[CLOCK]))
    if kind < plan[TYPES_N]:
        mixed = seed_with(mixed, load_u64(value8, plan[TYPES] + 8 * kind))
    if flags & HAS_ID:
        mixed = seed_bytes(mixed, value8, seen[ID_AT], ID_WORDS)
    if flags & HAS_SOURCE:
        mixed = seed_bytes(mixed, value8, seen[SOURCE_AT], SOURCE_WORDS)
    if flags & HAS_METADATA:
        mixed = seed_bytes(mixed, value8, seen[META_AT], _meta_size(value8, plan, seen[META_AT]) >> 3)
    return mixed


@inlined
def small_type(value8: Bytes, plan: Plan, index: Int) -> Int:
    """Which of the block's types an intent has."""
    at = plan[INTENT_TYPES] + 2 * index
    return np.int64(value8[at]) | np.int64(value8[at + 1]) << 8


@kernel
def read_outcomes(
    value8: Bytes, blocks: Any, clocks: Any, sizes: Any, rows: Any, checks: Any, plan: Plan, seen: Any, out: Any
) -> None:
    """What is known of the outcomes of deltas: each is given by its block's place, clock before it and size of all
    metadata blocks (0: they differ), and by the delta's row and the outcome's check."""
    for each in range(blocks.shape[0]):
        out[STATUS, each] = DAMAGED
        row = rows[each]
        if find_sections(value8, blocks[each], plan) and row < plan[DELTAS_N]:
            index = small(value8, plan[DELTAS] + DELTA_BYTES * row)
            start_outcomes(plan, clocks[each], seen)
            if index < plan[COUNT] and _leap(value8, plan, index, sizes[each], seen):
                _tell(value8, plan, index, row, checks[each], seen, out, each)


@inlined
def _leap(value8: Bytes, plan: Plan, index: Int, size: Int, seen: Any) -> Flag:
    """As `follow_outcome` from the first offset on, at one step where all metadata blocks are of one size."""
    if not size:
        return follow_outcome(value8, plan, index, seen)
    ids: Int = 0
    sources: Int = 0
    metas: Int = 0
    for each in range(plan[OUTCOMES], plan[OUTCOMES] + index):
        flags = np.int64(value8[each])
        ids += flags & HAS_ID
        sources += flags & HAS_SOURCE
        metas += flags & HAS_METADATA
    seen[ID_AT] += 2 * ids
    seen[SOURCE_AT] += 2 * sources
    seen[META_AT] += size * (metas // HAS_METADATA)
    _follow_clock(value8, plan, index, seen)
    return True


@inlined
def _tell(value8: Bytes, plan: Plan, index: Int, row: Int, check: Word, seen: Any, out: Any, each: Int) -> None:
    flags, kind = np.int64(value8[plan[OUTCOMES] + index]), small_type(value8, plan, index)
    size = _meta_size(value8, plan, seen[META_AT]) if flags & HAS_METADATA else 0
    fits = seen[ID_AT] + 16 <= plan[SOURCES] or not flags & HAS_ID
    fits &= seen[SOURCE_AT] + 32 <= plan[SOURCES + 1] or not flags & HAS_SOURCE
    fits &= size >= 8 or not flags & HAS_METADATA
    fits &= kind < plan[TYPES_N] or kind == NO_TYPE
    first = row
    while first > 0 and small(value8, plan[DELTAS] + DELTA_BYTES * (first - 1)) == index:
        first -= 1
    if not fits or outcome_check(outcome_seed(value8, plan, index, seen), row - first) != check:
        return
    out[STATUS, each], out[ORDINAL, each] = READ, row - first
    out[FLAGS, each] = flags if kind == NO_TYPE else flags | KNOWN
    out[INTENT, each] = 0 if kind == NO_TYPE else number(value8, plan[TYPES] + 8 * kind)
    out[TIME, each] = seen[CLOCK]
    out[ID, each] = seen[ID_AT] if flags & HAS_ID else 0
    out[SOURCE, each] = seen[SOURCE_AT] if flags & HAS_SOURCE else 0
    out[META, each], out[META_BYTES, each] = seen[META_AT] if size else 0, size

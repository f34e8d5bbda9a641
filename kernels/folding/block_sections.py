"""A block's sections, and whether all but deltas and follow-ups is what an encoder writes.

mmsb.schemas.tlog.block_reader says the same slowly, and says what is wrong. Blocks come as an array of words and, for
what is smaller, as one of bytes over the same memory.
"""

from typing import Any, Final

import numpy as np

from mmsb.kernels.intake.envelopes import find_type
from mmsb.kernels.intake.metadata import metadata_problem
from mmsb.kernels.jit import inlined
from mmsb.kernels.memory import Bytes, Int, Word, Words, load_u32
from mmsb.schemas.rejections import Code, Op
from mmsb.schemas.sources import FOLLOW_UP, OUTSIDE
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.blocks import HAS_ID, HAS_METADATA, HAS_SOURCE, NO_TYPE, STATUS_BITS
from mmsb.schemas.tlog.records import TlogKind

Plan = Any  # an i64 array: what is known of a block, by the names below; places and sizes are in words

FIRST: Final = 0  # offset
INTENTS: Final = 1
TYPES: Final = 2
OUTCOMES: Final = 3
INTENT_TYPES: Final = 4
RISES: Final = 5
IDS: Final = 6
SOURCES: Final = 7
DUPLICATES: Final = 8
REJECTIONS: Final = 9
DELTAS: Final = 10
SENT: Final = 11
METADATA: Final = 12
PAYLOAD: Final = 13
FOLLOW_UPS: Final = 14
END: Final = 15

COUNTS: Final = 16  # of each section: rows, or words where rows differ in size
TYPES_N: Final = COUNTS
RISES_N: Final = COUNTS + 1
IDS_N: Final = COUNTS + 2
SOURCES_N: Final = COUNTS + 3
DUPLICATES_N: Final = COUNTS + 4
REJECTIONS_N: Final = COUNTS + 5
DELTAS_N: Final = COUNTS + 6
SENT_N: Final = COUNTS + 7
METADATA_W: Final = COUNTS + 8
PAYLOAD_W: Final = COUNTS + 9
FOLLOW_UPS_W: Final = COUNTS + 10

PLANNED: Final = COUNTS + 11  # so much is known before a block is looked into
DONE: Final = 30  # how much of what comes in order was done, for who takes it back
JOURNAL: Final = 31  # where its free part begins
MARKS_DONE: Final = 32
SENT_DONE: Final = 33
WORDS: Final = 34

# What is known of each type of a block: rows of an i64 array.
PAGE: Final = 0  # the page type's number; -1: none
USES: Final = 1
USED_BY_INTENT: Final = 1
USED_BY_DELTA: Final = 2
KNOWN_INTENT: Final = 4
TYPE_ROWS: Final = 2

RISE_W: Final = 2
ID_W: Final = 2
SOURCE_W: Final = 4
REJECTION_W: Final = 4
DELTA_W: Final = 3
SENT_W: Final = 3
ROW_WORDS: Final = (RISE_W, ID_W, SOURCE_W, 1, REJECTION_W, DELTA_W, SENT_W, 1, 1, 1)  # of the sections from RISES on

APPLIED: Final = int(Status.APPLIED)
REJECTED: Final = int(Status.REJECTED)
DUPLICATE: Final = int(Status.DUPLICATE)
NOOP: Final = int(Status.NOOP)
QUARANTINED: Final = int(Status.QUARANTINED)

_CLOCK_AT: Final = 9  # in words
_QUARANTINE: Final = int(TlogKind.QUARANTINE)
_FLAGS_END: Final = 2 * HAS_METADATA
_REFUSED: Final = int(Code.REFUSED)
_UNKNOWN_TYPE: Final = int(Code.UNKNOWN_TYPE)
_CODES: Final = np.uint64(sum(1 << code for code in Code if code))
_CODE_MAX: Final = int(max(Code))
_OP_MAX: Final = int(max(Op))
_KIND_MAX: Final = 4
_NUMBERS: Final = 1  # kinds of values
_UNSIGNED: Final = 2
_ZERO: Final = np.uint64(0)
_LOW: Final = np.uint64(0xFFFF_FFFF)
_U32: Final = np.uint64(32)
_U63: Final = np.uint64(63)


@inlined
def check_columns(
    words: Words, value8: Bytes, plan: Plan, types: Any, intents: Words, pages: Words, messages: Int, clock: Int
) -> bool:
    """Whether the columns of outcomes are what a writer could have found.

    `intents` and `pages` are the type ids that are known, rising; `types` gets what is known of the block's own;
    `messages` counts the claim's; `clock` is the partition's before the block.
    """
    return (
        _check_types(words, plan, types, intents, pages)
        and _check_outcomes(words, value8, plan)
        and _check_intent_types(words, plan, types)
        and _check_rises(words, plan, clock)
        and _check_sources(words, plan)
        and _check_duplicates(words, value8, plan)
        and _check_rejections(words, plan, messages)
        and _check_metadata(value8, plan)
    )


@inlined
def _check_types(words: Words, plan: Plan, types: Any, intents: Words, pages: Words) -> bool:
    """They rise, and each is known as something; a block cannot name more than are known."""
    at, count = plan[TYPES], plan[TYPES_N]
    if count > types.shape[1]:
        return False
    for index in range(count):
        type_id = words[at + index]
        if index > 0 and type_id <= words[at + index - 1]:
            return False
        types[PAGE, index] = find_type(pages, type_id)
        types[USES, index] = KNOWN_INTENT if find_type(intents, type_id) >= 0 else 0
    return True


@inlined
def flags_of(value8: Bytes, plan: Plan, index: Int) -> Int:
    """Status and parts of one outcome."""
    return np.int64(value8[8 * plan[OUTCOMES] + index])


@inlined
def _check_outcomes(words: Words, value8: Bytes, plan: Plan) -> bool:
    """Statuses, and as many rows in each column as they need."""
    at, intents = 8 * plan[OUTCOMES], plan[INTENTS]
    quarantine = np.int64(words[0] >> _U32) == _QUARANTINE
    if quarantine and intents != 1:
        return False
    ids = sources = duplicates = rejections = 0
    for index in range(at, at + intents):
        flags = np.int64(value8[index])
        status = flags & STATUS_BITS
        if flags >= _FLAGS_END or status < APPLIED or status > QUARANTINED or (status == QUARANTINED) != quarantine:
            return False
        ids += (flags & HAS_ID) != 0
        sources += (flags & HAS_SOURCE) != 0
        duplicates += status == DUPLICATE
        rejections += status == REJECTED
    for index in range(at + intents, 8 * plan[INTENT_TYPES]):
        if value8[index] != 0:
            return False
    return (ids, sources, duplicates, rejections) == (
        plan[IDS_N], plan[SOURCES_N], plan[DUPLICATES_N], plan[REJECTIONS_N]
    )  # fmt: skip


@inlined
def _check_intent_types(words: Words, plan: Plan, types: Any) -> bool:
    at, intents, count = plan[INTENT_TYPES], plan[INTENTS], plan[TYPES_N]
    for index in range(intents):
        number = u16_of(words, at, index)
        if number == NO_TYPE:
            continue
        if number >= count or types[USES, number] & KNOWN_INTENT == 0:
            return False
        types[USES, number] |= USED_BY_INTENT
    rest = 0
    for index in range(intents, 4 * ((intents + 3) // 4)):
        rest |= u16_of(words, at, index)
    return bool(rest == 0)


@inlined
def u16_of(words: Words, at: Int, index: Int) -> Int:
    """A u16 of a table that begins at word `at`."""
    return np.int64((words[at + (index >> 2)] >> np.uint64(16 * (index & 3))) & np.uint64(0xFFFF))


@inlined
def _check_rises(words: Words, plan: Plan, clock: Int) -> bool:
    """The clock rises with the offsets, and ends where the header says."""
    at, count = plan[RISES], plan[RISES_N]
    before: Int = -1
    for row in range(at, at + RISE_W * count, RISE_W):
        index, now = np.int64(words[row]), np.int64(words[row + 1])  # an index with anything above it is too large
        if index <= before or index >= plan[INTENTS] or now <= clock:
            return False
        before = index
        clock = now
    return bool(clock == np.int64(words[_CLOCK_AT]))


@inlined
def _check_sources(words: Words, plan: Plan) -> bool:
    at, count = plan[SOURCES], plan[SOURCES_N]
    for row in range(at, at + SOURCE_W * count, SOURCE_W):
        number, hops = np.int64(words[row + 2]), np.int64(words[row + 3] & _LOW)
        kind = np.int64(words[row + 3] >> _U32)
        fits = (kind == FOLLOW_UP and hops > 0) or (kind == OUTSIDE and hops == 0)
        if number < 1 or not fits:
            return False
    return True


@inlined
def _check_duplicates(words: Words, value8: Bytes, plan: Plan) -> bool:
    """Each repeats a number of its source, or an id that was there before."""
    row, end = plan[DUPLICATES], plan[DUPLICATES] + plan[DUPLICATES_N]
    index = 0
    while row < end:
        flags = flags_of(value8, plan, index)
        if flags & STATUS_BITS == DUPLICATE:
            first = np.int64(words[row])
            if first < -1 or first >= plan[FIRST] + index:
                return False
            if flags & (HAS_SOURCE if first == -1 else HAS_ID) == 0:
                return False
            row += 1
        index += 1
    return True


@inlined
def _check_rejections(words: Words, plan: Plan, messages: Int) -> bool:
    at, count = plan[REJECTIONS], plan[REJECTIONS_N]
    for row in range(at, at + REJECTION_W * count, REJECTION_W):
        code, ordinal = np.int64(words[row] & np.uint64(0xFFFF)), np.int64((words[row] >> _U32) & np.uint64(0xFFFF))
        if not _is_rejection(words[row], code, words[row + 2], words[row + 3]):
            return False
        if code == _REFUSED and ordinal >= messages:
            return False
    return True


@inlined
def _is_rejection(head: Word, code: Int, value: Word, bound: Word) -> bool:
    """Whether a row of known numbers is canonical: its kind follows from its values (docs/formats.md, section 6)."""
    op, kind = np.int64((head >> np.uint64(16)) & np.uint64(255)), np.int64((head >> np.uint64(24)) & np.uint64(255))
    if code > _CODE_MAX or (_CODES >> np.uint64(code)) & np.uint64(1) == _ZERO or op > _OP_MAX or kind > _KIND_MAX:
        return False
    if kind == 0:
        return bool((value | bound) == _ZERO)
    if kind == _UNSIGNED:
        return bool(code == _UNKNOWN_TYPE or (value | bound) >> _U63 != _ZERO)
    return bool(kind != _NUMBERS or code != _UNKNOWN_TYPE)


@inlined
def _check_metadata(value8: Bytes, plan: Plan) -> bool:
    """As many blocks as outcomes that have one, which fill their section."""
    at, end = 8 * plan[METADATA], 8 * plan[PAYLOAD]
    for index in range(plan[INTENTS]):
        if flags_of(value8, plan, index) & HAS_METADATA:
            size = metadata_size(value8, at) if at < end else 0
            if size > end - at or metadata_problem(value8, at, size) != 0:
                return False
            at += size
    return bool(at == end)


@inlined
def metadata_size(value8: Bytes, at: Int) -> Int:
    """What a metadata block says of its own size; there are at least eight bytes."""
    return np.int64(load_u32(value8, at + 4))

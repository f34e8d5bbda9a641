"""A block while it grows: one array with a region for each section of docs/formats.md, section 10, and counters.

All rows are whole words, except outcomes (bytes) and intent types (two bytes), which are written through a second view
of the same memory. Types are numbered by their place among all that the bundle knows; `finish` renumbers them by those
that the block uses.
"""

from typing import Final

import numpy as np

from mmsb.kernels.jit import inlined, inner, kernel
from mmsb.kernels.memory import Bytes, Flag, Int, Word, Words, copy_words, load_u64
from mmsb.schemas.limits import (
    BLOCK_BYTES_MAX,
    BLOCK_INTENTS_MAX,
    FOLLOW_UPS_PER_INTENT_MAX,
    INTENT_BYTES_MAX,
    PAGE_BYTES_MAX,
    PAGES_PER_INTENT_MAX,
)

HEADER_BYTES: Final = 152
NO_TYPE: Final = 0xFFFF

# What a block may come to have, in words, and what one outcome may add before it turns out not to fit.
_BLOCK: Final = BLOCK_BYTES_MAX // 8
_INTENTS: Final = BLOCK_INTENTS_MAX + 8
_OUTCOME: Final = PAGES_PER_INTENT_MAX * (PAGE_BYTES_MAX + 1024) // 8
_EMITTED: Final = FOLLOW_UPS_PER_INTENT_MAX * (INTENT_BYTES_MAX + 8192) // 8

# Where each section's region begins, in words.
OUTCOMES: Final = 0
INTENT_TYPES: Final = OUTCOMES + _INTENTS // 8
RISES: Final = INTENT_TYPES + _INTENTS // 4
IDS: Final = RISES + 2 * _INTENTS
SOURCES: Final = IDS + 2 * _INTENTS
DUPLICATES: Final = SOURCES + 4 * _INTENTS
REJECTIONS: Final = DUPLICATES + _INTENTS
DELTAS: Final = REJECTIONS + 4 * _INTENTS
SENT: Final = DELTAS + _BLOCK + 3 * PAGES_PER_INTENT_MAX
METADATA: Final = SENT + _BLOCK + 3 * FOLLOW_UPS_PER_INTENT_MAX
PAYLOAD: Final = METADATA + _BLOCK + INTENT_BYTES_MAX // 8
FOLLOW_UPS: Final = PAYLOAD + _BLOCK + _OUTCOME
WORDS: Final = FOLLOW_UPS + _BLOCK + _EMITTED

# Counters: rows of each section, or words where rows differ in size.
INTENTS_N: Final = 0
RISES_N: Final = 1
IDS_N: Final = 2
SOURCES_N: Final = 3
DUPLICATES_N: Final = 4
REJECTIONS_N: Final = 5
DELTAS_N: Final = 6
SENT_N: Final = 7
METADATA_W: Final = 8
PAYLOAD_W: Final = 9
FOLLOW_UPS_W: Final = 10
TYPES_N: Final = 11  # how many types are used
CLOCK: Final = 12  # after the last outcome
USED: Final = 16  # from here: 1 for each type that is used

RISE_W: Final = 2
ID_W: Final = 2
SOURCE_W: Final = 4
REJECTION_W: Final = 4
DELTA_W: Final = 3
SENT_W: Final = 3

HAS_ID: Final = 8
HAS_SOURCE: Final = 16
HAS_METADATA: Final = 32

_U8: Final = np.uint64(8)
_U32: Final = np.uint64(32)
_U48: Final = np.uint64(48)


@kernel
def size_of(counts: Words) -> Int:
    """How many bytes the block would have."""
    return HEADER_BYTES + 8 * _size_in_words(counts)


@inlined
def _size_in_words(counts: Words) -> Int:
    intents = counts[INTENTS_N]
    words = counts[TYPES_N] + (intents + 7) // 8 + (intents + 3) // 4
    words += RISE_W * counts[RISES_N] + ID_W * counts[IDS_N] + SOURCE_W * counts[SOURCES_N] + counts[DUPLICATES_N]
    words += REJECTION_W * counts[REJECTIONS_N] + DELTA_W * counts[DELTAS_N] + SENT_W * counts[SENT_N]
    return words + counts[METADATA_W] + counts[PAYLOAD_W] + counts[FOLLOW_UPS_W]


@kernel
def fits(counts: Words, words: Int, types: Int) -> Flag:
    """Whether one outcome more fits that takes so many words, and so many types that are not used yet."""
    intents = counts[INTENTS_N]
    grown = (intents + 8) // 8 - (intents + 7) // 8 + (intents + 4) // 4 - (intents + 3) // 4
    size = size_of(counts) + 8 * (grown + words + types)
    return intents < BLOCK_INTENTS_MAX and size <= BLOCK_BYTES_MAX


@kernel
def is_new(counts: Words, number: Int) -> Int:
    """1 if this type is not used yet; -1 is no type."""
    return 1 if number >= 0 and counts[USED + number] == 0 else 0


@inlined
def use_type(counts: Words, number: Int) -> None:
    if is_new(counts, number) == 1:
        counts[USED + number] = 1
        counts[TYPES_N] += 1


@kernel
def add_outcome(block: Words, block8: Bytes, counts: Words, flags: Int, number: Int) -> None:
    """The outcome of one more offset: status and parts, and its intent's type."""
    index = counts[INTENTS_N]
    block8[8 * OUTCOMES + index] = np.uint8(flags)
    shown = number if number >= 0 else NO_TYPE
    at = 8 * INTENT_TYPES + 2 * index
    block8[at] = np.uint8(shown & 255)
    block8[at + 1] = np.uint8(shown >> 8)
    use_type(counts, number)
    counts[INTENTS_N] = index + 1


@kernel
def add_rise(block: Words, counts: Words, clock: Int) -> None:
    """The clock rose at the offset that comes next."""
    at = RISES + RISE_W * counts[RISES_N]
    block[at] = np.uint64(counts[INTENTS_N])
    block[at + 1] = np.uint64(clock)
    counts[RISES_N] += 1
    counts[CLOCK] = clock


@inlined
def add_id(block: Words, counts: Words, a: Word, b: Word) -> None:
    at = IDS + ID_W * counts[IDS_N]
    block[at] = a
    block[at + 1] = b
    counts[IDS_N] += 1


@inlined
def add_source(block: Words, counts: Words, source: Bytes, at: Int, kind: Int) -> None:
    """The source part of a packed intent, as a row: the kind goes where the part has zeros."""
    to = SOURCES + SOURCE_W * counts[SOURCES_N]
    for word in range(3):
        block[to + word] = load_u64(source, at + 8 * word)
    block[to + 3] = load_u64(source, at + 24) | (np.uint64(kind) << _U32)
    counts[SOURCES_N] += 1


@inlined
def add_duplicate(block: Words, counts: Words, first: Int) -> None:
    block[DUPLICATES + counts[DUPLICATES_N]] = np.uint64(first)
    counts[DUPLICATES_N] += 1


@inlined
def add_rejection(block: Words, counts: Words, rows: Words, at: Int) -> None:
    copy_words(block, REJECTIONS + REJECTION_W * counts[REJECTIONS_N], rows, at, REJECTION_W)
    counts[REJECTIONS_N] += 1


@inlined
def add_metadata(block: Words, counts: Words, source: Bytes, at: Int, size: Int) -> None:
    to = METADATA + counts[METADATA_W]
    for word in range(size // 8):
        block[to + word] = load_u64(source, at + 8 * word)
    counts[METADATA_W] += size // 8


@kernel
def add_delta(block: Words, counts: Words, number: Int, kind: Int, base: Word, key_words: Int, words: Int) -> None:
    """The index row of a delta whose key and payload are at the payload's end already."""
    at = DELTAS + DELTA_W * counts[DELTAS_N]
    block[at] = np.uint64(counts[INTENTS_N]) | (np.uint64(number) << _U32) | (np.uint64(kind) << _U48)
    block[at + 1] = base
    block[at + 2] = np.uint64(8 * key_words) | (np.uint64(8 * words) << _U32)
    counts[DELTAS_N] += 1
    counts[PAYLOAD_W] += key_words + words
    use_type(counts, number)


@kernel
def finish(block: Words, block8: Bytes, counts: Words, types: Words, ranks: Words, value: Words) -> None:
    """Put the sections together behind the header's words, which are the caller's to write, counts included.

    `ranks` is room for a number for each type.
    """
    known = types.shape[0]
    at = HEADER_BYTES // 8
    used = 0
    for number in range(known):
        ranks[number] = used
        if counts[USED + number] != 0:
            value[at + used] = types[number]
            used += 1
    if used < known:
        _renumber(block, block8, counts, ranks)
    at += used
    intents = counts[INTENTS_N]
    at = _section(block, block8, OUTCOMES, intents, value, at)
    at = _section(block, block8, INTENT_TYPES, 2 * intents, value, at)
    at = _rows(block, RISES, RISE_W * counts[RISES_N], value, at)
    at = _rows(block, IDS, ID_W * counts[IDS_N], value, at)
    at = _rows(block, SOURCES, SOURCE_W * counts[SOURCES_N], value, at)
    at = _rows(block, DUPLICATES, counts[DUPLICATES_N], value, at)
    at = _rows(block, REJECTIONS, REJECTION_W * counts[REJECTIONS_N], value, at)
    at = _rows(block, DELTAS, DELTA_W * counts[DELTAS_N], value, at)
    at = _rows(block, SENT, SENT_W * counts[SENT_N], value, at)
    at = _rows(block, METADATA, counts[METADATA_W], value, at)
    at = _rows(block, PAYLOAD, counts[PAYLOAD_W], value, at)
    _rows(block, FOLLOW_UPS, counts[FOLLOW_UPS_W], value, at)


@inner
def _rows(block: Words, region: Int, count: Int, value: Words, at: Int) -> Int:
    copy_words(value, at, block, region, count)
    return at + count


@inlined
def _section(block: Words, block8: Bytes, region: Int, size: Int, value: Words, at: Int) -> Int:
    """A section of bytes, whose last word may still hold what a longer block left there."""
    words = (size + 7) // 8
    for index in range(size, 8 * words):
        block8[8 * region + index] = 0
    return _rows(block, region, words, value, at)


@inner
def _renumber(block: Words, block8: Bytes, counts: Words, ranks: Words) -> None:
    """Types not used leave no gap in the numbers of the others, which keep their order."""
    for index in range(counts[INTENTS_N]):
        at = 8 * INTENT_TYPES + 2 * index
        number = np.int64(block8[at]) | (np.int64(block8[at + 1]) << 8)
        if number != NO_TYPE:
            block8[at] = np.uint8(ranks[number] & 255)
            block8[at + 1] = np.uint8(ranks[number] >> 8)
    for index in range(counts[DELTAS_N]):
        at = DELTAS + DELTA_W * index
        word = block[at]
        rank = np.uint64(ranks[np.int64((word >> _U32) & np.uint64(NO_TYPE))])
        block[at] = (word & ~(np.uint64(NO_TYPE) << _U32)) | (rank << _U32)

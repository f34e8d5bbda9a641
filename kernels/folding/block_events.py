"""What blocks did to pages, as packed events: their heads in the order of the block, then their bodies type by type.

mmsb.processors.projection says the same slowly. Blocks come here that the fold has accepted, so of what it checked only
that is checked again on which the safety of these loops rests. A block's events may be many times its size, so both
kernels do a part of its deltas at a time: as many as a piece of memory has room for.
"""

from typing import Any, Final

import numpy as np

from mmsb.kernels.folding.block_changes import bring_near
from mmsb.kernels.folding.block_deltas import (
    KEY_AT,
    ROW,
    SLOT,
    UNSORTED,
    Columns,
    base_of,
    index_of,
    key_words_of,
    kind_of,
    number_of,
    payload_words_of,
)
from mmsb.kernels.folding.block_sections import (
    DELTA_W,
    DELTAS,
    DELTAS_N,
    FIRST,
    ID_W,
    INTENT_TYPES,
    PAGE,
    RISE_W,
    RISES,
    RISES_N,
    SOURCE_W,
    TYPES,
    Plan,
    flags_of,
    u16_of,
)
from mmsb.kernels.folding.unfolding import REFUSED, STRETCH_W, unfold
from mmsb.kernels.jit import branching, inlined, kernel
from mmsb.kernels.memory import Bytes, Int, Word, Words, copy_words
from mmsb.kernels.stepping.changes import DELETE
from mmsb.kernels.tables import page_index
from mmsb.schemas.events import HEADER_BYTES, HOPS_MAX, MAGIC, EventKind
from mmsb.schemas.tlog.blocks import HAS_ID, HAS_SOURCE, NO_TYPE

HEAD_W: Final = HEADER_BYTES // 8
APPLIED: Final = 0
SILENT: Final = -1  # in place of the first delta of a piece: pages change, and nobody is told

# Where the heads of a block are: words of an i64 array. From INDEX on it is about the intent of the last head.
DELTA: Final = 0  # the next one
INDEX: Final = 1
ORDINAL: Final = 2  # the next one's
ID_ROW: Final = 3
SOURCE_ROW: Final = 4
RISE_ROW: Final = 5
CLOCK: Final = 6
CURSOR: Final = 7

# What is known of each page type: rows of an i64 array.
MASKS: Final = 0  # words of a field mask
BODIES: Final = 1  # words of a body
SIZE_ROWS: Final = 2

# The words of a type's fields before their table: for each word of a body, where its entries begin (and, behind the
# last, where they end); then the entries, two words each: a field, and the bits of the word that are its.
KEY_WORDS: Final = 0
BODY_WORDS: Final = 1
FIELDS_N: Final = 2
ENTRIES: Final = 3
ENTRY_W: Final = 2

_CREATED: Final = np.uint64(EventKind.CREATED)
_CHANGED: Final = np.uint64(EventKind.CHANGED)
_DELETED: Final = np.uint64(EventKind.DELETED)
_MAGIC: Final = np.uint64(int.from_bytes(MAGIC, "little"))
_ZERO: Final = np.uint64(0)
_ONE: Final = np.uint64(1)
_LOW: Final = np.uint64(0xFFFF_FFFF)
_U6: Final = np.uint64(6)
_U16: Final = np.uint64(16)
_U32: Final = np.uint64(32)
_U48: Final = np.uint64(48)
_U63: Final = np.uint64(63)


@branching
def write_heads(
    words: Words,
    value8: Bytes,
    plan: Plan,
    types: Any,
    columns: Columns,
    sizes: Any,
    log: Words,
    partition: Int,
    cursor: Any,
    out: Words,
    starts: Any,
) -> Int:
    """Write heads and keys of events from the cursor's delta on, as long as there is room; gives how many.

    `starts` gets where in `out` each begins, and behind the last where they end.
    """
    begin, at = cursor[DELTA], 0
    starts[0] = 0
    while cursor[DELTA] < plan[DELTAS_N]:
        delta = cursor[DELTA]
        row = plan[DELTAS] + DELTA_W * delta
        page = types[PAGE, number_of(words, row)]
        body = 0 if kind_of(words, row) == DELETE else sizes[BODIES, page]
        keys, masks = key_words_of(words, row), sizes[MASKS, page]
        end = at + HEAD_W + keys + masks + body
        if end > out.shape[0] or delta + 1 - begin >= starts.shape[0]:
            break
        _pass_intents(words, value8, plan, cursor, index_of(words, row))
        _write_head(words, value8, plan, row, log, partition, cursor, out, at)
        out[at + 10] = np.uint64(keys) | (np.uint64(masks) << _U16) | (np.uint64(body) << _U32)
        copy_words(out, at + HEAD_W, words, columns[UNSORTED, delta], keys)
        cursor[DELTA] += 1
        cursor[ORDINAL] += 1
        at = end
        starts[delta + 1 - begin] = at
    return np.int64(cursor[DELTA] - begin)


@inlined
def _pass_intents(words: Words, value8: Bytes, plan: Plan, cursor: Any, index: Int) -> None:
    """Go on to the intent at `index`."""
    while cursor[INDEX] < index:
        flags = flags_of(value8, plan, cursor[INDEX])
        cursor[ID_ROW] += ID_W * ((flags & HAS_ID) != 0)
        cursor[SOURCE_ROW] += SOURCE_W * ((flags & HAS_SOURCE) != 0)
        cursor[INDEX] += 1
        cursor[ORDINAL] = 0
    end = plan[RISES] + RISE_W * plan[RISES_N]
    while cursor[RISE_ROW] < end and np.int64(words[cursor[RISE_ROW]]) <= index:
        cursor[CLOCK] = np.int64(words[cursor[RISE_ROW] + 1])
        cursor[RISE_ROW] += RISE_W


@inlined
def _write_head(
    words: Words,
    value8: Bytes,
    plan: Plan,
    row: Int,
    log: Words,
    partition: Int,
    cursor: Any,
    out: Words,
    at: Int,
) -> None:
    """All of a head but its sizes (docs/formats.md, section 12)."""
    index, base = cursor[INDEX], base_of(words, row)
    offset = plan[FIRST] + index
    deleted = kind_of(words, row) == DELETE
    kind = _DELETED if deleted else _CHANGED if base > 0 else _CREATED
    flags = flags_of(value8, plan, index)
    hops = words[cursor[SOURCE_ROW] + 3] & _LOW if flags & HAS_SOURCE else _ZERO
    number = u16_of(words, plan[INTENT_TYPES], index)
    out[at] = _MAGIC | (kind << _U32) | (min(hops, np.uint64(HOPS_MAX)) << _U48)
    out[at + 1] = np.uint64(partition) | (np.uint64(cursor[ORDINAL]) << _U32)
    out[at + 2] = np.uint64(offset)
    out[at + 3] = words[plan[TYPES] + number_of(words, row)]
    out[at + 4] = _ZERO if deleted else np.uint64(offset + 1)
    out[at + 5] = np.uint64(base)
    out[at + 6] = np.uint64(cursor[CLOCK])
    out[at + 7] = _ZERO if number == NO_TYPE else words[plan[TYPES] + number]
    if flags & HAS_ID:
        out[at + 8], out[at + 9] = words[cursor[ID_ROW]], words[cursor[ID_ROW] + 1]
    else:  # its position
        out[at + 8], out[at + 9] = np.uint64(partition) | (log[0] << _U32), np.uint64(offset)


@kernel
def write_bodies(
    words: Words,
    value8: Bytes,
    plan: Plan,
    columns: Columns,
    start: Int,
    stop: Int,
    first: Int,
    index: Words,
    arena: Words,
    fields: Words,
    scratch: Words,
    stretches: Any,
    hashes: Words,
    out: Words,
    starts: Any,
) -> Int:
    """Apply columns `start` up to `stop`, for which there is room, and write what they did into the events.

    The first event in `out` is that of the block's delta `first`, or SILENT. REFUSED says that pages are not those that
    the block is about; then they are spoiled.
    """
    key_words = np.int64(fields[KEY_WORDS])
    stride = 1 + key_words + np.int64(fields[BODY_WORDS])
    at, why = start, APPLIED
    while at < stop and why == APPLIED:
        near = min(at + hashes.shape[0], stop)
        bring_near(words, columns, at, near, index, arena, stride, key_words, hashes)
        while at < near and why == APPLIED:
            event = SILENT
            if first != SILENT:
                event = starts[(columns[ROW, at] - plan[DELTAS]) // DELTA_W - first]
            why = _apply(
                words,
                value8,
                plan,
                columns,
                at,
                index,
                arena,
                fields,
                key_words,
                stride,
                scratch,
                stretches,
                out,
                event,
            )
            at += 1
    return why


@inlined
def _apply(
    words: Words,
    value8: Bytes,
    plan: Plan,
    columns: Columns,
    at: Int,
    index: Words,
    arena: Words,
    fields: Words,
    key_words: Int,
    stride: Int,
    scratch: Words,
    stretches: Any,
    out: Words,
    event: Int,
) -> Int:
    """One delta; its event begins at word `event`."""
    row, key_at = columns[ROW, at], columns[KEY_AT, at]
    kind, base, size = kind_of(words, row), base_of(words, row), payload_words_of(words, row)
    if key_words_of(words, row) != key_words:
        return REFUSED
    slot = page_index.current(index, arena, stride, key_words, words, key_at, columns[SLOT, at])
    if base != (np.int64(arena[slot * stride]) if slot >= 0 else 0) or (kind == DELETE and base == 0):
        return REFUSED
    body_words = stride - 1 - key_words
    mask_at = event + HEAD_W + key_words
    mask_words = (np.int64(fields[FIELDS_N]) + 63) >> 6
    if event != SILENT:
        for word in range(mask_words):
            out[mask_at + word] = _ZERO
    if kind == DELETE:
        page_index.remove(index, arena, stride, key_words, slot)
        return APPLIED
    count, _ = unfold(words, value8, key_at + key_words, size, kind, body_words, scratch, 0, stretches)
    if count < 0:
        return count
    if slot < 0:
        slot = _create(index, arena, stride, words, key_at, key_words)
        if event != SILENT:
            _mark_all(fields, out, mask_at)
    elif event != SILENT:
        _mark_changed(arena, slot * stride + 1 + key_words, fields, scratch, stretches, count, out, mask_at)
    arena[slot * stride] = np.uint64(plan[FIRST] + index_of(words, row) + 1)
    _put(arena, slot * stride + 1 + key_words, scratch, stretches, count)
    if event != SILENT:
        copy_words(out, mask_at + mask_words, arena, slot * stride + 1 + key_words, body_words)
    return APPLIED


@inlined
def _create(index: Words, arena: Words, stride: Int, words: Words, key_at: Int, key_words: Int) -> Int:
    hashed = page_index.hash_key(words, key_at, key_words, index[page_index.SALT])
    slot = page_index.create(index, arena, stride, words, key_at, key_words, hashed)
    for word in range(slot * stride + 1 + key_words, (slot + 1) * stride):
        arena[word] = _ZERO
    return slot


@inlined
def _put(arena: Words, body: Int, scratch: Words, stretches: Any, count: Int) -> None:
    at = 0
    for stretch in range(0, STRETCH_W * count, STRETCH_W):
        size = stretches[stretch + 1]
        copy_words(arena, body + stretches[stretch], scratch, at, size)
        at += size


@inlined
def _mark_all(fields: Words, out: Words, mask_at: Int) -> None:
    for field in range(np.int64(fields[FIELDS_N])):
        _mark(out, mask_at, np.uint64(field))


@inlined
def _mark_changed(
    arena: Words, body: Int, fields: Words, scratch: Words, stretches: Any, count: Int, out: Words, mask_at: Int
) -> None:
    """Name the fields in whose bits the page's words and the new ones differ."""
    at = 0
    for stretch in range(0, STRETCH_W * count, STRETCH_W):
        first = stretches[stretch]
        for word in range(first, first + stretches[stretch + 1]):
            differing = arena[body + word] ^ scratch[at]
            entries = np.int64(fields[ENTRIES + word]), np.int64(fields[ENTRIES + word + 1])
            for entry in range(entries[0], entries[1], ENTRY_W):
                if differing & fields[entry + 1] != _ZERO:
                    _mark(out, mask_at, fields[entry])
            at += 1


@inlined
def _mark(out: Words, mask_at: Int, field: Word) -> None:
    out[mask_at + np.int64(field >> _U6)] |= _ONE << (field & _U63)

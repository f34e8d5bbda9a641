"""The deltas of one page, read singly out of a segment's bytes and applied one after another."""

from typing import Any, Final

import numpy as np

from mmsb.kernels.jit import inlined, kernel
from mmsb.kernels.memory import Bytes, Flag, Int, Words, load_u32, load_u64
from mmsb.kernels.past.entries import PLACE_BITS
from mmsb.kernels.past.sections import (
    COUNT,
    DELTA_BYTES,
    DELTAS,
    DELTAS_N,
    FIRST,
    PAYLOAD,
    TYPES,
    TYPES_N,
    Plan,
    delta_check,
    find_sections,
    number,
    small,
)
from mmsb.schemas.deltas import DeltaKind

# Rows of what is known of each delta: an i64 array.
STATUS: Final = 0  # what became of reading it
OFFSET: Final = 1  # of the intent
BASE: Final = 2
KIND: Final = 3
AT: Final = 4  # the payload's place in the segment
SIZE: Final = 5  # its words
ROWS: Final = 6

READ: Final = 0
DAMAGED: Final = 1  # it is not what the index says
OTHER: Final = 2  # it is of another page

_SPANS: Final = int(DeltaKind.SPANS)
_MASK: Final = int(DeltaKind.MASK)
_RUNS: Final = int(DeltaKind.RUNS)
_DELETE: Final = int(DeltaKind.DELETE)
_PLACE_BITS: Final = np.uint64(PLACE_BITS)
_PLACE: Final = np.uint64(2**PLACE_BITS - 1)
_ROW: Final = np.uint64(2 ** (32 - PLACE_BITS) - 1)
_U16: Final = np.uint64(16)
_U32: Final = np.uint64(32)
_CHECK: Final = np.uint64(0xFFFF)
_LOW: Final = np.uint64(0xFFFF_FFFF)
_ZERO: Final = np.uint64(0)
_ONE: Final = np.uint64(1)


@kernel
def read_deltas(value8: Bytes, blocks: Any, notes: Words, page: Words, plan: Plan, steps: Any) -> None:
    """What the deltas say that entries name, by their blocks' places; `page` is type id and key."""
    for each in range(blocks.shape[0]):
        steps[STATUS, each] = DAMAGED
        row, word = np.int64((notes[each] >> _PLACE_BITS) & _ROW), np.int64(notes[each] & _PLACE)
        if find_sections(value8, blocks[each], plan) and row < plan[DELTAS_N]:
            _read_delta(value8, blocks[each] + 8 * word, row, (notes[each] >> _U32) & _CHECK, page, plan, steps, each)


@inlined
def _read_delta(
    value8: Bytes, start: Int, row: Int, check: Any, page: Words, plan: Plan, steps: Any, each: Int
) -> None:
    at = plan[DELTAS] + DELTA_BYTES * row
    first, sizes = load_u64(value8, at), load_u64(value8, at + 16)
    key, size = np.int64(sizes & _LOW), np.int64(sizes >> _U32)
    index, kind = np.int64(first & _LOW), np.int64((first >> _U32) & _CHECK)
    if (key | size) & 7 or start < plan[PAYLOAD] or start + key + size > plan[PAYLOAD + 1]:
        return
    if kind >= plan[TYPES_N] or index >= plan[COUNT]:
        return
    if delta_check(value8, plan, row, kind, start, (key + size) >> 3) != check:
        return
    same = key == 8 * (page.shape[0] - 1) and load_u64(value8, plan[TYPES] + 8 * kind) == page[0]
    steps[STATUS, each] = READ if same and _is_key(value8, start, page) else OTHER
    steps[OFFSET, each], steps[BASE, each] = plan[FIRST] + index, number(value8, at + 8)
    steps[KIND, each] = np.int64((first >> np.uint64(48)) & np.uint64(255))
    steps[AT, each], steps[SIZE, each] = start + key, size >> 3


@inlined
def _is_key(value8: Bytes, at: Int, page: Words) -> Flag:
    for word in range(1, page.shape[0]):  # noqa: SIM110 - compiled loops have no generators
        if load_u64(value8, at + 8 * (word - 1)) != page[word]:
            return False
    return True


@kernel
def follow_deltas(
    value8: Bytes, steps: Any, start: Int, stop: Int, body: Words, epoch: Int, bodies: Words, keep: Int
) -> Int:
    """Apply deltas to a page's body, which has an epoch (0: there is no page, and the body is zeros).

    Gives how far that went: less than `stop` where a delta does not fit what those before it leave. Bodies after those
    from `keep` on are kept.
    """
    words = body.shape[0]
    for each in range(start, stop):
        kind = steps[KIND, each]
        if steps[BASE, each] != epoch or (kind == _DELETE and (epoch == 0 or steps[SIZE, each] != 0)):
            return each
        if kind == _DELETE:
            epoch = 0
            for word in range(words):
                body[word] = _ZERO
        else:
            if not _apply(value8, steps[AT, each], steps[SIZE, each], kind, body):
                return each
            epoch = steps[OFFSET, each] + 1
        if each >= keep:
            for word in range(words):
                bodies[(each - keep) * words + word] = body[word]
    return stop


@inlined
def _apply(value8: Bytes, at: Int, size: Int, kind: Int, body: Words) -> Flag:
    """Put a payload of so many words into a body, as far as it fits."""
    if kind == _MASK:
        return _apply_mask(value8, at, size, body)
    if kind != _SPANS and kind != _RUNS:
        return False
    count = small(value8, at) & 0xFFFF if size > 0 else 0
    table = (2 + 4 * count + 7) >> 3
    content, stop = at + 8 * table, at + 8 * size
    for entry in range(count):
        if content > stop:
            return False
        pair = load_u32(value8, at + 2 + 4 * entry)
        first, length = np.int64(pair & _CHECK), np.int64(pair >> _U16)
        stored = 1 if kind == _RUNS else length
        if first + length > body.shape[0] or content + 8 * stored > stop:
            return False
        for word in range(length):
            body[first + word] = load_u64(value8, content if kind == _RUNS else content + 8 * word)
        content += 8 * stored
    return content == stop


@inlined
def _apply_mask(value8: Bytes, at: Int, size: Int, body: Words) -> Flag:
    masks = (body.shape[0] + 63) >> 6
    if size < masks:
        return False
    content, stop = at + 8 * masks, at + 8 * size
    for index in range(masks):
        bits, word = load_u64(value8, at + 8 * index), 64 * index
        while bits != _ZERO:
            if bits & _ONE:
                if word >= body.shape[0] or content >= stop:
                    return False
                body[word] = load_u64(value8, content)
                content += 8
            bits >>= _ONE
            word += 1
    return content == stop

"""The deltas of one page, read singly out of a segment's bytes and applied one after another."""

from typing import Any, Final

import numpy as np

from mmsb.kernels.jit import inlined, kernel
from mmsb.kernels.memory import Bytes, Flag, Int, Word, Words, load_u32, load_u64
from mmsb.kernels.past.entries import PLACE_BITS
from mmsb.kernels.past.sections import (
    DELTA_BYTES,
    DELTAS,
    DELTAS_N,
    END,
    FIRST,
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
_U48: Final = np.uint64(48)
_CHECK: Final = np.uint64(0xFFFF)
_LOW: Final = np.uint64(0xFFFF_FFFF)
_ZERO: Final = np.uint64(0)
_ONE: Final = np.uint64(1)


# Rows of what is known of each delta's block: an i64 array, as mmsb.streams.past.growing.BlockPlace has them.
BLOCK_LAST: Final = 0
BLOCK_SIZE: Final = 4  # of its batch
BLOCK_OFFSETS: Final = 6
BLOCK_DELTAS: Final = 7


@kernel
def read_deltas(value8: Bytes, starts: Any, blocks: Any, notes: Words, page: Words, plan: Plan, steps: Any) -> None:
    """What the deltas say that entries name, by where their blocks start; `page` is type id and key.

    A block's head is looked at only where a delta is not of that page: it lies far from the delta, and so costs a
    fault of its own in memory that nobody has looked at yet.
    """
    for each in range(starts.shape[0]):
        place, row = np.int64(notes[each] & _PLACE), np.int64((notes[each] >> _PLACE_BITS) & _ROW)
        at = starts[each] + blocks[BLOCK_DELTAS, each] + DELTA_BYTES * row
        stop = min(value8.shape[0], starts[each] + blocks[BLOCK_SIZE, each])
        first = blocks[BLOCK_LAST, each] - blocks[BLOCK_OFFSETS, each] + 1
        check = (notes[each] >> _U32) & _CHECK
        steps[STATUS, each] = _read_delta(value8, at, starts[each] + 8 * place, stop, first, check, page, steps, each)
        if steps[STATUS, each] != READ and _is_other(value8, starts[each], row, 8 * place, check, plan):
            steps[STATUS, each] = OTHER


@inlined
def _read_delta(
    value8: Bytes, at: Int, start: Int, stop: Int, first: Int, check: Word, page: Words, steps: Any, each: Int
) -> Int:
    """The delta whose row is at a place and whose key and payload start at another, if it is of the page."""
    if at < 0 or at + DELTA_BYTES > stop or start > stop:
        return DAMAGED
    said, sizes = load_u64(value8, at), load_u64(value8, at + 16)
    key, size = np.int64(sizes & _LOW), np.int64(sizes >> _U32)
    if (key | size) & 7 or start + key + size > stop or key != 8 * (page.shape[0] - 1):
        return DAMAGED
    if delta_check(value8, first, page[0], at, start, (key + size) >> 3) != check or not _is_key(value8, start, page):
        return DAMAGED
    steps[OFFSET, each], steps[BASE, each] = first + np.int64(said & _LOW), number(value8, at + 8)
    steps[KIND, each] = np.int64((said >> _U48) & np.uint64(255))
    steps[AT, each], steps[SIZE, each] = start + key, size >> 3
    return READ


@inlined
def _is_other(value8: Bytes, start: Int, row: Int, place: Int, check: Word, plan: Plan) -> Flag:
    """Whether there is a delta as its entry says, of whatever page."""
    if not find_sections(value8, start, plan) or row >= plan[DELTAS_N]:
        return False
    at = plan[DELTAS] + DELTA_BYTES * row
    said, sizes = load_u64(value8, at), load_u64(value8, at + 16)
    key, size = np.int64(sizes & _LOW), np.int64(sizes >> _U32)
    kind = np.int64((said >> _U32) & _CHECK)
    if (key | size) & 7 or start + place + key + size > plan[END] or kind >= plan[TYPES_N]:
        return False
    type_id = load_u64(value8, plan[TYPES] + 8 * kind)
    return delta_check(value8, plan[FIRST], type_id, at, start + place, (key + size) >> 3) == check


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

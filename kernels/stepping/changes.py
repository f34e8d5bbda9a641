"""What an intent left of its pages, against what they were: counted, encoded, applied and digested.

New content lies in scratch, at `new` + the word's index in the body; only words from `low` to `high` may differ. The
delta's form is the smallest, as in mmsb.schemas.deltas. Nothing is written before the whole intent is known to apply.
"""

from typing import Final

import numpy as np

from mmsb.kernels.jit import inlined, inner
from mmsb.kernels.memory import Int, Word, Words
from mmsb.kernels.mixing import mix, seed_with
from mmsb.kernels.stepping.block_builder import PAYLOAD, PAYLOAD_W, add_delta
from mmsb.kernels.tables import page_index

SPANS: Final = 0
MASK: Final = 1
RUNS: Final = 2
DELETE: Final = 3

NOTHING: Final = -1  # the shape of a change that changes nothing
SINGLE: Final = 4  # says of a shape that it is one span
SHAPE_BITS: Final = (
    3  # a shape is a payload's size in words, and in the lowest bits its kind and whether it is a SINGLE
)

_ZERO: Final = np.uint64(0)
_ONE: Final = np.uint64(1)
_U16: Final = np.uint64(16)
_U32: Final = np.uint64(32)


@inlined
def shape_of(changed: Int, spans: Int, runs: Int, words: Int) -> Int:
    """The smallest payload for so many changed words of a body; the lowest kind on a tie."""
    best = (2 + 4 * spans + 7) // 8 + changed
    kind = SPANS | SINGLE if spans == 1 else SPANS
    masked = (words + 63) // 64 + changed
    if masked < best:
        best = masked
        kind = MASK
    filled = (2 + 4 * runs + 7) // 8 + runs
    if filled < best:
        best = filled
        kind = RUNS
    return (best << SHAPE_BITS) | kind


@inlined
def shape_of_change(arena: Words, old: Int, scratch: Words, new: Int, low: Int, high: Int, words: Int) -> Int:
    """The payload that a changed page takes; NOTHING if no word differs."""
    changed = 0
    spans = 0
    runs = 0
    last = -2
    for word in range(low, high):
        content = scratch[new + word]
        if content != arena[old + word]:
            changed += 1
            if last != word - 1:
                spans += 1
                runs += 1
            elif content != scratch[new + last]:
                runs += 1
            last = word
    return NOTHING if changed == 0 else shape_of(changed, spans, runs, words)


@inner
def shape_of_new(scratch: Words, new: Int, words: Int) -> Int:
    """The payload that a new page takes, whose body before is zeros; it exists even if nothing differs from them."""
    changed = 0
    spans = 0
    runs = 0
    last = -2
    for word in range(words):
        content = scratch[new + word]
        if content != _ZERO:
            changed += 1
            if last != word - 1:
                spans += 1
                runs += 1
            elif content != scratch[new + last]:
                runs += 1
            last = word
    return shape_of(changed, spans, runs, words)


@inlined
def words_of_shape(shape: Int) -> Int:
    return shape >> SHAPE_BITS


@inlined
def kind_of_shape(shape: Int) -> Int:
    return shape & 3


@inlined
def _put_u16(block: Words, at: Int, index: Int, number: Int) -> None:
    """The u16 at an index of a table whose words were zero."""
    block[at + (index >> 2)] |= np.uint64(number) << (_U16 * np.uint64(index & 3))


@inlined
def _open_table(block: Words, at: Int, kind: Int, count: Int, words: Int) -> Int:
    """Zero what says which words change; gives where their content goes."""
    size = (words + 63) // 64 if kind == MASK else (2 + 4 * count + 7) // 8
    for word in range(size):
        block[at + word] = _ZERO
    if kind != MASK:
        _put_u16(block, at, 0, count)
    return at + size


@inlined
def page_seed(arena: Words, slot: Int, key_words: Int, start: Word) -> Word:
    """The digest's seed of a page; `start` is that of its type."""
    for word in range(key_words):
        start = seed_with(start, arena[slot + 1 + word])
    return start


@inlined
def _copy_key(block: Words, at: Int, arena: Words, slot: Int, key_words: Int) -> Int:
    for word in range(key_words):
        block[at + word] = arena[slot + 1 + word]
    return at + key_words


@inlined
def _set_epoch(arena: Words, slot: Int, epoch: Word, start: Word, digest: Words) -> None:
    """Give a page its new epoch; 0 is that of a page that is only now made."""
    before = arena[slot]
    a, b = mix(epoch, 0, start)
    if before != _ZERO:
        c, d = mix(before, 0, start)
        a -= c
        b -= d
    digest[0] += a
    digest[1] += b
    arena[slot] = epoch


@inlined
def write_change(
    arena: Words,
    slot: Int,
    key_words: Int,
    words: Int,
    scratch: Words,
    new: Int,
    low: Int,
    high: Int,
    shape: Int,
    epoch: Word,
    number: Int,
    start: Word,
    block: Words,
    counts: Words,
    digest: Words,
) -> None:
    """Apply a change to an existing page and record its delta; `slot` is where the page's slot begins."""
    start = page_seed(arena, slot, key_words, start)
    at = _copy_key(block, PAYLOAD + counts[PAYLOAD_W], arena, slot, key_words)
    kind, total = kind_of_shape(shape), words_of_shape(shape)
    old = slot + 1 + key_words
    if shape & SINGLE != 0:
        a, b = _write_span(arena, old, scratch, new, low, total - 1, start, block, at)
    else:
        a, b = _write_many(arena, old, scratch, new, low, high, kind, total, words, start, block, at)
    add_delta(block, counts, number, kind, arena[slot], key_words, total)
    digest[0] += a
    digest[1] += b
    _set_epoch(arena, slot, epoch, start, digest)


@inlined
def _write_span(
    arena: Words, old: Int, scratch: Words, new: Int, low: Int, count: Int, start: Word, block: Words, at: Int
) -> tuple[Word, Word]:
    """The commonest change: words in a row."""
    first = low
    while scratch[new + first] == arena[old + first]:
        first += 1
    block[at] = _ONE | (np.uint64(first) << _U16) | (np.uint64(count) << _U32)
    a = _ZERO
    b = _ZERO
    for index in range(count):
        word = first + index
        content = scratch[new + word]
        block[at + 1 + index] = content
        a1, b1 = mix(content, word + 1, start)
        a2, b2 = mix(arena[old + word], word + 1, start)
        a += a1 - a2
        b += b1 - b2
        arena[old + word] = content
    return a, b


@inner
def _write_many(
    arena: Words,
    old: Int,
    scratch: Words,
    new: Int,
    low: Int,
    high: Int,
    kind: Int,
    total: Int,
    words: Int,
    start: Word,
    block: Words,
    at: Int,
) -> tuple[Word, Word]:
    """Any change: table and content side by side, digest and page on the way."""
    table = at
    content_at = _content_place(arena, old, scratch, new, low, high, kind, words, block, at)
    a = _ZERO
    b = _ZERO
    last = -2
    entry = -1
    size = 0
    for word in range(low, high):
        content = scratch[new + word]
        before = arena[old + word]
        if content == before:
            continue
        joined = last == word - 1 and (kind == SPANS or content == scratch[new + last])
        if kind == MASK:
            block[table + (word >> 6)] |= _ONE << np.uint64(word & 63)
        elif joined:
            size += 1
        else:
            if entry >= 0:
                _put_u16(block, table, 2 + 2 * entry, size)
            entry += 1
            size = 1
            _put_u16(block, table, 1 + 2 * entry, word)
        if kind != RUNS or not joined:
            block[content_at] = content
            content_at += 1
        a1, b1 = mix(content, word + 1, start)
        a2, b2 = mix(before, word + 1, start)
        a += a1 - a2
        b += b1 - b2
        arena[old + word] = content
        last = word
    if entry >= 0:
        _put_u16(block, table, 2 + 2 * entry, size)
    return a, b


@inlined
def _content_place(
    arena: Words,
    old: Int,
    scratch: Words,
    new: Int,
    low: Int,
    high: Int,
    kind: Int,
    words: Int,
    block: Words,
    at: Int,
) -> Int:
    """Open the table, whose size follows from how many spans or runs there are."""
    entries = 0
    last = -2
    if kind != MASK:
        for word in range(low, high):
            if scratch[new + word] != arena[old + word]:
                if last != word - 1 or (kind == RUNS and scratch[new + word] != scratch[new + last]):
                    entries += 1
                last = word
    return _open_table(block, at, kind, entries, words)


@inner
def write_new(
    index: Words,
    arena: Words,
    stride: Int,
    key_words: Int,
    words: Int,
    keys: Words,
    key_at: Int,
    scratch: Words,
    new: Int,
    shape: Int,
    epoch: Word,
    number: Int,
    start: Word,
    block: Words,
    counts: Words,
    digest: Words,
) -> None:
    """Make a page and record its delta, which is relative to zeros. There is room for it."""
    hashed = page_index.hash_key(keys, key_at, key_words, index[page_index.SALT])
    slot = stride * page_index.create(index, arena, stride, keys, key_at, key_words, hashed)
    start = page_seed(arena, slot, key_words, start)
    at = _copy_key(block, PAYLOAD + counts[PAYLOAD_W], arena, slot, key_words)
    body = slot + 1 + key_words
    for word in range(words):
        arena[body + word] = _ZERO
        a, b = mix(_ZERO, word + 1, start)  # what the delta does not change counts too
        digest[0] += a
        digest[1] += b
    kind, total = kind_of_shape(shape), words_of_shape(shape)
    a, b = _write_many(arena, body, scratch, new, 0, words, kind, total, words, start, block, at)
    digest[0] += a
    digest[1] += b
    add_delta(block, counts, number, kind, _ZERO, key_words, total)
    _set_epoch(arena, slot, epoch, start, digest)


@inner
def write_deletion(
    index: Words,
    arena: Words,
    stride: Int,
    key_words: Int,
    words: Int,
    slot: Int,
    number: Int,
    start: Word,
    block: Words,
    counts: Words,
    digest: Words,
) -> None:
    """Delete an existing page and record it; `slot` is its number."""
    base = slot * stride
    start = page_seed(arena, base, key_words, start)
    for word in range(words + 1):
        content = arena[base] if word == 0 else arena[base + key_words + word]
        a, b = mix(content, word, start)
        digest[0] -= a
        digest[1] -= b
    _copy_key(block, PAYLOAD + counts[PAYLOAD_W], arena, base, key_words)
    add_delta(block, counts, number, DELETE, arena[base], key_words, 0)
    page_index.remove(index, arena, stride, key_words, slot)

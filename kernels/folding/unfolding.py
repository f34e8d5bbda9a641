"""Payloads of deltas as stretches: which words of a body change, one after another, and their new content.

The structure is checked on the way, as mmsb.schemas.deltas.check_change does it; whether the words differ from what
was, and whether another form would be smaller, is for whoever has the page.
"""

from typing import Any, Final

import numpy as np
from numba.cpython.unsafe import numbers

from mmsb.kernels.jit import COMPILED, inlined
from mmsb.kernels.memory import Bytes, Int, Word, Words, load_u32
from mmsb.kernels.stepping.changes import MASK, RUNS

REFUSED: Final = -1
FULL: Final = -2  # there is no room for the content

STRETCH_W: Final = 2  # first word and count

_ZERO: Final = np.uint64(0)
_ALL: Final = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_U16: Final = np.uint64(16)
_U48: Final = np.uint64(48)
_LOW: Final = np.uint64(0xFFFF)

if COMPILED:
    _trailing_zeros: Any = numbers.trailing_zeros  # pyright: ignore
else:

    def _trailing_zeros(word: Word) -> Word:
        return np.uint64((int(word) & -int(word)).bit_length() - 1)


@inlined
def unfold(
    words: Words,
    value8: Bytes,
    at: Int,
    size: Int,
    kind: Int,
    body_words: Int,
    target: Words,
    to: Int,
    stretches: Any,
) -> tuple[Int, Int]:
    """Write the content of a payload of `size` words to `target`; gives how many stretches there are (or why there are
    none), and how many of them begin where no other ends."""
    if kind == MASK:
        return _unfold_mask(words, at, size, body_words, target, to, stretches)
    return _unfold_table(words, value8, at, size, kind == RUNS, body_words, target, to, stretches)


@inlined
def _unfold_table(
    words: Words,
    value8: Bytes,
    at: Int,
    size: Int,
    filled: bool,
    body_words: Int,
    target: Words,
    to: Int,
    stretches: Any,
) -> tuple[Int, Int]:
    """Spans, or runs if each stretch is `filled` with one word."""
    count = np.int64(words[at] & _LOW) if size > 0 else 0
    table = (2 + 4 * count + 7) >> 3
    if table > size or words[at + table - 1] >> (_U48 if count & 1 else _U16) != _ZERO:
        return REFUSED, 0
    content, stop, room = at + table, at + size, target.shape[0]
    end: Int = -1
    spans: Int = 0
    for entry in range(count):
        pair = load_u32(value8, 8 * at + 2 + 4 * entry)
        first, length = np.int64(pair & _LOW), np.int64(pair >> _U16)
        stored = 1 if filled else length
        touches = first == end
        if length == 0 or first < end or (touches and not filled) or first + length > body_words:
            return REFUSED, 0
        if content + stored > stop or (touches and words[content] == words[content - 1]):
            return REFUSED, 0
        if to + length > room:
            return FULL, 0
        if filled:
            _fill(target, to, words[content], length)
        else:
            _copy(target, to, words, content, length)
        stretches[STRETCH_W * entry] = first
        stretches[STRETCH_W * entry + 1] = length
        spans += not touches
        content += stored
        to += length
        end = first + length
    return (count if content == stop else REFUSED), spans


@inlined
def _unfold_mask(
    words: Words, at: Int, size: Int, body_words: Int, target: Words, to: Int, stretches: Any
) -> tuple[Int, Int]:
    masks = (body_words + 63) >> 6
    if size < masks:
        return REFUSED, 0
    content, stop, room = at + masks, at + size, target.shape[0]
    end: Int = -1
    count: Int = 0
    for index in range(masks):
        bits = words[at + index]
        first = 64 * index
        while bits != _ZERO:
            first, length, bits = _next_ones(first, bits)
            if first + length > body_words or content + length > stop:
                return REFUSED, 0
            if to + length > room:
                return FULL, 0
            _copy(target, to, words, content, length)
            if first == end:  # ones that go on from the mask's word before
                stretches[STRETCH_W * count - 1] += length
            else:
                stretches[STRETCH_W * count] = first
                stretches[STRETCH_W * count + 1] = length
                count += 1
            content += length
            to += length
            first += length
            end = first
    return (count if content == stop else REFUSED), count


@inlined
def _next_ones(at: Int, bits: Word) -> tuple[Int, Int, Word]:
    """Where the lowest ones begin and how many there are, and the bits behind them; bit 0 stands for `at`."""
    zeros = _trailing_zeros(bits)
    bits >>= zeros
    if bits == _ALL:
        return at, 64, _ZERO
    ones = _trailing_zeros(~bits)
    return at + np.int64(zeros), np.int64(ones), bits >> ones


@inlined
def _copy(target: Words, to: Int, source: Words, at: Int, count: Int) -> None:
    """Unsigned places are known not to count from an array's end, so whole vectors are copied."""
    there, here = np.uint64(to), np.uint64(at)
    for word in range(np.uint64(count)):
        target[there + word] = source[here + word]


@inlined
def _fill(target: Words, to: Int, content: Word, count: Int) -> None:
    there = np.uint64(to)
    for word in range(np.uint64(count)):
        target[there + word] = content

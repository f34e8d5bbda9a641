"""Give some words of a page new content: a few by scattering them, many by a masked merge that vector registers do.

A change has two forms that say the same: its places and words (sparse), or values and a mask of the page's size
(dense). `merge_pages` takes the one that is faster for as many words as change. mmsb.kernels.pages.spec says what each
must do; `apply_payload` is mmsb.schemas.deltas.apply_change in place.
"""

from typing import Any, Final

import numpy as np

from mmsb.kernels.jit import inlined, inner, kernel
from mmsb.kernels.memory import Bytes, Int, Word, Words, bits_of, load_u32, load_u64, prefetch, store_u64
from mmsb.kernels.stepping.changes import MASK, RUNS

Places = Any  # an i64 array

DENSE_FROM: Final = 28
"""From how many percent of a page's words on the dense merge is the faster one (docs/decisions)."""

_AHEAD: Final = 4096  # bytes of pages that are brought near before they are needed
_PAGES_AHEAD: Final = 16
_LINE: Final = 64
_LINE_WORDS: Final = 8
_ENTRIES_AHEAD: Final = 16  # spans or runs of a payload whose words are brought near

_ZERO: Final = np.uint64(0)
_ONE: Final = np.uint64(1)
_ALL: Final = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_U16: Final = np.uint64(16)
_LOW: Final = np.uint64(0xFFFF)
_MANTISSA: Final = np.uint64(52)
_BIAS: Final = 1023


@inlined
def _masked(old: Word, new: Word, mask: Word) -> Word:
    return (old & ~mask) | (new & mask)


@kernel
def merge_dense(page: Bytes, at: Int, size: Int, values: Bytes, mask: Bytes, change_at: Int) -> None:
    """Take from the values every bit whose mask is 1; both begin at `change_at`."""
    whole = size - size % 8
    for index in range(0, whole, 8):
        new, chosen = load_u64(values, change_at + index), load_u64(mask, change_at + index)
        store_u64(page, at + index, _masked(load_u64(page, at + index), new, chosen))
    for index in range(whole, size):
        new, chosen = np.uint64(values[change_at + index]), np.uint64(mask[change_at + index])
        page[at + index] = np.uint8(_masked(np.uint64(page[at + index]), new, chosen))


@kernel
def merge_sparse(page: Bytes, at: Int, size: Int, places: Places, words: Words, first: Int, count: Int) -> None:
    """Put `count` words, from `first` on, in their places, which rise; the page's end cuts what goes beyond it."""
    last = first + count - 1
    for index in range(first, last):
        store_u64(page, at + 8 * places[index], words[index])
    if count > 0:
        place = 8 * places[last]
        if place + 8 <= size:
            store_u64(page, at + place, words[last])
        else:
            _store_cut(page, at + place, size - place, words[last])


@inlined
def _store_cut(page: Bytes, at: Int, size: Int, word: Word) -> None:
    """Write the first bytes of a word."""
    for index in range(size):
        page[at + index] = np.uint8((word >> np.uint64(8 * index)) & np.uint64(255))


@inlined
def is_dense(size: Int, count: Int, dense_from: Int) -> bool:
    """Whether so many changed words are at least so many percent of a page."""
    return bool(800 * count >= dense_from * size)


@kernel
def merge_pages(
    pages: Bytes,
    starts: Places,
    size: Int,
    changes: Places,
    bounds: Places,
    places: Places,
    words: Words,
    values: Bytes,
    mask: Bytes,
    dense_from: Int,
) -> None:
    """Apply change number `changes[i]` to the page that begins at `starts[i]`, for each i in turn.

    The words of change c are those from `bounds[c]` to `bounds[c + 1]`; its dense form begins at c pages. `dense_from`
    is DENSE_FROM, except for who measures it. What the next pages need is brought near meanwhile.
    """
    pages_ahead = min(max(_AHEAD // size, 1), _PAGES_AHEAD)
    for index in range(starts.shape[0]):
        ahead = index + pages_ahead
        if ahead < starts.shape[0]:
            first, end = bounds[changes[ahead]], bounds[changes[ahead] + 1]
            _bring_near(pages, starts[ahead], size, places, first, end)
        change = changes[index]
        first = bounds[change]
        count = bounds[change + 1] - first
        if is_dense(size, count, dense_from):
            merge_dense(pages, starts[index], size, values, mask, change * size)
        else:
            merge_sparse(pages, starts[index], size, places, words, first, count)


@inlined
def _bring_near(pages: Bytes, start: Int, size: Int, places: Places, first: Int, end: Int) -> None:
    """Ask the memory for what a change will write to: at most for every line of the page, once."""
    if _LINE * (end - first) >= size:
        for line in range(0, size, _LINE):
            prefetch(pages, start + line)
    else:
        for index in range(first, end):
            prefetch(pages, start + 8 * places[index])


@kernel
def apply_payload(words: Words, at: Int, word_count: Int, payload8: Bytes, payload_at: Int, kind: Int) -> None:
    """Apply a delta's payload, spans, mask or runs, to the body that begins at word `at`. It has been validated."""
    if kind == MASK:
        _apply_mask(words, at, word_count, payload8, payload_at)
    elif kind == RUNS:
        _apply_runs(words, at, payload8, payload_at)
    else:
        _apply_spans(words, at, payload8, payload_at)


@inlined
def prefetch_payload(words: Words, at: Int, word_count: Int, payload8: Bytes, payload_at: Int, kind: Int) -> None:
    """Bring near what a payload, which has been validated and is applied soon, will write to, or most of it."""
    if kind == MASK:
        for word in range(0, word_count, _LINE_WORDS):
            prefetch(words, at + word)
    else:
        for index in range(min(_count_of(payload8, payload_at), _ENTRIES_AHEAD)):
            first, size = _entry(payload8, payload_at, index)
            prefetch(words, at + first)
            prefetch(words, at + first + min(size, _LINE_WORDS) - 1)


@inlined
def _count_of(payload8: Bytes, payload_at: Int) -> Int:
    """How many entries a table has."""
    return np.int64(payload8[payload_at]) | (np.int64(payload8[payload_at + 1]) << 8)


@inlined
def _content_at(payload_at: Int, count: Int) -> Int:
    """Where the words behind a table of so many entries begin."""
    return payload_at + (2 + 4 * count + 7) // 8 * 8


@inlined
def _entry(payload8: Bytes, payload_at: Int, index: Int) -> tuple[Int, Int]:
    """The first word and the word count of a span or run."""
    entry = load_u32(payload8, payload_at + 2 + 4 * index)
    return np.int64(entry & _LOW), np.int64(entry >> _U16)


@inlined
def _apply_spans(words: Words, at: Int, payload8: Bytes, payload_at: Int) -> None:
    count = _count_of(payload8, payload_at)
    content = _content_at(payload_at, count)
    for index in range(count):
        first, size = _entry(payload8, payload_at, index)
        _copy_words(words, at + first, payload8, content, size)
        content += 8 * size


@inlined
def _copy_words(words: Words, to: Int, source: Bytes, at: Int, count: Int) -> None:
    for word in range(count):
        words[to + word] = load_u64(source, at + 8 * word)


@inner
def _apply_runs(words: Words, at: Int, payload8: Bytes, payload_at: Int) -> None:
    count = _count_of(payload8, payload_at)
    content = _content_at(payload_at, count)
    for index in range(count):
        first, size = _entry(payload8, payload_at, index)
        filling = load_u64(payload8, content + 8 * index)
        for word in range(at + first, at + first + size):
            words[word] = filling


@inner
def _apply_mask(words: Words, at: Int, word_count: Int, payload8: Bytes, payload_at: Int) -> None:
    masks = (word_count + 63) // 64
    content = payload_at + 8 * masks
    for index in range(masks):
        bits = load_u64(payload8, payload_at + 8 * index)
        base = at + 64 * index
        if bits == _ALL:
            _copy_words(words, base, payload8, content, 64)
            content += 512
            bits = _ZERO
        while bits != _ZERO:
            words[base + _lowest_bit(bits)] = load_u64(payload8, content)
            content += 8
            bits &= bits - _ONE


@inlined
def _lowest_bit(bits: Word) -> Int:
    """Which is the lowest bit that is set: the exponent of that bit as a float."""
    lowest = bits & (~bits + _ONE)
    return np.int64(bits_of(np.float64(lowest)) >> _MANTISSA) - _BIAS

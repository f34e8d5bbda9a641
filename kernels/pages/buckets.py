"""Pages grouped by their keys' hashes, for whoever keeps a part of them elsewhere.

A bucket is all pages of a type whose hashes begin with the same bits; how many bits is the type's depth. An index is
in the order of hashes but for collisions, so a bucket's pages are found in one short stretch of it. What a row is,
docs/formats.md says in section 8.
"""

from typing import Any, Final

import numpy as np

from mmsb.kernels.jit import inlined, kernel
from mmsb.kernels.memory import Int, Word, Words, copy_long, load_word
from mmsb.kernels.mixing import PAGE, lane_a, mix, seed_with
from mmsb.kernels.tables import page_index

Places = Any  # an i64 array
Flags = Any  # a u8 array: one for each bucket

# What is known of a bucket.
RESIDENT: Final = 1  # its pages are in the arena
DIRTY: Final = 2  # its row does not say what they are
USED: Final = 4  # somebody asked for it lately
WRITING: Final = 8  # what its row will say was copied, and the row is not there yet
PINNED: Final = 16  # it stays while others come

# The words of a row before its pages.
HEAD: Final = 4
CHECKSUM: Final = 3

# Why a row cannot be read.
BAD_HEAD: Final = -1
BAD_CHECKSUM: Final = -2
BAD_PAGE: Final = -3

_TAG: Final = np.uint64(7)
_ZERO: Final = np.uint64(0)
_U32: Final = np.uint64(32)
_BITS: Final = 32
_AHEAD: Final = 16
_LOW32: Final = np.uint64(0xFFFF_FFFF)


@inlined
def bucket_of(hashed: Word, depth: Int) -> Int:
    return np.int64((hashed >> _U32) >> np.uint64(_BITS - depth))


@kernel
def find_buckets(words: Words, places: Places, key_words: Int, salt: Word, depth: Int, buckets: Places) -> None:
    """The bucket of each key; `places` says where keys begin."""
    for row in range(places.shape[0]):
        hashed = page_index.hash_key(words, places[row], key_words, salt)
        buckets[row] = bucket_of(hashed, depth)


@kernel
def touch(flags: Flags, buckets: Places, marks: Int) -> tuple[Int, Int]:
    """Mark buckets; gives how many times one was named that is not resident, and how many became dirty."""
    absent = dirty = 0
    for row in range(buckets.shape[0]):
        known = flags[buckets[row]]
        absent += (known & RESIDENT) == 0
        dirty += (marks & ~known & DIRTY) != 0
        flags[buckets[row]] = known | marks
    return absent, dirty


@kernel
def collect(
    index: Words,
    arena: Words,
    stride: Int,
    key_words: Int,
    depth: Int,
    buckets: Places,
    slots: Places,
    tags: Words,
    bounds: Places,
) -> None:
    """The slots of each bucket's pages, in the order of hashes and then of keys.

    Those of bucket i are `slots` from `bounds[i]` up to `bounds[i + 1]`. `tags` is room for as many, and both have
    room for one more.
    """
    at = 0
    bounds[0] = 0
    for number in range(buckets.shape[0]):
        start = at
        at = _collect(index, depth, buckets[number], slots, tags, at)
        _sort(arena, stride, key_words, slots, tags, start, at)
        bounds[number + 1] = at


@inlined
def _collect(index: Words, depth: Int, bucket: Int, slots: Places, tags: Words, at: Int) -> Int:
    places = index.shape[0] - page_index.TABLE
    low = np.uint64(bucket) << np.uint64(_BITS - depth)
    high = np.uint64(bucket + 1) << np.uint64(_BITS - depth)  # 2^32 behind the last
    place = np.int64(low >> index[page_index.SHIFT])
    last = np.int64((high - np.uint64(1)) >> index[page_index.SHIFT])
    for sure in range(place, last):  # behind these an empty place ends it
        at = _take(load_word(index, page_index.TABLE + sure), low, high, slots, tags, at)
    while last < place + places:
        entry = index[page_index.TABLE + (last & (places - 1))]
        if entry == _ZERO:
            break
        at = _take(entry, low, high, slots, tags, at)
        last += 1
    return at


@inlined
def _take(entry: Word, low: Word, high: Word, slots: Places, tags: Words, at: Int) -> Int:
    """Write an entry in any case, and count it if it is one and belongs there: guessing that would cost more."""
    tag = entry >> _U32
    slots[at] = np.int64(entry & _LOW32) - 1
    tags[at] = tag
    return at + ((entry != _ZERO) & (low <= tag) & (tag < high))


@inlined
def _sort(arena: Words, stride: Int, key_words: Int, slots: Places, tags: Words, start: Int, stop: Int) -> None:
    """By insertion: they nearly are."""
    for unsorted in range(start + 1, stop):
        slot, tag = slots[unsorted], tags[unsorted]
        if tag <= tags[unsorted - 1]:
            place = unsorted
            while place > start and _is_before(arena, stride, key_words, slot, tag, slots[place - 1], tags[place - 1]):
                slots[place] = slots[place - 1]
                tags[place] = tags[place - 1]
                place -= 1
            slots[place] = slot
            tags[place] = tag


@inlined
def _is_before(arena: Words, stride: Int, key_words: Int, slot: Int, tag: Word, other: Int, other_tag: Word) -> bool:
    if tag != other_tag:
        return bool(tag < other_tag)
    for word in range(1, 1 + key_words):
        mine, its = arena[slot * stride + word], arena[other * stride + word]
        if mine != its:
            return bool(mine < its)
    return False


@kernel
def write_rows(
    arena: Words,
    stride: Int,
    key_words: Int,
    type_id: Word,
    slots: Places,
    bounds: Places,
    rows: Words,
    starts: Places,
) -> None:
    """A row for each bucket: row i is `rows` from `starts[i]` up to `starts[i + 1]`; one without pages is empty."""
    at = 0
    starts[0] = 0
    pages = bounds[bounds.shape[0] - 1]
    for number in range(bounds.shape[0] - 1):
        first, last = bounds[number], bounds[number + 1]
        if last > first:
            begin = at
            at += HEAD
            for place in range(first, last):
                if place + _AHEAD < pages:
                    page_index.prefetch_page(arena, stride, slots[place + _AHEAD])
                copy_long(rows, at, arena, slots[place] * stride, stride)
                at += stride
            rows[begin] = _head(key_words)
            rows[begin + 1] = type_id
            rows[begin + 2] = np.uint64(last - first) | (np.uint64(stride - 1 - key_words) << _U32)
            rows[begin + CHECKSUM] = checksum_of(rows, begin, at)
        starts[number + 1] = at


@inlined
def _head(key_words: Int) -> Word:
    """The magic MMB, version 1, and how many words a key has."""
    return np.uint64(0x0142_4D4D) | (np.uint64(key_words) << _U32)


@inlined
def checksum_of(rows: Words, start: Int, stop: Int) -> Word:
    """Of all words of a row but the one that holds it."""
    begin = seed_with(_TAG, np.uint64(stop - start))
    total = _ZERO
    for place in range(start, start + CHECKSUM):
        total += lane_a(rows[place], place - start, begin)
    for place in range(start + HEAD, stop):
        total += lane_a(load_word(rows, place), place - start, begin)
    return total


@kernel
def read_rows(
    rows: Words,
    starts: Places,
    buckets: Places,
    depths: Places,
    index: Words,
    arena: Words,
    stride: Int,
    key_words: Int,
    type_id: Word,
) -> tuple[Int, Int]:
    """Take the pages of rows into arena and index, which have room.

    Gives how many rows were read and, where one cannot be, why; of that row nothing is taken.
    """
    salt = index[page_index.SALT]
    for number in range(starts.shape[0] - 1):
        start, stop = starts[number], starts[number + 1]
        why = _check_row(rows, start, stop, buckets[number], depths[number], salt, stride, key_words, type_id)
        if why != 0:
            return number, why
        for at in range(start + HEAD, stop, stride):
            hashed = page_index.hash_key(rows, at + 1, key_words, index[page_index.SALT])
            slot = page_index.create(index, arena, stride, rows, at + 1, key_words, hashed)
            base = slot * stride
            copy_long(arena, base, rows, at, stride)
    return starts.shape[0] - 1, 0


@inlined
def _check_row(
    rows: Words,
    start: Int,
    stop: Int,
    bucket: Int,
    depth: Int,
    salt: Word,
    stride: Int,
    key_words: Int,
    type_id: Word,
) -> Int:
    if stop - start < HEAD or rows[start] != _head(key_words) or rows[start + 1] != type_id:
        return BAD_HEAD
    count, body = np.int64(rows[start + 2] & _LOW32), np.int64(rows[start + 2] >> _U32)
    if body != stride - 1 - key_words or count < 1 or stop - start != HEAD + count * stride:
        return BAD_HEAD
    if checksum_of(rows, start, stop) != rows[start + CHECKSUM]:
        return BAD_CHECKSUM
    for at in range(start + HEAD, stop, stride):
        hashed = page_index.hash_key(rows, at + 1, key_words, salt)
        if rows[at] == _ZERO or bucket_of(hashed, depth) != bucket:
            return BAD_PAGE
    return 0


@kernel
def forget(index: Words, arena: Words, stride: Int, key_words: Int, slots: Places, count: Int) -> None:
    """Let pages go, whose rows say what they were."""
    for place in range(count):
        page_index.remove(index, arena, stride, key_words, slots[place])


@kernel
def digest_rows(
    rows: Words,
    starts: Places,
    buckets: Places,
    depths: Places,
    salt: Word,
    stride: Int,
    key_words: Int,
    type_id: Word,
    digest: Words,
) -> tuple[Int, Int]:
    """Add the digest's terms of all pages in rows; gives what `read_rows` gives."""
    begin = seed_with(PAGE, type_id)
    a, b = digest[0], digest[1]
    for number in range(starts.shape[0] - 1):
        start, stop = starts[number], starts[number + 1]
        why = _check_row(rows, start, stop, buckets[number], depths[number], salt, stride, key_words, type_id)
        if why != 0:
            return number, why
        for at in range(start + HEAD, stop, stride):
            c, d = _page_digest(rows, at, stride, key_words, begin)
            a += c
            b += d
    digest[0] = a
    digest[1] = b
    return starts.shape[0] - 1, 0


@kernel
def row_checksum(row: Words) -> Word:
    """`checksum_of` for a row of any kind that is all of `row`."""
    return checksum_of(row, 0, row.shape[0])


@inlined
def _page_digest(rows: Words, at: Int, stride: Int, key_words: Int, begin: Word) -> tuple[Word, Word]:
    start = begin
    for word in range(1, 1 + key_words):
        start = seed_with(start, rows[at + word])
    a, b = mix(rows[at], 0, start)
    for word in range(1 + key_words, stride):
        c, d = mix(load_word(rows, at + word), word - key_words, start)
        a += c
        b += d
    return a, b

"""Marks the buckets of the pages that a block changes, in one pass over its deltas for each page type."""

from typing import Final

import numpy as np

from mmsb.kernels.jit import kernel
from mmsb.kernels.memory import Int, Word, Words
from mmsb.kernels.pages.buckets import DIRTY, RESIDENT, Flags, bucket_of
from mmsb.kernels.tables.page_index import hash_key

ROW: Final = 3  # words of a delta's row

_U32: Final = np.uint64(32)
_U16: Final = np.uint64(0xFFFF)
_LOW32: Final = np.uint64(0xFFFF_FFFF)


@kernel
def mark_deltas(
    words: Words,
    row: Int,
    count: Int,
    place: Int,
    number: Int,
    key_words: Int,
    salt: Word,
    depth: Int,
    flags: Flags,
    marks: Int,
) -> tuple[Int, Int]:
    """Of a block that is well formed; its rows begin at `row`, its keys and payloads at `place`, both in words.

    `number` is that of the page type in the block. Gives how often a bucket was named that is not resident, and how
    many became dirty.
    """
    absent = dirty = 0
    for at in range(row, row + ROW * count, ROW):
        if np.int64((words[at] >> _U32) & _U16) == number:
            bucket = bucket_of(hash_key(words, place, key_words, salt), depth)
            known = flags[bucket]
            absent += (known & RESIDENT) == 0
            dirty += (marks & ~known & DIRTY) != 0
            flags[bucket] = known | marks
        place += np.int64((words[at + 2] & _LOW32) + (words[at + 2] >> _U32)) >> 3
    return absent, dirty

"""A moment of pages for whoever goes on with them beside their owner.

Only what no row says is copied while the machine waits. The rest is in the rows of a snapshot that is taken at the same
moment, and is brought from there when it is asked for.
"""

from typing import Final

import numpy as np

from mmsb.state.array_pages import ArrayPageType
from mmsb.state.buckets import Numbers
from mmsb.state.home.bucket_rows import Rows, copy_rows, take_rows

WHOLE_PARTS: Final = 8
"""Where more than one of so many buckets is to be copied, all that is in memory is. That goes as fast as memory does;
pages of single buckets are hashed, checked and put into an index."""


def copy_unwritten(type_id: int, pages: ArrayPageType) -> ArrayPageType:
    """A copy of a type's pages that goes on with a snapshot of rows; it keeps what these do not say."""
    kept = pages.buckets.unwritten()
    if len(kept) * WHOLE_PARTS > len(pages.buckets):
        copy = pages.copy()
        copy.buckets.hold(kept)
    else:
        copy = ArrayPageType(pages.key_words, pages.body_words, pages.salt)
        _take_buckets(copy, type_id, pages, kept)
        copy.buckets = pages.buckets.part(kept, len(pages) - copy.resident)
    return copy


def _take_buckets(copy: ArrayPageType, type_id: int, pages: ArrayPageType, kept: Numbers) -> None:
    rows = copy_rows(pages, type_id, kept)
    there = rows.sizes > 0
    starts = np.append(rows.starts[:-1][there], rows.starts[-1])  # the others have no words between
    depth = pages.buckets.depth
    take_rows(copy, type_id, Rows(rows.words, starts), [(depth, number) for number in kept[there].tolist()])

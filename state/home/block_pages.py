"""Which pages a block changes, as columns over its bytes."""

from collections.abc import Iterator
from itertools import accumulate
from typing import Any, Final, NamedTuple

import numpy as np

from mmsb.kernels.memory import Words
from mmsb.kernels.stepping.marking import mark_deltas
from mmsb.kernels.tables.page_index import SALT
from mmsb.schemas.rejections import ROW_BYTES
from mmsb.schemas.sources import SOURCE_BYTES
from mmsb.schemas.tlog.blocks import CLOCK_ROW, COUNTS, DELTA_ROW, FOLLOW_UP_ROW, ID_BYTES, malformed
from mmsb.schemas.types import padded
from mmsb.state.array_pages import ArrayPageType

_DELTAS: Final = np.dtype(
    {
        "names": ["type", "key", "size"],
        "formats": ["<u2", "<u4", "<u4"],
        "offsets": [4, 16, 20],
        "itemsize": DELTA_ROW.size,
    }
)
_ROWS: Final = (CLOCK_ROW.size, ID_BYTES, SOURCE_BYTES, 8, ROW_BYTES)  # of the sections between outcomes and deltas
_DELTAS_AT: Final = 1 + len(_ROWS)  # among the counts
_FOLLOW_UPS_AT: Final = _DELTAS_AT + 1


class Deltas(NamedTuple):
    """Where in a block's sections, in bytes, its deltas lie: their rows, and their keys and payloads."""

    type_ids: list[int]
    rows: int
    rows_at: int
    payload_at: int


def find_deltas(sections: bytes | memoryview, count: int) -> Deltas:
    """`sections` is what a block of `count` outcomes has behind the fixed part of its header."""
    counts = COUNTS.unpack_from(sections)
    types, deltas = counts[0], counts[_DELTAS_AT]
    before = (8 * types, count, 2 * count, *map(int.__mul__, counts[1:_DELTAS_AT], _ROWS))
    *starts, rows_at = accumulate(map(padded, before), initial=COUNTS.size)
    follow_ups, metadata = counts[_FOLLOW_UPS_AT : _FOLLOW_UPS_AT + 2]
    payload_at = rows_at + DELTA_ROW.size * deltas + FOLLOW_UP_ROW.size * follow_ups + metadata
    type_ids: list[int] = np.frombuffer(sections, np.uint64, types, starts[0]).tolist()
    return Deltas(type_ids, deltas, rows_at, payload_at)


def pages_changed(sections: bytes | memoryview, count: int) -> Iterator[tuple[int, Words, Any]]:
    """For each page type: its id, words, and where among these the keys of its deltas begin.

    What is no block raises.
    """
    found = find_deltas(sections, count)
    if not found.rows:
        return
    rows: Any = np.frombuffer(sections, _DELTAS, found.rows, found.rows_at)
    sizes = (rows["key"].astype(np.int64) + rows["size"]) // 8
    keys = found.payload_at // 8 + np.cumsum(sizes) - sizes
    words: Words = np.frombuffer(sections, np.uint64)
    if int(keys[-1] + sizes[-1]) > len(words) or int(rows["type"].max()) >= len(found.type_ids):
        raise malformed("keys and payloads within the block", f"{len(words)} words", found.payload_at)
    for number in np.flatnonzero(np.bincount(rows["type"])).tolist():
        yield found.type_ids[number], words, keys[rows["type"] == number]


def mark_changed(pages: ArrayPageType, number: int, sections: bytes | memoryview, deltas: Deltas, marks: int) -> None:
    """Mark the buckets of all pages of a type that an accepted block changes; `number` is the type's in the block."""
    buckets = pages.buckets
    absent, dirty = mark_deltas(
        np.frombuffer(sections, np.uint64), deltas.rows_at // 8, deltas.rows, deltas.payload_at // 8, number,
        pages.key_words, pages.index[SALT], buckets.depth, buckets.flags, marks,
    )  # fmt: skip
    assert not absent, "what a block changes is in memory"
    buckets.dirty += int(dirty)

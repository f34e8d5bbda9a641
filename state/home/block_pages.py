"""Which pages a block changes, as columns over its bytes."""

from collections.abc import Iterator
from itertools import accumulate
from typing import Any, Final

import numpy as np

from mmsb.kernels.memory import Words
from mmsb.schemas.rejections import ROW_BYTES
from mmsb.schemas.sources import SOURCE_BYTES
from mmsb.schemas.tlog.blocks import CLOCK_ROW, COUNTS, DELTA_ROW, FOLLOW_UP_ROW, ID_BYTES, malformed
from mmsb.schemas.types import padded

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


def pages_changed(sections: bytes | memoryview, count: int) -> Iterator[tuple[int, Words, Any]]:
    """For each page type: its id, words, and where among these the keys of its deltas begin.

    `sections` is what a block of `count` outcomes has behind the fixed part of its header; it is well formed.
    """
    counts = COUNTS.unpack_from(sections)
    types, deltas = counts[0], counts[_DELTAS_AT]
    if not deltas:
        return
    before = (8 * types, count, 2 * count, *map(int.__mul__, counts[1:_DELTAS_AT], _ROWS))
    *starts, deltas_at = accumulate(map(padded, before), initial=COUNTS.size)
    rows: Any = np.frombuffer(sections, _DELTAS, deltas, deltas_at)
    follow_ups, metadata = counts[_FOLLOW_UPS_AT : _FOLLOW_UPS_AT + 2]
    payload_at = deltas_at + DELTA_ROW.size * deltas + FOLLOW_UP_ROW.size * follow_ups + metadata
    sizes = (rows["key"].astype(np.int64) + rows["size"]) // 8
    keys = payload_at // 8 + np.cumsum(sizes) - sizes
    words: Words = np.frombuffer(sections, np.uint64)
    if int(keys[-1] + sizes[-1]) > len(words) or int(rows["type"].max()) >= types:
        raise malformed("keys and payloads within the block", f"{len(words)} words", payload_at)
    type_ids = np.frombuffer(sections, np.uint64, types, starts[0]).tolist()
    for number in np.flatnonzero(np.bincount(rows["type"])).tolist():
        yield type_ids[number], words, keys[rows["type"] == number]

"""A block's sections and deltas as columns over its bytes, without an object for every row.

The fold has accepted the block or will refuse it, so only what keeps reading within the block is checked here.
"""

import struct
from functools import cached_property
from itertools import accumulate
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmsb.kernels.digest import seed
from mmsb.schemas.rejections import ROW_BYTES
from mmsb.schemas.sources import SOURCE_BYTES
from mmsb.schemas.tlog.blocks import (
    CLOCK_ROW,
    COUNTS,
    DELTA_ROW,
    FIXED,
    FOLLOW_UP_ROW,
    HEADER_BYTES,
    ID_BYTES,
    BlockHeader,
    malformed,
    unpack_block_header,
)
from mmsb.schemas.tlog.records import TlogKind
from mmsb.schemas.types import padded

DELTAS: Final = np.dtype(
    {
        "names": ["index", "type", "kind", "zero", "base", "key", "size"],
        "formats": ["<u4", "<u2", "u1", "u1", "<i8", "<u4", "<u4"],
    }
)

PAGE_TAG: Final = 8  # of the seed by which pages are hashed (docs/formats.md, section 16)

_ROW_BYTES: Final = (
    CLOCK_ROW.size, ID_BYTES, SOURCE_BYTES, 8, ROW_BYTES, DELTA_ROW.size, FOLLOW_UP_ROW.size, 1, 1, 1,
)  # fmt: skip

Words = NDArray[np.uint64]
Places = NDArray[np.int64]

assert DELTAS.itemsize == DELTA_ROW.size


def hash_page(type_id: int, key: bytes) -> int:
    """What a page is known by in page indexes; another may have the same."""
    return seed(PAGE_TAG, type_id, *struct.unpack(f"<{len(key) // 8}Q", key))


class Section:
    """Where a section begins, and how many rows it has (or bytes, where rows differ in size)."""

    __slots__ = ("at", "count")

    def __init__(self, at: int, count: int) -> None:
        self.at = at
        self.count = count


class BlockColumns:
    """A block or quarantine that counts."""

    def __init__(self, value: bytes) -> None:
        header = unpack_block_header(value)
        if header is None or header.kind == TlogKind.MIGRATE or header.last < header.first:
            raise malformed("a block or quarantine", f"{len(value)} bytes of something else", 0)
        self.value = value
        self.header: BlockHeader = header
        self.count = header.last - header.first + 1
        types, *rows = COUNTS.unpack_from(value, FIXED.size)[:-1]
        counts = (types, self.count, self.count, *rows)
        sizes = map(int.__mul__, counts, (8, 1, 2, *_ROW_BYTES))
        *starts, end = accumulate(map(padded, sizes), initial=HEADER_BYTES)
        if end != len(value):
            raise malformed(f"sections that end at byte {end}", f"{len(value)} bytes", HEADER_BYTES)
        sections = list(map(Section, starts, counts))
        (
            types_, self.outcomes, self.intent_types, self.rises, self.ids, self.sources, self.duplicates,
            self.rejections, deltas, self.follow_ups, self.metadata, self._payload, self.intents,
        ) = sections  # fmt: skip
        self._types: list[int] = np.frombuffer(value, "<u8", types, types_.at).tolist()
        self.deltas: Any = np.frombuffer(value, DELTAS, deltas.count, deltas.at)

    def type_id(self, number: int) -> int:
        if number >= len(self._types):
            raise malformed(f"one of {len(self._types)} types", number, HEADER_BYTES)
        return self._types[number]

    @cached_property
    def _places(self) -> Places:
        """Where in the block each delta's key begins, and where the last one's payload ends."""
        sizes = self.deltas["key"].astype(np.int64)
        sizes += self.deltas["size"]
        places: Places = np.empty(len(self.deltas) + 1, np.int64)
        places[0] = self._payload.at
        np.cumsum(sizes, out=places[1:])
        places[1:] += self._payload.at
        if places[-1] != self._payload.at + self._payload.count or np.bitwise_or.reduce(sizes, initial=0) & 7:
            found = f"{int(places[-1]) - self._payload.at} bytes of them"
            raise malformed(f"keys and payloads of {self._payload.count} bytes", found, self._payload.at)
        return places

    def rows_at(self, index: int) -> range:
        """Which deltas are those of one offset."""
        start, stop = self._indices.searchsorted((index, index + 1)).tolist()
        return range(start, stop)

    @cached_property
    def _indices(self) -> Places:
        indices: Places = self.deltas["index"].astype(np.int64)
        return indices

    def index(self, row: int) -> int:
        """Of which offset a delta is."""
        return int(self._indices[row])

    def key(self, row: int) -> bytes:
        start = int(self._places[row])
        return self.value[start : start + int(self.deltas["key"][row])]

    def page(self, row: int) -> tuple[int, bytes]:
        """Type id and key of a delta's page."""
        return self.type_id(int(self.deltas["type"][row])), self.key(row)

    def payload(self, row: int) -> bytes:
        start = int(self._places[row]) + int(self.deltas["key"][row])
        return self.value[start : int(self._places[row + 1])]

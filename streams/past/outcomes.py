"""What became of single offsets of a block: rows are made for those that somebody asks for."""

import struct
from bisect import bisect_right
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmsb.schemas.metadata import Metadata, unpack_metadata
from mmsb.schemas.rejections import ROW_BYTES, Refused, unpack_rejection
from mmsb.schemas.sources import SOURCE_BYTES, unpack_source
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.blocks import (
    CLOCK_ROW,
    FOLLOW_UP_ROW,
    HAS_ID,
    HAS_METADATA,
    HAS_SOURCE,
    ID_BYTES,
    NO_TYPE,
    STATUS_BITS,
    FollowUpRow,
    OutcomeRow,
    malformed,
)
from mmsb.streams.past.columns import BlockColumns, Section

FOLLOW_UPS: Final = np.dtype([("index", "<u4"), ("target", "<u4"), ("number", "<u8"), ("size", "<u4"), ("zero", "<u4")])
RISES: Final = np.dtype([("index", "<u4"), ("zero", "<u4"), ("clock", "<i8")])

_SIZE: Final = struct.Struct("<4xI")  # of a metadata block, with its header

assert (FOLLOW_UPS.itemsize, RISES.itemsize) == (FOLLOW_UP_ROW.size, CLOCK_ROW.size)


class _Rows:
    """Rows of those offsets that have one. Going through offsets in order costs no more than looking at each."""

    def __init__(self, section: Section, size: int, value: bytes, has: NDArray[np.bool_]) -> None:
        self._section = section
        self._size = size
        self._value = value
        self._has = has
        self._known = (0, 0)  # an index, and how many rows are of those before it

    def rank(self, index: int) -> int:
        start, rank = self._known if self._known[0] <= index else (0, 0)
        rank += int(np.count_nonzero(self._has[start:index]))
        self._known = index, rank
        return rank

    def row(self, index: int) -> bytes:
        rank = self.rank(index)
        if rank >= self._section.count:
            raise malformed(f"more than {rank} rows", self._section.count, self._section.at)
        start = self._section.at + self._size * rank
        return self._value[start : start + self._size]


class OutcomeColumns:
    """The outcomes of a block."""

    def __init__(self, block: BlockColumns) -> None:
        value = block.value
        self._block = block
        self.flags: NDArray[np.uint8] = np.frombuffer(value, np.uint8, block.count, block.outcomes.at)
        self._intent_types: Any = np.frombuffer(value, "<u2", block.count, block.intent_types.at)
        rises: Any = np.frombuffer(value, RISES, block.rises.count, block.rises.at)
        self._risen: list[int] = rises["index"].tolist()
        self._clocks: list[int] = rises["clock"].tolist()
        self._follow_ups: Any = np.frombuffer(value, FOLLOW_UPS, block.follow_ups.count, block.follow_ups.at)
        self._causes: NDArray[np.int64] = self._follow_ups["index"].astype(np.int64)

    @cached_property
    def statuses(self) -> NDArray[np.uint8]:
        return self.flags & np.uint8(STATUS_BITS)

    def clock(self, index: int, before: int) -> int:
        """The partition clock at an offset; `before` is that before the block."""
        rises = bisect_right(self._risen, index)
        return self._clocks[rises - 1] if rises else before

    def outcome(self, index: int) -> OutcomeRow:
        flag, number = int(self.flags[index]), int(self._intent_types[index])
        status = Status(flag & STATUS_BITS)
        return OutcomeRow(
            status,
            None if number == NO_TYPE else self._block.type_id(number),
            self._ids.row(index) if flag & HAS_ID else None,
            unpack_source(self._sources.row(index)) if flag & HAS_SOURCE else None,
            self._metadata_block(index) if flag & HAS_METADATA else b"",
            int.from_bytes(self._duplicates.row(index), "little", signed=True) if status == Status.DUPLICATE else None,
            unpack_rejection(self._rejections.row(index)) if status == Status.REJECTED else None,
        )

    def follow_ups(self, index: int) -> list[FollowUpRow]:
        """What an offset emitted."""
        start, stop = self._causes.searchsorted((index, index + 1)).tolist()
        return [
            FollowUpRow(index, int(row["target"]), int(row["number"]), self._follow_up(at))
            for at, row in enumerate(self._follow_ups[start:stop], start)
        ]

    @cached_property
    def _ids(self) -> _Rows:
        return self._rows_with(self._block.ids, ID_BYTES, HAS_ID)

    @cached_property
    def _sources(self) -> _Rows:
        return self._rows_with(self._block.sources, SOURCE_BYTES, HAS_SOURCE)

    def _rows_with(self, section: Section, size: int, flag: int) -> _Rows:
        return _Rows(section, size, self._block.value, (self.flags & np.uint8(flag)) != 0)

    @cached_property
    def _duplicates(self) -> _Rows:
        return _Rows(self._block.duplicates, 8, self._block.value, self.statuses == Status.DUPLICATE)

    @cached_property
    def _rejections(self) -> _Rows:
        return _Rows(self._block.rejections, ROW_BYTES, self._block.value, self.statuses == Status.REJECTED)

    @cached_property
    def _has_metadata(self) -> _Rows:
        return self._rows_with(self._block.metadata, 0, HAS_METADATA)

    def _metadata_block(self, index: int) -> bytes:
        places, rank = self.metadata_places, self._has_metadata.rank(index)
        return self._block.value[places[rank] : places[rank + 1]]

    @cached_property
    def metadata_places(self) -> Any:
        """Where each metadata block begins, and where the last one ends."""
        section, value = self._block.metadata, self._block.value
        count = int(np.count_nonzero(self.flags & np.uint8(HAS_METADATA)))
        end = section.at + section.count
        size = section.count // max(count, 1)
        if count and size % 8 == 0 and size * count == section.count and self._all_have(size):
            return range(section.at, end + 1, size)
        places = [section.at]
        for _ in range(count):
            size = _SIZE.unpack_from(value, places[-1])[0] if places[-1] + 8 <= end else 0
            places.append(places[-1] + size)
            if size < 8 or places[-1] > end:
                raise malformed("metadata for each offset that has it", f"a block of {size} bytes", places[-2])
        return places

    def _all_have(self, size: int) -> bool:
        """Whether all metadata blocks are of one size, as those of one caller mostly are."""
        section = self._block.metadata
        if size < 8:
            return False
        sizes = np.frombuffer(self._block.value, "<u4", section.count // 4, section.at)[1 :: size // 4]
        return bool((sizes == size).all())

    @cached_property
    def _follow_up_places(self) -> list[int]:
        return list(accumulate(self._follow_ups["size"].tolist(), initial=self._block.intents.at))

    def _follow_up(self, at: int) -> bytes:
        return self._block.value[self._follow_up_places[at] : self._follow_up_places[at + 1]]


@lru_cache(1024)  # a caller's is mostly the same
def read_metadata(block: bytes) -> Metadata:
    """An outcome's metadata; of nothing, if it has none."""
    try:
        return unpack_metadata(block) if block else Metadata()
    except Refused as refused:
        raise malformed("a metadata block", refused.rejection.code.name.lower(), 0) from None

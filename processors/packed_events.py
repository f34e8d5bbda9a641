"""Events as they lie packed behind each other: columns to choose by, and an object only for what was chosen."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmsb.kernels.memory import Words
from mmsb.schemas import events
from mmsb.schemas.events import Event, unpack_event
from mmsb.schemas.limits import PAGES_PER_INTENT_MAX
from mmsb.schemas.rejections import ROW_BYTES
from mmsb.schemas.sources import SOURCE_BYTES
from mmsb.schemas.tlog.blocks import (
    CLOCK_ROW,
    COUNTS,
    DELTA_ROW,
    FIXED,
    HEADER_BYTES,
    ID_BYTES,
    malformed,
    unpack_block_header,
)
from mmsb.schemas.tlog.claims import Claim
from mmsb.schemas.types import I64_MAX, padded

_HEAD_W: Final = events.HEADER_BYTES // 8
_PLACE_AT: Final = 1  # in words: where the ordinal is
_OFFSET_AT: Final = 2
_TYPE_AT: Final = 3
_SIZES_AT: Final = 10
_U16: Final = np.uint64(16)
_U32: Final = np.uint64(32)
_LOW: Final = np.uint64(0xFFFF)


def place_of(offset: int, ordinal: int) -> int:
    """A number that rises from event to event of a partition."""
    return min(PAGES_PER_INTENT_MAX * offset + min(ordinal, PAGES_PER_INTENT_MAX - 1), I64_MAX)


def last_place_of(offset: int) -> int:
    """The place of the last event that an intent may have."""
    return place_of(offset, PAGES_PER_INTENT_MAX - 1)


def offset_of(place: int) -> int:
    """The offset of the intent that the event at a place is of."""
    return place // PAGES_PER_INTENT_MAX


def last_event_of(value: bytes) -> int | None:
    """The place of the last event that a block has, if it counts; None if it has none."""
    header = unpack_block_header(value)
    if header is None:
        raise malformed("a block", "something shorter", len(value))
    count = header.last - header.first + 1
    types, rises, ids, sources, duplicates, rejections, deltas, *_ = COUNTS.unpack_from(value, FIXED.size)
    at = HEADER_BYTES + 8 * types + padded(count) + padded(2 * count) + CLOCK_ROW.size * rises + ID_BYTES * ids
    at += SOURCE_BYTES * sources + 8 * duplicates + ROW_BYTES * rejections
    last = [DELTA_ROW.unpack_from(value, at + DELTA_ROW.size * row)[0] for row in range(deltas)[-PAGES_PER_INTENT_MAX:]]
    return place_of(header.first + last[-1], last.count(last[-1]) - 1) if last else None


@dataclass(frozen=True, eq=False, repr=False)
class PackedEvents:
    """Events of one partition in their order, at least one; `starts` says where each begins and the last ends."""

    words: Words
    starts: NDArray[np.int64]
    claim: Claim | None = None
    """Whose code wrote the block that they are of."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __repr__(self) -> str:
        return f"PackedEvents({len(self)} events, {self.byte_count} bytes)"

    @property
    def byte_count(self) -> int:
        return 8 * int(self.starts[-1])

    @property
    def last_place(self) -> int:
        return int(self.places[-1])

    def events(self, indices: Sequence[int]) -> list[Event]:
        data, starts = self._bytes, self._starts
        return [unpack_event(bytes(data[starts[index] : starts[index + 1]])) for index in indices]

    @cached_property
    def _bytes(self) -> memoryview:
        return memoryview(self.words).cast("B")

    @cached_property
    def _starts(self) -> list[int]:
        """In bytes."""
        found: list[int] = (8 * self.starts).tolist()
        return found

    @property
    def offsets(self) -> NDArray[np.int64]:
        offsets: NDArray[np.int64] = self._column(_OFFSET_AT).view(np.int64)
        return offsets

    @property
    def ordinals(self) -> Words:
        return self._column(_PLACE_AT) >> _U32

    @property
    def key_bytes(self) -> NDArray[np.int64]:
        """The size of each one's key, which begins behind its head."""
        sizes: NDArray[np.int64] = 8 * (self._column(_SIZES_AT) & _LOW).view(np.int64)
        return sizes

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """Of each, as `place_of` numbers them."""
        places: NDArray[np.int64] = self.offsets * PAGES_PER_INTENT_MAX + self.ordinals.view(np.int64)
        return places

    def _column(self, at: int) -> Words:
        return self.words[self.starts[:-1] + at]

    def find(
        self,
        after: int,
        page_type: int | None = None,
        key: bytes | None = None,
        fields: Sequence[int] | None = None,
    ) -> NDArray[np.int64]:
        """Which of those behind a place are of this type, of this key, and touch one of these fields."""
        found = np.arange(np.searchsorted(self.places, after, side="right"), len(self), dtype=np.int64)
        if page_type is not None:
            found = found[self._column(_TYPE_AT)[found] == np.uint64(page_type)]
        if key is not None:
            found = found[self._have_key(found, key)]
        if fields is not None:
            found = found[self._touch(found, fields)]
        return found

    def _sizes(self, found: NDArray[np.int64], shift: np.uint64) -> Words:
        return (self._column(_SIZES_AT)[found] >> shift) & _LOW

    def _have_key(self, found: NDArray[np.int64], key: bytes) -> NDArray[np.bool_]:
        wanted = np.frombuffer(key, np.uint64) if len(key) % 8 == 0 else np.zeros(0, np.uint64)
        same: NDArray[np.bool_] = self._sizes(found, np.uint64(0)) == np.uint64(len(wanted))
        for word, content in enumerate(wanted):
            # Where the key is shorter, this is a word behind it; the last event has some behind its head, or `same` is
            # false already and any word will do.
            at = np.minimum(self.starts[found] + _HEAD_W + word, len(self.words) - 1)
            same &= self.words[at] == content
        return same

    def _touch(self, found: NDArray[np.int64], fields: Sequence[int]) -> NDArray[np.bool_]:
        """A deletion touches no field, so whoever wants a field hears of deletions only without this condition."""
        keys, masks = self._sizes(found, np.uint64(0)), self._sizes(found, _U16)
        touched = np.zeros(len(found), np.bool_)
        for word in sorted({field // 64 for field in fields}):
            bits = np.uint64(sum(1 << field % 64 for field in set(fields) if field // 64 == word))
            there = masks > np.uint64(word)
            at = self.starts[found] + _HEAD_W + keys.view(np.int64) + word
            touched |= there & ((self.words[np.where(there, at, 0)] & bits) != 0)
        return touched

"""Which rows of a block fit a filter: columns are compared, and no row becomes an object.

A block's metadata has entries of all sizes, one row's after the other's. An entry that is wanted has exactly one
encoding, so its words are looked for; only where they are found is looked whether an entry begins there.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmsb.schemas.metadata import Metadata
from mmsb.schemas.tlog.blocks import HAS_ID, HAS_METADATA, ID_BYTES, NO_TYPE
from mmsb.streams.asking.filters import Filter
from mmsb.streams.past.columns import BlockColumns, Words
from mmsb.streams.past.outcomes import RISES, OutcomeColumns

Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]

_HEADER_BYTES: Final = 8  # of a metadata block, before its entries
_ENTRIES_MAX: Final = 5  # of a metadata block: one of each kind
_FEW: Final = 8  # entries, for each of which bytes are searched


def matching(
    block: BlockColumns, outcomes: OutcomeColumns, clock: int, wanted: Filter, positions: Collection[int] = ()
) -> Rows:
    """Rows of a block that fit, in order; `clock` is that before it, `positions` the offsets that ids stand for."""
    start, stop = _stretch(block, clock, wanted)
    mask = np.zeros(block.count, np.bool_)
    mask[start:stop] = True
    if wanted.statuses is not None:
        mask &= np.isin(outcomes.statuses, np.array(sorted(wanted.statuses), np.uint8))
    if wanted.types is not None:
        mask &= _of_types(block, wanted.types)
    if wanted.ids is not None and mask.any():
        mask &= _with_ids(block, outcomes, wanted.ids, positions)
    for about in (_actors(wanted), [Metadata(correlation=each) for each in wanted.correlations or ()]):
        if about and mask.any():
            mask &= mask_of(block.count, rows_with_entries(block, outcomes, list(map(entry_of, about))))
    return np.flatnonzero(mask)


def _actors(wanted: Filter) -> list[Metadata]:
    return [] if wanted.actor is None else [Metadata(actor=wanted.actor)]


def entry_of(about: Metadata) -> bytes:
    """How the one thing that it says is encoded."""
    return about.pack()[_HEADER_BYTES:]


def mask_of(count: int, rows: Rows) -> Mask:
    mask = np.zeros(count, np.bool_)
    mask[rows] = True
    return mask


def _stretch(block: BlockColumns, clock: int, wanted: Filter) -> tuple[int, int]:
    """The rows between the wanted offsets and times: both only grow."""
    first = block.header.first
    start, stop = max(wanted.first - first, 0), min(wanted.last + 1 - first, block.count)
    if wanted.since is not None or wanted.until is not None:
        clocks = _clocks(block, clock)
        start = start if wanted.since is None else max(start, int(np.searchsorted(clocks, wanted.since)))
        stop = stop if wanted.until is None else min(stop, int(np.searchsorted(clocks, wanted.until)))
    return start, max(stop, start)


def _clocks(block: BlockColumns, before: int) -> Rows:
    """The partition clock at each row."""
    rises: Any = np.frombuffer(block.value, RISES, block.rises.count, block.rises.at)
    known: Rows = np.concatenate([np.array([before], np.int64), rises["clock"]])
    return known[np.searchsorted(rises["index"], np.arange(block.count), side="right")]


def _of_types(block: BlockColumns, types: Collection[int]) -> Mask:
    numbers: Any = np.frombuffer(block.value, "<u2", block.count, block.intent_types.at)
    there = np.flatnonzero(np.bincount(numbers)).tolist()
    wanted = [number for number in there if number != NO_TYPE and block.type_id(number) in types]
    return np.isin(numbers, np.array(wanted, np.uint16))


def _with_ids(
    block: BlockColumns, outcomes: OutcomeColumns, ids: Collection[bytes], positions: Collection[int]
) -> Mask:
    mask = mask_of(block.count, rows_with_ids(block, outcomes, ids))
    for position in positions:
        if block.header.first <= position <= block.header.last:
            mask[position - block.header.first] = True
    return mask


def rows_with_ids(block: BlockColumns, outcomes: OutcomeColumns, ids: Collection[bytes]) -> Rows:
    """Rows that have an id of their own which is one of these."""
    words: Words = np.frombuffer(block.value, "<u8", 2 * block.ids.count, block.ids.at)
    wanted: Words = np.frombuffer(b"".join(ids), "<u8").reshape(-1, ID_BYTES // 8)
    at = _places_of(words, wanted)
    rows: Rows = np.flatnonzero(outcomes.flags & HAS_ID)[at[at % 2 == 0] // 2]
    return rows


def rows_with_entries(block: BlockColumns, outcomes: OutcomeColumns, entries: Sequence[bytes]) -> Rows:
    """Rows whose metadata has one of some entries, which all have the same size."""
    section = block.metadata
    stop = section.at + section.count
    if len(entries) <= _FEW and all(block.value.find(entry, section.at, stop) < 0 for entry in entries):
        return np.empty(0, np.int64)
    words: Words = np.frombuffer(block.value, "<u8", section.count // 8, section.at)
    wanted: Words = np.frombuffer(b"".join(entries), "<u8").reshape(len(entries), -1)
    at = _places_of(words, wanted)
    if not len(at):
        return at
    starts = (np.asarray(outcomes.metadata_places, np.int64) - section.at) >> 3
    rows = np.searchsorted(starts, at, side="right") - 1
    rows = rows[_begins_entry(words, starts[rows], at)]
    return np.flatnonzero(outcomes.flags & HAS_METADATA)[rows]


def _places_of(words: Words, wanted: Words) -> Rows:
    """Where one of some rows of words begins."""
    size = wanted.shape[1]
    ends = len(words) - size + 1
    if ends <= 0:
        return np.empty(0, np.int64)
    if len(wanted) == 1:
        at = np.flatnonzero(words[:ends] == wanted[0, 0])
        for word in range(1, size):
            at = at[words[at + word] == wanted[0, word]]
        return at
    at = np.flatnonzero(np.isin(words[:ends], wanted[:, 0]))
    known = {row.tobytes() for row in wanted}
    there = words[at[:, None] + np.arange(size)]
    return at[np.fromiter((row.tobytes() in known for row in there), np.bool_, len(at))]


def _begins_entry(words: Words, starts: Rows, wanted: Rows) -> Mask:
    """Whether an entry begins at a place of each metadata block: its entries are gone through, block by block at once.

    An id may hold any bytes, also those of an entry.
    """
    at, found = starts + _HEADER_BYTES // 8, np.zeros(len(wanted), np.bool_)
    for _ in range(_ENTRIES_MAX):
        found |= at == wanted
        inside = at < wanted
        sizes = (words[np.where(inside, at, 0)] >> np.uint64(16)) & np.uint64(0xFFFF)
        at = np.where(inside, at + ((sizes.astype(np.int64) + 4 + 7) >> 3), at)
    return found

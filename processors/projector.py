"""Follows pages through accepted blocks and packs the events: compiled, and for whole blocks at a time.

What is kept of the state is what events are made of: pages, their layouts and the clock. Ids, marks and the digest were
checked by the fold that accepted the block, so neither their memory nor their time is spent again. `events_of`
(mmsb.processors.projection) is the definition.
"""

from collections.abc import Iterator
from itertools import accumulate, chain
from typing import Any, Final

import numpy as np

from mmsb.kernels.folding import block_deltas, block_events, block_sections
from mmsb.kernels.folding.block_events import SILENT
from mmsb.kernels.memory import Words
from mmsb.processors.packed_events import PackedEvents
from mmsb.schemas.errors import CorruptState
from mmsb.schemas.events import HEADER_BYTES
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.tlog.blocks import BlockHeader
from mmsb.schemas.tlog.claims import Claim
from mmsb.state.arrays import ArrayState
from mmsb.state.block_folder import BlockFolder

PIECE_BYTES: Final = 1 << 20
"""Events are packed so many bytes at a time: one event of the largest page fits 15 times."""

_PIECE_EVENTS: Final = PIECE_BYTES // HEADER_BYTES
_WORD_BYTES: Final = 8


class Projector(BlockFolder):
    """Changes the pages of a state as accepted blocks say, and says what changed."""

    def __init__(self, state: ArrayState) -> None:
        super().__init__(state)
        self._cursor: Any = np.zeros(block_events.CURSOR, np.int64)
        self._out: Words = np.zeros(PIECE_BYTES // _WORD_BYTES, np.uint64)
        self._starts: Any = np.zeros(_PIECE_EVENTS + 1, np.int64)

    def follow(self, claim: Claim | None, header: BlockHeader, value: bytes) -> None:
        """Only change the pages."""
        words, value8 = self._open(claim, header, value)
        self._apply_up_to(words, value8, SILENT, int(self._plan[block_sections.DELTAS_N]), header)
        self._state.clock = header.clock

    def project(self, claim: Claim | None, header: BlockHeader, value: bytes) -> Iterator[PackedEvents]:
        """The events of the block. Take all of them before the next block is looked at."""
        words, value8 = self._open(claim, header, value)
        cursor, genesis = self._cursor, self._state.genesis
        while cursor[block_events.DELTA] < self._plan[block_sections.DELTAS_N]:
            first = int(cursor[block_events.DELTA])
            count = block_events.write_heads(
                words, value8, self._plan, self._types, self._columns, self._sizes, self._log, genesis.partition,
                cursor, self._out, self._starts,
            )  # fmt: skip
            assert count, "the largest event fits"
            self._apply_up_to(words, value8, first, first + count, header)
            starts = self._starts[: count + 1].copy()
            yield PackedEvents(self._out[: starts[-1]].copy(), starts, claim)
        self._state.clock = header.clock

    def _open(self, claim: Claim | None, header: BlockHeader, value: bytes) -> tuple[Words, Any]:
        """Find everything in a block, and room for the pages that it makes."""
        if not self._locate(header, value):
            raise _unlike(header)
        self._get_to_know(claim)
        words, value8 = np.frombuffer(value, np.uint64), np.frombuffer(value, np.uint8)
        if not self._is_well_formed(words, value8, len(claim.descriptor.messages) if claim else 0):
            raise _unlike(header)
        self._next = self._groups[block_deltas.START].tolist()
        for page, creations in enumerate(self._groups[block_deltas.CREATIONS].tolist()):
            if creations:
                self._pages_of(page).reserve(creations)
        plan = self._plan
        ids, sources, rises = (
            int(plan[at]) for at in (block_sections.IDS, block_sections.SOURCES, block_sections.RISES)
        )
        self._cursor[:] = 0, 0, 0, ids, sources, rises, self._state.clock
        return words, value8

    def _get_to_know(self, claim: Claim | None) -> None:
        known = self._known
        super()._get_to_know(claim)
        if self._known != known:
            self._fields = [make_fields(layout) for layout in self._layouts]
            sizes = [(-(-len(layout.fields) // 64), layout.word_count) for layout in self._layouts]
            self._sizes: Any = np.array(sizes, np.int64).reshape(-1, block_events.SIZE_ROWS).T.copy()

    def _apply_up_to(self, words: Words, value8: Any, first: int, stop: int, header: BlockHeader) -> None:
        """Go on to the block's delta `stop`, type by type."""
        stop_row = int(self._plan[block_sections.DELTAS]) + block_sections.DELTA_W * stop
        for page, end in enumerate(self._groups[block_deltas.STOP].tolist()):
            start = self._next[page]
            until = start + int(np.searchsorted(self._columns[block_deltas.ROW, start:end], stop_row))
            if until > start:
                self._apply_deltas_of(words, value8, page, start, until, first, header)
                self._next[page] = until

    def _apply_deltas_of(
        self, words: Words, value8: Any, page: int, start: int, stop: int, first: int, header: BlockHeader
    ) -> None:
        pages = self._pages_of(page)
        why = block_events.write_bodies(
            words, value8, self._plan, self._columns, start, stop, first, pages.index, pages.arena, self._fields[page],
            self._spare, self._stretches, self._hashes, self._out, self._starts,
        )  # fmt: skip
        if why != block_events.APPLIED:
            raise _unlike(header)


def make_fields(layout: PageLayout) -> Words:
    """Which fields each word of a body belongs to (mmsb.kernels.folding.block_events)."""
    rows: list[list[int]] = [[] for _ in range(layout.word_count)]
    for index, field in enumerate(layout.fields):
        for word in range(field.offset // 8, -(-field.end // 8)):
            start, end = max(field.offset - 8 * word, 0), min(field.end - 8 * word, 8)
            rows[word] += index, (1 << 8 * end) - (1 << 8 * start)
    places = accumulate(map(len, rows), initial=block_events.ENTRIES + layout.word_count + 1)
    head = (layout.key_size // 8, layout.word_count, len(layout.fields))
    return np.array([*head, *places, *chain.from_iterable(rows)], np.uint64)


def _unlike(header: BlockHeader) -> CorruptState:
    return CorruptState(
        f"the block of offsets {header.first} to {header.last} was accepted, and now says what no accepted block says, "
        "or is about other pages: the log was changed since; restore a good copy"
    )

"""Reads of a running partition: what the last accepted block left, as of one boundary between steps.

Pages belong to the stepping thread, which is ahead of what counts. So a read looks at them between two steps, and is
answered when the last of these is accepted.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final, cast
from weakref import finalize

from mmsb.schemas.errors import EnvironmentFailed, InvalidValue
from mmsb.state.array_fold import ArrayFold
from mmsb.state.arrays import ArrayState
from mmsb.state.home.home import Home
from mmsb.state.home.part import copy_unwritten
from mmsb.state.page_copy import PageCopy
from mmsb.state.page_fold import PageFold, state_beside
from mmsb.state.pages import PageId
from mmsb.state.partition import PartitionState
from mmsb.state.store import NoRows, Snapshot
from mmsb.streams.completing import complete
from mmsb.streams.door import StoredPage
from mmsb.streams.events.source import Cut
from mmsb.streams.opening import Opened
from mmsb.streams.past.bases import Bases
from mmsb.streams.watermark import Watermark
from mmsb.streams.world import Worker

SCAN_PAGES: Final = 1_000  # that a scan gives at a time
LOOKED_UP_AT_ONCE: Final = 100  # pages that are read on the event loop, in less than a millisecond
FOLLOWER_PARTS: Final = 8  # of a partition's memory, whoever makes events may have one for pages that did not change

_TRIMMED: Final = (
    "are not there any more: the log was trimmed; take a later position, or scan the pages and read on from now"
)


@dataclass(frozen=True)
class Counted:
    """What a partition has, as of one boundary."""

    clock: int
    pages: dict[str, int]  # how many there are of each type
    page_bytes: int  # in memory
    emitted: dict[int, int]  # follow-ups, by target


def sent(state: PartitionState) -> dict[int, int]:
    """How many follow-ups were ever emitted to each partition that got some."""
    counts = {target: state.sent(target) for target in range(state.genesis.partition_count)}
    return {target: count for target, count in counts.items() if count}


class Reads:
    """What a partition answers, and what its events are made from (mmsb.streams.events.source.Source)."""

    def __init__(
        self,
        opened: Opened,
        machine: asyncio.Lock,
        stepper: Worker,
        reader: Worker,
        settled: Watermark,
        tlog: Watermark,
        bases: Bases,
    ) -> None:
        """`machine` is held by whoever may look at pages; `settled` and `tlog` rise with what is accepted."""
        self._opened = opened
        self._machine = machine
        self._stepper = stepper
        self._reader = reader
        self._settled = settled
        self._tlog = tlog
        self._bases = bases
        self.at_boundary = True  # False while a batch is stepped, and for ever if that was cut short

    @property
    def _state(self) -> ArrayState:
        return cast(ArrayState, self._opened.fold.state)

    def _boundary(self) -> int:
        """The last intent whose effects the pages have, all of them."""
        if not self.at_boundary:
            raise EnvironmentFailed("the engine has stopped while it stepped; start it again")
        return self._opened.stepped

    async def get(self, pages: Sequence[PageId]) -> list[tuple[int, bytes] | None]:
        """Epoch and body of each page."""
        async with self._machine:
            boundary = self._boundary()
            if not self._opened.home.is_whole:
                await complete(self._stepper.run(self._opened.home.bring_pages, pages))
            if len(pages) > LOOKED_UP_AT_ONCE:
                found = await complete(self._stepper.run(self._look_up, pages))
            else:
                found = self._look_up(pages)
        await self._settled.reach(boundary)
        return found

    def _look_up(self, pages: Sequence[PageId]) -> list[tuple[int, bytes] | None]:
        return [self._state.pages.get(page) for page in pages]

    async def scan(self, type_id: int) -> AsyncIterator[list[StoredPage]]:
        """All pages of a type, in the order of their keys."""
        async with self._machine:
            boundary = self._boundary()
            part = await complete(self._stepper.run(self._part_of, type_id))
        await self._settled.reach(boundary)
        copied = None if part is None else await complete(self._reader.run(_copy_pages, part, type_id))
        if copied is not None:
            for start in range(0, len(copied), SCAN_PAGES):
                yield await self._reader.run(copied.pages, start, start + SCAN_PAGES)

    def _part_of(self, type_id: int) -> Home | None:
        """This moment of the pages of a type."""
        pages = self._state.array_pages.types.get(type_id)
        if pages is None or self._state.layout_of(type_id) is None:
            return None
        return self._moment(state_beside(self._state, {type_id: copy_unwritten(type_id, pages)}), 0)

    async def count(self) -> Counted:
        async with self._machine:
            boundary, state = self._boundary(), self._state
            counted = Counted(state.clock, self.page_counts(), self._opened.home.memory_bytes, sent(state))
        await self._settled.reach(boundary)
        return counted

    def page_counts(self) -> dict[str, int]:
        """How many pages of each type there are at this moment, which may be within a step."""
        state = self._state
        types = state.array_pages.types
        return {
            layout.name: len(types[layout.type_id]) if layout.type_id in types else 0
            for layout in state.layouts.values()
        }

    def close(self) -> None:
        """Nobody reads any more."""
        self._bases.close()

    # For events

    @property
    def accepted(self) -> int:
        return self._settled.at

    def accepted_tlog(self) -> int:
        return self._tlog.at

    def read(self, offset: int, size: int) -> bytes:
        try:
            return self._opened.tlog.read(offset, size, self._tlog.at)
        except (InvalidValue, EnvironmentFailed):
            if offset < self._opened.tlog.first:
                raise InvalidValue(f"events from TLog offset {offset} on {_TRIMMED}") from None
            raise

    def base_before(self, offset: int) -> ArrayFold | None:
        base = self._bases.newest_before(offset - 1)
        first = self._opened.tlog.first
        if base is not None and base.next >= first:
            return base.fold()
        if first:
            raise InvalidValue(f"events behind offset {offset} {_TRIMMED}")
        return None

    async def wait(self, tlog_offset: int) -> None:
        await self._tlog.reach(tlog_offset + 1)

    async def cut(self) -> Cut:
        async with self._machine:
            settled = self._boundary()
            fold = PageFold.beside(self._opened.fold)
            home = await complete(self._stepper.run(self._part, fold))
        return Cut(fold, home, settled)

    def _part(self, fold: PageFold) -> Home:
        """Give a fold pages of its own."""
        types = self._state.array_pages.types
        fold.own_pages({type_id: copy_unwritten(type_id, pages) for type_id, pages in types.items()})
        return self._moment(fold.pages, self._opened.home.budget // FOLLOWER_PARTS)

    def _moment(self, state: ArrayState, budget: int) -> Home:
        """A home of pages that were just copied as far as no row says them, and this moment of the store."""
        absent = any(pages.buckets.absent for pages in state.array_pages.types.values())
        store: Snapshot = self._opened.store.snapshot() if absent else NoRows()
        home = self._opened.home.part(state, store, budget)
        finalize(home, store.close)  # whether anybody goes on with it or not
        return home


def _copy_pages(part: Home, type_id: int) -> PageCopy:
    """All pages of a type, the others of which come now."""
    part.bring_type(type_id)
    part.close()
    layout = part.state.layout_of(type_id)
    assert layout is not None, "its pages were copied"
    return PageCopy(layout, part.state.array_pages.of(layout))

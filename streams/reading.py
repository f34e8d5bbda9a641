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
from mmsb.state.page_copy import PageCopy
from mmsb.state.page_fold import PageFold
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
            found = [self._state.pages.get(page) for page in pages]
        await self._settled.reach(boundary)
        return found

    async def scan(self, type_id: int) -> AsyncIterator[list[StoredPage]]:
        """All pages of a type, in the order of their keys."""
        async with self._machine:
            boundary = self._boundary()
            copied = await complete(self._stepper.run(self._copy_pages, type_id))
        await self._settled.reach(boundary)
        if copied is not None:
            for start in range(0, len(copied), SCAN_PAGES):
                yield await self._reader.run(copied.pages, start, start + SCAN_PAGES)

    def _copy_pages(self, type_id: int) -> PageCopy | None:
        layout = self._state.layout_of(type_id)
        if layout is None:
            return None
        return PageCopy(layout, self._state.array_pages.of(layout), self._opened.home.copy_absent(type_id))

    async def count(self) -> Counted:
        async with self._machine:
            boundary, state = self._boundary(), self._state
            types = state.array_pages.types
            pages = {
                layout.name: len(types[layout.type_id]) if layout.type_id in types else 0
                for layout in state.layouts.values()
            }
            counted = Counted(state.clock, pages, self._opened.home.memory_bytes, sent(state))
        await self._settled.reach(boundary)
        return counted

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
        """Give a fold pages of its own: copies of those in memory, and a moment of the store for the others."""
        fold.own_pages()
        opened = self._opened
        store: Snapshot = NoRows() if opened.home.is_whole else opened.store.snapshot()
        home = Home(fold.pages, store, opened.home.budget // FOLLOWER_PARTS)
        finalize(home, store.close)  # whether anybody follows it or not
        return home

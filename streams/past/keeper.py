"""The past of a partition that runs: questions are answered on threads, and sealed segments get their page index."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from mmsb.schemas.errors import CorruptState, EnvironmentFailed
from mmsb.state.page_copy import PageCopy
from mmsb.state.pages import PageId
from mmsb.streams.checkpoints.folder import list_names
from mmsb.streams.door import StoredPage
from mmsb.streams.folder import TLOG
from mmsb.streams.log.segments import list_bases
from mmsb.streams.pace import Pace
from mmsb.streams.past import forward
from mmsb.streams.past.bases import Bases, NoBases
from mmsb.streams.past.catalog import Indexer
from mmsb.streams.past.changes import Change, History
from mmsb.streams.past.moments import SCAN_PAGES
from mmsb.streams.past.outline import Conversion
from mmsb.streams.past.past import Past
from mmsb.streams.world import World, finish

LONG_RESTS: Final = 15
"""An index takes a sixteenth of a core while intents wait: it is for questions that may never come."""

SHORT_RESTS: Final = 3
"""A quarter, which goes as fast as segments fill, where more than MISSING_MAX have none."""

MISSING_MAX: Final = 8
"""So many are looked through in a second or two by whoever asks before they have an index."""

T = TypeVar("T")


class Owner(Protocol):
    def accepted_tlog(self) -> int:
        """The first TLog offset that may not be told."""
        ...


class Keeper:
    """`keep_index` runs beside the stages of the partition."""

    def __init__(
        self,
        world: World,
        number: int,
        folder: Path,
        owner: Owner,
        is_busy: Callable[[], bool],
        make_bases: Callable[[], Bases] = NoBases,
    ) -> None:
        """Each thread has bases of its own. `is_busy`: whether somebody waits for more than an index."""
        self._owner = owner
        self._closed = False
        self._files, self._folder = world.files, folder
        self._past = Past(world.files, folder, owner.accepted_tlog, make_bases())
        self._is_busy = is_busy
        self._seconds = world.seconds
        self._index = Indexer(world.files, folder / TLOG, make_bases())
        self._bases = make_bases()
        self._asker = world.worker(f"past-{number}")
        self._indexer = world.worker(f"index-{number}")
        self._replayer = world.worker(f"moments-{number}")
        self.sealed = asyncio.Event()
        self.sealed.set()  # the life before may have ended before it wrote one

    async def history(self, page: PageId, limit: int) -> History[Change]:
        return await self._asker.run(self._ask, forward.history, self._past, page, limit)

    async def blame(self, page: PageId, field: int | None, byte: int | None = None) -> Change | None:
        return await self._asker.run(self._ask, forward.blame, self._past, page, field, byte)

    def _ask(self, function: Callable[..., T], *arguments: Any) -> T:
        """Ask once more if something was removed meanwhile: a file may have gone that was about to be read."""
        while True:
            before = self._removable()
            try:
                return function(*arguments)
            except (EnvironmentFailed, CorruptState):
                if before <= self._removable():
                    raise

    def _removable(self) -> set[str]:
        """What of log and checkpoints is there, which may go while it is read."""
        begins = list_bases(self._files, self._folder / TLOG)[:1]
        return {*map(str, begins), *list_names(self._files, self._folder)}

    async def get(self, pages: Sequence[PageId], at: int) -> list[tuple[int, bytes] | None]:
        """Epoch and body of each page right after an intent had settled."""
        return await self._asker.run(self._ask, self._past.get_many, pages, at)

    async def scan(self, type_id: int, at: int) -> AsyncIterator[list[StoredPage]]:
        """All pages of a type right after an intent had settled, in the order of their keys."""
        pages = await self._pages(type_id, at)
        if pages is not None:
            for start in range(0, len(pages), SCAN_PAGES):
                yield await self._replayer.run(pages.pages, start, start + SCAN_PAGES)

    async def _pages(self, type_id: int, at: int) -> PageCopy | None:
        """Ask for the moment once more, too, if a file has gone that its replay was about to read."""
        while True:
            before = await self._asker.run(self._removable)
            moment = await self._asker.run(self._ask, self._past.moment, type_id, at)
            try:
                return None if moment is None else await self._replayer.run(moment.pages, self._bases)
            except (EnvironmentFailed, CorruptState):
                if before <= await self._asker.run(self._removable):
                    raise

    async def conversions(self) -> Sequence[Conversion]:
        """All migrations, in order."""
        return (await self._asker.run(lambda: self._past.outline)).conversions

    async def keep_index(self) -> None:
        while True:
            await self.sealed.wait()
            self.sealed.clear()
            with suppress(EnvironmentFailed):  # whoever needs an index that is not there makes it in memory
                await self._indexer.run(self._write_missing, self._owner.accepted_tlog())

    def _write_missing(self, upto: int) -> None:
        rests = SHORT_RESTS if self._index.missing(upto) > MISSING_MAX else LONG_RESTS
        pace = Pace(self._seconds, lambda: not self._closed and self._is_busy(), rests)
        self._index.write_missing(upto, pace)

    async def close(self) -> None:
        self._closed = True
        await self._asker.run(self._past.close)
        await self._indexer.run(self._index.close)
        await self._replayer.run(self._bases.close)
        for worker in (self._asker, self._indexer, self._replayer):
            await finish(worker)

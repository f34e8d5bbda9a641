"""The past of a partition that runs: questions are answered on a thread, and sealed segments get their page index."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from mmsb.schemas.errors import EnvironmentFailed
from mmsb.state.pages import PageId
from mmsb.streams.folder import TLOG
from mmsb.streams.past import forward
from mmsb.streams.past.catalog import write_missing
from mmsb.streams.past.changes import Change
from mmsb.streams.past.past import Past
from mmsb.streams.world import World, finish


class Owner(Protocol):
    def accepted_tlog(self) -> int:
        """The first TLog offset that may not be told."""
        ...


class Keeper:
    """`keep_index` runs beside the stages of the partition."""

    def __init__(self, world: World, number: int, folder: Path, owner: Owner) -> None:
        self._files = world.files
        self._folder = folder
        self._owner = owner
        self._past = Past(world.files, folder, owner.accepted_tlog)
        self._asker = world.worker(f"past-{number}")
        self._indexer = world.worker(f"index-{number}")
        self.sealed = asyncio.Event()
        self.sealed.set()  # the life before may have ended before it wrote one

    async def history(self, page: PageId, limit: int) -> list[Change]:
        return await self._asker.run(forward.history, self._past, page, limit)

    async def blame(self, page: PageId, field: int | None) -> Change | None:
        return await self._asker.run(forward.blame, self._past, page, field)

    async def keep_index(self) -> None:
        while True:
            await self.sealed.wait()
            self.sealed.clear()
            with suppress(EnvironmentFailed):  # whoever needs an index that is not there makes it in memory
                await self._indexer.run(write_missing, self._files, self._folder / TLOG, self._owner.accepted_tlog())

    async def close(self) -> None:
        await self._asker.run(self._past.close)
        for worker in (self._asker, self._indexer):
            await finish(worker)

"""Makes checkpoints of a partition that runs: on command, on schedule, and when an intent asks for one.

    flush ─▶ rows linked (nothing is written meanwhile) ─▶ read, digested, hashed, named ─▶ what is surplus removed

Only the first two keep anybody waiting; the rest happens on a thread of its own.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mmsb.processors.machine import Outcome
from mmsb.processors.receipts import last_applied
from mmsb.streams.checkpoints.creating import link_checkpoint, seal_checkpoint
from mmsb.streams.checkpoints.folder import read_manifest
from mmsb.streams.checkpoints.keeping import remove_surplus
from mmsb.streams.checkpoints.manifest import Cause, Manifest
from mmsb.streams.checkpoints.trimming import trim_logs
from mmsb.streams.flushing import Flushing
from mmsb.streams.opening import Opened
from mmsb.streams.world import World, finish


@dataclass(frozen=True)
class Keeping:
    """How long what is kept."""

    every: float | None = None
    """Seconds between checkpoints by schedule; None: only when somebody asks."""
    trim: bool = False
    """Remove log that no checkpoint needs."""
    asked_by: frozenset[int] = frozenset()
    """The type ids of intents that ask for a checkpoint."""


KEEP_ALL: Final = Keeping()


class Checkpointing:
    """One checkpoint after another."""

    def __init__(
        self, world: World, number: int, folder: Path, opened: Opened, flushing: Flushing, keeping: Keeping
    ) -> None:
        self._world = world
        self._folder = folder
        self._opened = opened
        self._flushing = flushing
        self._keeping = keeping
        self._sealer = world.worker(f"checkpoint-{number}")
        self._one = asyncio.Lock()
        self._asked: asyncio.Queue[Cause] = asyncio.Queue()

    async def run(self) -> None:
        """Those by schedule and by intents."""
        while True:
            try:
                async with asyncio.timeout(self._keeping.every):
                    cause = await self._asked.get()
            except TimeoutError:
                cause = Cause("schedule")
            await self.make(cause)

    def accepted(self, outcome: Outcome) -> None:
        """One is due if an intent asked for it; it will have that intent's effects."""
        if self._keeping.asked_by:
            offset = last_applied(outcome, self._keeping.asked_by)
            if offset is not None:
                self._asked.put_nowait(Cause("intent", offset))

    async def make(self, cause: Cause) -> Manifest:
        """One of all that is stepped by now; it is verified and listed when this returns."""
        async with self._one:
            draft = await self._flushing.flush_and(link_checkpoint, self._world, self._folder, self._opened.store)
            made = await self._sealer.run(seal_checkpoint, self._world, self._folder, draft, cause)
            await self._sealer.run(remove_surplus, self._world.files, self._folder)
            if self._keeping.trim:
                await self._sealer.run(self._trim_logs, list(self._opened.follow_up_blocks[:1]))
            return await self._sealer.run(read_manifest, self._world.files, made)

    def _trim_logs(self, relaying: list[int]) -> None:
        opened, window = self._opened, self._opened.writer.fold.genesis.window
        trim_logs(self._world.files, self._folder, opened.intents, opened.tlog, window, relaying)

    async def close(self) -> None:
        await finish(self._sealer)

"""Makes checkpoints of a partition that runs: on command, on schedule, and when an intent asks for one.

    flush ─▶ rows linked (nothing is written meanwhile) ─▶ read, digested, hashed, named ─▶ what is surplus removed

Only the first two keep anybody waiting; the rest happens on a thread of its own.
"""

import asyncio
import warnings
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mmsb.processors.machine import Outcome
from mmsb.processors.receipts import last_applied
from mmsb.schemas.errors import EnvironmentFailed
from mmsb.streams.checkpoints.creating import link_checkpoint, seal_checkpoint
from mmsb.streams.checkpoints.facts import read_facts
from mmsb.streams.checkpoints.folder import read_manifest
from mmsb.streams.checkpoints.keeping import remove_surplus
from mmsb.streams.checkpoints.manifest import Cause, Manifest
from mmsb.streams.checkpoints.trimming import trim_logs
from mmsb.streams.completing import going_on
from mmsb.streams.flushing import Flushing
from mmsb.streams.opening import Opened
from mmsb.streams.pace import Pace
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


Made = Callable[[Path, Sequence[int]], Awaitable[None]]
"""Hears of a checkpoint, and of the TLog offsets of blocks whose follow-ups may not all have arrived."""


async def _nobody(checkpoint: Path, relaying: Sequence[int]) -> None:
    """A folder of its own has no others to tell."""


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
        self._closed = False
        self._newest = -1  # the last intent that the newest one made here has
        self.made: Made = _nobody
        self.count = 0  # made since this start
        self.failures = 0  # of those that no person asked for
        self.needed: Callable[[], int] = lambda: opened.tlog.end
        """The TLog offset from which others of this process need the log; asked on a thread."""

    async def run(self) -> None:
        """Those by schedule and by intents."""
        while True:
            try:
                async with asyncio.timeout(self._keeping.every):
                    cause = await self._asked.get()
            except TimeoutError:
                cause = Cause("schedule")
            if cause.offset is None or cause.offset > self._newest:  # one may have what many asked for meanwhile
                await self._try(cause)

    async def _try(self, cause: Cause) -> None:
        """No partition needs a checkpoint: without room for one it goes on, and the next is due as ever.

        A flush that failed is no such thing: the home takes nothing more.
        """
        try:
            await self.make(cause)
        except EnvironmentFailed as error:
            if self._flushing.has_failed:
                raise
            self.failures += 1
            warnings.warn(
                f"{self._folder}: no checkpoint was made by {cause.kind}: {error}. The next one is made when it is due",
                RuntimeWarning,
                stacklevel=2,
            )

    def accepted(self, outcome: Outcome) -> None:
        """One is due if an intent asked for it; it will have that intent's effects."""
        if self._keeping.asked_by:
            offset = last_applied(outcome, self._keeping.asked_by)
            if offset is not None:
                self._asked.put_nowait(Cause("intent", offset))

    async def make(self, cause: Cause) -> Manifest:
        """One of all that is stepped by now; it is verified and listed when this returns.

        It goes on if its caller is cancelled, since the next one would change the rows that this one looks at.
        """
        return await going_on(self._alone(cause))

    async def _alone(self, cause: Cause) -> Manifest:
        async with self._one:
            if self._closed:
                raise EnvironmentFailed("a checkpoint was asked for while the engine was closed; start it again")
            draft = await self._flushing.flush_and(link_checkpoint, self._world, self._folder, self._opened.store)
            relaying = self._flushing.relaying  # what has arrived since may not be durable there
            made = await self._sealer.run(self._seal, draft, cause)
            await self._sealer.run(remove_surplus, self._world.files, self._folder)
            await self.made(made, relaying)
            if self._keeping.trim:
                await self._sealer.run(self._trim_logs, relaying)
            manifest = await self._sealer.run(read_manifest, self._world.files, made)
            self._newest = manifest.facts.settled
            self.count += 1
            return manifest

    def _seal(self, draft: Path, cause: Cause) -> Path:
        pace = Pace(self._world.seconds, self.is_busy)
        return seal_checkpoint(self._world, self._folder, draft, cause, lambda rows: read_facts(rows, pace), pace)

    def is_busy(self) -> bool:
        """Whether intents wait for their outcome."""
        return not self._closed and self._opened.intents.end - 1 > self._opened.fold.settled

    def _trim_logs(self, relaying: Sequence[int]) -> None:
        opened, window = self._opened, self._opened.fold.genesis.window
        needed = min([self.needed(), *relaying])
        trim_logs(self._world.files, self._folder, opened.intents, opened.tlog, window, [needed])

    async def close(self) -> None:
        """Once one that is being made is whole, or has failed."""
        self._closed = True
        async with self._one:
            await finish(self._sealer)

"""Takes a partition's state home: what changed is copied between two steps, and written once these are accepted.

    cut (the machine waits while it is copied) ─▶ its boundary is accepted ─▶ ingested, all or nothing

So the store never leads the logs. A flush is due after some seconds, or much log, or many changed pages: what comes
first. The next start folds what came after the last one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from mmsb.schemas.errors import EnvironmentFailed
from mmsb.state.home.cuts import Cut
from mmsb.state.home.meta import Standing
from mmsb.streams.completing import going_on
from mmsb.streams.opening import Opened
from mmsb.streams.watching.exposition import Histogram
from mmsb.streams.world import Worker, World, finish

T = TypeVar("T")

FLUSH_SECONDS: Final = 5.0
"""A flush is due so long after the one before, if anything changed."""

FLUSH_LOG_BYTES: Final = 256 << 20
"""So much TLog may have been written since the last flush: folding it takes a start about a second."""

SECONDS_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Flushing:
    """The flushes of one partition, one after another. `run` does what is due; anybody may ask for one now."""

    def __init__(
        self,
        world: World,
        number: int,
        opened: Opened,
        machine: asyncio.Lock,
        stepper: Worker,
        make_durable: Callable[[], Awaitable[None]],
    ) -> None:
        """`machine` is held by whoever looks at pages; what is accepted is on disk once `make_durable` has returned."""
        self._world = world
        self._opened = opened
        self._machine = machine
        self._stepper = stepper
        self._writer = world.worker(f"home-{number}")
        self._make_durable = make_durable
        self._one = asyncio.Lock()
        self._due = asyncio.Event()
        self._cut_at = -1
        self._accepted: asyncio.Future[Standing] | None = None
        self._failure: BaseException | None = None  # why nothing more will be accepted
        self._flushed_bytes = 0  # of the TLog, appended since this start
        self._flushed: Standing | None = opened.stored
        self._why: str | None = None  # one failed
        self._cut_short = False  # a copy was made, and not written: what it had, no later one has
        self.count = 0
        self.written_bytes = 0
        self.seconds = Histogram(SECONDS_BOUNDS)

    def _standing(self) -> Standing:
        return self._opened.fold.standing(self._opened.follow_up_blocks)

    async def run(self) -> None:
        """Flush whenever it is due."""
        while True:
            try:
                async with asyncio.timeout(FLUSH_SECONDS):
                    await self._due.wait()
            except TimeoutError:
                pass
            await self.flush()

    @property
    def flushed(self) -> int:
        """The last intent whose effects are in the store; -1 if there is none."""
        return -1 if self._flushed is None else self._flushed.settled

    @property
    def relaying(self) -> tuple[int, ...]:
        """TLog offsets that the store names, from which a start may have to relay follow-ups."""
        return () if self._flushed is None else self._flushed.follow_up_blocks

    @property
    def has_failed(self) -> bool:
        """Whether the home takes nothing more."""
        return self._why is not None

    async def room(self) -> None:
        """Before a step: wait as long as too much is changed."""
        if self._opened.home.is_crowded:
            self._due.set()
            await self.flush()

    def accepted(self) -> None:
        """The fold has accepted one more block."""
        fold = self._opened.fold
        if self._accepted is not None and not self._accepted.done() and fold.settled == self._cut_at:
            self._accepted.set_result(self._standing())
        if self._opened.tlog.appended_bytes - self._flushed_bytes > FLUSH_LOG_BYTES:
            self._due.set()

    async def flush(self) -> None:
        """Write all that changed up to now. It goes on if its caller is cancelled: no later copy has what it has."""
        await going_on(self._alone())

    async def flush_and(self, function: Callable[..., T], *arguments: Any) -> T:
        """The same, and call a function before anything else is written; gives what that gives."""
        return await going_on(self._alone_and(function, *arguments))

    async def _alone(self) -> None:
        async with self._one:
            await self._flush()

    async def _alone_and(self, function: Callable[..., T], *arguments: Any) -> T:
        async with self._one:
            await self._flush()
            return await self._writer.run(function, *arguments)

    async def _flush(self) -> None:
        self._due.clear()
        if self._cut_short:
            why = self._why or "it was cut short"
            raise EnvironmentFailed(
                f"the home takes nothing more, since a flush before this one failed ({why}); start again: what it did "
                "not write is in the logs"
            )
        if self._flushed is not None and self._is_clean(self._flushed):
            return
        self._flushed_bytes = self._opened.tlog.appended_bytes
        self._cut_short = True
        begun = self._world.seconds()
        try:
            self._flushed = await self._write()
        except BaseException as error:
            self._why = str(error) or type(error).__name__
            raise
        self._cut_short = False
        self.count += 1
        self.seconds.observe(self._world.seconds() - begun)

    async def _write(self) -> Standing:
        cut, standing = await self._cut()
        await self._make_durable()
        self.written_bytes += await self._writer.run(self._ingest, cut, standing)
        async with self._machine:
            await self._stepper.run(self._opened.home.written)
        return standing

    async def rest(self) -> None:
        """Wait until none is under way."""
        async with self._one:
            pass

    async def flush_last(self) -> None:
        """When nothing is stepped any more: spare the next start the folding, if that can be.

        It cannot if something was stepped that nobody appends any more.
        """
        self.fail(EnvironmentFailed("the engine was closed; start it again"))
        await self.rest()
        if not self._cut_short and not await self._stepper.run(self._is_ahead):
            await self.flush()

    def _is_ahead(self) -> bool:
        """Whether the machine has stepped what is not accepted. Asked in its thread: after all that this has to do."""
        return self._opened.stepped > self._opened.fold.settled

    def _is_clean(self, flushed: Standing) -> bool:
        fold, relaying = self._opened.fold, tuple(self._opened.follow_up_blocks)
        at_end = flushed.next == fold.next and flushed.settled == self._opened.stepped
        return at_end and flushed.follow_up_blocks == relaying

    async def _cut(self) -> tuple[Cut, Standing]:
        """A copy of what changed, and the fold's standing when it has accepted all of that."""
        async with self._machine:
            fold = self._opened.fold
            cut = await self._stepper.run(self._copy)
            if fold.settled == cut.settled:
                return cut, self._standing()
            if self._failure is not None:
                raise self._failure
            self._cut_at = cut.settled
            self._accepted = asyncio.get_running_loop().create_future()
        return cut, await self._accepted

    def _copy(self) -> Cut:
        return self._opened.home.cut(self._opened.stepped)

    def _ingest(self, cut: Cut, standing: Standing) -> int:
        assert standing.next <= self._opened.tlog.durable, "flushed <= accepted, and that is durable"
        return self._opened.store.ingest(cut.rows(standing))

    def fail(self, error: BaseException) -> None:
        """Nothing more will be accepted: whoever waits for that now or later hears why."""
        self._failure = error
        if self._accepted is not None and not self._accepted.done():
            self._accepted.set_exception(error)

    async def close(self) -> None:
        """After `fail`, so that none waits for what will never be accepted: one that is under way is not cut short."""
        await self.rest()
        await finish(self._writer)

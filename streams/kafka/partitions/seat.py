"""One partition's place in this process: it is brought to what is wanted of it, one change after another."""

import asyncio
import enum
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from mmsb.streams.completing import complete
from mmsb.streams.kafka.partitions.replica import Replica

REST_SECONDS: Final = 10.0
"""That a partition gets to come to rest when its process ends: brokers may not answer any more."""


class Wanted(enum.Enum):
    NOTHING = "nothing"
    FOLLOWING = "following"
    OWNING = "owning"


TakeOver = Callable[[Replica, Callable[[], bool]], Awaitable[None]]
"""Makes a replica the owner, as long as a function says that it may be."""


class Seat:
    """`run` until it is cancelled or something fails; meanwhile say what is wanted."""

    def __init__(
        self,
        open_replica: Callable[[], Awaitable[Replica]],
        take_over: TakeOver,
        hand_over: Callable[[Replica], Awaitable[None]],
    ) -> None:
        """`hand_over` makes a replica that is at rest a follower."""
        self._open_replica = open_replica
        self._take_over = take_over
        self._hand_over = hand_over
        self._resting = False
        self._changed = asyncio.Event()
        self._changing = asyncio.Lock()
        self._opened = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self.wanted = Wanted.NOTHING
        self.replica: Replica | None = None

    @property
    def owned(self) -> bool:
        return self.replica is not None and self.replica.owned

    def want(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self._changed.set()

    async def opened(self) -> Replica:
        """The replica, once it has folded all that was accepted when it was opened."""
        while self.replica is None:
            await self._opened.wait()
        return self.replica

    async def rest(self) -> None:
        """Own nothing new, and have nothing on its way."""
        self._resting = True
        async with self._changing:
            if self.replica is not None and self.replica.owned:
                await self.replica.rest()

    def go_on(self) -> None:
        self._resting = False
        if self.replica is not None and self.wanted == Wanted.OWNING:
            self.replica.go_on()  # one that was lost stays at rest until it is handed over
        self._changed.set()

    async def run(self) -> None:
        try:
            while True:
                self._changed.clear()
                if not await self._change():
                    await self._wait()
        finally:
            await self._close()

    async def _change(self) -> bool:
        """Take one step to what is wanted; False if there is none."""
        if self.replica is None and self.wanted != Wanted.NOTHING:
            await self._open(await self._open_replica())
            return True
        async with self._changing:
            replica = self.replica
            if replica is None or self._resting:
                return False
            if self.wanted == Wanted.OWNING and not replica.owned:
                await self._take_over(replica, self._may_own)
                return True
            if self.wanted != Wanted.OWNING and replica.owned:
                await replica.rest()
                await self._hand_over(replica)
                return True
        if self.wanted == Wanted.NOTHING:
            await self._close()
            return True
        return False

    def _may_own(self) -> bool:
        return self.wanted == Wanted.OWNING and not self._resting

    async def _open(self, replica: Replica) -> None:
        self.replica = replica  # first: it is closed, then, if this is cancelled
        self._running = asyncio.create_task(replica.run())
        await asyncio.sleep(0)  # it begins
        self._opened.set()

    async def _wait(self) -> None:
        """For another wish, or for the end of the replica, which raises."""
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait([changed, *filter(None, [self._running])], return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
        if self._running is not None and self._running.done():
            await self._running

    async def _close(self) -> None:
        """Leave what was accepted at home, if it can be."""
        replica, running = self.replica, self._running
        self.replica, self._running = None, None
        self._opened.clear()
        if replica is None or running is None:
            return
        try:
            if replica.owned and not running.done():
                with suppress(TimeoutError):
                    async with asyncio.timeout(REST_SECONDS):
                        await replica.rest()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await complete(replica.close())
        if not running.cancelled():
            running.result()  # raises what it ended with

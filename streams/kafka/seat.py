"""One partition's place in this process: it is brought to what is wanted of it, one change after another."""

import asyncio
import enum
from collections.abc import Awaitable, Callable
from contextlib import suppress

from mmsb.streams.kafka.replica import Replica


class Wanted(enum.Enum):
    NOTHING = "nothing"
    FOLLOWING = "following"
    OWNING = "owning"


class Seat:
    """`run` until it is cancelled or something fails; meanwhile say what is wanted."""

    def __init__(
        self,
        open_replica: Callable[[], Awaitable[Replica]],
        take_over: Callable[[Replica], Awaitable[None]],
        hand_over: Callable[[Replica], Awaitable[None]],
    ) -> None:
        """`take_over` makes a replica the owner, `hand_over` the follower of another; both end where they say so."""
        self._open_replica = open_replica
        self._take_over = take_over
        self._hand_over = hand_over
        self._wanted = Wanted.NOTHING
        self._resting = False
        self._changed = asyncio.Event()
        self._changing = asyncio.Lock()
        self._opened: asyncio.Future[Replica] = asyncio.get_running_loop().create_future()
        self.replica: Replica | None = None

    @property
    def owned(self) -> bool:
        return self.replica is not None and self.replica.owned

    def want(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._changed.set()

    async def opened(self) -> Replica:
        """The replica, once it has folded all that was accepted before."""
        return await asyncio.shield(self._opened)

    async def rest(self) -> None:
        """Own nothing new, and have nothing on its way."""
        self._resting = True
        async with self._changing:
            if self.replica is not None and self.replica.owned:
                await self.replica.rest()

    def go_on(self) -> None:
        self._resting = False
        if self.replica is not None:
            self.replica.go_on()
        self._changed.set()

    async def run(self) -> None:
        running: asyncio.Task[None] | None = None
        try:
            while True:
                self._changed.clear()
                if self.replica is None and self._wanted != Wanted.NOTHING:
                    self.replica = await self._open_replica()
                    running = asyncio.create_task(self.replica.run())
                    await asyncio.sleep(0)  # it begins
                    self._opened.set_result(self.replica)
                elif self.replica is not None and running is not None and self._wanted == Wanted.NOTHING:
                    await self._close(self.replica, running)
                    self.replica, running = None, None
                    self._opened = asyncio.get_running_loop().create_future()
                elif not await self._change():
                    await self._wait(running)
        finally:
            if self.replica is not None and running is not None:
                await self._close(self.replica, running)

    async def _change(self) -> bool:
        """Take one step to what is wanted; False if there is none."""
        async with self._changing:
            replica = self.replica
            if replica is None or self._resting:
                return False
            if self._wanted == Wanted.OWNING and not replica.owned:
                await self._take_over(replica)
                return True
            if self._wanted != Wanted.OWNING and replica.owned:
                await replica.rest()
                await self._hand_over(replica)
                return True
            return False

    async def _wait(self, running: "asyncio.Task[None] | None") -> None:
        """For another wish, or for the end of the replica, which raises."""
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait([changed, *filter(None, [running])], return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
        if running is not None and running.done():
            await running

    async def _close(self, replica: Replica, running: "asyncio.Task[None]") -> None:
        """Leave what was accepted at home, if it can be."""
        if replica.owned and not running.done():
            with suppress(asyncio.CancelledError):
                await replica.rest()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await replica.close()

"""Following partitions: one fetch for all of them that a broker leads, answered and checked partition by partition.

Each lane has two connections to a broker. On one a fetch waits until there is something new. Who comes to follow or
has room again meanwhile need not wait for that: the other one fetches for them until the first is free.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Coroutine
from typing import Any, Final

from mmsb.schemas.errors import CorruptState, EnvironmentFailed
from mmsb.streams.kafka.cluster.answers import FETCHING, Means, means, refusal
from mmsb.streams.kafka.cluster.broker import FETCH_AHEAD_BYTES, Aborted, Fetched, Gone, Span, TopicPartition
from mmsb.streams.kafka.cluster.connections import Connections, Unanswered, Unsent
from mmsb.streams.kafka.cluster.cutting import whole_batches
from mmsb.streams.kafka.cluster.leaders import Leaders
from mmsb.streams.kafka.cluster.requests import Part, Wanted, ask_fetch, read_fetch
from mmsb.streams.kafka.cluster.routing import Routes
from mmsb.streams.kafka.cluster.url import Address

PARTITION_BYTES: Final = 4 << 20
"""So much of a partition comes with one answer, or one batch if that is larger."""

ANSWER_BYTES: Final = 32 << 20
WAIT_MS: Final = {"waits": 500, "meanwhile": 20}
"""The two connections, and how long a broker keeps a fetch that it has nothing for."""

FETCH_SECONDS: Final = 30.0
PATIENCE_SECONDS: Final = 2.0
BACKOFF_SECONDS: Final = (0.05, 1.0)
"""Doubled from the first to the second while a partition cannot be fetched."""


class Follower:
    """Following, as mmsb.streams.kafka.cluster.broker says it."""

    def __init__(self, lane: "Lane", at: TopicPartition, offset: int) -> None:
        self.at = at
        self.next = offset
        self.asked = False
        """A request for it is on its way."""

        self.served = 0
        """When it last got something: who waits longest comes first in a request."""

        self.paused = False
        """It is not to be asked for just yet."""

        self._lane = lane
        self._backoff = 0.0
        self._ready: deque[Fetched] = deque()
        self._bytes = 0
        self._failure: BaseException | None = None
        self._changed = asyncio.Event()

    async def take(self) -> Fetched:
        while not self._ready:
            if self._failure is not None:
                raise self._failure
            self._changed.clear()
            await self._changed.wait()
        had_room = self.has_room
        taken = self._take()
        if not had_room and self.has_room:
            self._lane.pump()
        return taken

    def close(self) -> None:
        self.fail(EnvironmentFailed(f"{self.at}: nobody follows it any more"))

    @property
    def has_room(self) -> bool:
        return self._bytes + PARTITION_BYTES <= FETCH_AHEAD_BYTES

    @property
    def is_waiting(self) -> bool:
        return self.has_room and not self.asked and not self.paused

    def put(self, data: bytes, span: Span, aborted: tuple[Aborted, ...] = ()) -> None:
        try:
            data, after = whole_batches(self.at, data, self.next, gaps=self._lane.foreign)
        except CorruptState as error:
            self.fail(error)
            return
        self._backoff = 0.0
        if not data:
            return
        self.next = after
        self._ready.append(Fetched(data, span, aborted))
        self._bytes += len(data)
        self._changed.set()

    def fail(self, error: BaseException) -> None:
        self._lane.remove(self)
        self._failure = self._failure or error
        self._changed.set()

    def pause(self) -> None:
        least, most = BACKOFF_SECONDS
        self._backoff = min(most, max(least, 2 * self._backoff))
        self.paused = True
        asyncio.get_running_loop().call_later(self._backoff, self._resume)

    def _resume(self) -> None:
        self.paused = False
        self._lane.pump()

    def _take(self) -> Fetched:
        """What is there, together: whoever is behind shall not go on in small steps."""
        parts = [self._ready.popleft()]
        size = len(parts[0].data)
        while self._ready and size + len(self._ready[0].data) <= PARTITION_BYTES:
            parts.append(self._ready.popleft())
            size += len(parts[-1].data)
        self._bytes -= size
        if len(parts) == 1:
            return parts[0]
        aborted = dict.fromkeys(each for part in parts for each in part.aborted)
        return Fetched(b"".join(part.data for part in parts), parts[-1].span, tuple(aborted))


class Lane:
    """Those who share connections.

    In a `foreign` one topics are not ours: they may have gaps, and what counts is what transactions have committed.
    """

    def __init__(
        self, name: str, connections: Connections, routes: Routes, leaders: Leaders, *, foreign: bool = False
    ) -> None:
        self._name = name
        self.foreign = foreign
        self._connections = connections
        self._routes = routes
        self._leaders = leaders
        self._followers: set[Follower] = set()
        self._busy: defaultdict[Address, set[str]] = defaultdict(set)
        self._served = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking = False

    def follow(self, at: TopicPartition, offset: int) -> Follower:
        follower = Follower(self, at, offset)
        self._followers.add(follower)
        self.pump()
        return follower

    def remove(self, follower: Follower) -> None:
        self._followers.discard(follower)
        if not self._followers:
            self._hang_up()

    async def close(self) -> None:
        for follower in list(self._followers):
            follower.fail(EnvironmentFailed(f"{follower.at}: this client is closed"))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def pump(self) -> None:
        """Ask for whom nothing is asked yet and who has room."""
        wanted: defaultdict[Address, list[Follower]] = defaultdict(list)
        lost = False
        for follower in self._followers:
            if follower.is_waiting:
                leader = self._routes.leader(follower.at)
                if leader is None:
                    lost = True
                else:
                    wanted[leader].append(follower)
        for address, followers in wanted.items():
            free = [way for way in WAIT_MS if way not in self._busy[address]]
            if free:
                self._busy[address].add(free[0])
                for follower in followers:
                    follower.asked = True
                self._begin(self._fetch(address, free[0], sorted(followers, key=lambda follower: follower.served)))
        if lost and not self._looking:
            self._looking = True
            self._begin(self._look())

    async def _fetch(self, address: Address, way: str, followers: list[Follower]) -> None:
        try:
            parts = await self._ask(address, way, followers)
        except (Unsent, Unanswered):
            parts = []
            for follower in self._followers.intersection(followers):  # who left has hung up, perhaps
                self._lose(follower)
        except EnvironmentFailed as error:
            parts = []
            for follower in followers:
                follower.fail(error)
        finally:
            self._busy[address].discard(way)
            for follower in followers:
                follower.asked = False
        asked = {follower.at: follower for follower in followers}
        for part in parts:
            if asked[part.at] in self._followers:
                self._hear(asked[part.at], part)
        if self._followers:
            self.pump()
        else:
            self._hang_up()  # a connection that was being made when the last one left

    async def _ask(self, address: Address, way: str, followers: list[Follower]) -> list[Part]:
        """Who waits long for a broker looks whether somebody else leads now: this one may be frozen."""
        wanted = [Wanted(follower.at, follower.next, PARTITION_BYTES) for follower in followers]
        request = ask_fetch(wanted, WAIT_MS[way], ANSWER_BYTES, committed=self.foreign)
        asking = asyncio.create_task(self._connections.ask(address, self._lane(way), request, FETCH_SECONDS))
        try:
            while not (await asyncio.wait([asking], timeout=PATIENCE_SECONDS))[0]:
                await self._routes.look()
                if all(self._routes.leader(follower.at) != address for follower in followers):
                    break
            if not asking.done():
                raise Unanswered(f"{address} leads none of them any more")
            return read_fetch(asking.result())
        finally:
            asking.cancel()

    def _hear(self, follower: Follower, part: Part) -> None:
        meaning = means(FETCHING, part.code)
        if meaning is Means.DONE:
            if part.data:
                self._served += 1
                follower.served = self._served
            follower.put(part.data, part.span, part.aborted)
        elif meaning is Means.OUTSIDE:
            follower.asked = True
            self._begin(self._judge(follower))
        elif meaning is Means.REFUSED:
            follower.fail(refusal(part.at, part.code))
        else:
            self._lose(follower)

    def _lose(self, follower: Follower) -> None:
        self._routes.forget(follower.at)
        follower.pause()

    async def _judge(self, follower: Follower) -> None:
        """Whether the offset is gone. A broker that has just begun to lead may only not know that it is there."""
        try:
            span = await self._leaders.span(follower.at)
        except EnvironmentFailed:
            span = None
        finally:
            follower.asked = False
        if span is None or span.first <= follower.next <= span.end:
            self._lose(follower)
        else:
            follower.fail(Gone(follower.at, follower.next, span))

    async def _look(self) -> None:
        """For the leaders of those who have none."""
        try:
            await self._routes.look()
        except EnvironmentFailed as error:
            for follower in self._lost():
                follower.fail(error)
        finally:
            self._looking = False
        for follower in self._lost():
            try:
                self._routes.check(follower.at.topic)
                follower.pause()
            except EnvironmentFailed as error:
                follower.fail(error)
        self.pump()

    def _lost(self) -> list[Follower]:
        return [
            follower for follower in self._followers if follower.is_waiting and self._routes.leader(follower.at) is None
        ]

    def _lane(self, way: str) -> tuple[str, str]:
        return self._name, way

    def _hang_up(self) -> None:
        for way in WAIT_MS:
            self._connections.drop_lane(self._lane(way))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A fault of ours is not kept from those who wait."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            for follower in list(self._followers):
                follower.fail(error)

"""Our own member of a consumer group: aiokafka's never comes back when left without partitions, and hides failures.

    join ─▶ sync ─▶ an assignment ─▶ heartbeats ─▶ taken back ─▶ heartbeats, until all is at rest ─┐
     ▲                                                                                            │
     └────────────────────────────────────────────────────────────────────────────────────────────┘

It is static: it has a name, and one that is started again under it within the session gets its partitions back without
anybody else's noticing. One that leaves says so, and its partitions move at once; one that dies is missed when its
session is over, like any other.
"""

import asyncio
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Final

from mmsb.schemas.errors import EnvironmentFailed, InvalidValue
from mmsb.streams.kafka.cluster.assigning import Said, assign_said, encode_said
from mmsb.streams.kafka.cluster.broker import Assignment
from mmsb.streams.kafka.cluster.connections import Connections
from mmsb.streams.kafka.cluster.coordinator import Coordinator, Joined, Patience, Verdict
from mmsb.streams.kafka.cluster.routing import Routes

PATIENCE: Final = Patience(session=10.0, rest=60.0)
"""Brokers allow sessions of 6 s and more unless told otherwise; a pause of a worker that is alive must fit into it."""

BEAT_SECONDS: Final = 0.2
"""A member hears only by its heartbeats that others came or went. So what they cost, five small requests a second, is
what it takes that a take-over waits for a tenth of a second beyond the session, on average."""

RETRY_SECONDS: Final = 0.1
_NAME: Final = re.compile(r"[a-zA-Z0-9._-]{1,249}")  # as brokers take them


class GroupMember:
    """`start`, then `next` and `ready` as mmsb.streams.kafka.cluster.broker.Member says, then `leave`."""

    def __init__(
        self,
        connections: Connections,
        routes: Routes,
        group: str,
        topic: str,
        prefers: Collection[int],
        name: str,
        patience: Patience = PATIENCE,
    ) -> None:
        if not _NAME.fullmatch(name):
            raise InvalidValue(f"expected a member's name of 1 to 249 of a-z A-Z 0-9 . _ -, found {name!r}")
        self._coordinator = Coordinator(connections, routes, group, name, patience)
        self._group = group
        self._topic = topic
        self._patience = patience
        self._says = Said(name, prefers=frozenset(prefers))
        self._count = 0
        self._member: str | None = None
        """None while the group cannot know us, empty while it has not said which id it gave us."""

        self._said: asyncio.Queue[Assignment | Exception | None] = asyncio.Queue()
        self._at_rest = asyncio.Event()
        self._heard = 0.0  # when it last was answered
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to take part; raises EnvironmentFailed if the topic is not there."""
        self._count = await self._count_partitions()
        self._heard = asyncio.get_running_loop().time()
        self._running = asyncio.create_task(self._run())

    async def next(self) -> Assignment | None:
        said = await self._said.get()
        if isinstance(said, Exception):
            self._said.put_nowait(said)  # for whoever asks again
            raise said
        return said

    def ready(self) -> None:
        assert not self._at_rest.is_set(), "it is called once after each None"
        self._at_rest.set()

    async def settled(self, offsets: Mapping[int, int], words: str = "") -> bool:
        """Note after which offsets partitions go on: while a group has members, only they may. Is that done?"""
        if not self._member:
            return False
        return await self._coordinator.commit(self._says.generation, self._member, self._topic, offsets, words)

    @property
    def silent_seconds(self) -> float:
        return asyncio.get_running_loop().time() - self._heard

    async def leave(self) -> None:
        """Have the group give away what this member had. Where it cannot be told, it notices at the session's end."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        try:
            if self._member is not None:
                await self._coordinator.leave(self._member)
        finally:
            self._member = None
            self._coordinator.close()
            self._said.put_nowait(EnvironmentFailed(f"group {self._group!r}: this member has left it"))

    async def _count_partitions(self) -> int:
        """It never changes. Brokers may take a moment to hear of a topic that was just made."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience.session):
                while (count := await self._coordinator.partitions(self._topic)) is None:
                    await asyncio.sleep(RETRY_SECONDS)
                return count
        self._coordinator.close()
        raise EnvironmentFailed(
            f"topic {self._topic!r}: expected brokers to say how many partitions it has, found that they did not "
            f"within {self._patience.session:g} s; is it there, may this user describe it, and do the brokers run?"
        )

    async def _run(self) -> None:
        try:
            while True:
                assignment = await self._join()
                self._at_rest.clear()
                self._said.put_nowait(assignment)
                await self._stay()
                self._said.put_nowait(None)
                await self._rest()
        except Exception as error:
            self._said.put_nowait(error)  # what ends membership is raised from `next`, a fault of ours too

    # Joining

    async def _join(self) -> Assignment:
        while True:
            self._member = self._member or ""
            verdict, joined = await self._coordinator.join(self._member, self._topic, encode_said(self._says))
            self._note(verdict)
            if verdict in (Verdict.DONE, Verdict.NAMED):
                self._member = joined.member
            if verdict == Verdict.DONE:
                verdict, partitions = await self._sync(joined)
                if verdict == Verdict.DONE:
                    self._says = Said(self._says.name, joined.generation, partitions, self._says.prefers)
                    return Assignment(joined.generation, partitions)
            if verdict == Verdict.EXPELLED:
                self._member = None
            await asyncio.sleep(RETRY_SECONDS)

    async def _sync(self, joined: Joined) -> tuple[Verdict, frozenset[int]]:
        assigned = {} if joined.members is None else assign_said(joined.members, self._count)
        verdict, partitions = await self._coordinator.sync(
            joined, self._topic, {member: sorted(numbers) for member, numbers in assigned.items()}
        )
        return verdict, partitions.intersection(range(self._count))  # a leader may be anybody

    # Heartbeats

    async def _stay(self) -> None:
        """Until the group is to be joined again. A coordinator that is away takes nothing back."""
        while await self._beat() in (Verdict.DONE, Verdict.AWAY):
            await asyncio.sleep(BEAT_SECONDS)

    async def _rest(self) -> None:
        """Until all is at rest; alive meanwhile, for as long as the group is willing to wait."""
        beating = asyncio.create_task(self._beat_while_known())
        resting = asyncio.create_task(self._at_rest.wait())
        try:
            await asyncio.wait([beating, resting], return_when=asyncio.FIRST_COMPLETED)
            if beating.done():
                await beating
            await resting
        finally:
            for task in (beating, resting):
                task.cancel()
            await asyncio.gather(beating, resting, return_exceptions=True)

    async def _beat_while_known(self) -> None:
        while await self._beat() != Verdict.EXPELLED:
            await asyncio.sleep(BEAT_SECONDS)

    async def _beat(self) -> Verdict:
        if self._member is None:
            return Verdict.EXPELLED
        verdict = await self._coordinator.beat(self._says.generation, self._member)
        self._note(verdict)
        if verdict == Verdict.EXPELLED:
            self._member = None
        return verdict

    def _note(self, verdict: Verdict) -> None:
        if verdict != Verdict.AWAY:
            self._heard = asyncio.get_running_loop().time()

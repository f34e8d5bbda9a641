"""Members of groups, in this process and in others, that note what they are told."""

import asyncio
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Collection, Set
from contextlib import asynccontextmanager, suppress
from typing import Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic  # type: ignore[import-untyped]

from mmsb.streams.kafka.cluster.broker import Assignment
from mmsb.streams.kafka.cluster.connections import Connections
from mmsb.streams.kafka.cluster.coordinator import Patience
from mmsb.streams.kafka.cluster.member import GroupMember
from mmsb.streams.kafka.cluster.routing import Routes
from mmsb.streams.kafka.cluster.security import Security
from mmsb.streams.kafka.cluster.url import Address
from tests.project.tree import ROOT

SESSION_S: Final = 3.0
PATIENCE: Final = Patience(session=SESSION_S, rest=60.0)
WAIT_S: Final = 20.0


class Connected(NamedTuple):
    """What a client of a cluster has, as far as members need it."""

    connections: Connections
    routes: Routes


@asynccontextmanager
async def connected(port: int) -> AsyncGenerator[Connected]:
    connections = Connections(Security())
    routes = Routes(connections, [Address("127.0.0.1", port)])
    try:
        await routes.open()
        yield Connected(connections, routes)
    finally:
        await routes.close()
        await connections.close()


async def make_topic(port: int, partitions: int) -> str:
    """A topic of a test's own, whose name is its group's too."""
    name = f"t-{uuid.uuid4().hex[:12]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}")
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1)])
    finally:
        await admin.close()
    return name


class Told(NamedTuple):
    at: float
    assignment: Assignment | None


class Obeying:
    """A member that comes to rest at once, and notes what it is told."""

    def __init__(self, member: GroupMember) -> None:
        self.member = member
        self.told: list[Told] = []
        self.ready = True
        self._task = asyncio.create_task(self._obey())

    @property
    def is_told(self) -> bool:
        """What it has: not before the first assignment, nor while the next is made."""
        return bool(self.told) and self.told[-1].assignment is not None

    @property
    def has(self) -> Set[int]:
        last = self.told[-1].assignment if self.told else None
        return frozenset() if last is None else last.partitions

    async def _obey(self) -> None:
        while True:
            assignment = await self.member.next()
            self.told.append(Told(time.monotonic(), assignment))
            if assignment is None and self.ready:
                self.member.ready()

    async def failure(self) -> BaseException:
        done, _ = await asyncio.wait([self._task], timeout=WAIT_S)
        assert done, f"it goes on: {self.told}"
        failure = self._task.exception()
        assert failure is not None, "it never ends by itself"
        return failure

    def check(self) -> None:
        """Raise what ended it, if something did."""
        if self._task.done():
            self._task.result()

    async def leave(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError, Exception):  # `check` and `failure` are there for those who ask
            await self._task
        await self.member.leave()


@asynccontextmanager
async def member_of(
    port: int, topic: str, name: str, prefers: Collection[int] = (), patience: Patience = PATIENCE
) -> AsyncGenerator[Obeying]:
    """One with connections of its own, that leaves in the end."""
    async with connected(port) as client:
        member = GroupMember(*client, topic, topic, prefers, name, patience)
        await member.start()
        obeying = Obeying(member)
        try:
            yield obeying
        finally:
            await obeying.leave()


async def until(true: Callable[[], bool], *members: Obeying, seconds: float = WAIT_S) -> None:
    begin = time.monotonic()
    while not true():
        for member in members:
            member.check()
        assert time.monotonic() < begin + seconds, [member.told for member in members]
        await asyncio.sleep(0.005)


async def shared(count: int, *members: Obeying, seconds: float = WAIT_S) -> None:
    """Wait until they have all partitions between them, each one of them."""

    def is_shared() -> bool:
        last = [member.told[-1].assignment if member.told else None for member in members]
        generations = {assignment and assignment.generation for assignment in last}
        numbers = [number for member in members for number in member.has]
        return None not in last and len(generations) == 1 and sorted(numbers) == list(range(count))

    await until(is_shared, *members, seconds=seconds)


class Elsewhere:
    """A member in another process."""

    def __init__(self, port: int, topic: str, name: str, patience: Patience = PATIENCE) -> None:
        seconds = str(patience.session), str(patience.rest)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.kafka.member_process", str(port), topic, topic, name, *seconds],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    async def says(self) -> tuple[float, str]:
        """The next that it says, and when it said so."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(asyncio.to_thread(self._process.stdout.readline), WAIT_S)
        at, _, words = line.strip().partition(" ")
        return float(at), words

    async def has(self) -> frozenset[int]:
        _, words = await self.says()
        assert words.startswith("has"), words
        return frozenset(map(int, words.split()[1:]))

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()

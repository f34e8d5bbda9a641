"""A consumer group as its coordinator sees it: members come, go and fall silent, and partitions are given out anew."""

import asyncio
from collections import deque
from collections.abc import Mapping
from random import Random
from typing import TYPE_CHECKING, Final

from mmsb.streams.kafka.cluster.broker import Assignment
from tests.simulation.kafka.theatre import Process, Theatre

if TYPE_CHECKING:
    from tests.simulation.kafka.model import Cluster

SESSION_SECONDS: Final = 10.0  # of silence, and a member is no more
REBALANCE_SECONDS: Final = 60.0  # that members have to come to rest
HEARTBEAT_SECONDS: Final = 3.0


class ModelMember:
    """Implements mmsb.streams.kafka.cluster.broker.Member."""

    def __init__(self, group: "Group", name: str, prefers: frozenset[int], process: Process | None) -> None:
        self.name = name
        self.prefers = prefers
        self.process = process
        self.joining = True  # and waits for an assignment
        self.evicted = False
        self._group = group
        self._told: deque[Assignment | None] = deque()
        self._sent: deque[Assignment | None] = deque()  # what it is about to be told
        self._asked: asyncio.Future[None] | None = None

    async def next(self) -> Assignment | None:
        while not self._told:
            self._asked = asyncio.get_running_loop().create_future()
            await self._asked
        return self._told.popleft()

    def ready(self) -> None:
        if self.process is not None:
            self.process.check_lives()
        self._group.ready(self)

    async def settled(self, offsets: Mapping[int, int], words: str = "") -> bool:
        if self.process is not None:
            self.process.check_lives()
        return True

    @property
    def silent_seconds(self) -> float:
        return 0.0  # of which only probes tell

    async def leave(self) -> None:
        if self.process is not None:
            self.process.check_lives()
        self._group.leave(self)

    def tell(self, what: Assignment | None, theatre: Theatre, wait: float) -> None:
        """In order: whoever is a member asks one thing after another."""
        self._sent.append(what)
        theatre.later(wait, self._hear)

    def _hear(self) -> None:
        self._told.append(self._sent.popleft())
        if self._asked is not None and not self._asked.done():
            self._asked.set_result(None)


class Group:
    def __init__(self, cluster: "Cluster", name: str, topic: str) -> None:
        self._cluster = cluster
        self._theatre: Theatre = cluster.theatre
        self._random = Random(cluster.random.getrandbits(64))
        self._name = name
        self._topic = topic
        self._members: dict[str, ModelMember] = {}
        self._generation = 0
        self._begun: float | None = None  # when a rebalance was
        self._looks = False

    @property
    def topic(self) -> str:
        return self._topic

    def join(self, name: str, prefers: frozenset[int], process: Process | None) -> ModelMember:
        """Whoever has the name by now takes the place of whoever had it."""
        member = ModelMember(self, name, prefers, process)
        self._members[name] = member
        self._note(f"{name} joins")
        self._rebalance()
        if not self._looks:
            self._looks = True
            self._theatre.later(HEARTBEAT_SECONDS, self._look)
        return member

    def ready(self, member: ModelMember) -> None:
        member.joining = True
        if member.evicted:
            member.evicted = False
            self._members[member.name] = member
            self._note(f"{member.name} joins again")
            self._rebalance()
        else:
            self._go_on()

    def leave(self, member: ModelMember) -> None:
        if self._members.get(member.name) is member:
            del self._members[member.name]
            self._note(f"{member.name} leaves")
            self._rebalance()

    # Rebalances

    def _rebalance(self) -> None:
        """Take everything back; whoever is at rest joins again."""
        if self._begun is None:
            self._begun = self._theatre.time()
            for member in self._members.values():
                if not member.joining:
                    self._tell(member, None)
        self._go_on()

    def _go_on(self) -> None:
        if self._begun is not None and self._members and all(member.joining for member in self._members.values()):
            self._begun = None
            self._assign()

    def _assign(self) -> None:
        self._generation += 1
        given: dict[str, set[int]] = {name: set() for name in self._members}
        partitions = list(range(self._cluster.partitions(self._topic)))
        self._random.shuffle(partitions)
        prefers = self._random.random() < 0.8
        for partition in partitions:
            fewest = min(len(held) for held in given.values())
            open_to = [name for name, held in given.items() if len(held) == fewest]
            like = [name for name in open_to if prefers and partition in self._members[name].prefers]
            given[self._random.choice(like or open_to)].add(partition)
        self._note(f"generation {self._generation}: {given}")
        for name, member in self._members.items():
            member.joining = False
            member.prefers = member.prefers | given[name]
            self._tell(member, Assignment(self._generation, frozenset(given[name])))

    # Silence

    def _look(self) -> None:
        now = self._theatre.time()
        for member in list(self._members.values()):
            silent = None if member.process is None else member.process.silent_since
            late = self._begun is not None and now - self._begun > REBALANCE_SECONDS and not member.joining
            if late or (silent is not None and now - silent > SESSION_SECONDS):
                self._evict(member)
        if self._members:
            self._theatre.later(HEARTBEAT_SECONDS, self._look)
        else:
            self._looks = False

    def _evict(self, member: ModelMember) -> None:
        self._note(f"{member.name} is no member any more")
        del self._members[member.name]
        member.evicted = True
        self._tell_evicted(member)
        self._rebalance()

    def _tell_evicted(self, member: ModelMember) -> None:
        """It hears of it at some heartbeat after it has woken up."""
        process = member.process
        if not member.evicted or (process is not None and process.dead):
            return
        if process is not None and process.frozen:
            self._theatre.later(HEARTBEAT_SECONDS, self._tell_evicted, member)
        elif not member.joining:
            self._tell(member, None)
        else:
            member.evicted, member.joining = False, True
            self._members[member.name] = member
            self._rebalance()

    def _tell(self, member: ModelMember, what: Assignment | None) -> None:
        member.tell(what, self._theatre, self._wait())

    def _wait(self) -> float:
        return self._random.random() * self._random.choice((0.01, HEARTBEAT_SECONDS))

    def _note(self, text: str) -> None:
        self._cluster.trace.add(f"  group {self._name}: {text}")

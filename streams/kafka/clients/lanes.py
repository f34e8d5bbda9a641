"""One partition's lane: what a process submits to it, and what becomes of that."""

import asyncio
from collections.abc import Sequence

from mmsb.processors.bundle import Bundle
from mmsb.schemas.errors import EnvironmentFailed, MmsbError
from mmsb.schemas.tlog.claims import Durability
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.streams.door import About
from mmsb.streams.inbox import Inbox
from mmsb.streams.kafka.clients.following import Following
from mmsb.streams.kafka.clients.producing import Producer
from mmsb.streams.kafka.clients.settling import Settling
from mmsb.streams.kafka.cluster.appending import Appending
from mmsb.streams.kafka.cluster.broker import Broker, TopicPartition
from mmsb.streams.world import World


class Lane:
    """`begin`, then have it run; in the end `fail`, once nothing of it runs any more, and `close`."""

    def __init__(self, world: World, broker: Broker, appending: Appending, app: str, number: int) -> None:
        self._world, self._broker, self._appending = world, broker, appending
        self._intents = TopicPartition(f"{app}.intents", number)
        self.inbox = Inbox()
        self.settling = Settling(number, self.inbox)
        self.following = Following(world, broker, app, TopicPartition(f"{app}.tlog", number), self.settling)
        self._producer: Producer | None = None

    async def begin(self) -> Genesis:
        genesis = (await self.following.begin()).genesis
        self._producer = Producer(
            self._world, self._broker, self._appending, self._intents, genesis.window, self.settling, self.inbox,
            self.following.attend,
        )  # fmt: skip
        return genesis

    def begin_running(self, group: asyncio.TaskGroup) -> None:
        assert self._producer is not None, "it was begun"
        group.create_task(self._producer.run())
        group.create_task(self.following.run())

    def fail(self, error: MmsbError) -> None:
        self.inbox.fail(error)
        self.settling.fail(error)

    async def close(self) -> None:
        await self.following.close()
        if self._producer is not None:
            await self._producer.close()


async def count_partitions(broker: Broker, app: str) -> int:
    """Of an application that runs in a cluster."""
    topics = [f"{app}.{name}" for name in ("intents", "tlog")]
    found = await broker.topics(topics)
    if len(found) < len(topics):
        missing = " and ".join(topic for topic in topics if topic not in found)
        raise EnvironmentFailed(f"expected the topics of {app}, found no {missing}: run the application there first")
    if len(set(found.values())) > 1:
        raise EnvironmentFailed(f"expected topics of equally many partitions, found {found}: make them anew")
    return found[topics[0]]


async def begin_lanes(lanes: Sequence[Lane], app: str, bundle: Bundle | None) -> tuple[Genesis, About]:
    """The first one's genesis, and what runs there; if nothing has run yet, what is about to."""
    geneses = await asyncio.gather(*(lane.begin() for lane in lanes))
    for number, genesis in enumerate(geneses):
        if (genesis.app, genesis.partition, genesis.partition_count) != (app, number, len(geneses)):
            raise EnvironmentFailed(
                f"{app}.tlog/{number}: expected the log of partition {number} of {len(geneses)} of {app}, found that "
                f"of {genesis.partition} of {genesis.partition_count} of {genesis.app}"
            )
    log_ids = tuple(genesis.log_id for genesis in geneses)
    for lane in lanes:
        claim = await lane.following.claim()
        if claim is not None:
            runs = claim.descriptor, claim.generation, claim.bundle
            return geneses[0], About(log_ids, *runs, claim.durability, geneses[0].window)
    if bundle is None:
        raise EnvironmentFailed(
            f"{app}: expected a claim that says what runs there, found none: run it there first, or connect with the "
            "application"
        )
    mine = bundle.descriptor, bundle.generation, bundle.hash
    return geneses[0], About(log_ids, *mine, Durability.REPLICATED, geneses[0].window)

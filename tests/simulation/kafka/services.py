"""Services that put intents into the topics with some Kafka client: packed, as JSON, or neither; some of them twice."""

import asyncio
from collections import Counter
from random import Random

from mmsb.processors.batching import batch_of
from mmsb.processors.requests import pack, pack_json
from mmsb.schemas.classes import Intent, Ref, page_layout_of
from mmsb.schemas.partitions import partition_of
from mmsb.streams.kafka.cluster.broker import TopicPartition
from tests.simulation.clients import GARBAGE
from tests.simulation.kafka.client import ModelBroker
from tests.simulation.kafka.model import Cluster
from tests.simulation.kafka.settings import Settings
from tests.simulation.world import START_MS, Trace

TIMEOUT = 4.0
ASTRAY = 0.05  # records in another partition than their page's


class Service:
    def __init__(
        self, settings: Settings, cluster: Cluster, random: Random, name: str, trace: Trace, submitted: Counter[bytes]
    ) -> None:
        self.repeated = 0  # batches that were sent again, and had arrived before
        self._settings = settings
        self._cluster = cluster
        self._broker = ModelBroker(cluster)
        self._random = random
        self._name = name
        self._trace = trace
        self._submitted = submitted
        self._count = 0

    async def run(self, batches: int, pause: float) -> None:
        for _ in range(batches):
            await asyncio.sleep(self._random.expovariate(1.0) * pause)
            await self.send_to(self._random.randrange(self._settings.partitions), 1)

    async def send_to(self, partition: int, batches: int) -> None:
        for _ in range(batches):
            values = [self._value(partition) for _ in range(self._random.choice((1, 1, 2, 5, 20)))]
            await self._send(TopicPartition(self._settings.intents, partition), values)

    async def _send(self, at: TopicPartition, values: list[bytes]) -> None:
        """Until it is there; what has no id may be there twice then, and happen twice."""
        batch = batch_of(values, 0, START_MS)
        self._submitted.update(values)
        while True:
            offset = await self._broker.append(at, batch, TIMEOUT)
            self._trace.add(f"{self._name}: {len(values)} to {at}: {offset}")
            if offset is not None:
                return
            self.repeated += any(values[0] in stored.data for stored in self._cluster.log(at).batches)

    def _value(self, partition: int) -> bytes:
        random, app = self._random, self._settings.app
        self._count += 1
        tag = f"{self._name} {self._count}"
        if random.random() < 0.05:
            return random.choice(GARBAGE) + tag.encode()
        while True:
            request = app.request(random)
            if random.random() < ASTRAY or self._place(request) == partition:
                break
        kind = random.random()
        id = None if kind < 0.2 else f"id-{random.randrange(200)}" if kind < 0.4 else tag
        if random.random() < 0.3 and isinstance(request, Intent):
            return pack_json(request, id=id, actor=tag)
        return pack(request, id=id, actor=tag)

    def _place(self, request: object) -> int:
        """The partition of the page that an intent names first."""
        page = self._settings.app.page
        key = next(iter(vars(request).values())) if hasattr(request, "__dict__") else 0
        packed = Ref(page, key).packed_key
        return partition_of(page_layout_of(page).partition_parts(packed), self._settings.partitions)

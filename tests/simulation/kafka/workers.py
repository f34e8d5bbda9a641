"""What runs in a simulated process: the shipped engine over the model of a cluster, and clients at its door."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from unittest.mock import patch

from mmsb.processors.receipts import Receipts
from mmsb.streams.kafka import engine as kafka_engine
from mmsb.streams.kafka.clients.door import KafkaDoor
from mmsb.streams.kafka.cluster.broker import Broker
from mmsb.streams.kafka.engine import KafkaEngine, KafkaSettings
from mmsb.streams.kafka.partitions.opening import Opening
from mmsb.streams.kafka.partitions.replica import Replica
from tests.simulation.clients import Client, Town
from tests.simulation.kafka.client import ModelBroker
from tests.simulation.kafka.model import Cluster
from tests.simulation.kafka.settings import FOLDER, Settings
from tests.simulation.kafka.theatre import PROCESS, Process

Tell = Callable[["Place", int, int, int, Receipts], None]
"""Of a process: partition, first and last offset, and what became of them."""


class Place:
    """One process from its start to its end: a worker, or one that only submits and asks."""

    def __init__(
        self, settings: Settings, cluster: Cluster, process: Process, town: Town, generation: int, *, owns: bool
    ) -> None:
        self.process = process
        self.generation = generation
        self.owns = owns
        self.woke = False  # whether it was frozen once
        self.opened: dict[int, Replica] = {}  # the newest of each partition
        self.engine: KafkaEngine | None = None
        self._settings = settings
        self._cluster = cluster
        self._town = town

    async def run(self, clients: int, actions: int) -> None:
        """Until it is cancelled or fails; who owns nothing ends when its clients have."""
        settings = self._settings
        self.engine = KafkaEngine(
            settings.name,
            replace(settings.app.bundle, generation=self.generation),
            self._connect,
            FOLDER,
            KafkaSettings(
                settings.partitions,
                settings.window,
                interpreted=True,
                memory=settings.memory * settings.partitions,
                standby=settings.standbys and self.owns,
            ),
            self.process.world,
            lambda done, total: None,
            owns=self.owns,
        )
        async with self.engine as door:
            names = [f"{self.process.name}.{number}" for number in range(clients)]
            await asyncio.gather(*(Client(self._town, door, name).run(actions) for name in names))
            if self.owns:
                await door.until_ended()

    @asynccontextmanager
    async def _connect(self) -> AsyncGenerator[Broker]:
        yield ModelBroker(self._cluster, self.process)

    @property
    def owned(self) -> set[int]:
        return {number for number, replica in self.replicas.items() if replica.owned}

    @property
    def replicas(self) -> dict[int, Replica]:
        """Those that run now."""
        worker = None if self.engine is None else self.engine._worker
        seats = {} if worker is None else worker.seats
        return {number: seat.replica for number, seat in seats.items() if seat.replica is not None}


@contextmanager
def watched(places: Callable[[Process], Place | None], tell: Tell) -> Generator[None]:
    """Within it, `tell` hears of all that engines tell their doors, and places know what they have opened."""
    told, replica = KafkaDoor.told, Opening.replica

    def hear(self: KafkaDoor, partition: int, first: int, last: int, receipts: Receipts) -> None:
        process = PROCESS.get()
        place = None if process is None else places(process)
        assert place is not None, "a process tells"
        tell(place, partition, first, last, receipts)
        told(self, partition, first, last, receipts)

    async def note(self: Opening, number: int) -> Replica:
        found = await replica(self, number)
        process = PROCESS.get()
        place = None if process is None else places(process)
        assert place is not None, "a process opens"
        place.opened[number] = found
        return found

    with (
        patch.object(KafkaDoor, "told", hear),
        patch.object(Opening, "replica", note),
        patch.object(kafka_engine, "MEMORY_MIN", 0),
    ):
        yield

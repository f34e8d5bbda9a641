"""What runs in a simulated process: the shipped code of a worker and its partitions, over the model of a cluster."""

from collections.abc import Callable

from mmsb.processors.receipts import Receipts
from mmsb.schemas.tlog.claims import Durability
from mmsb.streams.beginning import Wanted
from mmsb.streams.checkpointing import KEEP_ALL
from mmsb.streams.kafka.beginning import begin, first_batches
from mmsb.streams.kafka.broker import TopicPartition
from mmsb.streams.kafka.mirror import Mirrored, open_mirror
from mmsb.streams.kafka.replica import Replica
from mmsb.streams.kafka.worker import Worker
from mmsb.streams.opening import Code, Opened
from mmsb.streams.world import finish
from tests.simulation.kafka.model import Cluster, ModelBroker
from tests.simulation.kafka.settings import FOLDER, Settings
from tests.simulation.kafka.theatre import Process

Tell = Callable[["SimWorker", int, int, int, Receipts], None]
"""Of a worker: partition, first and last offset, and what became of them."""


class SimWorker:
    """One process from its start to its end."""

    def __init__(self, settings: Settings, cluster: Cluster, process: Process, tell: Tell) -> None:
        self.process = process
        self.replicas: dict[int, Replica] = {}  # all that were opened, the newest of each partition
        self.woke = False  # whether it was frozen once
        self._settings = settings
        self._cluster = cluster
        self._broker = ModelBroker(cluster, process)
        self._tell = tell
        self._wanted: list[Wanted] = []
        self._worker: Worker | None = None

    async def run(self) -> None:
        """Until it is cancelled, or fails."""
        settings = self._settings
        await self._begin()
        code = Code(settings.app.bundle, None, Durability.REPLICATED, memory=settings.memory)

        async def take_over(replica: Replica) -> None:
            await replica.own(code)

        follows = range(settings.partitions) if settings.standbys else ()
        worker = self._worker = Worker(settings.partitions, self._open, take_over, follows)
        member = await self._broker.join(settings.name, settings.intents, frozenset(), self.process.name)
        try:
            await worker.run(member)
        finally:
            await member.leave()

    def live(self) -> list[Replica]:
        """Those that run now."""
        seats = () if self._worker is None else self._worker.seats.values()
        return [seat.replica for seat in seats if seat.replica is not None]

    async def _begin(self) -> None:
        settings, log_id = self._settings, None
        for number in range(settings.partitions):
            wanted = Wanted(settings.name, number, settings.partitions, settings.window, log_id)
            at = TopicPartition(settings.tlog, number)
            genesis = await begin(self.process.world, self._broker, at, wanted)
            assert genesis is not None, "nothing is trimmed"
            log_id = genesis.log_id
            self._wanted.append(wanted)

    async def _open(self, number: int) -> Replica:
        world, broker, of = self.process.world, self._broker, Mirrored(self._cluster.id, self._settings.name, number)
        begins = await first_batches(broker, of.tlog)
        folder = FOLDER / str(number)

        def opening() -> Opened:
            return open_mirror(
                world, folder, of, begins, self._wanted[number], self._settings.memory, lambda done, total: None
            )

        opener = world.worker(f"open-{number}")
        opened = await opener.run(opening)
        await finish(opener)
        replica = Replica(world, broker, of, folder, opened, KEEP_ALL, self._teller(number))
        await replica.start()
        self.replicas[number] = replica
        return replica

    def _teller(self, number: int) -> Callable[[int, int, Receipts], None]:
        def told(first: int, last: int, receipts: Receipts) -> None:
            self._tell(self, number, first, last, receipts)

        return told

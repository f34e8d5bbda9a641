"""Opens the replica of a partition: of what this machine has of it, of a shared checkpoint, or of the topics alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmsb.processors.batching import RawBatch
from mmsb.processors.receipts import Receipts
from mmsb.schemas.errors import EnvironmentFailed
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.streams.beginning import Wanted
from mmsb.streams.checkpointing import KEEP_ALL, Keeping
from mmsb.streams.folder import Progress
from mmsb.streams.kafka.beginning import first_batches
from mmsb.streams.kafka.cluster.appending import Appending
from mmsb.streams.kafka.cluster.broker import Broker, Span
from mmsb.streams.kafka.outputs.projecting import Form
from mmsb.streams.kafka.partitions.mirror import Mirrored, open_mirror
from mmsb.streams.kafka.partitions.replica import Replica
from mmsb.streams.kafka.partitions.sharing import Shared
from mmsb.streams.opening import Opened
from mmsb.streams.world import World

Told = Callable[[int, int, int, Receipts], None]
"""Hears of blocks that this process writes, as they are accepted: partition, first and last offset, receipts."""


@dataclass(frozen=True)
class Opening:
    """What the replicas of one process have in common."""

    world: World
    broker: Broker
    appending: Appending
    genesis: Genesis
    """Of any partition: what they all say."""
    data: Path
    """The data folder, whose lock this process holds."""
    memory: int
    """Bytes that the pages and indexes of each replica may take."""
    tell: Progress
    told: Told
    keeping: Keeping = KEEP_ALL
    form: Form | None = Form.PACKED
    """Of published events; None: nobody publishes them here."""
    shared: Path | None = None
    """Where workers put their checkpoints, and find those of others."""

    async def replica(self, number: int) -> Replica:
        """Folded up to what was accepted when it was asked for."""
        of = Mirrored(self.broker.cluster, self.genesis.app, number)
        span = await self.broker.span(of.tlog)
        begins = await first_batches(self.broker, of.tlog)
        worker = self.world.worker(f"open-{number}")
        try:
            opened = await worker.run(self._open, of, span, begins)
        finally:
            worker.close()
        opened.home.budget = self.memory

        def told(first: int, last: int, receipts: Receipts) -> None:
            self.told(number, first, last, receipts)

        folder = self.data / str(number)
        replica = Replica(
            self.world, self.broker, self.appending, of, folder, opened, self.keeping, self.form, self.shared, told
        )
        try:
            await replica.start()
        except BaseException:
            await replica.close()
            raise
        return replica

    def _open(self, of: Mirrored, span: Span, begins: Sequence[RawBatch]) -> Opened:
        files, folder = self.world.files, self.data / str(of.partition)
        if not files.exists(folder):
            self._restore(of, span, "nothing of it")
        opened = self._open_mirror(of, begins)
        if opened.tlog.end < span.first:
            reached = opened.tlog.end
            opened.close()
            self._set_aside(folder, reached)
            self._restore(of, span, f"its records up to offset {reached}")
            opened = self._open_mirror(of, begins)
        return opened

    def _open_mirror(self, of: Mirrored, begins: Sequence[RawBatch]) -> Opened:
        genesis = self.genesis
        wanted = Wanted(genesis.app, of.partition, genesis.partition_count, genesis.window, genesis.log_id)
        folder = self.data / str(of.partition)
        return open_mirror(self.world, folder, of, begins, wanted, self.memory, self.tell)

    def _restore(self, of: Mirrored, span: Span, here: str) -> None:
        """Begin with a shared checkpoint, if there is one, which must reach where the topic begins."""
        manifest = None
        if self.shared is not None:
            shared = Shared(self.world, self.shared, of.app, of.partition)
            manifest = shared.restore(self.data, self.tell)
        reached = 0 if manifest is None else manifest.facts.next
        if reached < span.first:
            there = "no shared checkpoint" if manifest is None else f"a shared checkpoint up to offset {reached}"
            raise EnvironmentFailed(
                f"{of.tlog}: expected records from offset {reached} on, found that the topic begins at offset "
                f"{span.first}; this machine has {here}, and there is {there}: retention has removed what recovery "
                "needs; bring a newer checkpoint into the shared folder, or the data folder of another worker here"
            )

    def _set_aside(self, folder: Path, reached: int) -> None:
        """Nothing is removed: somebody may want to look at the time that it has."""
        self.world.files.replace(folder, folder.with_name(f"{folder.name}.until-{reached}"))
        self.world.files.sync_folder(folder.parent)

"""What becomes of checkpoints behind topics: others find them, and the topics need not keep what lies before them."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from mmsb.streams.checkpoints.folder import settled_of
from mmsb.streams.checkpoints.trimming import tlog_of
from mmsb.streams.kafka.cluster.broker import Broker
from mmsb.streams.kafka.partitions.mirror import Mirrored
from mmsb.streams.kafka.partitions.sharing import Shared
from mmsb.streams.log import Durable
from mmsb.streams.opening import Opened
from mmsb.streams.world import World, finish


class Sharing:
    """Of one partition, as long as this process owns it."""

    def __init__(
        self,
        world: World,
        broker: Broker,
        of: Mirrored,
        opened: Opened,
        shared: Path,
        trims: bool,
        published: Callable[[int], Awaitable[None]],
        needed: Callable[[], int],
    ) -> None:
        """`published` waits until all is published that an intent came to; `needed` is the TLog offset from which
        somebody needs the topic."""
        self._broker = broker
        self._of = of
        self._opened = opened
        self._shared = Shared(world, shared, of.app, of.partition)
        self._trims = trims
        self._published = published
        self._needed = needed
        self._worker = world.worker(f"share-{of.partition}")

    async def made(self, checkpoint: Path, relaying: Sequence[int]) -> None:
        """mmsb.streams.checkpointing.Made. Who begins with a shared one cannot publish what was before it."""
        await self._published(settled_of(checkpoint.name))
        await self._worker.run(self._shared.put, checkpoint)
        if self._trims:
            below = await self._worker.run(self._trimmable, relaying)
            await self._broker.trim(self._of.intents, below.intents)
            await self._broker.trim(self._of.tlog, below.tlog)

    def _trimmable(self, relaying: Sequence[int]) -> Durable:
        """Neither topic past the older of two archives; nor the TLog past what somebody may still ask it for."""
        fold = self._opened.fold
        remembered = tlog_of(self._opened.tlog, fold.settled - fold.genesis.window)
        return self._shared.trimmable(Durable(self._opened.intents.end, min([remembered, self._needed(), *relaying])))

    async def close(self) -> None:
        await finish(self._worker)

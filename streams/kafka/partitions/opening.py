"""Opens the replica of a partition: of what this machine has of it, of a shared checkpoint, or of the topics alone."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mmsb.processors.batching import RawBatch
from mmsb.processors.receipts import Receipts
from mmsb.schemas.errors import EnvironmentFailed
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.streams.beginning import Wanted
from mmsb.streams.checkpointing import KEEP_ALL, Keeping
from mmsb.streams.completing import complete
from mmsb.streams.files import make_folders
from mmsb.streams.folder import INTENTS, MARK, Progress
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


class Spans(NamedTuple):
    """Those of a partition's topics, before it is opened."""

    intents: Span
    tlog: Span


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
        spans = Spans(await self.broker.span(of.intents), await self.broker.span(of.tlog))
        begins = await first_batches(self.broker, of.tlog)
        opened = await self._opened(of, spans, begins)
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

    async def _opened(self, of: Mirrored, spans: Spans, begins: Sequence[RawBatch]) -> Opened:
        """What a thread opens. Who is cancelled meanwhile waits until it is closed again, and folds no further."""
        unwanted = False

        def tell(done: int, total: int) -> None:
            if unwanted:
                raise _Unwanted
            self.tell(done, total)

        worker = self.world.worker(f"open-{of.partition}")
        opening = asyncio.ensure_future(worker.run(self._open, of, spans, begins, tell))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            unwanted = True
            await complete(_close(opening))
            raise
        finally:
            worker.close()

    def _open(self, of: Mirrored, spans: Spans, begins: Sequence[RawBatch], tell: Progress) -> Opened:
        files, folder = self.world.files, self.data / str(of.partition)
        if not files.exists(folder):
            self._restore(of, spans.tlog, "nothing of it", tell)
        opened = self._open_mirror(of, begins, tell)
        if opened.tlog.end < spans.tlog.first:
            reached = opened.tlog.end
            opened.close()
            self._set_aside(folder, reached)
            self._restore(of, spans.tlog, f"its records up to offset {reached}", tell)
            opened = self._open_mirror(of, begins, tell)
        if opened.intents.first < opened.intents.end < spans.intents.first:
            reached = opened.intents.end
            opened.close()
            self._set_intents_aside(folder, reached)
            opened = self._open_mirror(of, begins, tell)
        return opened

    def _open_mirror(self, of: Mirrored, begins: Sequence[RawBatch], tell: Progress) -> Opened:
        genesis = self.genesis
        wanted = Wanted(genesis.app, of.partition, genesis.partition_count, genesis.window, genesis.log_id)
        folder = self.data / str(of.partition)
        return open_mirror(self.world, folder, of, begins, wanted, self.memory, tell)

    def _restore(self, of: Mirrored, span: Span, here: str, tell: Progress) -> None:
        """Begin with a shared checkpoint, if there is one, which must reach where the topic begins."""
        manifest = None
        if self.shared is not None:
            shared = Shared(self.world, self.shared, of.app, of.partition)
            manifest = shared.restore(self.data, tell)
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

    def _set_intents_aside(self, folder: Path, reached: int) -> None:
        """The topic goes on behind them: those between are settled, and trimmed. A new log begins where it is known
        what has settled. The mark goes first, which would miss them."""
        files = self.world.files
        aside = folder.with_name(f"{folder.name}.intents-until-{reached}")
        make_folders(files, aside)
        for name in (MARK, INTENTS):
            files.replace(folder / name, aside / name)
            files.sync_folder(aside)
            files.sync_folder(folder)


class _Unwanted(Exception):
    """Whoever wanted a partition opened does not any more."""


async def _close(opening: "asyncio.Future[Opened]") -> None:
    with suppress(_Unwanted):
        (await opening).close()

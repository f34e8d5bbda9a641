"""An owner of one partition that does nothing but step: what clients of a topic need for a company."""

import asyncio
from collections.abc import Callable

from mmsb.processors.bundle import Bundle
from mmsb.processors.intake import read_batches
from mmsb.processors.receipts import Receipts, receipts_of
from mmsb.processors.writer import Entry, Writer
from mmsb.schemas.records import Records
from mmsb.schemas.tlog.claims import Durability
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.schemas.tlog.records import TlogKind
from mmsb.state.fold import Fold
from mmsb.streams.kafka.batches.local_form import local_form
from mmsb.streams.kafka.clients.standing import group_of, standing_of
from mmsb.streams.kafka.cluster.broker import Broker, Following, TopicPartition
from mmsb.streams.opening import encode_entry

Told = Callable[[int, int, Receipts], None]

TIMEOUT = 4.0
NOTE_BLOCKS = 3  # that are accepted between two notes
TIME_MS = 1_700_000_000_000


class Stepper:
    """Folds, claims, steps what comes; `run` until it is cancelled, or until another has claimed."""

    def __init__(self, broker: Broker, bundle: Bundle, app: str, partition: int, nonce: bytes) -> None:
        self._broker = broker
        self._bundle = bundle
        self._app = app
        self._intents = TopicPartition(f"{app}.intents", partition)
        self._tlog = TopicPartition(f"{app}.tlog", partition)
        self._nonce = nonce
        self.claimed_at = -1
        self.fold: Fold
        self.pause = 0.0  # between two blocks
        self._blocks = 0
        self.told: Told = lambda first, last, receipts: None
        self.owns: Callable[[int], None] = lambda settled: None

    async def run(self) -> None:
        reading = self._broker.follow(self._tlog, 0, "owner")
        await self._fold_first(reading)
        await self._fold_to((await self._broker.span(self._tlog)).end, reading, None)
        writer = Writer(self._bundle, self.fold, self._nonce, Durability.REPLICATED)
        await self._append(writer.claim(), reading, writer)
        if not writer.reigns:
            return
        self.claimed_at = self.fold.accepted_at
        self.owns(self.fold.settled)
        following = self._broker.follow(self._intents, self.fold.settled + 1, "owner")
        while not writer.superseded:
            for batch in local_form((await following.take()).data):
                await self._step(read_batches(batch.data), reading, writer)

    async def _step(self, records: Records, reading: Following, writer: Writer) -> None:
        while not writer.superseded:
            rest = self._rest(records)
            if not len(rest):
                return
            await self._append(writer.step(rest)[0], reading, writer)
            await asyncio.sleep(self.pause)
            self._blocks += 1
            if self._blocks % NOTE_BLOCKS == 0 and not writer.superseded:
                await self.note()

    def _rest(self, records: Records) -> Records:
        start = self.fold.settled + 1 - records.first
        return records.slice(min(start, len(records)), len(records))

    async def note(self) -> None:
        words = standing_of(self.fold, self.claimed_at).words()
        assert words is not None
        await self._broker.commit(group_of(self._app), {self._tlog: (self.fold.next, words)})

    async def _fold_first(self, reading: Following) -> None:
        records = read_batches(b"".join(batch.data for batch in local_form((await reading.take()).data)))
        self.fold = Fold(records.value(0), records.key(0))
        for index in range(1, len(records)):
            self.fold.read(index, records.key(index), records.value(index))

    async def _append(self, entry: Entry, reading: Following, writer: Writer) -> None:
        """Until it counts, or nothing of this writer does any more."""
        head = self.fold.head
        batch = encode_entry(entry, 0, TIME_MS)
        while self.fold.head == head and not writer.superseded:
            got = await self._broker.append(self._tlog, batch, TIMEOUT)
            end = (await self._broker.span(self._tlog)).end if got is None else got + 1
            await self._fold_to(end, reading, writer)
            if got is not None:
                return

    async def _fold_to(self, end: int, reading: Following, writer: Writer | None) -> None:
        while self.fold.next < end and not (writer and writer.superseded):
            data = (await reading.take()).data
            records = read_batches(b"".join(batch.data for batch in local_form(data)))
            for index in range(max(self.fold.next - records.first, 0), len(records)):
                place = records.first + index, records.key(index), records.value(index)
                if writer is None:
                    self.fold.read(*place)
                elif not writer.superseded:
                    _, outcome = writer.read(*place)
                    if outcome is not None:
                        self.told(outcome.first, outcome.last, receipts_of(outcome))


def genesis_batch(app: str, partition: int, count: int, window: int = 1 << 20) -> bytes:
    """Record 0 of a TLog."""
    genesis = Genesis(b"a log id of ours", app, partition, count, window)
    return encode_entry(Entry(TlogKind.GENESIS.key, genesis.pack()), 0, TIME_MS)

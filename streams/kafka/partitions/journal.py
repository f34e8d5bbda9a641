"""A partition's journal over topics: steps 3 to 8 of the write protocol.

An acknowledgement alone proves nothing. What counts is what the fold says of the TLog as it is: so whatever may lie
between the last record that was folded and the one that was appended is folded first, and after every fold it is looked
at who reigns. A block is appended again only as it was, byte for byte, and only by the one who still reigns.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from mmsb.processors.batching import RawBatch
from mmsb.processors.machine import Outcome
from mmsb.processors.receipts import Receipts
from mmsb.processors.writer import Entry, Writer
from mmsb.schemas.errors import CorruptState, Superseded
from mmsb.schemas.tlog.claims import Durability
from mmsb.state.fold import Verdict
from mmsb.streams.completing import complete
from mmsb.streams.folding import Folding, Read
from mmsb.streams.kafka.batches.local_form import local_form
from mmsb.streams.kafka.clients.standing import Noted, standing_of
from mmsb.streams.kafka.cluster.broker import Broker, Fetched, Following
from mmsb.streams.kafka.partitions.mirror import Mirrored, mirror, reached_span
from mmsb.streams.opening import Code, Opened, bundle_for, encode_entry
from mmsb.streams.world import World, finish

APPEND_SECONDS: Final = 10.0
"""After so long without an answer the TLog is read to see whether an append is in it."""

CLAIM_AGAIN_SECONDS: Final = 0.2  # after a claim that another's came before
IDLE_SECONDS: Final = 1.0
"""A writer that has appended nothing for so long looks whether it still reigns before it answers a question."""


@dataclass(frozen=True)
class _Attempt:
    """A block that was sent: the batch that is sent however often, whose base offset is for the broker to set."""

    batch: bytes
    time_ms: int
    begun: int
    """No record of ours may be appended below this."""
    got: int | None
    """Where the broker says it is, if it has answered."""


class TopicJournal:
    """Implements mmsb.streams.journal.Journal over the topics that a folder mirrors."""

    groups_ahead = steps_ahead = 1  # each block is appended by itself: what waits meanwhile had better become one

    def __init__(
        self,
        world: World,
        broker: Broker,
        of: Mirrored,
        opened: Opened,
        told: Callable[[int, int, Receipts], None] = lambda first, last, receipts: None,
    ) -> None:
        """`told` hears of all blocks of this process as they are accepted."""
        self._world = world
        self._broker = broker
        self._of = of
        self._opened = opened
        self._told = told
        self._folding: Folding | None = None
        self._followed: Callable[[Read], None] = lambda read: None
        self._room: Callable[[], Awaitable[None]] | None = None
        self._tlog: Following | None = None
        self._unfolded = deque[RawBatch]()  # what the mirror has of the TLog behind the fold
        self._one = asyncio.Lock()  # appends, or folds what others appended
        self.claimed_at = -1
        """The TLog offset of the claim of this process, once it was accepted."""
        self._looked = world.seconds()  # when all of the TLog was last known to be folded
        names = ("intents", "encode", "tlog", "sync")
        self._workers = [world.worker(f"{name}-{of.partition}") for name in names]
        self._taker, self._encoder, self._mirrorer, self._syncer = self._workers

    def attach(self, folding: Folding, followed: Callable[[Read], None], room: Callable[[], Awaitable[None]]) -> None:
        """Before anything else: what folds into the partition's pages, what hears of blocks of others, and what waits
        as long as too much is changed by them."""
        self._folding, self._followed, self._room = folding, followed, room

    @property
    def logged(self) -> int:
        """What was fetched lies below the high watermark."""
        return self._opened.intents.end

    @property
    def in_flight(self) -> int:
        return 0  # whoever submitted it, in this process or another, did so through the topic

    async def until_idle(self) -> None:
        """Those who submit know what of theirs is in flight."""

    # Intents

    async def take_intents(self, put: Callable[[list[RawBatch]], Awaitable[None]]) -> None:
        following = self._broker.follow(self._of.intents, self._opened.intents.end, "intents")
        try:
            while True:
                fetched = await following.take()
                await put(await self._taker.run(mirror, self._opened.intents, self._of, fetched))
        finally:
            following.close()

    # The TLog

    async def fold_more(self) -> Read:
        """Wait for what others append, and fold it."""
        while not self._unfolded:
            await self._mirror_more()
        return await complete(self._fold_next())

    async def _mirror_more(self) -> None:
        if self._tlog is None:
            self._tlog = self._broker.follow(self._of.tlog, self._opened.tlog.end, "tlog")
        fetched = await self._tlog.take()
        await complete(self._write(fetched))

    async def _write(self, fetched: Fetched) -> None:
        self._unfolded += await self._mirrorer.run(mirror, self._opened.tlog, self._of, fetched)

    async def _fold_next(self) -> Read:
        """It stays there if a claim in it has ended our reign: what lies behind is folded once it is known what this
        process does then."""
        batch = self._unfolded[0]
        read = await self._fold_some(bytes(batch.data))
        if self._opened.fold.next == batch.first + batch.count:
            self._unfolded.popleft()
        return read

    async def _fold_some(self, batches: bytes) -> Read:
        assert self._folding is not None, "attached"
        assert self._room is not None, "attached"
        writer = self._opened.claimed_by
        if writer is not None and writer.reigned:
            return await self._folding.read(batches)
        await self._room()
        read = await self._folding.read(batches)
        self._followed(read)  # though our claim may lie behind others' blocks in it
        return read

    async def fold_to(self, end: int) -> Read:
        """Fold what there is up to an offset at least; gives what became of it, to one who writes."""
        found = list[tuple[Verdict, Outcome | None]]()
        coming: asyncio.Task[None] | None = None
        try:
            while self._opened.fold.next < end and not self._superseded:
                if coming is not None and (coming.done() or not self._unfolded):
                    await coming
                    coming = None
                if coming is None and self._opened.tlog.end < end:
                    coming = asyncio.create_task(self._mirror_more())  # while what is there is folded
                assert self._unfolded or coming is not None, "what is mirrored is folded, or waits for it"
                if not self._unfolded:
                    continue
                read = await complete(self._fold_next())
                if self._opened.claimed_by is not None:
                    found += read
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)  # the next take says it again
        self._looked = self._world.seconds()
        if self._opened.claimed_by is not None:
            self._stop_following()  # what is appended next is our own
        return found

    def _stop_following(self) -> None:
        if self._tlog is not None:
            self._tlog.close()
            self._tlog = None

    async def fold_to_end(self) -> Read:
        return await self.fold_to((await reached_span(self._broker, self._of.tlog, self._opened.tlog)).end)

    async def look(self) -> None:
        """Before a writer answers a question: whether it still reigns, if it has not been told for a while."""
        self._check_reigns()
        if self._world.seconds() - self._looked < IDLE_SECONDS:
            return
        async with self._one:
            if self._opened.claimed_by is not None:  # else it was given up meanwhile, and others fold
                await self.fold_to_end()
                self._check_reigns()

    async def standing(self) -> Noted | None:
        """Where the TLog stands, while this process reigns and nothing waits to be migrated; between two folds."""
        async with self._one:
            fold, writer = self._opened.fold, self._opened.claimed_by
            if writer is None or not writer.reigns or fold.pending:
                return None
            return standing_of(fold, self.claimed_at)

    # Claiming

    async def claim(self, code: Code, wanted: Callable[[], bool]) -> bool:
        """Take the partition over, as long as that is wanted; whether this process reigns. Or GenerationConflict."""
        opened = self._opened
        while True:
            while self._unfolded:
                await self._fold_next()
            await self.fold_to_end()
            if not wanted():
                return False
            bundle = bundle_for(opened.fold, code)
            writer = Writer(bundle, opened.fold, self._world.nonce(), Durability.REPLICATED, code.compiled)
            opened.claimed_by = writer
            await self._send(writer.claim())
            if writer.reigns:
                self.claimed_at = opened.fold.accepted_at
                break
            opened.claimed_by = None
            await asyncio.sleep(CLAIM_AGAIN_SECONDS)
        if opened.fold.pending:
            assert self._folding is not None, "attached"
            await self._send(await self._folding.migrate(writer))
            self._check_reigns()
            assert not opened.fold.pending, "nobody else writes under this reign"
        return True

    async def _send(self, entry: Entry) -> None:
        """Append a claim or migrate record, and fold through it; or until another record has made it void."""
        fold = self._opened.fold
        head, begun = fold.head, fold.next
        batch = await self._encoder.run(encode_entry, entry, 0, self._world.time_ms())
        while fold.head == head:
            got = await self._send_once(batch, begun)
            await (self.fold_to_end() if got is None else self.fold_to(got + 1))
            if got is not None:
                return

    async def give_up(self) -> None:
        """What was stepped is accepted: let others reign, and go on as one who follows; once nobody looks any more."""
        async with self._one:
            assert self._opened.stepped == self._opened.fold.settled, "nothing is on its way"
            self._opened.claimed_by = None

    # Blocks

    async def append(self, entries: Sequence[Entry]) -> AsyncIterator[tuple[Verdict, Outcome | None]]:
        """Each is sent as soon as the one before it counts, while that one is written to the mirror."""
        async with self._one:
            attempt = await self._attempt(entries[0], self._opened.fold.next)
            for entry, after in zip(entries, [*entries[1:], None], strict=True):
                coming: asyncio.Task[_Attempt] | None = None
                if after is not None and attempt.got == (offset := self._opened.fold.next):
                    coming = asyncio.create_task(self._attempt(after, offset + 1))
                try:
                    for each in await self._settle(entry, attempt):
                        yield each
                    self._check_reigns()
                    if after is not None:
                        attempt = await (coming or self._attempt(after, self._opened.fold.next))
                finally:
                    if coming is not None:
                        coming.cancel()
                        await asyncio.gather(coming, return_exceptions=True)

    async def _attempt(self, entry: Entry, begun: int) -> "_Attempt":
        """Send a block once. `begun` is the offset behind all that counts before it."""
        time_ms = self._world.time_ms()
        batch = await self._encoder.run(encode_entry, entry, 0, time_ms)
        return _Attempt(batch, time_ms, begun, await self._send_once(batch, begun))

    async def _send_once(self, batch: bytes, begun: int) -> int | None:
        got = await self._broker.append(self._of.tlog, batch, APPEND_SECONDS)
        self._check_grown(begun, got)
        return got

    async def _settle(self, entry: Entry, attempt: "_Attempt") -> Read:
        """Until the block counts or another reigns: what was read of the TLog for that."""
        fold, got, read = self._opened.fold, attempt.got, list[tuple[Verdict, Outcome | None]]()
        while True:
            if got is not None and got == fold.next:
                read.append(await self._acknowledged(entry, got, attempt.time_ms))
            else:
                read += await (self.fold_to_end() if got is None else self.fold_to(got + 1))
            if any(outcome is not None for _, outcome in read) or not self._opened.writer.reigns:
                return read
            if got is not None:
                raise CorruptState(
                    f"{self._of.tlog}: the block at offset {got} does not count, and its writer reigns: "
                    f"{read[-1][0].discarded}; report it"
                )
            got = await self._send_once(attempt.batch, attempt.begun)

    def _check_grown(self, begun: int, got: int | None) -> None:
        """Nothing may be appended below what was folded before it was sent."""
        if got is not None and got < begun:
            raise CorruptState(
                f"{self._of.tlog}: expected a record to be appended at offset {begun} or later, found it at {got}: the "
                "brokers have lost records that they had acknowledged; an operator has to decide which copy counts"
            )

    async def _acknowledged(self, entry: Entry, offset: int, time_ms: int) -> tuple[Verdict, Outcome | None]:
        """It follows what was folded, so it is folded without being read again."""
        await self._mirrorer.run(self._mirror_entry, entry, offset, time_ms)
        self._looked = self._world.seconds()
        return self._opened.writer.read(offset, entry.key, entry.value)

    def _mirror_entry(self, entry: Entry, offset: int, time_ms: int) -> None:
        self._opened.tlog.append(encode_entry(entry, offset, time_ms), offset, 1)

    @property
    def _superseded(self) -> bool:
        return self._opened.claimed_by is not None and self._opened.claimed_by.superseded

    def _check_reigns(self) -> None:
        if self._superseded:
            raise self.superseded()

    def superseded(self) -> Superseded:
        """What ends a process whose reign another has ended."""
        return Superseded(
            f"{self._of.tlog}: another writer has claimed this partition (reign {self._opened.fold.reign.hex()}); "
            "this process stops, and what it was not told to be accepted did not happen here"
        )

    def accepted(self, outcome: Outcome, receipts: Receipts) -> None:
        self._told(outcome.first, outcome.last, receipts)

    async def make_durable(self) -> None:
        """The home never leads the mirror. Nobody else waits for the disk: brokers have what counts."""
        await self._syncer.run(self._opened.sync)

    async def fetch_block(self, offset: int) -> bytes:
        following = self._broker.follow(self._of.tlog, offset, "tlog")
        try:
            batches = local_form((await following.take()).data)
        finally:
            following.close()
        return bytes(next(batch.data for batch in batches if batch.first <= offset < batch.first + batch.count))

    # The end

    def fail(self, error: BaseException) -> None:
        """Whoever waits for receipts waits elsewhere."""

    async def close(self) -> None:
        self._stop_following()
        for worker in self._workers:
            await finish(worker)

"""Hearing what became of intents: one partition's TLog, followed by its headers alone, while somebody waits.

    nobody waits ─▶ a place to begin: noted by an owner, or where this stood, or record 0 ─▶ fold ─▶ settling
                                                       the owner in this process told ─────────────────┘

While this process owns the partition its blocks are told directly; the topic is followed only as far as that needs.
"""

import asyncio
from typing import Final

from mmsb.processors.batching import RawBatch
from mmsb.processors.intake import read_batches
from mmsb.processors.receipts import Receipts, receipts_of_block
from mmsb.schemas.errors import CorruptState, EnvironmentFailed
from mmsb.schemas.tlog.claims import Claim, unpack_claim
from mmsb.schemas.tlog.records import TlogKind, peek
from mmsb.state.fold import Fold
from mmsb.streams.completing import complete
from mmsb.streams.kafka.batches.local_form import local_form
from mmsb.streams.kafka.clients.settling import Settling
from mmsb.streams.kafka.clients.standing import HeaderFold, group_of, read_words, standing_of
from mmsb.streams.kafka.cluster.broker import Broker, Gone, TopicPartition
from mmsb.streams.world import World, finish

IDLE_SECONDS: Final = 30.0
"""So long after the last who waited the TLog is followed still: whoever submits now and then waits for no beginning."""

BEGIN_SECONDS: Final = 10.0  # for record 0, or what an owner notes, to appear
REACH_SECONDS: Final = 5.0  # for a leader that has all that was there before
LOOK_SECONDS: Final = 0.1  # between two looks
SMALL_BYTES: Final = 64 << 10  # what is folded on the event loop: less than handing it to a thread would take

LOST: Final = "the topic was made anew, or the brokers have lost records; an operator has to decide which copy counts"

Heard = tuple[int, Receipts | None]
"""The last offset that a block settled, and its receipts if anybody waits for any."""


class Following:
    """`run` until it is cancelled, or raises what keeps outcomes from being heard."""

    def __init__(self, world: World, broker: Broker, app: str, at: TopicPartition, settling: Settling) -> None:
        self._world = world
        self._broker = broker
        self._app = app
        self._at = at
        self._settling = settling
        self._folder = world.worker(f"outcomes-{at.partition}")
        self._fold: HeaderFold | None = None
        self._checked = False  # that the topic has the record behind which the fold began
        self._own: int | None = None  # while the owner is in this process: what was settled before it tells
        self._wanted = asyncio.Event()
        self._placed = asyncio.Event()

    # Where to begin

    async def begin(self) -> HeaderFold:
        """A fold from which the outcomes of all that is submitted from now on can be heard: the newest there is."""
        noted = await self._noted()
        if self._fold is None:
            self._fold = noted or await self._first()
        elif noted is not None and noted.next > self._fold.next and self._misses_nothing(noted):
            self._fold, self._checked = noted, False
        self._settling.passed(self._fold.settled)
        return self._fold

    def _misses_nothing(self, fold: Fold) -> bool:
        """Whether nobody waits for an outcome from before it."""
        return fold.settled <= self._settling.settled or not self._settling.listening

    async def _noted(self) -> HeaderFold | None:
        try:
            found = (await self._broker.committed(group_of(self._app), [self._at])).get(self._at)
        except EnvironmentFailed:
            if self._fold is None:
                raise
            return None  # where this stands will do
        return None if found is None else HeaderFold.at(read_words(self._app, self._at.partition, *found))

    async def _first(self) -> HeaderFold:
        begun = self._world.seconds()
        while (await self._broker.span(self._at)).end == 0:
            if self._world.seconds() - begun > BEGIN_SECONDS:
                raise EnvironmentFailed(
                    f"{self._at}: expected a TLog, found nothing within {BEGIN_SECONDS:g} s: run the application there"
                )
            await asyncio.sleep(LOOK_SECONDS)
        records = read_batches((await self._batch_at(0)).data)
        return HeaderFold(records.value(0), records.key(0))

    async def _batch_at(self, offset: int) -> RawBatch:
        following = self._broker.follow(self._at, offset, "outcomes")
        try:
            batches = local_form((await following.take()).data)
        finally:
            following.close()
        return next(batch for batch in batches if batch.first <= offset < batch.first + batch.count)

    async def claim(self) -> Claim | None:
        """What runs there, as far as can be known: None if nobody has claimed it yet, or the claim was trimmed."""
        fold = self._fold or await self.begin()
        if fold.claim is None and fold.claimed_at >= 0:
            fold.claim = await self._read_claim(fold.claimed_at)
        if fold.claim is None and fold.next == 1:
            await self._read_to((await self._broker.span(self._at)).end)
        return fold.claim

    @property
    def known_claim(self) -> Claim | None:
        return None if self._fold is None else self._fold.claim

    async def _read_claim(self, offset: int) -> Claim | None:
        assert self._fold is not None, "placed"
        await self._check_reached()  # else the record may never come
        try:
            batch = await self._batch_at(offset)
        except Gone:
            return None
        value = read_batches(batch.data).value(offset - batch.first)
        claim = unpack_claim(value) if value is not None and peek(value) == TlogKind.CLAIM else None
        if claim is None or claim.nonce != self._fold.reign:
            raise CorruptState(
                f"{self._at}: expected at offset {offset} the claim of reign {self._fold.reign.hex()}, which somebody "
                f"noted, found another record: {LOST}"
            )
        return claim

    async def _check_reached(self) -> None:
        """That the topic has what the fold has read, or somebody has noted.

        Who has been frozen may take itself for the leader for a moment yet, and answer with what it had then.
        """
        assert self._fold is not None, "placed"
        begun = self._world.seconds()
        while (end := (await self._broker.span(self._at)).end) < self._fold.next:
            if self._world.seconds() - begun > REACH_SECONDS:
                raise CorruptState(
                    f"{self._at}: expected records up to offset {self._fold.next}, which were there before, found "
                    f"{end}: {LOST}"
                )
            await asyncio.sleep(LOOK_SECONDS)

    async def _read_to(self, end: int) -> None:
        assert self._fold is not None, "placed"
        following = self._broker.follow(self._at, self._fold.next - 1, "outcomes")
        try:
            while self._fold.next < end:
                await complete(self._hear((await following.take()).data))
        finally:
            following.close()

    # While somebody waits

    async def attend(self) -> None:
        """Return when the outcome of whatever is appended from now on will be heard."""
        if self._own is None:
            self._wanted.set()
            await self._placed.wait()

    async def run(self) -> None:
        while True:
            await self._wanted.wait()
            await self.begin()
            self._placed.set()
            try:
                await self._follow()
            except Gone as gone:
                await self._skip(gone)
            finally:
                self._wanted.clear()
                self._placed.clear()
            if self._settling.listening and not self._covered:
                self._wanted.set()

    async def _follow(self) -> None:
        """Until nobody has waited for a while, or the owner tells all that is to come."""
        assert self._fold is not None, "placed"
        begin = self._fold.next if self._checked else self._fold.accepted_at
        following = self._broker.follow(self._at, begin, "outcomes")
        try:
            listened = self._world.seconds()
            while not self._covered:
                await complete(self._hear((await following.take()).data))
                if self._settling.listening:
                    listened = self._world.seconds()
                elif self._world.seconds() - listened > IDLE_SECONDS:
                    return
        finally:
            following.close()

    async def _skip(self, gone: Gone) -> None:
        """What it was about to read was removed: go on where an owner noted, and give up what lies between."""
        await self._check_reached()
        begun = self._world.seconds()
        while (noted := await self._noted()) is None or noted.accepted_at < gone.span.first:
            if self._world.seconds() - begun > BEGIN_SECONDS:
                raise gone
            await asyncio.sleep(LOOK_SECONDS)  # an owner that has just begun will note it
        self._fold, self._checked = noted, False
        self._settling.passed(noted.settled)

    async def _hear(self, data: bytes) -> None:
        listening = self._settling.listening
        few = len(data) <= SMALL_BYTES
        heard = self._read(data, listening) if few else await self._folder.run(self._read, data, listening)
        for last, receipts in heard:
            if receipts is None:
                self._settling.passed(last)
            else:
                self._settling.accepted(receipts.first, last, receipts)

    def _read(self, data: bytes, listening: bool) -> list[Heard]:
        """Fold what is new of a fetch."""
        fold = self._fold
        assert fold is not None, "placed"
        heard: list[Heard] = []
        for batch in local_form(data):
            if batch.first + batch.count <= (fold.next if self._checked else fold.accepted_at):
                continue
            records = read_batches(batch.data)
            if not self._checked:
                index = fold.accepted_at - records.first
                fold.check_place(records.key(index), records.value(index))
                self._checked = True
            for index in range(max(fold.next - records.first, 0), len(records)):
                verdict = fold.read(records.first + index, records.key(index), records.value(index))
                if verdict.value is not None:
                    heard.append((fold.settled, receipts_of_block(verdict.value) if listening else None))
        return heard

    # The owner in this process

    @property
    def _covered(self) -> bool:
        """Whether the owner tells all that has not been heard."""
        return self._own is not None and self._settling.settled >= self._own and not self._settling.early

    def owned(self, settled: int) -> None:
        """From now on all blocks behind an offset are told here."""
        self._own = settled
        if not self._settling.listening:
            self._settling.passed(settled)

    def disowned(self, fold: Fold, claimed_at: int) -> None:
        """No more blocks are told than up to where the owner's fold stands."""
        self._own = None
        newer = self._fold is None or fold.next > self._fold.next
        if newer and not self._placed.is_set() and self._misses_nothing(fold):
            self._fold, self._checked = HeaderFold.at(standing_of(fold, claimed_at)), False
        if self._settling.listening:
            self._wanted.set()

    async def close(self) -> None:
        """Once `run` has ended."""
        await finish(self._folder)

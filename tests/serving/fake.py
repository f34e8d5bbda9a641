"""A door over nothing but memory, that settles when it is told to, and what stands around it in tests."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

from examples.bank import Account, app
from mmsb.processors.batching import Intents
from mmsb.processors.receipts import Receipts
from mmsb.schemas.classes import layout_of
from mmsb.schemas.descriptors import Descriptor
from mmsb.schemas.errors import Overloaded
from mmsb.schemas.events import Event, EventKind
from mmsb.schemas.limits import HOPS_MAX
from mmsb.schemas.metadata import Metadata
from mmsb.schemas.rejections import ROW_BYTES, Code, Rejection
from mmsb.schemas.sources import OUTSIDE, Source
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.claims import Durability
from mmsb.state.pages import PageId
from mmsb.streams.checkpoints.manifest import Cause, Facts, Manifest, StoredFile
from mmsb.streams.door import About, Door, EventFilter, Position, StoredPage
from mmsb.streams.past.changes import Change, History
from mmsb.streams.serving.client import Connection, connect
from mmsb.streams.serving.server import Server
from mmsb.streams.stats import PartitionStats, Stats
from mmsb.streams.tickets import Receipt, Until

BUNDLE = app.bundle()
PAGE: int = layout_of(Account).type_id
NEVER = b"never"  # an intent that never settles
BROKEN = b"broken"  # one at which the owner has a bug
REJECTED = b"rejected"
DUPLICATE = b"duplicate"

ABOUT = About((b"one log's id 16b", b"other log's id16"), BUNDLE.descriptor, 3, BUNDLE.hash, Durability.FSYNC, 1 << 20)

STATS = Stats(
    "bank", 3, "ab" * 32, "fsync", 1.5, 0.0, 1 << 27,
    (
        PartitionStats(
            partition=0, logged=41, settled=40, tlog=12, reign="00" * 16, digest="11" * 16, clock=1_700_000_000_000_000,
            pages={"Account": 7}, outcomes={"applied": 40, "rejected": 1}, in_flight_bytes=512, intents_bytes=10_000,
            tlog_bytes=20_000, flushed=30, flushes=2, flushed_bytes=4_096, checkpoints=2,
            checkpoint_failures=1, page_bytes=8_192, page_hits=5, page_misses=3,
            page_evictions=1, emitted={1: 5}, relayed={1: 4},
        ),
    ),
)  # fmt: skip


MANIFEST = Manifest(
    Facts(
        "bank", b"one log's id 16b", 0, 1, 1 << 20, 3, BUNDLE.hash,
        Descriptor("bank", HOPS_MAX, BUNDLE.descriptor.pages, (), ()).pack(), 40, 30, 11, 12, 0, bytes(32), bytes(16),
        {"Account": 7},
    ),
    Cause("command"), 1_700_000_000_000, (StoredFile("000008.sst", 4_096, bytes(32)),),
)  # fmt: skip


def key_of(number: int) -> bytes:
    return number.to_bytes(8, "little")


def event(offset: int, ordinal: int = 0, fill: int = 40) -> Event:
    return Event(
        EventKind.CHANGED, 0, offset, ordinal, PAGE, key_of(offset), offset + 1, max(offset, 1), 5, 7, bytes(16), 0,
        (3).to_bytes(8, "little"), bytes(fill),
    )  # fmt: skip


def change(offset: int) -> Change:
    return Change(
        kind=EventKind.CHANGED, partition=1, offset=offset, ordinal=0, page_type=PAGE, key=key_of(1), epoch=offset + 1,
        before=offset, time=5, intent_type=7 if offset % 2 else None, id=bytes(range(16)) if offset % 3 else None,
        source=Source(OUTSIDE, bytes(range(16)), 3, 0) if offset % 5 == 0 else None,
        metadata=Metadata(actor="ann", reason="rent") if offset % 2 else Metadata(), mask=key_of(2), body=bytes(40),
        tlog=offset + 7, generation=3, bundle=BUNDLE.hash,
    )  # fmt: skip


class FakeDoor:
    """Applies everything but what is named above."""

    def __init__(self) -> None:
        self.about = ABOUT
        self.intents: list[bytes] = []
        self.pages: dict[PageId, tuple[int, bytes]] = {}
        self.withdrawn = 0
        self.full = False  # no room for submit_nowait
        self.stalled: asyncio.Event | None = None  # nothing settles before it is set
        self.asked: list[Any] = []
        self.made = 0  # items that streams have made
        self.streams = 0  # that are open
        self.part = 100  # items that streams give at a time
        self.total = 1_000  # items in a stream
        self.body = 40

    def check(self) -> None:
        raise AssertionError("clients are not told")

    async def submit(self, intent: bytes, until: Until, timeout: float | None) -> Receipt:
        assert timeout is None, "the client keeps the time"
        receipt = self._take(intent)
        if until == "logged":
            return Receipt(receipt.partition, receipt.offset)
        try:
            if intent == NEVER:
                await asyncio.Future()
            if self.stalled is not None:
                await self.stalled.wait()
        except asyncio.CancelledError:
            self.withdrawn += 1
            raise
        return receipt

    async def reflects(self, partition: int) -> int:
        raise AssertionError("its statistics say so")

    async def until_working(self) -> Sequence[int]:
        raise AssertionError("it is asked once it works")

    async def until_ended(self) -> None:
        await asyncio.Future()

    def submit_nowait(self, intent: bytes) -> "asyncio.Future[Receipt]":
        if self.full:
            raise Overloaded("IN_FLIGHT_BYTES_MAX: no room")
        loop = asyncio.get_running_loop()
        if intent == NEVER or self.stalled is not None:
            return loop.create_task(self.submit(intent, "settled", None))
        future: asyncio.Future[Receipt] = loop.create_future()
        receipt = self._take(intent)
        loop.call_soon(_settle, future, receipt)
        return future

    def _take(self, intent: bytes) -> Receipt:
        if intent == BROKEN:
            raise ZeroDivisionError("a bug")
        self.intents.append(intent)
        offset = len(self.intents) - 1
        if intent == REJECTED:
            return Receipt(0, offset, Status.REJECTED, Rejection(Code.PREDICATE, type_id=7))
        if intent == DUPLICATE:
            return Receipt(1, offset, Status.DUPLICATE, None, -1)
        return Receipt(0, offset, Status.APPLIED)

    async def submit_many(self, intents: Intents) -> Receipts:
        return await self.submit_values([intents.value(row) for row in range(len(intents))])

    async def submit_values(self, values: Sequence[bytes]) -> Receipts:
        first = len(self.intents)
        self.intents += values
        if self.stalled is not None:
            await self.stalled.wait()
        offsets = np.arange(first, first + len(values))
        statuses = np.where(offsets % 3 == 1, Status.REJECTED, Status.APPLIED).astype(np.uint8)
        rejected = np.frombuffer(
            Rejection(Code.PREDICATE, type_id=7).pack() * int((statuses == Status.REJECTED).sum()), f"V{ROW_BYTES}"
        )
        return Receipts(offsets, statuses, np.full(len(values), -1), rejected)

    async def get(
        self, partition: int, pages: Sequence[PageId], at: int | None = None
    ) -> list[tuple[int, bytes] | None]:
        self.asked.append((partition, at))
        return [self.pages.get(page) for page in pages]

    async def scan(self, partition: int, type_id: int, at: int | None = None) -> AsyncIterator[list[StoredPage]]:
        self.asked.append((partition, type_id, at))
        self.streams += 1
        try:
            for start in range(0, self.total, self.part):
                self.made += self.part
                yield [(key_of(n), n + 1, bytes(self.body)) for n in range(start, min(start + self.part, self.total))]
        finally:
            self.streams -= 1

    async def history(self, partition: int, page: PageId, limit: int) -> History[Change]:
        self.asked.append((partition, page, limit))
        return History((change(offset) for offset in range(limit, 0, -1)), trimmed=None if limit > 100 else 7)

    async def blame(self, partition: int, page: PageId, field: int | None, byte: int | None = None) -> Change | None:
        self.asked.append((partition, page, field))
        return None if field == 1_000 else change(field or 1)

    async def events(self, partition: int, after: Position | None, wanted: EventFilter) -> AsyncIterator[list[Event]]:
        self.asked.append((partition, after, wanted))
        self.streams += 1
        try:
            offset = 0 if after is None else max(after.offset, 0)
            while True:
                yield [event(offset + n + 1, fill=self.body) for n in range(self.part)]
                offset += self.part
                self.made += self.part
                await asyncio.sleep(0)
        finally:
            self.streams -= 1

    async def stats(self) -> Stats:
        return STATS

    async def checkpoint(self) -> list[Manifest]:
        return [MANIFEST]


def _settle(future: "asyncio.Future[Receipt]", receipt: Receipt) -> None:
    if not future.done():
        future.set_result(receipt)


_is_a_door: type[Door] = FakeDoor


@asynccontextmanager
async def served(folder: Path, door: Door | None = None) -> AsyncGenerator[tuple[Any, Connection]]:
    """A fake door and a connection to it, in one process."""
    door = door or FakeDoor()
    async with Server(door, folder):
        connection = await connect(folder)
        try:
            yield door, connection
        finally:
            if isinstance(door, FakeDoor) and door.stalled is not None:
                door.stalled.set()
            await connection.close()

"""An owner of a partition as events see it: it steps when it is told to, and accepts when it is told to."""

import asyncio
from collections import deque
from collections.abc import Sequence
from random import Random
from typing import Any

from mmsb.processors.projection import events_of
from mmsb.processors.requests import pack
from mmsb.processors.writer import Entry, Writer
from mmsb.schemas.batches import encode_batch
from mmsb.schemas.errors import EnvironmentFailed
from mmsb.schemas.events import Event
from mmsb.schemas.records import Record, Records
from mmsb.schemas.tlog.block_reader import unpack_block
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.state.array_fold import ArrayFold
from mmsb.state.home.home import Home
from mmsb.state.page_fold import PageFold
from mmsb.state.store import NoRows
from mmsb.streams.events.source import Cut
from tests.events.apps import Close, Deposit, Open, Transfer, Write, app

GENESIS = Genesis(b"a-log-of-events!", app.name, window=64)
BUNDLE = app.bundle()
LAYOUTS = BUNDLE.pages_by_type


class Owner:
    """A Source."""

    def __init__(self) -> None:
        self.fold = ArrayFold(GENESIS.pack(), b"genesis")
        self.writer = Writer(BUNDLE, self.fold, b"the-first-reign!")
        self.stepped: deque[Entry] = deque()
        self.expected: list[Event] = []  # of all that was stepped
        self.batches = [encode_batch(0, [Record(b"genesis", GENESIS.pack())])]
        self.waiting: list[tuple[int, asyncio.Future[None]]] = []
        self.reads = 0
        self.cuts = 0
        self.failing = False
        self._take(self.writer.claim())

    # What a test does

    def step(self, requests: Sequence[Any]) -> None:
        """Step them as one block."""
        first = self.writer.machine.settled + 1
        records = Records.of(first, [Record(None, pack(request)) for request in requests])
        before = self.pages()
        clock = self.fold.state.clock
        entry, _ = self.writer.step(records)
        block = unpack_block(entry.value)
        self.expected += events_of(block, GENESIS, LAYOUTS, lambda *page: before.get(page), clock)
        self.stepped.append(entry)

    def accept(self, blocks: int | None = None) -> None:
        for _ in range(len(self.stepped) if blocks is None else blocks):
            self._take(self.stepped.popleft())
        waiting, self.waiting = self.waiting, []
        for offset, turn in waiting:
            if offset >= self.accepted_tlog():
                self.waiting.append((offset, turn))
            elif not turn.done():
                turn.set_result(None)

    def restart(self) -> None:
        """Another reign."""
        self.writer = Writer(BUNDLE, self.fold, b"reign number " + b"%03d" % len(self.batches))
        self._take(self.writer.claim())

    def traffic(self, rng: Random, count: int, accounts: int = 20) -> None:
        """A block of random requests, some of which are refused."""
        self.step([self._request(rng, accounts) for _ in range(count)])

    def _request(self, rng: Random, accounts: int) -> Any:
        a, b, amount = rng.randrange(accounts), rng.randrange(accounts), rng.randrange(1, 100)
        kind = rng.randrange(10)
        if kind < 2:
            return Open(a, f"owner {b}")
        if kind < 4:
            return Deposit(a, amount)
        if kind == 4:
            return Close(a)
        if kind == 5:
            return Write(f"note {a}", b, f"text {amount}")
        return Transfer(a, b, amount)

    def pages(self) -> dict[tuple[int, bytes], tuple[int, bytes]]:
        return {page: (epoch, body) for page, epoch, body in self.fold.state.pages}

    def _take(self, entry: Entry) -> None:
        offset = len(self.batches)
        self.batches.append(encode_batch(offset, [Record(entry.key, entry.value)]))  # before a thread may look for it
        verdict, _ = self.writer.read(offset, entry.key, entry.value)
        assert verdict.accepted

    # What a Source does

    @property
    def accepted(self) -> int:
        return self.fold.settled

    def accepted_tlog(self) -> int:
        return self.fold.next

    def read(self, offset: int, size: int) -> bytes:
        self.reads += 1
        if self.failing:
            raise EnvironmentFailed("the disk is gone")
        data = self.batches[offset]
        for batch in self.batches[offset + 1 :]:
            if len(data) + len(batch) > size:
                break
            data += batch
        return data

    def base_before(self, offset: int) -> ArrayFold | None:
        return None

    async def wait(self, tlog_offset: int) -> None:
        if tlog_offset >= self.accepted_tlog():
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.waiting.append((tlog_offset, turn))
            await turn

    async def cut(self) -> Cut:
        self.cuts += 1
        fold = PageFold.beside(self.fold)
        fold.own_pages({type_id: pages.copy() for type_id, pages in fold.pages.array_pages.types.items()})
        return Cut(fold, Home(fold.pages, NoRows(), 0), self.writer.machine.settled)

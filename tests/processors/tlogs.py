"""A TLog in a list, applications of several generations over it, and nodes that read at their own pace."""

from typing import Any

import mmsb
from mmsb import i64, u64
from mmsb.processors.bundle import Bundle
from mmsb.processors.machine import Outcome
from mmsb.processors.requests import pack
from mmsb.processors.writer import Entry, Writer
from mmsb.schemas.records import Record, Records
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.schemas.tlog.migrations import Migration, Step
from mmsb.state.fold import Fold, Verdict

GENESIS = Genesis(bytes(range(1, 17)), "till", window=6)
ALICE, BOB, EVE = b"alice".ljust(16), b"bob".ljust(16), b"eve".ljust(16)


def till() -> tuple[Bundle, Any, Any]:
    """Generation 1: a till that counts what is paid in."""
    app = mmsb.App("till", generation=1)

    @app.page(key=u64)
    class Till(mmsb.Page):
        total: i64
        count: mmsb.i16

    @app.intent
    class Pay(mmsb.Intent):
        till: u64
        amount: i64 = mmsb.field(gt=0)

        def query(self):
            return Till[self.till]

        def delta(self, till: Till) -> None:
            till.total += self.amount
            till.count += 1

    return app.bundle(), Till, Pay


def generous_till() -> Bundle:
    """Generation 2: the same page and intent, and other code."""
    app = mmsb.App("till", generation=2)

    @app.page(key=u64)
    class Till(mmsb.Page):
        total: i64
        count: mmsb.i16

    @app.intent
    class Pay(mmsb.Intent):
        till: u64
        amount: i64 = mmsb.field(gt=0)

        def query(self):
            return Till[self.till]

        def delta(self, till: Till) -> None:
            till.total += self.amount * 2

    return app.bundle()


def wide_till() -> tuple[Bundle, Any]:
    """Generation 3: a page of another layout under the same name."""
    app = mmsb.App("till", generation=3)

    @app.page(key=u64)
    class Till(mmsb.Page):
        count: i64
        total: i64
        limit: i64 = mmsb.field(default=99)

    @app.intent
    class Pay(mmsb.Intent):
        till: u64
        amount: i64 = mmsb.field(gt=0)

        def query(self):
            return Till[self.till]

        def delta(self, till: Till) -> None:
            till.total += self.amount

    return app.bundle(), Till


FIRST, TILL, PAY = till()
SECOND = generous_till()
THIRD, WIDE = wide_till()
TO_WIDE = Migration(
    "Till",
    FIRST.pages_by_name["Till"].type_id,
    THIRD.pages_by_name["Till"].type_id,
    (Step("widen", "count", "i64"), Step("add", "limit")),
)


def pay(till: int, amount: int, id: str | None = None) -> bytes:
    return pack(PAY(till, amount), id=id)


class Tlog:
    """Record 0 is the genesis; what is appended stays."""

    def __init__(self, genesis: Genesis = GENESIS) -> None:
        self.genesis = genesis
        self.records: list[tuple[bytes | None, bytes | None]] = [(b"genesis", genesis.pack())]

    def append(self, entry: Entry) -> int:
        self.records.append((entry.key, entry.value))
        return len(self.records) - 1

    def folded(self, end: int | None = None) -> Fold:
        """What a reader without code makes of the records before `end`."""
        fold = Fold(self.genesis.pack())
        for offset, (key, value) in enumerate(self.records[1:end], 1):
            fold.read(offset, key, value)
        fold.state.check()
        return fold


class Node:
    """A writer, and how far it has read."""

    def __init__(self, tlog: Tlog, nonce: bytes, bundle: Bundle = FIRST) -> None:
        self.tlog = tlog
        self.writer = Writer(bundle, tlog.folded(), nonce)
        self.accepted: list[Outcome] = []

    def append(self, entry: Entry) -> int:
        return self.tlog.append(entry)

    def read(self, end: int | None = None) -> list[Verdict]:
        """Read the records before `end`, or to the end, or to another's claim."""
        verdicts: list[Verdict] = []
        for offset in range(self.writer.fold.next, len(self.tlog.records) if end is None else end):
            verdict, outcome = self.writer.read(offset, *self.tlog.records[offset])
            verdicts.append(verdict)
            if outcome is not None:
                self.accepted.append(outcome)
            if self.writer.superseded:
                break
        return verdicts

    def take(self) -> None:
        """Claim, and read back that it counts."""
        self.append(self.writer.claim())
        self.read()
        assert self.writer.reigns

    def step(self, *values: bytes | None) -> tuple[Entry, Outcome]:
        return self.writer.step(intents(self.writer.machine.settled + 1, *values))

    def settle(self, *values: bytes | None) -> Outcome:
        """Step these, append the block and read it back."""
        entry, outcome = self.step(*values)
        self.append(entry)
        assert self.read()[-1].accepted
        return outcome


def intents(first: int, *values: bytes | None) -> Records:
    """A record's time is its offset, so that the clock rises."""
    return Records.of(first, [Record(None, value, first + index) for index, value in enumerate(values)])

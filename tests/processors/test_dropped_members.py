"""An enum that lost a member: pages that still hold it can be read and mended, and nothing stops over them."""

import enum

import mmsb
from mmsb import u64

GENESIS = mmsb.Genesis(b"log id of 16 by.", "tickets")


class Colour(enum.IntEnum):
    RED = 1
    BLUE = 2


class Fewer(enum.IntEnum):
    RED = 1


def release(generation: int, colours: type[enum.IntEnum]) -> mmsb.App:
    """The same page in two releases; only the members of its enum differ, so its type id does not."""
    app = mmsb.App("tickets", generation=generation)

    @app.page(key=u64)
    class Ticket(mmsb.Page):  # pyright: ignore[reportUnusedClass]
        colour: colours  # type: ignore[valid-type]
        touched: mmsb.i64

    @app.intent
    class Touch(mmsb.Intent):  # pyright: ignore[reportUnusedClass]
        ticket: u64

        def query(self):
            return Ticket[self.ticket]

        def delta(self, ticket: Ticket) -> None:
            ticket.touched += 1

    return app


def reign(app: mmsb.App, tlog: list[mmsb.Entry]) -> mmsb.Writer:
    """A writer with this release, after its claim was read back."""
    fold = mmsb.Fold(GENESIS.pack())
    for offset, entry in enumerate(tlog, start=1):
        fold.read(offset, entry.key, entry.value)
    writer = mmsb.Writer(app.bundle(), fold, bytes([app.generation]) * 16)
    append(writer, tlog, writer.claim())
    return writer


def append(writer: mmsb.Writer, tlog: list[mmsb.Entry], entry: mmsb.Entry) -> None:
    tlog.append(entry)
    assert writer.read(len(tlog), entry.key, entry.value)[0].accepted


def ask(writer: mmsb.Writer, tlog: list[mmsb.Entry], value: bytes) -> str:
    record = mmsb.Records.of(writer.machine.settled + 1, [mmsb.Record(None, value)])
    entry, outcome = writer.step(record)
    append(writer, tlog, entry)
    return writer.machine.explain(outcome[outcome.last])


def test_a_page_that_holds_a_dropped_member_is_read_rejected_and_mended() -> None:
    tlog: list[mmsb.Entry] = []
    touch = b'{"@type": "Touch", "ticket": 1}'
    old = reign(release(1, Colour), tlog)
    upsert = b'{"@type": "mmsb.Upsert", "page": "Ticket", "key": 1, "set": {"colour": "%s"}}'
    assert ask(old, tlog, upsert % b"BLUE") == "applied"
    new = reign(release(2, Fewer), tlog)
    assert ask(new, tlog, touch) == "Ticket.colour has no member 2"
    assert ask(new, tlog, upsert % b"RED") == "applied"
    assert ask(new, tlog, touch) == "applied"
    new.fold.state.check()
    reign(release(3, Fewer), tlog)  # and the whole log folds

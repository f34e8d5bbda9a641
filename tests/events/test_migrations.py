"""Pages that got another layout on the way: events before it have the old one, those behind it the new one."""

import mmsb
from mmsb import i64, u64
from mmsb.processors.projection import events_of
from mmsb.processors.requests import pack
from mmsb.processors.writer import Entry, Writer
from mmsb.schemas.records import Record, Records
from mmsb.schemas.tlog.block_reader import unpack_block
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.schemas.tlog.migrations import Migration, Step
from mmsb.state.array_fold import ArrayFold
from tests.events.logs import Tlog
from tests.events.test_packed_events import project, unpacked

old_app = mmsb.App("moving", generation=1)
new_app = mmsb.App("moving", generation=2)


def declare_old() -> type[mmsb.Intent]:
    @old_app.page(key=u64)
    class Place(mmsb.Page):
        visits: i64

    @old_app.intent
    class Visit(mmsb.Intent):
        place: u64

        def query(self):
            return Place[self.place]

        def delta(self, place):
            place.visits += 1

    return Visit


def declare_new() -> type[mmsb.Intent]:
    @new_app.page(key=u64)
    class Place(mmsb.Page):
        name: str = mmsb.text(8)
        visits: i64
        last: i64

    @new_app.intent
    class Visit(mmsb.Intent):
        place: u64

        def query(self):
            return Place[self.place]

        def delta(self, place):
            place.visits += 1
            place.last = mmsb.now()

    return Visit


def append(tlog: Tlog, writer: Writer, entry: Entry) -> None:
    verdict, _ = writer.read(len(tlog.entries), entry.key, entry.value)
    assert verdict.accepted
    tlog.entries.append((entry.key, entry.value))


def visit(tlog: Tlog, writer: Writer, app: mmsb.App, intent: type[mmsb.Intent]) -> None:
    state, first = writer.fold.state, writer.machine.settled + 1
    before, clock = {page: (epoch, body) for page, epoch, body in state.pages}, state.clock
    records = [Record(None, pack(intent(place)), 1000 * first) for place in (1, 2, 3, 2)]
    entry, _ = writer.step(Records.of(first, records))
    layouts = app.bundle().pages_by_type
    tlog.events += events_of(unpack_block(entry.value), state.genesis, layouts, lambda *page: before.get(page), clock)
    append(tlog, writer, entry)


def test_events_go_on_behind_a_migration() -> None:
    genesis = Genesis(b"a-log-that-moves", "moving", window=8)
    fold, tlog = ArrayFold(genesis.pack(), b"genesis"), Tlog([(b"genesis", genesis.pack())], [], {})
    old, new = declare_old(), declare_new()
    writer = Writer(old_app.bundle(), fold, b"the-old-reign---")
    append(tlog, writer, writer.claim())
    visit(tlog, writer, old_app, old)
    writer = Writer(new_app.bundle(), fold, b"the-new-reign---")
    append(tlog, writer, writer.claim())
    (before,), (after,) = old_app.bundle().descriptor.pages, new_app.bundle().descriptor.pages
    steps = (Step("add", "name"), Step("add", "last"))
    append(tlog, writer, writer.migrate([Migration("Place", before.type_id, after.type_id, steps)]))
    visit(tlog, writer, new_app, new)
    tlog.pages = {page: (epoch, body) for page, epoch, body in fold.state.pages}
    assert {event.page_type for event in tlog.events} == {before.type_id, after.type_id}
    assert unpacked(project(tlog)) == tlog.events

"""Every reader gets each event behind its position that it wants, once and in order, whatever the others do."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from random import Random

import pytest

from mmsb.processors.packed_events import place_of
from mmsb.schemas.errors import EnvironmentFailed
from mmsb.schemas.events import Event, EventKind
from mmsb.streams.door import EventFilter, Position
from mmsb.streams.events import events as door
from mmsb.streams.events import feed, follower
from mmsb.streams.events.events import Events
from mmsb.streams.events.reader import Reader
from mmsb.streams.world import RealWorld
from tests.events.apps import Account, Note
from tests.events.owner import BUNDLE, Owner

ALL = EventFilter()
START = Position(-1, 0)
ACCOUNT, NOTE = (next(page for page in BUNDLE.descriptor.pages if page.name == name) for name in ("Account", "Note"))


@asynccontextmanager
async def running() -> AsyncGenerator[tuple[Owner, Events]]:
    owner = Owner()
    events = Events(owner, RealWorld(), "events-test")
    yield owner, events
    await events.close()


async def take(reader: Reader, count: int) -> list[Event]:
    """So many events, and no list of more than it says."""
    found: list[Event] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            given = await anext(reader)
            assert given
            found += given
    return found


def behind(owner: Owner, position: Position) -> list[Event]:
    place = place_of(position.offset, position.ordinal)
    return [event for event in owner.expected if place_of(event.offset, event.ordinal) > place]


def position_of(event: Event) -> Position:
    return Position(event.offset, event.ordinal)


async def nothing_more(reader: Reader) -> None:
    """It waits. Whoever gives up waiting for a list takes nothing away."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await anext(reader)


async def test_a_reader_gets_what_the_definition_finds_from_any_position() -> None:
    rng = Random(1)
    async with running() as (owner, events):
        for _ in range(8):
            owner.traffic(rng, 30)
        owner.accept()
        assert {event.kind for event in owner.expected} == set(EventKind)
        for position in [START, *(position_of(rng.choice(owner.expected)) for _ in range(20)), Position(3, 7)]:
            expected = behind(owner, position)
            assert await take(events.subscribe(position, ALL), len(expected)) == expected


def wanted_by(wanted: EventFilter, found: Sequence[Event]) -> list[Event]:
    return [
        event
        for event in found
        if wanted.page_type in (None, event.page_type)
        and wanted.key in (None, event.key)
        and (wanted.fields is None or set(wanted.fields) & set(event.fields))
    ]


async def test_a_reader_gets_only_what_it_wants() -> None:
    async with running() as (owner, events):
        for seed in range(6):
            owner.traffic(Random(seed), 40)
        owner.accept()
        key = owner.expected[0].key
        for wanted in (
            EventFilter(ACCOUNT.type_id),
            EventFilter(NOTE.type_id),
            EventFilter(ACCOUNT.type_id, Account[7].packed_key),
            EventFilter(NOTE.type_id, Note["note 3"].packed_key),
            EventFilter(key=key),
            EventFilter(ACCOUNT.type_id, fields=(0,)),
            EventFilter(ACCOUNT.type_id, fields=(0, 2)),
            EventFilter(fields=(1,)),
        ):
            expected = wanted_by(wanted, owner.expected)
            assert expected
            reader = events.subscribe(START, wanted)
            assert await take(reader, len(expected)) == expected
            await nothing_more(reader)
        nobodys = events.subscribe(START, EventFilter(5))
        await nothing_more(nobodys)


async def test_from_now_on_is_what_is_submitted_after_the_call_and_costs_no_folding() -> None:
    async with running() as (owner, events):
        owner.traffic(Random(1), 200)
        owner.accept()
        before = len(owner.expected)
        reader = events.subscribe(None, ALL)
        await asyncio.sleep(0)  # what is submitted cannot be stepped before the loop has had its turn
        reads = owner.reads
        owner.traffic(Random(2), 50)
        owner.accept()
        expected = owner.expected[before:]
        assert await take(reader, len(expected)) == expected
        assert (owner.cuts, owner.reads - reads) == (1, 1)


async def test_what_is_stepped_and_not_accepted_is_told_to_nobody() -> None:
    async with running() as (owner, events):
        reader, now = events.subscribe(START, ALL), events.subscribe(None, ALL)
        await asyncio.sleep(0)
        owner.traffic(Random(1), 50)
        owner.traffic(Random(2), 50)
        await nothing_more(reader)
        await nothing_more(now)
        owner.accept(1)
        first = [event for event in owner.expected if event.offset <= owner.accepted]
        assert await take(reader, len(first)) == await take(now, len(first)) == first
        await nothing_more(reader)
        owner.accept()
        rest = owner.expected[len(first) :]
        assert await take(reader, len(rest)) == await take(now, len(rest)) == rest


async def test_a_cut_ahead_of_what_is_accepted_gives_what_comes_after_it() -> None:
    async with running() as (owner, events):
        owner.traffic(Random(1), 50)
        reader = events.subscribe(None, ALL)
        await asyncio.sleep(0)
        on_its_way = len(owner.expected)
        owner.traffic(Random(2), 50)
        owner.accept()
        expected = owner.expected[on_its_way:]
        assert await take(reader, len(expected)) == expected


async def test_one_killed_and_resumed_sees_what_the_other_sees() -> None:
    rng = Random(5)
    async with running() as (owner, events):
        steady = events.subscribe(START, ALL)
        seen: list[Event] = []
        other: list[Event] = []
        killed = events.subscribe(START, ALL)
        for _ in range(12):
            owner.traffic(rng, 40)
            owner.accept()
            other += await anext(killed)
            if rng.random() < 0.7:
                other = other[: rng.randint(1, len(other))]  # what it had done with what it got
                await killed.aclose()
                killed = events.subscribe(position_of(other[-1]), ALL)
        seen += await take(steady, len(owner.expected))
        other += await take(killed, len(owner.expected) - len(other))
        assert seen == other == owner.expected


async def test_a_cancelled_wait_takes_nothing_away() -> None:
    rng = Random(6)
    async with running() as (owner, events):
        reader = events.subscribe(START, ALL)
        seen: list[Event] = []
        for _ in range(40):
            owner.traffic(rng, 10)
            owner.accept()
            waiting = asyncio.ensure_future(anext(reader))
            for _ in range(rng.randrange(6)):
                await asyncio.sleep(0)
            if not waiting.done():
                waiting.cancel()
                await asyncio.wait([waiting])
            if not waiting.cancelled():
                seen += waiting.result()
        seen += await take(reader, len(owner.expected) - len(seen))
        assert seen == owner.expected


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """So little that everything that only happens far behind happens at once."""
    monkeypatch.setattr(feed, "EVENTS_BYTES_MAX", 40_000)
    monkeypatch.setattr(follower, "TAKE_BYTES", 20_000)
    monkeypatch.setattr(follower, "READ_BYTES", 10_000)
    monkeypatch.setattr(door, "LAG_MAX", 4)


@pytest.mark.usefixtures("little_memory")
async def test_a_stalled_reader_costs_bounded_memory_and_slows_nobody() -> None:
    rng = Random(7)
    async with running() as (owner, events):
        owner.traffic(rng, 40)
        owner.accept()
        stalled, fast = events.subscribe(START, ALL), events.subscribe(START, ALL)
        seen: list[Event] = []
        late = await anext(stalled)
        for _ in range(60):
            owner.traffic(rng, 40)
            owner.accept()
            seen += await take(fast, len(owner.expected) - len(seen))
            sizes = [sum(piece.byte_count for piece in one._pieces) for one in events._feeds]
            assert max(sizes) <= feed.EVENTS_BYTES_MAX
        assert seen == owner.expected
        assert sum(len(event.pack()) for event in owner.expected) > 5 * feed.EVENTS_BYTES_MAX
        late += await take(stalled, len(owner.expected) - len(late))
        assert late == owner.expected


@pytest.mark.usefixtures("little_memory")
async def test_whoever_comes_from_the_past_meets_the_others_without_a_gap() -> None:
    rng = Random(8)
    async with running() as (owner, events):
        for _ in range(20):
            owner.traffic(rng, 40)
        owner.accept()
        now, past = events.subscribe(None, ALL), events.subscribe(START, ALL)
        start = len(owner.expected)
        seen: list[Event] = []
        new: list[Event] = []
        await asyncio.sleep(0)
        while len(seen) < len(owner.expected) or len(owner.expected) < start + 2000:
            if len(owner.expected) < start + 2000:
                owner.traffic(rng, 10)
                owner.accept()
                new += await anext(now)
            seen += await anext(past)
        new += await take(now, len(owner.expected) - start - len(new))
        assert seen == owner.expected
        assert new == owner.expected[start:]
        assert now._feed is past._feed
        assert len(events._feeds) == 1


async def test_whoever_was_at_the_end_comes_again_without_folding() -> None:
    async with running() as (owner, _):
        owner.traffic(Random(1), 100)
        owner.accept()
        owner.restart()
        reads = owner.reads
        events = Events(owner, RealWorld(), "events-again")
        reader = events.subscribe(position_of(owner.expected[-1]), ALL)
        await nothing_more(reader)
        assert owner.reads - reads == 2  # the claim and the block before it
        before = len(owner.expected)
        owner.traffic(Random(2), 20)
        owner.accept()
        assert await take(reader, len(owner.expected) - before) == owner.expected[before:]
        one_back = events.subscribe(position_of(owner.expected[-2]), ALL)
        assert await take(one_back, 1) == owner.expected[-1:]
        await events.close()


async def test_a_view_made_of_events_alone_is_the_pages() -> None:
    rng = Random(9)
    async with running() as (owner, events):
        reader, seen = events.subscribe(START, ALL), 0
        view: dict[tuple[int, bytes], tuple[int, bytes]] = {}
        for _ in range(30):
            owner.traffic(rng, 30)
            owner.accept()
            while seen < len(owner.expected):
                for event in await anext(reader):
                    seen += 1
                    page = (event.page_type, event.key)
                    assert view.get(page, (0, b""))[0] == event.before
                    view[page] = (event.epoch, event.body)
                    if event.kind == EventKind.DELETED:
                        del view[page]
            assert view == owner.pages()


async def test_without_readers_nothing_is_done() -> None:
    async with running() as (owner, events):
        owner.traffic(Random(1), 100)
        owner.accept()
        await asyncio.sleep(0.01)
        assert (owner.reads, owner.cuts, owner.waiting) == (0, 0, [])
        assert events._worker is None


async def test_a_reader_that_is_given_up_leaves_nothing_but_one_feed() -> None:
    async with running() as (owner, events):
        for _ in range(5):
            owner.traffic(Random(1), 20)
            owner.accept()
            reader = events.subscribe(START, ALL)
            await take(reader, 10)
            await reader.aclose()
            with pytest.raises(StopAsyncIteration):
                await anext(reader)
        assert len(events._feeds) == 1


async def test_closing_ends_all_readers_as_a_loop_ends() -> None:
    async with running() as (owner, events):
        owner.traffic(Random(1), 20)
        owner.accept()
        readers = [events.subscribe(None, ALL), events.subscribe(START, ALL), events.subscribe(START, EventFilter(1))]
        found: list[list[Event]] = [[], [], []]
        waiting = [asyncio.ensure_future(all_of(reader, into)) for reader, into in zip(readers, found, strict=True)]
        idle = events.subscribe(START, ALL)
        while len(found[1]) < len(owner.expected):
            await asyncio.sleep(0)
        await events.close()
        await asyncio.gather(*waiting)
        assert found == [[], owner.expected, []]
        assert [event async for given in idle for event in given] == owner.expected  # that is in memory


async def test_whoever_keeps_up_gets_all_that_was_accepted_before_the_end() -> None:
    async with running() as (owner, events):
        found: list[Event] = []
        waiting = asyncio.ensure_future(all_of(events.subscribe(None, ALL), found))
        await asyncio.sleep(0)
        owner.traffic(Random(1), 20)
        owner.accept()
        await events.close()
        await waiting
        assert found == owner.expected


async def all_of(reader: Reader, into: list[Event]) -> None:
    async for given in reader:
        into += given


async def test_what_stops_the_engine_is_what_readers_hear() -> None:
    async with running() as (_, events):
        waiting = asyncio.ensure_future(all_of(events.subscribe(None, ALL), []))
        await asyncio.sleep(0.01)
        joining = asyncio.ensure_future(all_of(events.subscribe(START, ALL), []))
        await asyncio.sleep(0)
        await events.close(EnvironmentFailed("the disk is full"))
        for each in (waiting, joining):
            with pytest.raises(EnvironmentFailed, match="the disk is full"):
                await each


async def test_a_log_that_cannot_be_read_is_heard_of_and_can_be_tried_again() -> None:
    async with running() as (owner, events):
        owner.traffic(Random(1), 20)
        owner.accept()
        reader = events.subscribe(START, ALL)
        first = await anext(reader)
        owner.traffic(Random(2), 20)
        owner.accept()
        owner.failing = True
        with pytest.raises(EnvironmentFailed, match="the disk is gone"):
            await take(reader, len(owner.expected))
        owner.failing = False
        again = events.subscribe(position_of(first[-1]), ALL)
        assert await take(again, len(owner.expected) - len(first)) == owner.expected[len(first) :]

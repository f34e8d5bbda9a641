"""Events and rejects into topics: a consumer with one high-water mark sees what was accepted, once and in order."""

import asyncio
from collections.abc import Coroutine, Generator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from mmsb.processors.intake import read_batches
from mmsb.processors.outputs import MARK
from mmsb.processors.packed_events import last_place_of
from mmsb.schemas.batches import Record, encode_batch
from mmsb.schemas.errors import EnvironmentFailed, InvalidValue
from mmsb.schemas.events import Event, EventKind, event_json, unpack_event
from mmsb.schemas.rejects import Reject, reject_json, unpack_reject
from mmsb.schemas.tlog.block_reader import unpack_block
from mmsb.state.array_fold import ArrayFold
from mmsb.streams.events.events import Events
from mmsb.streams.events.tail import has_seen_all
from mmsb.streams.kafka.batches.local_form import local_form
from mmsb.streams.kafka.cluster.appending import Appending
from mmsb.streams.kafka.cluster.broker import TopicPartition
from mmsb.streams.kafka.cluster.noting import NOTE_SECONDS
from mmsb.streams.kafka.outputs.projecting import Form, Publisher
from tests.events.apps import Deposit
from tests.events.owner import BUNDLE, GENESIS, LAYOUTS, Owner
from tests.events.test_rejects import rejects_of
from tests.simulation.kafka.client import ModelBroker
from tests.simulation.kafka.model import Cluster
from tests.simulation.kafka.theatre import Process, Theatre, new_disk
from tests.simulation.kafka.weather import draw_weather
from tests.simulation.world import Trace

APP = GENESIS.app
EVENTS, REJECTS, INTENTS = (TopicPartition(f"{APP}.{name}", 0) for name in ("events", "rejects", "intents"))
STAGES: list["Stage"] = []  # to be ended


@pytest.fixture(autouse=True)
def ended() -> Generator[None]:
    yield
    while STAGES:
        STAGES.pop().theatre.end()


@dataclass
class Consumer:
    """Knows of a record's mark only that bytes can be compared."""

    at: TopicPartition
    position: int = 0
    marks: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    seen: list[bytes] = field(default_factory=list[bytes])
    repeats: int = 0

    def read(self, cluster: Cluster) -> None:
        for stored in cluster.log(self.at).batches:
            if stored.base >= self.position:
                self.position = stored.end
                records = read_batches(b"".join(bytes(each.data) for each in local_form(stored.data)))
                for index in range(len(records)):
                    self._take(dict(records.headers(index)), records.value(index))

    def _take(self, headers: dict[str, bytes | None], value: bytes | None) -> None:
        mark = headers.get(MARK)
        if mark is None or value is None:
            return  # somebody else's
        source, place = mark[:16], mark[16:]
        if place <= self.marks.get(source, b""):
            self.repeats += 1
            return
        self.marks[source] = place
        self.seen.append(value)


class Stage:
    def __init__(self, seed: int, form: Form = Form.PACKED) -> None:
        self.random = Random(seed)
        self.theatre = Theatre(self.random)
        self.trace = Trace(now=self.theatre.time)
        self.weather = draw_weather(self.random)
        self.cluster = Cluster(self.theatre, self.random, self.weather, self.trace)
        STAGES.append(self)
        self.form = form
        self.well_behaved = self.random.choice((0.0, 0.5, 1.0))  # of the traffic, that nothing is refused of
        self.owner = Owner()
        self.consumers = [Consumer(EVENTS), Consumer(REJECTS)]
        for at in (EVENTS, REJECTS, INTENTS):
            self.cluster.create(at.topic, 1, {})

    def begin(self, begins: int = -1) -> tuple[Process, Publisher]:
        """Another process publishes from now on."""
        process = Process(self.theatre, f"owner {self.random.random()}", self.random, new_disk(0, self.trace))
        broker = ModelBroker(self.cluster, process)
        events = Events(self.owner, process.world, "events")
        publisher = Publisher(
            process.world, broker, Appending(broker), GENESIS, self.owner, events, lambda: begins, self.form
        )
        return process, publisher

    def traffic(self) -> None:
        if self.random.random() < self.well_behaved:
            self.owner.step([Deposit(self.random.randrange(6), 1) for _ in range(self.random.choice((1, 5)))])
        else:
            self.owner.traffic(self.random, self.random.choice((1, 5, 30)), 6)
        self.owner.accept(self.random.randint(0, len(self.owner.stepped)))

    async def befall(self, process: Process, running: "asyncio.Task[None]") -> None:
        """It is killed, is told to stop, freezes for a while, or is not told that it is another's turn."""
        fate = self.random.choice(("killed", "stopped", "frozen", "zombie"))
        if fate == "killed":
            self.theatre.interrupt(0.0, lambda: self.theatre.kill(process))
            await asyncio.sleep(0.001)
        elif fate == "stopped":
            running.cancel()
            await asyncio.wait([running])
        elif fate == "frozen":
            self.theatre.interrupt(0.0, lambda: self.theatre.freeze(process))
            self.theatre.interrupt(self.random.expovariate(1.0) * 20, lambda: self.theatre.thaw(process))
            await asyncio.sleep(0.001)

    def read(self) -> None:
        for consumer in self.consumers:
            consumer.read(self.cluster)

    def play(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.theatre.play(self.theatre.outside(work))

    @property
    def events(self) -> list[Event]:
        return [event for event in self.owner.expected if event.offset <= self.owner.accepted]

    @property
    def rejects(self) -> list[Reject]:
        found, clock = list[Reject](), 0
        for batch in self.owner.batches:
            value = read_batches(batch).value(0)
            if value is not None and read_batches(batch).key(0) == b"block":
                block = unpack_block(value)
                found += rejects_of(block, GENESIS, clock)
                clock = block.header.clock
        return found

    def check(self) -> None:
        self.read()
        events, rejects = (consumer.seen for consumer in self.consumers)
        if self.form == Form.PACKED:
            assert [unpack_event(value) for value in events] == self.events
            assert [unpack_reject(value) for value in rejects] == self.rejects
            return
        names = {intent.type_id: intent.name for intent in BUNDLE.descriptor.intents}
        layouts = BUNDLE.descriptor.layouts_by_type
        assert events == [event_json(each, LAYOUTS[each.page_type], names[each.intent_type]) for each in self.events]
        messages = BUNDLE.descriptor.messages
        assert rejects == [
            reject_json(each, names.get(each.intent_type), {**layouts}, messages) for each in self.rejects
        ]


async def crashes_and_zombies(stage: Stage) -> None:
    """Publishers come one after another; the one before vanishes, or goes on for a while and knows no better."""
    random = stage.random
    for _ in range(random.randint(1, 4)):
        process, publisher = stage.begin()
        running = process.start(publisher.run())
        for _ in range(random.randint(0, 10)):
            stage.traffic()
            await asyncio.sleep(random.expovariate(1.0) * random.choice((0.001, 0.1, 2 * NOTE_SECONDS)))
        assert not running.done()
        await stage.befall(process, running)
        stage.read()
        fate = random.random()
        if fate < 0.15:
            stage.cluster.notes.clear()  # nobody noted anything for a week
        elif fate < 0.4 and stage.cluster.notes:
            for at in (EVENTS, REJECTS):
                stage.cluster.expire(at, random.randint(0, stage.cluster.log(at).high))
        if random.random() < 0.3:
            stage.owner.accept()
            stage.owner.restart()
    stage.weather.calm()
    stage.traffic()
    stage.owner.accept()
    process, publisher = stage.begin()
    process.start(publisher.run())
    await publisher.until_idle()
    await asyncio.sleep(200)  # what is late lands
    assert publisher.idle


@pytest.mark.parametrize(
    ("seed", "form"), [*((s, Form.PACKED) for s in range(40)), *((s, Form.JSON) for s in range(8))]
)
def test_a_consumer_sees_all_that_was_accepted_once_and_in_order(seed: int, form: Form) -> None:
    stage = Stage(seed, form)
    stage.play(crashes_and_zombies(stage))
    stage.check()


class Trimmed(Owner):
    """An owner whose TLog begins behind a checkpoint."""

    checkpoint = -1  # the last intent that it has
    first = 0

    def trim(self) -> None:
        self.checkpoint, self.first = self.accepted, self.accepted_tlog()

    def read(self, offset: int, size: int) -> bytes:
        if offset < self.first:
            raise InvalidValue("it was trimmed")
        return super().read(offset, size)

    def base_before(self, offset: int) -> ArrayFold | None:
        if self.checkpoint >= offset:
            raise InvalidValue("it was trimmed")
        fold = ArrayFold(GENESIS.pack(), b"genesis")
        for batch in self.batches[1 : self.first]:
            records = read_batches(batch)
            fold.read(fold.next, records.key(0), records.value(0))
        return fold


def trimmed_stage() -> tuple[Stage, Trimmed]:
    stage = Stage(2)
    stage.weather.calm()
    owner = stage.owner = Trimmed()
    return stage, owner


async def publish_all(stage: Stage, begins: int = -1) -> Publisher:
    process, publisher = stage.begin(begins)
    running = process.start(publisher.run())
    try:
        await asyncio.wait([running, asyncio.ensure_future(publisher.until_idle())], return_when="FIRST_COMPLETED")
        if running.done():
            await running
    finally:
        running.cancel()
        await asyncio.wait([running])
    return publisher


def grow(stage: Stage) -> None:
    stage.owner.traffic(stage.random, 20, 6)
    stage.owner.accept()


def test_who_knows_nothing_begins_where_a_trimmed_log_does() -> None:
    async def work(stage: Stage, owner: Trimmed) -> None:
        grow(stage)
        owner.trim()
        grow(stage)
        await publish_all(stage, last_place_of(owner.checkpoint))

    stage, owner = trimmed_stage()
    stage.play(work(stage, owner))
    stage.read()
    seen = [unpack_event(value) for value in stage.consumers[0].seen]
    assert seen == [event for event in stage.events if event.offset > owner.checkpoint]
    assert seen
    assert seen[0].kind == EventKind.CHANGED, "pages are those of the checkpoint"


def test_a_log_that_was_trimmed_as_far_as_was_published_goes_on() -> None:
    async def work(stage: Stage, owner: Trimmed) -> None:
        for _ in range(3):
            grow(stage)
            await publish_all(stage, last_place_of(owner.checkpoint))
            owner.trim()
            await publish_all(stage, last_place_of(owner.checkpoint))

    stage, owner = trimmed_stage()
    stage.play(work(stage, owner))
    stage.check()


def test_nothing_is_looked_for_before_a_trimmed_log_begins() -> None:
    stage, owner = trimmed_stage()
    grow(stage)
    owner.trim()
    owner.restart()
    cut = asyncio.run(owner.cut())
    assert not has_seen_all(owner, cut, last_place_of(owner.accepted))


def test_what_was_trimmed_before_it_was_published_is_missed_aloud() -> None:
    async def work(stage: Stage, owner: Trimmed) -> None:
        grow(stage)
        await publish_all(stage)
        grow(stage)
        owner.trim()
        with pytest.raises(EnvironmentFailed, match=rf"delete the group {APP}.published"):
            await publish_all(stage, last_place_of(owner.checkpoint))

    stage, owner = trimmed_stage()
    stage.play(work(stage, owner))


def test_what_another_log_left_in_the_topics_and_noted_is_not_believed() -> None:
    async def work(stage: Stage) -> None:
        grow(stage)
        mark = bytes(16) + (1 << 40).to_bytes(8, "big") + bytes(4)
        foreign = [Record(None, b"no event"), Record(None, b"another's", 0, ((MARK, mark),))]
        broker = ModelBroker(stage.cluster)
        for at in (EVENTS, REJECTS):
            await broker.append(at, encode_batch(0, foreign), 5.0)
        stage.cluster.notes[f"{APP}.published", INTENTS] = (1 << 40, bytes(16).hex())
        await publish_all(stage)

    stage = Stage(3)
    stage.weather.calm()
    stage.play(work(stage))
    for consumer in stage.consumers:
        consumer.read(stage.cluster)
        assert consumer.seen.pop(0) == b"another's"
    stage.check()


def test_an_idle_publisher_notes_how_far_it_is_within_a_second() -> None:
    async def work(stage: Stage) -> None:
        grow(stage)
        process, publisher = stage.begin()
        process.start(publisher.run())
        await publisher.until_idle()
        await asyncio.sleep(2 * NOTE_SECONDS)

    stage = Stage(3)
    stage.weather.calm()
    stage.play(work(stage))
    assert stage.cluster.notes == {(f"{APP}.published", INTENTS): (stage.owner.accepted + 1, GENESIS.log_id.hex())}

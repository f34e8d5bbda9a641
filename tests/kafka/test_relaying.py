"""Follow-ups into topics: whatever becomes of appends, notes and relays, each target counts each number, once."""

import asyncio
from collections.abc import Coroutine, Generator
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from mmsb.processors.intake import read_batches
from mmsb.schemas.tlog.blocks import FollowUpRow
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.streams.kafka.batches.local_form import local_form
from mmsb.streams.kafka.cluster.appending import Appending
from mmsb.streams.kafka.cluster.broker import TopicPartition
from mmsb.streams.kafka.cluster.noting import NOTE_SECONDS
from mmsb.streams.kafka.outputs.relaying import LOOK_SECONDS, TopicRelay
from mmsb.streams.relay import Source
from tests.simulation.kafka.client import ModelBroker
from tests.simulation.kafka.model import Cluster
from tests.simulation.kafka.theatre import Process, Theatre, new_disk
from tests.simulation.kafka.weather import draw_weather
from tests.simulation.world import Trace

APP = "relayed"
LOG_ID = b"a log of its own"
COUNTS = (1, 3, 8)
STAGES: list["Stage"] = []  # to be ended


@pytest.fixture(autouse=True)
def ended() -> Generator[None]:
    yield
    while STAGES:
        STAGES.pop().theatre.end()


class Tlog:
    """Blocks with follow-ups of one source, as many as are accepted by now."""

    def __init__(self, random: Random, targets: int) -> None:
        self.blocks: dict[int, list[FollowUpRow]] = {}
        self._random = random
        self._numbers = [0] * targets

    def accept(self) -> None:
        offset = max(self.blocks, default=0) + self._random.randint(1, 3)
        self.blocks[offset] = [self._row(index) for index in range(self._random.randint(1, 4))]

    def _row(self, index: int) -> FollowUpRow:
        target = self._random.randrange(len(self._numbers))
        self._numbers[target] += 1
        number = self._numbers[target]
        return FollowUpRow(index, target, number, b"%d %d" % (target, number))

    def sent_to(self, target: int) -> list[bytes]:
        return [row.intent for rows in self.blocks.values() for row in rows if row.target == target]


class Owner(Source):
    """What a process that owns the source, or follows it, has of it."""

    def __init__(self, tlog: Tlog, blocks: list[int], folded: int) -> None:
        """A home that was flushed at a TLog offset names blocks up to there."""
        self.number = 0
        self.emitted = dict[int, int]()
        self.tlog = tlog
        self.follow_up_blocks = blocks
        self._folded = folded
        self.new_follow_ups, self.all_relayed = asyncio.Event(), asyncio.Event()
        self.look()

    def look(self) -> None:
        """Fold what was accepted."""
        self.follow_up_blocks += [offset for offset in self.tlog.blocks if offset > self._folded]
        self._folded = max(self.tlog.blocks, default=-1)
        if self.follow_up_blocks:
            self.new_follow_ups.set()
            self.all_relayed.clear()

    @property
    def flushed(self) -> "Home":
        return Home(tuple(self.follow_up_blocks), self._folded)

    async def make_durable(self) -> None:
        raise AssertionError("what is accepted is in the topic")

    async def read_follow_ups(self, offset: int) -> list[FollowUpRow]:
        await asyncio.sleep(0)
        return self.tlog.blocks[offset]


@dataclass(frozen=True)
class Home:
    """What a flush wrote."""

    blocks: tuple[int, ...] = ()
    folded: int = -1


class Stage:
    def __init__(self, seed: int, targets: int) -> None:
        self.random = Random(seed)
        self.theatre = Theatre(self.random)
        self.trace = Trace(now=self.theatre.time)
        self.weather = draw_weather(self.random)
        self.cluster = Cluster(self.theatre, self.random, self.weather, self.trace)
        STAGES.append(self)
        self.targets = targets
        self.tlog = Tlog(self.random, targets)
        self.cluster.create(f"{APP}.intents", targets, {"message.timestamp.type": "LogAppendTime"})

    def begin(self, home: "Home", log_id: bytes = LOG_ID) -> tuple[Process, Owner, TopicRelay]:
        """Another process runs a relay of the source from now on."""
        process = Process(self.theatre, f"owner {self.random.random()}", self.random, new_disk(0, self.trace))
        broker, owner = ModelBroker(self.cluster, process), Owner(self.tlog, list(home.blocks), home.folded)
        genesis = Genesis(log_id, APP, partition_count=self.targets, partition=0)
        relay = TopicRelay(process.world, broker, Appending(broker), genesis, owner)
        return process, owner, relay

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

    def play(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.theatre.play(self.theatre.outside(work))

    def sent_again(self, target: int) -> list[bytes | None]:
        """All that is in a target's topic, as often as it is there."""
        batches = [stored.data for stored in self.cluster.log(TopicPartition(f"{APP}.intents", target)).batches]
        found = list[bytes | None]()
        for data in batches:
            records = read_batches(_plain(data))
            assert all(records.key(index) is None and not records.headers(index) for index in range(len(records)))
            found += [records.value(index) for index in range(len(records))]
        return found

    def counted(self, target: int) -> list[bytes]:
        """What a target counts of it: the next number each time; what it has is a repeat, and a gap is a fault."""
        counted = list[bytes]()
        for value in self.sent_again(target):
            assert value is not None
            number = int(value.split()[1])
            assert number <= len(counted) + 1, f"a gap before {value!r}"
            if number == len(counted) + 1:
                counted.append(value)
        return counted

    def check(self) -> None:
        for target in range(self.targets):
            assert self.counted(target) == self.tlog.sent_to(target)


def _plain(batch: bytes) -> bytes:
    """As the mirror holds it."""
    return b"".join(bytes(each.data) for each in local_form(batch))


async def crashes_and_zombies(stage: Stage) -> None:
    """Owners come one after another; the one before vanishes, or goes on for a while and knows no better."""
    random, home = stage.random, Home()
    for _ in range(random.randint(1, 5)):
        process, owner, relay = stage.begin(home)
        running = process.start(relay.run())
        for _ in range(random.randint(0, 12)):
            stage.tlog.accept()
            owner.look()
            await asyncio.sleep(random.expovariate(1.0) * random.choice((0.001, 0.1, 2 * NOTE_SECONDS)))
        assert not running.done()
        if random.random() < 0.6:
            home = owner.flushed
        await stage.befall(process, running)
        if random.random() < 0.2:
            stage.cluster.notes.clear()  # nobody noted anything for a week
    stage.weather.calm()
    process, _, relay = stage.begin(home)
    process.start(relay.run())
    await relay.until_idle()
    await asyncio.sleep(200)  # what is late lands


@pytest.mark.parametrize("targets", COUNTS)
@pytest.mark.parametrize("seed", range(40))
def test_every_follow_up_counts_once_whatever_becomes_of_relays_and_appends(seed: int, targets: int) -> None:
    stage = Stage(seed, targets)
    stage.play(crashes_and_zombies(stage))
    stage.check()


def calm_stage(targets: int = 3) -> Stage:
    stage = Stage(1, targets)
    stage.weather.calm()
    for _ in range(20):
        stage.tlog.accept()
    return stage


def test_a_relay_begins_behind_what_was_noted_before_it_ended() -> None:
    async def work(stage: Stage) -> list[list[bytes | None]]:
        process, _, relay = stage.begin(Home())
        running = process.start(relay.run())
        await relay.until_idle()
        running.cancel()
        await asyncio.wait([running])
        first = [stage.sent_again(target) for target in range(stage.targets)]
        process, _, relay = stage.begin(Home())  # it has lost its home, and knows of all blocks again
        process.start(relay.run())
        await relay.until_idle()
        assert relay.handed == {target: len(sent) for target, sent in enumerate(first)}
        return first

    stage = calm_stage()
    first = stage.play(work(stage))
    stage.check()
    assert [stage.sent_again(target) for target in range(stage.targets)] == first, "nothing was sent again"


def test_an_idle_relay_notes_what_it_sent_within_a_second() -> None:
    async def work(stage: Stage) -> None:
        process, _, relay = stage.begin(Home())
        process.start(relay.run())
        await relay.until_idle()
        await asyncio.sleep(2 * NOTE_SECONDS)

    stage = calm_stage()
    stage.play(work(stage))
    group, words = f"{APP}.relay-0", LOG_ID.hex()
    expected = {
        (group, TopicPartition(f"{APP}.intents", target)): (len(stage.tlog.sent_to(target)), words)
        for target in range(stage.targets)
    }
    assert stage.cluster.notes == {
        **expected,
        (group, TopicPartition(f"{APP}.tlog", 0)): (max(stage.tlog.blocks) + 1, words),
    }


def test_what_another_log_of_the_same_name_noted_is_not_believed() -> None:
    async def work(stage: Stage) -> None:
        group, words = f"{APP}.relay-0", b"the log before it".hex()
        for at in (TopicPartition(f"{APP}.intents", 0), TopicPartition(f"{APP}.tlog", 0)):
            stage.cluster.notes[group, at] = (1_000_000, words)
        process, _, relay = stage.begin(Home())
        process.start(relay.run())
        await relay.until_idle()

    stage = calm_stage(1)
    stage.play(work(stage))
    stage.check()


def test_a_follower_forgets_what_the_owner_has_noted() -> None:
    async def work(stage: Stage) -> tuple[Owner, TopicRelay]:
        process, owner, relay = stage.begin(Home())
        process.start(relay.follow())
        assert len(owner.follow_up_blocks) == 20
        owning, _, other = stage.begin(Home())
        owning.start(other.run())
        await other.until_idle()
        await asyncio.sleep(2 * LOOK_SECONDS)
        return owner, relay

    stage = calm_stage()
    owner, relay = stage.play(work(stage))
    assert owner.follow_up_blocks == []
    assert relay.handed == {target: len(stage.tlog.sent_to(target)) for target in range(stage.targets)}


def test_who_owns_it_again_goes_on_behind_whoever_owned_it_meanwhile() -> None:
    async def own(relay: TopicRelay, process: Process) -> None:
        running = process.start(relay.run())
        await asyncio.sleep(0.1)
        await relay.until_idle()
        running.cancel()
        await asyncio.wait([running])

    async def work(stage: Stage) -> None:
        owners = [stage.begin(Home()) for _ in range(2)]
        for turn in range(6):
            process, _, relay = owners[turn % 2]
            await own(relay, process)
            for _ in range(5):
                stage.tlog.accept()
            for _, owner, _ in owners:
                owner.look()
        process, _, relay = owners[0]
        await own(relay, process)

    stage = calm_stage()
    stage.play(work(stage))
    stage.check()
    sent = [value for target in range(stage.targets) for value in stage.sent_again(target)]
    assert len(sent) == len(set(sent)), "nothing was sent again"


def test_a_block_that_is_half_sent_stays_to_be_sent() -> None:
    async def work(stage: Stage) -> Owner:
        process, owner, relay = stage.begin(Home())
        stage.weather.lost_before = 1.0
        running = process.start(relay.run())
        await asyncio.sleep(100)
        running.cancel()
        await asyncio.wait([running])
        assert not relay.idle
        return owner

    stage = calm_stage()
    owner = stage.play(work(stage))
    assert len(owner.follow_up_blocks) == 20
    assert stage.cluster.notes == {}

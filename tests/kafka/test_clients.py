"""Clients of topics, in whatever weather: who waits hears what the TLog says, or that it is unknown; ids apply once."""

import asyncio
from collections.abc import Coroutine, Generator
from functools import partial
from random import Random
from typing import Any

import numpy as np
import pytest

from examples.bank import Deposit, Open, app
from mmsb.processors.batching import batch_of
from mmsb.processors.columns import pack_columns
from mmsb.processors.intake import read_batches
from mmsb.processors.receipts import Receipts, receipts_of_block
from mmsb.processors.requests import pack, pack_json
from mmsb.schemas.classes import intent_layout_of
from mmsb.schemas.errors import EnvironmentFailed, OutcomeUnknown
from mmsb.schemas.statuses import Status
from mmsb.state.fold import Fold
from mmsb.streams.kafka.batches.local_form import local_form
from mmsb.streams.kafka.clients.door import KafkaDoor
from mmsb.streams.kafka.cluster.appending import Appending
from mmsb.streams.kafka.cluster.broker import TopicPartition
from mmsb.streams.partition import Partition
from mmsb.streams.tickets import Receipt
from tests.kafka.stepping import Stepper, genesis_batch
from tests.simulation.kafka.client import ModelBroker
from tests.simulation.kafka.model import Cluster
from tests.simulation.kafka.theatre import Process, Theatre, new_disk
from tests.simulation.kafka.weather import Weather, draw_weather
from tests.simulation.world import Trace

BUNDLE = app.bundle()
NAME = app.name
STAGES: list["Stage"] = []  # to be ended


@pytest.fixture(autouse=True)
def ended() -> Generator[None]:
    yield
    while STAGES:
        STAGES.pop().theatre.end()


class Stage:
    """A cluster with the topics of the bank, and processes."""

    def __init__(self, seed: int, partitions: int = 1, weather: Weather | None = None, window: int = 1 << 20) -> None:
        self.random = Random(seed)
        self.theatre = Theatre(self.random)
        self.trace = Trace(now=self.theatre.time)
        self.weather = weather or Weather(self.random, 0.001, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        self.cluster = Cluster(self.theatre, self.random, self.weather, self.trace)
        STAGES.append(self)
        self.partitions = partitions
        self._window = window
        self._owners = 0
        for name in ("intents", "tlog"):
            times = {"message.timestamp.type": "LogAppendTime"} if name == "intents" else {}
            self.cluster.create(f"{NAME}.{name}", partitions, times)

    def play(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.theatre.play(self.theatre.outside(work))

    async def begin(self) -> None:
        """As the first worker does."""
        for number in range(self.partitions):
            at = TopicPartition(f"{NAME}.tlog", number)
            batch = genesis_batch(NAME, number, self.partitions, self._window)
            while await ModelBroker(self.cluster).append(at, batch, 4.0) is None:
                pass

    def process(self, name: str) -> tuple[Process, ModelBroker]:
        process = Process(self.theatre, name, self.random, new_disk(0, self.trace))
        return process, ModelBroker(self.cluster, process)

    def own(self, partition: int = 0) -> tuple[Process, Stepper, "asyncio.Task[None]"]:
        self._owners += 1
        process, broker = self.process(f"owner {self._owners}")
        stepper = Stepper(broker, BUNDLE, NAME, partition, self._owners.to_bytes(16, "little"))
        return process, stepper, process.start(stepper.run())

    def kill(self, process: Process) -> None:
        self.theatre.interrupt(0.0, partial(self.theatre.kill, process))

    def freeze(self, process: Process, seconds: float) -> None:
        self.theatre.interrupt(0.0, partial(self.theatre.freeze, process))
        self.theatre.interrupt(seconds, partial(self.theatre.thaw, process))

    def door(self, name: str = "client") -> tuple[KafkaDoor, Process]:
        process, broker = self.process(name)
        return KafkaDoor(process.world, broker, Appending(broker), NAME, BUNDLE, _nobody), process

    def truth(self, partition: int = 0) -> list[Receipts]:
        """What the TLog says, block by block."""
        records = read_batches(_stored(self.cluster, f"{NAME}.tlog", partition))
        fold = Fold(records.value(0), records.key(0))
        found: list[Receipts] = []
        for index in range(1, len(records)):
            value = fold.read(index, records.key(index), records.value(index)).value
            if value is not None:
                found.append(receipts_of_block(value))
        return found

    def statuses(self, partition: int = 0) -> list[int]:
        return [status for receipts in self.truth(partition) for status in receipts.statuses.tolist()]

    def values(self, partition: int = 0) -> list[bytes | None]:
        """All intents of a topic."""
        records = read_batches(_stored(self.cluster, f"{NAME}.intents", partition))
        return [records.value(index) for index in range(len(records))]


async def _nobody(partition: int) -> Partition[Any]:
    raise AssertionError("nobody reads here")


def _stored(cluster: Cluster, topic: str, partition: int) -> bytes:
    data = b"".join(stored.data for stored in cluster.log(TopicPartition(topic, partition)).batches)
    return b"".join(batch.data for batch in local_form(data))


async def outcome(waited: Any) -> Any:
    try:
        return await waited
    except (OutcomeUnknown, TimeoutError) as error:
        return error


class Load:
    """Many calls at once, and what each of them heard."""

    def __init__(self, door: KafkaDoor, random: Random, name: str) -> None:
        self._door = door
        self._name = name
        self._random = random
        self.singles: list[tuple[bytes, str | None, Any]] = []
        self.columns: list[tuple[bool, Any]] = []

    async def run(self, singles: int, columns: int) -> None:
        calls = [self._single(number) for number in range(singles)]
        calls += [self._columns(number) for number in range(columns)]
        await asyncio.gather(*calls)

    async def _single(self, number: int) -> None:
        random = self._random
        await asyncio.sleep(random.expovariate(1.0) * 3)
        id = f"{self._name} {number}" if random.random() < 0.6 else None
        request = Deposit(random.randrange(8), 1 + number)
        value = (pack_json if random.random() < 0.3 else pack)(request, id=id, actor=f"{self._name} {number}")
        self.singles.append((value, id, await outcome(self._door.submit(value, "settled", None))))

    async def _columns(self, number: int) -> None:
        random = self._random
        await asyncio.sleep(random.expovariate(1.0) * 3)
        count, with_ids = random.choice((1, 10, 40)), random.random() < 0.6
        accounts = np.array([random.randrange(8) for _ in range(count)], np.uint64)
        ids = [f"{self._name} {number} {index}" for index in range(count)] if with_ids else None
        columns = {"account": accounts, "amount": np.arange(count) - 2}
        intents = pack_columns(intent_layout_of(Deposit), columns, ids=ids)
        self.columns.append((with_ids, await outcome(self._door.submit_many(intents))))


async def owning(stage: Stage, partition: int, deaths: int) -> None:
    """One owner after another; some of them do not know that they are none any more."""
    random = stage.random
    for _ in range(deaths):
        process, stepper, _ = stage.own(partition)
        stepper.pause = random.choice((0.0, 0.05))
        await asyncio.sleep(random.expovariate(1.0) * 8)
        if random.random() < 0.6:
            stage.kill(process)
        elif random.random() < 0.5:
            stage.freeze(process, random.expovariate(1.0) * 20)
        await asyncio.sleep(0.001)
    while True:  # a claim may lose against one that comes late
        _, _, running = stage.own(partition)
        await asyncio.wait([running])
        running.result()


@pytest.mark.parametrize("seed", range(40))
def test_all_hear_what_the_tlog_says(seed: int) -> None:
    random = Random(seed)
    partitions = random.choice((1, 1, 3))
    stage = Stage(seed, partitions)
    stage.weather = stage.cluster.weather = draw_weather(random)

    async def submitting(load: Load, door: KafkaDoor, late: float) -> None:
        await asyncio.sleep(late)
        async with door:
            await load.run(30, 4)

    async def main() -> list[Load]:
        await stage.begin()
        owners = [asyncio.create_task(owning(stage, number, 2)) for number in range(partitions)]
        loads, clients = list[Load](), list["asyncio.Task[None]"]()
        for name, late in (("early", 0.0), ("late", random.expovariate(1.0) * 10)):
            door, process = stage.door(name)
            loads.append(Load(door, random, name))
            clients.append(process.start(submitting(loads[-1], door, late)))
        everybody: asyncio.Future[Any] = asyncio.gather(*clients)
        running: list[asyncio.Future[Any]] = [everybody, *owners]
        await asyncio.wait(running, timeout=90.0, return_when=asyncio.FIRST_COMPLETED)
        stage.weather.calm()
        await asyncio.wait(running, timeout=300.0, return_when=asyncio.FIRST_COMPLETED)
        for owner in owners:
            assert not owner.done(), "an owner works on"
            owner.cancel()
        assert everybody.done(), f"{[len(load.singles) + len(load.columns) for load in loads]} calls were answered"
        everybody.result()
        return loads

    for load in stage.play(main()):
        check(stage, load)


def check(stage: Stage, load: Load) -> None:
    truth = {number: _joined(stage.truth(number)) for number in range(stage.partitions)}
    values = {number: stage.values(number) for number in range(stage.partitions)}
    for value, id, heard in load.singles:
        if isinstance(heard, OutcomeUnknown):
            assert id is None, "with an id it is repeated until it is known"
            continue
        assert isinstance(heard, Receipt)
        assert values[heard.partition][heard.offset] == value
        assert truth[heard.partition][heard.offset] == (
            heard.status,
            -1 if heard.first_offset is None else heard.first_offset,
        )
    for with_ids, heard in load.columns:
        if isinstance(heard, OutcomeUnknown):
            assert not with_ids, "with ids they are repeated until it is known"
            continue
        assert isinstance(heard, Receipts)
        where = np.zeros(len(heard), np.int64) if heard.partitions is None else heard.partitions
        rows = zip(where.tolist(), heard.offsets.tolist(), heard.statuses, heard.first_offsets, strict=True)
        for partition, offset, status, first_offset in rows:
            assert truth[partition][offset] == (status, first_offset)
    ids = [(id, heard.status) for _, id, heard in load.singles if id is not None]
    assert len(ids) == len(dict(ids))
    for number in range(stage.partitions):
        applied = [value for value, row in zip(values[number], truth[number], strict=False) if row[0] == Status.APPLIED]
        named = [value for value in applied if value is not None and _has_id(value)]
        assert len(set(named)) == len(named), "an id applies once"


def _has_id(value: bytes) -> bool:
    return b'"@id"' in value if value[:1] == b"{" else bool(value[4] & 1)


def _joined(blocks: list[Receipts]) -> list[tuple[int, int]]:
    rows: list[tuple[int, int]] = []
    for receipts in blocks:
        assert receipts.first == len(rows)
        rows += zip(receipts.statuses.tolist(), receipts.first_offsets.tolist(), strict=True)
    return rows


@pytest.mark.parametrize("seed", range(30))
def test_ownership_comes_and_goes_while_clients_wait(seed: int) -> None:
    """The door's own process owns the partition from time to time, and another one in between."""
    random = Random(seed)
    stage = Stage(seed)
    stage.weather = stage.cluster.weather = draw_weather(random)
    turns = 0

    async def own_here(door: KafkaDoor, process: Process) -> None:
        stepper = Stepper(ModelBroker(stage.cluster, process), BUNDLE, NAME, 0, b"here %11d" % random.getrandbits(30))
        stepper.pause = random.choice((0.0, 0.01))
        stepper.told = partial(door.told, 0)

        def owned(settled: int) -> None:
            nonlocal turns
            turns += 1
            door.owned(0, settled)

        stepper.owns = owned
        await stepper.run()
        if stepper.claimed_at >= 0:
            door.disowned(0, stepper.fold, stepper.claimed_at)

    async def main(load: Load, door: KafkaDoor, process: Process) -> None:
        async with door:
            loading = asyncio.create_task(load.run(40, 6))
            here = asyncio.create_task(own_here(door, process))
            while not loading.done():
                await asyncio.wait([here, loading], timeout=random.expovariate(1.0) * 2, return_when="FIRST_COMPLETED")
                stage.own()
                await asyncio.wait([loading], timeout=random.expovariate(1.0) * 2)
                if random.random() < 0.2:
                    stage.weather.calm()
                await asyncio.wait([here, loading], return_when="FIRST_COMPLETED")
                if here.done():
                    here.result()
                    here = asyncio.create_task(own_here(door, process))
            here.cancel()
            loading.result()

    async def all_of_it() -> Load:
        await stage.begin()
        door, process = stage.door()
        load = Load(door, random, "here")
        await process.start(main(load, door, process))
        return load

    check(stage, stage.play(all_of_it()))
    assert turns


# One thing at a time


def test_nothing_waits_for_an_owner_but_outcomes() -> None:
    """Logged is logged; who waits for more may give up; and leaving waits for nobody who has."""
    stage = Stage(1)

    async def main(door: KafkaDoor) -> None:
        async with door:
            value = pack(Deposit(1, 5))
            assert (await door.submit(value, "logged", None)).offset == 0
            with pytest.raises(OutcomeUnknown, match="within 2 s"):
                await door.submit(value, "settled", 2)
            waiting = asyncio.create_task(door.submit(value, "settled", None))
            await asyncio.sleep(1)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        with pytest.raises(EnvironmentFailed, match="it was closed"):
            await door.submit(value, "settled", None)

    async def all_of_it() -> None:
        await stage.begin()
        door, process = stage.door()
        await process.start(main(door))

    stage.play(all_of_it())
    assert stage.values() == [pack(Deposit(1, 5))] * 3


def test_whoever_is_cancelled_before_it_is_sent_submits_nothing() -> None:
    stage = Stage(2)

    async def main(door: KafkaDoor) -> None:
        async with door:
            calls = [asyncio.create_task(door.submit(pack(Deposit(1, 1 + n)), "logged", None)) for n in range(3)]
            calls[1].cancel()
            await asyncio.sleep(0)
            calls[2].cancel()
            heard = await asyncio.gather(*calls, return_exceptions=True)
            assert [type(each) for each in heard] == [Receipt, asyncio.CancelledError, asyncio.CancelledError]

    async def all_of_it() -> None:
        await stage.begin()
        door, process = stage.door()
        await process.start(main(door))

    stage.play(all_of_it())
    assert len(stage.values()) == 1


def test_what_the_broker_refuses_is_said_to_whoever_submitted_it() -> None:
    stage = Stage(3)

    async def main(door: KafkaDoor) -> None:
        async with door:
            with pytest.raises(EnvironmentFailed, match=r"nothing was submitted: .* at most 1048588 bytes"):
                await door.submit(b"x" * 2_000_000, "settled", None)
            assert (await door.submit(pack(Deposit(1, 5)), "logged", None)).offset == 0

    async def all_of_it() -> None:
        await stage.begin()
        door, process = stage.door()
        await process.start(main(door))

    stage.play(all_of_it())


@pytest.mark.parametrize("columns", [False, True])
def test_what_has_no_id_is_not_sent_twice(columns: bool) -> None:
    stage = Stage(9)
    intents = pack_columns(intent_layout_of(Deposit), {"account": np.ones(3, np.uint64), "amount": 5})

    async def main(door: KafkaDoor) -> Any:
        async with door:
            stage.weather.lost_after = 1.0
            bare = outcome(door.submit_many(intents) if columns else door.submit(pack(Deposit(1, 5)), "logged", None))
            named = asyncio.ensure_future(door.submit(pack(Deposit(1, 6), id="six"), "logged", None))
            heard = await bare
            stage.weather.lost_after = 0.0
            await named
            return heard

    async def all_of_it() -> Any:
        await stage.begin()
        stage.own()
        door, process = stage.door()
        return await process.start(main(door))

    heard = stage.play(all_of_it())
    assert isinstance(heard, OutcomeUnknown)
    assert "it has no id, so it is not sent again" in str(heard)
    assert stage.values().count(pack(Deposit(1, 5))) == (3 if columns else 1)
    assert stage.statuses().count(Status.APPLIED) == (3 if columns else 1) + 1


@pytest.mark.parametrize("known", [True, False])
def test_an_id_is_not_relied_upon_when_it_may_be_forgotten(known: bool) -> None:
    """While an acknowledgement is lost others fill the window, in which ids are remembered."""
    stage = Stage(4, window=1000 if known else 20)

    async def others() -> None:
        broker = ModelBroker(stage.cluster)
        await asyncio.sleep(0.05)  # it has landed, and is not sent again yet
        stage.weather.lost_after = 0.0
        await broker.append(TopicPartition(f"{NAME}.intents", 0), batch_of([b"other"] * 15, 0, 0), 4.0)

    async def main(door: KafkaDoor) -> Any:
        async with door:
            stage.weather.lost_after = 1.0
            appended = asyncio.create_task(others())
            heard = await outcome(door.submit(pack(Deposit(1, 5), id="once"), "settled", None))
            await appended
            return heard

    async def all_of_it() -> Any:
        await stage.begin()
        stage.own()
        door, process = stage.door()
        return await process.start(main(door))

    heard = stage.play(all_of_it())
    assert stage.values().count(pack(Deposit(1, 5), id="once")) == 1 + known
    if known:
        assert (heard.status, heard.first_offset) == (Status.DUPLICATE, 0)
    else:
        assert isinstance(heard, OutcomeUnknown)
        assert "too much was appended meanwhile" in str(heard)


def test_brokers_that_do_not_answer_for_long_stop_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(10)
    monkeypatch.setattr("mmsb.streams.kafka.clients.following.IDLE_SECONDS", 1.0)

    async def fail(*asked: object) -> Any:
        await asyncio.sleep(30)
        raise EnvironmentFailed("expected its leader to answer within 30 s")

    async def main(door: KafkaDoor) -> Any:
        async with door:
            await door.submit(pack(Deposit(1, 4)), "settled", None)
            await asyncio.sleep(10)
            await door.submit(pack(Deposit(1, 5)), "logged", None)  # the TLog goes on, and nobody waits for it
            await asyncio.sleep(10)
            with monkeypatch.context() as outage:
                outage.setattr(ModelBroker, "span", fail)
                outage.setattr(ModelBroker, "committed", fail)
                stage.weather.lost_before = 1.0
                heard = await outcome(door.submit(pack(Deposit(1, 6), id="six"), "settled", None))
                stage.weather.lost_before = 0.0
            assert (await door.submit(pack(Deposit(1, 7)), "settled", None)).status == Status.APPLIED
            return heard

    async def all_of_it() -> Any:
        await stage.begin()
        stage.own()
        door, process = stage.door()
        return await process.start(main(door))

    heard = stage.play(all_of_it())
    assert isinstance(heard, OutcomeUnknown)
    assert "expected its leader to answer within 30 s" in str(heard)


def test_a_topic_without_an_application_is_refused_by_name() -> None:
    async def entering(stage: Stage) -> None:
        door, process = stage.door()
        await process.start(door.__aenter__())

    with pytest.raises(EnvironmentFailed, match=r"bank.tlog/0: expected a TLog, found nothing within 10 s"):
        (stage := Stage(5)).play(entering(stage))
    stage = Stage(6)
    del stage.cluster.topics[f"{NAME}.tlog"]
    with pytest.raises(EnvironmentFailed, match=r"expected the topics of bank, found no bank.tlog: run"):
        stage.play(entering(stage))


def test_a_log_that_was_trimmed_is_gone_on_with_from_what_its_owner_noted() -> None:
    stage = Stage(7)
    at = TopicPartition(f"{NAME}.tlog", 0)

    async def main(door: KafkaDoor, late: KafkaDoor, stepper: Stepper) -> None:
        async with door:
            for number in range(1, 9):
                await door.submit(pack(Deposit(1, number)), "settled", None)
            await asyncio.sleep(1)
            await stepper.note()
        stage.cluster.expire(at, stepper.fold.accepted_at)
        async with late:
            assert late.about.generation == BUNDLE.generation
            assert (await late.submit(pack(Deposit(1, 9)), "settled", None)).offset == 8

    async def all_of_it() -> None:
        await stage.begin()
        _, stepper, _ = stage.own()
        early, process = stage.door()
        await process.start(main(early, stage.door("late")[0], stepper))

    stage.play(all_of_it())
    assert stage.cluster.span(at).first > 5


def test_a_client_from_before_a_trim_gives_up_what_was_removed_and_goes_on() -> None:
    stage = Stage(8)
    at = TopicPartition(f"{NAME}.tlog", 0)

    async def main(door: KafkaDoor, process: Process) -> tuple[Any, Any]:
        async with door:
            await door.submit(pack(Open(1, "ann")), "logged", None)
            lost = asyncio.ensure_future(outcome(door.submit(pack(Deposit(1, 1), id="lost"), "settled", None)))
            await asyncio.sleep(1)
            stage.freeze(process, 60.0)
            await asyncio.sleep(1)
            return await lost, await door.submit(pack(Deposit(1, 2)), "settled", None)

    async def trimming() -> None:
        await asyncio.sleep(5)
        _, stepper, _ = stage.own()
        await asyncio.sleep(5)
        assert stepper.fold.settled == 1
        await stepper.note()
        await asyncio.sleep(1)
        stage.cluster.expire(at, stepper.fold.accepted_at)

    async def all_of_it() -> tuple[Any, Any]:
        await stage.begin()
        door, process = stage.door()
        trimmed = asyncio.create_task(trimming())
        heard = await process.start(main(door, process))
        await trimmed
        return heard

    lost, after = stage.play(all_of_it())
    assert isinstance(lost, OutcomeUnknown)
    assert "the outcome at offset 1 was not heard of" in str(lost)
    assert (after.offset, after.status) == (2, Status.APPLIED)

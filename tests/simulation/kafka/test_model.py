"""Check the model of Kafka: what it promises holds in any weather, and what it may do to its users does happen."""

import asyncio
from collections.abc import Coroutine, Generator
from random import Random
from typing import Any

import pytest

from mmsb.schemas.batches import Record, encode_batch
from mmsb.streams.kafka.cluster.broker import Gone, Refused, TopicPartition
from tests.kafka.contract import CONTRACT, Clause, check
from tests.model.batch import decode_batches
from tests.simulation.kafka.client import ModelBroker
from tests.simulation.kafka.model import Cluster
from tests.simulation.kafka.theatre import Process, Theatre, new_disk
from tests.simulation.kafka.weather import draw_weather
from tests.simulation.world import Trace

AT = TopicPartition("t", 0)
STAGES: list["Stage"] = []  # to be ended


@pytest.fixture(autouse=True)
def ended() -> Generator[None]:
    yield
    while STAGES:
        STAGES.pop().theatre.end()


class Stage:
    def __init__(self, seed: int, append_time: bool = False) -> None:
        random = Random(seed)
        self.theatre = Theatre(random)
        self.trace = Trace(now=self.theatre.time)
        self.weather = draw_weather(random)
        self.cluster = Cluster(self.theatre, random, self.weather, self.trace)
        STAGES.append(self)
        self.cluster.create("t", 2, {"message.timestamp.type": "LogAppendTime"} if append_time else {})

    def process(self, name: str) -> Process:
        return Process(self.theatre, name, Random(name), new_disk(0, self.trace))

    def freeze_and_kill(self, frozen: Process, killed: Process) -> None:
        self.theatre.freeze(frozen)
        self.theatre.kill(killed)

    def play(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.theatre.play(self.theatre.outside(work))


def batch(*values: bytes) -> bytes:
    return encode_batch(0, [Record(None, value, 5) for value in values])


async def append_all(broker: ModelBroker, count: int, heard: dict[int, bytes]) -> None:
    for number in range(count):
        value = b"%d" % number
        offset = await broker.append(AT, batch(value), 5.0)
        if offset is not None:
            assert offset not in heard
            heard[offset] = value


async def read(broker: ModelBroker, until: int) -> list[bytes | None]:
    following, values = broker.follow(AT, 0, "lane"), list[bytes | None]()
    while len(values) < until:
        records = decode_batches((await following.take()).data)
        assert [record.offset for record in records] == list(range(len(values), len(values) + len(records)))
        values += [record.value for record in records]
    return values


@pytest.mark.parametrize("calm", [True, False], ids=["calm", "stormy"])
@pytest.mark.parametrize("clause", CONTRACT, ids=lambda clause: clause.__name__)
def test_it_keeps_what_a_real_cluster_keeps(clause: Clause, calm: bool) -> None:
    stage = Stage(8)
    if calm:
        stage.weather.calm()
    stage.play(check(clause, ModelBroker(stage.cluster), ModelBroker(stage.cluster), "contract"))


@pytest.mark.parametrize("seed", range(30))
def test_what_was_acknowledged_stays_under_its_offset_in_any_weather(seed: int) -> None:
    stage, heard = Stage(seed), dict[int, bytes]()

    async def all_of_it() -> list[bytes | None]:
        broker = ModelBroker(stage.cluster)
        for number in range(5):
            stage.theatre.later(number, stage.cluster.elect, AT)
        await append_all(broker, 20, heard)
        return await read(broker, (await broker.span(AT)).end)

    values = stage.play(all_of_it())
    assert heard
    assert {offset: values[offset] for offset in heard} == heard


def test_appends_are_lost_doubled_and_unheard_of_in_some_seed() -> None:
    lost = doubled = unheard = 0
    for seed in range(30):
        stage, heard = Stage(seed), dict[int, bytes]()
        stage.play(append_all(ModelBroker(stage.cluster), 20, heard))
        there = [record.value for stored in stage.cluster.log(AT).batches for record in decode_batches(stored.data)]
        lost += sum(b"%d" % number not in there for number in range(20))
        doubled += len(there) - len(set(there))
        unheard += len(set(there) - set(heard.values()))
    assert lost
    assert doubled
    assert unheard


def test_a_broker_writes_its_offset_its_epoch_and_where_asked_its_time_into_a_batch() -> None:
    stage = Stage(3, append_time=True)
    stage.weather.calm()

    async def two() -> bytes:
        broker = ModelBroker(stage.cluster)
        assert await broker.append(AT, batch(b"a", b"b"), 5.0) == 0
        stage.cluster.elect(AT)
        assert await broker.append(AT, batch(b"c"), 5.0) == 2
        return (await broker.follow(AT, 2, "lane").take()).data

    records = decode_batches(stage.play(two()))
    assert [(record.offset, record.value) for record in records] == [(2, b"c")]
    assert records[0].time > 10**12, "it is not the producer's 5"


def test_offsets_that_are_not_there_and_batches_that_are_none_are_refused() -> None:
    stage = Stage(4)
    stage.weather.calm()

    async def ask() -> None:
        broker = ModelBroker(stage.cluster)
        await broker.append(AT, batch(b"a"), 5.0)
        with pytest.raises(Gone):
            await broker.follow(AT, 2, "lane").take()
        with pytest.raises(Refused):
            await broker.append(AT, b"no batch", 5.0)
        await broker.trim(AT, 1)
        with pytest.raises(Gone):
            await broker.follow(AT, 0, "lane").take()

    stage.play(ask())


def test_a_frozen_process_does_nothing_and_goes_on_a_killed_one_never_does() -> None:
    stage, ticks = Stage(5), dict[str, list[float]]()

    async def tick(name: str) -> None:
        while True:
            ticks.setdefault(name, []).append(stage.theatre.time())
            await asyncio.sleep(1)

    frozen, killed = stage.process("frozen"), stage.process("killed")
    for process in (frozen, killed):
        process.start(tick(process.name))
    stage.theatre.interrupt(3.5, lambda: stage.freeze_and_kill(frozen, killed))
    stage.theatre.interrupt(10.25, lambda: stage.theatre.thaw(frozen))
    stage.play(asyncio.sleep(12))
    assert ticks["killed"] == [0.0, 1.0, 2.0, 3.0]
    assert ticks["frozen"] == [0.0, 1.0, 2.0, 3.0, 10.25, 11.25]


def test_a_group_gives_every_partition_to_one_and_anew_when_a_member_falls_silent() -> None:
    stage, owned = Stage(6), dict[str, list[frozenset[int] | None]]()
    stage.weather.calm()

    async def member(process: Process) -> None:
        joined = await ModelBroker(stage.cluster, process).join("g", "t", frozenset(), process.name)
        while True:
            given = await joined.next()
            owned.setdefault(process.name, []).append(None if given is None else given.partitions)
            if given is None:
                joined.ready()

    one, two = stage.process("one"), stage.process("two")
    for process in (one, two):
        process.start(member(process))
    stage.theatre.interrupt(20, lambda: stage.theatre.freeze(one))
    stage.theatre.interrupt(60, lambda: stage.theatre.thaw(one))
    stage.play(asyncio.sleep(50))
    assert owned["two"][-1] == frozenset((0, 1))
    stage.play(asyncio.sleep(50))
    last = [owned[name][-1] or frozenset() for name in ("one", "two")]
    assert last[0] | last[1] == {0, 1}
    assert not last[0] & last[1]
    assert None in owned["one"], "it heard that what it had was given to another"


def test_a_seed_repeats_itself() -> None:
    lines = []
    for _ in range(2):
        stage = Stage(7)
        stage.play(append_all(ModelBroker(stage.cluster), 20, {}))
        lines.append(stage.trace.lines)
    assert lines[0] == lines[1]

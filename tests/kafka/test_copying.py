"""A log is copied into topics and back, through a model of Kafka and a real one: records and digest stay the same."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Generator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from examples.bank import Deposit, Open, Transfer, app
from mmsb.processors.batching import RawBatch
from mmsb.schemas.batches import Record, decode_batch, encode_batch
from mmsb.schemas.errors import CorruptState, EnvironmentFailed, InvalidValue, OutcomeUnknown
from mmsb.schemas.statuses import Status
from mmsb.streams.files import RealFiles
from mmsb.streams.folder import INTENTS, TLOG
from mmsb.streams.kafka.batches.local_form import local_form
from mmsb.streams.kafka.cluster.broker import TopicPartition
from mmsb.streams.kafka.copying.copy import Copy, FolderSource, Source, TopicSource, copy
from mmsb.streams.kafka.copying.destinations import (
    Destination,
    FolderDestination,
    MirrorDestination,
    TopicDestination,
)
from mmsb.streams.kafka.copying.resending import Sendable, sendable
from mmsb.streams.kafka.partitions.mirror import is_mirror
from mmsb.streams.kafka.topics import ensure, ensure_for_copying
from mmsb.streams.past.folding import fold_partition
from mmsb.streams.world import RealWorld
from tests.simulation.kafka.client import ModelBroker
from tests.simulation.kafka.model import Cluster
from tests.simulation.kafka.theatre import Theatre
from tests.simulation.kafka.weather import draw_weather
from tests.simulation.world import Trace

LOGS = (INTENTS, TLOG)


class Stage:
    """A model of a cluster in calm weather."""

    def __init__(self) -> None:
        self.theatre = Theatre(Random(1))
        self.weather = draw_weather(Random(3))
        self.weather.calm()
        self.cluster = Cluster(self.theatre, Random(2), self.weather, Trace(now=self.theatre.time))
        self.broker = ModelBroker(self.cluster)

    def copy(self, source: Source, to: Destination, partition: int | None = None) -> Copy:
        told = list[tuple[int, int]]()
        try:
            done: Copy = self.play(copy(source, to, partition, lambda *progress: told.append(progress)))
        finally:
            to.close()
        assert told[-1][0] == told[-1][1]
        return done

    def into_topics(self, data: Path, partition: int | None = None) -> Copy:
        return self.copy(FolderSource(RealFiles(), data), TopicDestination(self.broker, "bank"), partition)

    def into_folder(self, data: Path, partition: int | None = None) -> Copy:
        to = FolderDestination(RealWorld(), data, self.cluster.id)
        return self.copy(TopicSource(self.broker, "bank"), to, partition)

    def play(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.theatre.play(self.theatre.outside(work))

    def records(self, log: str, partition: int = 0) -> list[tuple[int, Record]]:
        batches = self.cluster.log(TopicPartition(f"bank.{log}", partition)).batches
        return records_of([b"".join(batch.data for batch in batches)])

    @property
    def time_type(self) -> str:
        return self.cluster.topics["bank.intents"].settings["message.timestamp.type"]


@pytest.fixture
def stage() -> Generator[Stage]:
    stage = Stage()
    yield stage
    stage.theatre.end()


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three partitions, in which several have sent one by one and many at once."""
    data = tmp_path_factory.mktemp("copied") / "bank"
    asyncio.run(_fill(data))
    return data


async def _fill(data: Path) -> None:
    async with app.run(data=data, partitions=3, interpreted=True) as bank:
        for account in range(1, 40):
            await bank.submit(Open(account, f"owner {account}"), id=f"open-{account}", actor="alice")
        await bank.submit_many(Deposit, {"account": [1 + row % 39 for row in range(3_000)], "amount": 7})
        await bank.submit(Transfer(1, 1, 5_000_000))
    async with app.run(data=data, interpreted=True) as bank:
        await bank.submit(Deposit(5, 5))


def records_of(parts: Sequence[bytes]) -> list[tuple[int, Record]]:
    """All records, each with its offset."""
    found = [decode_batch(bytes(batch.data))[0] for part in parts for batch in local_form(part)]
    return [(records.first + index, record) for records in found for index, record in enumerate(records)]


def in_folder(data: Path, log: str, partition: int = 0) -> list[tuple[int, Record]]:
    async def read() -> list[bytes]:
        tape = FolderSource(RealFiles(), data).tape(partition, log)
        return [bytes(batch.data) async for batch in tape.read(0, (await tape.span()).end)]

    return records_of(asyncio.run(read()))


def digests(data: Path) -> list[bytes]:
    return [fold_partition(RealFiles(), data / str(number)).digest.pack() for number in range(3)]


def test_there_and_back_all_records_and_digests_are_the_same(stage: Stage, bank: Path, tmp_path: Path):
    there = stage.into_topics(bank)
    assert [(part.partition, part.found) for part in there.partitions] == [(0, 0), (1, 0), (2, 0)]
    assert sum(part.intents for part in there.partitions) == 39 + 3_000 + 2
    assert there.missing == []
    assert stage.time_type == "LogAppendTime"
    back = stage.into_folder(tmp_path / "back")
    assert (back.partitions, back.missing) == (there.partitions, [])
    for number in range(3):
        for log in LOGS:
            original = in_folder(bank, log, number)
            assert stage.records(log, number) == original
            assert in_folder(tmp_path / "back", log, number) == original
            assert original
    assert digests(tmp_path / "back") == digests(bank)
    stage.play(ensure(stage.broker, "bank"))


async def _run(data: Path) -> None:
    async with app.run(data=data, interpreted=True):
        pass


def test_a_folder_that_was_copied_is_run_and_goes_on(stage: Stage, bank: Path, tmp_path: Path):
    async def run() -> None:
        async with app.run(data=tmp_path / "back", interpreted=True) as bus:
            assert (await bus.submit(Open(1, "again"))).status == Status.REJECTED
            assert (await bus.submit(Deposit(1, 5))).status == Status.APPLIED

    stage.into_topics(bank)
    stage.into_folder(tmp_path / "back")
    assert not any(is_mirror(RealFiles(), tmp_path / "back" / str(number)) for number in range(3))
    asyncio.run(run())


def test_copying_again_looks_whether_all_is_the_same_and_adds_nothing(stage: Stage, bank: Path, tmp_path: Path):
    first = stage.into_topics(bank)
    stage.into_folder(tmp_path / "back")
    counts = [part.intents + part.tlog for part in first.partitions]
    for again in (stage.into_topics(bank), stage.into_folder(tmp_path / "back")):
        assert [part.found for part in again.partitions] == counts
    assert stage.records(INTENTS) == in_folder(bank, INTENTS)


def test_small_batches_are_sent_together_but_blocks_stay_alone(stage: Stage, bank: Path):
    stage.into_topics(bank)
    intents, tlog = (stage.cluster.log(TopicPartition(f"bank.{log}", 0)).batches for log in LOGS)
    assert len(intents) < 5 < stage.into_topics(bank).partitions[0].intents
    assert all(batch.count == 1 for batch in tlog)


@pytest.mark.parametrize("after", [0, 1, 5, 9])
def test_what_was_cut_short_goes_on_where_it_was(stage: Stage, bank: Path, after: int):
    sent = 0
    append = stage.broker.append

    async def failing(at: TopicPartition, batch: bytes, timeout: float) -> int | None:
        nonlocal sent
        sent += 1
        if sent <= after:
            return await append(at, batch, timeout)
        if sent == after + 1 and after % 2:
            await append(at, batch, timeout)  # it arrived all the same
        return None

    stage.broker.append = failing  # type: ignore[method-assign]
    with pytest.raises(OutcomeUnknown, match="copy again"):
        stage.into_topics(bank)
    assert stage.time_type == "CreateTime"
    with pytest.raises(EnvironmentFailed, match=r"message\.timestamp\.type=LogAppendTime, found CreateTime"):
        stage.play(ensure(stage.broker, "bank"))
    stage.broker.append = append  # type: ignore[method-assign]
    done = stage.into_topics(bank)
    assert bool(sum(part.found for part in done.partitions)) == bool(after)
    assert all(stage.records(log, number) == in_folder(bank, log, number) for number in range(3) for log in LOGS)
    stage.play(ensure(stage.broker, "bank"))


def test_a_folder_that_was_cut_short_is_a_mirror_until_it_is_whole(stage: Stage, bank: Path, tmp_path: Path):
    stage.into_topics(bank)
    data = tmp_path / "back"
    to = FolderDestination(RealWorld(), data, stage.cluster.id)
    write = to.write

    async def failing(partition: int, log: str, batches: Any, told: Any) -> None:
        if (partition, log) == (1, TLOG):
            raise EnvironmentFailed("the disk is full")
        await write(partition, log, batches, told)

    to.write = failing  # type: ignore[method-assign]
    with pytest.raises(EnvironmentFailed, match="the disk is full"):
        stage.copy(TopicSource(stage.broker, "bank"), to)
    assert all(is_mirror(RealFiles(), data / str(number)) for number in range(3))
    with pytest.raises(InvalidValue, match=r"found mirrors of topics in 0, 1, 2: .*copy on: mmsb log copy"):
        asyncio.run(_run(data))
    done = stage.into_folder(data)
    assert [part.found > 0 for part in done.partitions] == [True, True, False]
    assert not any(is_mirror(RealFiles(), data / str(number)) for number in range(3))
    assert digests(data) == digests(bank)


def test_partitions_may_be_copied_one_by_one_and_nobody_runs_some_of_them(stage: Stage, bank: Path):
    assert stage.into_topics(bank, 1).missing == [0, 2]
    assert stage.into_topics(bank, 0).missing == [2]
    assert stage.time_type == "CreateTime"
    assert stage.into_topics(bank, 2).missing == []
    assert stage.time_type == "LogAppendTime"
    with pytest.raises(InvalidValue, match="expected 0 to 2, found 3"):
        stage.into_topics(bank, 3)


@pytest.mark.parametrize("log", LOGS)
def test_a_copy_of_something_else_is_refused_where_it_differs(stage: Stage, bank: Path, log: str):
    stage.into_topics(bank)
    stored = stage.cluster.log(TopicPartition(f"bank.{log}", 2)).batches
    offset, record = stage.records(log, 2)[-1]
    other = Record(record.key, record.value, record.time + 1, record.headers)
    last = decode_batch(stored[-1].data)[0]
    changed = encode_batch(last.first, [*list(last)[:-1], other])
    stored[-1] = type(stored[-1])(stored[-1].base, stored[-1].count, changed)
    with pytest.raises(CorruptState, match=f"expected at offset {offset} the record of .*, found another"):
        stage.into_topics(bank)


def test_a_mirror_for_commands_stays_one_and_is_held_against_the_last_record(stage: Stage, bank: Path, tmp_path: Path):
    def mirror() -> Copy:
        return stage.copy(TopicSource(stage.broker, "bank"), MirrorDestination(RealWorld(), data, stage.cluster.id))

    data = tmp_path / "mirror"
    stage.into_topics(bank)
    first, again = mirror(), mirror()
    assert again.partitions == [replace(each, found=each.intents + each.tlog) for each in first.partitions]
    assert all(is_mirror(RealFiles(), data / str(number)) for number in range(3))
    assert [in_folder(data, log) for log in LOGS] == [stage.records(log) for log in LOGS]
    stored = stage.cluster.log(TopicPartition("bank.tlog", 0)).batches
    another = encode_batch(stored[-1].base, [Record(None, b"another", 1)])
    stored[-1] = type(stored[-1])(stored[-1].base, 1, another)
    with pytest.raises(CorruptState, match=f"expected at offset {stored[-1].base} the record of .*, found another"):
        mirror()


def test_topics_that_have_gone_on_are_refused(stage: Stage, bank: Path):
    stage.into_topics(bank)
    more = encode_batch(0, [Record(None, b"{}", 5)])
    stage.play(stage.broker.append(TopicPartition("bank.intents", 0), more, 5.0))
    with pytest.raises(InvalidValue, match="somebody has gone on with it"):
        stage.into_topics(bank)


def test_somebody_who_writes_meanwhile_is_noticed(stage: Stage, bank: Path):
    append = stage.broker.append

    async def beside(at: TopicPartition, batch: bytes, timeout: float) -> int | None:
        if at.topic.endswith(TLOG):
            await append(at, encode_batch(0, [Record(None, b"mine", 5)]), timeout)
        return await append(at, batch, timeout)

    stage.broker.append = beside  # type: ignore[method-assign]
    with pytest.raises(EnvironmentFailed, match="somebody else writes to this topic"):
        stage.into_topics(bank)


def test_a_trimmed_log_is_moved_by_checkpoint(stage: Stage, bank: Path, tmp_path: Path):
    stage.into_topics(bank)
    stage.cluster.expire(TopicPartition("bank.intents", 1), 1)
    with pytest.raises(EnvironmentFailed, match=r"begins at offset 1; move it by checkpoint: mmsb checkpoint export"):
        stage.into_folder(tmp_path / "back")


@pytest.mark.parametrize("kind", ["control", "transactional"])
def test_what_brokers_take_from_no_producer_is_refused_by_name(stage: Stage, bank: Path, tmp_path: Path, kind: str):
    """It comes out of a topic, but not into one."""
    stage.into_topics(bank)
    intents = stage.cluster.log(TopicPartition("bank.intents", 0))
    intents.append(encode_batch(0, [Record(b"\0\0\0\1", bytes(6), 1)], **{kind: True}), 5)
    intents.high = intents.end
    stage.into_folder(tmp_path / "back")
    assert in_folder(tmp_path / "back", INTENTS) == stage.records(INTENTS)
    other = Stage()
    try:
        with pytest.raises(InvalidValue, match=rf"offset {intents.end - 1}: .* transaction.*mmsb checkpoint export"):
            other.into_topics(tmp_path / "back")
    finally:
        other.theatre.end()


def test_times_that_a_broker_gave_stay(stage: Stage, bank: Path, tmp_path: Path):
    """They stand in the header of a batch, which the next broker would write anew."""
    stage.into_topics(bank)
    late = [Record(b"k", b"{}", time, (("h", b"1"),)) for time in (5, 6, 7)]
    stage.play(stage.broker.append(TopicPartition("bank.intents", 0), encode_batch(0, late), 5.0))
    stage.into_folder(tmp_path / "back")
    times = {record.time for _, record in stage.records(INTENTS)[-3:]}
    assert len(times) == 1
    assert min(times) > 7
    other = Stage()
    try:
        other.into_topics(tmp_path / "back")
        assert other.records(INTENTS) == stage.records(INTENTS) == in_folder(tmp_path / "back", INTENTS)
    finally:
        other.theatre.end()


def test_batches_that_a_topic_does_not_take_are_parted(stage: Stage, bank: Path):
    stage.play(ensure_for_copying(stage.broker, "bank", 3))
    limit = 1_048_576
    stage.into_topics(bank)
    large = encode_batch(0, [Record(None, bytes(200_000), 7)] * 30)
    parts = stage.play(_sendable(large, limit))
    assert [part.count for part in parts] == [3, 4, 4, 4, 3, 4, 4, 4]
    assert all(len(part.data) <= limit for part in parts)
    with pytest.raises(InvalidValue, match=r"fits a batch of 100000 bytes.*max\.message\.bytes"):
        stage.play(_sendable(large, 100_000))


async def _sendable(batch: bytes, limit: int) -> list[Sendable]:
    async def batches() -> AsyncGenerator[RawBatch, None]:
        for each in local_form(batch):
            yield each

    return [part async for part in sendable(batches(), limit, together=False)]


def test_another_applications_topics_are_refused(stage: Stage, bank: Path):
    with pytest.raises(InvalidValue, match="expected the topics of 'bank', whose log it is, found 'shop'"):
        stage.copy(FolderSource(RealFiles(), bank), TopicDestination(stage.broker, "shop"))


def test_a_worker_s_mirror_is_not_copied_into(stage: Stage, bank: Path, tmp_path: Path):
    stage.into_topics(bank)
    for name in ("home", "topic"):
        (tmp_path / "0" / name).mkdir(parents=True)
    with pytest.raises(InvalidValue, match="found a worker's mirror"):
        stage.into_folder(tmp_path)


def test_nothing_is_copied_from_where_nothing_is(stage: Stage, tmp_path: Path):
    with pytest.raises(EnvironmentFailed, match="expected a TLog, found nothing in it"):
        stage.into_topics(tmp_path)

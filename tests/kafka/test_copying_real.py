"""`mmsb log copy` with a real broker: records, times and digests are the same there, and after the way back."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmsb.cli.main import main
from mmsb.schemas.batches import Record, encode_batch
from mmsb.schemas.statuses import Status
from mmsb.streams.files import RealFiles
from mmsb.streams.folder import INTENTS, MARK, TLOG
from mmsb.streams.kafka.cluster.broker import TopicPartition
from mmsb.streams.kafka.cluster.client import open_broker
from mmsb.streams.kafka.copying.copy import FolderSource, Source, TopicSource
from mmsb.streams.kafka.topics import ensure
from mmsb.streams.log import Durable, Log, Mark
from tests.cli.running import objects
from tests.kafka.naming import new_bank
from tests.kafka.test_copying import records_of

Logs = list[list[tuple[int, Record]]]
PARTITIONS = 2


@pytest.fixture
def module(tmp_path: Path) -> Any:
    return new_bank(tmp_path)


@pytest.fixture
def name(module: Any) -> str:
    found: str = module.app.name
    return found


@pytest.fixture
def bank(module: Any, tmp_path: Path) -> Path:
    """What the example has done."""
    data = tmp_path / "data"
    asyncio.run(_fill(module, data))
    return data


async def _fill(module: Any, data: Path) -> None:
    async with module.app.run(data=data, partitions=PARTITIONS, interpreted=True) as bus:
        for account in range(1, 30):
            await bus.submit(module.Open(account, f"owner {account}"), id=f"open-{account}", actor="alice")
        await bus.submit_many(module.Deposit, {"account": [1 + row % 29 for row in range(2_000)], "amount": 7})


async def read_logs(source: Source) -> Logs:
    found: Logs = []
    for partition in range(PARTITIONS):
        for log in (INTENTS, TLOG):
            tape = source.tape(partition, log)
            batches = [bytes(batch.data) async for batch in tape.read(0, (await tape.span()).end)]
            found.append(records_of(batches))
    return found


def in_folder(data: Path) -> Logs:
    return asyncio.run(read_logs(FolderSource(RealFiles(), data)))


def in_topics(url: str, app: str) -> Logs:
    async def read() -> Logs:
        async with open_broker(url) as broker:
            await ensure(broker, app, PARTITIONS)
            return await read_logs(TopicSource(broker, app))

    return asyncio.run(read())


Said = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """What a command says for machines; 0 is what it ends with unless another code is expected."""

    def said(*given: str | Path, code: int = 0) -> list[dict[str, Any]]:
        ended = main([*map(str, given), "--json"])
        captured = capsys.readouterr()
        assert ended == code, captured.err
        return objects(captured.out) if code == 0 else [{"error": captured.err}]

    return said


def test_there_and_back_again(kafka_url: str, name: str, bank: Path, tmp_path: Path, said: Said):
    to, back, original = f"{kafka_url}/{name}", tmp_path / "back", in_folder(bank)
    there = said("log", "copy", bank, to)
    assert [(row["partition"], row["found"], row["missing"]) for row in there] == [(0, 0, []), (1, 0, [])]
    assert in_topics(kafka_url, name) == original
    assert [row["copied"] for row in said("log", "copy", bank, to)] == [0, 0]
    assert [row["copied"] for row in said("log", "copy", to, back)] == [row["copied"] for row in there]
    assert in_folder(back) == original
    assert [row["copied"] for row in said("log", "copy", to, back)] == [0, 0]
    digests = [[row["digest"] for row in said("replay", data)] for data in (bank, back)]
    assert digests[0] == digests[1]
    assert len(set(digests[0])) == PARTITIONS
    said("verify", back)


def test_a_worker_takes_over_what_was_copied(
    kafka_url: str, name: str, module: Any, bank: Path, tmp_path: Path, said: Said
):
    said("log", "copy", bank, f"{kafka_url}/{name}")

    async def run() -> None:
        async with module.app.run(log=kafka_url, data=tmp_path / "worker", interpreted=True) as bus:
            again = await bus.submit(module.Open(1, "somebody else"), id="open-1")
            assert (again.status, again.first_offset is not None) == (Status.DUPLICATE, True)
            before = (await bus.get(module.Account, 1)).balance
            await bus.submit(module.Deposit(1, 5))
            assert (await bus.get(module.Account, 1)).balance == before + 5
            await bus.door.until_working()  # else there may be nothing yet of a partition that nobody has asked

    asyncio.run(run())
    copied, there = in_folder(bank), in_topics(kafka_url, name)
    assert [log[: len(before)] for before, log in zip(copied, there, strict=True)] == copied
    digests = {row["partition"]: row["digest"] for row in said("replay", tmp_path / "worker")}
    said("log", "copy", f"{kafka_url}/{name}", tmp_path / "back")
    assert {row["partition"]: row["digest"] for row in said("replay", tmp_path / "back")} == digests


def test_people_are_told_what_is_there_and_what_is_missing(
    kafka_url: str, name: str, bank: Path, capsys: pytest.CaptureFixture[str]
):
    for partition, words in ((1, "cannot be run yet: copy the other partitions, too (0)"), (0, "is whole after")):
        assert main(["log", "copy", str(bank), kafka_url, "--partition", str(partition)]) == 0
        first, last = capsys.readouterr().out.splitlines()
        assert first.startswith(f"partition {partition}: ")
        assert words in last
    assert main(["log", "copy", str(bank), f"{kafka_url}/{name}"]) == 0
    assert capsys.readouterr().out.count("of them compared and the same") == PARTITIONS


def test_what_came_into_the_topics_comes_into_the_folder_and_into_other_topics(
    kafka_url: str, name: str, bank: Path, tmp_path: Path, said: Said
):
    """Its times are the broker's, and stand in headers."""
    said("log", "copy", bank, f"{kafka_url}/{name}")
    sent = [Record(b"key", b'{"@type": "Deposit"}', time, (("h", b"1"), ("h", None))) for time in (5, 6, 7)]

    async def send() -> None:
        async with open_broker(kafka_url) as broker:
            assert await broker.append(TopicPartition(f"{name}.intents", 0), encode_batch(0, sent), 10.0) is not None

    asyncio.run(send())
    back = tmp_path / "back"
    said("log", "copy", f"{kafka_url}/{name}", back)
    arrived = in_folder(back)[0][-3:]
    assert [(record.key, record.headers) for _, record in arrived] == [(each.key, each.headers) for each in sent]
    assert len({record.time for _, record in arrived}) == 1
    assert arrived[0][1].time > 1_600_000_000_000
    assert in_topics(kafka_url, name) == in_folder(back)
    (refused,) = said("log", "copy", bank, f"{kafka_url}/{name}", code=2)
    assert "somebody has gone on with it" in refused["error"]


def test_times_that_a_topic_would_refuse_are_copied(kafka_url: str, name: str, bank: Path, said: Said):
    """A producer of the embedded log may have had any clock."""
    partition, files = bank / "0", RealFiles()
    mark = Mark.open(files, partition / MARK)
    log = Log.open(files, partition / INTENTS, mark.durable.intents)
    log.mend()
    times = (-1, 0, 1, 4_102_444_800_000, 2**63 - 2)
    log.append(encode_batch(log.end, [Record(None, b"{}", time) for time in times]), log.end, len(times))
    log.sync()
    mark.write(Durable(log.durable, mark.durable.tlog))
    log.close()
    mark.close()
    said("log", "copy", bank, f"{kafka_url}/{name}")
    assert in_topics(kafka_url, name) == in_folder(bank)
    assert tuple(record.time for _, record in in_folder(bank)[0][-5:]) == times

"""What a worker finds when it starts: topics that lost what it needs, or are others; folders that are another's."""

import asyncio
import shutil
import signal
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient  # type: ignore[import-untyped]

import mmsb
from mmsb.streams.kafka.cluster.broker import TopicPartition
from mmsb.streams.kafka.cluster.client import open_broker
from tests.crash.applications import APPLICATIONS
from tests.crash.told import Told
from tests.kafka.cluster import Cluster
from tests.kafka.judging import judge_topics
from tests.kafka.killing import asking
from tests.kafka.working import WAIT_S, Order, Worker, ask, restored_names, until
from tests.simulation.post import Box

pytestmark = pytest.mark.slow

CALLER, CONFLICT, ENVIRONMENT, CORRUPT = 2, 5, 6, 7
CHECKPOINTS_S = "0.5"


@pytest.fixture(autouse=True)
def names() -> Iterator[None]:
    with restored_names():
        yield


@pytest.fixture
def order(kafka_url: str, tmp_path: Path) -> Order:
    return Order(kafka_url, tmp_path / "first", f"recovers-{uuid.uuid4().hex[:12]}", partitions=1)


def work(order: Order, enough: Callable[[], bool] = lambda: True) -> list[Told]:
    """A life that ends in order once some was told, and that is enough; gives what clients heard meanwhile."""
    worker = Worker(order)
    try:
        worker.wait()
        assert "it owns 1 partition behind" in worker.said()
        told = asyncio.run(asyncio.wait_for(_ask(order, enough), WAIT_S))
        worker.stop()
    finally:
        worker.kill()
    return told


async def _ask(order: Order, enough: Callable[[], bool]) -> list[Told]:
    told = list[Told]()
    async with mmsb.connect(order.url, order.named()) as bus:
        openings = APPLICATIONS[order.application].openings
        await asyncio.gather(*(ask(bus, request, f"open-{n}", told.append) for n, request in enumerate(openings)))
        async with asking(order, bus, told):
            while len(told) < 40 or not enough():
                await asyncio.sleep(0.02)
    return told


def refused(order: Order, code: int, *words: str) -> None:
    """It does not start, or does not go on, and says why."""
    worker = Worker(order)
    try:
        assert worker.ended() == code, worker.said()
    finally:
        worker.kill()
    missing = [each for each in words if each not in worker.said()]
    assert not missing, f"{missing} of: {worker.said()}"


def with_folder(order: Order, name: str, *more: str) -> Order:
    return Order(order.url, order.folder.parent / name, order.name, order.application, order.partitions, more)


async def digests(bus: mmsb.Bus) -> list[tuple[int, str]]:
    return [(part.settled, part.digest) for part in (await bus.stats()).partitions]


def trim(order: Order, log: str, offset: int) -> None:
    async def do() -> None:
        async with open_broker(order.url) as broker:
            await broker.trim(TopicPartition(f"{order.name}.{log}", 0), offset)

    asyncio.run(do())


def test_what_retention_removed_is_named_and_a_shared_checkpoint_has_it(order: Order, tmp_path: Path) -> None:
    shared = ("--checkpoints", str(tmp_path / "shared"), "--checkpoint-seconds", CHECKPOINTS_S)

    def found() -> bool:
        """A checkpoint that goes further than what is removed; its name ends with how far."""
        names = [path.stem for path in tmp_path.glob(f"shared/{order.name}/0/*.checkpoint")]
        return any(int(name.split("-")[1]) > 5 for name in names)

    told = work(with_folder(order, "first", *shared), found)
    trim(order, "tlog", 3)
    refused(with_folder(order, "nothing"), ENVIRONMENT, "offset 0", "offset 3", "retention")
    told += work(with_folder(order, "restored", *shared))
    told += work(order)  # its own folder has what it needs
    assert len({each.id for each in told}) > 40


def test_what_the_engine_trims_nobody_misses(order: Order, tmp_path: Path) -> None:
    """Two workers, and one that comes when the log has no begin; a client has followed from the begin on."""
    shared = tmp_path / "shared"
    more = ("--checkpoints", str(shared), "--checkpoint-seconds", CHECKPOINTS_S, "--trim", "--window", "20")
    workers = [Worker(with_folder(order, "first", *more))]
    at = TopicPartition(f"{order.name}.tlog", 0)

    async def main() -> None:
        app, told = order.named(), list[Told]()
        async with mmsb.connect(order.url, app) as bus, open_broker(order.url) as broker:
            await bus.stats()  # it follows from now on
            async with asyncio.timeout(WAIT_S), asking(order, bus, told):
                while (await broker.span(at)).first < 100:
                    await asyncio.sleep(0.1)
                workers[0].kill()
                begun = len(told)
                while len(told) < begun + 20:  # the other has taken over
                    await asyncio.sleep(0.1)
            workers[1].stop()
            for folder in ("first", "second", "third"):
                run = app.run(log=order.url, data=tmp_path / folder, checkpoints=shared, interpreted=True)
                async with run as owner:
                    await owner.get_many(Box, [0])  # it has the partition by then
                    async with asyncio.timeout(WAIT_S):
                        while await digests(owner) != await digests(bus):  # until what was left has settled
                            await asyncio.sleep(0.1)

    try:
        workers[0].wait()
        workers.append(Worker(with_folder(order, "second", *more)))
        workers[1].wait()
        asyncio.run(main())
    finally:
        for worker in workers:
            worker.kill()


@pytest.mark.parametrize("logs", [("intents", "tlog"), ("tlog",), ("intents",)], ids="+".join)
def test_topics_that_were_made_anew_are_refused(order: Order, logs: Sequence[str]) -> None:
    work(order)

    async def remake() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=order.url.removeprefix("kafka://"))
        await admin.start()
        try:
            await admin.delete_topics([f"{order.name}.{log}" for log in logs])
        finally:
            await admin.close()

    asyncio.run(remake())
    refused(order, CORRUPT, "made anew")


def test_a_folder_that_is_lost_is_fetched_again(order: Order, tmp_path: Path) -> None:
    told = work(order)
    shutil.rmtree(order.folder)
    told += work(order)
    judge_topics(order, told, 1, tmp_path)


def test_a_folder_of_another_cluster_is_refused(order: Order, own_kafka: Cluster) -> None:
    work(order)
    elsewhere = Order(own_kafka.url, order.folder, order.name, order.application, order.partitions)
    refused(elsewhere, CALLER, "mirrors other topics; name another data folder")


def test_an_embedded_folder_is_refused(order: Order) -> None:
    async def embedded() -> None:
        async with order.named().run(data=order.folder, interpreted=True) as bus:
            await bus.submit(APPLICATIONS[order.application].openings[0])

    asyncio.run(embedded())
    (order.folder / "0").rename(order.folder / "99")  # which no worker is given: it is refused before any is
    refused(order, CALLER, "found an embedded log; name another data folder, or copy it into the topics: mmsb log copy")


def test_generations_roll_forward_and_back(kafka_url: str, tmp_path: Path) -> None:
    """Two workers, one after the other."""
    name, partitions = f"rolls-{uuid.uuid4().hex[:12]}", 3

    def of(folder: str, generation: int) -> Order:
        return Order(kafka_url, tmp_path / folder, name, "post", partitions, generation=generation)

    told, workers = list[Told](), dict[str, Worker]()

    def start(folder: str, generation: int) -> Worker:
        workers[folder] = Worker(of(folder, generation))
        workers[folder].wait()
        return workers[folder]

    def roll() -> None:
        begun = len(told)
        workers["a"].stop()
        start("a", 2)  # what it had before, at least
        until(lambda: len(told) > begun + 50, "both to go on")
        workers["b"].send(signal.SIGSTOP)  # and now all
        begun = len(told)
        until(lambda: len({each.partition for each in told[begun:]}) == partitions, "the higher to take over")
        workers["b"].send(signal.SIGCONT)
        assert workers["b"].ended() == CONFLICT, workers["b"].said()
        workers["a"].kill()
        lower = Worker(of("b", 1))
        workers["b"] = lower
        assert lower.ended() == CONFLICT, lower.said()
        assert "generation" in lower.said()
        start("b", 3)  # the old code under the next number
        begun = len(told)
        until(lambda: len({each.partition for each in told[begun:]}) == partitions, "the old code to go on")

    async def main() -> None:
        async with mmsb.connect(kafka_url, of("a", 1).named()) as bus:
            await asyncio.gather(
                *(ask(bus, r, f"open-{n}", told.append) for n, r in enumerate(APPLICATIONS["post"].openings))
            )
            async with asking(of("a", 1), bus, told):
                await asyncio.to_thread(roll)

    try:
        start("a", 1)
        start("b", 1)
        asyncio.run(main())
        workers["b"].stop()
    finally:
        for worker in workers.values():
            worker.kill()
    judge_topics(of("c", 4), told, partitions, tmp_path)

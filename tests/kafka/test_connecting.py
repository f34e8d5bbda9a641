"""Clients of a real cluster, whose worker is another process that is killed and frozen."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmsb
from mmsb.processors.requests import pack_json
from tests.kafka.cluster import Cluster
from tests.kafka.counting import Worker, counting

pytestmark = pytest.mark.slow

Start = Callable[..., Worker]


@pytest.fixture
def start(kafka_url: str, tmp_path: Path) -> Iterator[Start]:
    """Workers that end with the test."""
    workers: list[Worker] = []

    def starting(name: str, folder: str = "worker", partitions: int = 1, way: str = "interpreted") -> Worker:
        workers.append(Worker(kafka_url, tmp_path / folder, name, partitions, way))
        return workers[-1]

    yield starting
    for worker in workers:
        if worker.process.poll() is None:
            worker.thaw()
            worker.kill()


def run(what: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(what, 120))


async def balances(bus: mmsb.Bus, page: Any, keys: range) -> list[int]:
    return [0 if found is None else found.balance for found in await bus.get_many(page, keys)]


def test_a_thousand_at_once_and_what_they_read_then(kafka_url: str, start: Start) -> None:
    start("thousand", partitions=3)
    bank = counting("thousand")

    async def main() -> None:
        async with mmsb.connect(kafka_url, bank.app) as bus:
            assert bus.door.about.partition_count == 3
            calls = [bus.submit(bank.Deposit(n % 40, 1 + n), id=f"call {n}") for n in range(1000)]
            receipts = await asyncio.gather(*calls)
            assert {receipt.status for receipt in receipts} == {mmsb.Status.APPLIED}
            assert len({(receipt.partition, receipt.offset) for receipt in receipts}) == 1000
            told = max(receipt.offset for receipt in receipts if receipt.partition == receipts[7].partition)
            assert await bus.reflects(bank.Account, 7) >= told
            expected = [sum(1 + n for n in range(1000) if n % 40 == key) for key in range(40)]
            assert await balances(bus, bank.Account, range(40)) == expected
            again = await bus.submit(bank.Deposit(7, 8), id="call 7")
            assert (again.status, again.first_offset) == (mmsb.Status.DUPLICATE, receipts[7].offset)
            refused = await bus.door.submit(pack_json(bank.Deposit(7, -(10**9))), "settled", 30)
            assert refused.status == mmsb.Status.REJECTED
            assert "balance" in bus.explain(refused)

    run(main())


def test_a_worker_that_is_killed_and_started_again_is_waited_for(kafka_url: str, start: Start) -> None:
    bank = counting("killed")
    worker = start("killed")

    async def main() -> None:
        nonlocal worker
        async with mmsb.connect(kafka_url, bank.app) as bus:
            await bus.submit(bank.Deposit(1, 1))
            for _ in range(3):
                calls = [asyncio.create_task(bus.submit(bank.Deposit(1, 1))) for _ in range(100)]
                await asyncio.sleep(0.02)
                worker.kill()
                calls += [asyncio.create_task(bus.submit(bank.Deposit(1, 1))) for _ in range(100)]
                with pytest.raises((TimeoutError, mmsb.OutcomeUnknown)):
                    await bus.submit(bank.Deposit(2, 1), timeout=0.3)
                given_up = asyncio.create_task(bus.submit(bank.Deposit(2, 1)))
                await asyncio.sleep(0.1)
                given_up.cancel()
                worker = await asyncio.to_thread(start, "killed")
                receipts = await asyncio.gather(*calls)
                assert {receipt.status for receipt in receipts} == {mmsb.Status.APPLIED}
            waited, others = await balances(bus, bank.Account, range(1, 3))
            assert waited == 601
            assert others <= 6

    run(main())


def test_nobody_hears_of_what_a_frozen_worker_wrote_too_late(kafka_url: str, start: Start) -> None:
    """Another takes over from it; whoever waits meanwhile hears what counts, once."""
    bank = counting("frozen")
    frozen = start("frozen", "first")

    async def main() -> None:
        async with mmsb.connect(kafka_url, bank.app) as bus:
            await bus.submit(bank.Deposit(1, 1))
            calls = [asyncio.create_task(bus.submit(bank.Deposit(1, 1))) for _ in range(50)]
            await asyncio.sleep(0)
            frozen.freeze()
            calls += [asyncio.create_task(bus.submit(bank.Deposit(1, 1))) for _ in range(50)]
            await asyncio.to_thread(start, "frozen", "second")
            receipts = await asyncio.gather(*calls)
            frozen.thaw()
            receipts += [await bus.submit(bank.Deposit(1, 1)) for _ in range(20)]
            assert {receipt.status for receipt in receipts} == {mmsb.Status.APPLIED}
            assert len({receipt.offset for receipt in receipts}) == 120
            assert await balances(bus, bank.Account, range(1, 2)) == [121]

    run(main())


def test_brokers_that_die_and_come_back_are_waited_for(own_kafka: Cluster, tmp_path: Path) -> None:
    """With ids everything applies once, though nobody knows what became of the appends that were on their way."""
    bank = counting("outage")
    worker = Worker(own_kafka.url, tmp_path / "worker", "outage")

    async def main() -> None:
        async with mmsb.connect(own_kafka.url, bank.app) as bus:
            await bus.submit(bank.Deposit(1, 1))
            calls = [asyncio.create_task(bus.submit(bank.Deposit(1, 1), id=f"before {n}")) for n in range(50)]
            await asyncio.sleep(0.01)
            own_kafka.kill()
            calls += [asyncio.create_task(bus.submit(bank.Deposit(1, 1), id=f"after {n}")) for n in range(50)]
            await asyncio.sleep(1)
            await asyncio.to_thread(own_kafka.restart)
            receipts = await asyncio.gather(*calls)
            assert {receipt.status for receipt in receipts} <= {mmsb.Status.APPLIED, mmsb.Status.DUPLICATE}
            assert await balances(bus, bank.Account, range(1, 2)) == [101]

    try:
        run(main())
    finally:
        worker.kill()


def test_columns_of_many_intents(kafka_url: str, start: Start) -> None:
    start("columns", way="compiled")
    bank = counting("columns")
    count = 200_000

    async def main() -> None:
        async with mmsb.connect(kafka_url, bank.app) as bus:
            columns = {"account": np.arange(count, dtype=np.uint64) % 1000, "amount": np.arange(count) % 7 - 1}
            receipts = await bus.submit_many(bank.Deposit, columns)
            assert len(receipts) == count
            assert np.array_equal(receipts.offsets, np.arange(count))
            refused = receipts.counts[mmsb.Status.REJECTED]
            pages = [page async for _, page in bus.scan(bank.Account)]
            assert sum(page.moves for page in pages) == count - refused == receipts.counts[mmsb.Status.APPLIED]
            applied = receipts.statuses == int(mmsb.Status.APPLIED)
            assert sum(page.balance for page in pages) == columns["amount"][applied].sum()

    run(main())

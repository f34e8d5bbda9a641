"""What the compose file starts, on one machine and with a kill: workers, a standby, and a load that counts."""

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import mmsb
from examples.bank import Account
from examples.load import ACCOUNTS, Load
from tests.deploy.files import settings
from tests.kafka.working import Order, Worker, restored_names

pytestmark = pytest.mark.slow

RATE: Final = 50


@pytest.fixture(autouse=True)
def names() -> Iterator[None]:
    with restored_names():
        yield


def test_a_worker_is_killed_under_the_load_and_the_balances_add_up(kafka_url: str, tmp_path: Path) -> None:
    said = settings()["compose/bank.toml"]
    order = Order(
        kafka_url, tmp_path / "worker-1", f"bank-{uuid.uuid4().hex[:12]}", "bank", said["partitions"],
        ("--events", said["events"], "--memory", said["memory"]),
    )  # fmt: skip
    standby = Order(kafka_url, tmp_path / "standby", order.name, "bank", order.partitions, (*order.more, "--standby"))
    workers = [Worker(each) for each in (order, standby)]
    try:
        for worker in workers:
            worker.wait()
            assert f"{order.name}.tlog: min.insync.replicas=1" in worker.said(), "also where no terminal is"
        settled, total = asyncio.run(put_under_load(order, workers[0]))
        workers[1].stop()
    finally:
        for worker in workers:
            worker.kill()

    assert settled == total > RATE


async def put_under_load(order: Order, victim: Worker) -> tuple[int, int]:
    """How many deposits settled, and what all accounts hold then."""
    async with mmsb.connect(order.url, order.named()) as bank:
        load = Load(RATE)
        running = asyncio.create_task(load.run(bank))
        await asyncio.sleep(1.5)
        victim.kill()
        await asyncio.sleep(1.5)
        load.stop()
        await running
        pages = await asyncio.gather(*(bank.get(Account, number) for number in range(1, ACCOUNTS + 1)))
        return load.settled, sum(page.balance for page in pages)

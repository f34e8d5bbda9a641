"""What a worker behind a real broker answers over HTTP."""

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import mmsb
from examples.bank import Deposit, Open, Transfer, app
from tests.watching.asking import answers, asked, figures, free_port, labelled, stats_of

WAIT_S = 60


@pytest.fixture
def name() -> Iterator[str]:
    before, app.name = app.name, f"bank-{uuid.uuid4().hex}"
    yield app.name
    app.name = before


def test_a_worker_is_ready_once_it_owns_and_counts_what_it_settles(kafka_url: str, tmp_path: Path, name: str) -> None:
    port = free_port()

    async def check() -> None:
        running = app.run(data=tmp_path, log=kafka_url, partitions=1, interpreted=True, http=str(port))
        async with asyncio.timeout(WAIT_S), running as bank:
            found = await asyncio.to_thread(answers, port)
            assert found[0] == found[2] == 200, "it is alive, and nothing waits"
            await bank.door.until_working()
            assert await asyncio.to_thread(answers, port) == (200, 200, 200)
            await bank.submit(Open(1, "ann"))
            await bank.submit_many(Deposit, {"account": [1] * 100, "amount": [2] * 100})
            await bank.submit(Transfer(1, 2, 5_000))
            metrics = figures((await asked(port, "/metrics"))[1])
            stats = stats_of((await asked(port, "/stats"))[1])
        part = {"partition": "0"}
        assert metrics[labelled("mmsb_partition_owned", **part)] == 1
        assert metrics[labelled("mmsb_intents_settled_total", **part, type="Deposit", status="applied")] == 100
        assert metrics[labelled("mmsb_intents_rejected_total", **part, type="Transfer", code="predicate")] == 1
        assert metrics[labelled("mmsb_settle_seconds_count", **part)] == 102
        assert metrics[labelled("mmsb_settled_offset", **part)] == stats["partitions"][0]["settled"] == 101
        assert stats["app"] == name

    asyncio.run(check())


def test_each_worker_of_a_rolling_upgrade_says_what_it_runs_itself(kafka_url: str, tmp_path: Path, name: str) -> None:
    ports = {1: free_port(), 2: free_port()}

    def run(generation: int) -> mmsb.Bus:
        return app.run(
            data=tmp_path / str(generation), log=kafka_url, partitions=2, interpreted=True, generation=generation,
            http=str(ports[generation]),
        )  # fmt: skip

    async def check() -> None:
        async with asyncio.timeout(WAIT_S), run(1) as old:
            assert list(await old.door.until_working()) == [0, 1]
            async with run(2) as new:
                assert list(await new.door.until_working()) == [1], "partition 0 stays where it is"
                for generation, bus in ((1, old), (2, new)):
                    metrics = (await asked(ports[generation], "/metrics"))[1]
                    assert (
                        f'mmsb_build_info{{app="{name}",version="{mmsb.__version__}",generation="{generation}"'
                        in metrics
                    )
                    assert (await bus.stats()).generation == generation

    asyncio.run(check())

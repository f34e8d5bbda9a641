"""What a worker behind a real broker answers over HTTP."""

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

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

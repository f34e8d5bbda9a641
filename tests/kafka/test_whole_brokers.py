"""Brokers that die, freeze, hand over and come back under workers and clients: both go on, and what was told holds."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kafka.cluster import Cluster
from tests.kafka.killing import Kind, Run, outlive
from tests.kafka.working import restored_names

AWAY_S = 1.0
TIMES = 2


@pytest.fixture(autouse=True)
def names() -> Iterator[None]:
    with restored_names():
        yield


@pytest.mark.slow
def test_a_broker_is_killed_and_comes_back(own_kafka: Cluster, tmp_path: Path) -> None:
    async def happen(run: Run) -> None:
        for _ in range(TIMES):
            await run.more()
            own_kafka.kill()
            await asyncio.sleep(AWAY_S)
            own_kafka.start()
            await asyncio.to_thread(own_kafka.wait)
        await run.more()

    outlive(own_kafka.url, tmp_path, Kind("post", 3, 2), happen)


@pytest.mark.slow
def test_a_broker_freezes_and_wakes_up(own_kafka: Cluster, tmp_path: Path) -> None:
    async def happen(run: Run) -> None:
        await run.more()
        own_kafka.nodes[0].freeze()
        await asyncio.sleep(12.0)  # for longer than an append waits for its answer, and a session
        own_kafka.nodes[0].resume()
        await run.more(again=True)  # it may think that its members were away

    outlive(own_kafka.url, tmp_path, Kind("post", 3, 2), happen)


@pytest.mark.cluster
@pytest.mark.parametrize("how", ["killed", "frozen", "stopped"])
def test_leaders_change(three_brokers: Cluster, tmp_path: Path, how: str) -> None:
    """One after another, so that each partition's leader is among them."""

    async def happen(run: Run) -> None:
        for node in three_brokers.nodes:
            await run.more()
            {"killed": node.kill, "frozen": node.freeze, "stopped": node.stop}[how]()
            await run.more(again=how == "frozen")
            node.resume() if how == "frozen" else node.start()
            await asyncio.to_thread(three_brokers.wait)

    outlive(three_brokers.url, tmp_path, Kind("post", 3, 2), happen)


@pytest.mark.cluster
def test_with_too_few_replicas_nothing_is_told_until_there_are_enough(three_brokers: Cluster, tmp_path: Path) -> None:
    async def happen(run: Run) -> None:
        await run.more()
        for node in three_brokers.nodes[1:]:
            node.freeze()
        await asyncio.sleep(5.0)  # until they are missed
        before = len(run.told)
        await asyncio.sleep(3.0)
        assert len(run.told) == before, "one copy is not what a receipt promises"
        for node in three_brokers.nodes[1:]:
            node.resume()
        await run.more(again=True)

    outlive(three_brokers.url, tmp_path, Kind("post", 3, 2), happen)

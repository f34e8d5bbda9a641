"""What Faust would lose is not lost: where a record is left out its worker ends, and later goes on there."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]

import mmsb
from examples.bank import Account
from examples.bank import app as bank
from mmsb.faust.gaps import Gaps
from mmsb.schemas.errors import EnvironmentFailed
from mmsb.streams.kafka.cluster.broker import TopicPartition
from mmsb.streams.kafka.cluster.client import KafkaBroker, open_broker
from mmsb.streams.kafka.cluster.security import OPEN
from tests.kafka.running import WAIT_S, Program, faust_command, mmsb_command


async def produce(url: str, topic: str, *values: bytes, transaction: str | None = None) -> None:
    async with AIOKafkaProducer(
        bootstrap_servers=url.removeprefix("kafka://"), transactional_id=transaction
    ) as producer:
        if transaction is None:
            for value in values:
                await producer.send_and_wait(topic, value)
            return
        async with producer.transaction():
            for value in values:
                await producer.send_and_wait(topic, value)


def gaps(url: str, broker: KafkaBroker, group: str, *, from_end: bool = False) -> Gaps:
    return Gaps(broker, url, OPEN, group, from_end=from_end, committed_only=False)


def test_a_record_that_is_left_out_is_named_and_a_control_record_is_none(kafka_url: str) -> None:
    async def main() -> None:
        group, at = f"gaps-{uuid4()}", TopicPartition(f"gaps-{uuid4()}", 0)
        async with open_broker(kafka_url) as broker:
            await broker.create(at.topic, 1, 1, {})
            await produce(kafka_url, at.topic, b"0", transaction=group)
            while (await broker.span(at)).end < 2:
                await asyncio.sleep(0.01)  # brokers write a transaction's end, which is 1, a little later
            await produce(kafka_url, at.topic, b"2", b"3", b"4", b"5")
            known = gaps(kafka_url, broker, group)
            for offset in (0, 2, 3, 0, 2):  # some again, as after a rebalance
                await known.check(at, offset)
                known.dealt(at, offset)
            with pytest.raises(
                EnvironmentFailed, match="expected record 4, found that Faust skipped it and went on with 5"
            ):
                await known.check(at, 5)
            with pytest.raises(EnvironmentFailed, match="expected record 0"):
                await gaps(kafka_url, broker, group).check(at, 5)
            await gaps(kafka_url, broker, group, from_end=True).check(at, 5)
            await broker.commit(group, {at: (5, "")})
            await known.check(at, 5)  # another worker has dealt with 4
            await gaps(kafka_url, broker, group).check(at, 5)

    asyncio.run(asyncio.wait_for(main(), 60))


@pytest.mark.slow
def test_a_record_that_its_agent_fails_on_ends_the_worker_and_is_not_passed_over(
    kafka_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"bank-{uuid4()}"
    monkeypatch.setattr(bank, "name", name)
    module, known = "tests.kafka.faust_failing", {"TESTED_KAFKA": kafka_url, "TESTED_NAME": name}
    run = mmsb_command("run", f"{module}:bank", "--log", kafka_url, "--data", "worker", "--interpreted")
    worker = Program("bank", run, tmp_path, known)
    agents: list[Program] = []
    try:
        worker.wait("ready")
        asyncio.run(produce(kafka_url, f"{name}-deposits", b"5", b"7", b"bad", b"11"))
        agents.append(Program("failing", faust_command(module), tmp_path, known))
        assert agents[0].ended() == 1
        assert "/0, offset 2: expected the agent to deal with it, found that it failed there" in agents[0].said()
        assert asyncio.run(account(kafka_url, moves=4)) == 5 + 1 + 7 + 1
        agents.append(Program("mended", faust_command(module), tmp_path, {**known, "MMSB_TEST_MENDED": "1"}))
        assert asyncio.run(account(kafka_url, moves=6)) == 5 + 1 + 7 + 1 + 11 + 1
        assert agents[1].stop() == 0, agents[1].said()
        assert worker.stop() == 0, worker.said()
    finally:
        for program in (worker, *agents):
            program.kill()


async def account(url: str, moves: int) -> int:
    """Its balance, once there were so many deposits."""
    async with asyncio.timeout(WAIT_S), mmsb.connect(url, bank) as bus:
        while True:
            found = [page async for _, page in bus.scan(Account)]
            if found and found[0].moves >= moves:
                assert found[0].moves == moves
                return found[0].balance
            await asyncio.sleep(0.1)

"""A real cluster keeps what mmsb.streams.kafka.cluster.broker promises."""

import asyncio
import uuid

import pytest

from mmsb.streams.kafka.cluster.client import open_broker
from tests.kafka.contract import CONTRACT, Clause, check


@pytest.mark.parametrize("clause", CONTRACT, ids=lambda clause: clause.__name__)
def test_a_real_cluster(kafka_url: str, clause: Clause) -> None:
    async def main() -> None:
        async with open_broker(kafka_url) as broker, open_broker(kafka_url) as other:
            await check(clause, broker, other, f"contract-{uuid.uuid4().hex}")

    asyncio.run(main())

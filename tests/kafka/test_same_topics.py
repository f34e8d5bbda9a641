"""A mirror goes on only with the topics that it mirrored: as many records of others are no less another topic."""

import asyncio
from pathlib import Path

import pytest

from examples.bank import Open
from mmsb.processors.batching import batch_of
from mmsb.processors.requests import pack
from mmsb.schemas.errors import CorruptState
from mmsb.streams.kafka.cluster.broker import TopicPartition
from tests.kafka.small import Lone, lone

OPENS = [pack(Open(number, f"owner {number}")) for number in range(3)]


async def replace_last(bench: Lone, at: TopicPartition) -> None:
    _, count, _ = bench.logs.batches[at].pop()
    await bench.logs.put(at, batch_of([b"another"] * count, 0, 0))


@pytest.mark.parametrize("topic", ["intents", "tlog"])
def test_a_start_says_that_the_last_record_is_another(tmp_path: Path, topic: str) -> None:
    async def check() -> None:
        async with lone(tmp_path) as bench:
            at = TopicPartition(f"{bench.of.app}.{topic}", 0)
            await bench.produce(OPENS)
            await bench.settled(await bench.owner("a"))
            await bench.end()
            await replace_last(bench, at)
            found = (
                f"expected at offset {bench.logs.end(at) - 1} the record that was read from it before, found another"
            )
            with pytest.raises(CorruptState, match=found):
                await bench.replica("a")

    asyncio.run(check())

"""Who begins where an owner noted, and finds a topic that was made anew, says so and does not wait for ever."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from mmsb.schemas.batches import Record, encode_batch
from mmsb.schemas.errors import CorruptState
from mmsb.streams.inbox import Inbox
from mmsb.streams.kafka.clients import following as module
from mmsb.streams.kafka.clients.following import Following
from mmsb.streams.kafka.clients.settling import Settling
from mmsb.streams.kafka.clients.standing import standing_of
from mmsb.streams.kafka.cluster.broker import Span, TopicPartition
from mmsb.streams.world import RealWorld
from tests.kafka.small import Logs
from tests.processors.tlogs import FIRST, Node, Tlog, pay

AT = TopicPartition("till.tlog", 0)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REACH_SECONDS", 0.2)


class Noting(Logs):
    """A TLog of three records, behind which its owner has noted where it stood."""

    def __init__(self) -> None:
        super().__init__()
        self.tlog = Tlog()
        node = Node(self.tlog, b"a" * 16, FIRST)
        node.take()
        node.settle(pay(1, 5))
        words = standing_of(self.tlog.folded(), 1).words()
        assert words is not None
        self._noted = len(self.tlog.records), words

    async def committed(
        self, group: str, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, tuple[int, str]]:
        del group
        return dict.fromkeys(partitions, self._noted)

    async def write(self, *records: int) -> None:
        for key, value in (self.tlog.records[number] for number in records):
            await self.put(AT, encode_batch(0, [Record(key, value, 0)]))


def check(records: Sequence[int], what: Callable[[Following], Awaitable[None]]) -> None:
    """Follow a TLog that has only some of the records."""

    async def main() -> None:
        logs = Noting()
        await logs.write(*records)
        following = Following(RealWorld(), logs, "till", AT, Settling(0, Inbox()))
        try:
            async with asyncio.timeout(10):
                await what(following)
        finally:
            await following.close()

    asyncio.run(main())


async def begin(following: Following) -> None:
    claim = await following.claim()
    assert claim is not None
    assert claim.nonce == b"a" * 16


async def wait_for_an_outcome(following: Following) -> None:
    await following.begin()
    waiting = asyncio.create_task(following.attend())
    try:
        await following.run()
    finally:
        waiting.cancel()


def test_the_claim_in_force_is_known() -> None:
    check([0, 1, 2], begin)


@pytest.mark.parametrize("records", [[0], [0, 1], [0, 2, 1], [0, 0, 0]], ids=str)
def test_a_start_says_that_the_topic_is_another(records: list[int]) -> None:
    with pytest.raises(CorruptState, match="the topic was made anew"):
        check(records, begin)


def test_who_waits_for_an_outcome_hears_that_the_topic_is_another() -> None:
    with pytest.raises(CorruptState, match=r"expected records up to offset 3, .* found 1: the topic was made anew"):
        check([0], wait_for_an_outcome)


def test_a_leader_that_does_not_have_all_yet_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    span, looks = Noting.span, list[int]()

    async def late(self: Noting, at: TopicPartition) -> Span:
        found = await span(self, at)
        looks.append(found.end - (not looks))
        return Span(found.first, looks[-1])

    monkeypatch.setattr(Noting, "span", late)
    check([0, 1, 2], begin)
    assert looks[:2] == [2, 3]

"""What a Broker (streams/kafka/cluster/broker.py) promises, clause by clause: a real cluster and the model of one.

Each clause gets two clients of one cluster, and the name of a topic that nobody else uses. Everything happens within
loop time, so a model may run them in no time at all.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from typing import Final

import pytest

from mmsb.schemas.batches import Record, encode_batch
from mmsb.schemas.errors import EnvironmentFailed
from mmsb.streams.kafka.cluster.broker import Broker, Fetched, Following, Gone, Refused, Span, TopicPartition
from tests.model.batch import decode_batch

TIME_MS: Final = 1_700_000_000_000
APPEND_S: Final = 10.0
PATIENCE_S: Final = 60.0
SETTINGS: Final = {"retention.ms": "-1", "cleanup.policy": "delete", "message.timestamp.type": "CreateTime"}

Clause = Callable[[Broker, Broker, str], Awaitable[None]]


async def check(clause: Clause, broker: Broker, other: Broker, topic: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await clause(broker, other, topic)


async def make(broker: Broker, topic: str, partitions: int = 1, **settings: str) -> TopicPartition:
    changes = {name.replace("_", "."): value for name, value in settings.items()}
    await broker.create(topic, partitions, -1, {**SETTINGS, **changes})
    return TopicPartition(topic, 0)


def batch(*values: bytes) -> bytes:
    return encode_batch(0, [Record(b"key", value, TIME_MS + n) for n, value in enumerate(values)])


async def append(broker: Broker, at: TopicPartition, *values: bytes) -> int:
    """Until it is certain; so it may be there more than once."""
    while (offset := await broker.append(at, batch(*values), APPEND_S)) is None:
        pass
    return offset


def values_of(data: bytes, first: int) -> list[bytes | None]:
    """What whole batches hold from an offset on."""
    found, position = [], 0
    while position < len(data):
        records, position = decode_batch(data, position)
        found += records
    assert all(after.offset == before.offset + 1 for before, after in pairwise(found))
    assert found[0].offset <= first <= found[-1].offset, (found[0].offset, first, found[-1].offset)
    return [record.value for record in found if record.offset >= first]


async def take_values(following: Following, first: int, end: int) -> list[bytes | None]:
    """What lies from one offset to another, or a little further."""
    values: list[bytes | None] = []
    while first + len(values) < end:
        fetched = await following.take()
        assert fetched.span.end >= first + len(values)
        values += values_of(fetched.data, first + len(values))
    return values


async def read(broker: Broker, at: TopicPartition, first: int, end: int, lane: str = "read") -> list[bytes | None]:
    following = broker.follow(at, first, lane)
    try:
        return (await take_values(following, first, end))[: end - first]
    finally:
        following.close()


async def all_clients_see_the_same_cluster(broker: Broker, other: Broker, topic: str) -> None:
    assert broker.cluster == other.cluster != ""


async def topics_are_those_that_are_there(broker: Broker, other: Broker, topic: str) -> None:
    for _ in range(2):
        assert await broker.topics([topic]) == {}, "asking makes none"
    await make(broker, topic, 3)
    assert await other.topics([topic, f"{topic}-no"]) == {topic: 3}


async def a_topic_that_is_there_may_be_made_again(broker: Broker, other: Broker, topic: str) -> None:
    await make(broker, topic, 2, retention_ms="5000000")
    await make(other, topic, 3, retention_ms="6000000")
    assert await broker.topics([topic]) == {topic: 2}
    assert (await broker.settings([topic]))[topic]["retention.ms"] == "5000000"


async def settings_are_those_of_topics_that_are_there(broker: Broker, other: Broker, topic: str) -> None:
    await make(broker, topic)
    found = await other.settings([topic, f"{topic}-no"])
    assert set(found) == {topic}
    assert found[topic]["retention.ms"] == "-1"
    assert {"cleanup.policy", "compression.type", "max.message.bytes", "message.timestamp.type"} <= set(found[topic])


async def altering_leaves_other_settings(broker: Broker, other: Broker, topic: str) -> None:
    await make(broker, topic)
    await other.alter(topic, {"max.message.bytes": "123456"})
    while (settings := (await broker.settings([topic]))[topic])["max.message.bytes"] != "123456":
        await asyncio.sleep(0.01)  # a broker hears of it when its controller tells
    assert settings["retention.ms"] == "-1"


async def an_append_gives_the_offset_that_it_got(broker: Broker, other: Broker, topic: str) -> None:
    at = await make(broker, topic, 2)
    first = await append(broker, at, b"a", b"b", b"c")
    second = await append(other, at, b"d")
    assert second >= first + 3
    assert await read(broker, at, first, first + 3) == [b"a", b"b", b"c"]
    assert await read(broker, at, second, second + 1) == [b"d"]
    assert await read(broker, TopicPartition(topic, 1), await append(broker, TopicPartition(topic, 1), b"e"), 1) == [
        b"e"
    ]


async def a_span_is_of_what_is_there(broker: Broker, other: Broker, topic: str) -> None:
    at = await make(broker, topic)
    assert await broker.span(at) == Span(0, 0)
    first = await append(broker, at, b"a", b"b")
    while (span := await other.span(at)).end < first + 2:
        pass
    assert span == Span(0, first + 2)


async def records_are_followed_unchanged(broker: Broker, other: Broker, topic: str) -> None:
    at = await make(broker, topic)
    following = broker.follow(at, 0, "lane")
    offset = await append(other, at, b"a", b"")
    await take_values(following, 0, offset + 2)
    fetched = await _from(broker, at, offset)
    records, _ = decode_batch(fetched.data, 0)
    assert [(record.key, record.value, record.time) for record in records] == [
        (b"key", b"a", TIME_MS),
        (b"key", b"", TIME_MS + 1),
    ]
    assert records[0].offset == offset


async def brokers_may_say_when_records_came(broker: Broker, other: Broker, topic: str) -> None:
    at = await make(broker, topic, message_timestamp_type="LogAppendTime")
    offset = await append(broker, at, b"a", b"b")
    records, _ = decode_batch((await _from(other, at, offset)).data, 0)
    assert records[0].time == records[1].time not in (TIME_MS, TIME_MS + 1)


async def following_may_begin_within_a_batch(broker: Broker, other: Broker, topic: str) -> None:
    at = await make(broker, topic)
    offset = await append(broker, at, b"a", b"b", b"c", b"d")
    assert await read(other, at, offset + 2, offset + 4) == [b"c", b"d"]


async def what_is_followed_comes_in_order_and_whole(broker: Broker, other: Broker, topic: str) -> None:
    at = await make(broker, topic)
    following = broker.follow(at, 0, "lane")
    offsets = [await append(other, at, *(b"%d %d" % (n, k) for k in range(1 + n % 5))) for n in range(60)]
    end = offsets[-1] + 1 + 59 % 5
    heard = await take_values(following, 0, end)
    for n, offset in enumerate(offsets):
        assert heard[offset : offset + 1 + n % 5] == [b"%d %d" % (n, k) for k in range(1 + n % 5)]


async def a_follower_waits_for_what_comes(broker: Broker, other: Broker, topic: str) -> None:
    at = await make(broker, topic)
    following = broker.follow(at, 0, "lane")
    taking = asyncio.create_task(take_values(following, 0, 1))
    await asyncio.sleep(0.7)
    assert not taking.done()
    await other.append(at, batch(b"a"), APPEND_S)
    assert (await taking)[0] == b"a"


async def cancelling_a_take_loses_nothing(broker: Broker, other: Broker, topic: str) -> None:
    at = await make(broker, topic)
    following = broker.follow(at, 0, "lane")
    for _ in range(5):
        taking = asyncio.create_task(following.take())
        await asyncio.sleep(0.01)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
    offset = await append(other, at, b"a")
    assert (await take_values(following, 0, offset + 1))[-1] == b"a"


async def followers_of_a_lane_do_not_disturb_each_other(broker: Broker, other: Broker, topic: str) -> None:
    await make(broker, topic, 4)
    ats = [TopicPartition(topic, number) for number in range(4)]
    following = [broker.follow(at, 0, "lane") for at in ats]
    following[3].close()
    heard: dict[int, list[bytes | None]] = {}
    for number in (2, 0, 1):
        offset = await append(other, ats[number], b"%d" % number)
        heard[number] = await take_values(following[number], 0, offset + 1)
        assert set(heard[number]) == {b"%d" % number}
    gone = broker.follow(ats[3], 99, "lane")
    with pytest.raises(Gone):
        await gone.take()
    offset = await append(other, ats[2], b"more")
    assert (await take_values(following[2], len(heard[2]), offset + 1))[-1] == b"more"


async def a_follower_that_does_not_take_holds_up_nobody(broker: Broker, other: Broker, topic: str) -> None:
    await make(broker, topic, 2)
    slow, quick = TopicPartition(topic, 0), TopicPartition(topic, 1)
    stalled, following = broker.follow(slow, 0, "lane"), broker.follow(quick, 0, "lane")
    large = bytes(1 << 19)
    ends = [await append(broker, slow, large) + 1 for _ in range(50)]
    offset = await append(broker, quick, b"a")
    assert (await take_values(following, 0, offset + 1))[-1] == b"a"
    assert set(await take_values(stalled, 0, ends[-1])) == {large}


async def a_batch_may_be_larger_than_a_fetch(broker: Broker, other: Broker, topic: str) -> None:
    await make(broker, topic, 3, max_message_bytes="9000000")
    ats = [TopicPartition(topic, number) for number in range(3)]
    following = [broker.follow(at, 0, "lane") for at in ats]
    large = bytes(6 << 20)
    ends = [await append(other, at, large) + 1 for at in ats]
    for followed, end in zip(following, ends, strict=True):
        assert set(await take_values(followed, 0, end)) == {large}


async def what_was_trimmed_is_gone(broker: Broker, other: Broker, topic: str) -> None:
    at = await make(broker, topic)
    for value in (b"a", b"b", b"c"):
        offset = await append(broker, at, value)
    await broker.trim(at, offset)
    assert (await other.span(at)).first == offset
    for first in (0, offset + 5):
        with pytest.raises(Gone) as raised:
            await other.follow(at, first, "lane").take()
        assert raised.value.span == Span(offset, offset + 1)
    assert await read(other, at, offset, offset + 1) == [b"c"]


async def a_topic_that_is_not_there_cannot_be_followed(broker: Broker, other: Broker, topic: str) -> None:
    with pytest.raises(EnvironmentFailed, match=topic):
        await broker.follow(TopicPartition(topic, 0), 0, "lane").take()


async def what_a_broker_refuses_is_not_there(broker: Broker, other: Broker, topic: str) -> None:
    at = await make(broker, topic, max_message_bytes="10000")
    end = await append(broker, at, b"a") + 1
    with pytest.raises(Refused):
        await broker.append(at, batch(bytes(20_000)), APPEND_S)
    assert (await broker.span(at)).end == end
    assert await append(broker, at, b"b") >= end


async def notes_are_kept_by_group_and_partition(broker: Broker, other: Broker, topic: str) -> None:
    await make(broker, topic, 3)
    ats = [TopicPartition(topic, number) for number in range(3)]
    group, another = f"{topic}.notes", f"{topic}.others"
    assert await broker.committed(group, ats) == {}
    await _note(broker, group, {ats[0]: (7, "seven words"), ats[1]: (0, "")})
    await _note(other, another, {ats[2]: (9, "x")})
    assert await other.committed(group, ats) == {ats[0]: (7, "seven words"), ats[1]: (0, "")}
    assert await other.committed(group, ats[1:]) == {ats[1]: (0, "")}
    await _note(other, group, {ats[0]: (3, "less")})
    assert (await broker.committed(group, ats))[ats[0]] == (3, "less"), "the last one counts, not the greatest"


async def a_group_gives_each_partition_to_one_member(broker: Broker, other: Broker, topic: str) -> None:
    await make(broker, topic, 4)
    first = await broker.join(topic, topic, frozenset(), "first")
    assigned = await first.next()
    assert assigned is not None
    assert assigned.partitions == frozenset(range(4))
    second = await other.join(topic, topic, frozenset(), "second")
    assert await first.next() is None, "it is to be shared"
    first.ready()
    shares = [await first.next(), await second.next()]
    assert sorted(number for share in shares if share for number in share.partitions) == list(range(4))
    assert {share.generation for share in shares if share} != {assigned.generation}
    assert all(share and len(share.partitions) == 2 for share in shares)
    await second.leave()
    assert await first.next() is None
    first.ready()
    rest = await first.next()
    assert rest is not None
    assert rest.partitions == frozenset(range(4))
    await first.leave()


async def _from(broker: Broker, at: TopicPartition, offset: int) -> Fetched:
    following = broker.follow(at, offset, "one")
    try:
        return await following.take()
    finally:
        following.close()


async def _note(broker: Broker, group: str, offsets: dict[TopicPartition, tuple[int, str]]) -> None:
    """Until they are kept: notes may get lost."""
    while await broker.committed(group, list(offsets)) != offsets:
        await broker.commit(group, offsets)


CONTRACT: Final[Sequence[Clause]] = (
    all_clients_see_the_same_cluster,
    topics_are_those_that_are_there,
    a_topic_that_is_there_may_be_made_again,
    settings_are_those_of_topics_that_are_there,
    altering_leaves_other_settings,
    an_append_gives_the_offset_that_it_got,
    a_span_is_of_what_is_there,
    records_are_followed_unchanged,
    brokers_may_say_when_records_came,
    following_may_begin_within_a_batch,
    what_is_followed_comes_in_order_and_whole,
    a_follower_waits_for_what_comes,
    cancelling_a_take_loses_nothing,
    followers_of_a_lane_do_not_disturb_each_other,
    a_follower_that_does_not_take_holds_up_nobody,
    a_batch_may_be_larger_than_a_fetch,
    what_was_trimmed_is_gone,
    a_topic_that_is_not_there_cannot_be_followed,
    what_a_broker_refuses_is_not_there,
    notes_are_kept_by_group_and_partition,
    a_group_gives_each_partition_to_one_member,
)
"""All that is promised; what only a real one does (transactions, other programs) is tried elsewhere."""

"""Members of a group on a real broker: they come, go, die, freeze, come back, and never do what they should not."""

import asyncio
import gc
import os
import re
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import pytest
from aiokafka import AIOKafkaConsumer  # type: ignore[import-untyped]

from mmsb.schemas.errors import EnvironmentFailed, InvalidValue
from mmsb.streams.kafka.cluster.coordinator import Coordinator, Patience
from mmsb.streams.kafka.cluster.member import BEAT_SECONDS, GroupMember
from mmsb.streams.kafka.cluster.requests import ask_coordinator, read_coordinator
from tests.kafka.cluster import Cluster, Listener, running_cluster
from tests.kafka.members import (
    PATIENCE,
    SESSION_S,
    Elsewhere,
    Obeying,
    connected,
    make_topic,
    member_of,
    shared,
    until,
)
from tests.kafka.programs import describe_group
from tests.kafka.proxy import Proxy

AT_ONCE_S: Final = 2.0
"""What is not to wait for a session's end; a busy machine takes its time."""


def run(what, seconds=60):
    return asyncio.run(asyncio.wait_for(what, seconds))


@pytest.fixture
def port(kafka_url: str) -> int:
    return int(kafka_url.rpartition(":")[2])


def test_members_come_and_go_and_few_partitions_move(port):
    async def test():
        topic = await make_topic(port, 6)
        async with member_of(port, topic, "a") as a:
            await shared(6, a)
            async with member_of(port, topic, "b") as b:
                await shared(6, a, b)
                assert len(a.has) == len(b.has) == 3
                two = a.has, b.has
                async with member_of(port, topic, "c") as c:
                    await shared(6, a, b, c)
                    assert [len(member.has) for member in (a, b, c)] == [2, 2, 2]
                    assert a.has < two[0]
                    assert b.has < two[1]
                    left = time.monotonic()
                await shared(6, a, b)
                assert max(member.told[-1].at for member in (a, b)) - left < AT_ONCE_S
            await shared(6, a)

    run(test())


def test_what_is_taken_back_is_told_once_before_each_assignment(port):
    async def test():
        topic = await make_topic(port, 3)
        async with member_of(port, topic, "a") as a:
            await shared(3, a)
            for name in ("b", "c", "d"):
                async with member_of(port, topic, name) as other:
                    await shared(3, a, other)
                await shared(3, a)
            told = [told.assignment is None for told in a.told]
            assert told == [index % 2 == 1 for index in range(len(told))]
            generations = [told.assignment.generation for told in a.told if told.assignment]
            assert generations == sorted(set(generations))

    run(test())


def test_one_without_partitions_gets_some_when_another_leaves(port):
    async def test():
        topic = await make_topic(port, 1)
        async with member_of(port, topic, "a") as a:
            await shared(1, a)
            async with member_of(port, topic, "b") as b:
                await shared(1, a, b)
                assert a.has == {0}
                await a.leave()
                left = time.monotonic()
                await shared(1, b)
                assert b.told[-1].at - left < AT_ONCE_S

    run(test())


def test_partitions_go_to_who_prefers_them(port):
    async def test():
        topic = await make_topic(port, 4)
        async with member_of(port, topic, "a") as a, member_of(port, topic, "b", prefers={0, 3}) as b:
            await shared(4, a, b)
            assert b.has == {0, 3}

    run(test())


@pytest.mark.alone
def test_others_hear_soon_that_one_has_left(port):
    async def test():
        topic = await make_topic(port, 2)
        took = []
        async with member_of(port, topic, "a") as a:
            for _ in range(7):
                async with member_of(port, topic, "b") as b:
                    await shared(2, a, b)
                    leaving = time.monotonic()
                await shared(2, a)
                took.append(a.told[-1].at - leaving)
        assert sorted(took)[3] < 2 * BEAT_SECONDS, took

    run(test())


@pytest.mark.slow
def test_what_a_killed_one_had_goes_to_others_when_its_session_is_over(port):
    async def test():
        topic = await make_topic(port, 4)
        async with member_of(port, topic, "a") as a:
            await shared(4, a)
            other = Elsewhere(port, topic, "b")
            try:
                assert len(await other.has()) == 2
                await until(lambda: len(a.has) == 2, a)
                killed = time.monotonic()
                other.signal(signal.SIGKILL)
                await shared(4, a)
                assert SESSION_S - 0.5 < a.told[-1].at - killed < SESSION_S + AT_ONCE_S
            finally:
                other.end()

    run(test())


@pytest.mark.slow
def test_one_that_is_killed_and_started_again_disturbs_nobody(port):
    async def test():
        topic = await make_topic(port, 4)
        async with member_of(port, topic, "a") as a:
            await shared(4, a)
            first = Elsewhere(port, topic, "b")
            try:
                had = await first.has()
                await until(lambda: len(a.has) == 2, a)
                told = list(a.told)
            finally:
                first.end()
            second = Elsewhere(port, topic, "b")
            try:
                assert await second.has() == had
                await asyncio.sleep(SESSION_S + AT_ONCE_S)
                a.check()
                assert a.told == told
            finally:
                second.end()

    run(test())


@pytest.mark.slow
def test_one_that_was_frozen_hears_that_it_has_nothing_and_comes_back(port):
    async def test():
        topic = await make_topic(port, 4)
        async with member_of(port, topic, "a") as a:
            await shared(4, a)
            other = Elsewhere(port, topic, "b")
            try:
                had = await other.has()
                other.signal(signal.SIGSTOP)
                await shared(4, a)
                other.signal(signal.SIGCONT)
                woken = time.monotonic()
                at, words = await other.says()
                assert (words, at - woken < AT_ONCE_S) == ("nothing", True)
                await until(lambda: len(a.has) == 2, a)
                has = await other.has()
                assert (len(has), has & a.has) == (2, frozenset())
                assert had
            finally:
                other.end()

    run(test())


@pytest.mark.slow
def test_one_that_was_frozen_while_others_joined_again_joins_next(port):
    """It is still a member, but the generation that it knows is over."""
    patience = Patience(session=15.0, rest=4.0)

    async def test():
        topic = await make_topic(port, 4)
        async with member_of(port, topic, "a", patience=patience) as a:
            await shared(4, a)
            other = Elsewhere(port, topic, "b", patience)
            try:
                await other.has()
                await until(lambda: len(a.has) == 2, a)
                other.signal(signal.SIGSTOP)
                async with member_of(port, topic, "c", patience=patience) as c:
                    await until(lambda: c.is_told, a, c)
                    other.signal(signal.SIGCONT)
                    woken = time.monotonic()
                    at, words = await other.says()
                    assert (words, at - woken < AT_ONCE_S) == ("nothing", True)
                    has = await other.has()
                    await until(lambda: sorted([*a.has, *c.has, *has]) == [0, 1, 2, 3], a, c)
            finally:
                other.end()

    run(test())


@pytest.mark.slow
def test_of_two_processes_with_one_name_the_older_stops(port):
    async def test():
        topic = await make_topic(port, 2)
        async with member_of(port, topic, "a") as first:
            await shared(2, first)
            async with member_of(port, topic, "a") as second:
                failure = await first.failure()
                assert isinstance(failure, EnvironmentFailed)
                assert "another has joined under it" in str(failure)
                await shared(2, second)
                with pytest.raises(EnvironmentFailed, match="another has joined"):
                    await first.member.next()
                await first.member.leave()
                await asyncio.sleep(SESSION_S)
                second.check()
                assert second.has == {0, 1}

    run(test())


@pytest.mark.slow
def test_others_go_on_without_one_that_never_comes_to_rest(port):
    patience = Patience(SESSION_S, rest=3.0)

    async def test():
        topic = await make_topic(port, 2)
        async with member_of(port, topic, "a", patience=patience) as stuck:
            await shared(2, stuck)
            stuck.ready = False
            begin = time.monotonic()
            async with member_of(port, topic, "b", patience=patience) as b:
                await until(lambda: b.has == {0, 1}, b)
                waited = b.told[-1].at - begin
                assert patience.rest - 0.5 < waited < patience.rest + patience.session + AT_ONCE_S
                assert not stuck.is_told
                stuck.ready = True
                stuck.member.ready()
                await shared(2, stuck, b)

    run(test())


def test_one_that_rests_for_longer_than_a_session_keeps_its_place(port):
    async def test():
        topic = await make_topic(port, 2)
        async with member_of(port, topic, "a") as slow:
            await shared(2, slow)
            had = slow.has
            slow.ready = False
            async with member_of(port, topic, "b") as b:
                await until(lambda: not slow.is_told, slow)
                await asyncio.sleep(1.5 * SESSION_S)
                slow.check()
                assert not b.told
                slow.ready = True
                slow.member.ready()
                await shared(2, slow, b)
                assert slow.has < had

    run(test())


def test_one_leaves_at_once_while_it_waits_for_others_to_join(port):
    async def test():
        topic = await make_topic(port, 2)
        async with member_of(port, topic, "a") as slow:
            await shared(2, slow)
            slow.ready = False
            async with member_of(port, topic, "b"):
                await until(lambda: not slow.is_told, slow)
                await asyncio.sleep(0.3)
                leaving = time.monotonic()
            assert time.monotonic() - leaving < AT_ONCE_S
            slow.member.ready()
            await shared(2, slow)

    run(test())


@pytest.mark.slow
def test_the_tools_of_kafka_show_members_and_how_far_they_are(port):
    async def test():
        topic = await make_topic(port, 2)
        async with member_of(port, topic, "one") as one, member_of(port, topic, "two") as two:
            await shared(2, one, two)
            for member in (one, two):
                assert await member.member.settled(dict.fromkeys(member.has, 0))
            lag, members = await asyncio.gather(
                *(asyncio.to_thread(describe_group, port, topic, *more) for more in ([], ["--members", "--verbose"]))
            )
            for name, member in ("one", one), ("two", two):
                [number] = member.has
                assert re.search(rf"{topic} +{topic} +{number} +0 +0 +0 +{name}-", lag), lag
                assert re.search(rf"{topic} +{name}-\S+ +{name} .* 1 .*{topic}:{number} ", members), members

    run(test())


def test_who_speaks_another_language_is_given_nothing(port):
    async def test():
        topic = await make_topic(port, 3)
        async with member_of(port, topic, "a") as a, connected(port) as client:
            await shared(3, a)
            foreigner = Coordinator(*client, topic, "foreign", PATIENCE)
            _, joined = await foreigner.join("", topic, b"\xffgarbage")
            _, partitions = await foreigner.sync(joined, topic, {})
            assert partitions == frozenset()
            await shared(3, a)
            await foreigner.leave(joined.member)
            foreigner.close()

    run(test())


def test_where_other_programs_have_the_group_it_says_so(port):
    async def test():
        topic = await make_topic(port, 1)
        other = AIOKafkaConsumer(topic, bootstrap_servers=f"127.0.0.1:{port}", group_id=topic)
        await other.start()
        try:
            async with member_of(port, topic, "a") as a:
                failure = await a.failure()
                assert isinstance(failure, EnvironmentFailed)
                assert "another program uses the group's name" in str(failure)
        finally:
            await other.stop()

    run(test())


def test_a_session_that_brokers_do_not_allow_is_refused(port):
    async def test():
        topic = await make_topic(port, 1)
        async with member_of(port, topic, "a", patience=Patience(1e6, 60)) as a:
            assert "group.max.session.timeout.ms" in str(await a.failure())

    run(test())


def test_without_a_topic_it_does_not_start(port):
    async def test():
        async with connected(port) as client:
            member = GroupMember(*client, "nothing", "not-there", (), "a", Patience(0.5, 60))
            with pytest.raises(EnvironmentFailed, match="is it there"):
                await member.start()

    run(test())


@pytest.mark.parametrize("name", ["", "a b", "ü", "x" * 250])
def test_a_name_that_brokers_do_not_take_is_refused(port, name):
    async def test():
        async with connected(port) as client:
            with pytest.raises(InvalidValue, match="1 to 249"):
                GroupMember(*client, "group", "topic", (), name)

    run(test())


@pytest.mark.slow
def test_a_hundred_joins_and_leaves_leave_nothing_behind(port):
    async def test():
        topic = await make_topic(port, 2)
        async with connected(port) as client:
            counts = []
            for count in range(100):
                obeying = Obeying(member := GroupMember(*client, topic, topic, (), "a", PATIENCE))
                await member.start()
                await shared(2, obeying)
                await obeying.leave()
                if count in (10, 99):
                    gc.collect()
                    counts.append((len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))))
            early, late = counts
            assert late <= early

    run(test(), 100)


@pytest.mark.slow
def test_a_coordinator_that_dies_and_comes_back_takes_nothing_back(own_kafka: Cluster):
    [node] = own_kafka.nodes

    async def test():
        topic = await make_topic(node.port, 4)
        async with AsyncExitStack() as stack:
            members = [await stack.enter_async_context(member_of(node.port, topic, name)) for name in ("a", "b")]
            await shared(4, *members)
            told = [list(member.told) for member in members]
            node.kill()
            await asyncio.sleep(1)
            node.start()
            await asyncio.to_thread(node.wait)
            await asyncio.sleep(2 * SESSION_S)
            for member in members:
                member.check()
            assert [member.told for member in members] == told
            members.append(await stack.enter_async_context(member_of(node.port, topic, "c")))
            await shared(4, *members)
            node.kill()
            leaving = time.monotonic()
            await members[0].leave()
            assert time.monotonic() - leaving < PATIENCE.answer + AT_ONCE_S
            node.start()
            await asyncio.to_thread(node.wait)
            await shared(4, *members[1:])

    run(test())


@pytest.mark.slow
def test_a_coordinator_that_freezes_and_wakes_up_gives_everything_out_again(own_kafka: Cluster):
    [node] = own_kafka.nodes

    async def test():
        topic = await make_topic(node.port, 4)
        async with member_of(node.port, topic, "a") as a, member_of(node.port, topic, "b") as b:
            await shared(4, a, b)
            assert a.member.silent_seconds < SESSION_S
            node.freeze()
            await asyncio.sleep(1.5 * SESSION_S)
            assert a.member.silent_seconds > SESSION_S
            node.resume()
            await asyncio.sleep(AT_ONCE_S)
            await shared(4, a, b)
            assert a.member.silent_seconds < SESSION_S

    run(test())


@pytest.mark.cluster
def test_another_broker_coordinates_when_one_is_gone(three_brokers: Cluster):
    async def test():
        port = three_brokers.nodes[0].port
        topic = await make_topic(port, 4)
        async with AsyncExitStack() as stack:
            members = [await stack.enter_async_context(member_of(port, topic, name)) for name in ("a", "b")]
            await shared(4, *members)
            client = await stack.enter_async_context(connected(port))
            answer = await client.connections.ask(client.routes.brokers()[0], "find", ask_coordinator(topic), 5)
            _, at = read_coordinator(answer)
            [coordinator] = [node for node in three_brokers.nodes if node.port == at.port]
            coordinator.kill()
            await asyncio.sleep(1)
            members.append(await stack.enter_async_context(member_of(port, topic, "c")))
            await shared(4, *members)

    run(test())


@pytest.mark.slow
def test_a_connection_that_is_cut_or_falls_silent_takes_nothing_back(programs, tmp_path: Path):
    async def test():
        async with Proxy() as proxy:
            far = Listener("FAR", advertised=proxy.port)
            with running_cluster(tmp_path / "kafka", listeners=[far]) as cluster:
                proxy.target = cluster.nodes[0].ports["FAR"]
                topic = await make_topic(cluster.nodes[0].port, 2)
                async with member_of(proxy.port, topic, "a") as a:
                    await shared(2, a)
                    told = list(a.told)
                    for _ in range(3):
                        proxy.cut()
                        await asyncio.sleep(0.5)
                    proxy.silent = True
                    await asyncio.sleep(SESSION_S / 4)
                    proxy.silent = False  # what was open stays so
                    await asyncio.sleep(2 * SESSION_S)
                    a.check()
                    assert a.told == told
                    async with member_of(cluster.nodes[0].port, topic, "b") as b:
                        await shared(2, a, b)

    run(test())

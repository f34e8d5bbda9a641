"""What a hostile reader found behind Kafka: each test holds a promise that was broken."""

import asyncio
from pathlib import Path

import pytest

from examples.bank import Deposit, Open
from mmsb.processors.batching import batch_of
from mmsb.processors.requests import pack
from mmsb.schemas.errors import CorruptState, Superseded
from mmsb.streams.kafka.cluster.broker import Span, TopicPartition
from mmsb.streams.kafka.partitions import announcing
from mmsb.streams.kafka.partitions import journal as journals
from mmsb.streams.kafka.partitions import mirror as mirrors
from mmsb.streams.kafka.partitions import replica as replicas
from mmsb.streams.kafka.partitions import seat as seats
from mmsb.streams.kafka.partitions.journal import TopicJournal
from mmsb.streams.kafka.partitions.replica import Replica
from mmsb.streams.kafka.partitions.seat import Wanted
from tests.kafka.small import Hand, lone, until

OPENS = [pack(Open(number, f"owner {number}")) for number in range(100)]
DEPOSITS = [pack(Deposit(number, 5)) for number in range(100)]


def test_a_partition_that_went_to_another_steps_no_more(tmp_path: Path) -> None:
    async def check() -> None:
        async with lone(tmp_path) as bench:
            worker, member, task = await bench.owning("a")
            await member.take_back()
            await bench.produce(OPENS)
            await asyncio.sleep(0.1)
            await bench.owner("b")  # it heard of its assignment first
            member.give()
            await until(lambda: not worker.seats[0].owned)
            await asyncio.sleep(0.2)
            assert not task.done(), "it has handed over in order"

    asyncio.run(check())


def test_who_is_at_rest_does_not_look_who_claimed_what_it_may_have_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(journals, "IDLE_SECONDS", 0)

    async def check() -> None:
        async with lone(tmp_path) as bench:
            worker, member, task = await bench.owning("a")
            await member.take_back()
            await bench.owner("b")  # it heard of its assignment first
            await asyncio.sleep(0.2)
            member.give()
            await until(lambda: task.done() or not worker.seats[0].owned)
            assert not task.done(), "it has handed over in order"

    asyncio.run(check())


def test_who_hands_over_while_somebody_asks_lets_that_end_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "IDLE_SECONDS", 0)
    monkeypatch.setattr(replicas, "LOOK_SECONDS", 60)
    monkeypatch.setattr(announcing, "LAST_NOTE_SECONDS", 0.1)
    gate, asked = asyncio.Event(), asyncio.Event()

    async def check() -> None:
        async with lone(tmp_path) as bench:
            worker, member = bench.worker("a", standby=True), Hand()
            task = bench.run(worker, member)
            member.give(0)
            await until(lambda: worker.seats[0].owned)
            replica, span = worker.seats[0].replica, bench.logs.span
            assert replica is not None

            async def slow(at: TopicPartition) -> Span:
                monkeypatch.setattr(bench.logs, "span", span)
                found = await span(at)
                asked.set()
                await gate.wait()
                return found

            monkeypatch.setattr(bench.logs, "span", slow)
            looking = [asyncio.create_task(replica.journal.look()) for _ in range(2)]
            await asked.wait()
            await member.take_back()
            member.give()
            await asyncio.sleep(0.5)
            assert replica.partition.opened.claimed_by is not None, "two would fold at once"
            gate.set()
            await asyncio.gather(*looking)
            other = await bench.owner("b")
            await bench.produce(OPENS)
            await bench.settled(other)
            await until(lambda: task.done() or replica.partition.settled.at == 99)
            assert not task.done()

    asyncio.run(check())


def test_a_zombie_that_finds_much_behind_the_newer_claim_ends_as_superseded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas, "LOOK_SECONDS", 60)  # frozen
    monkeypatch.setattr(mirrors, "GROUP_BYTES", 16_000)  # pieces of 4 MiB are as wrong, and take longer

    async def check() -> None:
        async with lone(tmp_path) as bench:
            worker, _member, task = await bench.owning("a")
            await worker.seats[0].rest()  # frozen
            other = await bench.owner("b")
            for _ in range(40):
                await bench.logs.put(bench.of.tlog, batch_of([bytes(1000)], 0, 0))  # of somebody else
            await bench.produce(OPENS)
            await bench.settled(other)
            worker.seats[0].go_on()
            with pytest.raises(Superseded):
                await asyncio.wait_for(task, 10)

    asyncio.run(check())


def test_a_zombie_that_is_asked_back_while_it_flushes_ends_as_superseded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, flushing, on_disk = asyncio.Event(), asyncio.Event(), asyncio.Event()
    make_durable = TopicJournal.make_durable

    async def look(replica: Replica) -> None:
        await heard.wait()
        raise replica.journal.superseded()

    async def slow(journal: TopicJournal) -> None:
        flushing.set()
        await on_disk.wait()
        await make_durable(journal)

    monkeypatch.setattr(Replica, "_look", look)
    monkeypatch.setattr(TopicJournal, "make_durable", slow)

    async def check() -> None:
        async with lone(tmp_path) as bench:
            worker, member, task = await bench.owning("a")
            replica = worker.seats[0].replica
            assert replica is not None
            await bench.produce(OPENS)
            await bench.settled(replica)
            flush = asyncio.create_task(replica.partition.flushing.flush())
            await flushing.wait()
            member.ask_back()
            await asyncio.sleep(0.1)
            heard.set()
            await asyncio.sleep(0.2)
            on_disk.set()
            with pytest.raises(Superseded):
                await asyncio.wait_for(task, 10)
            await flush

    asyncio.run(check())


def test_a_replica_that_failed_is_closed(tmp_path: Path) -> None:
    async def check() -> None:
        async with lone(tmp_path) as bench:
            _worker, _member, task = await bench.owning("a")
            await bench.owner("b")
            await asyncio.wait([task], timeout=10)
            replica = await bench.replica("a")  # as a start in the same process does
            await replica.close()

    asyncio.run(check())


def test_who_reads_while_a_partition_is_opened_and_goes_gets_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()

    async def check() -> None:
        async with lone(tmp_path) as bench:
            worker, member = bench.worker("a"), Hand()
            start = Replica.start

            async def slow(replica: Replica) -> None:
                await gate.wait()
                await start(replica)

            monkeypatch.setattr(Replica, "start", slow)
            bench.run(worker, member)
            member.give(0)
            await until(lambda: worker.seats[0].wanted == Wanted.OWNING)
            read = asyncio.create_task(worker.replica(0))
            await asyncio.sleep(0.1)
            await member.take_back()
            member.give()
            await until(lambda: worker.seats[0].wanted != Wanted.OWNING)
            gate.set()
            await asyncio.wait_for(read, 3)

    asyncio.run(check())


def test_who_follows_after_it_owned_mirrors_intents(tmp_path: Path) -> None:
    async def check() -> None:
        async with lone(tmp_path) as bench:
            replica = await bench.replica("a")
            running = asyncio.create_task(replica.run())
            await asyncio.sleep(0)
            try:
                await bench.own(replica)
                await replica.rest()
                for number in range(20):
                    await bench.produce(DEPOSITS)
                    while replica.journal.logged < 100 * min(number + 1, 3):  # each of these is fetched alone
                        await asyncio.sleep(0.005)
                await bench.hand_over(replica)
                await until(lambda: replica.journal.logged == 2000, 2)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                await replica.close()

    asyncio.run(check())


def test_who_still_fetches_intents_that_are_settled_does_not_stall(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas, "STALL_SECONDS", 0.5)

    async def check() -> None:
        async with lone(tmp_path) as bench:
            await bench.produce(OPENS)
            await bench.settled(await bench.owner("a"))
            other = await bench.replica("b")  # it has no intents; those that are settled take long to come
            other.partition.opened.intents.begin_at(50)
            watching = asyncio.create_task(other._watch())
            await asyncio.wait([watching], timeout=1.5)
            stalled = watching.done()
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await other.close()
            assert not stalled

    asyncio.run(check())


def test_a_partition_that_cannot_come_to_rest_stops_its_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicas, "STALL_SECONDS", 0.3)
    monkeypatch.setattr(seats, "REST_SECONDS", 0.3)

    async def check() -> None:
        async with lone(tmp_path) as bench:
            _worker, member, task = await bench.owning("a")

            async def unknown(at: TopicPartition, batch: bytes) -> None:
                del at, batch
                await asyncio.sleep(0.05)

            bench.logs.appends = unknown
            await bench.produce(OPENS)
            await asyncio.sleep(0.1)
            member.ask_back()
            await asyncio.wait([task], timeout=3)
            assert task.done()

    asyncio.run(check())


def test_who_lost_a_partition_while_it_claimed_does_not_claim_again(tmp_path: Path) -> None:
    async def check() -> None:
        async with lone(tmp_path) as bench:
            worker, member = bench.worker("a", standby=True), Hand()
            gate, held = asyncio.Event(), asyncio.Event()
            bench.run(worker, member)
            await until(lambda: worker.seats[0].replica is not None)

            async def late(at: TopicPartition, batch: bytes) -> int:
                bench.logs.appends = bench.logs.put
                held.set()
                await gate.wait()
                return await bench.logs.put(at, batch)

            bench.logs.appends = late
            member.give(0)
            await held.wait()
            other = await bench.owner("b")
            member.ask_back()
            await asyncio.sleep(0.1)
            gate.set()
            await asyncio.sleep(1)
            await other.journal.look()
            assert other.fold.accepted_at == other.journal.claimed_at

    asyncio.run(check())


def test_an_idle_owner_whose_tlog_is_made_anew_answers_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "IDLE_SECONDS", 0)

    async def check() -> None:
        async with lone(tmp_path) as bench:
            await bench.produce(OPENS)
            owner = await bench.owner("a")
            await bench.settled(owner)
            await owner.journal.look()
            del bench.logs.batches[bench.of.tlog][-1]
            with pytest.raises(CorruptState, match="the brokers have lost them"):
                await owner.journal.look()

    asyncio.run(check())

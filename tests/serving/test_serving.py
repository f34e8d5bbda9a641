"""A door of another process, through its socket: all that it gives arrives, and nothing that goes wrong is a lie."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples.bank import Transfer
from mmsb.processors.columns import pack_columns
from mmsb.processors.requests import metadata
from mmsb.schemas.classes import layout_of
from mmsb.schemas.errors import EnvironmentFailed, InvalidValue, OutcomeUnknown, Overloaded
from mmsb.schemas.rejections import Code, Rejection
from mmsb.schemas.statuses import Status
from mmsb.streams.door import EventFilter, Position
from mmsb.streams.serving import client as clients
from mmsb.streams.serving import server as servers
from mmsb.streams.serving.address import SOCKET
from mmsb.streams.serving.client import connect
from mmsb.streams.serving.frames import FRAME_BYTES_MAX
from mmsb.streams.serving.reads import PART_BYTES
from mmsb.streams.serving.server import Server
from mmsb.streams.tickets import Receipt
from tests.serving.fake import (
    ABOUT,
    BROKEN,
    DUPLICATE,
    MANIFEST,
    NEVER,
    PAGE,
    REJECTED,
    STATS,
    FakeDoor,
    change,
    event,
    key_of,
    served,
)


def run(what: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(what, 30))


async def drain(stream):
    async for _ in stream:
        """Until it fails."""


def test_a_connection_knows_what_runs_there(tmp_path):
    async def main():
        async with served(tmp_path) as (_, bank):
            assert bank.about == ABOUT

    run(main())


def test_receipts_of_every_kind_arrive(tmp_path):
    async def main():
        async with served(tmp_path) as (_, bank):
            assert await bank.submit(b"", "settled", None) == Receipt(0, 0, Status.APPLIED)
            assert await bank.submit(b"{}", "logged", 5) == Receipt(0, 1)
            rejected = await bank.submit(REJECTED, "settled", 5)
            assert (rejected.status, rejected.rejection) == (Status.REJECTED, Rejection(Code.PREDICATE, type_id=7))
            assert await bank.submit(DUPLICATE, "settled", None) == Receipt(1, 3, Status.DUPLICATE, None, -1)
            assert await bank.submit_nowait(b"now") == Receipt(0, 4, Status.APPLIED)

    run(main())


def test_thousands_at_once_arrive_in_order_also_when_the_owner_has_no_room(tmp_path):
    async def main():
        async with served(tmp_path) as (door, bank):
            for full in (False, True):
                door.full = full
                door.intents.clear()
                calls = (bank.submit(b"%d" % n, "settled", None) for n in range(5_000))
                receipts = await asyncio.gather(*calls)
                assert [receipt.offset for receipt in receipts] == list(range(5_000))
                assert door.intents == [b"%d" % n for n in range(5_000)]

    run(main())


@pytest.mark.parametrize("ids", [False, True])
def test_columns_go_in_chunks_and_come_back_as_one(tmp_path, ids):
    async def main():
        count = 210_000
        columns = {"src": np.arange(count, dtype=np.uint64), "dst": 1, "amount": 2}
        given = np.arange(2 * count, dtype=np.uint64).reshape(-1, 2) if ids else None
        about = metadata("ann", "rent", None, None, None).pack()
        intents = pack_columns(layout_of(Transfer), columns, ids=given, metadata=about)
        async with served(tmp_path) as (door, bank):
            receipts = await bank.submit_many(intents)
            assert receipts.offsets.tolist() == list(range(count))
            assert receipts.counts == {Status.APPLIED: count - count // 3, Status.REJECTED: count // 3}
            assert receipts.rejection(1) == Rejection(Code.PREDICATE, type_id=7)
            assert door.intents[7] == intents.value(7)
            assert door.intents[-1] == intents.value(count - 1)
            assert len(await bank.submit_many(intents.slice(0, 0))) == 0

    run(main())


def test_values_and_numbers_go_in_order(tmp_path):
    async def main():
        async with served(tmp_path) as (door, bank):
            values = [b"%d" % n * (n % 50) or b"{}" for n in range(70_000)]
            receipts = await bank.submit_values(values)
            assert door.intents == values
            assert receipts.offsets.tolist() == list(range(len(values)))
            assert receipts.rejection(1) == Rejection(Code.PREDICATE, type_id=7)
            assert len(await bank.submit_values([])) == 0
            with pytest.raises(InvalidValue, match="FRAME_BYTES_MAX"):
                await bank.submit_values([bytes(FRAME_BYTES_MAX)])
            door.intents.clear()
            columns = {"src": np.arange(50_000, dtype=np.uint64), "dst": 1, "amount": 2}
            intents = pack_columns(layout_of(Transfer), columns, source="a file", numbers=np.arange(1, 50_001))
            assert len(await bank.submit_many(intents)) == len(intents)
            assert door.intents[::4_999] == [intents.value(row) for row in range(0, 50_000, 4_999)]

    run(main())


def test_intents_of_another_bundle_are_refused(tmp_path):
    async def main():
        other = pack_columns(layout_of(Transfer), {"src": 1, "dst": 2, "amount": 3})
        door = FakeDoor()
        door.about = replace(ABOUT, descriptor=replace(ABOUT.descriptor, intents=()))
        async with served(tmp_path, door) as (_, bank):
            with pytest.raises(InvalidValue, match="without an intent of type"):
                await bank.submit_many(other)

    run(main())


def test_reads_of_every_kind_arrive(tmp_path):
    async def main():
        async with served(tmp_path) as (door, bank):
            door.pages = {(PAGE, key_of(n)): (n + 1, bytes([n % 256]) * 1000) for n in range(3_000)}
            found = await bank.get(0, [(PAGE, key_of(n)) for n in range(3_001)])
            assert found == [*door.pages.values(), None]
            assert await bank.get(1, [], 2**40) == []
            assert door.asked == [(0, None), (1, 2**40)]
            _ = [pages async for pages in bank.scan(1, PAGE, -1)]
            assert door.asked.pop() == (1, PAGE, -1)
            with pytest.raises(InvalidValue, match="at: expected an intent offset, or -1"):
                await bank.get(0, [], -2)
            stored = [page async for pages in bank.scan(1, PAGE) for page in pages]
            assert stored == [(key_of(n), n + 1, bytes(40)) for n in range(1_000)]
            changes = await bank.history(1, (PAGE, key_of(1)), 2_000)
            assert (changes, changes.trimmed) == ([change(n) for n in range(2_000, 0, -1)], None)
            assert (await bank.history(1, (PAGE, key_of(1)), 1)).trimmed == 7
            assert door.asked.pop() == (1, (PAGE, key_of(1)), 1)
            assert await bank.blame(1, (PAGE, key_of(1)), 5) == change(5)
            assert await bank.blame(1, (PAGE, key_of(1)), None) == change(1)
            assert await bank.blame(1, (PAGE, key_of(1)), 1_000) is None
            assert door.asked.pop() == (1, (PAGE, key_of(1)), 1_000)
            assert await bank.stats() == STATS
            assert await bank.checkpoint() == [MANIFEST]
            with pytest.raises(InvalidValue, match="partition: expected 0 to 1, found 2"):
                await bank.get(2, [])

    run(main())


@pytest.mark.parametrize("after", [None, Position(-1, 0), Position(17, 3)])
@pytest.mark.parametrize(
    "wanted", [EventFilter(), EventFilter(PAGE), EventFilter(PAGE, key_of(1), (0, 2)), EventFilter(fields=())]
)
def test_events_come_from_where_they_were_asked_for(tmp_path, after, wanted):
    async def main():
        async with served(tmp_path) as (door, bank):
            first = 1 if after is None else max(after.offset, 0) + 1
            seen = []
            stream = bank.events(1, after, wanted)
            async for events in stream:
                seen += events
                if len(seen) >= 1_000:
                    break
            await stream.aclose()
            assert seen == [event(n) for n in range(first, first + len(seen))]
            assert door.asked == [(1, after, wanted)]
            while door.streams:
                await asyncio.sleep(0.01)

    run(main())


@pytest.mark.parametrize("stream", ["events", "scan"])
def test_a_stalled_reader_costs_bounded_memory_and_slows_nobody(tmp_path, stream):
    async def main():
        door = FakeDoor()
        door.body, door.part, door.total = 8_000, 10, 100_000
        async with served(tmp_path, door) as (_, bank):
            stalled = bank.events(0, None, EventFilter()) if stream == "events" else bank.scan(0, PAGE)
            await anext(stalled)
            for _ in range(200):
                await bank.submit(b"", "settled", 5)
            made = door.made
            assert made * door.body < 20 * PART_BYTES
            other = bank.events(0, None, EventFilter())
            for _ in range(50):
                await anext(other)
            await other.aclose()
            await anext(stalled)
            await stalled.aclose()

    run(main())


def test_what_was_not_sent_in_time_was_not_submitted(tmp_path):
    async def main():
        async with served(tmp_path) as (door, bank):
            bank._calls.room.limit = 2_100
            door.stalled = asyncio.Event()
            first = asyncio.create_task(bank.submit(bytes(1_000), "settled", None))
            await asyncio.sleep(0.01)
            with pytest.raises(TimeoutError, match="nothing was submitted"):
                await bank.submit(bytes(1_000), "settled", 0.02)
            with pytest.raises(Overloaded, match="IN_FLIGHT_BYTES_MAX"):
                bank.submit_nowait(bytes(1_000))
            with pytest.raises(OutcomeUnknown, match=r"within 0.02 s.*same id"):
                await bank.submit(b"small", "settled", 0.02)
            door.stalled.set()
            assert (await first).offset == 0
            assert len(door.intents) == 2

    run(main())


def test_a_call_that_is_given_up_is_withdrawn_at_the_owner(tmp_path):
    async def main():
        async with served(tmp_path) as (door, bank):
            for give_up in ("cancel", "timeout", "future"):
                door.withdrawn = 0
                if give_up == "timeout":
                    with pytest.raises(OutcomeUnknown):
                        await bank.submit(NEVER, "settled", 0.02)
                else:
                    waiting = asyncio.ensure_future(bank.submit(NEVER, "settled", 9))
                    call = bank.submit_nowait(NEVER) if give_up == "future" else waiting
                    await asyncio.sleep(0.02)
                    call.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await call
                    waiting.cancel()
                while not door.withdrawn:
                    await asyncio.sleep(0.01)
                while bank._calls.room.taken:
                    await asyncio.sleep(0.01)

    run(main())


def test_more_than_may_be_in_flight_waits_for_its_turn(tmp_path, monkeypatch):
    async def main():
        async with served(tmp_path) as (_, bank):
            bank._calls.room.limit = 10_000
            receipts = await asyncio.gather(*(bank.submit(bytes(n % 3_000), "settled", 20) for n in range(3_000)))
            assert [receipt.offset for receipt in receipts] == list(range(3_000))
            assert bank._calls.room.taken == 0

    run(main())


def test_the_owner_stops_reading_from_a_client_that_has_too_much_in_flight(tmp_path, monkeypatch):
    monkeypatch.setattr("mmsb.streams.serving.session.IN_FLIGHT_BYTES_MAX", 100_000)

    async def main():
        async with served(tmp_path) as (door, greedy):
            door.stalled = asyncio.Event()
            calls = [asyncio.create_task(greedy.submit(bytes(5_000), "settled", None)) for _ in range(1_000)]
            other = await connect(tmp_path)
            await asyncio.sleep(0.3)
            assert len(door.intents) < 200
            await other.get(0, [(PAGE, key_of(1))])
            door.stalled.set()
            assert len(await asyncio.gather(*calls)) == 1_000
            await other.close()

    run(main())


def test_a_bug_of_the_owner_ends_the_call_and_is_heard_of_there(tmp_path):
    async def main():
        heard = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context["message"]))
        async with served(tmp_path) as (door, bank):
            with pytest.raises(OutcomeUnknown, match=r"ZeroDivisionError: a bug.*same id"):
                await bank.submit(BROKEN, "logged", 5)
            with pytest.raises(OutcomeUnknown, match=r"ZeroDivisionError: a bug.*same id"):
                await bank.submit(BROKEN, "settled", 5)
            door.pages = None
            with pytest.raises(EnvironmentFailed, match="AttributeError"):
                await bank.get(0, [(PAGE, key_of(1))])
            assert heard == [f"a client's {kind} failed" for kind in ("SUBMIT_LOGGED", "SUBMIT", "GET")]
            assert (await bank.submit(b"", "settled", 5)).offset == 0

    run(main())


def test_nobody_serves(tmp_path):
    async def main():
        with pytest.raises(EnvironmentFailed, match=r"no process runs this data folder; start one with"):
            await connect(tmp_path)
        with pytest.raises(EnvironmentFailed, match=r"found no folder"):
            await connect(tmp_path / "nothing")

    run(main())


def test_the_socket_is_its_users_alone_and_goes_with_its_server(tmp_path):
    async def main():
        async with Server(FakeDoor(), tmp_path):
            assert (tmp_path / SOCKET).stat().st_mode & 0o777 == 0o600
        assert not (tmp_path / SOCKET).exists()

    run(main())


def test_the_socket_of_a_killed_owner_is_replaced(tmp_path):
    async def main():
        from mmsb.streams.serving import address

        address.listen(tmp_path).close()
        assert (tmp_path / SOCKET).exists()
        with pytest.raises(EnvironmentFailed, match="no process runs"):
            await connect(tmp_path)
        async with served(tmp_path) as (_, bank):
            await bank.submit(b"", "settled", 5)

    run(main())


def test_a_path_longer_than_the_kernel_takes_works(tmp_path):
    async def main():
        folder: Path = tmp_path / ("long" * 30) / ("longer" * 20)
        folder.mkdir(parents=True)
        with pytest.raises(EnvironmentFailed, match="no process runs"):
            await connect(folder)
        async with served(folder) as (_, bank):
            assert (folder / SOCKET).exists()
            await bank.submit(b"", "settled", 5)
        assert not (folder / SOCKET).exists()

    run(main())


def test_a_stranger_is_told_to_go(tmp_path, monkeypatch):
    monkeypatch.setattr("mmsb.streams.serving.address.may_connect", lambda connection: False)

    async def main():
        async with Server(FakeDoor(), tmp_path):
            with pytest.raises(EnvironmentFailed, match="only the user who runs"):
                await connect(tmp_path)

    run(main())


def test_one_client_too_many_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setattr(servers, "CONNECTIONS_MAX", 2)

    async def main():
        async with Server(FakeDoor(), tmp_path):
            first, second = await connect(tmp_path), await connect(tmp_path)
            with pytest.raises(Overloaded, match="CONNECTIONS_MAX"):
                await connect(tmp_path)
            await first.close()
            third = await connect(tmp_path)
            await third.submit(b"", "settled", 5)
            await second.close()
            await third.close()

    run(main())


def test_an_owner_that_does_not_answer_is_not_waited_for_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(clients, "HELLO_SECONDS", 0.05)

    async def main():
        from mmsb.streams.serving import address

        listener = address.listen(tmp_path)
        with pytest.raises(EnvironmentFailed, match="did not answer"):
            await connect(tmp_path)
        listener.close()

    run(main())


def test_when_the_owner_goes_nothing_waits_and_nothing_lies(tmp_path):
    async def main():
        async with Server(FakeDoor(), tmp_path) as server:
            bank = await connect(tmp_path)
            bank._calls.room.limit = 3_000
            submitted = [asyncio.create_task(bank.submit(NEVER + bytes(n), "settled", None)) for n in (0,)]
            waiting = asyncio.create_task(bank.submit(bytes(2_990), "settled", None))
            stream = bank.events(0, None, EventFilter())
            await anext(stream)
            await asyncio.sleep(0.01)
            for session in list(server._sessions):
                session.abort()
            with pytest.raises(OutcomeUnknown, match=r"start it again.*same id"):
                await submitted[0]
            with pytest.raises(EnvironmentFailed, match="nothing was submitted"):
                await waiting
            with pytest.raises(EnvironmentFailed, match="start it again"):
                await drain(stream)
            with pytest.raises(EnvironmentFailed, match="start it again"):
                await bank.submit(b"", "settled", None)
            with pytest.raises(EnvironmentFailed, match="start it again"):
                await bank.get(0, [])
            with pytest.raises(EnvironmentFailed, match="start it again"):
                bank.submit_nowait(b"")
            await bank.close()

    run(main())


def test_a_server_that_closes_answers_what_it_took(tmp_path):
    async def main():
        door = FakeDoor()
        door.stalled = asyncio.Event()
        async with Server(door, tmp_path):
            bank = await connect(tmp_path)
            calls = [asyncio.create_task(bank.submit(b"%d" % n, "settled", None)) for n in range(100)]
            stream = bank.events(0, None, EventFilter())
            await anext(stream)
            asyncio.get_running_loop().call_later(0.1, door.stalled.set)
        assert [(await call).offset for call in calls] == list(range(100))
        with pytest.raises(EnvironmentFailed, match="the owner of the folder stops"):
            await drain(stream)
        with pytest.raises(EnvironmentFailed):
            await bank.submit(b"", "settled", None)
        assert not door.streams

    run(main())


def test_closing_a_connection_waits_for_what_was_submitted(tmp_path):
    async def main():
        door = FakeDoor()
        door.stalled = asyncio.Event()
        async with Server(door, tmp_path):
            bank = await connect(tmp_path)
            call = bank.submit_nowait(b"x")
            asyncio.get_running_loop().call_later(0.05, door.stalled.set)
            await bank.close()
            assert (await call).status == Status.APPLIED
            with pytest.raises(EnvironmentFailed, match="was closed"):
                await bank.submit(b"", "settled", None)

    run(main())

"""Processors over async iterators, in the process of the engine."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

import mmsb
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.statuses import Status
from mmsb.streams.edges import attempting, packing, strand
from mmsb.streams.edges.declaring import POSITION_MAX
from mmsb.streams.edges.delivering import Counts
from tests.edges.tally import Count, Tally, fresh_app

APPLIED, REJECTED, DUPLICATE = Status.APPLIED, Status.REJECTED, Status.DUPLICATE


def numbers(count: int, *, first: int = 0) -> Callable[[], AsyncIterator[tuple[int, Any]]]:
    async def iterate() -> AsyncIterator[tuple[int, Any]]:
        for position in range(first, first + count):
            yield position, position

    return iterate


def run(folder: Path, app: mmsb.App, act: Callable[[mmsb.Bus], Awaitable[None]], partitions: int = 1) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), app.run(data=folder / "data", interpreted=True, partitions=partitions) as bus:
            await act(bus)

    asyncio.run(main())


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def rejects(tmp_path: Path) -> Path:
    return tmp_path / "rejects.jsonl"


@pytest.mark.parametrize("partitions", [1, 3])
def test_what_is_done_side_by_side_is_submitted_in_the_order_of_the_source(tmp_path, rejects, partitions):
    app, random, running, most = fresh_app(), Random(5), [0], [0]

    @app.processor(source=numbers(500), rejects=rejects, concurrency=20)
    async def place(message):
        running[0] += 1
        most[0] = max(most[0], running[0])
        await asyncio.sleep(random.random() / 500)
        running[0] -= 1
        return [Count(message.value % 7, message.value), Count(100, 1)] if message.value % 3 else None

    async def act(bus):
        counts = await bus.process(place)
        assert counts == {"place": Counts(500, 0, {APPLIED: 2 * 333})}
        for key in range(7):
            wanted = [n for n in range(500) if n % 7 == key and n % 3]
            changes = [change.page.last for change in await bus.history(Tally, key, limit=1_000)]
            assert changes[::-1] == wanted
        assert (await bus.get(Tally, 100)).count == 333
        assert 15 <= most[0] <= 20
        again = await bus.process(place)
        assert again == {"place": Counts(500, 0, {DUPLICATE: 2 * 333})}
        assert (await bus.get(Tally, 100)).count == 333

    run(tmp_path, app, act, partitions)
    assert not rejects.exists()


def test_what_cannot_be_dealt_with_is_set_aside_with_its_reason_and_the_rest_goes_on(tmp_path, rejects, monkeypatch):
    monkeypatch.setattr(attempting, "BACKOFF_SECONDS", (0.001, 0.001))
    app, calls = fresh_app(), []

    @app.processor(source=numbers(30), rejects=rejects, attempts=2, timeout=0.05)
    async def place(message):
        calls.append(message.value)
        if message.value == 3:
            raise ValueError("no such order")
        if message.value == 5 and calls.count(5) == 1:
            raise OSError("not now")
        if message.value == 7:
            await asyncio.sleep(60)
        return {9: "an order", 11: Count, 13: [Count(1, 1), 5]}.get(
            message.value, Count(1, 2_000_000 * (message.value == 15))
        )

    async def act(bus):
        counts = await bus.process(place)
        assert counts == {"place": Counts(30, 5, {APPLIED: 24, REJECTED: 1})}
        assert (await bus.get(Tally, 1)).count == 24

    run(tmp_path, app, act)
    assert [calls.count(value) for value in (2, 3, 5, 7)] == [1, 2, 2, 2]
    told = {line["position"]: line for line in lines(rejects)}
    assert sorted(told) == [3, 7, 9, 11, 13]
    assert told[3] == {
        "processor": "place", "source": "place", "position": 3, "reason": "ValueError: no such order", "value": 3,
    }  # fmt: skip
    assert told[7]["reason"] == "TimeoutError: it took longer than 0.05 s"
    assert told[9]["reason"] == "InvalidValue: expected an intent, a list of them or None, found 'an order'"
    assert "expected an intent, a list of them or None, found <class" in told[11]["reason"]
    assert "found 5" in told[13]["reason"]


def batches(count: int, size: int) -> Callable[[], AsyncIterator[tuple[Any, Any]]]:
    async def iterate() -> AsyncIterator[tuple[Any, Any]]:
        for start in range(0, count, size):
            positions = np.arange(start, min(start + size, count))
            yield positions, positions * 10

    return iterate


@pytest.mark.parametrize("partitions", [1, 3])
def test_batches_become_columns_and_of_one_that_fails_only_what_makes_it_fail_is_set_aside(
    tmp_path, rejects, monkeypatch, partitions
):
    monkeypatch.setattr(attempting, "BACKOFF_SECONDS", (0.001, 0.001))
    app, sizes = fresh_app(), []

    @app.processor(source=batches(1_000, 300), rejects=rejects, batch=250, attempts=1)
    async def place(messages):
        sizes.append(len(messages))
        values = np.asarray(messages.values)
        if 770 in values or 8_880 in values:
            raise ValueError("bad luck")
        rows = np.repeat(np.arange(len(messages)), 2)
        return mmsb.Columns(Count, {"key": (values // 10 % 5)[rows].astype(np.uint64), "amount": 1}, rows)

    async def act(bus):
        counts = await bus.process(place)
        assert counts == {"place": Counts(1_000, 2, {APPLIED: 2 * 998})}
        assert [(await bus.get(Tally, key)).count for key in range(5)] == [400, 400, 398, 398, 400]
        again = await bus.process(place)
        assert again["place"].outcomes == {DUPLICATE: 2 * 998}

    run(tmp_path, app, act, partitions)
    assert max(sizes) == 250
    assert sorted({line["position"] for line in lines(rejects)}) == [77, 888]


def test_a_stop_lets_what_was_read_settle_and_a_restart_goes_on(tmp_path, rejects):
    app, seen = fresh_app(), []

    async def endless() -> AsyncIterator[tuple[int, int]]:
        position = 0
        while True:
            yield position, position
            position += 1
            await asyncio.sleep(0)

    @app.processor(source=endless, rejects=rejects, concurrency=8)
    async def place(message):
        seen.append(message.value)
        await asyncio.sleep(0.002)
        return Count(1, 1)

    async def act(bus):
        processing = asyncio.create_task(bus.process(place))
        while len(seen) < 100:
            await asyncio.sleep(0.01)
        bus._stop._event.set()  # as SIGTERM does
        counts = await processing
        assert counts["place"].messages == len(seen) == (await bus.get(Tally, 1)).count
        assert seen == list(range(len(seen)))

    run(tmp_path, app, act)


def test_sigterm_ends_all_that_are_at_work_side_by_side(tmp_path, rejects):
    app, seen, pipe = fresh_app(), [], asyncio.Event()

    async def endless() -> AsyncIterator[tuple[int, int]]:
        yield 0, 0
        await pipe.wait()

    @app.processor(source=numbers(3), rejects=rejects)
    async def short(message):
        return Count(1, 1)

    @app.processor(source=endless, rejects=rejects)
    async def long(message):
        seen.append(message.value)
        await asyncio.sleep(0.05)
        return Count(2, 1)

    async def act(bus):
        other = asyncio.create_task(bus.process(long))
        assert (await bus.process(short))["short"].messages == 3
        while not seen:
            await asyncio.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)
        assert (await other)["long"].outcomes == {APPLIED: 1}

    run(tmp_path, app, act)


WRONG_ITEMS = [
    (5, "expected pairs of a position and a value, found 5"),
    (("a", 5), "expected a message's position as an integer from 0 to 140737488355326, found 'a'"),
    ((-1, 5), "found -1"),
    ((0, 5), "expected a position above 0, the one before, found 0"),
]


@pytest.mark.parametrize(("item", "words"), WRONG_ITEMS)
def test_an_iterator_that_gives_something_else_ends_it(tmp_path, rejects, item, words):
    app = fresh_app()

    async def iterate() -> AsyncIterator[Any]:
        yield 0, 1
        yield item

    @app.processor(source=iterate, rejects=rejects)
    async def place(message):
        return Count(1, 1)

    async def act(bus):
        with pytest.raises(InvalidValue, match=words):
            await bus.process(place)

    run(tmp_path, app, act)


@pytest.mark.parametrize("fails", [True, False])
def test_a_source_that_fails_or_is_none_is_named(tmp_path, rejects, fails):
    app = fresh_app()

    async def iterate() -> AsyncIterator[tuple[int, int]]:
        yield 0, 0
        raise KeyError("no such page")

    def plain() -> Any:
        return [(0, 0)]

    @app.processor(source=iterate if fails else plain, rejects=rejects)
    async def place(message):
        return Count(1, 1)

    async def act(bus):
        words = "source failed: KeyError: 'no such page'" if fails else r"gives an async iterator, found \[\(0, 0\)\]"
        with pytest.raises(mmsb.EnvironmentFailed if fails else InvalidValue, match=f"processor 'place': .*{words}"):
            await bus.process(place)

    run(tmp_path, app, act)


def test_positions_of_numpy_and_a_folder_that_is_missing(tmp_path, rejects):
    app = fresh_app()

    async def iterate() -> AsyncIterator[tuple[Any, int]]:
        for position in np.arange(3):
            yield position, 1

    @app.processor(source=iterate, rejects=rejects)
    async def place(message):
        return [Count(1, message.value), Count(1, message.value)]

    @app.processor(source=iterate, rejects=tmp_path / "nowhere" / "rejects.jsonl")
    async def lost(message):
        """Nothing."""

    async def act(bus):
        assert (await bus.process(place))["place"].outcomes == {APPLIED: 6}
        with pytest.raises(mmsb.EnvironmentFailed, match="expected a folder for rejects="):
            await bus.process(lost)

    run(tmp_path, app, act)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, r"write `@app.processor\(source=mmsb.Topic"),
    ({"source": numbers(1)}, "expected rejects= the path of a file for what fails"),
    ({"source": 5}, r"expected source= mmsb\.Topic.* found 5"),
    ({"source": mmsb.Topic("t"), "concurrency": 0}, "expected concurrency= an integer from 1, found 0"),
    ({"source": mmsb.Topic("t"), "batch": 1.5}, "expected batch= an integer from 1, found 1.5"),
    ({"source": mmsb.Topic("t"), "timeout": 0}, "expected timeout= a number of seconds above 0"),
    ({"source": mmsb.Topic("t"), "rejects": Path("x")}, "expected rejects= the name of a topic, found Posix"),
    ({"source": mmsb.Topic("t"), "timeout": "3"}, "expected timeout= a number of seconds above 0, found '3'"),
    ({"source": mmsb.Topic("t"), "batch": 0}, "expected batch= an integer from 1, found 0"),
    ({"source": mmsb.Topic("t"), "rejects": "t"}, "expected rejects= another topic than its source"),
    ({"source": mmsb.Topic("t"), "name": "a b"}, "a name has 1 to 40 of A-Z a-z 0-9 _ -"),
    ({"source": mmsb.Topic("t"), "name": "a.b"}, "a name has 1 to 40 of A-Z a-z 0-9 _ -"),
]


@pytest.mark.parametrize(("given", "words"), WRONG)
def test_what_is_declared_wrong_is_said_at_once(given, words):
    with pytest.raises(mmsb.InvalidDefinition, match=words):

        @fresh_app().processor(**given)
        async def place(message):
            """Nothing."""


def test_a_function_that_is_not_async_and_a_name_twice_are_refused():
    app = fresh_app()

    def plain(message: mmsb.Message) -> None:
        """Nothing."""

    with pytest.raises(mmsb.InvalidDefinition, match="expected an `async def` function of one argument"):
        app.processor(source=mmsb.Topic("t"))(plain)  # type: ignore[arg-type]

    async def nothing() -> None:
        """Nothing."""

    with pytest.raises(mmsb.InvalidDefinition, match="expected an `async def` function of one argument"):
        app.processor(source=mmsb.Topic("t"))(nothing)  # type: ignore[arg-type]
    declare = app.processor(source=mmsb.Topic("t"), name="place")

    async def place(message: mmsb.Message) -> None:
        """Nothing."""

    assert declare(place).name == "place"
    with pytest.raises(mmsb.InvalidDefinition, match="has another one of that name"):
        declare(place)


def test_a_topic_beside_an_embedded_log_has_to_say_where_it_is(tmp_path):
    app = fresh_app()

    @app.processor(source=mmsb.Topic("orders"))
    async def place(message):
        """Nothing."""

    async def act(bus):
        with pytest.raises(mmsb.EnvironmentFailed, match=r"write mmsb\.Topic"):
            await bus.process(place)
        with pytest.raises(InvalidValue, match=r"expected what @app\.processor"):
            await bus.process(place.function)
        with pytest.raises(InvalidValue, match="expected one or more"):
            await bus.process()

    run(tmp_path, app, act)


def test_numbers_rise_with_positions_and_ordinals():
    most, number_of = packing.ANSWERS_MAX, packing.number_of
    assert number_of(0, 0, most) == 1
    assert [number_of(5, 0, 1), number_of(5, 1, 2), number_of(5, most - 1, most)] == [6 * most] * 3
    assert number_of(5, 0, most) == 5 * most + 1
    with pytest.raises(InvalidValue, match="expected a message's position"):
        packing.position_of(POSITION_MAX + 1)
    assert number_of(POSITION_MAX, most - 1, most) < 2**63


def test_what_was_recorded_first_counts_whatever_is_decided_later(tmp_path, rejects):
    app, amounts = fresh_app(), [[1], [2, 3], [4]]

    @app.processor(source=numbers(1), rejects=rejects)
    async def place(message):
        return [Count(1, amount) for amount in amounts.pop(0)]

    async def act(bus):
        for _ in range(3):
            await bus.process(place)
        assert (await bus.get(Tally, 1)).total == 1

    run(tmp_path, app, act)


def test_a_cancelled_task_that_a_function_waits_for_is_a_failure_like_others(tmp_path, rejects, monkeypatch):
    monkeypatch.setattr(attempting, "BACKOFF_SECONDS", (0.001, 0.001))
    app = fresh_app()

    @app.processor(source=numbers(2), rejects=rejects)
    async def place(message):
        if message.value == 0:
            waited = asyncio.ensure_future(asyncio.sleep(60))
            asyncio.get_running_loop().call_soon(waited.cancel)
            await waited
        return Count(1, 1)

    async def act(bus):
        assert await bus.process(place) == {"place": Counts(2, 1, {APPLIED: 1})}

    run(tmp_path, app, act)
    assert lines(rejects)[0]["reason"].startswith("CancelledError")


def test_what_json_cannot_say_is_set_aside_all_the_same(tmp_path, rejects):
    app = fresh_app()

    async def iterate() -> AsyncIterator[tuple[int, Any]]:
        yield 0, {(1, 2): "keys"}

    @app.processor(source=iterate, rejects=rejects, attempts=1)
    async def place(message):
        raise ValueError("no \ud800")

    async def act(bus):
        assert (await bus.process(place))["place"].rejected == 1

    run(tmp_path, app, act)
    assert lines(rejects)[0]["value"] == "{(1, 2): 'keys'}"


def test_what_is_read_ahead_is_bounded_in_messages(tmp_path, rejects, monkeypatch):
    monkeypatch.setattr(strand, "AHEAD", 100)
    app, read, running = fresh_app(), [0], asyncio.Event()

    async def iterate() -> AsyncIterator[tuple[Any, Any]]:
        for start in range(0, 1_000, 50):
            read[0] = start + 50
            yield np.arange(start, start + 50), [1] * 50

    @app.processor(source=iterate, rejects=rejects, batch=50, concurrency=1)
    async def place(messages):
        await running.wait()
        return mmsb.Columns(Count, {"key": 1, "amount": list(messages.values)})

    async def act(bus):
        processing = asyncio.create_task(bus.process(place))
        await asyncio.sleep(0.2)
        assert read[0] == 150  # three units are not delivered
        running.set()
        assert (await processing)["place"].messages == 1_000

    run(tmp_path, app, act)


def test_a_processor_is_started_once(tmp_path, rejects):
    app = fresh_app()

    @app.processor(source=numbers(1), rejects=rejects)
    async def place(message):
        """Nothing."""

    async def act(bus):
        with pytest.raises(InvalidValue, match="'place' twice"):
            await bus.process(place, place)

    run(tmp_path, app, act)

"""What leaves a partition, through kills of whoever owns any: follow-ups arrive once, and events tell all, once."""

import asyncio
import uuid
from collections.abc import Coroutine, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

import mmsb
from examples.remittances import Account, Open, Send, app
from mmsb.schemas.events import Event, EventKind, unpack_event
from tests.kafka.remitting import Worker, named
from tests.kafka.test_output_topics import consuming

pytestmark = pytest.mark.slow

ACCOUNTS = 40
BALANCE = 1_000
LIMIT = 1_300
NOBODY = 5  # accounts that money is sent to and that are not there
KILLS = 4
SENDS = 60  # between two kills
LIMIT_S = 150


class Workers:
    """Two, which share the partitions out between them."""

    def __init__(self, url: str, folder: Path, name: str, partitions: int) -> None:
        self._start = lambda number: Worker(url, folder / str(number), name, partitions)
        self.all = [self._start(0)]
        self.all[0].wait()
        self.all.append(self._start(1))

    def replace(self, number: int) -> None:
        """Kill one, and have it come back with what its disk has."""
        assert self.all[number].runs, "it ends when it is killed, and not before"
        self.all[number].kill()
        self.all[number] = self._start(number)

    def end(self) -> None:
        for worker in self.all:
            worker.kill()


@pytest.fixture
def name() -> Iterator[str]:
    before, found = app.name, f"remittances-{uuid.uuid4().hex}"
    named(found)
    yield found
    named(before)


def pages_of(events: list[Event]) -> dict[bytes, bytes]:
    """What pages come to by their events, each of which goes on from the page's last."""
    pages = dict[bytes, tuple[int, bytes]]()
    for event in events:
        assert pages.get(event.key, (0, b""))[0] == event.before, "one was left out, or came twice"
        pages[event.key] = event.epoch, event.body
        assert event.kind != EventKind.DELETED
    return {key: body for key, (_, body) in pages.items()}


async def send_some(bus: mmsb.Bus, rng: Random) -> None:
    sends = [
        Send(rng.randrange(ACCOUNTS), rng.randrange(ACCOUNTS + NOBODY), rng.randrange(1, 500)) for _ in range(SENDS)
    ]
    await asyncio.gather(*(bus.submit(send, id=str(uuid.uuid4())) for send in sends))


async def balances(bus: mmsb.Bus) -> list[int]:
    return [found.balance for found in await bus.get_many(Account, list(range(ACCOUNTS))) if found is not None]


async def all_arrived(bus: mmsb.Bus) -> None:
    while sum(await balances(bus)) != ACCOUNTS * BALANCE:
        await asyncio.sleep(0.1)
    await asyncio.sleep(1.0)  # what is too much would come now
    assert sum(await balances(bus)) == ACCOUNTS * BALANCE
    assert await balances(bus) != [BALANCE] * ACCOUNTS


async def until_told(bus: mmsb.Bus, seen: list[Any]) -> None:
    """The events' pages are those that the owner has; raises what is wrong with them if they do not come to that."""
    layout = Account.__mmsb_layout__
    expected = await balances(bus)
    while True:
        events = [unpack_event(record.value) for record in seen]
        pages = {layout.unpack_key(key): layout.unpack(body) for key, body in pages_of(events).items()}
        found = [pages[number][0] for number in range(ACCOUNTS) if number in pages]
        if found == expected:
            return
        await asyncio.sleep(0.2)


def run(what: Coroutine[Any, Any, Any]) -> None:
    asyncio.run(asyncio.wait_for(what, LIMIT_S))


@pytest.mark.parametrize("partitions", [1, 3, 8])
def test_money_arrives_once_and_events_tell_of_it_once(
    kafka_url: str, tmp_path: Path, name: str, partitions: int
) -> None:
    workers = Workers(kafka_url, tmp_path, name, partitions)

    async def main() -> None:
        rng = Random(partitions)
        async with (
            mmsb.connect(kafka_url, app) as bus,
            consuming(kafka_url, f"{name}.events", {}) as events,
        ):
            await asyncio.gather(*(bus.submit(Open(n, BALANCE, LIMIT), id=f"open-{n}") for n in range(ACCOUNTS)))
            for _ in range(KILLS):
                sending = asyncio.create_task(send_some(bus, rng))
                await asyncio.sleep(rng.random() * 0.3)
                workers.replace(rng.randrange(2))
                await sending
            await all_arrived(bus)
            await until_told(bus, events)

    try:
        run(main())
    finally:
        workers.end()

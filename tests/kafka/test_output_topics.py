"""The output topics of a real broker, read by a consumer that knows nothing of us: the one that the docs show."""

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Any

import pytest

from mmsb.schemas.events import event_json, unpack_event
from mmsb.schemas.rejects import unpack_reject
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.streams.events.events import Events
from mmsb.streams.kafka.cluster.appending import Appending
from mmsb.streams.kafka.cluster.client import open_broker
from mmsb.streams.kafka.outputs.projecting import Form, Publisher
from mmsb.streams.kafka.topics import ensure
from mmsb.streams.world import RealWorld
from tests.docs.tables import blocks, text_of
from tests.events.owner import BUNDLE, GENESIS, LAYOUTS, Owner

LIMIT_S = 60
PARTITIONS = 2

Consume = Callable[..., Coroutine[Any, Any, None]]


def shown_consumer() -> Consume:
    [program] = [text for text in blocks(text_of("docs/operations.md"), "python") if "AIOKafkaConsumer" in text]
    names: dict[str, Any] = {}
    exec(program, names)
    consume: Consume = names["consume"]
    return consume


@asynccontextmanager
async def consuming(url: str, topic: str, marks: dict[bytes, bytes]) -> AsyncGenerator[list[Any]]:
    """What a consumer was given, while it runs."""
    seen: list[Any] = []
    running = asyncio.create_task(shown_consumer()(url.removeprefix("kafka://"), topic, marks, seen.append))
    try:
        yield seen
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


class Run:
    """Publishes one partition of two, from an owner's log, time and again."""

    def __init__(self, broker: Any, app: str, form: Form) -> None:
        self.owner, self.random = Owner(), Random(app)
        self.app = app
        self._broker = broker
        self._form = form
        self._world = RealWorld()
        self._genesis = Genesis(GENESIS.log_id, app, 0, PARTITIONS, GENESIS.window)

    async def publish(self) -> None:
        """All that is accepted; then as if it was killed, or stopped."""
        events = Events(self.owner, self._world, "events")
        publisher = Publisher(
            self._world,
            self._broker,
            Appending(self._broker),
            self._genesis,
            self.owner,
            events,
            lambda: -1,
            self._form,
        )
        running = asyncio.create_task(publisher.run())
        await publisher.until_idle()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await publisher.close()
        await events.close()

    def traffic(self) -> None:
        self.owner.traffic(self.random, 200)
        self.owner.accept()

    async def seen(self, found: list[Any], count: int) -> list[bytes]:
        while len(found) < count:
            await asyncio.sleep(0.02)
        assert {record.partition for record in found} <= {0}
        return [record.value for record in found]


@pytest.mark.parametrize("form", Form)
def test_a_plain_consumer_sees_all_events_and_rejects_once(kafka_url: str, form: Form) -> None:
    async def main() -> None:
        async with asyncio.timeout(LIMIT_S), open_broker(kafka_url) as broker:
            app = f"outputs-{uuid.uuid4().hex}"
            await ensure(broker, app, PARTITIONS)
            run = Run(broker, app, form)
            async with (
                consuming(kafka_url, f"{app}.events", {}) as events,
                consuming(kafka_url, f"{app}.rejects", {}) as rejects,
            ):
                for _ in range(4):
                    run.traffic()
                    await run.publish()
                expected, accepted = run.owner.expected, run.owner.accepted + 1
                applied = len({event.offset for event in expected})
                told = await run.seen(events, len(expected))
                refused = await run.seen(rejects, accepted - applied)
            if form == Form.PACKED:
                assert [unpack_event(value) for value in told] == expected
                offsets = [unpack_reject(value).offset for value in refused]
            else:
                names = {intent.type_id: intent.name for intent in BUNDLE.descriptor.intents}
                assert told == [event_json(each, LAYOUTS[each.page_type], names[each.intent_type]) for each in expected]
                offsets = [json.loads(value)["@offset"] for value in refused]
            assert sorted({event.offset for event in expected} | set(offsets)) == list(range(accepted))

    asyncio.run(main())


def test_what_is_there_twice_is_passed_over(kafka_url: str) -> None:
    async def main() -> None:
        async with asyncio.timeout(LIMIT_S), open_broker(kafka_url) as broker:
            app = f"outputs-{uuid.uuid4().hex}"
            await ensure(broker, app, PARTITIONS)
            twice, marks = Broken(broker), dict[bytes, bytes]()
            run = Run(twice, app, Form.PACKED)
            run.traffic()
            await run.publish()
            async with consuming(kafka_url, f"{app}.events", marks) as first:
                await run.seen(first, len(run.owner.expected))
            assert twice.repeats
            run.traffic()
            await run.publish()
            async with consuming(kafka_url, f"{app}.events", marks) as second:
                told = await run.seen(second, len(run.owner.expected) - len(first))
            assert [unpack_event(record.value) for record in first] + list(
                map(unpack_event, told)
            ) == run.owner.expected

    asyncio.run(main())


class Broken:
    """A broker of whose appends every other answer is lost."""

    def __init__(self, broker: Any) -> None:
        self._broker = broker
        self.repeats = 0
        self._appends = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    async def append(self, at: Any, batch: bytes, timeout: float) -> int | None:
        found: int | None = await self._broker.append(at, batch, timeout)
        self._appends += 1
        if self._appends % 2:
            self.repeats += 1
            return None
        return found

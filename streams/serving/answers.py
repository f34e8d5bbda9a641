"""Answers to questions, part by part, as the door gives them and the client asks for them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from mmsb.schemas.errors import InvalidValue, MalformedBytes
from mmsb.streams.checkpoints.manifest import encode_manifest
from mmsb.streams.door import Door
from mmsb.streams.serving import reads
from mmsb.streams.serving.changes import decode_events_wanted, encode_change, encode_history
from mmsb.streams.serving.figures import encode_stats
from mmsb.streams.serving.frames import Kind
from mmsb.streams.serving.reads import CREDIT_MAX, PART_BYTES, parts_of

T = TypeVar("T")


@asynccontextmanager
async def closed(source: AsyncIterator[T]) -> AsyncGenerator[AsyncIterator[T]]:
    """Iterate over it and leave it closed, which tells a generator that nobody listens any more."""
    try:
        yield source
    finally:
        if isinstance(source, AsyncGenerator):
            await source.aclose()


@dataclass(eq=False)
class Answer:
    """`credit` is how many parts the client waits for; the last one of an answer needs none."""

    parts: Callable[[Door], AsyncGenerator[bytes]]
    credit: int
    at_once: bool = False  # each part as soon as it is there, since the next may be long in coming
    _turn: "asyncio.Future[None] | None" = None

    def grant(self, count: int) -> None:
        if self.credit + count > CREDIT_MAX:
            raise MalformedBytes("credit", f"CREDIT_MAX = {CREDIT_MAX} parts in all", self.credit + count, 0)
        self.credit += count
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(None)

    async def take(self) -> None:
        while not self.credit:
            self._turn = asyncio.get_running_loop().create_future()
            await self._turn
        self.credit -= 1


def _check_partition(door: Door, partition: int) -> None:
    count = door.about.partition_count
    if partition >= count:
        raise InvalidValue(f"partition: expected 0 to {count - 1}, found {partition}")


def _get(body: bytes) -> Answer:
    partition, credit, pages, at = reads.decode_get(body)

    async def parts(door: Door) -> AsyncGenerator[bytes]:
        _check_partition(door, partition)
        found = await door.get(partition, pages, at)
        for part in parts_of(map(reads.encode_found, found)):
            yield part

    return Answer(parts, credit)


def _scan(body: bytes) -> Answer:
    partition, credit, type_id, at = reads.decode_scan(body)

    async def parts(door: Door) -> AsyncGenerator[bytes]:
        _check_partition(door, partition)
        async with closed(door.scan(partition, type_id, at)) as found:
            async for pages in found:
                for part in parts_of(map(reads.encode_stored, pages)):
                    yield part

    return Answer(parts, credit)


def _history(body: bytes) -> Answer:
    partition, credit, page, limit = reads.decode_history(body)

    async def parts(door: Door) -> AsyncGenerator[bytes]:
        _check_partition(door, partition)
        for part in parts_of(encode_history(await door.history(partition, page, limit))):
            yield part

    return Answer(parts, credit)


def _blame(body: bytes) -> Answer:
    partition, credit, page, field, byte = reads.decode_blame(body)

    async def parts(door: Door) -> AsyncGenerator[bytes]:
        _check_partition(door, partition)
        found = await door.blame(partition, page, field, byte)
        if found is not None:
            yield encode_change(found)

    return Answer(parts, credit)


def _events(body: bytes) -> Answer:
    partition, credit, after, wanted = decode_events_wanted(body)

    async def parts(door: Door) -> AsyncGenerator[bytes]:
        _check_partition(door, partition)
        async with closed(door.events(partition, after, wanted)) as found:
            async for events in found:
                for part in parts_of(event.pack() for event in events):
                    yield part

    return Answer(parts, credit, at_once=True)


def _stats(body: bytes) -> Answer:
    _, credit = reads.decode_stream(body)

    async def parts(door: Door) -> AsyncGenerator[bytes]:
        text = encode_stats(await door.stats())
        for start in range(0, len(text), PART_BYTES):
            yield text[start : start + PART_BYTES]

    return Answer(parts, credit)


def _checkpoint(body: bytes) -> Answer:
    _, credit = reads.decode_stream(body)

    async def parts(door: Door) -> AsyncGenerator[bytes]:
        made = b"".join(map(encode_manifest, await door.checkpoint()))
        for start in range(0, len(made), PART_BYTES):
            yield made[start : start + PART_BYTES]

    return Answer(parts, credit)


READERS: Final[dict[Kind, Callable[[bytes], Answer]]] = {
    Kind.GET: _get,
    Kind.SCAN: _scan,
    Kind.HISTORY: _history,
    Kind.BLAME: _blame,
    Kind.EVENTS: _events,
    Kind.STATS: _stats,
    Kind.CHECKPOINT: _checkpoint,
}

"""Processors of one process, at work until their sources end or somebody says stop."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from mmsb.schemas.errors import InvalidValue
from mmsb.streams.door import Door
from mmsb.streams.edges.declaring import Processor, Topic
from mmsb.streams.edges.delivering import Counts
from mmsb.streams.edges.iterators import IteratorRun
from mmsb.streams.edges.topics import TopicRun
from mmsb.streams.kafka.cluster.security import Cluster

TELL_SECONDS: Final = 1.0

Tell = Callable[[Mapping[str, Counts]], None]
"""Hears once a second, and at the end, what has been done so far, by the names of processors."""


async def process(
    processors: Sequence[Processor],
    door: Door,
    app: str,
    bus_at: Cluster | None,
    until: "asyncio.Future[None]",
    tell: Tell | None,
    processed: dict[str, list[Counts]],
) -> dict[str, Counts]:
    """Return when all sources have ended; or, once `until` is done, when what was begun has settled.

    `processed` is for whoever watches meanwhile: it gets the counts, by the names of processors.
    """
    counts = {each.name: Counts() for each in processors}
    if len(counts) < len(processors):
        raise InvalidValue(f"process: found one of {', '.join(map(repr, counts))} twice; each runs once in a process")
    for name, each in counts.items():
        processed.setdefault(name, []).append(each)
    runs = [
        TopicRun(each, door, app, bus_at, counts[each.name])
        if isinstance(each.source, Topic)
        else IteratorRun(each, door, app, counts[each.name])
        for each in processors
    ]
    telling = None if tell is None else asyncio.create_task(_keep_telling(tell, counts))
    try:
        async with asyncio.TaskGroup() as group:
            stopping = group.create_task(_drain(until, runs))
            running = [group.create_task(each.run()) for each in runs]
            await asyncio.wait(running)
            stopping.cancel()
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    finally:
        if telling is not None:
            telling.cancel()
    if tell is not None:
        tell(counts)
    return counts


async def _drain(until: "asyncio.Future[None]", runs: Sequence[TopicRun | IteratorRun]) -> None:
    await until
    for each in runs:
        each.drain()


async def _keep_telling(tell: Tell, counts: Mapping[str, Counts]) -> None:
    while True:
        await asyncio.sleep(TELL_SECONDS)
        tell(counts)

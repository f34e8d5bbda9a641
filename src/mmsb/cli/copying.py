"""`mmsb log copy`: logs from a folder into topics of Kafka, or the other way."""

import asyncio
import time
from argparse import Namespace
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mmsb.cli.exits import Exit
from mmsb.cli.screen import Progress, Screen, counted
from mmsb.schemas.errors import InvalidValue
from mmsb.streams.kafka.cluster.url import app_of, is_url, place_of

if TYPE_CHECKING:
    from mmsb.streams.kafka.cluster.broker import Broker
    from mmsb.streams.kafka.copying.copy import Copy, Source
    from mmsb.streams.kafka.copying.destinations import Destination

COPY: Final = "copy"
USAGE: Final = "mmsb log copy FROM TO"


def copy_logs(asked: Namespace, screen: Screen, places: list[str]) -> int:
    if len(places) != 2:
        raise InvalidValue(f"expected `{USAGE}`, found {counted(len(places), 'name')} behind `copy`")
    begun = time.monotonic()
    with screen.progress("copying") as progress:
        copied = asyncio.run(_copy(asked, progress, *places))
    _show(screen, copied, places[1], time.monotonic() - begun)
    return Exit.DONE


async def _copy(asked: Namespace, progress: Progress, origin: str, to: str) -> "Copy":
    from mmsb.streams.kafka.copying.copy import copy

    async with AsyncExitStack() as opened:
        source, cluster = await _source(opened, origin)
        destination = await _destination(opened, to, cluster, asked.replicas)
        return await copy(source, destination, asked.partition, progress.tell)


async def _source(opened: AsyncExitStack, origin: str) -> tuple["Source", str | None]:
    """And the cluster that it is in."""
    from mmsb.streams.files import RealFiles
    from mmsb.streams.kafka.copying.copy import FolderSource, TopicSource

    if not is_url(origin):
        return FolderSource(RealFiles(), Path(origin)), None
    url, app = app_of(origin)
    broker = await _broker(opened, url)
    return TopicSource(broker, app), broker.cluster


async def _destination(opened: AsyncExitStack, to: str, cluster: str | None, replicas: int | None) -> "Destination":
    from mmsb.streams.kafka.copying.destinations import FolderDestination, TopicDestination
    from mmsb.streams.world import RealWorld

    if is_url(to):
        url, app = place_of(to)
        return TopicDestination(await _broker(opened, url), app, replicas or -1)
    if cluster is None:
        raise InvalidValue(f"{to}: expected kafka://HOST:PORT, found a folder again; cp -a copies those")
    if replicas is not None:
        raise InvalidValue("--replicas: a folder has none; leave it out")
    destination = FolderDestination(RealWorld(), Path(to), cluster)
    opened.callback(destination.close)
    return destination


async def _broker(opened: AsyncExitStack, url: str) -> "Broker":
    from mmsb.streams.kafka.cluster.client import open_broker
    from mmsb.streams.kafka.cluster.security import from_environment

    return await opened.enter_async_context(open_broker(url, from_environment()))


def _show(screen: Screen, copied: "Copy", to: str, seconds: float) -> None:
    for part in copied.partitions:
        added = part.intents + part.tlog - part.found
        if screen.machine:
            screen.record(
                {
                    "partition": part.partition, "intents": part.intents, "tlog": part.tlog, "found": part.found,
                    "copied": added, "missing": copied.missing,
                }
            )  # fmt: skip
            continue
        there = f", {counted(part.found, 'record')} of them compared and the same" if part.found else ""
        screen.line(
            f"partition {part.partition}: {counted(part.intents, 'intent')}, {counted(part.tlog, 'TLog record')}{there}"
        )
    if screen.machine:
        return
    if copied.missing:
        missing = ", ".join(map(str, copied.missing))
        screen.line(f"{to} cannot be run yet: copy the other partitions, too ({missing})")
    else:
        screen.line(f"{to} is whole after {seconds:.1f} s; the same records give the same digests")

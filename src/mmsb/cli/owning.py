"""Owning a data folder: open it, serve it until somebody says stop, and end with what stopped it otherwise."""

import asyncio
import time
from argparse import Namespace
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

from mmsb.cli.apps import load_app
from mmsb.cli.screen import Progress, Screen, counted
from mmsb.cli.settings import RUNNING
from mmsb.streams.bus import Bus
from mmsb.streams.stats import Stats

STATUS_SECONDS: Final = 1.0


def opened(asked: Namespace, spare: Callable[[], object] | None = None) -> Bus:
    """The application's bus over the folder, not entered yet."""
    return load_app(asked.app).run(
        data=asked.data, generation=asked.generation, durability=asked.durability, partitions=asked.partitions,
        window=asked.window, memory=asked.memory, checkpoint_seconds=asked.checkpoint_seconds, trim=asked.trim,
        interpreted=asked.interpreted, dev=asked.dev, spare=spare, http=getattr(asked, "http", None),
        **_behind_kafka(asked),
    )  # fmt: skip


def _behind_kafka(asked: Namespace) -> dict[str, Any]:
    """What only `mmsb run` takes."""
    if getattr(asked, "log", None) is None:
        given = {name: getattr(asked, name, None) or None for name in ("replicas", "checkpoints", "events", "standby")}
        return {name: value for name, value in given.items() if value is not None}
    from mmsb.streams.kafka.cluster.security import from_environment

    said = {setting.variable: getattr(asked, setting.key) for setting in RUNNING if setting.key.startswith("kafka_")}
    return {
        "log": asked.log, "security": from_environment(said), "replicas": asked.replicas, "standby": asked.standby,
        "checkpoints": asked.checkpoints, "events": asked.events,
    }  # fmt: skip


async def serve(asked: Namespace, screen: Screen) -> None:
    begun = time.monotonic()
    with screen.progress("compiling") as progress:
        progress.say("compiling; after a change of the code this takes some seconds")
        waiting = partial(_say_waiting, screen, progress, asked.data)
        async with opened(asked, waiting if asked.spare else None) as bus:

            async def say_ready(owned: Sequence[int]) -> None:
                progress.clear()
                _say_ready(screen, asked, await bus.stats(), owned, time.monotonic() - begun)

            await _until_stopped(bus, progress, say_ready)
            progress.clear()
    if screen.machine:
        screen.record({"event": "ended"})
    else:
        screen.line("ended: all that was submitted has settled")


async def _until_stopped(bus: Bus, progress: Progress, say_ready: Callable[[Sequence[int]], Awaitable[None]]) -> None:
    """Returns on SIGTERM and SIGINT; raises if the engine has stopped by itself, for instance on a full disk."""
    stopped = asyncio.create_task(bus.until_stopped())
    working = asyncio.create_task(bus.door.until_working())
    watched = asyncio.create_task(_watch(bus, progress))
    try:
        await asyncio.wait([stopped, working], return_when=asyncio.FIRST_COMPLETED)
        if not stopped.done():
            await say_ready(await working)
        await stopped
    finally:
        for each in (stopped, working, watched):
            each.cancel()
        await asyncio.gather(stopped, working, watched, return_exceptions=True)


async def _watch(bus: Bus, progress: Progress) -> None:
    """A line each second, drawn over the last one where somebody looks."""
    while True:
        progress.say(status_line(await bus.stats()))
        await asyncio.sleep(STATUS_SECONDS)


def status_line(stats: Stats) -> str:
    settled = sum(part.settled + 1 for part in stats.partitions)
    lag = sum(part.lag for part in stats.partitions)
    rate, megabytes = stats.settled_per_second, stats.memory_bytes / 1e6
    return f"settled {settled:,}   {rate:,.0f}/s   lag {lag:,}   {megabytes:,.0f} MB   Ctrl-C ends it"


def _say_waiting(screen: Screen, progress: Progress, data: str) -> None:
    progress.clear()
    if screen.machine:
        screen.record({"event": "waiting"})
    else:
        screen.line(f"spare: all code is loaded; it waits for the process that runs {data} to end")
    screen.flush()


def _say_ready(screen: Screen, asked: Namespace, stats: Stats, owned: Sequence[int], seconds: float) -> None:
    if screen.machine:
        screen.record({"event": "ready", "owned": list(owned), **stats.as_json()})
    else:
        settled = sum(part.settled + 1 for part in stats.partitions)
        what = f"{stats.app}, generation {stats.generation}, durability {stats.durability}, {settled:,} intents settled"
        behind = f"owns {counted(len(owned), 'partition')} behind {asked.log}"
        screen.line(f"ready: {what}; it {behind if asked.log else f'serves {asked.data}'} after {seconds:.1f} s")
    screen.flush()

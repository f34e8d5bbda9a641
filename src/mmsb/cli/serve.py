"""`mmsb run`: owns a data folder until it is told to stop, and lets other processes talk to it."""

import asyncio
import sys
import time
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from mmsb.cli.command import Command
from mmsb.cli.exits import Exit
from mmsb.cli.screen import Progress, Screen

if TYPE_CHECKING:
    from mmsb.streams.bus import Bus
    from mmsb.streams.stats import Stats

STATUS_SECONDS = 1.0


def run(asked: Namespace, screen: Screen) -> int:
    asyncio.run(_serve(asked, screen))
    return Exit.DONE


async def _serve(asked: Namespace, screen: Screen) -> None:
    begun = time.monotonic()
    with screen.progress("compiling") as progress:
        progress.say("compiling; after a change of the code this takes some seconds")
        bus = opened(asked)
        async with bus:
            progress.clear()
            _say_ready(screen, asked.data, await bus.stats(), time.monotonic() - begun)
            status = asyncio.create_task(_show_status(bus, progress))
            await bus.until_stopped()
            status.cancel()
            progress.clear()
    if screen.machine:
        screen.record({"event": "ended"})
    else:
        screen.line("ended: all that was submitted has settled")


def opened(asked: Namespace) -> "Bus":
    """The application's bus over the folder, not entered yet."""
    from mmsb.cli.apps import load_app
    from mmsb.schemas.tlog.claims import Durability

    return load_app(asked.app).run(
        data=asked.data, durability=Durability[asked.durability.upper()], partitions=asked.partitions,
        window=asked.window, interpreted=asked.interpreted, dev=asked.dev,
    )  # fmt: skip


def _say_ready(screen: Screen, data: str, stats: "Stats", seconds: float) -> None:
    if screen.machine:
        screen.record({"event": "ready", **stats.as_json()})
    else:
        settled = sum(part.settled + 1 for part in stats.partitions)
        what = f"{stats.app}, generation {stats.generation}, durability {stats.durability}, {settled:,} intents settled"
        screen.line(f"ready: {what}; it serves {data} after {seconds:.1f} s")
    screen.flush()


async def _show_status(bus: "Bus", progress: Progress) -> None:
    """A line each second, drawn over the last one; a terminal only."""
    while sys.stderr.isatty():
        progress.say(status_line(await bus.stats()))
        await asyncio.sleep(STATUS_SECONDS)


def status_line(stats: "Stats") -> str:
    settled = sum(part.settled + 1 for part in stats.partitions)
    lag = sum(part.lag for part in stats.partitions)
    rate, megabytes = stats.settled_per_second, stats.memory_bytes / 1e6
    return f"settled {settled:,}   {rate:,.0f}/s   lag {lag:,}   {megabytes:,.0f} MB   Ctrl-C ends it"


def add_app_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--interpreted", action="store_true", help="run the code as plain Python: slow, and stops at your breakpoints"
    )
    parser.add_argument(
        "--dev", action="store_true", help="while you develop: changed code takes the next generation by itself"
    )
    parser.add_argument(
        "--durability", choices=("fsync", "process"), default="fsync",
        help="what a receipt promises: it survives a loss of power (fsync, the default), or the death of the process",
    )  # fmt: skip
    parser.add_argument("--partitions", type=int, metavar="N", help="when the folder is made: how many (1)")
    parser.add_argument(
        "--window", type=int, metavar="N", help="when the folder is made: how many offsets back an id is known (2^20)"
    )


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("app", metavar="APP", help="module:name, or path/to/file.py where there is one mmsb.App in it")
    parser.add_argument("--data", required=True, metavar="DATA", help="the data folder; made if it is not there")
    add_app_options(parser)
    parser.add_argument("--json", action="store_true", help="for machines: an object when ready, and one at the end")


RUN = Command(
    "run",
    "APP --data DATA [options]",
    "run an application over a data folder until it is stopped",
    "It folds what the folder holds, takes it over, and serves it: the other commands, and programs with "
    "mmsb.connect, talk to it. SIGTERM or Ctrl-C ends it once all that was submitted has settled. kill -9 loses "
    "nothing that a receipt promised.",
    ("mmsb run examples.bank:app --data ./data/bank", "mmsb run shop.py --data ./data/shop --dev"),
    _add,
    run,
)

"""`mmsb process`: has processors at work beside the owner, until their sources end or it is told to stop."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from mmsb.cli.command import Command
from mmsb.cli.exits import Exit
from mmsb.cli.screen import Screen
from mmsb.cli.settings import HTTP, add_flag
from mmsb.schemas.errors import InvalidValue
from mmsb.streams.kafka.cluster.url import is_url

if TYPE_CHECKING:
    from mmsb.app import App
    from mmsb.streams.edges.declaring import Processor
    from mmsb.streams.edges.delivering import Counts


def process(asked: Namespace, screen: Screen) -> int:
    import asyncio  # not at the top, because other commands are loaded with this one and answer at once

    from mmsb.cli.apps import load_app

    app = load_app(asked.app)
    counts = asyncio.run(_process(app, _chosen(app, asked.names), asked, screen))
    if screen.machine:
        screen.record({"event": "ended", "processors": {name: _as_json(each) for name, each in counts.items()}})
    else:
        screen.line("ended: what has settled is committed, and anything else is read again")
        for name, each in counts.items():
            screen.line(f"{name}: {each}")
    return Exit.DONE


def _chosen(app: "App", names: Sequence[str]) -> "list[Processor]":
    """All of them, unless some are named."""
    if not app.processors:
        raise InvalidValue(f"{app!r} has no processors; declare one: @app.processor(source=mmsb.Topic(...))")
    for name in names:
        if name not in app.processors:
            near = get_close_matches(name, app.processors, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(app.processors)}"
            raise InvalidValue(f"{app!r} has no processor {name!r}; {hint}")
    return [app.processors[name] for name in names or app.processors]


async def _process(
    app: "App", processors: "Sequence[Processor]", asked: Namespace, screen: Screen
) -> "dict[str, Counts]":
    from mmsb.app import connect
    from mmsb.streams.kafka.cluster.security import from_environment

    with screen.progress("processing") as progress:

        def tell(counts: "Mapping[str, Counts]") -> None:
            progress.say("   ".join(f"{name}: {each}" for name, each in counts.items()))

        security = from_environment() if is_url(asked.to) else None
        async with connect(asked.to, app, security=security, http=asked.http) as bus:
            if screen.machine:
                screen.record({"event": "ready", "processors": [each.name for each in processors]})
            else:
                screen.line(f"ready: {', '.join(each.name for each in processors)}; Ctrl-C ends it")
            screen.flush()
            return await bus.process(*processors, tell=tell)


def _as_json(counts: "Counts") -> dict[str, Any]:
    outcomes = {str(status): count for status, count in sorted(counts.outcomes.items())}
    return {"messages": counts.messages, "set_aside": counts.rejected, "intents": counts.intents, "outcomes": outcomes}


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("app", metavar="APP", help="module:name, or path/to/file.py where there is one mmsb.App in it")
    parser.add_argument(
        "to", metavar="DATA", help="the data folder that `mmsb run` runs, or kafka://HOST:PORT, where its topics are"
    )
    parser.add_argument("names", nargs="*", default=[], metavar="NAME", help="some of its processors (all)")
    add_flag(parser, HTTP)
    parser.add_argument("--json", action="store_true", help="for machines: an object when it is ready, and at the end")


PROCESS = Command(
    "process",
    "APP DATA [NAME …]",
    "have processors submit what they decide about messages of other topics",
    "Processors are async functions that APP declares with @app.processor: each message of their source leads to "
    "intents, which are submitted in the source's order. Any number of processes share a topic's partitions out. "
    "SIGTERM or Ctrl-C ends it once what was begun has settled. kill -9 loses and repeats nothing: intents carry "
    "the place of their message, and what comes again is a duplicate.",
    (
        "mmsb process shop.py ./data/shop",
        "mmsb process shop.py kafka://localhost:9092 price --http 9465",
    ),
    _add,
    process,
)

"""`mmsb stats`: what the owner of a folder says of itself; what the folder says, if nobody runs it."""

from argparse import ArgumentParser, Namespace
from collections import Counter
from typing import Any

from mmsb.cli.command import Command, add_json
from mmsb.cli.comparing import compare
from mmsb.cli.exits import Exit
from mmsb.cli.screen import Screen
from mmsb.cli.stating import stats_of

HEAD = ("partition", "settled", "lag", "flushed", "pages", "intents", "TLog", "digest")
HOME = ("partition", "flushes", "written", "in memory", "hits", "misses", "evictions")


def stats(asked: Namespace, screen: Screen) -> int:
    places = [asked.data] if asked.compare is None else [asked.compare, asked.data]
    found = [stats_of(place, screen) for place in places]
    if asked.compare is not None:
        compare(screen, places, [figures for figures, _ in found])
    elif screen.machine:
        screen.record(found[0][0])
    else:
        _show(screen, *found[0])
    return Exit.DONE


def _show(screen: Screen, found: dict[str, Any], who: str) -> None:
    screen.line(f"{found['app']}, generation {found['generation']}, durability {found['durability']}")
    screen.line(who)
    screen.table(HEAD, map(_row, found["partitions"]))
    if found["running"]:
        screen.table(HOME, map(_home_row, found["partitions"]))
    outcomes = Counter[str]()
    for partition in found["partitions"]:
        outcomes.update(partition["outcomes"] or {})
    if outcomes:
        screen.line("since its start: " + ", ".join(f"{count:,} {status}" for status, count in outcomes.items()))


def _row(partition: dict[str, Any]) -> tuple[object, ...]:
    pages = ", ".join(f"{count:,} {name}" for name, count in partition["pages"].items())
    intents, tlog = (_megabytes(partition[name]) for name in ("intents_bytes", "tlog_bytes"))
    return (
        partition["partition"], partition["settled"], partition["lag"], partition["flushed"], pages or "none",
        intents, tlog, f"{partition['digest'][:16]}…",
    )  # fmt: skip


def _home_row(partition: dict[str, Any]) -> tuple[object, ...]:
    written, memory = (_megabytes(partition[name]) for name in ("flushed_bytes", "page_bytes"))
    return (
        partition["partition"], partition["flushes"], written, memory, partition["page_hits"],
        partition["page_misses"], partition["page_evictions"],
    )  # fmt: skip


def _megabytes(count: int | None) -> str | None:
    return None if count is None else f"{count / 1e6:,.1f} MB"


def _add(parser: ArgumentParser) -> None:
    parser.add_argument(
        "data",
        metavar="DATA",
        help="the data folder, as in `mmsb run … --data DATA`, kafka://HOST:PORT/APP, or http://HOST:PORT of a process "
        "that was started with --http",
    )
    parser.add_argument("--compare", metavar="A", help="show the figures of A beside those of DATA")
    add_json(parser, "one object; with --compare one for each, whose `of` names it")


STATS = Command(
    "stats",
    "[--compare A] DATA",
    "show offsets, counts, sizes, rate, lag and digest",
    "Lag is how many intents are logged and have not settled yet; flushed is the last intent whose effects are in the "
    "home, where the next start goes on. Hits, misses and evictions say how often pages that were asked for were in "
    "memory, were not, and had to leave it, since this start. If nobody runs the folder, what came after its newest "
    "checkpoint is folded first, which takes a second for some millions of changes.",
    (
        "mmsb stats ./data/bank",
        "mmsb stats ./data/bank --json",
        "mmsb stats --compare http://127.0.0.1:9464 http://127.0.0.1:9465",
    ),
    _add,
    stats,
)

"""`mmsb stats`: what the owner of a folder says of itself; what the folder says, if nobody runs it."""

from argparse import ArgumentParser, Namespace
from collections import Counter
from pathlib import Path
from typing import Any

from mmsb.cli.command import Command, add_data, add_json
from mmsb.cli.exits import Exit
from mmsb.cli.owner import owner_of
from mmsb.cli.screen import Screen

HEAD = ("partition", "settled", "lag", "flushed", "pages", "intents", "TLog", "digest")
HOME = ("partition", "flushes", "written", "in memory", "hits", "misses", "evictions")
COPY_OF_TOPICS = "a copy of what is in the topics; a worker tells more: `mmsb stats` of the folder that it runs over"


def stats(asked: Namespace, screen: Screen) -> int:
    folder = Path(asked.data)
    owner = owner_of(folder)
    if owner is None:
        found, who = _of_folder(folder, screen)
    else:
        found = {"running": True, **owner.stats().as_json()}
        rate, megabytes = found["settled_per_second"], found["memory_bytes"] / 1e6
        who = f"running for {found['seconds']:,.0f} s, {rate:,.0f} intents/s, {megabytes:,.0f} MB of memory"
        owner.close()
    if screen.machine:
        screen.record(found)
    else:
        _show(screen, found, who)
    return Exit.DONE


def _of_folder(folder: Path, screen: Screen) -> tuple[dict[str, Any], str]:
    """The same names as far as a folder knows them, what only a process can say being null; and that nobody said it."""
    from mmsb.cli.stored import Stored

    stored = Stored(folder)
    with screen.progress("folding") as progress:
        partitions = [stored.partition_stats(number, progress.tell) for number in stored.partitions]
    last = stored.outline.reigns[-1].claim if stored.outline.reigns else None
    app = stored.outline.genesis.app
    stored.close()
    found = {
        "running": False,
        "app": app,
        "generation": last and last.generation,
        "bundle": last and last.bundle.hex(),
        "durability": last and last.durability.name.lower(),
        "seconds": None,
        "settled_per_second": None,
        "memory_bytes": None,
        "partitions": partitions,
    }
    return found, COPY_OF_TOPICS if stored.is_mirror else "nobody runs it"


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
    add_data(parser)
    add_json(parser, "one object")


STATS = Command(
    "stats",
    "DATA",
    "show offsets, counts, sizes, rate, lag and digest",
    "Lag is how many intents are logged and have not settled yet; flushed is the last intent whose effects are in the "
    "home, where the next start goes on. Hits, misses and evictions say how often pages that were asked for were in "
    "memory, were not, and had to leave it, since this start. If nobody runs the folder, what came after its newest "
    "checkpoint is folded first, which takes a second for some millions of changes.",
    ("mmsb stats ./data/bank", "mmsb stats ./data/bank --json"),
    _add,
    stats,
)

"""`mmsb log`: what became of each intent, in order; of all, or of those that fit. And `mmsb log copy`."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsb.cli.command import Command, add_json, positive
from mmsb.cli.copying import COPY, USAGE, copy_logs
from mmsb.cli.exits import Exit
from mmsb.cli.filters import add_about, add_range, add_status, filter_of, has_range
from mmsb.cli.past_rows import ENTRY_HEAD, entry_json, entry_row
from mmsb.cli.screen import Progress, Screen, counted
from mmsb.schemas.errors import InvalidValue

if TYPE_CHECKING:
    from mmsb.cli.stored import Stored
    from mmsb.streams.past.entries import Entry
    from mmsb.streams.past.past import Past

LIMIT = 50
ROWS_AT_ONCE = 1_000  # that a table aligns together


def log(asked: Namespace, screen: Screen) -> int:
    data, *more = asked.words
    if data == COPY:
        return copy_logs(asked, screen, more)
    if more:
        raise InvalidValue(f"expected `mmsb log DATA` or `{USAGE}`, found {counted(len(more), 'name')} behind {data}")
    if asked.replicas is not None:
        raise InvalidValue(f"--replicas: only for `{USAGE}`")
    return _log(asked, screen, data)


def _log(asked: Namespace, screen: Screen, data: str) -> int:
    from mmsb.cli.stored import Stored

    stored = Stored(Path(data))
    try:
        partitions = partitions_of(asked, stored)
        with screen.progress("searching") as progress:
            shown = sum(_show(asked, screen, progress, stored.past(each), len(partitions) > 1) for each in partitions)
    finally:
        stored.close()
    if not screen.machine and not shown:
        screen.note("nothing that fits has settled")
    return Exit.DONE


def partitions_of(asked: Namespace, stored: "Stored") -> list[int]:
    count = stored.partition_count
    if asked.partition is None:
        return stored.partitions
    if not 0 <= asked.partition < count:
        raise InvalidValue(f"--partition: expected 0 to {count - 1}, found {asked.partition}")
    return [asked.partition]


def _show(asked: Namespace, screen: Screen, progress: Progress, past: "Past", several: bool) -> int:
    """How many there were."""
    if not screen.machine and several:
        screen.line(f"partition {past.outline.genesis.partition}:")
    count = _print(screen, progress, past, _entries(asked, past, progress))
    _note_trimmed(asked, screen, past)
    return count


def _note_trimmed(asked: Namespace, screen: Screen, past: "Past") -> None:
    """What is older than the log may have fitted, too."""
    from mmsb.streams.asking.searching import first_there

    first = first_there(past) if has_range(asked) and past.outline.settled >= 0 else 0
    if (asked.first or 0) < first and not screen.machine:
        screen.note(f"partition {past.outline.genesis.partition}: offsets below {first} were trimmed")


def _entries(asked: Namespace, past: "Past", progress: Progress) -> Iterator["Entry"]:
    """Without a range, the last ones that fit: they are found from the end."""
    from mmsb.streams.asking.searching import search

    wanted = filter_of(asked, past.outline)
    if has_range(asked):
        return islice(search(past, wanted, tell=progress.tell), asked.limit)
    newest = search(past, wanted, newest_first=True, tell=progress.tell)
    return reversed(list(islice(newest, asked.limit or LIMIT)))


def _print(screen: Screen, progress: Progress, past: "Past", entries: Iterator["Entry"]) -> int:
    count = 0
    while batch := [_found(past, each) for each in islice(entries, ROWS_AT_ONCE)]:
        count += len(batch)
        progress.clear()
        if not screen.machine:
            screen.table(ENTRY_HEAD, map(entry_row, batch))
            continue
        for found in batch:
            screen.record(found)
    progress.clear()
    return count


def _found(past: "Past", entry: "Entry") -> dict[str, Any]:
    return entry_json(past.descriptor_at(entry.tlog), entry)


def add_partition(parser: ArgumentParser) -> None:
    parser.add_argument("--partition", type=int, metavar="N", help="of this partition alone (of all)")


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("words", metavar="…", nargs="+", help="a data folder, or `copy` and two places, as above")
    add_about(parser)
    add_status(parser)
    add_range(parser)
    add_partition(parser)
    parser.add_argument("--limit", type=positive, metavar="N", help=f"so many ({LIMIT}, or all of a range)")
    parser.add_argument(
        "--replicas", type=positive, metavar="N", help="copy: of topics that it makes (as many as brokers do)"
    )
    add_json(parser, "an object for each intent, or copied partition")


LOG = Command(
    "log",
    "DATA [--type NAME] [--actor TEXT] [--from OFFSET] [--since TIME] [options] | copy FROM TO",
    "show what became of each intent, in order; copy logs",
    "Applied, rejected with the reason, or a duplicate of an earlier one; who asked, why, and which pages it changed. "
    "Of all options all must fit. With neither offsets nor times it shows the last ones that fit.\n\n"
    "It reads the folder's TLog as far as it is durable, also while somebody runs it, block by block: ten million "
    "intents are looked through in a second or two.\n\n"
    "`copy` brings all that is in both logs, of all partitions or of that of --partition, from a data folder into "
    "topics of Kafka, or the other way: FROM and TO are DATA or kafka://HOST:PORT/APP. Keys, values, headers and times "
    "stay the same, and so do the digests. What is there already is compared, and has to be the begin of what is "
    "copied; so a copy that was cut short goes on, and one that is whole is proven to be the same. Stop whoever runs "
    "FROM, or what comes later is left behind. Nobody can run TO before it is whole.",
    (
        "mmsb log ./data/bank",
        "mmsb log ./data/bank --actor alice --status rejected",
        "mmsb log ./data/bank --type Transfer --since 2026-03-01 --until 2026-03-02T12:00 --json",
        "mmsb log ./data/bank --id 6f1c0c5e-3f0b-4d43-9d1f-0e2b1b9f7a10",
        "mmsb log copy ./data/bank kafka://localhost:9092/bank --replicas 3",
        "mmsb log copy kafka://localhost:9092/bank ./data/copy",
    ),
    _add,
    log,
)

"""`mmsb log`: what became of each intent, in order."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsb.cli.command import Command, add_data, add_json, positive
from mmsb.cli.exits import Exit
from mmsb.cli.past_rows import ENTRY_HEAD, entry_json, entry_row
from mmsb.cli.screen import Screen
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.types import I64_MAX

if TYPE_CHECKING:
    from mmsb.cli.stored import Stored

LIMIT = 50
ROWS_AT_ONCE = 1_000  # that a table aligns together


def log(asked: Namespace, screen: Screen) -> int:
    from mmsb.cli.stored import Stored

    stored = Stored(Path(asked.data))
    try:
        partitions = _partitions(asked, stored)
        shown = sum(_show(asked, screen, stored, partition, len(partitions) > 1) for partition in partitions)
    finally:
        stored.close()
    if not screen.machine and not shown:
        screen.note("nothing has settled in these offsets")
    return Exit.DONE


def _partitions(asked: Namespace, stored: "Stored") -> list[int]:
    count = stored.partition_count
    if asked.partition is None:
        return list(range(count))
    if not 0 <= asked.partition < count:
        raise InvalidValue(f"--partition: expected 0 to {count - 1}, found {asked.partition}")
    return [asked.partition]


def _show(asked: Namespace, screen: Screen, stored: "Stored", partition: int, several: bool) -> int:
    """How many there were. Without a range, it is the last ones that are shown."""
    past = stored.past(partition)
    settled = past.outline.settled
    first, last = asked.first, min(I64_MAX if asked.last is None else asked.last, settled)
    limit = None if asked.limit is None and (first is not None or asked.last is not None) else asked.limit or LIMIT
    if first is None:
        first = 0 if limit is None or asked.last is not None else max(settled + 1 - limit, 0)
    found = (entry_json(past.descriptor_at(each.tlog), each) for each in past.entries(first, last))
    entries = islice(found, limit)
    if not screen.machine and several:
        screen.line(f"partition {partition}:")
    return _print(screen, entries)


def _print(screen: Screen, entries: Iterator[dict[str, Any]]) -> int:
    count = 0
    while batch := list(islice(entries, ROWS_AT_ONCE)):
        count += len(batch)
        if not screen.machine:
            screen.table(ENTRY_HEAD, map(entry_row, batch))
            continue
        for found in batch:
            screen.record(found)
    return count


def _add(parser: ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument("--from", dest="first", type=int, metavar="OFFSET", help="the first offset (the last ones)")
    parser.add_argument("--to", dest="last", type=int, metavar="OFFSET", help="the last offset, itself included")
    parser.add_argument("--partition", type=int, metavar="N", help="of this partition alone (of all)")
    parser.add_argument("--limit", type=positive, metavar="N", help=f"so many ({LIMIT}, or all of --from and --to)")
    add_json(parser, "an object for each intent")


LOG = Command(
    "log",
    "DATA [--from OFFSET] [--to OFFSET] [--partition N] [--limit N]",
    "show what became of each intent, in order",
    "Applied, rejected with the reason, or a duplicate of an earlier one; who asked, why, and which pages it changed. "
    "It reads the folder's TLog as far as it is durable, also while somebody runs it.",
    ("mmsb log ./data/bank", "mmsb log ./data/bank --from 100 --to 200 --json"),
    _add,
    log,
)

"""`mmsb scan`: all pages of a type, as they are or were."""

from argparse import ArgumentParser, Namespace
from itertools import islice

from mmsb.cli.command import Command, add_data, add_json, positive
from mmsb.cli.exits import Exit
from mmsb.cli.pages import add_at, page_head, page_json, page_row
from mmsb.cli.screen import Screen
from mmsb.cli.sources import Source, source_of
from mmsb.cli.values import named
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.layouts import PageLayout


def scan(asked: Namespace, screen: Screen) -> int:
    with source_of(asked.data) as source:
        layout: PageLayout = named(source.descriptor.pages, asked.page, "page")
        pages = (
            (key, page_json(layout, partition, key, (epoch, body)))
            for partition in _partitions(source, asked)
            for key, epoch, body in source.scan(partition, layout.type_id, asked.at)
        )
        found = islice(pages, asked.limit)
        if screen.machine:
            for _, page in found:
                screen.record(page)
        else:
            screen.table(page_head(layout), [page_row(layout, key, page) for key, page in found])
    return Exit.DONE


def _partitions(source: Source, asked: Namespace) -> list[int]:
    count, partition = source.partition_count, asked.partition
    if partition is not None and not 0 <= partition < count:
        raise InvalidValue(f"--partition: expected 0 to {count - 1}, found {partition}")
    if partition is None and asked.at is not None and count > 1:
        raise InvalidValue(f"--at {asked.at}: each of {count} partitions has offsets of its own; add --partition")
    return list(range(count)) if partition is None else [partition]


def _add_scan(parser: ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument("page", metavar="PAGE", help="the page's class, as in the code: Account")
    add_at(parser)
    parser.add_argument("--partition", type=int, metavar="P", help="the pages of one partition alone")
    parser.add_argument("--limit", type=positive, metavar="N", help="no more than so many pages")
    add_json(parser, "an object for each page")


SCAN = Command(
    "scan",
    "DATA PAGE [--at OFFSET] [--partition P] [--limit N]",
    "show all pages of a type, as they are or were",
    "In the order of their keys, one partition after the other; nothing is shown that a crash could take back. Where "
    "nobody runs the folder, or with --at, the log is replayed to that moment, from the newest checkpoint before it.",
    ("mmsb scan ./data/bank Account", "mmsb scan ./data/bank Account --at 1041 --json"),
    _add_scan,
    scan,
)

"""`mmsb diff`: in which pages two states differ, field by field, and which intents made them so."""

from argparse import ArgumentParser, Namespace
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mmsb.cli.command import Command, add_json
from mmsb.cli.exits import Exit
from mmsb.cli.logs import add_partition, partitions_of
from mmsb.cli.owner import running
from mmsb.cli.past_rows import type_name
from mmsb.cli.screen import Progress, Screen, counted
from mmsb.cli.sides import CheckpointSide, FolderSide, LiveSide, Side, check_comparable, last_change
from mmsb.cli.values import shown, shown_key
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.json_values import json_key, json_value
from mmsb.schemas.types import Value

if TYPE_CHECKING:
    from mmsb.cli.stored import Stored
    from mmsb.streams.past.differing import Difference
    from mmsb.streams.past.entries import Entry

LIMIT = 100  # pages of each partition that people are shown
AT_ONCE = 10_000  # pages of which is asked together who wrote them, in the order of the log

HOW = (
    "write `mmsb diff A B`, `mmsb diff DATA --at OFFSET --at OFFSET`, `mmsb diff DATA --checkpoint NAME`, or "
    "`mmsb diff DATA --live`"
)


def diff(asked: Namespace, screen: Screen) -> int:
    count = 0
    with _sides(asked, screen) as sides, screen.progress("folding") as progress:
        for partition, a, b in sides:
            count += _diff_partition(screen, progress, partition, a, b)
    if not screen.machine:
        more = f"; the first {LIMIT} of each partition are shown, --json shows all" if count > LIMIT else ""
        screen.line(f"{counted(count, 'differing page')}{more}" if count else "no page differs")
    return Exit.FOUND if count else Exit.DONE


@contextmanager
def _sides(asked: Namespace, screen: Screen) -> Generator[Iterator[tuple[int, Side, Side]]]:
    """What is to be compared, partition by partition."""
    from mmsb.cli.stored import Stored

    ats, names = list[int](asked.at or []), list[str](asked.checkpoint or [])
    ways = [bool(asked.b or ats), asked.live, bool(names)]
    if len(ats) > 2 or len(names) > 2 or ways.count(True) != 1:
        raise InvalidValue(f"expected two states to compare; {HOW}")
    if asked.b and len(ats) == 1:
        raise InvalidValue("--at: expected one for each of the two folders, or none, found one; offsets are of a log")
    with ExitStack() as stack:
        a = stack.enter_context(_closing(Stored(Path(asked.a))))
        partitions = partitions_of(asked, a)
        if ats and len(partitions) > 1:
            raise InvalidValue(f"--at: an offset is one of a partition, and there are {len(partitions)}; name one")
        if names:
            yield ((number, *_checkpoints(a, number, names)) for number in partitions)
            return
        if asked.live:
            owner = stack.enter_context(_closing(running(asked.a)))
            held = [each.partition for each in owner.stats().partitions]
            lives = ((number, LiveSide(a, owner, number)) for number in _common(partitions, held, screen))
            yield ((number, FolderSide(a, _offset(live, number)), live) for number, live in lives)
            return
        b = stack.enter_context(_closing(Stored(Path(asked.b)))) if asked.b else a
        check_comparable(a, b)
        partitions = _common(partitions, partitions_of(asked, b), screen)
        at_a, at_b = [*ats, None, None][:2]
        yield ((number, FolderSide(a, at_a), FolderSide(b, at_b)) for number in partitions)


def _common(some: list[int], others: list[int], screen: Screen) -> list[int]:
    """The partitions that both sides have: a worker has not all of them."""
    left_out = sorted({*some} ^ {*others})
    if left_out and len(some) > 1:
        screen.note(f"not compared, for one side alone has them: partitions {', '.join(map(str, left_out))}")
    return [number for number in some if number in others or len(some) == 1]


def _checkpoints(stored: "Stored", partition: int, names: list[str]) -> tuple[Side, Side]:
    """Two of them; or one, and what the log tells of the same moment."""
    first, *rest = [CheckpointSide(stored, partition, name) for name in names]
    return first, rest[0] if rest else FolderSide(stored, first.settled(partition))


def _offset(live: LiveSide, partition: int) -> int | None:
    """Nothing at all has settled at -1, and nothing is to be left out."""
    settled = live.settled(partition)
    return None if settled == -1 else settled


@contextmanager
def _closing(what: Any) -> Generator[Any]:
    try:
        yield what
    finally:
        what.close()


@dataclass(frozen=True)
class Told:
    """A page that differs, and who wrote what is newer."""

    page: "Difference"
    offset: int
    newer: str  # a, or b
    writer: "Entry | None"
    side: Side


def _diff_partition(screen: Screen, progress: Progress, partition: int, a: Side, b: Side) -> int:
    from mmsb.streams.past.differing import diff as compare

    differences = compare(a.state(partition, progress.tell), b.state(partition, progress.tell))
    progress.clear()
    count, rows = 0, list[tuple[object, ...]]()
    while some := list(islice(differences, AT_ONCE)):
        wanted = some if screen.machine else some[: max(LIMIT - count, 0)]
        count += len(some)
        for told in _written(partition, a, b, wanted):
            found = _difference_json(partition, told)
            if screen.machine:
                screen.record(found)
            else:
                writer = f"{found['intent']} at {found['offset']}"
                rows += page_rows(found, told.page, writer, found["actor"], found["reason"])
    if rows:
        screen.table(("page", "field", a.name, b.name, "last written by", "actor", "reason"), rows)
    return count


def _written(partition: int, a: Side, b: Side, pages: list["Difference"]) -> list[Told]:
    """Who wrote each: the log is gone through in its order, so that each block is read once."""
    named: list[tuple[int, str, Side]] = []
    for each in pages:
        page = (each.layout.type_id, each.key)
        in_a = last_change(a, partition, page, each.epoch_a)
        in_b = last_change(b, partition, page, each.epoch_b)
        named.append((in_a, "a", a) if in_a > in_b else (in_b, "b", b))
    entries: dict[tuple[str, int], Entry | None] = {}
    for offset, which, side in sorted(named, key=lambda each: each[:2]):
        entries[which, offset] = side.past(partition).outcome_at(offset)
    return [
        Told(page, offset, which, entries[which, offset], side)
        for page, (offset, which, side) in zip(pages, named, strict=True)
    ]


def _difference_json(partition: int, told: Told) -> dict[str, Any]:
    each, writer = told.page, told.writer
    layouts = told.side.past(partition).descriptor_at(writer.tlog).layouts_by_type if writer else {}
    return {
        **page_json(partition, each),
        "offset": told.offset,
        "written_in": told.newer,
        "intent": writer and type_name(layouts, writer.intent_type),
        "actor": writer and writer.metadata.actor,
        "reason": writer and writer.metadata.reason,
    }


def page_json(partition: int, each: "Difference") -> dict[str, Any]:
    """What a page has on both sides."""
    return {
        "page": each.layout.name,
        "key": json_key(each.layout, each.key),
        "partition": partition,
        "epochs": [each.epoch_a, each.epoch_b],
        "fields": {
            field.name: [_value(each, field.name, value) for value in (field.a, field.b)] for field in each.fields
        },
    }


def _value(each: "Difference", name: str, value: Value | None) -> Any:
    index = each.layout.index_of.get(name)
    return value if value is None or index is None else json_value(each.layout.fields[index].type, value)


def page_rows(found: dict[str, Any], each: "Difference", *who: object) -> list[tuple[object, ...]]:
    """A row for each field, and behind it who wrote it."""
    page = f"{found['page']} {shown_key(each.layout, each.key)}"
    fields = cast("dict[str, list[Any]]", found["fields"] or {"(epoch)": found["epochs"]})
    absent = [None if epoch else "no page" for epoch in found["epochs"]]
    return [
        (page, name, *(gone or shown(value) for gone, value in zip(absent, values, strict=True)), *who)
        for name, values in fields.items()
    ]


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("a", metavar="A", help="a data folder")
    parser.add_argument("b", metavar="B", nargs="?", help="another one, of the same application")
    parser.add_argument(
        "--at", type=int, action="append", metavar="OFFSET",
        help="as it was behind this intent; twice for two moments, once to compare with now",
    )  # fmt: skip
    parser.add_argument(
        "--checkpoint", action="append", metavar="NAME",
        help="one of its checkpoints, as `mmsb checkpoint list` names it; twice for two, once to compare with the log",
    )  # fmt: skip
    parser.add_argument("--live", action="store_true", help="what its log tells with what the running process has")
    add_partition(parser)
    add_json(parser, "an object for each page that differs")


DIFF = Command(
    "diff",
    "A [B] [--at OFFSET …] [--checkpoint NAME …] [--live] [--partition N]",
    "show in which pages two states differ, and who wrote them",
    "Two data folders, two moments of one, two checkpoints, a checkpoint and the log, or the log and what the process "
    "that runs it has in memory. States are replayed from logs and compared page by page, field by field. Each "
    "difference names the intent that wrote or deleted the page last, on the side where that is later. Exit code 1: "
    "there are some, as with diff(1).",
    (
        "mmsb diff ./data/bank ./backup/bank",
        "mmsb diff ./data/bank --at 1000 --at 2000",
        "mmsb diff ./data/bank --at 1000",
        "mmsb diff ./data/bank --live",
        "mmsb diff ./data/bank --checkpoint 00000000000000300000-00000000000000000026",
    ),
    _add,
    diff,
)

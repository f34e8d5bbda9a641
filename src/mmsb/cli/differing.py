"""`mmsb diff`: in which pages two folders differ, and which intents wrote them."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mmsb.cli.command import Command, add_json
from mmsb.cli.exits import Exit
from mmsb.cli.past_rows import type_name
from mmsb.cli.screen import Progress, Screen, counted
from mmsb.cli.values import shown, shown_key
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.json_values import json_key, json_value
from mmsb.schemas.types import Value

if TYPE_CHECKING:
    from mmsb.cli.stored import Stored
    from mmsb.streams.past.differing import Difference

LIMIT = 100  # pages of each partition that people are shown


def diff(asked: Namespace, screen: Screen) -> int:
    from mmsb.cli.stored import Stored

    a, b = Stored(Path(asked.a)), Stored(Path(asked.b))
    try:
        _check_comparable(a, b)
        with screen.progress("folding") as progress:
            count = sum(_diff_partition(screen, a, b, number, progress) for number in range(len(a.partitions)))
    finally:
        a.close()
        b.close()
    if not screen.machine:
        more = f"; the first {LIMIT} of each partition are shown, --json shows all" if count > LIMIT else ""
        screen.line(f"{counted(count, 'differing page')}{more}" if count else "no page differs")
    return Exit.FOUND if count else Exit.DONE


def _check_comparable(a: "Stored", b: "Stored") -> None:
    one, other = a.outline.genesis, b.outline.genesis
    if (one.app, one.partition_count) != (other.app, other.partition_count):
        raise InvalidValue(
            f"expected two folders of one application and as many partitions, found {one.app} with "
            f"{one.partition_count} and {other.app} with {other.partition_count}; name others"
        )


def _diff_partition(screen: Screen, a: "Stored", b: "Stored", partition: int, progress: Progress) -> int:
    from mmsb.streams.past.differing import diff as compare

    differences = compare(a.fold(partition, progress.tell), b.fold(partition, progress.tell))
    progress.clear()
    count, rows = 0, list[tuple[object, ...]]()
    for count, each in enumerate(differences, 1):
        if screen.machine:
            screen.record(_difference_json(a, b, partition, each))
        elif count <= LIMIT:
            rows += _rows(_difference_json(a, b, partition, each), each)
    if rows:
        screen.table(("page", "field", str(a.folder), str(b.folder), "last written by", "actor", "reason"), rows)
    return count


def _difference_json(a: "Stored", b: "Stored", partition: int, each: "Difference") -> dict[str, Any]:
    newer = a if each.epoch_a > each.epoch_b else b
    writer = newer.past(partition).outcome_at(each.written_by)
    layouts = newer.descriptor.layouts_by_type
    return {
        "page": each.layout.name,
        "key": json_key(each.layout, each.key),
        "partition": partition,
        "epochs": [each.epoch_a, each.epoch_b],
        "fields": {
            field.name: [_value(each, field.name, value) for value in (field.a, field.b)] for field in each.fields
        },
        "offset": each.written_by,
        "written_in": "a" if newer is a else "b",
        "intent": writer and type_name(layouts, writer.intent_type),
        "actor": writer and writer.metadata.actor,
        "reason": writer and writer.metadata.reason,
    }


def _value(each: "Difference", name: str, value: Value | None) -> Any:
    index = each.layout.index_of.get(name)
    return value if value is None or index is None else json_value(each.layout.fields[index].type, value)


def _rows(found: dict[str, Any], each: "Difference") -> list[tuple[object, ...]]:
    page = f"{found['page']} {shown_key(each.layout, each.key)}"
    who = (f"{found['intent']} at {found['offset']}", found["actor"], found["reason"])
    fields = cast("dict[str, list[Any]]", found["fields"] or {"(epoch)": found["epochs"]})
    absent = [None if epoch else "no page" for epoch in found["epochs"]]
    return [
        (page, name, *(gone or shown(value) for gone, value in zip(absent, values, strict=True)), *who)
        for name, values in fields.items()
    ]


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("a", metavar="A", help="a data folder")
    parser.add_argument("b", metavar="B", help="another one, of the same application")
    add_json(parser, "an object for each page that differs")


DIFF = Command(
    "diff",
    "A B",
    "show in which pages two folders differ, and who wrote them",
    "Both are replayed from their logs and compared page by page, field by field. Each difference names the intent "
    "that wrote the newer page. Exit code 1: there are some, as with diff(1).",
    ("mmsb diff ./data/bank ./backup/bank",),
    _add,
    diff,
)

"""`mmsb get`, `history` and `blame`: what pages are, and how they came to be so."""

from argparse import ArgumentParser, Namespace
from typing import Any

from mmsb.cli.command import Command, add_data, add_json, positive
from mmsb.cli.exits import Exit
from mmsb.cli.past_rows import CHANGE_HEAD, change_json, change_row
from mmsb.cli.screen import Screen
from mmsb.cli.sources import Source, partition_for, source_of
from mmsb.cli.values import field_index, fields_json, named, parse_key, shown, shown_key
from mmsb.schemas.errors import PageNotFound
from mmsb.schemas.json_values import json_key
from mmsb.schemas.layouts import PageLayout

LIMIT = 20


def get(asked: Namespace, screen: Screen) -> int:
    with source_of(asked.data) as source:
        layout: PageLayout = named(source.descriptor.pages, asked.page, "page")
        keys = [parse_key(layout, text) for text in asked.keys]
        found = [_page_json(source, layout, key, asked.at) for key in keys]
    if screen.machine:
        for page in found:
            screen.record(page)
    else:
        _show_pages(screen, layout, keys, found, asked.at)
    return Exit.DONE if all(page["epoch"] for page in found) else Exit.NO_PAGE


def _page_json(source: Source, layout: PageLayout, key: bytes, at: int | None) -> dict[str, Any]:
    partition = partition_for(source, layout, key)
    return page_json(layout, partition, key, source.get(partition, [(layout.type_id, key)], at)[0])


def page_json(layout: PageLayout, partition: int, key: bytes, stored: tuple[int, bytes] | None) -> dict[str, Any]:
    epoch, fields = (0, None) if stored is None else (stored[0], fields_json(layout, stored[1]))
    return {"page": layout.name, "key": json_key(layout, key), "partition": partition, "epoch": epoch, "fields": fields}


def _show_pages(
    screen: Screen, layout: PageLayout, keys: list[bytes], found: list[dict[str, Any]], at: int | None
) -> None:
    there = [(key, page) for key, page in zip(keys, found, strict=True) if page["epoch"]]
    if there:
        screen.table(page_head(layout), [page_row(layout, key, page) for key, page in there])
    for key, page in zip(keys, found, strict=True):
        if not page["epoch"]:
            never = (
                f"{layout.name} {shown_key(layout, key)} did not exist after offset {at}; its history says when it did"
            )
            screen.note(f"mmsb: {_absent(layout, key) if at is None else never}")


def page_head(layout: PageLayout) -> tuple[str, ...]:
    return layout.name, "epoch", *(field.name for field in layout.fields)


def page_row(layout: PageLayout, key: bytes, page: dict[str, Any]) -> tuple[object, ...]:
    """A page for people."""
    return shown_key(layout, key), page["epoch"], *(shown(page["fields"][field.name]) for field in layout.fields)


def _absent(layout: PageLayout, key: bytes) -> str:
    return f"{layout.name} {shown_key(layout, key)} does not exist; it will once an intent on it applies"


def history(asked: Namespace, screen: Screen) -> int:
    with source_of(asked.data) as source:
        descriptor = source.descriptor
        layout: PageLayout = named(descriptor.pages, asked.page, "page")
        key = parse_key(layout, asked.key)
        changes = source.history(partition_for(source, layout, key), (layout.type_id, key), asked.limit)
    if not changes and changes.trimmed is None:
        raise PageNotFound(f"{_absent(layout, key)}, and nothing ever happened to it")
    found = [change_json(layout, descriptor.layouts_by_type, change) for change in changes]
    if screen.machine:
        for change in found:
            screen.record(change)
        if changes.trimmed is not None:
            screen.record({"trimmed": changes.trimmed})
    else:
        screen.table(CHANGE_HEAD, map(change_row, found))
        if changes.trimmed is not None:
            screen.line(f"changes before intent offset {changes.trimmed} were trimmed")
        elif len(found) == asked.limit:
            screen.note(f"the newest {asked.limit}; --limit shows more")
    return Exit.DONE


def blame(asked: Namespace, screen: Screen) -> int:
    with source_of(asked.data) as source:
        descriptor = source.descriptor
        layout: PageLayout = named(descriptor.pages, asked.page, "page")
        key = parse_key(layout, asked.key)
        index, byte = None if asked.field is None else field_index(layout, asked.field), asked.byte
        if index is None and byte is not None:
            index, byte = layout.place_of_byte(byte)
        change = source.blame(partition_for(source, layout, key), (layout.type_id, key), index, byte)
    if change is None:
        raise PageNotFound(_absent(layout, key))
    found = change_json(layout, descriptor.layouts_by_type, change)
    field = None if index is None else layout.fields[index].name
    found |= {"field": field, "byte": byte, "value": found["fields"][field] if field else None}
    if screen.machine:
        screen.record(found)
    else:
        _show_blame(screen, found, shown_key(layout, key))
    return Exit.DONE


def _show_blame(screen: Screen, found: dict[str, Any], key: str) -> None:
    """Who gave it its value, as a list of what is known."""
    what = f"{found['page']} {key}"
    became = f"{what} {found['field']} = {shown(found['value'])}" if found["field"] else f"{what} came to be"
    if found["byte"] is not None:
        became += f", its byte {found['byte']}"
    screen.line(f"{became}, by the intent at offset {found['offset']}")
    for name in ("intent", "time", "actor", "reason", "id", "correlation", "causation", "source", "number"):
        if found[name] is not None:
            screen.line(f"  {name:<12} {found[name]}")
    screen.line(f"  {'epoch':<12} {found['before']} → {found['epoch']}")
    screen.line(f"  {'code':<12} generation {found['generation']}, bundle {found['bundle'][:16]}…")


def _add_page(parser: ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument("page", metavar="PAGE", help="the page's class, as in the code: Account")


def _add_key(parser: ArgumentParser) -> None:
    _add_page(parser)
    parser.add_argument("key", metavar="KEY", help="a number or a text; a tuple as a,b; a blob as hexadecimal digits")


def _add_get(parser: ArgumentParser) -> None:
    _add_page(parser)
    parser.add_argument(
        "keys", metavar="KEY", nargs="+", help="a number or a text; a tuple as a,b; a blob as hexadecimal digits"
    )
    add_at(parser)
    add_json(parser, "an object for each page; epoch 0 and no fields if there is none")


def add_at(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--at", type=int, metavar="OFFSET", help="as it was right after this intent offset of its partition had settled"
    )


def _add_history(parser: ArgumentParser) -> None:
    _add_key(parser)
    parser.add_argument("--limit", type=positive, default=LIMIT, metavar="N", help=f"so many changes ({LIMIT})")
    add_json(parser, "an object for each change, the newest first; then one with `trimmed` if older ones were")


def _add_blame(parser: ArgumentParser) -> None:
    _add_key(parser)
    parser.add_argument("field", metavar="FIELD", nargs="?", help="whose value; without it, who created the page")
    parser.add_argument(
        "--byte", type=int, metavar="N", help="of which byte, from 0: of FIELD, or without one of the page's body"
    )
    add_json(parser, "one object: the change, with field and value")


GET = Command(
    "get",
    "DATA PAGE KEY [KEY …] [--at OFFSET]",
    "show pages by their keys, as they are or were",
    "Settled state only: nothing is shown that a crash could take back. It asks whoever runs the folder, or reads the "
    "folder itself. With --at it shows what the log says that the pages were at that moment, in the fields that they "
    "have now.",
    (
        "mmsb get ./data/bank Account 1",
        "mmsb get ./data/bank Account 1 2 3 --json",
        "mmsb get ./data/bank Account 1 --at 1041",
    ),
    _add_get,
    get,
)
HISTORY = Command(
    "history",
    "DATA PAGE KEY [--limit N]",
    "show what happened to a page, the newest first",
    "Each line is one change: which intent made it, who asked and why, and what the fields became. Deletions and "
    "earlier lives of the page are there, too. Where the log was trimmed behind a checkpoint, the last line says so.",
    ("mmsb history ./data/bank Account 1", "mmsb history ./data/bank Account 1 --limit 1000 --json"),
    _add_history,
    history,
)
BLAME = Command(
    "blame",
    "DATA PAGE KEY [FIELD] [--byte N]",
    "show which intent gave a field its value",
    "It names the last intent that changed the field, who asked for it and why, and the code that decided. Without "
    "FIELD it names the intent that created the page.",
    ("mmsb blame ./data/bank Account 1 balance", "mmsb blame ./data/bank Account 1 --byte 24"),
    _add_blame,
    blame,
)

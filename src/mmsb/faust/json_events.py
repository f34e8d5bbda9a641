"""An event from JSON, as `mmsb run --events json` publishes it (docs/formats.md, section 12)."""

from typing import Any, TypeVar

from mmsb.schemas.arguments import JsonField
from mmsb.schemas.classes import Page, page_layout_of
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.events import EventKind
from mmsb.schemas.json_text import JsonValue, parse
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.rejections import Refused
from mmsb.schemas.types import Blob
from mmsb.streams.page_values import PageEvent

P = TypeVar("P", bound=Page)


def page_event_of_json(page: type[P], value: bytes) -> PageEvent[P] | None:
    """None if it is one of another page class."""
    layout: PageLayout = page_layout_of(page)
    try:
        members: dict[str, Any] = parse(value)
        if members["@page"] != layout.name:
            return None
        kind = EventKind[members["@event"].upper()]
        fields = None if kind == EventKind.DELETED else page.from_body(_body(layout, members), members["@epoch"])
        return PageEvent(
            kind=kind,
            key=_key(layout, members["@key"]),
            page=fields,
            fields=tuple(members["@fields"]),
            partition=members["@partition"],
            offset=members["@offset"],
            ordinal=members["@ordinal"],
            before=members["@before"],
            time=members["@time"],
            intent=members["@intent"],
            cause=members["@cause"],
            hops=members["@hops"],
        )
    except (Refused, KeyError, AttributeError, TypeError, ValueError) as error:
        found = error.rejection if isinstance(error, Refused) else repr(error)
        raise InvalidValue(f"expected an event of {layout.name} as its class here has it, found: {found}") from error


def _body(layout: PageLayout, members: dict[str, JsonValue]) -> bytes:
    body = bytearray(layout.size)
    for number, field in enumerate(layout.fields, 1):
        body[field.offset : field.end] = JsonField(layout.type_id, number).pack(field.type, members[field.name])
    return bytes(body)


def _key(layout: PageLayout, value: Any) -> Any:
    """As `Page[key]` takes it."""
    several = len(layout.key) > 1
    parts: list[Any] = value if several else [value]
    found = [
        bytes.fromhex(part) if isinstance(kind, Blob) else part for kind, part in zip(layout.key, parts, strict=True)
    ]
    return tuple(found) if several else found[0]

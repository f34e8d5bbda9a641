"""From the bytes of an event, packed or JSON, to a value of the user's own class (docs/formats.md, section 12)."""

from typing import Any, Generic, TypeVar

from mmsb.schemas.arguments import JsonField
from mmsb.schemas.classes import Page, page_layout_of
from mmsb.schemas.descriptors import Descriptor
from mmsb.schemas.errors import InvalidValue, MmsbError
from mmsb.schemas.events import MAGIC, EventKind, unpack_event
from mmsb.schemas.json_text import JsonValue, parse
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.rejections import Refused
from mmsb.schemas.types import Blob
from mmsb.streams.page_values import PageEvent, page_event

P = TypeVar("P", bound=Page)


class Decoder(Generic[P]):
    """Of the events of one page class."""

    def __init__(self, page: type[P], descriptor: Descriptor) -> None:
        self._page = page
        self._layout: PageLayout = page_layout_of(page)
        self._descriptor = descriptor

    def event(self, value: bytes) -> PageEvent[P] | None:
        """None is one of another page class. Raises MmsbError."""
        if value.startswith(b"{"):
            return self._json(value)
        if value.startswith(MAGIC[:3]):
            return self._packed(value)
        raise InvalidValue(f"expected an event, packed or as JSON, found {value[:16]!r}")

    def _packed(self, value: bytes) -> PageEvent[P] | None:
        event = unpack_event(value)
        if event.page_type == self._layout.type_id:
            return page_event(self._page, event, self._descriptor)
        if event.page_type in self._descriptor.layouts_by_type:
            return None
        raise InvalidValue(
            f"expected a page type of {self._descriptor.app}, found type {event.page_type:016x}: the code there has "
            "other page classes than the code here; use the same, and let this worker read all before they change"
        )

    def _json(self, value: bytes) -> PageEvent[P] | None:
        try:
            members: dict[str, Any] = parse(value)
            return self._event(members) if members["@page"] == self._layout.name else None
        except (Refused, MmsbError, KeyError, AttributeError, TypeError, ValueError) as error:
            found = error.rejection if isinstance(error, Refused) else repr(error)
            raise InvalidValue(
                f"expected an event of {self._layout.name} as the class here has it, found: {found}"
            ) from error

    def _event(self, members: dict[str, Any]) -> PageEvent[P]:
        kind = EventKind[members["@event"].upper()]
        deleted = kind == EventKind.DELETED
        return PageEvent(
            kind=kind,
            key=_key(self._layout, members["@key"]),
            page=None if deleted else self._page.from_body(_body(self._layout, members), members["@epoch"]),
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

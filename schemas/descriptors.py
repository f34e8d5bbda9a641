"""What a claim says about its bundle: layouts with bounds and defaults, and messages. Logs need no user code."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Final, TypeVar, cast

from mmsb.schemas.canonical import canonical, parse_canonical
from mmsb.schemas.errors import InvalidValue, MalformedBytes
from mmsb.schemas.layouts import BOUND_OPS, Bound, Field, IntentLayout, KeyType, Layout, PageLayout, boundable, place
from mmsb.schemas.limits import (
    APP_NAME_BYTES_MAX,
    DESCRIPTOR_BYTES_MAX,
    FIELDS_MAX,
    HOPS_MAX,
    KEY_BYTES_MAX,
    PAGE_BYTES_MAX,
)
from mmsb.schemas.types import Array, Blob, Enumeration, FieldType, Float, Integer, Text, Value, parse_type

L = TypeVar("L", bound=Layout)

_APP: Final = re.compile(rf"[A-Za-z0-9._-]{{1,{APP_NAME_BYTES_MAX}}}")
ARRAY_COUNT_MIN: Final = 2
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def is_app_name(name: str) -> bool:
    """Whether an application can be called so: topics are named after it."""
    return _APP.fullmatch(name) is not None


@dataclass(frozen=True)
class Descriptor:
    """Pages and intents sorted by name, messages by code point."""

    app: str
    hops_max: int
    pages: tuple[PageLayout, ...]
    intents: tuple[IntentLayout, ...]
    messages: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "app": self.app,
            "hops_max": self.hops_max,
            "intents": [_intent_json(layout) for layout in self.intents],
            "messages": list(self.messages),
            "pages": [_page_json(layout) for layout in self.pages],
        }

    def pack(self) -> bytes:
        data = canonical(self.to_json())
        if len(data) > DESCRIPTOR_BYTES_MAX:
            raise InvalidValue(
                f"the bundle's descriptor has {len(data)} bytes, more than DESCRIPTOR_BYTES_MAX = "
                f"{DESCRIPTOR_BYTES_MAX}; declare fewer or smaller classes"
            )
        return data

    @cached_property
    def pages_by_name(self) -> dict[str, PageLayout]:
        return {page.name: page for page in self.pages}

    @cached_property
    def layouts_by_type(self) -> dict[int, Layout]:
        return {layout.type_id: layout for layout in (*self.pages, *self.intents)}


def _page_json(page: PageLayout) -> dict[str, Any]:
    return {
        "fields": [_field_json(field) for field in page.fields],
        "key": [component.spelling for component in page.key],
        "name": page.name,
        "partition_by": list(page.partition_by),
        "type": f"{page.type_id:016x}",
    }


def _intent_json(intent: IntentLayout) -> dict[str, Any]:
    return {
        "fields": [_field_json(field) for field in intent.fields],
        "name": intent.name,
        "on_rejected": intent.on_rejected,
        "type": f"{intent.type_id:016x}",
    }


def _field_json(field: Field) -> dict[str, Any]:
    described: dict[str, Any] = {
        "bounds": [[bound.op.name.lower(), bound.limit] for bound in field.bounds],
        "default": None if field.default is None else _value_json(field.type, field.default),
        "name": field.name,
        "type": field.type.spelling,
    }
    if isinstance(field.type, Enumeration):
        described["members"] = dict(field.type.members)
    return described


def _value_json(kind: FieldType, value: Value) -> Any:
    if isinstance(kind, Array):
        return [_value_json(kind.element, item) for item in cast("Sequence[int | float]", value)]
    if isinstance(kind, Blob):
        return cast(bytes, value).hex()
    if isinstance(kind, Enumeration):
        return kind.name_of(cast(int, value))
    return float(cast(float, value)) if isinstance(kind, Float) else value


def unpack_descriptor(data: bytes) -> Descriptor:
    """Read a descriptor; whatever a bundle of ours could not have written is malformed."""
    try:
        descriptor = _Reader(parse_canonical(data)).descriptor()
        again = descriptor.pack()
    except (InvalidValue, KeyError, TypeError, ValueError, IndexError) as error:
        raise MalformedBytes("descriptor", "what docs/formats.md, section 11, describes", str(error), 0) from None
    if again != data:
        raise MalformedBytes("descriptor", "the bytes that an encoder writes", "others for the same content", 0)
    return descriptor


class _Reader:
    """Takes a descriptor's JSON apart, trusting nothing."""

    def __init__(self, content: Any) -> None:
        self._content = content

    def descriptor(self) -> Descriptor:
        content = self._object(self._content, {"app", "hops_max", "intents", "messages", "pages"})
        hops_max = content["hops_max"]
        if type(hops_max) is not int or not 1 <= hops_max <= HOPS_MAX:
            raise InvalidValue(f"hops_max {hops_max!r}")
        pages = tuple(self._page(page) for page in self._list(content["pages"]))
        intents = tuple(self._intent(intent) for intent in self._list(content["intents"]))
        messages = tuple(self._text(message) for message in self._list(content["messages"]))
        for names in ([p.name for p in pages], [i.name for i in intents], list(messages)):
            if any(one >= other for one, other in pairwise(names)):
                raise InvalidValue(f"names that do not rise: {names}")
        if not is_app_name(self._text(content["app"])):
            raise InvalidValue(f"app {content['app']!r}")
        _check_together((*pages, *intents))
        _check_compensations(intents)
        return Descriptor(content["app"], hops_max, pages, intents, messages)

    def _object(self, found: Any, names: set[str]) -> dict[str, Any]:
        if not isinstance(found, dict) or set(cast("dict[str, Any]", found)) != names:
            raise InvalidValue(f"an object with other members than {sorted(names)}: {found!r:.200}")
        return cast("dict[str, Any]", found)

    def _list(self, found: Any) -> Sequence[Any]:
        if not isinstance(found, list):
            raise InvalidValue(f"no array: {found!r:.200}")
        return cast("Sequence[Any]", found)

    def _text(self, found: Any) -> str:
        if not isinstance(found, str) or not found:
            raise InvalidValue(f"no text: {found!r:.200}")
        return found

    def _name(self, found: Any) -> str:
        if not _NAME.fullmatch(self._text(found)):
            raise InvalidValue(f"no name: {found!r:.200}")
        return str(found)

    def _page(self, found: Any) -> PageLayout:
        content = self._object(found, {"fields", "key", "name", "partition_by", "type"})
        key = tuple(self._key(component) for component in self._list(content["key"]))
        partition_by = tuple(self._list(content["partition_by"]))
        fields = self._fields(content["fields"])
        if not key or not fields or any(field.default is None for field in fields):
            raise InvalidValue(f"a page without key, fields or defaults: {content['name']!r}")
        known = [index for index in partition_by if type(index) is int and 0 <= index < len(key)]
        if not partition_by or len(set(known)) < len(partition_by):
            raise InvalidValue(f"partition_by {partition_by}")
        layout = PageLayout(self._name(content["name"]), fields, key, partition_by)
        if layout.key_size > KEY_BYTES_MAX:
            raise InvalidValue(f"a key of {layout.key_size} bytes")
        return _checked(layout, content["type"])

    def _intent(self, found: Any) -> IntentLayout:
        content = self._object(found, {"fields", "name", "on_rejected", "type"})
        on_rejected = content["on_rejected"]
        if on_rejected is not None:
            self._text(on_rejected)
        return _checked(
            IntentLayout(self._name(content["name"]), self._fields(content["fields"]), on_rejected), content["type"]
        )

    def _key(self, spelling: Any) -> KeyType:
        kind = parse_type(self._text(spelling))
        if not isinstance(kind, Integer | Text | Blob) or kind.spelling == "time":
            raise InvalidValue(f"a key component of type {spelling}")
        return kind

    def _fields(self, found: Any) -> tuple[Field, ...]:
        fields = [self._field(field) for field in self._list(found)]
        if len(fields) > FIELDS_MAX or len({name for name, _, _, _ in fields}) < len(fields):
            raise InvalidValue("too many fields, or one name twice")
        return place(fields)

    def _field(self, found: Any) -> tuple[str, FieldType, Value | None, tuple[Bound, ...]]:
        names = {"bounds", "default", "name", "type"}
        if "members" in found:
            names.add("members")
        content = self._object(found, names)
        members = self._object(content["members"], set(content["members"])) if "members" in content else {}
        kind = parse_type(self._text(content["type"]), list(members.items()))
        if isinstance(kind, Enumeration) != bool(members):
            raise InvalidValue("members without an enum")
        if any(type(value) is not int or not 0 <= value <= 65_535 for value in members.values()):
            raise InvalidValue("a member's value")
        if len(set(members.values())) < len(members):
            raise InvalidValue("one value of two members")
        if isinstance(kind, Array) and kind.count < ARRAY_COUNT_MIN:
            raise InvalidValue("an array of fewer than two numbers")
        bounds = tuple(self._bound(kind, bound) for bound in self._list(content["bounds"]))
        if [bound.op for bound in bounds] != [op for op in BOUND_OPS if op in {bound.op for bound in bounds}]:
            raise InvalidValue("bounds out of order")
        default = None if content["default"] is None else _value_of(kind, content["default"])
        return self._name(content["name"]), kind, default, bounds

    def _bound(self, kind: FieldType, found: Any) -> Bound:
        op, limit = self._list(found)
        number = kind.element if isinstance(kind, Array) else kind
        if not boundable(kind) or type(limit) is not (float if isinstance(number, Float) else int):
            raise InvalidValue(f"bound {found!r}")
        number.pack(limit)
        return Bound({known.name.lower(): known for known in BOUND_OPS}[op], limit)


def _check_together(layouts: Sequence[Layout]) -> None:
    """Names and type ids find one class each, whether page or intent."""
    for found in ({layout.name for layout in layouts}, {layout.type_id for layout in layouts}):
        if len(found) < len(layouts):
            raise InvalidValue("one name or type id of two classes")


def _check_compensations(intents: Sequence[IntentLayout]) -> None:
    """Following `on_rejected` reaches intents that exist, and an end."""
    by_name = {intent.name: intent for intent in intents}
    ended: set[str] = set()  # those whose way is known to end, so that each is walked once
    for intent in intents:
        seen = {intent.name}
        while intent.on_rejected is not None and intent.name not in ended:
            intent = by_name[intent.on_rejected]
            if intent.name in seen:
                raise InvalidValue(f"on_rejected leads in a circle through {intent.name}")
            seen.add(intent.name)
        ended |= seen


def _checked(layout: L, type_id: Any) -> L:
    if type_id != f"{layout.type_id:016x}":
        raise InvalidValue(f"type id {type_id!r} of {layout.name}, which has {layout.type_id:016x}")
    if layout.size > PAGE_BYTES_MAX:
        raise InvalidValue(f"{layout.name} has {layout.size} bytes")
    return layout


def _value_of(kind: FieldType, found: Any) -> Value:
    if isinstance(kind, Array):
        return kind.unpack(kind.pack([_value_of(kind.element, item) for item in found]))
    if isinstance(kind, Blob):
        return kind.unpack(kind.pack(bytes.fromhex(found)))
    if isinstance(kind, Enumeration):
        return dict(kind.members)[found]
    if isinstance(kind, Float) and type(found) is not float:
        raise InvalidValue(f"default {found!r}")
    return kind.unpack(kind.pack(found))

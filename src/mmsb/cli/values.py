"""Keys and values between a command line and layouts: parsed by the field's type, shown as events show them."""

import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar, cast

from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.json_values import json_key, json_value
from mmsb.schemas.layouts import IntentLayout, Layout, PageLayout
from mmsb.schemas.types import Array, Blob, Boolean, Enumeration, FieldType, Float, Integer, Text, Value

N = TypeVar("N", int, float)

_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


def parse_value(kind: FieldType, text: str) -> Value:
    """A field's or a key component's value, from its text."""
    match kind:
        case Text():
            return text
        case Integer():
            return _number(text, int, f"expected {kind.spelling}, {kind.minimum} to {kind.maximum}")
        case Float():
            return _number(text, float, "expected a number (f64)")
        case Boolean():
            if text.lower() not in _BOOLEANS:
                raise InvalidValue(f"expected true or false, found {text!r}")
            return _BOOLEANS[text.lower()]
        case Enumeration():
            return _member(kind, text)
        case Blob():
            return _bytes(kind, text)
        case Array():
            items = text.strip("[]").split(",")
            return [cast("int | float", parse_value(kind.element, item.strip())) for item in items]


def _number(text: str, number: type[N], expected: str) -> N:
    try:
        return number(text)
    except ValueError:
        raise InvalidValue(f"{expected}, found {text!r}") from None


def _member(kind: Enumeration, text: str) -> int:
    members = dict(kind.members)
    if text not in members:
        raise InvalidValue(f"expected one of {', '.join(members)}, found {text!r}")
    return members[text]


def _bytes(kind: Blob, text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        expected = f"expected {kind.size} bytes as {2 * kind.size} hexadecimal digits"
        raise InvalidValue(f"{expected}, found {text!r}") from None


def parse_key(layout: PageLayout, text: str) -> bytes:
    """A page's key: a value, or the components of a tuple as `a,b`, or as JSON where a text has a comma in it."""
    parts = [text] if len(layout.key) == 1 else _components(text)
    wanted = ",".join(component.spelling for component in layout.key)
    if len(parts) != len(layout.key):
        raise InvalidValue(f"{layout.name}: expected a key of {wanted}, found {text!r}")
    try:
        values = tuple(parse_value(kind, part) for kind, part in zip(layout.key, parts, strict=True))
    except InvalidValue as error:
        raise InvalidValue(f"{layout.name}: a key is {wanted}: {error}") from None
    return layout.pack_key(values)


def _components(text: str) -> list[str]:
    if not text.startswith("["):
        return text.split(",")
    try:
        return [str(part) for part in json.loads(text)]
    except ValueError:
        raise InvalidValue(f'expected a key as a,b or as JSON ["a","b"], found {text!r}') from None


def parse_arguments(layout: IntentLayout, given: Sequence[str]) -> bytes:
    """An intent's arguments, from `field=value` each."""
    values = dict(_assignment(layout, text) for text in given)
    missing = [field.name for field in layout.fields if field.name not in values and field.default is None]
    if missing:
        shown = " ".join(f"{field.name}={field.type.spelling}" for field in layout.fields)
        raise InvalidValue(f"{layout.name}: missing {', '.join(missing)}; write `{layout.name} {shown}`")
    body = layout.pack([values.get(field.name, field.default) for field in layout.fields])
    return body


def _assignment(layout: IntentLayout, text: str) -> tuple[str, Value]:
    name, sign, value = text.partition("=")
    if not sign:
        raise InvalidValue(f"{layout.name}: expected field=value, found {text!r}; write e.g. {name or 'field'}=1")
    field = layout.fields[field_index(layout, name)]
    try:
        return name, parse_value(field.type, value)
    except InvalidValue as error:
        raise InvalidValue(f"{layout.name}.{name}: {error}") from None


def field_index(layout: Layout, name: str) -> int:
    if name not in layout.index_of:
        raise InvalidValue(f"{layout.name} has no field {name!r}{_meant(name, layout.index_of)}")
    return layout.index_of[name]


def named(layouts: Sequence[Any], name: str, what: str) -> Any:
    """The layout of that name."""
    known = {layout.name: layout for layout in layouts}
    if name not in known:
        raise InvalidValue(f"there is no {what} {name!r} here{_meant(name, known)}")
    return known[name]


def _meant(name: str, known: Mapping[str, Any]) -> str:
    near = get_close_matches(name, known, 1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known) or 'none'}"


def fields_json(layout: Layout, body: bytes) -> dict[str, Any]:
    """The values of a body, as events have them."""
    return {field.name: json_value(field.type, layout.read(body, index)) for index, field in enumerate(layout.fields)}


def shown(value: Any) -> str:
    """A value of JSON, for people."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def shown_key(layout: PageLayout, key: bytes) -> str:
    found = json_key(layout, key)
    return ",".join(map(shown, found)) if isinstance(found, list) else shown(found)

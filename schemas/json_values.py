"""Values of fields and keys as JSON intents and events write them (docs/formats.md, section 5)."""

from collections.abc import Sequence
from typing import cast

from mmsb.schemas.json_text import JsonValue
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.types import Array, Blob, Enumeration, FieldType, Value


def json_value(kind: FieldType, value: Value) -> JsonValue:
    """One field's value."""
    if isinstance(kind, Blob) and isinstance(value, bytes):
        return value.hex()
    if isinstance(kind, Enumeration) and isinstance(value, int):
        return kind.name_of(value)
    if isinstance(kind, Array):
        return list(cast("Sequence[int | float]", value))
    return cast("JsonValue", value)


def json_key(layout: PageLayout, key: bytes) -> JsonValue:
    """A page's key: the value of its one component, or an array of several."""
    value = layout.unpack_key(key)
    parts = value if isinstance(value, tuple) else (value,)
    components = [json_value(kind, part) for kind, part in zip(layout.key, parts, strict=True)]
    return components if len(components) > 1 else components[0]

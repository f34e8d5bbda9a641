"""Canonical JSON: one text for each value, for what is hashed or must be byte-equal (docs/formats.md, section 11)."""

import json

from mmsb.schemas.errors import InvalidValue, MalformedBytes
from mmsb.schemas.json_text import JsonValue

_ENCODER = json.JSONEncoder(ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":"))


def canonical(value: JsonValue) -> bytes:
    """The one text of a value."""
    try:
        text = _ENCODER.encode(value)
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidValue(f"expected a value that JSON can carry, found one that it cannot: {error}") from None
    if "\\ud" in text and _has_lone_surrogate(text):
        raise InvalidValue("expected text that UTF-8 can carry, found a lone surrogate")
    return text.encode("ascii")


def _has_lone_surrogate(text: str) -> bool:
    try:
        json.dumps(json.loads(text), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def parse_canonical(data: bytes) -> JsonValue:
    """The value whose one text this is."""
    try:
        value: JsonValue = json.loads(data.decode("ascii"))
        again = canonical(value)
    except UnicodeDecodeError as error:
        raise _malformed("ASCII", data[error.start : error.start + 1], error.start) from None
    except json.JSONDecodeError as error:
        raise _malformed("JSON", error.msg, error.pos) from None
    except (ValueError, RecursionError) as error:
        raise _malformed("JSON as this release writes it", error, 0) from None
    if again != data:
        pairs = zip(again, data, strict=False)
        at = next((i for i, (left, right) in enumerate(pairs) if left != right), min(len(again), len(data)))
        raise _malformed(repr(again[at : at + 8]), repr(data[at : at + 8]), at)
    return value


def _malformed(expected: str, found: object, position: int) -> MalformedBytes:
    return MalformedBytes("canonical JSON", expected, found, position)

"""Writing intents, packed and as JSON: the inverse of mmsb.schemas.envelopes.

What is written here is never refused there for its form; whoever asks for something else hears it at once.
"""

import json
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from mmsb.schemas.envelopes import (
    HAS_ID,
    HAS_METADATA,
    HAS_SOURCE,
    HEADER,
    INTENT_VERSION,
    MAGIC,
    read_envelope,
)
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.ids import ID_BYTES, id_text
from mmsb.schemas.json_text import JsonValue
from mmsb.schemas.limits import INTENT_BYTES_MAX
from mmsb.schemas.metadata import Metadata
from mmsb.schemas.rejections import Refused
from mmsb.schemas.sources import Source

_WORDS_MAX: Final = 2**16 - 1

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def pack_intent(
    type_id: int,
    arguments: bytes,
    *,
    id: bytes | None = None,
    source: Source | None = None,
    metadata: bytes = b"",
) -> bytes:
    """A packed intent; `arguments` are the layout's bytes and `metadata` is a block, or nothing."""
    words, rest = divmod(len(arguments), 8)
    if rest or words > _WORDS_MAX:
        raise InvalidValue(f"arguments: expected up to {_WORDS_MAX} words of 8 bytes, found {len(arguments)} bytes")
    if id is not None and len(id) != ID_BYTES:
        raise InvalidValue(f"id: expected {ID_BYTES} bytes (make_id gives them), found {len(id)}")
    parts = HAS_ID * (id is not None) | HAS_SOURCE * (source is not None) | HAS_METADATA * bool(metadata)
    kind = source.kind if source else 0
    data = b"".join(
        (
            HEADER.pack(MAGIC, INTENT_VERSION, parts, kind, words, type_id),
            id or b"",
            source.pack_part() if source else b"",
            arguments,
            metadata,
        )
    )
    if len(data) > INTENT_BYTES_MAX:
        raise InvalidValue(f"an intent has at most {INTENT_BYTES_MAX} bytes, found {len(data)}")
    return data


def json_intent(
    type_name: str,
    members: Mapping[str, JsonValue],
    *,
    id: str | UUID | bytes | None = None,
    source: str | None = None,
    number: int | None = None,
    metadata: Metadata | None = None,
) -> bytes:
    """A JSON intent with these fields. An id of 16 bytes is written as the UUID that reads back as the same."""
    for name in members:
        if name.startswith("@"):
            raise InvalidValue(f"{name}: fields do not begin with @; the envelope's members have arguments here")
    about = metadata or Metadata()
    envelope: dict[str, JsonValue] = {
        "@type": type_name,
        "@id": _text_of(id),
        "@actor": about.actor,
        "@reason": about.reason,
        "@correlation": _text_of(about.correlation),
        "@causation": _text_of(about.causation),
        "@trace": about.trace,
        "@source": source,
        "@number": number,
    }
    given: dict[str, JsonValue] = {name: value for name, value in envelope.items() if value is not None}
    try:
        data = _ENCODER.encode({**given, **members}).encode()
        read_envelope(data)
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidValue(f"{type_name}: expected values that JSON can carry, found one it cannot: {error}") from None
    except Refused as refused:
        reason = refused.rejection
        raise InvalidValue(
            f"{type_name}: this would be rejected: {reason.code.name.lower()}, {reason.value!r}"
        ) from None
    return data


def _text_of(id: str | UUID | bytes | None) -> str | None:
    if isinstance(id, bytes):
        if len(id) != ID_BYTES:
            raise InvalidValue(f"id: expected {ID_BYTES} bytes, found {len(id)}")
        return id_text(id)
    return None if id is None else str(id)

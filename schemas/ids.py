"""Ids of 16 bytes: of intents, correlations and causations, and of the sources that number their intents.

How each is made is part of the formats (docs/formats.md, sections 1 and 4): ids from different programs must meet.
"""

import re
import struct
from typing import Final, NewType
from uuid import UUID

from blake3 import blake3

from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.limits import ID_TEXT_BYTES_MAX

Id = NewType("Id", bytes)

ID_BYTES: Final = 16

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_POSITION = struct.Struct("<I4sq")


def make_id(value: str | UUID | bytes) -> Id:
    """A UUID, also as text, is its 16 bytes; other text is hashed; 16 bytes are an id already."""
    if isinstance(value, UUID):
        return Id(value.bytes)
    if isinstance(value, str):
        data = _name(value)
        return Id(bytes.fromhex(value.replace("-", "")) if _UUID.fullmatch(value) else _hash(data))
    return _id(value)


def _id(value: object) -> Id:
    if not isinstance(value, bytes | bytearray):
        raise InvalidValue(f"expected an id as text, a UUID or {ID_BYTES} bytes, found {value!r}")
    data = bytes(value)
    if len(data) != ID_BYTES:
        raise InvalidValue(f"expected an id of {ID_BYTES} bytes, found {len(data)}; text is hashed to that")
    return Id(data)


def id_text(value: bytes) -> str:
    """An id as text that `make_id` turns back into it."""
    return str(UUID(bytes=value))


def position_id(log_id: bytes, partition: int, offset: int) -> Id:
    """By what an intent without an id of its own is known."""
    return Id(_POSITION.pack(partition, log_id[:4], offset))


def source_of_follow_up(log_id: bytes, partition: int) -> bytes:
    """The source under which a partition emits follow-ups."""
    return partition.to_bytes(4, "little") + log_id[:12]


def source_of(name: str) -> bytes:
    """An outside source, from its name. A UUID is a name like any other here."""
    return _hash(_name(name))


def _name(text: object) -> bytes:
    if not isinstance(text, str):
        raise InvalidValue(f"expected text of 1 to {ID_TEXT_BYTES_MAX} bytes, found {text!r}")
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise InvalidValue("expected text that UTF-8 can carry, found a lone surrogate") from None
    if not 1 <= len(data) <= ID_TEXT_BYTES_MAX:
        raise InvalidValue(f"expected 1 to {ID_TEXT_BYTES_MAX} bytes of UTF-8, found {len(data)}")
    return data


def _hash(data: bytes) -> bytes:
    return blake3(data).digest(ID_BYTES)

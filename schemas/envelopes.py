"""An intent's envelope: everything but the meaning of its arguments (docs/formats.md, sections 4 to 6, rule 3).

The packed and the JSON form of one intent read as the same id, source and metadata block, byte for byte, so whatever
comes later need not know which it was. What needs the state (`foreign_source`, `too_many_sources`) is the machine's.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from mmsb.schemas.errors import InvalidValue, MalformedBytes
from mmsb.schemas.ids import ID_BYTES, make_id, source_of
from mmsb.schemas.json_text import JsonValue, parse
from mmsb.schemas.limits import ACTOR_BYTES_MAX, INTENT_BYTES_MAX, REASON_BYTES_MAX, TRACE_BYTES_MAX
from mmsb.schemas.metadata import VERSION, Metadata, unpack_metadata
from mmsb.schemas.rejections import Code, Refused, Rejection
from mmsb.schemas.sources import OUTSIDE, SOURCE_BYTES, Source, unpack_source_part
from mmsb.schemas.types import I64_MAX, encode_text

# On disk, all of them.
MAGIC: Final = b"MMI"
INTENT_VERSION: Final = 1
HAS_ID: Final = 1
HAS_SOURCE: Final = 2
HAS_METADATA: Final = 4
HEADER: Final = struct.Struct("<3sBBBHQ")  # magic, version, parts, source kind, arguments in words, type id

_PARTS: Final = HAS_ID | HAS_SOURCE | HAS_METADATA
_MEMBERS: Final = frozenset(
    {
        "@version",
        "@type",
        "@id",
        "@actor",
        "@reason",
        "@correlation",
        "@causation",
        "@trace",
        "@source",
        "@number",
    }
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Envelope:
    """A packed intent has a type id and packed arguments, a JSON one a type name and members."""

    type_id: int | None
    type_name: str | None
    id: bytes | None
    source: Source | None
    metadata: bytes
    arguments: bytes | dict[str, JsonValue]


def read_envelope(value: bytes | None) -> Envelope:
    """Read a record's value; raises Refused with the reason that rule 3 gives."""
    if not value:
        raise Refused(Rejection(Code.NOT_AN_INTENT, value=-1))
    if len(value) > INTENT_BYTES_MAX:
        raise Refused(Rejection(Code.INTENT_TOO_LARGE, value=len(value), bound=INTENT_BYTES_MAX))
    if value[0] == ord("{"):
        return _read_json(value)
    if value[0] == MAGIC[0]:
        return _read_packed(value)
    raise Refused(Rejection(Code.NOT_AN_INTENT, value=value[0]))


def _read_packed(value: bytes) -> Envelope:
    if len(value) < HEADER.size or not value.startswith(MAGIC):
        raise _malformed()
    _, version, parts, kind, words, type_id = HEADER.unpack_from(value)
    if version != INTENT_VERSION:
        raise Refused(Rejection(Code.UNKNOWN_VERSION, value=version))
    if parts & ~_PARTS or (kind != 0) != bool(parts & HAS_SOURCE):
        raise _malformed()
    source_at = HEADER.size + ID_BYTES * bool(parts & HAS_ID)
    arguments_at = source_at + SOURCE_BYTES * bool(parts & HAS_SOURCE)
    metadata_at = arguments_at + 8 * words
    if len(value) < metadata_at or (len(value) > metadata_at) != bool(parts & HAS_METADATA):
        raise _malformed()
    source = _source_part(kind, value[source_at:arguments_at]) if parts & HAS_SOURCE else None
    metadata = value[metadata_at:]
    if parts & HAS_METADATA:
        unpack_metadata(metadata)
    identity = value[HEADER.size : source_at] if parts & HAS_ID else None
    return Envelope(type_id, None, identity, source, metadata, value[arguments_at:metadata_at])


def _source_part(kind: int, part: bytes) -> Source:
    try:
        return unpack_source_part(kind, part)
    except MalformedBytes:
        raise _malformed() from None


def _malformed() -> Refused:
    return Refused(Rejection(Code.MALFORMED))


def _read_json(value: bytes) -> Envelope:
    members = parse(value)
    if "@version" in members:
        _check_version(members["@version"])
    type_name = _type_name(members)
    identity = _member(members, "@id", _id)
    metadata = Metadata(
        actor=_member(members, "@actor", _text(ACTOR_BYTES_MAX)),
        reason=_member(members, "@reason", _text(REASON_BYTES_MAX)),
        correlation=_member(members, "@correlation", _id),
        causation=_member(members, "@causation", _id),
        trace=_member(members, "@trace", _text(TRACE_BYTES_MAX)),
    )
    source = _outside_source(members)
    arguments = {name: member for name, member in members.items() if name not in _MEMBERS}
    for name in arguments:
        if name.startswith("@"):
            raise _bad_member(name)
    return Envelope(None, type_name, identity, source, metadata.pack(), arguments)


def _check_version(version: JsonValue) -> None:
    if not _is_integer(version):
        raise Refused(Rejection(Code.METADATA_VERSION))
    if version != VERSION:
        assert isinstance(version, int), "it has just been looked at"
        raise Refused(Rejection(Code.METADATA_VERSION, value=version))


def _type_name(members: dict[str, JsonValue]) -> str:
    if "@type" not in members:
        raise Refused(Rejection(Code.MISSING_FIELD, value=b"@type"))
    name = members["@type"]
    if not isinstance(name, str):
        raise _bad_member("@type")
    return name


def _outside_source(members: dict[str, JsonValue]) -> Source | None:
    if "@source" not in members and "@number" not in members:
        return None
    source = _member(members, "@source", lambda value: source_of(_string(value)))
    if source is None:
        raise _bad_member("@source")
    number = _member(members, "@number", _number)
    if number is None:
        raise _bad_member("@number")
    return Source(OUTSIDE, source, number, 0)


def _member(members: dict[str, JsonValue], name: str, read: Callable[[JsonValue], T]) -> T | None:
    """A member as `read` understands it; None if it is not there."""
    if name not in members:
        return None
    try:
        return read(members[name])
    except InvalidValue:
        raise _bad_member(name) from None


def _bad_member(name: str) -> Refused:
    return Refused(Rejection(Code.BAD_MEMBER, value=name.encode()))


def _string(value: JsonValue) -> str:
    if not isinstance(value, str):
        raise InvalidValue(f"expected text, found {value!r}")
    return value


def _id(value: JsonValue) -> bytes:
    return make_id(_string(value))


def _text(size_max: int) -> Callable[[JsonValue], str]:
    def read(value: JsonValue) -> str:
        text = _string(value)
        if not encode_text(text, size_max):
            raise InvalidValue(f"expected 1 to {size_max} bytes of text, found none")
        return text

    return read


def _number(value: JsonValue) -> int:
    if not isinstance(value, int) or not _is_integer(value) or not 1 <= value <= I64_MAX:
        raise InvalidValue(f"expected an integer from 1 to {I64_MAX}, found {value!r}")
    return value


def _is_integer(value: JsonValue) -> bool:
    """Whether it was written as an integer; Python counts true and false among them."""
    return isinstance(value, int) and not isinstance(value, bool)

"""Intents on the wire, packed and JSON: formats.md, sections 4 to 6 (rules 3 and 7)."""

import struct
from dataclasses import dataclass
from typing import Any

from tests.model import metadata
from tests.model.constants import ID_TEXT_BYTES_MAX, INTENT_BYTES_MAX
from tests.model.jsontext import JsonError, parse
from tests.model.layout import FieldLayout, IntentLayout, blake3_16, id_of_text
from tests.model.metadata import ACTOR, CAUSATION, CORRELATION, REASON, TRACE
from tests.model.rows import rejected

FOLLOW_UP, OUTSIDE = 1, 2
MEMBERS = (
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
)


@dataclass(frozen=True)
class Source:
    kind: int
    source: bytes
    number: int
    hops: int = 0


@dataclass(frozen=True)
class Envelope:
    """What rule 3 reads. `type_id` of a packed intent or `type_name` of a JSON one; likewise the arguments."""

    id: bytes | None = None
    source: Source | None = None
    metadata: bytes = b""
    type_id: int | None = None
    type_name: str = ""
    packed: bytes | None = None
    members: dict[str, Any] | None = None


def pack(
    type_id: int, arguments: bytes, *, id: bytes | None = None, source: Source | None = None, metadata: bytes = b""
) -> bytes:
    parts = (id is not None) | (source is not None) << 1 | bool(metadata) << 2
    out = struct.pack("<4sBBHQ", b"MMI\x01", parts, source.kind if source else 0, len(arguments) // 8, type_id)
    out += id or b""
    if source:
        out += struct.pack("<16sqII", source.source, source.number, source.hops, 0)
    return out + arguments + metadata


def read_envelope(value: bytes | None) -> Envelope:
    if not value:
        raise rejected("not_an_intent", value=-1)
    if len(value) > INTENT_BYTES_MAX:
        raise rejected("intent_too_large", value=len(value), bound=INTENT_BYTES_MAX)
    if value[:1] == b"{":
        return _read_json(value)
    if value[:1] == b"M":
        return _read_packed(value)
    raise rejected("not_an_intent", value=value[0])


def _read_packed(value: bytes) -> Envelope:
    if len(value) < 16 or value[:3] != b"MMI":
        raise rejected("malformed")
    version, parts, kind, words, type_id = struct.unpack_from("<BBBHQ", value, 3)
    if version != 1:
        raise rejected("unknown_version", value=version)
    if parts > 7 or kind > 2 or (kind != 0) != bool(parts & 2):
        raise rejected("malformed")
    at = 16
    id16 = source = None
    end_of_arguments = at + 16 * (parts & 1) + 32 * (parts >> 1 & 1) + 8 * words
    if len(value) < end_of_arguments or (len(value) > end_of_arguments) != bool(parts & 4):
        raise rejected("malformed")
    if parts & 1:
        id16 = value[at : at + 16]
        at += 16
    if parts & 2:
        name, number, hops, zero = struct.unpack_from("<16sqII", value, at)
        at += 32
        if number < 1 or zero or (hops == 0) != (kind == OUTSIDE):
            raise rejected("malformed")
        source = Source(kind, name, number, hops)
    block = value[end_of_arguments:]
    if block:
        try:
            metadata.decode(block)
        except metadata.BadMetadata as bad:
            if bad.version is not None:
                raise rejected("metadata_version", value=bad.version) from None
            raise rejected("malformed_metadata") from None
    return Envelope(id16, source, block, type_id, packed=value[at:end_of_arguments])


def is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _read_json(value: bytes) -> Envelope:
    try:
        members = parse(value)
    except JsonError as error:
        raise rejected(error.code, value=error.position) from None

    def text(name: str, limit: int = ID_TEXT_BYTES_MAX, nul: bool = True) -> str | None:
        if name not in members:
            return None
        content = members[name]
        if not isinstance(content, str) or not 1 <= len(content.encode()) <= limit or (not nul and "\0" in content):
            raise rejected("bad_member", value=name)
        return content

    version = members.get("@version", 1)
    if not is_integer(version):
        raise rejected("metadata_version")
    if version != 1:
        raise rejected("metadata_version", value=version)
    if "@type" not in members:
        raise rejected("missing_field", value="@type")
    type_name = members["@type"]
    if not isinstance(type_name, str):
        raise rejected("bad_member", value="@type")
    id_text = text("@id")
    entries: metadata.Entries = {}
    for name, tag in (
        ("@actor", ACTOR),
        ("@reason", REASON),
        ("@correlation", CORRELATION),
        ("@causation", CAUSATION),
        ("@trace", TRACE),
    ):
        is_id = tag in (CORRELATION, CAUSATION)
        content = text(name) if is_id else text(name, metadata.TEXT_LIMITS[tag], nul=False)
        if content is not None:
            entries[tag] = id_of_text(content) if is_id else content.encode()
    source_name = text("@source")
    number: Any = members.get("@number")
    if source_name is None and "@number" in members:
        raise rejected("bad_member", value="@source")
    source = None
    if source_name is not None:
        if not is_integer(number) or not 1 <= number < 2**63:
            raise rejected("bad_member", value="@number")
        source = Source(OUTSIDE, blake3_16(source_name.encode()), number)
    for name in members:
        if name.startswith("@") and name not in MEMBERS:
            raise rejected("bad_member", value=name)
    rest = {name: member for name, member in members.items() if not name.startswith("@")}
    id16 = None if id_text is None else id_of_text(id_text)
    return Envelope(id16, source, metadata.encode(entries), type_name=type_name, members=rest)


def read_arguments(layout: IntentLayout, envelope: Envelope) -> dict[str, Any]:
    """Rule 7: the values of the fields, by name."""
    if envelope.packed is not None:
        return read_packed_arguments(layout, envelope.packed)
    assert envelope.members is not None
    for name in envelope.members:
        if name not in layout.by_name:
            raise rejected("unknown_field", type_id=layout.type_id, value=name)
    values: dict[str, Any] = {}
    for f in layout.fields:
        if f.name in envelope.members:
            values[f.name] = read_json_value(layout.type_id, f, envelope.members[f.name])
        elif f.required:
            raise rejected("missing_field", type_id=layout.type_id, field=f.index + 1)
        else:
            values[f.name] = f.default
        check_bounds("bound", layout.type_id, f, values[f.name])
    return values


def read_packed_arguments(layout: IntentLayout, data: bytes) -> dict[str, Any]:
    if len(data) != layout.size:
        raise rejected("wrong_size", type_id=layout.type_id, value=len(data), bound=layout.size)
    values: dict[str, Any] = {}
    for f in layout.fields:
        raw = data[f.offset : f.offset + f.size]
        problem = f.type_problem(raw)
        if problem:
            raise rejected(problem[0], type_id=layout.type_id, field=f.index + 1, value=problem[1])
        values[f.name] = f.decode(raw)
        check_bounds("bound", layout.type_id, f, values[f.name])
    if layout.padding_problem(data) is not None:
        raise rejected("bad_padding", type_id=layout.type_id)
    return values


def check_bounds(name: str, type_id: int, f: FieldLayout, value: Any, ordinal: int = 0) -> None:
    problem = f.bound_problem(value)
    if problem:
        op, found, bound = problem
        raise rejected(name, type_id=type_id, field=f.index + 1, ordinal=ordinal, op=op, value=found, bound=bound)


def check_page(layout: Any, body: bytes, values: dict[str, Any], ordinal: int = 0) -> None:
    """What a page that is created or changed is held to: members of enums, and invariants."""
    for f in layout.fields:
        problem = f.type_problem(body[f.offset : f.offset + f.size]) if f.base == "enum" else None
        if problem:
            raise rejected(problem[0], type_id=layout.type_id, field=f.index + 1, ordinal=ordinal, value=problem[1])
        check_bounds("invariant", layout.type_id, f, values[f.name], ordinal)


def read_json_value(type_id: int, f: FieldLayout, value: Any) -> Any:
    """A field's value as JSON gives it; formats.md, section 5, second table."""

    def problem(name: str, **more: Any) -> Exception:
        return rejected(name, type_id=type_id, field=f.index + 1, **more)

    if f.length:
        if not isinstance(value, list):
            raise problem("wrong_type")
        if len(value) != f.length:
            raise problem("wrong_size", value=len(value), bound=f.length)
        return tuple(_number(f, element, problem) for element in value)
    if f.base == "bool":
        if not isinstance(value, bool):
            raise problem("wrong_type")
        return value
    if f.base in ("enum", "text", "blob") and not isinstance(value, str):
        raise problem("wrong_type")
    if f.base == "enum":
        if value not in f.members:
            raise problem("bad_enum", value=value)
        return f.members[value]
    if f.base == "text":
        if "\0" in value:
            raise problem("bad_text")
        if len(value.encode()) > f.width:
            raise problem("text_too_long", value=len(value.encode()), bound=f.width)
        return value
    if f.base == "blob":
        content = hex_bytes(value)
        if content is None or len(content) != f.width:
            raise problem("bad_blob")
        return content
    return _number(f, value, problem)


def _number(f: FieldLayout, value: Any, problem: Any) -> Any:
    if f.base == "f64":
        if not is_integer(value) and not isinstance(value, float):
            raise problem("wrong_type")
        return float(value)
    if not is_integer(value):
        raise problem("wrong_type")
    outside = f.integer_problem(value)
    if outside:
        raise problem("out_of_range", value=value, op=outside[0], bound=outside[1])
    return value


def hex_bytes(text: str) -> bytes | None:
    if len(text) % 2 or any(c not in "0123456789abcdefABCDEF" for c in text):
        return None
    return bytes.fromhex(text)

"""A rejection in words, from its 32 bytes and the layouts and messages that the claim carries."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from mmsb.schemas.deltas import DeltaStatus
from mmsb.schemas.layouts import Layout
from mmsb.schemas.rejections import Code, Op, Rejection
from mmsb.schemas.upserts import MUTATE, UPSERT

_SENTENCES: Final[dict[Code, str]] = {
    Code.NOT_AN_INTENT: "the record is no intent: it must begin with MMI or {{, and begins with byte {value}",
    Code.INTENT_TOO_LARGE: "the record has {value} bytes, more than INTENT_BYTES_MAX = {bound}",
    Code.MALFORMED: "the packed intent's header is malformed",
    Code.UNKNOWN_VERSION: "packed intents of version {value} are not known here",
    Code.METADATA_VERSION: "metadata of version {value} is not known here",
    Code.MALFORMED_METADATA: "the metadata block is malformed",
    Code.TRANSACTIONAL: "records of Kafka transactions are not taken",
    Code.FOREIGN_SOURCE: "the follow-up comes from another application's log or an unknown partition",
    Code.TOO_MANY_SOURCES: "more than SOURCES_MAX = {bound} sources are known; no new one is taken",
    Code.JSON_SYNTAX: "the JSON text breaks off or goes wrong at byte {value}",
    Code.JSON_ENCODING: "the JSON text is not UTF-8 at byte {value}",
    Code.JSON_DUPLICATE_KEY: "the JSON name at byte {value} stands twice in its object",
    Code.JSON_NON_FINITE: "the JSON number at byte {value} is not finite",
    Code.JSON_LONE_SURROGATE: "the JSON escape at byte {value} is half a surrogate pair",
    Code.JSON_DEPTH: "the JSON value at byte {value} is nested deeper than JSON_DEPTH_MAX",
    Code.JSON_INTEGER_RANGE: "the JSON integer at byte {value} fits neither i64 nor u64",
    Code.BAD_MEMBER: "the member {value} is unknown, or missing its partner, or of the wrong type, length or content",
    Code.UNKNOWN_TYPE: "there is no intent {value} here",
    Code.WRONG_SIZE: "{place} has size {value}, expected {bound}",
    Code.MISSING_FIELD: "{missing} is missing",
    Code.UNKNOWN_FIELD: "{type} has no field {value}",
    Code.WRONG_TYPE: "{place} has a value of the wrong type",
    Code.OUT_OF_RANGE: "{place} must be {op} {bound}, found {value}",
    Code.BOUND: "{place} must be {op} {bound}, found {value}",
    Code.BAD_TEXT: "{place} is not zero-padded UTF-8 without NUL",
    Code.TEXT_TOO_LONG: "{place} takes at most {bound} bytes of UTF-8, found {value}",
    Code.BAD_BLOB: "{place} must be hexadecimal digits, two for each byte",
    Code.BAD_ENUM: "{place} has no member {value}",
    Code.BAD_BOOL: "{place} must be 0 or 1, found {value}",
    Code.BAD_FLOAT: "{place} must be finite",
    Code.BAD_PADDING: "the padding of {type} is not zero",
    Code.PREDICATE: "the predicate of {type} said no",
    Code.REFUSED: "{message}",
    Code.OVERFLOW: "{type} overflows i64",
    Code.DIVISION_BY_ZERO: "{type} divides by zero",
    Code.NON_FINITE: "{type} computes a float that is not finite",
    Code.STORE_RANGE: "{place} must be {op} {bound}, and {value} was to be stored",
    Code.INVARIANT: "{place} must be {op} {bound}, and would become {value}",
    Code.INDEX_OUT_OF_RANGE: "{place} has indices below {bound} and from 0, found {value}",
    Code.STORE_TEXT_TOO_LONG: "{place} takes at most {bound} bytes of UTF-8, and {value} were to be stored",
    Code.HOPS_EXCEEDED: "{type} would emit a follow-up of {value} hops, more than hops_max = {bound}",
    Code.WRONG_PARTITION: "page {ordinal} of the query ({type}) belongs to partition {value}",
    Code.TOO_LARGE: "the outcome of {type} has {value} bytes, more than OUTCOME_BYTES_MAX = {bound}",
    Code.TOO_MANY_FOLLOW_UPS: "{type} emits more than FOLLOW_UPS_PER_INTENT_MAX = {bound} follow-ups",
    Code.CONFLICT: "the page of {type} is at epoch {value}, not at the delta's base {bound}; read it and try again",
    Code.BAD_DELTA: "the delta is invalid: {status} at byte {value}",
    Code.CONDITION: "condition {ordinal}, {place} {op} {bound}, is false: found {value}",
    Code.BAD_UPSERT: "the upsert is malformed at {value}",
}

_BRACES: Final = re.compile(r"\{([^{}]*)\}")
_BUILT_IN: Final[dict[int, Layout]] = {layout.type_id: layout for layout in (MUTATE, UPSERT)}
_MEMBERS: Final = {MUTATE.name: ("delta",), UPSERT.name: ("page", "key")}
"""The JSON members of the built-in intents that rejections know by number (docs/formats.md, section 6)."""


def sentence(rejection: Rejection, layouts: Mapping[int, Layout], messages: Sequence[str]) -> str:
    """Say why, for people."""
    if rejection.code == Code.NOT_AN_INTENT and rejection.value == -1:
        return "the record is no intent: it is empty"
    layouts = {**_BUILT_IN, **layouts}
    layout = layouts.get(rejection.type_id)
    known = rejection.code == Code.REFUSED and rejection.ordinal < len(messages)
    return _SENTENCES[rejection.code].format(
        type=layout.name if layout else f"type {rejection.type_id:016x}",
        place=_place(rejection, layout),
        missing=_shown(rejection.value) if rejection.value else _place(rejection, layout),
        op=Op(rejection.op).sign,
        value=_shown(rejection.value),
        bound=_shown(rejection.bound),
        ordinal=rejection.ordinal,
        status=_status(rejection.ordinal),
        message=_message(messages[rejection.ordinal], rejection) if known else f"message {rejection.ordinal}",
    )


def repeats(first_offset: int | None) -> str:
    """Of a duplicate: what it repeats."""
    if first_offset is None:
        return ""
    return "this number of its source has been counted" if first_offset < 0 else f"first seen at offset {first_offset}"


def _message(text: str, rejection: Rejection) -> str:
    """With its values, if it has some, where there are braces; within them stands what the numbers of an enum mean."""
    if rejection.value is None:
        return text
    values = iter((rejection.value, rejection.bound))
    return _BRACES.sub(lambda braces: _named(braces[1], _shown(next(values, None))), text)


def _named(members: str, number: str) -> str:
    """`members` is `0=NEW|1=PAID`, or nothing for a number that is just that."""
    found = (member.partition("=") for member in members.split("|"))
    return next((name for known, _, name in found if known == number), number)


def _place(rejection: Rejection, layout: Layout | None) -> str:
    name = layout.name if layout else f"type {rejection.type_id:016x}"
    if rejection.code == Code.CONDITION and not rejection.field:
        return f"{name}'s epoch"
    if not rejection.field:
        return f"{name}'s key" if rejection.code in (Code.STORE_RANGE, Code.STORE_TEXT_TOO_LONG) else name
    if layout and layout.name in _MEMBERS:
        return f"{name}'s {_MEMBERS[layout.name][rejection.field - 1]!r}"
    if layout is None or rejection.field > len(layout.fields):
        return f"{name}, field {rejection.field}"
    return f"{name}.{layout.fields[rejection.field - 1].name}"


def _status(number: int) -> str:
    return DeltaStatus(number).name.lower() if number in list(DeltaStatus) else f"status {number}"


def _shown(value: int | float | bytes | None) -> str:
    if isinstance(value, bytes):
        return repr(value.decode(errors="replace"))
    return "…" if value is None else str(value)

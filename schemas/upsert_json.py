"""Upserts that came as JSON: the same request as packed ones (docs/formats.md, sections 5 and 6)."""

from collections.abc import Mapping
from typing import Final

from mmsb.schemas.arguments import JsonField
from mmsb.schemas.json_text import JsonValue
from mmsb.schemas.layouts import PageLayout, widen
from mmsb.schemas.limits import UPSERT_CLAUSES_MAX
from mmsb.schemas.rejections import Code, Op, Refused, Rejection
from mmsb.schemas.types import I64_MAX, I64_MIN, FieldType, Value
from mmsb.schemas.upserts import (
    ADD,
    EPOCH_TYPE,
    SET,
    UPSERT,
    Assignment,
    Condition,
    UpsertRequest,
    asked_type,
    bad_upsert,
    may_add,
    may_ask,
)

_OPS: Final = {op.name.lower(): op for op in Op if op != Op.NONE}
_MEMBERS: Final = ("page", "key", "where", "set", "add")


def read_json(members: dict[str, JsonValue], page_named: Mapping[str, PageLayout]) -> UpsertRequest:
    """Read JSON members; raises Refused with the name of what is wrong, or with what is wrong with a value."""
    for name in members:
        if name not in _MEMBERS:
            raise Refused(Rejection(Code.UNKNOWN_FIELD, UPSERT.type_id, value=name.encode()))
    for number, name in enumerate(("page", "key"), 1):
        if name not in members:
            raise Refused(Rejection(Code.MISSING_FIELD, UPSERT.type_id, number))
    wanted = members["page"]
    page = page_named.get(wanted) if isinstance(wanted, str) else None
    if page is None:
        raise bad_upsert(None, wanted.encode() if isinstance(wanted, str) else b"page")
    key = _key(page, members["key"])
    where, sets, adds = _clauses(page, members)
    conditions = tuple(_condition(page, clause) for clause in where)
    assignments = [_assignment(page, name, SET, value) for name, value in sets.items()]
    for name, value in adds.items():
        if name in sets:
            raise bad_upsert(page, name.encode())
        assignments.append(_assignment(page, name, ADD, value))
    return UpsertRequest(page, key, conditions, tuple(assignments))


def _key(page: PageLayout, given: JsonValue) -> bytes:
    parts = given if len(page.key) > 1 else [given]
    if not isinstance(parts, list) or len(parts) != len(page.key):
        raise bad_upsert(page, b"key")
    try:
        return b"".join(
            widen(kind, JsonField(0, 0).pack(kind, part)) for kind, part in zip(page.key, parts, strict=True)
        )
    except Refused:
        raise bad_upsert(page, b"key") from None


Members = dict[str, JsonValue]


def _clauses(page: PageLayout, members: Members) -> tuple[list[JsonValue], Members, Members]:
    where, sets, adds = members.get("where", []), members.get("set", {}), members.get("add", {})
    if not isinstance(where, list):
        raise bad_upsert(page, b"where")
    if not isinstance(sets, dict):
        raise bad_upsert(page, b"set")
    if not isinstance(adds, dict):
        raise bad_upsert(page, b"add")
    if len(where) > UPSERT_CLAUSES_MAX:
        raise bad_upsert(page, b"where")
    if len(sets) + len(adds) > UPSERT_CLAUSES_MAX:
        raise bad_upsert(page, b"set" if len(sets) > UPSERT_CLAUSES_MAX else b"add")
    return where, sets, adds


def _condition(page: PageLayout, clause: JsonValue) -> Condition:
    if not isinstance(clause, list) or len(clause) != 3:
        raise bad_upsert(page, b"where")
    name, sign, value = clause
    if not isinstance(name, str) or not isinstance(sign, str):
        raise bad_upsert(page, b"where")
    field, op = page.index_of.get(name), _OPS.get(sign)
    kind = EPOCH_TYPE if field is None else page.fields[field].type
    if (field is None and name != "@epoch") or op is None or not may_ask(kind, op):
        raise bad_upsert(page, name.encode())
    return Condition(field, op, _value(page, field, kind, value, name))


def _assignment(page: PageLayout, name: str, op: int, value: JsonValue) -> Assignment:
    field = page.index_of.get(name)
    if field is None or (op == ADD and not may_add(page.fields[field].type)):
        raise bad_upsert(page, name.encode())
    return Assignment(field, op, _value(page, field, asked_type(page.fields[field].type, op), value, name))


def _value(page: PageLayout, field: int | None, kind: FieldType, value: JsonValue, name: str) -> Value:
    """A value of the field's type; of the epoch, or to be added, any i64."""
    if kind is not EPOCH_TYPE:
        return kind.unpack(JsonField(page.type_id, (field or 0) + 1).pack(kind, value))
    if not isinstance(value, int) or isinstance(value, bool) or not I64_MIN <= value <= I64_MAX:
        raise bad_upsert(page, name.encode())
    return value

"""Upserts that came as JSON: the same request as packed ones (docs/formats.md, sections 5 and 6)."""

from collections.abc import Mapping
from typing import Final

from mmsb.schemas.arguments import JsonField
from mmsb.schemas.json_text import JsonValue
from mmsb.schemas.layouts import PageLayout, widen
from mmsb.schemas.limits import UPSERT_CLAUSES_MAX
from mmsb.schemas.rejections import Code, Op, Refused, Rejection
from mmsb.schemas.types import FieldType
from mmsb.schemas.upserts import (
    ADD,
    EPOCH_TYPE,
    SET,
    UPSERT,
    Assignment,
    Condition,
    UpsertRequest,
    bad_upsert,
    may_add,
    may_ask,
)

_OPS: Final = {op.name.lower(): op for op in Op if op != Op.NONE}
_MEMBERS: Final = ("page", "key", "where", "set", "add")


def read_json(members: dict[str, JsonValue], page_named: Mapping[str, PageLayout]) -> UpsertRequest:
    """Read JSON members; raises Refused with the name of what is wrong."""
    for name in members:
        if name not in _MEMBERS:
            raise Refused(Rejection(Code.UNKNOWN_FIELD, UPSERT.type_id, value=name.encode()))
    for number, name in enumerate(("page", "key"), 1):
        if name not in members:
            raise Refused(Rejection(Code.MISSING_FIELD, UPSERT.type_id, number))
    wanted = members["page"]
    page = page_named.get(wanted) if isinstance(wanted, str) else None
    if page is None:
        raise bad_upsert(None, b"page")
    key = _json_key(page, members["key"])
    conditions = tuple(_json_condition(page, clause) for clause in _clauses(page, members.get("where", []), "where"))
    assignments = tuple(
        _json_assignment(page, field, op, value)
        for member, op in (("set", SET), ("add", ADD))
        for field, value in _fields(page, members.get(member, {}), member)
    )
    fields = [assignment.field for assignment in assignments]
    for at, assignment in enumerate(assignments):
        if assignment.field in fields[:at]:
            raise bad_upsert(page, page.fields[assignment.field].name.encode())
    if len(assignments) > UPSERT_CLAUSES_MAX:
        raise bad_upsert(page, b"set")
    return UpsertRequest(page, key, conditions, assignments)


def _json_key(page: PageLayout, given: JsonValue) -> bytes:
    parts = given if len(page.key) > 1 else [given]
    if not isinstance(parts, list) or len(parts) != len(page.key):
        raise bad_upsert(page, b"key")
    return b"".join(
        widen(kind, _json_value(page, kind, part, "key")) for kind, part in zip(page.key, parts, strict=True)
    )


def _json_value(page: PageLayout, kind: FieldType, value: JsonValue, name: str) -> bytes:
    try:
        return JsonField(0, 0).pack(kind, value)
    except Refused:
        raise bad_upsert(page, name.encode()) from None


def _clauses(page: PageLayout, given: JsonValue, name: str) -> list[list[JsonValue]]:
    if not isinstance(given, list) or len(given) > UPSERT_CLAUSES_MAX:
        raise bad_upsert(page, name.encode())
    clauses: list[list[JsonValue]] = []
    for clause in given:
        if not isinstance(clause, list) or len(clause) != 3:
            raise bad_upsert(page, name.encode())
        clauses.append(clause)
    return clauses


def _fields(page: PageLayout, given: JsonValue, name: str) -> list[tuple[str, JsonValue]]:
    if not isinstance(given, dict):
        raise bad_upsert(page, name.encode())
    return list(given.items())


def _json_condition(page: PageLayout, clause: list[JsonValue]) -> Condition:
    name, sign, value = clause
    op = _OPS.get(sign) if isinstance(sign, str) else None
    if not isinstance(name, str) or op is None:
        raise bad_upsert(page, b"where")
    field = None if name == "@epoch" else page.index_of.get(name, -1)
    if field == -1:
        raise bad_upsert(page, name.encode())
    kind = EPOCH_TYPE if field is None else page.fields[field].type
    if not may_ask(kind, op):
        raise bad_upsert(page, name.encode())
    return Condition(field, op, kind.unpack(_json_value(page, kind, value, name)))


def _json_assignment(page: PageLayout, name: str, op: int, value: JsonValue) -> Assignment:
    if name not in page.index_of:
        raise bad_upsert(page, name.encode())
    field = page.index_of[name]
    kind = page.fields[field].type
    if op == ADD and not may_add(kind):
        raise bad_upsert(page, name.encode())
    return Assignment(field, op, kind.unpack(_json_value(page, kind, value, name)))

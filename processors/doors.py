"""The doors without user code: Mutate applies a ready delta, Upsert a conditional write, Query only reads.

Each has its own type. A query cannot write and is never logged, a mutation cannot reason, an upsert cannot execute.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from mmsb.processors.lowering import Lowered, PageChange, Surroundings, check_partitions, page_change
from mmsb.schemas.arguments import JsonField
from mmsb.schemas.classes import Page, Ref, epoch_of, layout_of
from mmsb.schemas.delta_validation import rejection_of, validate_delta
from mmsb.schemas.deltas import Delta, DeltaKind, DeltaStatus, apply_change, change, unpack_delta
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.json_text import JsonValue
from mmsb.schemas.layouts import IntentLayout, PageLayout
from mmsb.schemas.rejections import Code, Op, Refused, Rejection
from mmsb.schemas.types import I64_MAX, I64_MIN, FieldType, Float, Integer, Value
from mmsb.schemas.upsert_json import read_json
from mmsb.schemas.upserts import (
    ADD,
    EPOCH_TYPE,
    MUTATE,
    UPSERT,
    Condition,
    UpsertRequest,
    make_upsert,
    read_packed,
    shown,
)

P = TypeVar("P", bound=Page)


@dataclass(frozen=True)
class Query(Generic[P]):
    """Reads one page; it cannot write and is never logged."""

    ref: Ref[P]

    def __post_init__(self) -> None:
        _check_ref(self.ref)


def check_query(query: object) -> None:
    if not isinstance(query, Query):
        raise InvalidValue(f"expected a query, for instance mmsb.Query(Account[1]), found {query!r}")


@dataclass(frozen=True)
class Mutate:
    """Applies a ready delta, if the page still is at its base epoch (0: if there is no such page)."""

    delta: Delta

    layout = MUTATE

    @classmethod
    def between(cls, ref: Ref[P], before: P | None, after: P | None) -> "Mutate":
        """The mutation that makes `after` of `before`, each as it was read or made; None for no page."""
        layout: PageLayout = layout_of(ref.page)
        base = 0 if before is None else epoch_of(before)
        if before is not None and base == 0:
            raise InvalidValue(f"{ref!r}: `before` was made, not read, and has no epoch; give None for no page")
        if after is None:
            if before is None:
                raise InvalidValue(f"{ref!r}: give a page before, after or both; nothing cannot become nothing")
            return cls(Delta(layout.type_id, ref.packed_key, base, DeltaKind.DELETE, b""))
        old = bytes(layout.size) if before is None else before.packed_body()
        kind, payload = change(old, after.packed_body())
        return cls(Delta(layout.type_id, ref.packed_key, base, kind, payload))

    def pack_arguments(self) -> bytes:
        return self.delta.pack()


class Upsert:
    """Sets and adds to fields of one page if all conditions hold.

    >>> Upsert(Account[1], where=[("balance", ">=", 10), ("@epoch", "==", 3)], set={"owner": "bob"}, add={"moves": 1})
    """

    layout = UPSERT

    def __init__(
        self,
        ref: Ref[Any],
        *,
        where: Iterable[tuple[str, str, Any]] = (),
        set: Mapping[str, Any] | None = None,
        add: Mapping[str, Any] | None = None,
    ) -> None:
        _check_ref(ref)
        self.ref = ref
        self.request = make_upsert(layout_of(ref.page), ref.packed_key, where, set or {}, add or {})

    def pack_arguments(self) -> bytes:
        return self.request.pack()


def _check_ref(ref: object) -> None:
    if not isinstance(ref, Ref):
        raise InvalidValue(f"expected one page by its key, for instance Account[1], found {ref!r}")


Arguments = bytes | dict[str, JsonValue]
"""What an intent came with: packed arguments or JSON members."""

Named = list[tuple[PageLayout, bytes]]


def open_door(layout: IntentLayout, arguments: Arguments, around: Surroundings) -> tuple[Named, Callable[[], Lowered]]:
    """Read a built-in intent: the page it names, and what does it once the page's partition is known to be right."""
    if layout is MUTATE:
        return _open_mutate(_delta_record(arguments), around)
    return _open_upsert(arguments, around)


def pass_door(layout: IntentLayout, arguments: Arguments, around: Surroundings) -> Lowered:
    """Do what a built-in intent asks; raises Refused if it may not happen."""
    named, run = open_door(layout, arguments, around)
    check_partitions(named, around)
    return run()


def _delta_record(arguments: Arguments) -> bytes:
    if isinstance(arguments, bytes):
        return arguments
    for name in arguments:
        if name != "delta":
            raise Refused(Rejection(Code.UNKNOWN_FIELD, MUTATE.type_id, value=name.encode()))
    if "delta" not in arguments:
        raise Refused(Rejection(Code.MISSING_FIELD, MUTATE.type_id, 1))
    return JsonField(MUTATE.type_id, 1).hexadecimal(arguments["delta"])


_STRUCTURE: Final = range(DeltaStatus.TRUNCATED, DeltaStatus.CONFLICT)
"""The statuses that a delta has whatever its page holds; the page's partition is looked at after them."""


def _open_mutate(record: bytes, around: Surroundings) -> tuple[Named, Callable[[], Lowered]]:
    pages = around.bundle.pages_by_type
    verdict = validate_delta(record, pages, around.read)
    if verdict.status in _STRUCTURE:
        raise Refused(rejection_of(verdict, record, pages, around.read))
    delta = unpack_delta(record)
    layout = pages[delta.type_id]

    def run() -> Lowered:
        if verdict.status:
            raise Refused(rejection_of(verdict, record, pages, around.read))
        before = (around.read(delta.type_id, delta.key) or (0, None))[1]
        if delta.kind == DeltaKind.DELETE:
            change = PageChange(layout, delta.key, delta.base, before, None, DeltaKind.DELETE, b"")
            return Lowered([change])
        after = apply_change(before or bytes(layout.size), delta.kind, delta.payload)
        found = page_change(layout, delta.key, delta.base, before, after, 0)
        return Lowered([found] if found else [])

    return [(layout, delta.key)], run


def _open_upsert(arguments: Arguments, around: Surroundings) -> tuple[Named, Callable[[], Lowered]]:
    if isinstance(arguments, bytes):
        request = read_packed(arguments, around.bundle.pages_by_type)
    else:
        request = read_json(arguments, around.bundle.pages_by_name)
    return [(request.page, request.key)], lambda: _upsert(request, around)


def _upsert(request: UpsertRequest, around: Surroundings) -> Lowered:
    page = request.page
    base, before = around.read(page.type_id, request.key) or (0, None)
    values: list[Any] = list(page.unpack(page.default_body if before is None else before))
    for ordinal, condition in enumerate(request.conditions):
        _check_condition(page, condition, ordinal, base, values)
    for assignment in request.assignments:
        kind = page.fields[assignment.field].type
        if assignment.op == ADD:
            values[assignment.field] = _sum(page, assignment.field, kind, values, assignment.value)
        else:
            values[assignment.field] = assignment.value
    found = page_change(page, request.key, base, before, page.store(values), 0)
    return Lowered([found] if found else [])


def _check_condition(page: PageLayout, condition: Condition, ordinal: int, base: int, values: list[Any]) -> None:
    kind: FieldType = EPOCH_TYPE if condition.field is None else page.fields[condition.field].type
    found = base if condition.field is None else values[condition.field]
    if not condition.op.holds(found, condition.value):
        number = 0 if condition.field is None else condition.field + 1
        asked = shown(kind, condition.value)
        raise Refused(Rejection(Code.CONDITION, page.type_id, number, shown(kind, found), asked, condition.op, ordinal))


def _sum(page: PageLayout, field: int, kind: FieldType, values: list[Any], value: Value) -> Any:
    total = values[field] + value
    if isinstance(kind, Float) and not math.isfinite(total):
        raise Refused(Rejection(Code.NON_FINITE, UPSERT.type_id))
    if isinstance(kind, Integer):
        if not I64_MIN <= total <= I64_MAX:
            raise Refused(Rejection(Code.OVERFLOW, UPSERT.type_id))
        _check_range(page, field, kind, total)
    return total


def _check_range(page: PageLayout, field: int, kind: Integer, total: int) -> None:
    if total < kind.minimum:
        raise Refused(Rejection(Code.STORE_RANGE, page.type_id, field + 1, total, kind.minimum, Op.GE))
    if total > kind.maximum:
        raise Refused(Rejection(Code.STORE_RANGE, page.type_id, field + 1, total, kind.maximum, Op.LE))

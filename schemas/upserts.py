"""The Upsert door: conditions on a page, and fields to set or add to, without any code (docs/formats.md, section 4)."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.layouts import IntentLayout, PageLayout, comparable, widen
from mmsb.schemas.limits import UPSERT_CLAUSES_MAX
from mmsb.schemas.rejections import Code, Op, Refused, Rejection, RejectionValue
from mmsb.schemas.types import Array, Boolean, Enumeration, FieldType, Float, Integer, Value, padded

UPSERT: Final = IntentLayout("mmsb.Upsert", ())  # no class can be called so: names of classes have no dots
MUTATE: Final = IntentLayout("mmsb.Mutate", ())
BUILT_IN: Final = {layout.name: layout for layout in (MUTATE, UPSERT)}
BUILT_IN_TYPES: Final = frozenset(layout.type_id for layout in BUILT_IN.values())
SET: Final = 1
ADD: Final = 2
_EPOCH: Final = 0xFFFF
_HEADER: Final = struct.Struct("<QHHHH")
_CLAUSE: Final = struct.Struct("<HBBI")


@dataclass(frozen=True, slots=True)
class Condition:
    """`field op value`; field None is the epoch."""

    field: int | None
    op: Op
    value: Value


@dataclass(frozen=True, slots=True)
class Assignment:
    """Set a field to a value, or add the value to it."""

    field: int
    op: int
    value: Value


@dataclass(frozen=True, slots=True)
class UpsertRequest:
    """An upsert that is known to be well-formed."""

    page: PageLayout
    key: bytes
    conditions: tuple[Condition, ...]
    assignments: tuple[Assignment, ...]

    def pack(self) -> bytes:
        """The packed arguments."""
        counts = (len(self.key) // 8, len(self.conditions), len(self.assignments), 0)
        parts = [_HEADER.pack(self.page.type_id, *counts), self.key]
        for condition in self.conditions:
            kind = EPOCH_TYPE if condition.field is None else self.page.fields[condition.field].type
            value = _widened(kind, condition.value)
            number = _EPOCH if condition.field is None else condition.field
            parts += [_CLAUSE.pack(number, condition.op, 0, len(value)), value]
        for assignment in self.assignments:
            kind = asked_type(self.page.fields[assignment.field].type, assignment.op)
            value = _widened(kind, assignment.value)
            parts += [_CLAUSE.pack(assignment.field, assignment.op, 0, len(value)), value]
        return b"".join(parts)


EPOCH_TYPE: Final = Integer("i64", 8, signed=True)


def _widened(kind: FieldType, value: Value) -> bytes:
    if isinstance(kind, Array):
        return b"".join(widen(kind.element, item) for item in kind.elements(kind.pack(value)))
    return widen(kind, kind.pack(value))


def _wide_size(kind: FieldType) -> int:
    return 8 * kind.count if isinstance(kind, Array) else padded(kind.size)


def _narrowed(page: PageLayout, field: int, kind: FieldType, data: bytes) -> Value:
    """The value of widened bytes; raises Refused in the field's name if no value widens to them."""
    if isinstance(kind, Array):
        items = [_narrowed(page, field, kind.element, data[at : at + 8]) for at in range(0, len(data), 8)]
        return cast("tuple[int, ...] | tuple[float, ...]", tuple(items))
    if isinstance(kind, Integer):
        return _narrowed_integer(page, field, kind, data)
    stored, padding = data[: kind.size], data[kind.size :]
    number = int.from_bytes(data, "little")
    code = kind.problem(stored)
    if isinstance(kind, Boolean | Enumeration) and (code or any(padding)):
        code = Code.BAD_BOOL if isinstance(kind, Boolean) else Code.BAD_ENUM
        raise Refused(Rejection(code, page.type_id, field + 1, number))
    if code or any(padding):
        raise Refused(Rejection(code or Code.BAD_PADDING, page.type_id, field + 1))
    return kind.unpack(stored)


def _narrowed_integer(page: PageLayout, field: int, kind: Integer, data: bytes) -> int:
    value = int.from_bytes(data, "little", signed=kind.signed)
    if value < kind.minimum:
        raise Refused(Rejection(Code.OUT_OF_RANGE, page.type_id, field + 1, value, kind.minimum, Op.GE))
    if value > kind.maximum:
        raise Refused(Rejection(Code.OUT_OF_RANGE, page.type_id, field + 1, value, kind.maximum, Op.LE))
    return value


def may_ask(kind: FieldType, op: Op) -> bool:
    """Whether a condition on a field of this type may use this comparison."""
    return not isinstance(kind, Array) and (op in (Op.EQ, Op.NE) or comparable(kind))


def may_add(kind: FieldType) -> bool:
    return isinstance(kind, Float) or (isinstance(kind, Integer) and kind.spelling != "u64")


def asked_type(kind: FieldType, op: int) -> FieldType:
    """What an assignment's value is of: the field's type, but any i64 may be added to an integer."""
    return EPOCH_TYPE if op == ADD and isinstance(kind, Integer) else kind


def bad_upsert(page: PageLayout | None, value: RejectionValue) -> Refused:
    return Refused(Rejection(Code.BAD_UPSERT, page.type_id if page else 0, value=value))


def read_packed(data: bytes, pages: Mapping[int, PageLayout]) -> UpsertRequest:
    """Read packed arguments; raises Refused with the position of what is wrong, or with what is wrong with a value."""
    if len(data) < _HEADER.size:
        raise bad_upsert(None, 0)
    type_id, key_words, condition_count, assignment_count, zero = _HEADER.unpack_from(data)
    page = pages.get(type_id)
    if page is None:
        raise bad_upsert(None, 0)
    _check_header(page, key_words, condition_count, assignment_count, zero)
    key = data[_HEADER.size : _HEADER.size + page.key_size]
    problem = 0 if len(key) < page.key_size else page.key_problem(key)
    if problem is not None:
        raise bad_upsert(page, _HEADER.size + problem)
    clauses = _Clauses(data, _HEADER.size + page.key_size, page)
    conditions = tuple(clauses.conditions(condition_count))
    assignments = tuple(clauses.assignments(assignment_count))
    if clauses.at != len(data):
        raise bad_upsert(page, clauses.at)
    return UpsertRequest(page, key, conditions, assignments)


def _check_header(page: PageLayout, key_words: int, conditions: int, assignments: int, zero: int) -> None:
    if 8 * key_words != page.key_size:
        raise bad_upsert(page, 8)
    if conditions > UPSERT_CLAUSES_MAX:
        raise bad_upsert(page, 10)
    if assignments > UPSERT_CLAUSES_MAX:
        raise bad_upsert(page, 12)
    if zero:
        raise bad_upsert(page, 14)


class _Clauses:
    """Reads the clauses of a packed upsert one after another."""

    def __init__(self, data: bytes, at: int, page: PageLayout) -> None:
        self._data = data
        self.at = at
        self._page = page

    def conditions(self, count: int) -> Iterator[Condition]:
        for _ in range(count):
            start, number, op, data = self._clause()
            field = None if number == _EPOCH else number
            kind = EPOCH_TYPE if field is None else self._type(field, start)
            if not 1 <= op <= Op.NE or not may_ask(kind, Op(op)):
                raise bad_upsert(self._page, start)
            yield Condition(field, Op(op), self._value(field or 0, kind, data, start))

    def assignments(self, count: int) -> Iterator[Assignment]:
        seen: set[int] = set()
        for _ in range(count):
            start, number, op, data = self._clause()
            kind = self._type(number, start)
            if number in seen or op not in (SET, ADD) or (op == ADD and not may_add(kind)):
                raise bad_upsert(self._page, start)
            seen.add(number)
            yield Assignment(number, op, self._value(number, asked_type(kind, op), data, start))

    def _clause(self) -> tuple[int, int, int, bytes]:
        start = self.at
        if len(self._data) < start + _CLAUSE.size:
            raise bad_upsert(self._page, start)
        number, op, zero, size = _CLAUSE.unpack_from(self._data, start)
        end = start + _CLAUSE.size + size
        if zero or size % 8 or len(self._data) < end:
            raise bad_upsert(self._page, start)
        self.at = end
        return start, number, op, self._data[start + _CLAUSE.size : end]

    def _type(self, number: int, start: int) -> FieldType:
        if number >= len(self._page.fields):
            raise bad_upsert(self._page, start)
        return self._page.fields[number].type

    def _value(self, field: int, kind: FieldType, data: bytes, start: int) -> Value:
        if len(data) != _wide_size(kind):
            raise bad_upsert(self._page, start)
        return _narrowed(self._page, field, kind, data)


def make_upsert(
    page: PageLayout, key: bytes, where: Any, set_fields: Mapping[str, Any], add_fields: Mapping[str, Any]
) -> UpsertRequest:
    """A request from Python values; raises InvalidValue in the field's name."""
    given: tuple[Any, ...] = (set_fields, add_fields)
    if not all(isinstance(fields, Mapping) for fields in given):
        raise InvalidValue(f"{page.name}: `set` and `add` are dicts, for instance {{'{page.fields[0].name}': 1}}")
    conditions = tuple(_condition(page, *_parts(page, clause)) for clause in where)
    assignments = [_assignment(page, name, SET, value) for name, value in set_fields.items()]
    assignments += [_assignment(page, name, ADD, value) for name, value in add_fields.items()]
    twice = [name for name in add_fields if name in set_fields]
    if twice:
        raise InvalidValue(f"{page.name}.{twice[0]}: it is both set and added to; write it once")
    if max(len(conditions), len(assignments)) > UPSERT_CLAUSES_MAX:
        raise InvalidValue(f"an upsert has at most UPSERT_CLAUSES_MAX = {UPSERT_CLAUSES_MAX} conditions or assignments")
    return UpsertRequest(page, key, conditions, tuple(assignments))


def _parts(page: PageLayout, clause: Any) -> tuple[str, str, Any]:
    if isinstance(clause, tuple | list):
        parts = tuple(cast("Sequence[Any]", clause))
        if len(parts) == 3 and isinstance(parts[0], str) and isinstance(parts[1], str):
            return parts[0], parts[1], parts[2]
    example = f"where=[('{page.fields[0].name}', '==', 1)]"
    raise InvalidValue(f"{page.name}: a condition is (field, comparison, value) as in {example}, found {clause!r}")


_SIGNS: Final = {op.sign: op for op in Op if op != Op.NONE}


def _condition(page: PageLayout, name: str, sign: str, value: Any) -> Condition:
    field = None if name == "@epoch" else _field_number(page, name)
    kind = EPOCH_TYPE if field is None else page.fields[field].type
    op = _SIGNS.get(sign)
    if op is None or not may_ask(kind, op):
        signs = ", ".join(known for known, op in _SIGNS.items() if may_ask(kind, op)) or "none: it is an array"
        raise InvalidValue(f"{page.name}.{name}: expected one of {signs}, found {sign!r}")
    return Condition(field, op, _checked(page, name, kind, value))


def _assignment(page: PageLayout, name: str, op: int, value: Any) -> Assignment:
    field = _field_number(page, name)
    kind = page.fields[field].type
    if op == ADD and not may_add(kind):
        raise InvalidValue(f"{page.name}.{name}: nothing can be added to {kind.spelling}; set it")
    return Assignment(field, op, _checked(page, name, asked_type(kind, op), value))


def _field_number(page: PageLayout, name: str) -> int:
    if name not in page.index_of:
        raise InvalidValue(f"{page.name} has no field {name!r}; it has {', '.join(page.index_of)}")
    return page.index_of[name]


def _checked(page: PageLayout, name: str, kind: FieldType, value: Any) -> Value:
    try:
        return kind.unpack(kind.pack(value))
    except InvalidValue as error:
        raise InvalidValue(f"{page.name}.{name}: {error}") from None


def shown(kind: FieldType, value: Value) -> RejectionValue:
    """A value as a rejection quotes it: numbers only."""
    if isinstance(kind, Integer | Boolean | Enumeration):
        return int(value)  # type: ignore[arg-type]
    return value if isinstance(value, float) else None

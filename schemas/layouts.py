"""Layouts: where each field of a page or an intent stands, and what a body of such bytes may contain.

A layout is data: it comes from a user's class or from a claim in the TLog, and both ways give the same. Fields stand in
declaration order with natural alignment, as a C compiler would place them; the size is a multiple of 8.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, cast

from blake3 import blake3

from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.rejections import Code, Op, Rejection
from mmsb.schemas.types import Array, Blob, Enumeration, FieldType, Float, Integer, Text, Value, padded

BOUND_OPS: Final = (Op.GE, Op.GT, Op.LE, Op.LT)
"""The comparisons a bound may have, in the order in which they are checked and written."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What a field's value must hold against, `value op limit`."""

    op: Op
    limit: int | float


@dataclass(frozen=True, slots=True)
class Field:
    """One field at its place. `default` is None only for an intent's field that must be given."""

    name: str
    type: FieldType
    offset: int
    default: Value | None
    bounds: tuple[Bound, ...] = ()

    @property
    def end(self) -> int:
        return self.offset + self.type.size

    def broken_bound(self, value: Value) -> tuple[Bound, int | float] | None:
        """The first bound that a value breaks, and the number that breaks it."""
        numbers = cast("Sequence[int | float]", value if isinstance(self.type, Array) else (value,))
        for number in numbers:
            for bound in self.bounds:
                if not bound.op.holds(number, bound.limit):
                    return bound, number
        return None


def place(fields: Sequence[tuple[str, FieldType, Value | None, tuple[Bound, ...]]]) -> tuple[Field, ...]:
    """Give each field its offset."""
    placed: list[Field] = []
    end = 0
    for name, kind, default, bounds in fields:
        offset = padded(end, kind.alignment)
        placed.append(Field(name, kind, offset, default, bounds))
        end = offset + kind.size
    return tuple(placed)


@dataclass(frozen=True)
class Layout:
    """The fields of a page or an intent, in order."""

    name: str
    fields: tuple[Field, ...]

    @cached_property
    def size(self) -> int:
        return padded(self.fields[-1].end) if self.fields else 0

    @cached_property
    def signature(self) -> str:
        """The text whose hash is the type id."""
        raise NotImplementedError

    @cached_property
    def type_id(self) -> int:
        return int.from_bytes(blake3(self.signature.encode()).digest()[:8], "little")

    @cached_property
    def index_of(self) -> dict[str, int]:
        return {field.name: index for index, field in enumerate(self.fields)}

    @cached_property
    def gaps(self) -> tuple[tuple[int, int], ...]:
        """The padding, as (start, end) pairs."""
        ends = [0, *(field.end for field in self.fields)]
        starts = [*(field.offset for field in self.fields), self.size]
        return tuple((end, start) for end, start in zip(ends, starts, strict=True) if end < start)

    @property
    def _spelled_fields(self) -> str:
        return ",".join(f"{field.name}:{field.type.spelling}" for field in self.fields)

    def pack(self, values: Sequence[object]) -> bytes:
        """The body with these values; refuses what does not fit its field."""
        body = bytearray(self.size)
        for (name, start, end, packed), value in zip(self._packers, values, strict=True):
            try:
                body[start:end] = packed(value)
            except InvalidValue as error:
                raise InvalidValue(f"{self.name}.{name}: {error}") from None
        return bytes(body)

    @cached_property
    def _packers(self) -> tuple[tuple[str, int, int, Callable[[Any], bytes]], ...]:
        """Each field's name, place and type's `pack`, looked up once: every single submit comes by here."""
        return tuple((field.name, field.offset, field.end, field.type.pack) for field in self.fields)

    def store(self, values: Sequence[Any]) -> bytes:
        """The body with values of the right kinds, where an enum's may be none of its members any more."""
        body = bytearray(self.size)
        for field, value in zip(self.fields, values, strict=True):
            kind = field.type
            stored = kind.store(value) if isinstance(kind, Enumeration) else kind.pack(value)
            body[field.offset : field.end] = stored
        return bytes(body)

    def place_of_byte(self, byte: int) -> tuple[int, int]:
        """Which field a byte of the body belongs to, and which byte of that it is."""
        for index, field in enumerate(self.fields):
            if field.offset <= byte < field.end:
                return index, byte - field.offset
        what = "padding, which is always zero" if 0 <= byte < self.size else f"outside of its {self.size}"
        raise InvalidValue(f"{self.name}: expected a byte of a field, found {byte}: it is {what}")

    def read(self, body: bytes, index: int) -> Value:
        field = self.fields[index]
        return field.type.unpack(bytes(body[field.offset : field.end]))

    def unpack(self, body: bytes) -> tuple[Value, ...]:
        body = bytes(body)
        return tuple([unpacked(body[start:end]) for start, end, unpacked in self._unpackers])

    @cached_property
    def _unpackers(self) -> tuple[tuple[int, int, Callable[[bytes], Value]], ...]:
        return tuple((field.offset, field.end, field.type.unpack) for field in self.fields)

    def problem(self, body: bytes, bound_code: Code) -> Rejection | None:
        """What is wrong with a body from elsewhere: values and bounds field by field, then padding."""
        for index in range(len(self.fields)):
            rejection = self.value_problem(body, index) or self.bound_problem(body, index, bound_code)
            if rejection:
                return rejection
        return self.padding_problem(body)

    def stored_problem(self, body: bytes) -> Rejection | None:
        """As `problem`, but bounds do not matter: they may have been others when the page was written."""
        found = next((p for index in range(len(self.fields)) if (p := self.value_problem(body, index))), None)
        return found or self.padding_problem(body)

    def padding_problem(self, body: bytes) -> Rejection | None:
        spoiled = any(any(body[start:end]) for start, end in self.gaps)
        return Rejection(Code.BAD_PADDING, self.type_id) if spoiled else None

    def value_problem(self, body: bytes, index: int) -> Rejection | None:
        field = self.fields[index]
        data = bytes(body[field.offset : field.end])
        code = field.type.problem(data)
        if not code:
            return None
        shown = int.from_bytes(data, "little") if code in (Code.BAD_ENUM, Code.BAD_BOOL) else None
        return Rejection(code, self.type_id, index + 1, shown)

    def bound_problem(self, body: bytes, index: int, code: Code) -> Rejection | None:
        field = self.fields[index]
        broken = field.broken_bound(self.read(body, index)) if field.bounds else None
        if not broken:
            return None
        bound, number = broken
        return Rejection(code, self.type_id, index + 1, number, bound.limit, bound.op)


@dataclass(frozen=True)
class IntentLayout(Layout):
    """What an intent asks with; `on_rejected` names the intent that makes up for a follow-up's rejection."""

    on_rejected: str | None = None

    @cached_property
    def signature(self) -> str:
        return f"intent {self.name}{{{self._spelled_fields}}}"


KeyType = Integer | Text | Blob
KeyValue = int | str | bytes | tuple[int | str | bytes, ...]


@dataclass(frozen=True)
class PageLayout(Layout):
    """What a page holds and what finds it; `partition_by` are the key components that decide its partition."""

    key: tuple[KeyType, ...]
    partition_by: tuple[int, ...]

    @cached_property
    def signature(self) -> str:
        key = ",".join(component.spelling for component in self.key)
        return f"page {self.name}({key}){{{self._spelled_fields}}}"

    @cached_property
    def word_count(self) -> int:
        return self.size // 8

    @cached_property
    def default_body(self) -> bytes:
        return self.pack([field.default for field in self.fields])

    @cached_property
    def key_slots(self) -> tuple[tuple[int, int], ...]:
        """Where each key component stands in the key's bytes, as (start, end)."""
        slots: list[tuple[int, int]] = []
        for component in self.key:
            start = slots[-1][1] if slots else 0
            slots.append((start, start + padded(component.size)))
        return tuple(slots)

    @cached_property
    def key_size(self) -> int:
        return self.key_slots[-1][1]

    def pack_key(self, key: object) -> bytes:
        parts = cast("tuple[object, ...]", key) if isinstance(key, tuple) else (key,)
        if len(parts) != len(self.key):
            wanted = ", ".join(component.spelling for component in self.key)
            raise InvalidValue(f"{self.name}[…]: expected a key of ({wanted}), found {key!r}")
        try:
            return b"".join(widen(kind, kind.pack(part)) for kind, part in zip(self.key, parts, strict=True))
        except InvalidValue as error:
            raise InvalidValue(f"{self.name}[…]: {error}") from None

    def _key_parts(self, key: bytes) -> Iterator[tuple[KeyType, bytes]]:
        for component, (start, end) in zip(self.key, self.key_slots, strict=True):
            yield component, bytes(key[start:end])

    def unpack_key(self, key: bytes) -> KeyValue:
        parts = tuple(narrow(component, data) for component, data in self._key_parts(key))
        return parts[0] if len(parts) == 1 else parts

    def key_problem(self, key: bytes) -> int | None:
        """Where in the key's bytes (of the right size) the first component that no value packs to begins."""
        for (start, _), (component, data) in zip(self.key_slots, self._key_parts(key), strict=True):
            if not _is_widened(component, data):
                return start
        return None

    def partition_parts(self, key: bytes) -> list[bytes]:
        """What the partitioner hashes, component by component."""
        parts = list(self._key_parts(key))
        return [_partition_bytes(*parts[index]) for index in self.partition_by]


def widen(kind: FieldType, stored: bytes) -> bytes:
    """Stored bytes of a key component or an upsert's value, in a multiple of 8."""
    if isinstance(kind, Integer) and kind.signed:
        return int.from_bytes(stored, "little", signed=True).to_bytes(8, "little", signed=True)
    return stored.ljust(padded(len(stored)), b"\x00")


def narrow(kind: KeyType, data: bytes) -> int | str | bytes:
    return kind.unpack(data) if isinstance(kind, Integer | Text) else data[: kind.size]


def _is_widened(kind: KeyType, data: bytes) -> bool:
    if isinstance(kind, Integer):
        return kind.minimum <= int.from_bytes(data, "little", signed=kind.signed) <= kind.maximum
    return not any(data[kind.size :]) and not kind.problem(data[: kind.size])


def _partition_bytes(kind: KeyType, data: bytes) -> bytes:
    value = narrow(kind, data)
    if isinstance(value, bytes):
        return value
    return str(value).encode()


def boundable(kind: FieldType) -> bool:
    """Whether a field of this type may have bounds: numbers and arrays of them."""
    return comparable(kind.element if isinstance(kind, Array) else kind)


def comparable(kind: FieldType) -> bool:
    """Whether values of this type have an order."""
    return isinstance(kind, Integer | Float)

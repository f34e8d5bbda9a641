"""What a generated function knows while its body is written: scratch space, rejections, fields, and values.

A number is a Python expression of type i64, u64, f64 or bool. A text or blob is a place in scratch, of so many words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mmsb.kernels.intake.rejections import I64, head
from mmsb.processors.compiling.source import Constants, Source
from mmsb.processors.compiling.walking import literal_sizes
from mmsb.schemas.layouts import Field, IntentLayout, Layout, PageLayout
from mmsb.schemas.rejections import Code, Op
from mmsb.schemas.types import Array, Blob, Boolean, Enumeration, FieldType, Float, Integer, Text, padded

ARGUMENTS: Final = "buffer, at"
"""What holds an intent's arguments, and where they begin."""


@dataclass(frozen=True, slots=True)
class Value:
    """`words` is None for a number, and the room of a text or blob in scratch otherwise."""

    text: str
    words: int | None = None


def words_of(size: int) -> int:
    return padded(size) // 8


def in_scratch(kind: FieldType) -> bool:
    """Whether a field is no single number, so that it cannot be a local variable."""
    return isinstance(kind, Text | Blob | Array)


@dataclass(frozen=True, slots=True)
class Target:
    """An intent that may be emitted: its layout, and the first page that its query names."""

    layout: IntentLayout
    page: PageLayout


@dataclass
class Body:
    """One function that is being written."""

    source: Source
    constants: Constants
    layout: IntentLayout
    pages: Sequence[PageLayout]
    messages: dict[str, int]
    cause: str  # an expression for the type id that rejections of computations name
    rejected: str = "REFUSED"
    scratch_words: int = 0
    room: int = 1  # words that any text of this intent fits into
    prefix: str = "v"
    targets: Mapping[str, Target] = field(default_factory=dict[str, Target])
    hops_max: int = 0
    slots: dict[int, int | None] = field(default_factory=dict[int, int | None])
    places: dict[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])

    def take(self, words: int) -> int:
        """A place in scratch that nothing else uses."""
        at = self.scratch_words
        self.scratch_words += words
        return at

    def slot_place(self, slot: int) -> int:
        """Where a local variable that is a text has its content."""
        known = self.places.get((self.prefix, slot))
        if known is None:
            known = self.places[self.prefix, slot] = self.take(self.room)
        return known

    # Rejections

    def reject(self, code: Code, type_id: str | None = None, value: str | None = None, **parts: Any) -> None:
        """Write the row and leave; `parts` are those of a head, and `bound`."""
        bound = parts.pop("bound", None)
        ordinal = parts.pop("ordinal", "0")
        literal = ordinal if ordinal.isdigit() else "0"
        first = self.constants.word(head(int(code), ordinal=int(literal), **parts))
        if literal != ordinal:
            first = f"with_ordinal({first}, {ordinal})"
        zero = self.constants.word(0)
        row = (first, type_id or self.cause, value or zero, bound or zero)
        self.source.line(f"put_rejection(rejections, reject_at, {', '.join(row)})")
        self.source.line(f"return {self.rejected}")

    def reject_unsigned(self, code: Code, type_id: str, value: str, bound: str, **parts: Any) -> None:
        """A row about two u64, whose kind depends on them."""
        ordinal = parts.pop("ordinal")
        literal = int(ordinal) if ordinal.isdigit() else 0
        first = (
            f"with_unsigned_kind({self.constants.word(head(int(code), ordinal=literal, **parts))}, {value}, {bound})"
        )
        if not ordinal.isdigit():
            first = f"with_ordinal({first}, {ordinal})"
        self.source.line(f"put_rejection(rejections, reject_at, {first}, {type_id}, {value}, {bound})")
        self.source.line(f"return {self.rejected}")

    def reject_if(self, condition: str, code: Code, type_id: str | None = None, **parts: Any) -> None:
        with self.source.block(f"if {condition}:"):
            self.reject(code, type_id, **parts)

    def check_range(self, value: str, kind: FieldType, layout: Layout, number: int, ordinal: str) -> None:
        """An i64 that is to be stored into a narrower field (docs/language.md, 4.3)."""
        if not isinstance(kind, Integer) or kind.size == 8:
            return
        where: dict[str, Any] = {"type_id": self.constants.word(layout.type_id), "field": number, "ordinal": ordinal}
        bits = f"bits_of_int({value})"
        for sign, op, limit in (("<", Op.GE, kind.minimum), (">", Op.LE, kind.maximum)):
            bound = self.constants.word(limit)
            self.reject_if(
                f"{value} {sign} {limit}", Code.STORE_RANGE, value=bits, bound=bound, op=op, kind=I64, **where
            )

    def check_text(self, value: Value, size: int, layout: Layout, number: int, ordinal: str) -> None:
        """A text that is to be stored into a field (4.4)."""
        assert value.words is not None
        if 8 * value.words <= size:
            return
        found = self.source.assign(f"text_size(scratch, {value.text}, {value.words})")
        type_id, bound = self.constants.word(layout.type_id), self.constants.word(size)
        shown = f"bits_of_int({found})"
        parts: dict[str, Any] = {"kind": I64, "field": number, "ordinal": ordinal}
        self.reject_if(f"{found} > {size}", Code.STORE_TEXT_TOO_LONG, type_id, value=shown, bound=bound, **parts)

    def check_index(self, index: str, count: int, layout: Layout, number: int, ordinal: str) -> None:
        type_id, bound = self.constants.word(layout.type_id), self.constants.word(count)
        shown = f"bits_of_int({index})"
        parts: dict[str, Any] = {"op": Op.LT, "kind": I64, "field": number, "ordinal": ordinal}
        condition = f"{index} < 0 or {index} >= {count}"
        self.reject_if(condition, Code.INDEX_OUT_OF_RANGE, type_id, value=shown, bound=bound, **parts)


def number_of(bits: str, kind: FieldType) -> str:
    """The value of a field's bits, as an expression."""
    if isinstance(kind, Float):
        return f"float_of({bits})"
    if isinstance(kind, Boolean):
        return f"{bits} != NONE"
    if isinstance(kind, Integer) and kind.spelling == "u64":
        return bits
    if isinstance(kind, Integer) and kind.signed:
        return f"signed({bits}, {kind.size})"
    assert isinstance(kind, Integer | Enumeration), "a text is no number"
    return f"unsigned({bits})"


def bits_of_number(value: str, kind: FieldType) -> str:
    """The bits of a value, as an expression."""
    if isinstance(kind, Float):
        return f"bits_of({value})"
    if isinstance(kind, Integer) and kind.spelling == "u64":
        return value
    if isinstance(kind, Boolean):
        return f"(ONE if {value} else NONE)"
    return f"bits_of_int({value})"


def literal(value: Any, kind: FieldType, constants: Constants) -> str:
    """A number that is known now, as an expression of the field's type."""
    if isinstance(kind, Integer) and kind.spelling == "u64":
        return constants.word(value)
    if isinstance(kind, Float):
        return repr(float(value))
    if isinstance(kind, Boolean):
        return repr(bool(value))
    return integer(int(value))


def integer(value: int) -> str:
    """An i64 literal; the least one cannot be written as a number with a sign."""
    return "I64_MIN" if value == -(2**63) else f"({value})" if value < 0 else str(value)


def element(kind: FieldType) -> FieldType:
    return kind.element if isinstance(kind, Array) else kind


def text_room(pages: Sequence[PageLayout], layout: IntentLayout, code: object) -> int:
    """Words that the longest text or blob takes that an intent can meet."""
    fields: list[Field] = [field for known in (*pages, layout) for field in known.fields]
    sizes = [field.type.size for field in fields if isinstance(field.type, Text | Blob)]
    return max(map(words_of, [*sizes, *literal_sizes(code)]), default=1)

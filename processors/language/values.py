"""Constants, and what may stand where: literals that adapt, and the kinds that a place accepts."""

import ast
import enum
import math
from typing import Any

from mmsb.processors.language.frames import Frame
from mmsb.processors.language.kinds import BOOL, F64, I64, TEXT, U64, Kind, Typed, kind_of
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.types import I64_MAX, I64_MIN, U64_MAX, FieldType, encode_text

F64_EXACT_MAX = 2**53


def constant(frame: Frame, node: ast.AST, value: Any) -> Typed:
    """A Python value as an expression."""
    if isinstance(value, bool):
        return Typed(("const", "bool", value), BOOL)
    if isinstance(value, enum.Enum):
        if not isinstance(value, enum.IntEnum):
            raise frame.wrong(node, f"{value!r} is a member of an enum that is no enum.IntEnum; derive it from that")
        return Typed(("const", "enum", int(value)), Kind("enum", 0, type(value)))
    if type(value) is int:
        return integer(frame, node, value)
    if type(value) is float and math.isfinite(value):
        return Typed(("const", "f64", value), F64)
    if type(value) is str:
        return Typed(("const", "text", text_literal(frame, node, value)), TEXT)
    if type(value) is bytes and value:
        return Typed(("const", "blob", value), Kind("blob", len(value)))
    wanted = "an integer, a finite float, True, False, text, bytes or a member of an enum.IntEnum"
    raise frame.wrong(node, f"expected {wanted}, found {shown(value)}")


def shown(value: Any) -> str:
    """A Python object in a message, where its own repr may be long, or fail."""
    try:
        text = repr(value)
    except Exception:
        text = f"an object of {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}…"


def text_literal(frame: Frame, node: ast.AST, value: str) -> str:
    try:
        encode_text(value, len(value) * 4)
    except InvalidValue as error:
        raise frame.wrong(node, str(error)) from None
    return value


def integer(frame: Frame, node: ast.AST, value: int) -> Typed:
    """An integer literal: an i64 unless its place wants a u64 or f64."""
    if not -U64_MAX <= value <= U64_MAX:
        raise frame.wrong(node, f"{shown(value)} fits neither i64 nor u64; write it as a float, or a smaller one")
    return Typed(("const", "i64", value), I64, value)


def settled(frame: Frame, node: ast.AST, given: Typed) -> Typed:
    """The expression with its kind decided: a literal that nothing adapted is an i64."""
    if given.literal is not None and not I64_MIN <= given.literal <= I64_MAX:
        raise frame.wrong(node, f"{given.literal} is too large for i64; only a u64 field or comparison takes it")
    return Typed(given.node, given.kind)


def adapted(frame: Frame, node: ast.AST, given: Typed, wanted: Kind) -> Typed:
    """The expression as one of the wanted kind, which only an integer literal can become."""
    value = given.literal
    if value is not None and wanted == U64:
        if value < 0:
            raise frame.wrong(node, f"{value} is no u64; write an integer from 0")
        return Typed(("const", "u64", value), U64)
    if value is not None and wanted == F64:
        if abs(value) > F64_EXACT_MAX:
            raise frame.wrong(node, f"{value} has no exact f64; write it as a float")
        return Typed(("const", "f64", float(value)), F64)
    return settled(frame, node, given)


def matched(frame: Frame, node: ast.AST, given: Typed, wanted: Kind) -> Typed:
    """The expression where only `wanted` may stand."""
    found = adapted(frame, node, given, wanted)
    if found.kind != wanted:
        raise frame.wrong(node, f"expected {wanted}, found {found.kind}{hint(found.kind, wanted)}")
    return found


def paired(frame: Frame, node: ast.AST, left: Typed, right: Typed) -> tuple[Typed, Typed]:
    """Two expressions of one kind, literals adapting to the other side."""
    left, right = adapted(frame, node, left, right.kind), adapted(frame, node, right, left.kind)
    if left.kind != right.kind:
        raise frame.wrong(node, f"{left.kind} does not go with {right.kind}{hint(left.kind, right.kind)}")
    return left, right


def hint(one: Kind, other: Kind) -> str:
    """What to write instead where two kinds do not go together."""
    names = {one.name, other.name}
    if "bool" in names:
        return "; write a comparison, for instance `x != 0`"
    for kind in (one, other):
        if kind.python:
            return f"; write a member, for instance {kind}.{next(iter(kind.python)).name}"
    if names == {"i64", "f64"}:
        return "; write float(…) around the integer, or int(…) around the float"
    if "u64" in names:
        return "; u64 knows ==, != and assignment only: declare what you compute with as i64"
    if one.name == other.name == "blob":
        return "; blobs go together only if they have the same size"
    return ""


def stored(frame: Frame, node: ast.AST, given: Typed, target: FieldType) -> Typed:
    """The expression where it is stored into a field (an array's element) of this type."""
    return matched(frame, node, given, kind_of(target))

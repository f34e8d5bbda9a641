"""The types that expressions have (docs/language.md, section 2), fewer than the types that fields have."""

import enum
from dataclasses import dataclass, field
from typing import Any, Final

from mmsb.schemas.types import Array, Blob, Boolean, Enumeration, FieldType, Float, Text

Node = tuple[Any, ...]
"""One node of the IR: a name and its parts, exactly as in the table of docs/language.md, section 8."""


@dataclass(frozen=True, slots=True)
class Kind:
    """An expression's type; `python` is the class of an enum, `size` that of a blob."""

    name: str
    size: int = 0
    python: type[enum.IntEnum] | None = None

    def __str__(self) -> str:
        return self.python.__name__ if self.python else f"blob({self.size})" if self.name == "blob" else self.name


I64: Final = Kind("i64")
U64: Final = Kind("u64")
F64: Final = Kind("f64")
BOOL: Final = Kind("bool")
TEXT: Final = Kind("text")


@dataclass(frozen=True, slots=True)
class Typed:
    """A translated expression. `literal` is set for integers that still may become u64 or f64."""

    node: Node
    kind: Kind
    literal: int | None = field(default=None)


def kind_of(stored: FieldType) -> Kind:
    """What a field of this type reads as; an array reads as its elements."""
    if isinstance(stored, Array):
        return kind_of(stored.element)
    if isinstance(stored, Text):
        return TEXT
    if isinstance(stored, Blob):
        return Kind("blob", stored.size)
    if isinstance(stored, Enumeration):
        return Kind("enum", 0, stored.python)
    if isinstance(stored, Float):
        return F64
    if isinstance(stored, Boolean):
        return BOOL
    return U64 if stored.spelling == "u64" else I64

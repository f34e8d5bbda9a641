"""What a user writes on the right of a field: its type, and `mmsb.field`, `text`, `blob` and `array`.

To type checkers `i64` is `int` and the specifiers return the annotated type; at run time they carry the stored type.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Final

from mmsb.schemas.layouts import Bound
from mmsb.schemas.rejections import Op
from mmsb.schemas.types import FLOAT, INTEGERS, TIME

i8 = Annotated[int, INTEGERS["i8"]]
i16 = Annotated[int, INTEGERS["i16"]]
i32 = Annotated[int, INTEGERS["i32"]]
i64 = Annotated[int, INTEGERS["i64"]]
u8 = Annotated[int, INTEGERS["u8"]]
u16 = Annotated[int, INTEGERS["u16"]]
u32 = Annotated[int, INTEGERS["u32"]]
u64 = Annotated[int, INTEGERS["u64"]]
f64 = Annotated[float, FLOAT]
time = Annotated[int, TIME]


class Missing:
    """The type of MISSING, which stands where no default was given (None could be one some day)."""

    def __repr__(self) -> str:
        return "no default"


MISSING: Final = Missing()


@dataclass(frozen=True, slots=True)
class Specifier:
    """What stands behind the `=` of a field. `size` is that of a text or blob, or an array's count."""

    kind: str
    size: int | None = None
    default: Any = MISSING
    bounds: tuple[Bound, ...] = ()
    doc: str = ""
    was: tuple[str, ...] = ()


Number = int | float
Names = str | tuple[str, ...]


def _bounds(ge: Number | None, gt: Number | None, le: Number | None, lt: Number | None) -> tuple[Bound, ...]:
    given = ((Op.GE, ge), (Op.GT, gt), (Op.LE, le), (Op.LT, lt))
    return tuple(Bound(op, limit) for op, limit in given if limit is not None)


def _names(given: Names) -> tuple[str, ...]:
    return given if isinstance(given, tuple) else (given,)


def field(
    *,
    default: Any = MISSING,
    ge: Number | None = None,
    gt: Number | None = None,
    le: Number | None = None,
    lt: Number | None = None,
    doc: str = "",
    was: Names = (),
) -> Any:
    """A field with a default, bounds, documentation, or a name that it had before.

    In a page bounds are invariants, checked after every delta; in an intent they are checked before it is lowered.
    `was` is for pages: in data that was written under that name, this is the field.
    """
    return Specifier("field", None, default, _bounds(ge, gt, le, lt), doc, _names(was))


def text(size: int, *, default: Any = MISSING, doc: str = "", was: Names = ()) -> Any:
    """A text of at most `size` bytes of UTF-8; as part of a key, a text component."""
    return Specifier("text", size, default, (), doc, _names(was))


def blob(size: int, *, default: Any = MISSING, doc: str = "", was: Names = ()) -> Any:
    """Exactly `size` bytes; as part of a key, a blob component."""
    return Specifier("blob", size, default, (), doc, _names(was))


def array(
    count: int,
    *,
    default: Any = MISSING,
    ge: Number | None = None,
    gt: Number | None = None,
    le: Number | None = None,
    lt: Number | None = None,
    doc: str = "",
    was: Names = (),
) -> Any:
    """`count` numbers, annotated `list[i64]` or with another number type; bounds hold for every element."""
    return Specifier("array", count, default, _bounds(ge, gt, le, lt), doc, _names(was))

"""What one execution sees and does, and the checks that every value passes on its way."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmsb.schemas.layouts import Layout, PageLayout
from mmsb.schemas.rejections import Code, Op, Refused, Rejection
from mmsb.schemas.types import I64_MAX, I64_MIN, FieldType, Integer, Text


@dataclass
class Scratch:
    """A page's fields while an intent runs on it; named twice, it is still one."""

    layout: PageLayout
    ordinal: int
    values: list[Any]
    exists: bool
    deleted: bool = False


@dataclass
class Run:
    """All that one execution can see and do."""

    layout: Layout
    type_id: int  # of the intent that settles; differs from the layout's while an emitted intent's query is asked
    arguments: Sequence[Any]
    pages: Sequence[Scratch]
    now: int
    messages: dict[str, int]
    emit: Callable[[str, list[Any]], None]
    slots: dict[int, Any] = field(default_factory=dict[int, Any])

    def refuse(self, code: Code) -> Refused:
        return Refused(Rejection(code, self.type_id))


Step = Callable[[Run], None]
Get = Callable[[Run], Any]


def checked_index(at: int, count: int, layout: Layout, index: int, ordinal: int) -> int:
    if not 0 <= at < count:
        raise Refused(Rejection(Code.INDEX_OUT_OF_RANGE, layout.type_id, index + 1, at, count, Op.LT, ordinal))
    return at


def checked_i64(run: Run, value: int) -> int:
    if not I64_MIN <= value <= I64_MAX:
        raise run.refuse(Code.OVERFLOW)
    return value


def checked_f64(run: Run, value: float) -> float:
    if not math.isfinite(value):
        raise run.refuse(Code.NON_FINITE)
    return value


def check_stored(value: Any, target: FieldType, type_id: int, field_number: int, ordinal: int) -> None:
    """Refuse what does not fit the field; kinds were checked when the class was defined."""
    if isinstance(target, Integer) and not target.minimum <= value <= target.maximum:
        low = value < target.minimum
        op, bound = (Op.GE, target.minimum) if low else (Op.LE, target.maximum)
        raise Refused(Rejection(Code.STORE_RANGE, type_id, field_number, value, bound, op, ordinal))
    if isinstance(target, Text) and len(value.encode()) > target.size:
        size = len(value.encode())
        raise Refused(Rejection(Code.STORE_TEXT_TOO_LONG, type_id, field_number, size, target.size, ordinal=ordinal))

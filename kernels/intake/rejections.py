"""Rows of rejections, written by kernels and generated code (docs/formats.md, section 6): four words for each record.

mmsb.schemas.rejections says which code uses what, and has the same numbers.
"""

from typing import Any, Final

import numpy as np

from mmsb.kernels.jit import inlined
from mmsb.kernels.memory import Word, Words

ROW: Final = 4  # words

# What kind of number value and bound are.
NONE: Final = 0
I64: Final = 1
U64: Final = 2
F64: Final = 3
TEXT: Final = 4  # the first eight bytes, zero-padded

_OP_SHIFT: Final = 16
_KIND_SHIFT: Final = 24
_ORDINAL_SHIFT: Final = 32
_FIELD_SHIFT: Final = 48
_ZERO: Final = np.uint64(0)
_SIGN: Final = np.uint64(63)


@inlined
def write_rejection(
    rejections: Words,
    index: int,
    code: Any,
    type_id: Word,
    field: Any,
    op: Any,
    ordinal: Any,
    kind: Any,
    value: Word,
    bound: Word,
) -> None:
    """The row of record `index`; what the code does not use is zero, and `field` counts from 1."""
    head = code | (op << _OP_SHIFT) | (kind << _KIND_SHIFT) | (ordinal << _ORDINAL_SHIFT) | (field << _FIELD_SHIFT)
    at = ROW * index
    rejections[at] = np.uint64(head)
    rejections[at + 1] = type_id
    rejections[at + 2] = value
    rejections[at + 3] = bound


@inlined
def reject(rejections: Words, index: int, code: Any) -> None:
    """A code that needs no more words."""
    write_rejection(rejections, index, code, _ZERO, 0, 0, 0, NONE, _ZERO, _ZERO)


@inlined
def reject_number(rejections: Words, index: int, code: Any, value: Any, bound: Any) -> None:
    """A code about an i64, with a bound that is zero if the code has none."""
    word, limit = np.uint64(np.int64(value)), np.uint64(np.int64(bound))
    write_rejection(rejections, index, code, _ZERO, 0, 0, 0, I64, word, limit)


@inlined
def kind_of_words(value: Word, bound: Word) -> Any:
    """The kind of unsigned numbers: u64 only where one of them is no i64."""
    return U64 if (value | bound) >> _SIGN != _ZERO else I64


# What generated code knows of a row beforehand.


def head(code: int, *, op: int = 0, kind: int = 0, ordinal: int = 0, field: int = 0) -> int:
    """The first word of a row, as far as it is known."""
    return int(code) | int(op) << 16 | int(kind) << 24 | ordinal << 32 | field << 48


@inlined
def put_rejection(rows: Words, at: Any, first: Word, type_id: Word, value: Word, bound: Word) -> None:
    """A whole row at word `at`."""
    rows[at] = first
    rows[at + 1] = type_id
    rows[at + 2] = value
    rows[at + 3] = bound


@inlined
def with_ordinal(first: Word, ordinal: Any) -> Word:
    """A head with the place of a page that is known only now."""
    return first | (np.uint64(ordinal) << np.uint64(_ORDINAL_SHIFT))


@inlined
def with_unsigned_kind(first: Word, value: Word, bound: Word) -> Word:
    """A head with the kind that these two numbers have."""
    return first | (np.uint64(kind_of_words(value, bound)) << np.uint64(_KIND_SHIFT))

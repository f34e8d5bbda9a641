"""Rows of rejections, compiled: the bytes that mmsb.schemas.rejections packs."""

import struct
from typing import Any

import numpy as np
import pytest

from mmsb.kernels.intake.rejections import F64, I64, NONE, TEXT, U64, kind_of_words, write_rejection
from mmsb.kernels.jit import kernel
from mmsb.schemas.rejections import Code, Op, Rejection

GUARD = 0x7777


@kernel
def write_at(rejections: Any, index: int, head: Any, type_id: Any, value: Any, bound: Any) -> None:
    code, field, op, ordinal, kind = head
    write_rejection(rejections, index, code, type_id, field, op, ordinal, kind, value, bound)


@kernel
def kind_at(value: Any, bound: Any) -> Any:
    return kind_of_words(value, bound)


def bits(number: float) -> int:
    return int.from_bytes(struct.pack("<d", number), "little")


@pytest.mark.parametrize(
    ("rejection", "kind", "value", "bound"),
    [
        (Rejection(Code.OVERFLOW, 2**64 - 1), NONE, 0, 0),
        (Rejection(Code.STORE_RANGE, 9, 1024, -1, 0, Op.GE, 7), I64, -1, 0),
        (Rejection(Code.BOUND, 9, 1, 2**63, 5, Op.LE), U64, 2**63, 5),
        (Rejection(Code.BOUND, 9, 1, 5, 2**64 - 1, Op.GE), U64, 5, 2**64 - 1),
        (Rejection(Code.BOUND, 9, 2, -0.5, 1.5, Op.GT), F64, bits(-0.5), bits(1.5)),
        (Rejection(Code.BAD_UPSERT, value=b"owner"), TEXT, int.from_bytes(b"owner", "little"), 0),
        (Rejection(Code.REFUSED, 2**63, ordinal=2**16 - 1), NONE, 0, 0),
    ],
    ids=lambda value: getattr(value, "code", None) and value.code.name,
)
def test_a_row_is_written_as_it_is_packed(rejection, kind, value, bound):
    rejections = np.full(12, GUARD, np.uint64)
    head = tuple(map(np.int64, (rejection.code, rejection.field, rejection.op, rejection.ordinal, kind)))
    words = (np.uint64(word % 2**64) for word in (rejection.type_id, value, bound))
    write_at(rejections, 1, head, *words)
    assert rejections[4:8].tobytes() == rejection.pack()
    assert (rejections[[0, 1, 2, 3, 8, 9, 10, 11]] == GUARD).all()


def test_unsigned_numbers_are_i64_where_they_fit():
    kinds = {(0, 0): I64, (2**63 - 1, 5): I64, (2**63, 0): U64, (0, 2**64 - 1): U64}
    for (value, bound), kind in kinds.items():
        assert kind_at(np.uint64(value), np.uint64(bound)) == kind

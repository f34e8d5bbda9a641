"""Checked i64 arithmetic: what does not fit is said, and never wraps (docs/language.md, section 3).

Each gives the result and whether it is wrong; the result of a wrong one means nothing.
"""

from typing import Any, Final

import numpy as np
from numba import types
from numba.extending import intrinsic

from mmsb.kernels.jit import COMPILED, inlined
from mmsb.kernels.memory import Int

I64_MIN: Final = np.int64(-(2**63))
I64_MAX: Final = np.int64(2**63 - 1)
_TOO_LARGE: Final = 2.0**63  # the first f64 above every i64; the least i64 is its negative

Checked = Any  # an i64 and whether it is wrong

_intrinsic: Any = intrinsic  # what it makes takes other arguments than the function that it is made of
_Tuple: Any = types.Tuple


def _overflowing(operation: str) -> Any:
    @_intrinsic
    def compute(typing: Any, left: Any, right: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pair = getattr(builder, operation)(args[0], args[1])
            value, wrong = builder.extract_value(pair, 0), builder.extract_value(pair, 1)
            flag = context.cast(builder, wrong, types.boolean, types.boolean)
            return context.make_tuple(builder, signature.return_type, [value, flag])

        result = _Tuple((types.int64, types.boolean))
        return result(types.int64, types.int64), generate

    return compute


if COMPILED:
    _add, _sub = _overflowing("sadd_with_overflow"), _overflowing("ssub_with_overflow")
    _mul = _overflowing("smul_with_overflow")

    @inlined
    def add(left: Int, right: Int) -> Checked:
        return _add(left, right)

    @inlined
    def sub(left: Int, right: Int) -> Checked:
        return _sub(left, right)

    @inlined
    def mul(left: Int, right: Int) -> Checked:
        return _mul(left, right)

else:

    def _fitting(exact: Int) -> Checked:
        wrong = not -(2**63) <= exact < 2**63
        return np.int64(0 if wrong else exact), wrong

    def add(left: Int, right: Int) -> Checked:
        return _fitting(int(left) + int(right))

    def sub(left: Int, right: Int) -> Checked:
        return _fitting(int(left) - int(right))

    def mul(left: Int, right: Int) -> Checked:
        return _fitting(int(left) * int(right))


@inlined
def floordiv(left: Int, right: Int) -> Checked:
    """Rounds toward minus infinity; the divisor is not zero."""
    if left == I64_MIN and right == -1:
        return I64_MIN, True
    return left // right, False


@inlined
def mod(left: Int, right: Int) -> Checked:
    """Has the divisor's sign; the divisor is not zero."""
    if right == -1:  # the hardware would divide, and overflow on the least i64
        return np.int64(0), False
    return left % right, False


@inlined
def neg(value: Int) -> Checked:
    return sub(np.int64(0), value)


@inlined
def absolute(value: Int) -> Checked:
    if value < 0:
        return neg(value)
    return value, False


@inlined
def to_i64(value: float) -> Checked:
    """Cut toward zero."""
    if not -_TOO_LARGE <= value < _TOO_LARGE:
        return np.int64(0), True
    return np.int64(value), False

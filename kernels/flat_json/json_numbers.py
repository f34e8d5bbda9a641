"""Numbers in JSON text: all integers, and floats of up to 19 digits.

A reader gives what it read and where that ended, or REFUSED where the exact reader has to look.
"""

from typing import Any, Final

import numpy as np

from mmsb.kernels.flat_json.decimals import UNDECIDED, nearest_f64
from mmsb.kernels.flat_json.swar import ZERO, digits_in, first_of, load_word, number_of, other_bytes
from mmsb.kernels.jit import inlined, inner
from mmsb.kernels.memory import Bytes, Int, Word

REFUSED: Final = -1

_MINUS: Final = ord("-")
_PLUS: Final = ord("+")
_POINT: Final = ord(".")
_E: Final = ord("e")
_SMALL: Final = 0x20  # what an ASCII letter has more than its capital

_TENS: Final[Any] = np.array([10**power for power in range(20)], np.uint64)
_EXPONENT_MAX: Final = np.uint64(10_000)
_SIGN: Final = np.uint64(2**63)

# The highest number of twenty digits, cut behind the sixteenth.
_HEAD_MAX: Final = np.uint64((2**64 - 1) // 10**4)
_REST_MAX: Final = np.uint64((2**64 - 1) % 10**4)

_DIGITS_MAX: Final = 19  # any number of so many digits is a u64


@inlined
def byte_at(buffer: Bytes, at: Int) -> Int:
    return np.int64(buffer[np.uint64(at)])


@inlined
def read_digits(buffer: Bytes, at: Int) -> tuple[Word, Int]:
    """Any digits at all, as a u64, and where they end: at `at` if there are none."""
    digits = digits_in(load_word(buffer, at))
    count = first_of(other_bytes(digits))
    if count < 8:
        return number_of(digits, count), at + count
    return _read_more(buffer, at + 8, number_of(digits, 8))


@inner
def _read_more(buffer: Bytes, at: Int, head: Word) -> tuple[Word, Int]:
    digits = digits_in(load_word(buffer, at))
    count = first_of(other_bytes(digits))
    head = head * _TENS[count] + number_of(digits, count)
    if count < 8:
        return head, at + count
    digits = digits_in(load_word(buffer, at + 8))
    count = first_of(other_bytes(digits))
    rest = number_of(digits, count)
    if count > 4 or (count == 4 and (head > _HEAD_MAX or (head == _HEAD_MAX and rest > _REST_MAX))):
        return ZERO, REFUSED
    return head * _TENS[count] + rest, at + 8 + count


@inlined
def read_integer(buffer: Bytes, at: Int, high: Word, low: Word) -> tuple[Word, Int]:
    """An integer from -low to high, as two's complement."""
    negative = byte_at(buffer, at) == _MINUS
    start = at + 1 if negative else at
    value, end = read_digits(buffer, start)
    if not _is_whole(buffer, start, end) or value > (low if negative else high):
        return ZERO, REFUSED
    return ZERO - value if negative else value, end


@inlined
def _is_whole(buffer: Bytes, start: Int, end: Int) -> Any:
    """Whether digits can be all of an integer, or what comes before a point."""
    return end == start + 1 or (end > start and byte_at(buffer, start) != ord("0"))


@inner
def read_float(buffer: Bytes, at: Int) -> tuple[Word, Int]:
    """A float or an integer, as the bits of an f64."""
    negative = byte_at(buffer, at) == _MINUS
    start = at + 1 if negative else at
    value, end = read_digits(buffer, start)
    if not _is_whole(buffer, start, end):
        return ZERO, REFUSED
    whole = end
    value, scale, end = _read_fraction(buffer, start, value, end)
    if end != REFUSED:
        scale, end = _read_exponent(buffer, scale, end)
    bits = nearest_f64(value, scale)
    if end == REFUSED or bits == UNDECIDED or (negative and end == whole and value > _SIGN):  # below every i64
        return ZERO, REFUSED
    signed = negative and (value != ZERO or end != whole)  # an integer has no sign if it is zero
    return bits | (_SIGN if signed else ZERO), end


@inlined
def _read_fraction(buffer: Bytes, start: Int, value: Word, end: Int) -> tuple[Word, Int, Int]:
    """The digits with those behind a point, by which power of ten they are too high, and where they end."""
    if byte_at(buffer, end) != _POINT:
        return value, 0, end
    fraction, stop = read_digits(buffer, end + 1)
    count = stop - end - 1
    if count < 1 or (value != ZERO and stop - start - 1 > _DIGITS_MAX):
        return ZERO, 0, REFUSED
    return value * _TENS[min(count, _DIGITS_MAX)] + fraction, -count, stop


@inlined
def _read_exponent(buffer: Bytes, scale: Int, at: Int) -> tuple[Int, Int]:
    if byte_at(buffer, at) | _SMALL != _E:
        return scale, at
    sign = byte_at(buffer, at + 1)
    start = at + 2 if sign in (_MINUS, _PLUS) else at + 1
    value, end = read_digits(buffer, start)
    if end <= start or value > _EXPONENT_MAX:
        return 0, REFUSED
    exponent = np.int64(value)
    return scale - exponent if sign == _MINUS else scale + exponent, end

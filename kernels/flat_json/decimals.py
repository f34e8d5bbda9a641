"""The f64 nearest to a decimal number, compiled: to the bit what Python's `float` makes of its digits.

Small numbers take one exact step. Others are multiplied by a power of five that is known to 128 bits, which decides all
but cases that are said to be undecided (Daniel Lemire, "Number parsing at a gigabyte per second", 2021).
"""

from typing import Any, Final

import numpy as np

from mmsb.kernels.flat_json.swar import ZERO, leading_zeros
from mmsb.kernels.jit import inlined, inner
from mmsb.kernels.memory import Int, Word, bits_of

UNDECIDED: Final = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
"""In place of bits: subnormal, infinite, or too near to the middle between two numbers."""

_SCALE_MIN: Final = -342
_SCALE_MAX: Final = 308
_EXACT_TENS: Final[Any] = np.array([float(10**power) for power in range(23)])
_EXACT: Final = np.uint64(2**53)

_FRACTION_BITS: Final = 52
_BIAS: Final = 1023
_EXPONENT_MAX: Final = 2047
_HIDDEN: Final = np.uint64(1 << _FRACTION_BITS)
_TWICE_HIDDEN: Final = np.uint64(2 << _FRACTION_BITS)
_BELOW_FRACTION: Final = np.uint64(0x1FF)  # of a product's upper word, what the fraction and its rounding do not take
_SPARE: Final = np.uint64(64 - _FRACTION_BITS - 3)

_ONE: Final = np.uint64(1)
_THREE: Final = np.uint64(3)
_U32: Final = np.uint64(32)
_U63: Final = np.uint64(63)
_LOW: Final = np.uint64(0xFFFF_FFFF)
_ALL: Final = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


def _power_of_five(scale: int) -> int:
    """5 to this power times a power of two, cut to 128 bits; rounded up where it is a fraction."""
    if scale >= 0:
        power: int = 5**scale << 128
        return power >> (power.bit_length() - 128)
    divisor: int = 5**-scale
    bits = (divisor - 1).bit_length()
    quotient: int = (1 << (bits + 127 if scale >= -27 else 2 * bits + 128)) // divisor + 1
    return quotient >> max(quotient.bit_length() - 128, 0)


def _powers() -> Any:
    """Both words of each, the upper one first."""
    powers = [_power_of_five(scale) for scale in range(_SCALE_MIN, _SCALE_MAX + 1)]
    return np.array([word for power in powers for word in (power >> 64, power & 2**64 - 1)], np.uint64)


_POWERS: Final = _powers()


@inlined
def nearest_f64(value: Word, scale: Int) -> Word:
    """The bits of the f64 nearest to value × 10^scale, or UNDECIDED."""
    if value <= _EXACT and abs(scale) < _EXACT_TENS.shape[0]:
        number: Any = np.float64(value)
        return bits_of(number / _EXACT_TENS[-scale] if scale < 0 else number * _EXACT_TENS[scale])
    return _nearest(value, scale)


@inner
def _nearest(value: Word, scale: Int) -> Word:
    if value == ZERO:
        return ZERO
    if scale < _SCALE_MIN or scale > _SCALE_MAX:
        return UNDECIDED
    shift = leading_zeros(value)
    high, low = _scaled(value << np.uint64(shift), 2 * (scale - _SCALE_MIN))
    if low == _ALL and (scale < -27 or scale > 55):
        return UNDECIDED
    upper = high >> _U63
    fraction = high >> (upper + _SPARE)
    exponent = ((217706 * scale) >> 16) + 63 + np.int64(upper) - shift + _BIAS
    if low <= _ONE and -4 <= scale <= 23 and fraction & _THREE == _ONE and fraction << (upper + _SPARE) == high:
        fraction -= _ONE  # just in the middle: to the even one
    fraction = (fraction + (fraction & _ONE)) >> _ONE
    if fraction >= _TWICE_HIDDEN:
        fraction = _HIDDEN
        exponent += 1
    if exponent <= 0 or exponent >= _EXPONENT_MAX:
        return UNDECIDED
    return (fraction ^ _HIDDEN) | (np.uint64(exponent) << np.uint64(_FRACTION_BITS))


@inlined
def _scaled(value: Word, place: Int) -> tuple[Word, Word]:
    """The upper 128 bits of a product with a power of five, as far as they matter."""
    high, low = _product(value, _POWERS[place])
    if high & _BELOW_FRACTION == _BELOW_FRACTION:
        more = _product(value, _POWERS[place + 1])[0]
        low += more
        if more > low:
            high += _ONE
    return high, low


@inlined
def _product(left: Word, right: Word) -> tuple[Word, Word]:
    """All 128 bits of a product."""
    low = (left & _LOW) * (right & _LOW)
    middle = (left >> _U32) * (right & _LOW) + (low >> _U32)
    other = (left & _LOW) * (right >> _U32) + (middle & _LOW)
    high = (left >> _U32) * (right >> _U32) + (middle >> _U32) + (other >> _U32)
    return high, (other << _U32) | (low & _LOW)

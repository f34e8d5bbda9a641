"""Bytes looked at eight at a time, in a word: which of them are special, and what number they spell.

The first byte of text is the lowest of its word. A mask has the top bit of each byte that is meant; what it says behind
the first of them may be wrong, since a byte can borrow from the next, or carry into it.
"""

from typing import Any, Final

import numpy as np
from numba.cpython.unsafe import numbers

from mmsb.kernels.jit import COMPILED, inlined, inner
from mmsb.kernels.memory import Bytes, Int, Word, load_u64

ZERO: Final = np.uint64(0)
NOTHING: Final = ZERO  # the mask in which no byte is meant

_ONES: Final = np.uint64(0x0101_0101_0101_0101)
_HIGHS: Final = np.uint64(0x8080_8080_8080_8080)
_ALL: Final = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_LOW: Final = np.uint64(0xFFFF_FFFF)

_SPACES: Final = np.uint64(0x2020_2020_2020_2020)
_QUOTES: Final = np.uint64(0x2222_2222_2222_2222)
_ZEROS: Final = np.uint64(0x3030_3030_3030_3030)
_BACKSLASHES: Final = np.uint64(0x5C5C_5C5C_5C5C_5C5C)
_GRAVES: Final = np.uint64(0x6060_6060_6060_6060)

# What, added to a byte below 128, sets its top bit if it is more than 9, 6 or 0.
_PAST_NINE: Final = np.uint64(0x7676_7676_7676_7676)
_PAST_SIX: Final = np.uint64(0x7979_7979_7979_7979)
_PAST_ZERO: Final = np.uint64(0x7F7F_7F7F_7F7F_7F7F)

_NIBBLES: Final = np.uint64(0x0F0F_0F0F_0F0F_0F0F)
_PAIRS: Final = np.uint64(0x00FF_00FF_00FF_00FF)
_FOURS: Final = np.uint64(0x0000_FFFF_0000_FFFF)

# Of two neighbours, ten times (a hundred, ten thousand times) the first and once the second come to stand at the top.
_TEN_AND_ONE: Final = np.uint64((10 << 8) + 1)
_HUNDRED_AND_ONE: Final = np.uint64((100 << 16) + 1)
_TEN_THOUSAND_AND_ONE: Final = np.uint64((10_000 << 32) + 1)

_trailing_zeros: Any = numbers.trailing_zeros  # pyright: ignore
_leading_zeros: Any = numbers.leading_zeros  # pyright: ignore

if COMPILED:

    @inlined
    def first_of(mask: Word) -> Int:
        """How many bytes come before the first one that is meant; 8 if none is."""
        return np.int64(_trailing_zeros(mask) >> np.uint64(3))

    @inlined
    def leading_zeros(word: Word) -> Int:
        """How many bits come before the highest one."""
        return np.int64(_leading_zeros(word))

else:

    def first_of(mask: Word) -> Int:
        """How many bytes come before the first one that is meant; 8 if none is."""
        bits = int(mask)
        return np.int64(((bits & -bits).bit_length() - 1) // 8 if bits else 8)

    def leading_zeros(word: Word) -> Int:
        """How many bits come before the highest one."""
        return np.int64(64 - int(word).bit_length())


@inlined
def load_word(buffer: Bytes, at: Int) -> Word:
    """The word at `at`, with zeros for what lies behind the end of the buffer."""
    if at + 8 <= buffer.shape[0]:
        return load_u64(buffer, at)
    return _load_rest(buffer, at)


@inner
def _load_rest(buffer: Bytes, at: Int) -> Word:
    word = ZERO
    for index in range(at, buffer.shape[0]):
        word |= np.uint64(buffer[index]) << np.uint64(8 * (index - at))
    return word


@inlined
def low_bytes(count: Int) -> Word:
    """The bits of the first 0 to 8 bytes."""
    return _ALL >> np.uint64(64 - 8 * count) if count > 0 else ZERO


@inlined
def load_bytes(buffer: Bytes, at: Int, count: Int) -> Word:
    """The first 0 to 8 bytes from `at` on, and zeros."""
    return load_word(buffer, at) & low_bytes(count)


@inlined
def special_bytes(word: Word) -> Word:
    """Where JSON text does not just go on: a quote, a backslash, a control character, or no ASCII."""
    quotes = (word ^ _QUOTES) - _ONES
    escapes = (word ^ _BACKSLASHES) - _ONES
    return (quotes | escapes | (word - _SPACES) | word) & _HIGHS


@inlined
def stopping_bytes(word: Word) -> Word:
    """As `special_bytes`, but what is no ASCII goes on."""
    quotes = (word ^ _QUOTES) - _ONES
    escapes = (word ^ _BACKSLASHES) - _ONES
    return (quotes | escapes | (word - _SPACES)) & ~word & _HIGHS


@inlined
def digits_in(word: Word) -> Word:
    """The digits' values; `other_bytes` tells where they end."""
    return word ^ _ZEROS


@inlined
def other_bytes(digits: Word) -> Word:
    """Where there is no digit."""
    return ((digits + _PAST_NINE) | digits) & _HIGHS


@inlined
def number_of(digits: Word, count: Int) -> Word:
    """The number that the first `count` digits spell, 0 to 8 of them."""
    kept = (digits << np.uint64(56 - 8 * count)) << np.uint64(8) if count < 8 else digits
    pairs = ((kept & _NIBBLES) * _TEN_AND_ONE) >> np.uint64(8)
    fours = ((pairs & _PAIRS) * _HUNDRED_AND_ONE) >> np.uint64(16)
    return ((fours & _FOURS) * _TEN_THOUSAND_AND_ONE) >> np.uint64(32)


@inlined
def wrong_hex(word: Word) -> Word:
    """Not zero if one of eight bytes is no hexadecimal digit."""
    digits = word ^ _ZEROS
    letters = (word | _SPACES) ^ _GRAVES  # a to f become 1 to 6
    no_digit = (digits + _PAST_NINE) | digits
    no_letter = ~(letters + _PAST_ZERO) | (letters + _PAST_SIX) | letters
    return no_digit & no_letter & _HIGHS


@inlined
def hex_of(word: Word) -> Word:
    """The four bytes that eight hexadecimal digits spell, the first one lowest."""
    values = (word & _NIBBLES) + ((word >> np.uint64(6)) & _ONES) * np.uint64(9)
    bytes_ = ((values << np.uint64(4)) | (values >> np.uint64(8))) & _PAIRS
    twos = (bytes_ | (bytes_ >> np.uint64(8))) & _FOURS
    return (twos | (twos >> np.uint64(16))) & _LOW

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

_trailing_zeros: Any = numbers.trailing_zeros  # pyright: ignore

if COMPILED:

    @inlined
    def first_of(mask: Word) -> Int:
        """How many bytes come before the first one that is meant; 8 if none is."""
        return np.int64(_trailing_zeros(mask) >> np.uint64(3))

else:

    def first_of(mask: Word) -> Int:
        """How many bytes come before the first one that is meant; 8 if none is."""
        bits = int(mask)
        return np.int64(((bits & -bits).bit_length() - 1) // 8 if bits else 8)


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

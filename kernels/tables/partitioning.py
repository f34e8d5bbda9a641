"""Which partition a key belongs to, compiled (docs/formats.md, section 1; mmsb.schemas.partitions says it slowly).

The bytes that are hashed are written to scratch first: each component as `partition_by` wants it.
"""

from typing import Final

import numpy as np

from mmsb.kernels.jit import inlined, inner
from mmsb.kernels.memory import Bytes, Int, Word, Words
from mmsb.kernels.values import byte_of, text_size

_SEED: Final = np.uint64(0x9747B28C)
_M: Final = np.uint64(0x5BD1E995)
_MASK: Final = np.uint64(0xFFFFFFFF)
_POSITIVE: Final = np.uint64(0x7FFFFFFF)
_U24: Final = np.uint64(24)
_U13: Final = np.uint64(13)
_U15: Final = np.uint64(15)
_TEN: Final = np.uint64(10)
_ZERO: Final = np.uint64(0)
_TOP: Final = np.uint64(1 << 63)


@inner
def murmur2(data: Bytes, size: Int) -> Word:
    """Kafka's 32-bit murmur2 of the first bytes."""
    state = _SEED ^ np.uint64(size)
    whole = size & ~3
    for at in range(0, whole, 4):
        word = _ZERO
        for index in range(4):
            word |= np.uint64(data[at + index]) << np.uint64(8 * index)
        word = word * _M & _MASK
        word = (word ^ word >> _U24) * _M & _MASK
        state = (state * _M & _MASK) ^ word
    if whole < size:
        word = _ZERO
        for index in range(whole, size):
            word |= np.uint64(data[index]) << np.uint64(8 * (index - whole))
        state = (state ^ word) * _M & _MASK
    state = (state ^ state >> _U13) * _M & _MASK
    return state ^ state >> _U15


@inlined
def partition_of(data: Bytes, size: Int, count: Int) -> Int:
    return np.int64(murmur2(data, size) & _POSITIVE) % count


@inner
def put_decimal(data: Bytes, at: Int, word: Word, is_signed: bool) -> Int:
    """A number as decimal digits; gives where they end."""
    if is_signed and word >= _TOP:
        data[at] = 45  # a minus sign
        at += 1
        word = _ZERO - word
    digits = 1
    rest = word // _TEN
    while rest > _ZERO:
        digits += 1
        rest = rest // _TEN
    for index in range(digits - 1, -1, -1):
        data[at + index] = np.uint8(word % _TEN + np.uint64(48))
        word = word // _TEN
    return at + digits


@inner
def put_blob(data: Bytes, at: Int, words: Words, begin: Int, size: Int) -> Int:
    for index in range(size):
        data[at + index] = np.uint8(byte_of(words, begin, index))
    return at + size


@inner
def put_text(data: Bytes, at: Int, words: Words, begin: Int, count: Int) -> Int:
    """A text without its padding; gives where it ends."""
    return put_blob(data, at, words, begin, text_size(words, begin, count))


@inner
def put_length(data: Bytes, at: Int, size: Int) -> None:
    """The u32 before a component, where there are several."""
    for index in range(4):
        data[at + index] = np.uint8((size >> (8 * index)) & 255)

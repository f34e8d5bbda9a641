"""Values in the words of pages and arguments: numbers at byte offsets, texts as words padded with zeros.

Offsets of numbers and their sizes are known when code is generated, so all of it folds into a load, a shift and a mask.
"""

from typing import Final

import numpy as np

from mmsb.kernels.jit import COMPILED, inlined
from mmsb.kernels.memory import Bytes, Flag, Int, Word, Words, load_u64
from mmsb.kernels.utf8 import is_text

_ZERO: Final = np.uint64(0)
_BYTE: Final = np.uint64(255)
_U8: Final = np.uint64(8)


@inlined
def mask_of(size: Int) -> Word:
    """The low bits of so many bytes, 1 to 7."""
    return (np.uint64(1) << np.uint64(8 * size)) - np.uint64(1)


@inlined
def get_bits(words: Words, at: Int, offset: Int, size: Int) -> Word:
    """The bits of a number of 1, 2, 4 or 8 bytes at a byte offset of a body that begins at word `at`."""
    word = words[at + (offset >> 3)]
    if size == 8:
        return word
    return (word >> np.uint64(8 * (offset & 7))) & mask_of(size)


@inlined
def set_bits(words: Words, at: Int, offset: Int, size: Int, bits: Word) -> None:
    """Write a number at a byte offset, leaving what is beside it."""
    place = at + (offset >> 3)
    if size == 8:
        words[place] = bits
        return
    shift = np.uint64(8 * (offset & 7))
    words[place] = (words[place] & ~(mask_of(size) << shift)) | ((bits & mask_of(size)) << shift)


@inlined
def load_bits(source: Bytes, at: Int, offset: Int, size: Int) -> Word:
    """As `get_bits`, of arguments in a buffer, whose size is a multiple of 8 bytes."""
    word = load_u64(source, at + (offset >> 3 << 3))
    if size == 8:
        return word
    return (word >> np.uint64(8 * (offset & 7))) & mask_of(size)


if COMPILED:

    @inlined
    def signed(bits: Word, size: Int) -> Int:
        """The i64 of a number's bits, extended by its sign."""
        shift = 64 - 8 * size
        return (np.int64(bits) << shift) >> shift

    @inlined
    def bits_of_int(value: Int) -> Word:
        return np.uint64(value)

else:

    def signed(bits: Word, size: Int) -> Int:
        """The i64 of a number's bits, extended by its sign."""
        return np.int64(int.from_bytes((int(bits) % 2 ** (8 * size)).to_bytes(size, "little"), "little", signed=True))

    def bits_of_int(value: Int) -> Word:
        return np.uint64(int(value) % 2**64)


@inlined
def unsigned(bits: Word) -> Int:
    """The i64 of a number of up to four bytes."""
    return np.int64(bits)


@inlined
def byte_of(words: Words, at: Int, offset: Int) -> Word:
    return (words[at + (offset >> 3)] >> (_U8 * np.uint64(offset & 7))) & _BYTE


@inlined
def get_text(words: Words, at: Int, offset: Int, size: Int, target: Words, to: Int) -> None:
    """Copy bytes at any offset of a body to whole words."""
    for word in range((size + 7) // 8):
        target[to + word] = _ZERO
    if (offset & 7) == 0:
        for word in range(size // 8):
            target[to + word] = words[at + (offset >> 3) + word]
    start = size // 8 * 8 if (offset & 7) == 0 else 0
    for index in range(start, size):
        target[to + (index >> 3)] |= byte_of(words, at, offset + index) << (_U8 * np.uint64(index & 7))


@inlined
def set_text(words: Words, at: Int, offset: Int, size: Int, source: Words, begin: Int, count: Int) -> None:
    """Write a text of `count` words into a field of `size` bytes, zero-padded; it fits."""
    for index in range(size):
        bits = byte_of(source, begin, index) if index < 8 * count else _ZERO
        place = at + ((offset + index) >> 3)
        shift = _U8 * np.uint64((offset + index) & 7)
        words[place] = (words[place] & ~(_BYTE << shift)) | (bits << shift)


@inlined
def load_text(source: Bytes, at: Int, size: Int, target: Words, to: Int) -> None:
    """Copy bytes of a buffer to whole words."""
    whole = size // 8
    for word in range(whole):
        target[to + word] = load_u64(source, at + 8 * word)
    if size % 8 != 0:
        target[to + whole] = _ZERO
        for index in range(8 * whole, size):
            target[to + whole] |= np.uint64(source[at + index]) << (_U8 * np.uint64(index & 7))


@inlined
def copy_text(target: Words, to: Int, room: Int, source: Words, begin: Int, count: Int) -> None:
    """Copy a text of `count` words to a place of `room` words, which is not smaller."""
    for word in range(count):
        target[to + word] = source[begin + word]
    for word in range(count, room):
        target[to + word] = _ZERO


@inlined
def same_text(left: Words, at: Int, count: Int, right: Words, begin: Int, other: Int) -> Flag:
    """Whether two texts have the same content, whatever room each has."""
    for word in range(max(count, other)):
        one = left[at + word] if word < count else _ZERO
        two = right[begin + word] if word < other else _ZERO
        if one != two:
            return False
    return True


@inlined
def text_size(words: Words, at: Int, count: Int) -> Int:
    """How many bytes a text has before its padding."""
    size = 8 * count
    while size > 0 and byte_of(words, at, size - 1) == _ZERO:
        size -= 1
    return size


@inlined
def is_padded_text(source: Bytes, at: Int, size: Int) -> Flag:
    """Whether a field of a buffer holds UTF-8 without NUL, and then zeros."""
    while size > 0 and source[at + size - 1] == 0:
        size -= 1
    return is_text(source, at, size)

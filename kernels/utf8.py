"""Whether bytes are text, compiled: UTF-8 as strict as Python's, without NUL (docs/formats.md, section 1)."""

from typing import Any, Final

import numpy as np

from mmsb.kernels.jit import inlined, kernel
from mmsb.kernels.memory import Bytes, load_u64

_ONES: Final = np.uint64(0x0101_0101_0101_0101)
_HIGHS: Final = np.uint64(0x8080_8080_8080_8080)
_NONE: Final = np.uint64(0)


@inlined
def _is_ascii_word(buffer: Bytes, at: int) -> Any:
    """Whether eight bytes are ASCII and none of them is NUL."""
    word = load_u64(buffer, at)
    # below 128 everywhere, a byte borrows from its own top bit only if it, or one below it, is zero
    return (word | (word - _ONES)) & _HIGHS == _NONE


@kernel
def is_text(buffer: Bytes, at: int, size: int) -> bool:
    """Whether `size` bytes from `at` on are UTF-8 without NUL."""
    end = at + size
    while at < end:
        if at + 8 <= end and _is_ascii_word(buffer, at):
            at += 8
            continue
        length = _sequence(buffer, at, end)
        if length == 0:
            return False
        at += length
    return True


@inlined
def _sequence(buffer: Bytes, at: int, end: int) -> Any:
    """How many bytes the character at `at` takes; 0 if none is well-formed there."""
    first = np.int64(buffer[at])
    if first < 0x80:
        return 1 if first != 0 else 0
    length = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    if first < 0xC2 or first > 0xF4 or at + length > end:
        return 0
    second = np.int64(buffer[at + 1])
    if second < _second_min(first) or second > _second_max(first):
        return 0
    for index in range(2, length):
        if np.int64(buffer[at + index]) & 0xC0 != 0x80:
            return 0
    return length


@inlined
def _second_min(first: Any) -> Any:
    """Below it, the character would have a shorter form."""
    return 0xA0 if first == 0xE0 else 0x90 if first == 0xF0 else 0x80


@inlined
def _second_max(first: Any) -> Any:
    """Above it, the character would be a surrogate, or beyond U+10FFFF."""
    return 0x9F if first == 0xED else 0x8F if first == 0xF4 else 0xBF

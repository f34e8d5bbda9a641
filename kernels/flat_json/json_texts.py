"""Texts in JSON text: those without escapes, which mean what they say. Others are left to the exact reader.

A text is given by where it begins and where the quote behind it stands; REFUSED stands for what is left.
"""

from typing import Any, Final

import numpy as np

from mmsb.kernels.flat_json.blake3_short import blake3_short
from mmsb.kernels.flat_json.json_numbers import REFUSED, byte_at
from mmsb.kernels.flat_json.json_table import WORK
from mmsb.kernels.flat_json.swar import (
    NOTHING,
    first_of,
    hex_of,
    load_bytes,
    load_word,
    low_bytes,
    special_bytes,
    stopping_bytes,
    wrong_hex,
)
from mmsb.kernels.jit import inlined, inner
from mmsb.kernels.memory import Bytes, Int, Word, Words, load_u64, store_u64
from mmsb.kernels.utf8 import is_text

QUOTE: Final = ord('"')

_SPACE: Final = ord(" ")
_LINE_FEED: Final = ord("\n")
_RETURN: Final = ord("\r")
_TAB: Final = ord("\t")
_ASCII: Final = 0x80
_UUID_CHARACTERS: Final = 36
_DASH: Final = ord("-")
_ZEROS: Final = np.uint64(0x3030_3030_3030_3030)
_ONE: Final = np.uint64(1)
_U32: Final = np.uint64(32)
_LOW: Final = np.uint64(0xFFFF_FFFF)


@inlined
def is_blank(byte: Int) -> Any:
    return byte in (_SPACE, _LINE_FEED, _RETURN, _TAB)


@inlined
def skip_blanks(buffer: Bytes, at: Int) -> Int:
    while byte_at(buffer, at) <= _SPACE and is_blank(byte_at(buffer, at)):
        at += 1
    return at


@inlined
def end_of_text(buffer: Bytes, start: Int, end: Int) -> Int:
    """Where the quote stands that closes the text which begins at `start`, if that is well-formed."""
    at = start
    while at < end:
        special = special_bytes(load_word(buffer, at))
        at += first_of(special)
        if special != NOTHING:
            break
    if at >= end:
        return REFUSED
    byte = byte_at(buffer, at)
    if byte == QUOTE:
        return at
    return _end_of_utf8(buffer, start, at, end) if byte >= _ASCII else REFUSED


@inner
def _end_of_utf8(buffer: Bytes, start: Int, at: Int, end: Int) -> Int:
    """As `end_of_text`, from the first character on that is not ASCII."""
    while at < end:
        stopping = stopping_bytes(load_word(buffer, at))
        at += first_of(stopping)
        if stopping != NOTHING:
            break
    if at >= end or byte_at(buffer, at) != QUOTE or not is_text(buffer, start, at - start):
        return REFUSED
    return at


@inlined
def store_text(target: Bytes, to: Int, room: Int, buffer: Bytes, at: Int, size: Int) -> None:
    """Write a text that fits into a field of `room` bytes, and zeros; what lies behind the field stays."""
    whole = room - room % 8
    for index in range(0, whole, 8):
        store_u64(target, to + index, load_bytes(buffer, at + index, min(max(size - index, 0), 8)))
    if whole < room:
        kept = load_u64(target, to + whole) & ~low_bytes(room - whole)
        store_u64(target, to + whole, kept | load_bytes(buffer, at + whole, max(size - whole, 0)))


@inner
def store_hex(target: Bytes, to: Int, size: Int, buffer: Bytes, at: Int) -> Any:
    """Write the `size` bytes that twice as many digits spell; whether they are digits."""
    for index in range(0, size, 4):
        count = min(size - index, 4)
        digits = load_bytes(buffer, at + 2 * index, 2 * count) | (_ZEROS & ~low_bytes(2 * count))
        if wrong_hex(digits) != NOTHING:
            return False
        kept = load_u64(target, to + index) & ~low_bytes(count)
        store_u64(target, to + index, kept | hex_of(digits))
    return True


@inner
def read_id(buffer: Bytes, at: Int, size: Int, words: Words, to: Word, is_name: Any) -> None:
    """The id that a text stands for, as two words; a name is hashed even if it is a UUID."""
    if is_name or size != _UUID_CHARACTERS or not _read_uuid(buffer, at, words, to):
        words[to], words[to + _ONE] = blake3_short(buffer, at, size, words, np.int64(WORK))


@inlined
def _read_uuid(buffer: Bytes, at: Int, words: Words, to: Word) -> Any:
    """Whether these are a UUID's 36 characters; then its 16 bytes are written."""
    first = load_word(buffer, at)
    second = _joined(buffer, at + 9, at + 14)
    third = _joined(buffer, at + 19, at + 24)
    fourth = load_word(buffer, at + 28)
    wrong = wrong_hex(first) | wrong_hex(second) | wrong_hex(third) | wrong_hex(fourth)
    if wrong != NOTHING or not _has_dashes(buffer, at):
        return False
    words[to] = hex_of(first) | (hex_of(second) << _U32)
    words[to + _ONE] = hex_of(third) | (hex_of(fourth) << _U32)
    return True


@inlined
def _joined(buffer: Bytes, left: Int, right: Int) -> Word:
    """Four bytes, and four more from another place."""
    return (load_word(buffer, left) & _LOW) | (load_word(buffer, right) << _U32)


@inlined
def _has_dashes(buffer: Bytes, at: Int) -> Any:
    return (
        byte_at(buffer, at + 8) == _DASH
        and byte_at(buffer, at + 13) == _DASH
        and byte_at(buffer, at + 18) == _DASH
        and byte_at(buffer, at + 23) == _DASH
    )

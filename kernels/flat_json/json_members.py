"""The values of an object's members, each read as its kind asks for and put where it belongs.

A field goes into the arguments; a member of the envelope into the scanner's array, until all of them are known.
"""

from typing import Any, Final

import numpy as np

from mmsb.kernels.flat_json.json_numbers import REFUSED, byte_at, read_float, read_integer
from mmsb.kernels.flat_json.json_table import (
    BOOLEAN,
    COUNT,
    ENUMERATION,
    FLOAT,
    FLOATS,
    GUESS,
    HAS_SOURCE,
    HIGH,
    IDENTITY,
    INTEGER,
    INTEGERS,
    KIND,
    LOW,
    NAME_ROW,
    NOT_FOUND,
    NOTE,
    OFFSET,
    PART,
    PATTERN_SIZE,
    POSITIVE,
    SIZE,
    TEXT,
    TYPE,
    TYPES,
    find,
    guess_at,
    matches,
)
from mmsb.kernels.flat_json.json_texts import QUOTE, end_of_text, read_id, skip_blanks, store_hex, store_text
from mmsb.kernels.flat_json.swar import ZERO, load_word, low_bytes
from mmsb.kernels.jit import inlined, inner
from mmsb.kernels.memory import Bytes, Int, Word, Words, load_u64, store_u64

_COMMA: Final = ord(",")
_OPEN: Final = ord("[")
_CLOSE: Final = ord("]")
_TRUE: Final = np.uint64(int.from_bytes(b"true", "little"))
_FALSE: Final = np.uint64(int.from_bytes(b"false", "little"))
_ONE: Final = np.uint64(1)
_EIGHT: Final = np.uint64(8)
_SEVEN: Final = np.uint64(7)


@inlined
def read_type(buffer: Bytes, at: Int, end: Int, words: Words) -> tuple[Word, Int]:
    """The type of the name in quotes at `at`, or NOT_FOUND; and where the name ends."""
    if byte_at(buffer, at) != QUOTE:
        return NOT_FOUND, at
    guess = guess_at(load_word(buffer, at + 1))
    layout = words[guess]
    if matches(buffer, at, words, layout + NAME_ROW):
        return layout, at + np.int64(words[layout + NAME_ROW + PATTERN_SIZE])
    stop = end_of_text(buffer, at + 1, end)
    if stop == REFUSED:
        return NOT_FOUND, at
    layout = find(buffer, at + 1, stop - at - 1, words, words[TYPES])
    if layout != NOT_FOUND:
        words[guess] = layout
    return layout, stop + 1


@inner
def read_type_again(buffer: Bytes, at: Int, end: Int, words: Words) -> tuple[Word, Int]:
    """As `read_type`, where it is no object's first member."""
    return read_type(buffer, at, end, words)


@inlined
def read_value(buffer: Bytes, at: Int, end: Int, words: Words, row: Word, out: Bytes, body: Int) -> Int:
    """Read a member's value; gives where it ends, or REFUSED."""
    kind = np.int64(words[row + KIND])
    if kind == INTEGER:
        bits, stop = read_integer(buffer, at, words[row + HIGH], words[row + LOW])
        store_number(out, body, words[row + OFFSET], np.int64(words[row + SIZE]), bits)
        return stop
    if kind > IDENTITY:
        return _read_rare(buffer, at, end, words, row, kind, out, body)
    stop = end_of_text(buffer, at + 1, end) if byte_at(buffer, at) == QUOTE else REFUSED
    at += 1
    size = stop - at
    if stop == REFUSED or size > np.int64(words[row + HIGH]) or size < np.int64(words[row + LOW]):
        return REFUSED
    offset = words[row + OFFSET]
    if kind == TEXT:
        store_text(out, body + np.int64(offset), np.int64(words[row + HIGH]), buffer, at, size)
    elif kind == NOTE:
        words[offset] = np.uint64(at)
        words[offset + _ONE] = np.uint64(size)
    else:
        read_id(buffer, at, size, words, offset, words[row + PART] == np.uint64(HAS_SOURCE))
    return stop + 1


@inlined
def store_number(out: Bytes, body: Int, offset: Word, size: Int, bits: Word) -> None:
    """Write the low bytes of a number into the arguments. Words are always the same ones, for the sake of caches."""
    if size == 8:
        store_u64(out, body + np.int64(offset), bits)
        return
    at = body + np.int64(offset & ~_SEVEN)
    shift = (offset & _SEVEN) * _EIGHT
    mask = low_bytes(size) << shift
    store_u64(out, at, (load_u64(out, at) & ~mask) | ((bits << shift) & mask))


@inner
def _read_rare(buffer: Bytes, at: Int, end: Int, words: Words, row: Word, kind: Int, out: Bytes, body: Int) -> Int:
    offset = words[row + OFFSET]
    if kind in (INTEGERS, FLOATS):
        return _read_array(buffer, at, words, row, kind == FLOATS, out, body)
    if kind == FLOAT:
        bits, stop = read_float(buffer, at)
        store_number(out, body, offset, np.int64(8), bits)
        return stop
    if kind == BOOLEAN:
        return _read_boolean(buffer, at, out, body, offset)
    if kind == POSITIVE:
        words[offset], stop = read_integer(buffer, at, words[row + HIGH], ZERO)
        return stop if words[offset] != ZERO else REFUSED
    if kind == TYPE:
        layout, stop = read_type_again(buffer, at, end, words)
        return stop if layout == words[GUESS] else REFUSED
    if byte_at(buffer, at) != QUOTE:
        return REFUSED
    stop = end_of_text(buffer, at + 1, end)
    if stop == REFUSED:
        return REFUSED
    return _read_word(buffer, at + 1, stop, words, row, kind, out, body)


@inlined
def _read_boolean(buffer: Bytes, at: Int, out: Bytes, body: Int, offset: Word) -> Int:
    word = load_word(buffer, at)
    if word & low_bytes(4) == _TRUE:
        store_number(out, body, offset, np.int64(1), _ONE)
        return at + 4
    if word & low_bytes(5) == _FALSE:
        store_number(out, body, offset, np.int64(1), ZERO)
        return at + 5
    return REFUSED


@inlined
def _read_word(buffer: Bytes, at: Int, stop: Int, words: Words, row: Word, kind: Int, out: Bytes, body: Int) -> Int:
    """The name of an enum's member, or a blob."""
    offset = words[row + OFFSET]
    if kind == ENUMERATION:
        value = find(buffer, at, stop - at, words, words[row + COUNT])
        store_number(out, body, offset, np.int64(2), value)
        return stop + 1 if value != NOT_FOUND else REFUSED
    size = np.int64(words[row + SIZE])
    if stop - at != 2 * size or not store_hex(out, body + np.int64(offset), size, buffer, at):
        return REFUSED
    return stop + 1


@inner
def _read_array(buffer: Bytes, at: Int, words: Words, row: Word, floats: Any, out: Bytes, body: Int) -> Int:
    """As many numbers as there have to be, in brackets."""
    offset, size = words[row + OFFSET], words[row + SIZE]
    before = _OPEN
    for _ in range(np.int64(words[row + COUNT])):
        if byte_at(buffer, at) != before:
            return REFUSED
        at = skip_blanks(buffer, at + 1)
        if floats:
            bits, at = read_float(buffer, at)
        else:
            bits, at = read_integer(buffer, at, words[row + HIGH], words[row + LOW])
        if at == REFUSED:
            return REFUSED
        store_number(out, body, offset, np.int64(size), bits)
        offset += size
        at = skip_blanks(buffer, at)
        before = _COMMA
    return at + 1 if byte_at(buffer, at) == _CLOSE else REFUSED

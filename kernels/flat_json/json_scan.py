"""JSON intents to packed ones, compiled: one pass over the text of a flat object (docs/formats.md, sections 4 and 5).

What comes out is what mmsb.schemas.intents.pack_intent makes of what mmsb.schemas.envelopes and arguments read; bounds
are left to whoever judges packed arguments. All that is not plain and right is left to those readers, who say why.

No member is searched for as long as members come in the order in which they came the last time.
"""

from typing import Any, Final

import numpy as np

from mmsb.kernels.flat_json.json_envelope import BODY, write_envelope
from mmsb.kernels.flat_json.json_members import read_type, read_type_again, read_value
from mmsb.kernels.flat_json.json_numbers import REFUSED, byte_at
from mmsb.kernels.flat_json.json_table import (
    ARGUMENT_WORDS,
    DEFAULTS,
    GUESS,
    HAS_NUMBER,
    HAS_SOURCE,
    NAME_ROW,
    NAMES,
    NEEDED,
    NEEDED_COUNT,
    NEXT,
    NOT_FOUND,
    PART,
    PATTERN_SIZE,
    ROOM,
    SEEN,
    STAMP,
    TYPE_ROW,
    find,
    matches,
)
from mmsb.kernels.flat_json.json_texts import QUOTE, end_of_text, is_blank, skip_blanks
from mmsb.kernels.flat_json.swar import ZERO, load_word
from mmsb.kernels.intake.record_batches import FLAGS, VALUE_AT, VALUE_SIZE, Columns
from mmsb.kernels.jit import branching, inlined, inner
from mmsb.kernels.memory import Bytes, Int, Word, Words, copy_bytes, store_u64
from mmsb.schemas.limits import INTENT_BYTES_MAX

# The rows of `places`.
PLACE: Final = 0
PLACE_SIZE: Final = 1  # -1 for null

SLOW: Final = -2  # in place of a size: left to the exact readers

_OPEN: Final = ord("{")
_CLOSE: Final = ord("}")
_COMMA: Final = ord(",")
_COLON: Final = ord(":")
_TYPE: Final = np.uint64(int.from_bytes(b'"@type":', "little"))
_TYPE_NAME_BYTES: Final = len("@type")
_NO_COLON: Final = np.uint64(0x00FF_FFFF_FFFF_FFFF)
_SOURCE_AND_NUMBER: Final = np.uint64(HAS_SOURCE | HAS_NUMBER)
_ONE: Final = np.uint64(1)


@branching
def transcode(
    buffer: Bytes,
    columns: Columns,
    start: Int,
    stop: Int,
    words: Words,
    out: Bytes,
    to: Int,
    places: Columns,
) -> tuple[Int, Int]:
    """Write records `start` up to `stop` to `out` from byte `to` on: what is JSON packed, all else as it is.

    `words` are what mmsb.processors.json_tables makes. `places` says where each record is, and how many bytes. Gives
    the record for which `out` had no more room, or `stop`; and up to which byte `out` is used.
    """
    for index in range(start, stop):
        at, size = columns[VALUE_AT, index], columns[VALUE_SIZE, index]
        json = size > 0 and size <= INTENT_BYTES_MAX and columns[FLAGS, index] == 0 and byte_at(buffer, at) == _OPEN
        room = np.int64(words[ROOM]) if json else size + 8
        if to + room > out.shape[0]:
            return index, to
        places[PLACE, index] = to
        if json:
            size = _transcode(buffer, at, at + size, words, out, to)
        else:
            copy_bytes(out, to, buffer, at, max(size, 0))
        places[PLACE_SIZE, index] = size
        to += (max(size, 0) + 7) & -8
    return stop, to


@inlined
def _transcode(buffer: Bytes, start: Int, end: Int, words: Words, out: Bytes, to: Int) -> Int:
    """Write one intent; gives how many bytes it takes, or SLOW."""
    while end > start and is_blank(byte_at(buffer, end - 1)):
        end -= 1
    if byte_at(buffer, end - 1) != _CLOSE:  # no text goes on behind it, and that ends every search for something else
        return SLOW
    parts = _read_members(buffer, start + 1, end, words, out, to + BODY)
    if parts == REFUSED and _is_other_type(buffer, start + 1, end, words):
        parts = _read_members(buffer, start + 1, end, words, out, to + BODY)
    return write_envelope(buffer, words, parts, out, to) if parts != REFUSED else SLOW


@inner
def _read_members(buffer: Bytes, at: Int, end: Int, words: Words, out: Bytes, body: Int) -> Int:
    """Put a text's members where they belong; gives the bits of those of the envelope, or REFUSED."""
    layout = words[GUESS]
    at = skip_blanks(buffer, at)
    row = layout + NAME_ROW  # nothing yet
    stamp = words[STAMP] + _ONE
    words[STAMP] = stamp
    parts = needed = ZERO
    if load_word(buffer, at) == _TYPE:
        layout, at = read_type(buffer, skip_blanks(buffer, at + 8), end, words)
        if layout == NOT_FOUND:
            return REFUSED
        words[GUESS] = layout
        row = layout + TYPE_ROW
        words[row + SEEN] = stamp
        needed = _ONE
        at = _after_value(buffer, at, end)
    needed = words[layout + NEEDED_COUNT] - needed
    _put_defaults(words, layout, out, body)
    while at != end and at != REFUSED:
        before = row
        row = words[before + NEXT]
        if matches(buffer, at, words, row):
            at += np.int64(words[row + PATTERN_SIZE])
        else:
            row, at = _find_member(buffer, at, end, words, layout)
            if at == REFUSED:
                return REFUSED
            words[before + NEXT] = row
        if words[row + SEEN] == stamp:
            return REFUSED
        words[row + SEEN] = stamp
        parts |= words[row + PART]
        needed -= words[row + NEEDED]
        at = read_value(buffer, skip_blanks(buffer, at), end, words, row, out, body)
        if at == REFUSED:
            return REFUSED
        at = _after_value(buffer, at, end)
    numbered = (parts & _SOURCE_AND_NUMBER) % _SOURCE_AND_NUMBER == ZERO  # both or neither
    return np.int64(parts) if at == end and needed == ZERO and numbered else REFUSED


@inlined
def _after_value(buffer: Bytes, at: Int, end: Int) -> Int:
    """Where the next member begins; `end` if there is none, REFUSED if what follows is wrong."""
    at = skip_blanks(buffer, at)
    byte = byte_at(buffer, at)
    if byte == _COMMA:
        return skip_blanks(buffer, at + 1)
    return end if byte == _CLOSE and at == end - 1 else REFUSED


@inlined
def _put_defaults(words: Words, layout: Word, out: Bytes, body: Int) -> None:
    """Arguments as they are if every field that can be left out is."""
    begin = words[layout + DEFAULTS]
    for word in range(np.int64(words[layout + ARGUMENT_WORDS])):
        store_u64(out, body + 8 * word, words[begin + np.uint64(word)])


@inner
def _find_member(buffer: Bytes, at: Int, end: Int, words: Words, layout: Word) -> tuple[Word, Int]:
    """The row of the member whose name stands at `at`, and where its value begins or blanks before it."""
    stop = end_of_text(buffer, at + 1, end) if byte_at(buffer, at) == QUOTE else REFUSED
    if stop == REFUSED:
        return ZERO, REFUSED
    row = find(buffer, at + 1, stop - at - 1, words, words[layout + NAMES])
    colon = skip_blanks(buffer, stop + 1)
    if row == NOT_FOUND or byte_at(buffer, colon) != _COLON:
        return ZERO, REFUSED
    return row, colon + 1


@inner
def _is_other_type(buffer: Bytes, at: Int, end: Int, words: Words) -> Any:
    """Whether the text names another type than was thought before it came, and is to be read as that."""
    found = _find_type(buffer, at, end, words)
    if found in (NOT_FOUND, words[GUESS]):
        return False
    words[GUESS] = found
    return True


@inlined
def _find_type(buffer: Bytes, at: Int, end: Int, words: Words) -> Word:
    """The type that a text names somewhere, if it is well-formed and flat."""
    while at < end:
        if byte_at(buffer, at) != QUOTE:
            at += 1
            continue
        stop = end_of_text(buffer, at + 1, end)
        if stop == REFUSED:
            break
        colon = skip_blanks(buffer, stop + 1)
        is_type = stop - at - 1 == _TYPE_NAME_BYTES and (load_word(buffer, at) ^ _TYPE) & _NO_COLON == ZERO
        if is_type and byte_at(buffer, colon) == _COLON:
            return read_type_again(buffer, skip_blanks(buffer, colon + 1), end, words)[0]
        at = stop + 1
    return NOT_FOUND

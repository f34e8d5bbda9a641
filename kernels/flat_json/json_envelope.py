"""A packed intent around arguments that are written already, from what its JSON text said beside them."""

from typing import Final

import numpy as np

from mmsb.kernels.flat_json.json_table import (
    ACTOR,
    ARGUMENT_WORDS,
    CAUSATION,
    CORRELATION,
    GUESS,
    HAS_ACTOR,
    HAS_CAUSATION,
    HAS_CORRELATION,
    HAS_ID,
    HAS_METADATA,
    HAS_REASON,
    HAS_SOURCE,
    HAS_TRACE,
    ID,
    NUMBER,
    REASON,
    SOURCE,
    TRACE,
    TYPE_ID,
)
from mmsb.kernels.flat_json.swar import ZERO, load_word, low_bytes
from mmsb.kernels.jit import inlined
from mmsb.kernels.memory import Bytes, Int, Word, Words, load_u64, store_u64
from mmsb.schemas import envelopes
from mmsb.schemas.envelopes import HEADER, INTENT_VERSION, MAGIC
from mmsb.schemas.ids import ID_BYTES
from mmsb.schemas.limits import ACTOR_BYTES_MAX, REASON_BYTES_MAX, TRACE_BYTES_MAX
from mmsb.schemas.metadata import VERSION
from mmsb.schemas.sources import OUTSIDE, SOURCE_BYTES

BODY: Final = HEADER.size + ID_BYTES + SOURCE_BYTES
"""Where the arguments are put first, before it is known what comes before them."""

METADATA_MAX: Final = 8 + 2 * 24 + sum(size + 12 for size in (ACTOR_BYTES_MAX, REASON_BYTES_MAX, TRACE_BYTES_MAX))
"""No metadata takes more bytes."""

_HEAD: Final = np.uint64(int.from_bytes(MAGIC + bytes([INTENT_VERSION]), "little"))
_ID: Final = np.uint64(envelopes.HAS_ID << 32)
_SOURCE: Final = np.uint64(envelopes.HAS_SOURCE << 32 | OUTSIDE << 40)
_METADATA: Final = np.uint64(envelopes.HAS_METADATA << 32)
_HEADER_BYTES: Final = HEADER.size
_ENTRY_BYTES: Final = 4  # of a metadata entry, before its content
_BLOCK: Final = np.uint64(VERSION)

_ONE: Final = np.uint64(1)
_U16: Final = np.uint64(16)
_U32: Final = np.uint64(32)
_U48: Final = np.uint64(48)
_LOW: Final = np.uint64(0xFFFF_FFFF)
_ID_SIZE: Final = np.uint64(ID_BYTES << 16)

# Tags of the metadata's entries.
_ACTOR: Final = 1
_REASON: Final = 2
_CORRELATION: Final = 3
_CAUSATION: Final = 4
_TRACE: Final = 5


@inlined
def write_envelope(buffer: Bytes, words: Words, parts: Int, out: Bytes, to: Int) -> Int:
    """Write all but the arguments, and move these to their place; gives how many bytes the intent takes."""
    layout = words[GUESS]
    count = words[layout + ARGUMENT_WORDS]
    head = _HEAD | (count << _U48)
    at = to + _HEADER_BYTES
    if parts & HAS_ID:
        head |= _ID
        at = _put_pair(out, at, words, ID)
    if parts & HAS_SOURCE:
        head |= _SOURCE
        at = _put_pair(out, at, words, SOURCE)
        store_u64(out, at, words[NUMBER])
        store_u64(out, at + 8, ZERO)
        at += 16
    if at < to + BODY:
        for index in range(0, 8 * np.int64(count), 8):
            store_u64(out, at + index, load_u64(out, to + BODY + index))
    at += 8 * np.int64(count)
    if parts & HAS_METADATA:
        head |= _METADATA
        at = _put_metadata(buffer, words, parts, out, at)
    store_u64(out, to, head)
    store_u64(out, to + 8, words[layout + TYPE_ID])
    return at - to


@inlined
def _put_pair(out: Bytes, at: Int, words: Words, pair: Word) -> Int:
    store_u64(out, at, words[pair])
    store_u64(out, at + 8, words[pair + _ONE])
    return at + 16


@inlined
def _put_metadata(buffer: Bytes, words: Words, parts: Int, out: Bytes, start: Int) -> Int:
    """The block; gives where it ends."""
    at = start + 8
    entries = ZERO
    if parts & HAS_ACTOR:
        at = _put_text(buffer, words, ACTOR, _ACTOR, out, at)
        entries += _ONE
    if parts & HAS_REASON:
        at = _put_text(buffer, words, REASON, _REASON, out, at)
        entries += _ONE
    if parts & HAS_CORRELATION:
        at = _put_id(words, CORRELATION, _CORRELATION, out, at)
        entries += _ONE
    if parts & HAS_CAUSATION:
        at = _put_id(words, CAUSATION, _CAUSATION, out, at)
        entries += _ONE
    if parts & HAS_TRACE:
        at = _put_text(buffer, words, TRACE, _TRACE, out, at)
        entries += _ONE
    store_u64(out, start, _BLOCK | (entries << _U16) | (np.uint64(at - start) << _U32))
    return at


@inlined
def _put_text(buffer: Bytes, words: Words, text: Word, tag: Int, out: Bytes, at: Int) -> Int:
    """An entry. Its words are those of the text four bytes earlier, where tag and size come in place of a name."""
    begin, size = np.int64(words[text]) - _ENTRY_BYTES, words[text + _ONE]
    count = np.int64(size) + _ENTRY_BYTES
    first = np.uint64(tag) | (size << _U16) | (load_word(buffer, begin) & ~_LOW)
    store_u64(out, at, first & low_bytes(min(count, 8)))
    for index in range(8, count, 8):
        store_u64(out, at + index, load_word(buffer, begin + index) & low_bytes(min(count - index, 8)))
    return at + ((count + 7) & -8)


@inlined
def _put_id(words: Words, pair: Word, tag: Int, out: Bytes, at: Int) -> Int:
    low, high = words[pair], words[pair + _ONE]
    store_u64(out, at, np.uint64(tag) | _ID_SIZE | (low << _U32))
    store_u64(out, at + 8, (low >> _U32) | (high << _U32))
    store_u64(out, at + 16, high >> _U32)
    return at + 24

"""Follow-ups as an intent emits them: written behind the block's last, and counted only once the intent applies.

What each carries of its cause, to the byte, is in docs/formats.md, section 10; mmsb.state.follow_ups says it slowly.
"""

from typing import Final

import numpy as np

from mmsb.kernels.intake.envelopes import ID_AT, METADATA_AT, METADATA_SIZE, SOURCE_AT
from mmsb.kernels.intake.metadata import load_u16
from mmsb.kernels.jit import inlined, inner
from mmsb.kernels.memory import Bytes, Int, Word, Words, load_u32, load_u64
from mmsb.kernels.mixing import SENT as SENT_TAG
from mmsb.kernels.mixing import mix, seed_with
from mmsb.kernels.stepping.block_builder import FOLLOW_UPS, FOLLOW_UPS_W, INTENTS_N, SENT, SENT_N, SENT_W

ARGUMENTS: Final = 6  # words before a follow-up's arguments: header and source

_HEADER: Final = np.uint64(0x0106_0149_4D4D)  # MMI, version 1, parts source and metadata, kind follow-up
_CORRELATION: Final = 3
_CAUSATION: Final = 4
_METADATA_HEADER: Final = 8
_ID_WORDS: Final = 3
_ZERO: Final = np.uint64(0)
_ONE: Final = np.uint64(1)
_U16: Final = np.uint64(16)
_U32: Final = np.uint64(32)
_U48: Final = np.uint64(48)
_LOW: Final = np.uint64(0xFFFF_FFFF)
_ID_SIZE: Final = np.uint64(16 << 16)


@inlined
def hops_of(buffer: Bytes, envelopes: Words, i: Int) -> Int:
    """How far down a chain of follow-ups record `i` is."""
    at = envelopes[SOURCE_AT, i]
    return np.int64(load_u32(buffer, at + 24)) if at >= 0 else 0


@inlined
def begin_of(counts: Words, emitted_words: Int) -> Int:
    """Where in the block the next follow-up goes."""
    return FOLLOW_UPS + counts[FOLLOW_UPS_W] + emitted_words


@inner
def emit(
    block: Words,
    counts: Words,
    emitted: Int,
    emitted_words: Int,
    type_id: Word,
    arguments: Int,
    target: Int,
    sent: Words,
    buffer: Bytes,
    envelopes: Words,
    i: Int,
    offset: Int,
    log: Words,
    partition: Int,
) -> Int:
    """Write what is around a follow-up's arguments, and its row; gives its size in words."""
    row = SENT + SENT_W * counts[SENT_N]
    number = sent[target] + 1
    for before in range(emitted):
        if np.int64(block[row + SENT_W * before] >> _U32) == target:
            number += 1
    at = begin_of(counts, emitted_words)
    block[at] = _HEADER | (np.uint64(arguments) << _U48)
    block[at + 1] = type_id
    block[at + 2] = np.uint64(partition) | (log[0] << _U32)
    block[at + 3] = (log[0] >> _U32) | (log[1] << _U32)
    block[at + 4] = np.uint64(number)
    block[at + 5] = np.uint64(hops_of(buffer, envelopes, i) + 1)
    size = ARGUMENTS + arguments
    size += put_metadata(block, at + size, buffer, envelopes, i, offset, log, partition)
    row += SENT_W * emitted
    block[row] = np.uint64(counts[INTENTS_N]) | (np.uint64(target) << _U32)
    block[row + 1] = np.uint64(number)
    block[row + 2] = np.uint64(8 * size)
    return size


@inner
def put_metadata(
    block: Words, at: Int, buffer: Bytes, envelopes: Words, i: Int, offset: Int, log: Words, partition: Int
) -> Int:
    """The cause's metadata, with the cause as causation, and as correlation where there is none."""
    a = np.uint64(partition) | (log[0] << _U32)
    b = np.uint64(offset)
    id_at = envelopes[ID_AT, i]
    if id_at >= 0:
        a, b = load_u64(buffer, id_at), load_u64(buffer, id_at + 8)
    to = at + 1
    count = 0
    position = envelopes[METADATA_AT, i] + _METADATA_HEADER
    end = envelopes[METADATA_AT, i] + envelopes[METADATA_SIZE, i]
    caused = False
    correlated = False
    while not caused:
        tag = np.int64(load_u16(buffer, position)) if position < end else _CAUSATION + 1
        if tag > _CORRELATION and not correlated:
            to = _put_id(block, to, _CORRELATION, a, b)
            correlated = True
            count += 1
        if tag >= _CAUSATION:
            to = _put_id(block, to, _CAUSATION, a, b)
            caused = True
            count += 1
        if tag == _CORRELATION:
            correlated = True
        if tag != _CAUSATION and position < end:
            to = _copy_entry(block, to, buffer, position)
            count += 1
        if position < end:
            position += _entry_size(buffer, position)
    if position < end:  # what comes behind the causation
        to = _copy_entry(block, to, buffer, position)
        count += 1
    block[at] = _ONE | (np.uint64(count) << _U16) | (np.uint64(8 * (to - at)) << _U32)
    return to - at


@inlined
def _entry_size(buffer: Bytes, position: Int) -> Int:
    return (4 + np.int64(load_u16(buffer, position + 2)) + 7) >> 3 << 3


@inlined
def _copy_entry(block: Words, to: Int, buffer: Bytes, position: Int) -> Int:
    words = _entry_size(buffer, position) >> 3
    for word in range(words):
        block[to + word] = load_u64(buffer, position + 8 * word)
    return to + words


@inlined
def _put_id(block: Words, to: Int, tag: Int, a: Word, b: Word) -> Int:
    block[to] = np.uint64(tag) | _ID_SIZE | (a << _U32)
    block[to + 1] = (a >> _U32) | (b << _U32)
    block[to + 2] = b >> _U32
    return to + _ID_WORDS


@inner
def count_emitted(block: Words, counts: Words, emitted: Int, emitted_words: Int, sent: Words, digest: Words) -> None:
    """The follow-ups of an intent that applies now count."""
    for index in range(emitted):
        target = np.int64(block[SENT + SENT_W * (counts[SENT_N] + index)] >> _U32)
        start = seed_with(SENT_TAG, np.uint64(target))
        if sent[target] > 0:
            a, b = mix(np.uint64(sent[target]), 0, start)
            digest[0] -= a
            digest[1] -= b
        sent[target] += 1
        a, b = mix(np.uint64(sent[target]), 0, start)
        digest[0] += a
        digest[1] += b
    counts[SENT_N] += emitted
    counts[FOLLOW_UPS_W] += emitted_words

"""A block's follow-ups: whether each is what its cause emits, to the byte, and the next of its target.

mmsb.schemas.tlog.block_reader and mmsb.state.follow_ups say the same slowly.
"""

from typing import Any, Final

import numpy as np

from mmsb.kernels.folding.block_sections import (
    APPLIED,
    FIRST,
    FOLLOW_UPS,
    FOLLOW_UPS_W,
    ID_W,
    IDS,
    INTENTS,
    METADATA,
    REJECTED,
    SENT,
    SENT_DONE,
    SENT_N,
    SENT_W,
    SOURCE_W,
    SOURCES,
    Plan,
    flags_of,
    metadata_size,
)
from mmsb.kernels.intake.envelopes import ID_AT, METADATA_AT, METADATA_SIZE, SOURCE_AT
from mmsb.kernels.jit import branching, inlined
from mmsb.kernels.memory import Bytes, Int, Words
from mmsb.kernels.mixing import SENT as SENT_TAG
from mmsb.kernels.mixing import mix, seed_with
from mmsb.kernels.stepping.follow_ups import ARGUMENTS, hops_of, put_metadata
from mmsb.schemas.limits import FOLLOW_UPS_PER_INTENT_MAX, INTENT_BYTES_MAX
from mmsb.schemas.sources import FOLLOW_UP, HOPS_BITS_MAX
from mmsb.schemas.tlog.blocks import HAS_ID, HAS_METADATA, HAS_SOURCE, STATUS_BITS

METADATA_WORDS_MAX: Final = 512  # more than any metadata block has

_HEADER: Final = np.uint64(0x0106_0149_4D4D)  # MMI, version 1, parts source and metadata, kind follow-up
_HEADER_MASK: Final = np.uint64(0xFFFF_FFFF_FFFF)
_ZERO: Final = np.uint64(0)
_LOW: Final = np.uint64(0xFFFF_FFFF)
_U32: Final = np.uint64(32)
_U48: Final = np.uint64(48)


@branching
def count_follow_ups(
    words: Words,
    value8: Bytes,
    plan: Plan,
    log: Words,
    partition: Int,
    sent: Any,
    cause: Any,
    expected: Words,
    digest: Words,
) -> bool:
    """Count them for their targets, until one is wrong; `take_back_follow_ups` takes back what was counted.

    `cause` is an array of envelopes with room for one, `expected` has room for a metadata block.
    """
    at, end = plan[FOLLOW_UPS], plan[FOLLOW_UPS] + plan[FOLLOW_UPS_W]
    _open_cause(plan, cause)
    index: Int = 0
    same = 0
    plan[SENT_DONE] = 0
    for number in range(plan[SENT_N]):
        row = plan[SENT] + SENT_W * number
        before, index = index, np.int64(words[row] & _LOW)
        size = np.int64(words[row + 2])  # with anything above its 32 bits it is too large, or below zero
        if index < before or index >= plan[INTENTS] or size < 0 or size > INTENT_BYTES_MAX or size % 8 != 0:
            return False
        same = same + 1 if index == before and number > 0 else 1
        size //= 8
        if same > FOLLOW_UPS_PER_INTENT_MAX or at + size > end:
            return False
        for passed in range(before, index):
            _pass_cause(value8, flags_of(value8, plan, passed), cause)
        flags = flags_of(value8, plan, index)
        if not _is_emitted(words, value8, plan, row, at, size, flags, index, log, partition, sent, cause, expected):
            return False
        _count(np.int64(words[row] >> _U32), sent, digest)
        plan[SENT_DONE] = number + 1
        at += size
    return bool(at == end)


@inlined
def _open_cause(plan: Plan, cause: Any) -> None:
    """Where the first outcome's parts would be."""
    cause[ID_AT, 0], cause[SOURCE_AT, 0], cause[METADATA_AT, 0] = 8 * plan[IDS], 8 * plan[SOURCES], 8 * plan[METADATA]


@inlined
def _pass_cause(value8: Bytes, flags: Int, cause: Any) -> None:
    """Go on behind an outcome with these parts."""
    if flags & HAS_ID:
        cause[ID_AT, 0] += 8 * ID_W
    if flags & HAS_SOURCE:
        cause[SOURCE_AT, 0] += 8 * SOURCE_W
    if flags & HAS_METADATA:
        cause[METADATA_AT, 0] += metadata_size(value8, cause[METADATA_AT, 0])


@inlined
def _is_emitted(
    words: Words,
    value8: Bytes,
    plan: Plan,
    row: Int,
    at: Int,
    size: Int,
    flags: Int,
    index: Int,
    log: Words,
    partition: Int,
    sent: Any,
    cause: Any,
    expected: Words,
) -> bool:
    """Whether the packed intent at word `at` is what the outcome at `index`, with these flags, emits next."""
    target, number = np.int64(words[row] >> _U32), words[row + 1]
    if target >= sent.shape[0] or number != np.uint64(sent[target] + 1) or size <= ARGUMENTS:
        return False
    metadata_at = at + ARGUMENTS + np.int64(words[at] >> _U48)
    if words[at] & _HEADER_MASK != _HEADER or metadata_at >= at + size or words[at + 4] != number:
        return False
    places = cause[ID_AT, 0], cause[SOURCE_AT, 0], cause[METADATA_AT, 0]
    _close_cause(value8, flags, cause)
    status, kind = flags & STATUS_BITS, np.int64(value8[places[1] + 28]) if flags & HAS_SOURCE else 0
    right = status == APPLIED or (status == REJECTED and kind == FOLLOW_UP)
    right &= words[at + 2] == np.uint64(partition) | (log[0] << _U32)
    right &= words[at + 3] == (log[0] >> _U32) | (log[1] << _U32)
    right &= words[at + 5] == np.uint64(min(hops_of(value8, cause, 0) + 1, HOPS_BITS_MAX))
    wanted = put_metadata(expected, 0, value8, cause, 0, plan[FIRST] + index, log, partition)
    right &= metadata_at + wanted == at + size
    for word in range(min(wanted, at + size - metadata_at)):
        right &= words[metadata_at + word] == expected[word]
    cause[ID_AT, 0], cause[SOURCE_AT, 0], cause[METADATA_AT, 0] = places
    return bool(right)


@inlined
def _close_cause(value8: Bytes, flags: Int, cause: Any) -> None:
    """Say of the parts that an outcome does not have that they are nowhere."""
    cause[METADATA_SIZE, 0] = metadata_size(value8, cause[METADATA_AT, 0]) if flags & HAS_METADATA else 0
    if not flags & HAS_ID:
        cause[ID_AT, 0] = -1
    if not flags & HAS_SOURCE:
        cause[SOURCE_AT, 0] = -1
    if not flags & HAS_METADATA:
        cause[METADATA_AT, 0] = -1


@inlined
def _count(target: Int, sent: Any, digest: Words) -> None:
    start = seed_with(SENT_TAG, np.uint64(target))
    if sent[target] > 0:
        a, b = mix(np.uint64(sent[target]), 0, start)
        digest[0] -= a
        digest[1] -= b
    sent[target] += 1
    a, b = mix(np.uint64(sent[target]), 0, start)
    digest[0] += a
    digest[1] += b


@branching
def take_back_follow_ups(words: Words, plan: Plan, sent: Any) -> None:
    for number in range(plan[SENT_DONE]):
        sent[np.int64(words[plan[SENT] + SENT_W * number] >> _U32)] -= 1

"""The outcome of one offset as it enters the block: what its envelope brought, and what became of it."""

from typing import Final

import numpy as np

from mmsb.kernels.intake.envelopes import ID_AT, METADATA_AT, METADATA_SIZE, SOURCE_AT, SOURCE_KIND
from mmsb.kernels.jit import inlined
from mmsb.kernels.memory import Bytes, Int, Words, load_u64
from mmsb.kernels.stepping.block_builder import (
    CLOCK,
    HAS_ID,
    HAS_METADATA,
    HAS_SOURCE,
    ID_W,
    REJECTION_W,
    RISE_W,
    SOURCE_W,
    add_duplicate,
    add_id,
    add_metadata,
    add_outcome,
    add_rejection,
    add_rise,
    add_source,
)
from mmsb.kernels.stepping.settling import FIRST, NOW

# What a record's stretch through the passes comes to; the lowest are statuses as the TLog has them.
GO_ON: Final = 0
APPLIED: Final = 1
REJECTED: Final = 2  # by rule 3: it counts as having no envelope
DUPLICATE: Final = 3
NOOP: Final = 4
SLOW: Final = 9  # left to the interpreter
REFUSED: Final = 12  # rejected by a later rule
CUT: Final = 20  # it does not fit into the block
GROW: Final = 21  # it needs room for pages

_STATUS_OF_REFUSED: Final = 2


@inlined
def extra_words(envelopes: Words, run: Words, counts: Words, i: Int) -> Int:
    """Words in the block for what the envelope brings, and for the clock if it rises."""
    words = envelopes[METADATA_SIZE, i] // 8
    if envelopes[ID_AT, i] >= 0:
        words += ID_W
    if envelopes[SOURCE_AT, i] >= 0:
        words += SOURCE_W
    if run[NOW, i] > counts[CLOCK]:
        words += RISE_W
    return words


@inlined
def words_of_verdict(verdict: Int) -> Int:
    """Words in the block for an outcome that is not applied."""
    if verdict in (REJECTED, REFUSED):
        return REJECTION_W
    return 1 if verdict == DUPLICATE else 0


@inlined
def add(
    buffer: Bytes,
    envelopes: Words,
    run: Words,
    rejections: Words,
    i: Int,
    verdict: Int,
    number: Int,
    block: Words,
    block8: Bytes,
    counts: Words,
) -> None:
    """Append the outcome, which fits; its deltas are in the block already."""
    flags = _STATUS_OF_REFUSED if verdict == REFUSED else verdict
    if run[NOW, i] > counts[CLOCK]:
        add_rise(block, counts, run[NOW, i])
    at = envelopes[ID_AT, i]
    if at >= 0:
        flags |= HAS_ID
        add_id(block, counts, load_u64(buffer, at), load_u64(buffer, at + 8))
    at = envelopes[SOURCE_AT, i]
    if at >= 0:
        flags |= HAS_SOURCE
        add_source(block, counts, buffer, at, envelopes[SOURCE_KIND, i])
    if envelopes[METADATA_SIZE, i] > 0:
        flags |= HAS_METADATA
        add_metadata(block, counts, buffer, envelopes[METADATA_AT, i], envelopes[METADATA_SIZE, i])
    if verdict == DUPLICATE:
        add_duplicate(block, counts, run[FIRST, i])
    if verdict in (REJECTED, REFUSED):
        add_rejection(block, counts, rejections, 4 * i)
    add_outcome(block, block8, counts, np.int64(flags), number)

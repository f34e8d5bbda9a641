"""The checksum of intents over columns, compiled (docs/formats.md, section 9); mmsb.kernels.digest is its definition.

Terms of one record do not wait for each other, so the compiler does eight words of a value at a time.
"""

from typing import Any, Final

import numpy as np

from mmsb.kernels.intake.record_batches import FLAGS, TIME, VALUE_AT, VALUE_SIZE, Columns
from mmsb.kernels.jit import inlined, kernel
from mmsb.kernels.memory import Bytes, Word, load_u64
from mmsb.kernels.mixing import INTENTS, lane_a, seed_with

_ZERO: Final = np.uint64(0)


@kernel
def checksum_intents(buffer: Bytes, columns: Columns, start: int, stop: int, first: int) -> Word:
    """Of records `start` up to `stop`; `first` is the offset of the one at `start`."""
    total = _ZERO
    for index in range(start, stop):
        size = columns[VALUE_SIZE, index]
        seed = seed_with(seed_with(INTENTS, np.uint64(first + index - start)), np.uint64(size))
        total += lane_a(np.uint64(columns[TIME, index]), 0, seed) + lane_a(np.uint64(columns[FLAGS, index]), 1, seed)
        total += _value_terms(buffer, columns[VALUE_AT, index], max(size, 0), seed)
    return total


@inlined
def _value_terms(buffer: Bytes, at: int, size: int, seed: Word) -> Word:
    total = _ZERO
    words = size >> 3
    for word in range(words):
        total += lane_a(load_u64(buffer, at + 8 * word), word + 2, seed)
    if size & 7 != 0:
        total += lane_a(_last_word(buffer, at, size), words + 2, seed)
    return total


@inlined
def _last_word(buffer: Bytes, at: int, size: int) -> Any:
    """What is left of a value behind its last whole word, with zeros; nothing beyond the value is read."""
    rest = size & 7
    if size >= 8:
        return load_u64(buffer, at + size - 8) >> np.uint64(64 - 8 * rest)
    word = _ZERO
    for index in range(rest):
        word |= np.uint64(buffer[at + index]) << np.uint64(8 * index)
    return word

"""Notes all deltas of a block, for the page index of its segment."""

from typing import Any, Final

import numpy as np

from mmsb.kernels.jit import kernel
from mmsb.kernels.memory import Bytes, Int, Words, load_u64
from mmsb.kernels.mixing import seed_with
from mmsb.kernels.past.outcomes import META_AT, follow_outcome, outcome_check, outcome_seed, start_outcomes
from mmsb.kernels.past.sections import (
    DELTA_BYTES,
    DELTAS,
    DELTAS_N,
    END,
    FIRST,
    METADATA,
    PAGE_TAG,
    PAYLOAD,
    TYPES,
    TYPES_N,
    Plan,
    delta_check,
    find_sections,
    seed_bytes,
    small,
)

PLACE_BITS: Final = 17  # of where in a block a delta's key is, in words; a block has fewer

_PLACE_BITS: Final = np.uint64(PLACE_BITS)
_U32: Final = np.uint64(32)
_U48: Final = np.uint64(48)


@kernel
def note_deltas(value8: Bytes, at: Int, clock: Int, hashes: Words, notes: Words, plan: Plan, seen: Any) -> Int:
    """Fill in the hash of each delta's page and what an entry says besides (docs/formats.md, section 16).

    Gives how many deltas there are, or -1 if the block that begins at `at` cannot be read. `clock` is the partition's
    before it. Afterwards `seen` tells of all metadata blocks.
    """
    if not find_sections(value8, at, plan) or plan[DELTAS_N] > hashes.shape[0]:
        return -1
    start_outcomes(plan, clock, seen)
    place, said = plan[PAYLOAD], np.uint64(0)
    index: Int = -1
    begin: Int = 0
    for row in range(plan[DELTAS_N]):
        entry = plan[DELTAS] + DELTA_BYTES * row
        first, sizes = load_u64(value8, entry), load_u64(value8, entry + 16)
        key, size = np.int64(sizes & np.uint64(0xFFFF_FFFF)), np.int64(sizes >> _U32)
        kind = np.int64((first >> _U32) & np.uint64(0xFFFF))
        if kind >= plan[TYPES_N] or (key | size) & 7 or place + key + size > plan[END]:
            return -1
        if small(value8, entry) != index:
            index, begin = small(value8, entry), row
            if not follow_outcome(value8, plan, index, seen):
                return -1
            said = outcome_seed(value8, plan, index, seen)
        type_id = load_u64(value8, plan[TYPES] + 8 * kind)
        hashes[row] = seed_bytes(seed_with(PAGE_TAG, type_id), value8, place, key >> 3)
        check = delta_check(value8, plan[FIRST], type_id, entry, place, (key + size) >> 3) << _U32
        check |= outcome_check(said, row - begin) << _U48
        notes[row] = (np.uint64(row) << _PLACE_BITS) | np.uint64((place - at) >> 3) | check
        place += key + size
    if not follow_outcome(value8, plan, plan[1], seen) or seen[META_AT] > plan[METADATA + 1]:
        return -1
    return plan[DELTAS_N]

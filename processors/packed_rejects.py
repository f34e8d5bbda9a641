"""The rejects of a block that counts, packed: whole columns at a time, because a flood of them must not be felt.

mmsb.schemas.rejects has their format; tests/events/test_rejects.py says the same slowly.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmsb.schemas.rejections import ROW_BYTES
from mmsb.schemas.rejects import MAGIC, REJECT_BYTES
from mmsb.schemas.sources import SOURCE_BYTES
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.blocks import (
    CLOCK_ROW,
    COUNTS,
    FIXED,
    HAS_ID,
    HAS_SOURCE,
    HEADER_BYTES,
    ID_BYTES,
    STATUS_BITS,
    BlockHeader,
)
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.schemas.types import padded

PackedRejects = NDArray[np.void]
"""A row for each, in the order of their offsets."""

ROW: Final = np.dtype(
    [
        ("magic", "V4"), ("partition", "<u4"), ("offset", "<i8"), ("time", "<i8"), ("intent", "<u8"),
        ("cause", "V16"), ("hops", "<u4"), ("zero", "<u4"), ("rejection", f"V{ROW_BYTES}"),
    ]
)  # fmt: skip
NONE: Final[PackedRejects] = np.empty(0, ROW)

_POSITION: Final = np.dtype([("partition", "<u4"), ("log", "V4"), ("offset", "<i8")])
_RISE: Final = np.dtype([("index", "<u4"), ("zero", "<u4"), ("clock", "<i8")])
_SOURCE: Final = np.dtype([("source", "V16"), ("number", "<i8"), ("hops", "<u4"), ("kind", "V4")])

assert (ROW.itemsize, _POSITION.itemsize, _RISE.itemsize, _SOURCE.itemsize) == (
    REJECT_BYTES,
    ID_BYTES,
    CLOCK_ROW.size,
    SOURCE_BYTES,
)


def rejects_of_block(value: bytes, header: BlockHeader, genesis: Genesis, clock: int) -> PackedRejects:
    """`clock` is the partition's before the block, which the fold has accepted."""
    types_n, rises_n, ids_n, sources_n, duplicates_n, rejections_n, *_ = COUNTS.unpack_from(value, FIXED.size)
    if not rejections_n:
        return NONE
    count, at = header.last - header.first + 1, _Places(value)
    types = at.take("<u8", types_n)
    flags = at.take("u1", count)
    intent_types = at.take("<u2", count)
    rises, ids, sources = at.take(_RISE, rises_n), at.take(f"V{ID_BYTES}", ids_n), at.take(_SOURCE, sources_n)
    at.take("<i8", duplicates_n)
    rejects = np.zeros(rejections_n, ROW)
    rows = np.flatnonzero((flags & STATUS_BITS) == Status.REJECTED)
    rejects["magic"] = np.void(MAGIC)
    rejects["partition"] = genesis.partition
    rejects["offset"] = header.first + rows
    clocks = np.append(np.int64(clock), rises["clock"])
    rejects["time"] = clocks[np.searchsorted(rises["index"], rows, side="right")]
    numbers = np.minimum(intent_types[rows], types_n)  # NO_TYPE is above all of them
    rejects["intent"] = np.append(types, np.uint64(0))[numbers]
    rejects["cause"] = _positions(rejects["offset"], genesis)
    _fill(rejects["cause"], ids, flags, rows, HAS_ID)
    _fill(rejects["hops"], sources["hops"], flags, rows, HAS_SOURCE)
    rejects["rejection"] = at.take(f"V{ROW_BYTES}", rejections_n)
    return rejects


def _positions(offsets: NDArray[np.int64], genesis: Genesis) -> Any:
    """By what intents without an id of their own are known."""
    found = np.empty(len(offsets), _POSITION)
    found["partition"], found["log"], found["offset"] = genesis.partition, np.void(genesis.log_id[:4]), offsets
    return found.view(f"V{ID_BYTES}")


def _fill(column: Any, values: Any, flags: Any, rows: Any, part: int) -> None:
    """What those rows have that have a part of their own; `values` are those of all that have it."""
    has = (flags & part) != 0
    which = has[rows]
    column[which] = values[(np.cumsum(has) - 1)[rows[which]]]


class _Places:
    """Goes through a block's sections."""

    def __init__(self, value: bytes) -> None:
        self._value = value
        self._at = HEADER_BYTES

    def take(self, row: Any, count: int) -> Any:
        found: Any = np.frombuffer(self._value, row, count, self._at) if count else np.empty(0, row)
        self._at += padded(found.nbytes)
        return found

"""What became of intents, as columns: from a block's bytes to arrays, without an object for each outcome.

Whoever submits millions wants counts and a few rejections, not millions of rows. A block that the fold has accepted is
well-formed, so only what this module relies on is checked again; rejections are read when somebody asks for one.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmsb.processors.machine import Outcome
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.rejections import ROW_BYTES, Rejection, unpack_rejection
from mmsb.schemas.sources import SOURCE_BYTES
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.blocks import (
    CLOCK_ROW,
    COUNTS,
    FIXED,
    ID_BYTES,
    STATUS_BITS,
    malformed,
    unpack_block_header,
)
from mmsb.schemas.tlog.records import TlogKind
from mmsb.schemas.types import padded

NO_OFFSET: Final = -1

_REJECTION: Final = np.dtype(f"V{ROW_BYTES}")


@dataclass(frozen=True, eq=False, repr=False)
class Receipts:
    """A row for each intent, in the order in which they were submitted.

    `first_offsets` names the first receipt of a duplicate, and is -1 for a repeated number of a source and for all that
    is no duplicate. `rejections` has a row for each rejected offset; it may be a view that keeps the block's bytes.
    """

    offsets: NDArray[np.int64]
    statuses: NDArray[np.uint8]
    first_offsets: NDArray[np.int64]
    rejections: NDArray[Any]
    partitions: NDArray[np.int64] | None = None
    """Of each row; None where there is but one partition. Then offsets rise."""

    def __len__(self) -> int:
        return len(self.statuses)

    def __repr__(self) -> str:
        if not len(self):
            return "Receipts(none)"
        counts = ", ".join(f"{count} {status}" for status, count in self.counts.items())
        where = f"offsets {self.first} to {int(self.offsets[-1])}"
        where = where if self.partitions is None else f"{len(np.unique(self.partitions))} partitions"
        return f"Receipts({where}: {counts})"

    @property
    def first(self) -> int:
        """The first offset; -1 if there are no receipts."""
        return int(self.offsets[0]) if len(self) else NO_OFFSET

    @cached_property
    def counts(self) -> dict[Status, int]:
        """How many settled how, without those that nobody did."""
        found = np.bincount(self.statuses, minlength=max(Status) + 1)
        return {status: int(found[status]) for status in Status if found[status]}

    @cached_property
    def _ranks(self) -> NDArray[np.int64]:
        """How many of the rows before each were rejected, and of all."""
        ranks = np.zeros(len(self) + 1, np.int64)
        np.cumsum(self.statuses == Status.REJECTED, out=ranks[1:])
        return ranks

    def rejection(self, index: int) -> Rejection | None:
        """Why the row at `index` was rejected; None if it was not."""
        if not 0 <= index < len(self):
            raise IndexError(f"row {index} is not among the {len(self)} receipts")
        if self.statuses[index] != Status.REJECTED:
            return None
        return unpack_rejection(self.rejections[self._ranks[index]].tobytes())

    def part(self, first: int, last: int) -> "Receipts":
        """Those of the offsets from `first` to `last` of one partition, over the same arrays."""
        start, stop = np.searchsorted(self.offsets, (first, last + 1)).tolist()
        stop = max(start, stop)
        rejections = self.rejections[self._ranks[start] : self._ranks[stop]]
        columns = (self.offsets[start:stop], self.statuses[start:stop], self.first_offsets[start:stop])
        return Receipts(*columns, rejections)


def concat_receipts(parts: Sequence[Receipts]) -> Receipts:
    """Receipts of several blocks, in the order of their offsets, as one; they are copied."""
    if not parts:
        return _none()
    joined = Receipts(
        np.concatenate([part.offsets for part in parts]),
        np.concatenate([part.statuses for part in parts]),
        np.concatenate([part.first_offsets for part in parts]),
        np.concatenate([part.rejections for part in parts]),
    )
    if (np.diff(joined.offsets) <= 0).any():
        raise InvalidValue(
            "concat_receipts: expected parts whose offsets rise, each once; give them in the logs' order"
        )
    return joined


def spread_receipts(parts: Sequence[tuple[int, NDArray[np.int64], Receipts]], count: int) -> Receipts:
    """Receipts of several partitions as one: each part with its partition, and the rows that it goes to of `count`."""
    offsets, first_offsets, partitions = (np.full(count, NO_OFFSET, np.int64) for _ in range(3))
    statuses = np.zeros(count, np.uint8)
    rejected: list[NDArray[np.int64]] = []
    for partition, rows, part in parts:
        partitions[rows] = partition
        offsets[rows], statuses[rows], first_offsets[rows] = part.offsets, part.statuses, part.first_offsets
        rejected.append(rows[part.statuses == Status.REJECTED])
    order = np.argsort(np.concatenate(rejected))
    rejections = np.concatenate([part.rejections for _, _, part in parts])[order]
    return Receipts(offsets, statuses, first_offsets, rejections, partitions)


def _none() -> Receipts:
    offsets = np.empty(0, np.int64)
    return Receipts(offsets, np.empty(0, np.uint8), offsets, np.empty(0, _REJECTION))


def receipts_of_block(value: bytes | memoryview) -> Receipts:
    """The receipts in a TLog record, which is a block or a quarantine."""
    header = unpack_block_header(bytes(value[: FIXED.size + COUNTS.size]))
    if header is None or header.kind == TlogKind.MIGRATE:
        raise malformed("a block or quarantine", "something else", 4)
    return _read(header.first, header.last, memoryview(value)[FIXED.size :])


def receipts_of(outcome: Outcome) -> Receipts:
    """The receipts in what the machine stepped; nobody may be told before its block is accepted."""
    return _read(outcome.first, outcome.last, memoryview(outcome.sections))


def last_applied(outcome: Outcome, types: Collection[int]) -> int | None:
    """The offset of the last intent of some types that was applied."""
    sections, count = memoryview(outcome.sections), outcome.last - outcome.first + 1
    types_n: int = COUNTS.unpack_from(sections)[0]
    known = np.isin(np.ndarray(types_n, "<u8", sections, COUNTS.size), np.array(list(types), np.uint64))
    if not known.any():
        return None
    statuses_at = COUNTS.size + 8 * types_n
    statuses = np.ndarray(count, np.uint8, sections, statuses_at) & np.uint8(STATUS_BITS)
    numbers = np.ndarray(count, "<u2", sections, statuses_at + padded(count))
    rows = np.flatnonzero((statuses == Status.APPLIED) & np.append(known, [False])[np.minimum(numbers, types_n)])
    return outcome.first + int(rows[-1]) if len(rows) else None


def _read(first: int, last: int, sections: memoryview) -> Receipts:
    """The sections begin with their counts."""
    types_n, rises_n, ids_n, sources_n, duplicates_n, rejections_n, *_ = COUNTS.unpack_from(sections)
    count = last - first + 1
    statuses_at = COUNTS.size + 8 * types_n
    rows_at = statuses_at + padded(count) + padded(2 * count)
    duplicates_at = rows_at + CLOCK_ROW.size * rises_n + ID_BYTES * ids_n + SOURCE_BYTES * sources_n
    rejections_at = duplicates_at + 8 * duplicates_n
    if count < 1 or rejections_at + ROW_BYTES * rejections_n > len(sections):
        raise malformed(f"sections for offsets {first} to {last}", f"{len(sections)} bytes", FIXED.size)
    statuses = np.ndarray(count, np.uint8, sections, statuses_at) & np.uint8(STATUS_BITS)
    first_offsets = np.full(count, NO_OFFSET, np.int64)
    repeated = np.flatnonzero(statuses == Status.DUPLICATE)
    rejected = np.count_nonzero(statuses == Status.REJECTED)
    if len(repeated) != duplicates_n or rejected != rejections_n:
        found = f"{duplicates_n} and {rejections_n} rows for {len(repeated)} and {rejected}"
        raise malformed("a row for each duplicate and each rejection", found, FIXED.size)
    first_offsets[repeated] = np.ndarray(duplicates_n, "<i8", sections, duplicates_at)
    rejections: NDArray[Any] = np.ndarray(rejections_n, _REJECTION, sections, rejections_at)
    return Receipts(np.arange(first, last + 1), statuses, first_offsets, rejections)

"""How many intents of a block settled how, by their type: counted over its columns, without an object for each."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmsb.processors.machine import Outcome
from mmsb.processors.receipts import Receipts
from mmsb.schemas.rejections import ROW_BYTES, Code
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.blocks import COUNTS
from mmsb.schemas.types import padded

_STATUSES: Final = max(Status) + 1
_CODES: Final = max(Code) + 1
_CODE: Final = np.dtype({"names": ["code"], "formats": ["<u2"], "offsets": [0], "itemsize": ROW_BYTES})

Counts = dict[tuple[int | None, int], int]
"""By type id, which is None for what has no type, and the number of a status or code: an enumeration's member for each
would take longer than the counting."""


@dataclass(frozen=True)
class Tally:
    settled: Counts  # by status
    rejected: Counts  # by code


def tally(outcome: Outcome, receipts: Receipts) -> Tally:
    """`receipts` are those of the outcome."""
    sections = memoryview(outcome.sections)
    types_n: int = COUNTS.unpack_from(sections)[0]
    types: list[int | None] = [*np.ndarray(types_n, "<u8", sections, COUNTS.size).tolist(), None]
    numbers = np.ndarray(len(receipts), "<u2", sections, COUNTS.size + 8 * types_n + padded(len(receipts)))
    last = types_n  # of the types: none
    if numbers.min() == numbers.max():  # as in most blocks: their statuses are counted anyway
        refused: NDArray[np.intp] | int = min(int(numbers[0]), last)
        settled: Counts = {(types[refused], status): count for status, count in receipts.counts.items()}
    else:
        rows = np.minimum(numbers, np.uint16(last)).astype(np.intp)
        settled = _counts(types, rows, receipts.statuses, _STATUSES)
        refused = rows[receipts.statuses == Status.REJECTED]
    if not len(receipts.rejections):
        return Tally(settled, {})
    return Tally(settled, _counts(types, refused, receipts.rejections.view(_CODE)["code"], _CODES))


def _counts(types: list[int | None], rows: NDArray[np.intp] | int, values: NDArray[Any], below: int) -> Counts:
    """How often each type is there with each value; `rows` says which of the types it is, of each or of all."""
    found = np.bincount(rows * below + values)
    keys: list[int] = found.nonzero()[0].tolist()
    return {(types[key // below], key % below): int(found[key]) for key in keys}

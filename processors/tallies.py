"""How many intents of a block settled how, by their type: counted over its columns, without an object for each."""

from dataclasses import dataclass
from typing import Final

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


@dataclass(frozen=True)
class Tally:
    """By type id, which is None for what has no type, and status; those that were rejected also by code."""

    settled: dict[tuple[int | None, Status], int]
    rejected: dict[tuple[int | None, Code], int]


def tally(outcome: Outcome, receipts: Receipts) -> Tally:
    """`receipts` are those of the outcome."""
    sections = memoryview(outcome.sections)
    types_n: int = COUNTS.unpack_from(sections)[0]
    types: list[int | None] = [*np.ndarray(types_n, "<u8", sections, COUNTS.size).tolist(), None]
    numbers_at = COUNTS.size + 8 * types_n + padded(len(receipts))
    numbers = np.minimum(np.ndarray(len(receipts), "<u2", sections, numbers_at), np.uint16(types_n)).astype(np.intp)
    settled = _counts(numbers * _STATUSES + receipts.statuses)
    rejected: dict[int, int] = {}
    if len(receipts.rejections):
        codes = receipts.rejections.view(_CODE)["code"]
        rejected = _counts(numbers[receipts.statuses == Status.REJECTED] * _CODES + codes)
    return Tally(
        {(types[key // _STATUSES], Status(key % _STATUSES)): count for key, count in settled.items()},
        {(types[key // _CODES], Code(key % _CODES)): count for key, count in rejected.items()},
    )


def _counts(keys: NDArray[np.intp]) -> dict[int, int]:
    """How often each key is there."""
    found = np.bincount(keys)
    rows: list[int] = np.flatnonzero(found).tolist()
    return {key: int(found[key]) for key in rows}

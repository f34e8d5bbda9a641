"""What is counted of a partition while somebody watches: by type and by code, a block at a time."""

from collections import Counter
from typing import Final

from mmsb.processors.machine import Outcome
from mmsb.processors.receipts import Receipts
from mmsb.processors.tallies import tally
from mmsb.schemas.descriptors import Descriptor
from mmsb.streams.watching.exposition import Histogram

SETTLE_BOUNDS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0,
)  # fmt: skip
"""Seconds. Records bear whole milliseconds."""

NO_TYPE: Final = "none"
UNKNOWN_TYPE: Final = "unknown"
"""One name for all types that the code does not know: whoever submits chooses them, and each would be a new series."""


class Meter:
    """Counts since this start."""

    def __init__(self) -> None:
        self.settled: Counter[tuple[str, int]] = Counter()  # by type and status
        self.rejected: Counter[tuple[str, int]] = Counter()  # by type and code
        self.settle_seconds = Histogram(SETTLE_BOUNDS)

    def accepted(self, outcome: Outcome, receipts: Receipts, descriptor: Descriptor, seconds: float | None) -> None:
        """A block counts, whose first intent was logged so many seconds ago, if its record says when."""
        found = tally(outcome, receipts)
        for (type_id, status), count in found.settled.items():
            self.settled[_name(type_id, descriptor), status] += count
        for (type_id, code), count in found.rejected.items():
            self.rejected[_name(type_id, descriptor), code] += count
        if seconds is not None:
            self.settle_seconds.observe(seconds, len(receipts))


def _name(type_id: int | None, descriptor: Descriptor) -> str:
    if type_id is None:
        return NO_TYPE
    layout = descriptor.layouts_by_type.get(type_id)
    return UNKNOWN_TYPE if layout is None else layout.name

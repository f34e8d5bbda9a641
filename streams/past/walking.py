"""The deltas of one page, found through the index and read singly out of the mapped segments: the newest first.

The index says where a delta is, and by what to know it again; what fits that is believed. What does not is looked at
in its whole block, with all the checks that this has, so that damage is named and never told as the past.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from mmsb.kernels.memory import Words
from mmsb.kernels.past import sections, steps
from mmsb.kernels.past.entries import PLACE_BITS
from mmsb.schemas.errors import CorruptState
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.types import I64_MAX
from mmsb.state.pages import PageId
from mmsb.streams.past.catalog import Catalog, Part
from mmsb.streams.past.columns import hash_page
from mmsb.streams.past.growing import NUMBER_MASK, BlockPlace
from mmsb.streams.past.outline import Conversion

FEW: Final = 512  # deltas that are read first; then twice as many, and so on
MANY: Final = 65_536

_TLOG: Final = BlockPlace._fields.index("tlog")
_POSITION: Final = BlockPlace._fields.index("position")
_VALUE: Final = BlockPlace._fields.index("value")

assert (BlockPlace._fields.index("last"), BlockPlace._fields.index("offsets")) == (
    steps.BLOCK_LAST,
    steps.BLOCK_OFFSETS,
)
assert (BlockPlace._fields.index("size"), BlockPlace._fields.index("deltas")) == (steps.BLOCK_SIZE, steps.BLOCK_DELTAS)


@dataclass(frozen=True, slots=True)
class Stretch:
    """TLog offsets above `low` and below `high`, in which a page had one layout; what ended it, and what came then."""

    layout: PageLayout
    low: int
    high: int
    became: Conversion | None = None
    newer: "Stretch | None" = None


def stretches_of(catalog: Catalog, type_id: int, high: int) -> list[Stretch]:
    """Which layouts a page type had, the newest first, going back from a TLog offset."""
    if catalog.empty:
        return []
    layouts, conversions = catalog.outline.layouts, catalog.outline.conversions
    found: list[Stretch] = []
    became: Conversion | None = None
    layout = layouts.get(type_id)
    while layout is not None:
        came = next((c for c in reversed(conversions) if c.new.type_id == layout.type_id and c.tlog < high), None)
        found.append(Stretch(layout, came.tlog if came else -1, high, became, found[-1] if found else None))
        became, layout, high = came, came.old if came else None, came.tlog if came else -1
    return found


@dataclass(frozen=True, slots=True)
class Line:
    """A page through all layouts that its type had, the newest first."""

    key: bytes
    stretches: Sequence[Stretch]

    @classmethod
    def of(cls, catalog: Catalog, page: PageId, high: int) -> "Line":
        """Going back from a TLog offset."""
        return cls(page[1], stretches_of(catalog, page[0], high))


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """Some deltas of a page, of one segment and one layout, in the order in which they happened."""

    stretch: Stretch
    part: Part
    columns: Any  # as mmsb.kernels.past.steps has them
    blocks: Any  # a row for each field of BlockPlace
    notes: Words

    def __len__(self) -> int:
        return len(self.notes)

    @property
    def offsets(self) -> Any:
        return self.columns[steps.OFFSET]

    @property
    def bases(self) -> Any:
        return self.columns[steps.BASE]

    @property
    def kinds(self) -> Any:
        return self.columns[steps.KIND]

    @property
    def rows(self) -> Any:
        """The number of each in its block."""
        return ((self.notes & np.uint64(0xFFFF_FFFF)) >> np.uint64(PLACE_BITS)).astype(np.int64)

    @property
    def starts(self) -> Any:
        """Where in the segment the block of each begins."""
        return self.blocks[_POSITION] + self.blocks[_VALUE]

    def place(self, at: int) -> BlockPlace:
        return BlockPlace(*self.blocks[:, at].tolist())

    def take(self, which: Any) -> "Steps":
        columns = np.ascontiguousarray(self.columns[:, which])
        return Steps(self.stretch, self.part, columns, self.blocks[:, which], self.notes[which])


def walk(catalog: Catalog, line: Line, above: int, below: int, few: int = FEW) -> Iterator[Steps]:
    """Deltas of intent offsets between two: the newest first, more and more at a time."""
    for stretch in line.stretches:
        if len(line.key) == stretch.layout.key_size:
            for part in reversed(catalog.parts):
                if part.settled <= above:
                    break
                if part.base < stretch.high:
                    yield from _in_part(catalog, stretch, part, line.key, (above, below), few)
                if part.base <= stretch.low:
                    break


def _in_part(
    catalog: Catalog, stretch: Stretch, part: Part, key: bytes, between: tuple[int, int], few: int
) -> Iterator[Steps]:
    hashed, (above, below) = hash_page(stretch.layout.type_id, key), between
    stop = catalog.find(part, below - 1) + 1 if below < I64_MAX else catalog.block_count(part)
    blocks = range(catalog.find(part, above + 1), stop)
    count, size = catalog.count(part, hashed, blocks), few
    while count:
        begin = max(count - size, 0)
        found = _read(catalog, stretch, part, key, catalog.entries(part, hashed, blocks, slice(begin, count)))
        fits = (found.columns[steps.STATUS] == steps.READ) & (found.offsets > above) & (found.offsets < below)
        fits &= (found.blocks[_TLOG] > stretch.low) & (found.blocks[_TLOG] < stretch.high)
        if not fits.all():
            found = found.take(fits)
        if len(found):
            yield found
        count, size = begin, min(2 * size, MANY)


def _read(catalog: Catalog, stretch: Stretch, part: Part, key: bytes, entries: Words) -> Steps:
    found = _try(catalog, stretch, part, key, entries)
    damaged = np.flatnonzero(found.columns[steps.STATUS] == steps.DAMAGED)
    if len(damaged):
        place = found.place(int(damaged[0]))
        catalog.read(part, place)
        raise CorruptState(
            f"TLog offset {place.tlog}: expected a delta where the page index says, found another; remove the file "
            f"{part.base:020}.pages, and run `mmsb verify` on the data folder"
        )
    return found


def _try(catalog: Catalog, stretch: Stretch, part: Part, key: bytes, entries: Words) -> Steps:
    numbers = (entries[:, 0] & np.uint64(NUMBER_MASK)).astype(np.int64)
    blocks, notes = catalog.blocks(part, numbers), np.ascontiguousarray(entries[:, 1])
    found = Steps(stretch, part, np.empty((steps.ROWS, len(notes)), np.int64), blocks, notes)
    page: Words = np.frombuffer(stretch.layout.type_id.to_bytes(8, "little") + key, np.uint64)
    plan: Any = np.empty(sections.WORDS, np.int64)
    steps.read_deltas(catalog.memory(part), found.starts, blocks, notes, page, plan, found.columns)
    return found

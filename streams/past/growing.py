"""The page index of a segment in memory, while the segment grows: which blocks settle what, and change which page.

Pages are entries of one word: the upper 40 bits of a page's hash, and below them the number of a block that changes it.
They are kept in sorted runs, merged sixteen at a time, so that adding and finding both stay cheap.
"""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

import numpy as np

from mmsb.schemas.tlog.records import ZERO_HEAD
from mmsb.streams.past.columns import Words

NUMBER_BITS: Final = 24  # of an entry; a segment has fewer blocks, since the smallest takes 230 bytes of at most 2³¹
NUMBER_MASK: Final = 2**NUMBER_BITS - 1

_FAN_IN: Final = 16  # runs that become one: more are merged less often, and searched longer


class BlockPlace(NamedTuple):
    """A block that counts, and where the batch that holds it lies in its segment."""

    last: int  # the last offset that it settles
    clock: int  # the partition's before it
    tlog: int
    position: int
    size: int


class Place(NamedTuple):
    """A claim or migrate record that counts, and where its batch lies."""

    tlog: int
    position: int
    size: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What the fold knows at a TLog offset, but for claims and migrations."""

    settled: int = -1
    head: bytes = ZERO_HEAD
    clock: int = 0


class PageIndex(Protocol):
    """Where blocks of one segment are. Blocks are numbered from 0, in the order of the log."""

    @property
    def block_count(self) -> int: ...

    def block(self, number: int) -> BlockPlace: ...

    def find(self, offset: int) -> int:
        """The number of the first block that settles an intent offset or a higher one."""
        ...

    def blocks_of(self, page_hash: int) -> list[int]:
        """Numbers of the blocks that may change a page, rising: another page may have the same hash."""
        ...


def entry_of(page_hash: int, number: int) -> int:
    return page_hash & ~NUMBER_MASK | number


@dataclass
class GrowingIndex:
    """A PageIndex that blocks can be added to. `end` and `size` say how much of the segment it knows."""

    base: int
    before: Standing
    end: int = -1
    size: int = 0
    marks: list[Place] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.end = self.base
        self.after = self.before
        self._columns: tuple[array[int], ...] = tuple(array("q") for _ in BlockPlace._fields)
        self._levels: list[list[Words]] = []

    @property
    def block_count(self) -> int:
        return len(self._columns[0])

    def block(self, number: int) -> BlockPlace:
        return BlockPlace(*(column[number] for column in self._columns))

    def find(self, offset: int) -> int:
        return bisect_left(self._columns[0], offset)

    def blocks_of(self, page_hash: int) -> list[int]:
        lowest: np.uint64 = np.uint64(entry_of(page_hash, 0))
        highest = lowest | np.uint64(NUMBER_MASK)
        found: list[int] = []
        for run in self._runs:
            start, stop = int(np.searchsorted(run, lowest)), int(np.searchsorted(run, highest, side="right"))
            found += (run[start:stop] & np.uint64(NUMBER_MASK)).tolist()
        return sorted(found)

    def add(self, place: BlockPlace, page_hashes: Words) -> None:
        """Take note of the next block that counts, and of the pages that it changes."""
        number = self.block_count
        assert number <= NUMBER_MASK, "a segment has fewer blocks than entries can name"
        for column, value in zip(self._columns, place, strict=True):
            column.append(value)
        if len(page_hashes):
            self._push(np.unique(page_hashes & ~np.uint64(NUMBER_MASK) | np.uint64(number)), 0)

    def _push(self, run: Words, level: int) -> None:
        if level == len(self._levels):
            self._levels.append([])
        runs = self._levels[level]
        runs.append(run)
        if len(runs) == _FAN_IN:
            self._levels[level] = []
            self._push(np.sort(np.concatenate(runs)), level + 1)

    @property
    def columns(self) -> Sequence["array[int]"]:
        """One for each field of BlockPlace."""
        return self._columns

    @property
    def entries(self) -> Words:
        """All of them, rising."""
        runs = self._runs
        return np.sort(np.concatenate(runs)) if runs else np.empty(0, np.uint64)

    @property
    def _runs(self) -> list[Words]:
        return [run for level in self._levels for run in level]

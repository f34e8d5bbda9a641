"""The page index of a segment in memory, while the segment grows: which blocks settle what, and change which page.

Each delta has an entry of two words. The first is the upper 40 bits of its page's hash, and below them the number of
the block that it is in; the second says where in the block it is, and by what to know it again. What came since the
last look-up lies as it came; the rest is in sorted runs, merged sixteen at a time. So adding and finding both stay
cheap, and an index that nobody looks into is sorted once, when it is written.
"""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

import numpy as np

from mmsb.kernels.memory import Words
from mmsb.schemas.tlog.records import ZERO_HEAD

NUMBER_BITS: Final = 24  # of an entry; a segment has fewer blocks, since the smallest takes 230 bytes of at most 2³¹
NUMBER_MASK: Final = 2**NUMBER_BITS - 1
PLACES: Final = 2**NUMBER_BITS  # so many entries can be sorted as words that say where each was

_FAN_IN: Final = 16  # runs that become one: more are merged less often, and searched longer


class BlockPlace(NamedTuple):
    """A block that counts, and where the batch that holds it lies in its segment."""

    last: int  # the last offset that it settles
    clock: int  # the partition's before it
    tlog: int
    position: int
    size: int
    value: int  # where in the batch the block begins
    offsets: int  # how many it settles
    deltas: int  # where in the block the rows of deltas begin
    metadata: int  # the size of each of its metadata blocks; 0 if there is none, or they are of several sizes


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

    def blocks(self, numbers: Any) -> Any:
        """Those with some numbers: a row of an i64 array for each field of BlockPlace."""
        ...

    def find(self, offset: int) -> int:
        """The number of the first block that settles an intent offset or a higher one."""
        ...

    def deltas_of(self, page_hash: int, start: int, stop: int) -> "Entries":
        """Those that may change a page, in blocks with some numbers: another page may have the same hash."""
        ...


class Entries(Protocol):
    """Deltas in the order of the log."""

    def __len__(self) -> int: ...

    def rows(self, start: int, stop: int) -> Words:
        """The two words of each of some of them."""
        ...


class ReadyEntries:
    """Entries that are at hand."""

    def __init__(self, rows: Words) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self, start: int, stop: int) -> Words:
        return self._rows[start:stop]


def word_of(page_hash: int, number: int) -> int:
    """The first word of an entry."""
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
        self._unsorted: list[Words] = []  # newer than all in the levels

    @property
    def block_count(self) -> int:
        return len(self._columns[0])

    def block(self, number: int) -> BlockPlace:
        return BlockPlace(*(column[number] for column in self._columns))

    def find(self, offset: int) -> int:
        return bisect_left(self._columns[0], offset)

    def blocks(self, numbers: Any) -> Any:
        return np.stack([np.frombuffer(column, np.int64)[numbers] for column in self._columns])

    def deltas_of(self, page_hash: int, start: int, stop: int) -> Entries:
        lowest, highest = np.uint64(word_of(page_hash, start)), np.uint64(word_of(page_hash, stop))
        if self._unsorted:
            fresh, self._unsorted = self._unsorted, []
            self._push(_sorted(fresh), 0)
        found = [run[slice(*np.searchsorted(run[:, 0], (lowest, highest)).tolist())] for run in self._runs]
        return ReadyEntries(_sorted(found))

    def add(self, place: BlockPlace, hashes: Words, notes: Words) -> None:
        """Take note of the next block that counts: of the page that each of its deltas changes, and where it is."""
        number = self.block_count
        assert number <= NUMBER_MASK, "a segment has fewer blocks than entries can name"
        for column, value in zip(self._columns, place, strict=True):
            column.append(value)
        if len(hashes):
            words = hashes & ~np.uint64(NUMBER_MASK) | np.uint64(number)
            self._unsorted.append(np.stack([words, notes], axis=1))

    def _push(self, run: Words, level: int) -> None:
        if level == len(self._levels):
            self._levels.append([])
        runs = self._levels[level]
        runs.append(run)
        if len(runs) == _FAN_IN:
            self._levels[level] = []
            self._push(_sorted(runs), level + 1)

    @property
    def columns(self) -> Sequence["array[int]"]:
        """One for each field of BlockPlace."""
        return self._columns

    @property
    def entries(self) -> Words:
        """All of them, by their first words; those of one page in one block in the order of its deltas."""
        return _sorted([*self._runs, *self._unsorted])

    @property
    def _runs(self) -> list[Words]:
        """The oldest first."""
        return [run for level in reversed(self._levels) for run in level]


def _sorted(runs: Sequence[Words]) -> Words:
    """All entries of some runs, which follow each other in the log.

    What has the same hash follows in the order of the log already. So where it lies takes the place of the block's
    number in what is sorted: sorting words takes a tenth of finding an order by them.
    """
    if not runs:
        return np.empty((0, 2), np.uint64)
    entries: Words = np.concatenate(runs)
    if len(entries) > PLACES:
        return entries[np.argsort(entries[:, 0], kind="stable")]
    keys: Any = entries[:, 0] & ~np.uint64(NUMBER_MASK)
    keys |= np.arange(len(entries), dtype=np.uint64)
    keys.sort()
    return np.take(entries, (keys & np.uint64(NUMBER_MASK)).view(np.int64), axis=0)

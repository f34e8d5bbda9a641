"""Which pages of a type are in memory: known bucket by bucket, so that nobody has to keep book of each page.

A row holds the pages of one bucket of the depth that the type had when it was written. As pages become more, the type
gets deeper, and an older row then holds the pages of several buckets: these come, go and are written together.
"""

from typing import Any, Final

import numpy as np

from mmsb.kernels.pages.buckets import DIRTY, PINNED, RESIDENT, USED, WRITING, touch

BUCKET_BYTES: Final = 2048
"""How much of a type's pages a bucket may hold on average before there are twice as many buckets."""

BUCKET_PAGES: Final = 4
"""So many pages it may hold in any case, however large they are."""

DEPTH_MAX: Final = 30

_BITS: Final = 32  # of a hash that buckets are told by

_UNKNOWN: Final = 0  # a level: nobody has looked yet at which depth the row is, or whether there is one
_HELD: Final = RESIDENT | WRITING | DIRTY | USED | PINNED

Numbers = Any  # an i64 array of buckets


class Buckets:
    """Those of one page type. At first there is one, which is in memory and in no row."""

    def __init__(self) -> None:
        self.depth = 0
        self.flags: Any = np.full(1, RESIDENT, np.uint8)
        self._levels: Any = np.ones(1, np.uint8)  # 1 + the depth of the row that holds a bucket's pages, or would
        self._stored: Any = np.zeros(1, bool)  # whether there is such a row
        self.rows: dict[int, int] = {}  # how many rows there are of each depth
        self.absent = 0  # buckets that are not in memory
        self.elsewhere = 0  # pages of these
        self.dirty = 0  # buckets whose rows do not say what they are

    @classmethod
    def stored(cls, depth: int, rows: dict[int, int], pages: int) -> "Buckets":
        """Those of a type that is in rows, none of it in memory."""
        buckets = cls()
        count = 1 << depth
        buckets.depth, buckets.rows, buckets.elsewhere, buckets.absent = depth, dict(rows), pages, count
        buckets.flags = np.zeros(count, np.uint8)
        buckets._levels = np.full(count, _UNKNOWN, np.uint8)
        buckets._stored = np.zeros(count, bool)
        return buckets

    def __len__(self) -> int:
        return len(self.flags)

    def copy(self) -> "Buckets":
        twin = Buckets()
        twin.__dict__.update(self.__dict__)
        twin.flags, twin._levels, twin._stored = self.flags.copy(), self._levels.copy(), self._stored.copy()
        twin.rows = dict(self.rows)
        return twin

    def numbers_of(self, hashes: Any) -> Numbers:
        """The buckets of keys with these hashes."""
        return (hashes >> np.uint64(_BITS) >> np.uint64(_BITS - self.depth)).astype(np.int64)

    def holds(self, hashes: Any) -> bool:
        """Whether the pages whose keys have these hashes are in memory, as far as there are such pages."""
        return not self.absent or bool(np.all(self.flags[self.numbers_of(hashes)] & RESIDENT))

    # Growing

    def deepen(self, page_bytes: int, pages: int) -> None:
        """Have as many buckets as that many pages ask for. No row changes by that."""
        room = max(BUCKET_BYTES, BUCKET_PAGES * page_bytes)
        while self.depth < DEPTH_MAX and pages * page_bytes > room << self.depth:
            self.depth += 1
            self.flags, self._levels = np.repeat(self.flags, 2), np.repeat(self._levels, 2)
            self._stored = np.repeat(self._stored, 2)
            self.absent *= 2
            self.dirty *= 2

    # Being used

    def touch(self, buckets: Numbers, marks: int) -> int:
        """Mark what is named; gives how often something was that is not in memory."""
        absent, dirty = touch(self.flags, buckets, marks)
        self.dirty += int(dirty)
        return int(absent)

    def unpin(self, buckets: Numbers) -> None:
        """All that was named together is in memory."""
        self.flags[buckets] &= ~np.uint8(PINNED)

    # Coming

    def absent_of(self, buckets: Numbers) -> Numbers:
        """Which of them are not in memory, each once, rising."""
        found = np.unique(buckets)
        return found[self.flags[found] & RESIDENT == 0]

    def rows_of(self, buckets: Numbers) -> list[tuple[int, int]]:
        """Depth and number of every row that may hold pages of buckets that are not in memory, each once."""
        depths = sorted(depth for depth, count in self.rows.items() if count)
        found: set[tuple[int, int]] = set()
        levels = self._levels[buckets].tolist()
        for bucket, level in zip(buckets.tolist(), levels, strict=True):
            for depth in depths if level == _UNKNOWN else (level - 1,):
                found.add((depth, bucket >> (self.depth - depth)))
        return sorted(found)

    def came(self, depth: int, number: int, pages: int) -> None:
        """A row's pages are in memory now."""
        some = self._of_row(depth, number)
        assert not np.any(self.flags[some] & RESIDENT), "the buckets of one row come and go together"
        self.flags[some] |= RESIDENT
        self._levels[some], self._stored[some] = depth + 1, True
        self.absent -= some.stop - some.start
        self.elsewhere -= pages

    def are_empty(self, buckets: Numbers) -> bool:
        """Of those of them that did not come there is no row; whether that can be, since some may have had one."""
        empty = self.absent_of(buckets)
        if np.any(self._stored[empty]):
            return False
        self.flags[empty] |= RESIDENT
        self._levels[empty], self._stored[empty] = self.depth + 1, False
        self.absent -= len(empty)
        return True

    def _of_row(self, depth: int, number: int) -> slice:
        """The buckets whose pages a row holds."""
        below = self.depth - depth
        return slice(number << below, (number + 1) << below)

    # For others

    def unwritten(self) -> Numbers:
        """Those whose rows do not say what they are, or are still to be written, and what shares a row with them."""
        found = self.flags & (DIRTY | WRITING) != 0
        for level in np.unique(self._levels[found]).tolist():
            self._hold_together(found, level)
        return np.flatnonzero(found)

    def part(self, kept: Numbers, elsewhere: int) -> "Buckets":
        """For a copy of the pages of all that is `unwritten`; so many others are elsewhere."""
        twin = self.copy()
        twin.flags[:] = 0
        twin.flags[kept] = RESIDENT
        twin.absent, twin.elsewhere = len(twin) - len(kept), elsewhere
        twin.hold(kept)
        return twin

    def hold(self, buckets: Numbers) -> None:
        """Have these stay in memory, of all that are here: nobody will write them."""
        self.flags &= np.uint8(RESIDENT)
        self.flags[buckets] |= DIRTY
        self.dirty = len(buckets)

    # Going

    def coldest(self, count: int) -> Numbers:
        """At most so many buckets that may go: clean, and asked for by nobody since the last time; rising."""
        held = self.flags & _HELD != RESIDENT
        for level in np.unique(self._levels[~held]).tolist():
            self._hold_together(held, level)
        cold = np.flatnonzero(~held)
        if len(cold) < count:
            self.flags &= ~np.uint8(USED)  # their second chance
        return self._whole_rows(cold, count)

    def _hold_together(self, held: Any, level: int) -> None:
        """What shares a row with a bucket that stays, stays."""
        together = (-1, 1 << (self.depth + 1 - level))
        rows = held.reshape(together)
        shared = self._levels.reshape(together)[:, 0] == level
        rows[shared] |= rows[shared].any(axis=1, keepdims=True)

    def _whole_rows(self, cold: Numbers, count: int) -> Numbers:
        """The first so many, and what shares a row with the last."""
        if len(cold) <= count:
            return cold
        below = self.depth + 1 - int(self._levels[cold[count - 1]])
        return cold[: int(np.searchsorted(cold, ((int(cold[count - 1]) >> below) + 1) << below))]

    def went(self, buckets: Numbers, pages: int) -> None:
        self.flags[buckets] = 0
        self.absent += len(buckets)
        self.elsewhere += pages

    # Writing

    def to_write(self) -> tuple[Numbers, list[tuple[int, int]]]:
        """The buckets whose rows are to be written, and the rows of lesser depth that they take the place of."""
        dirty = self.flags & DIRTY != 0
        replaced: list[tuple[int, int]] = []
        older = dirty & self._stored & (self._levels <= self.depth)
        for depth in np.unique(self._levels[older]).tolist():
            numbers = np.unique(np.flatnonzero(older & (self._levels == depth)) >> (self.depth + 1 - depth))
            for number in numbers.tolist():
                dirty[self._of_row(depth - 1, number)] = True
                replaced.append((depth - 1, number))
        found = np.flatnonzero(dirty)
        assert np.all(self.flags[found] & RESIDENT), "what is written is in memory"
        return found, replaced

    def copied(self, buckets: Numbers, replaced: list[tuple[int, int]], sizes: Any) -> Numbers:
        """Their rows, of which some are empty, were copied for writing. Gives which rows are to be taken away."""
        was = self._stored[buckets] & (self._levels[buckets] == self.depth + 1)
        has = sizes > 0
        for depth, _ in replaced:
            self._count(depth, -1)
        self._count(self.depth, int(has.sum()) - int(was.sum()))
        self.flags[buckets] = self.flags[buckets] & ~np.uint8(DIRTY) | WRITING
        self.dirty = 0
        self._levels[buckets], self._stored[buckets] = self.depth + 1, has
        return was & ~has

    def _count(self, depth: int, more: int) -> None:
        self.rows[depth] = self.rows.get(depth, 0) + more
        if not self.rows[depth]:
            del self.rows[depth]

    def written(self) -> None:
        """All that was copied is in its rows."""
        self.flags &= ~np.uint8(WRITING)

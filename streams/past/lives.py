"""The lives of one page, told from where its body is known: its creation, or a base that keeps it.

A delta says what is new, not what was there, so a body is known only by following its page. A page whose type was
converted by a migration is followed through what it was before.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np

from mmsb.kernels.memory import Words
from mmsb.kernels.past import steps
from mmsb.schemas.deltas import DeltaKind
from mmsb.schemas.errors import CorruptState
from mmsb.state.migrations import convert
from mmsb.streams.past.bases import Base
from mmsb.streams.past.catalog import Catalog
from mmsb.streams.past.walking import FEW, Line, Steps, Stretch, walk

AT_ONCE_BYTES: Final = 4 << 20  # of bodies that are kept at a time


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """Deltas one after another with the bodies that they left: row n + 1 after step n, row 0 before them.

    Where there is no page, bytes are zero.
    """

    steps: Steps
    bodies: Any  # bytes

    @property
    def deletes(self) -> Any:
        return self.steps.kinds == DeltaKind.DELETE

    def one(self, at: int) -> "Told":
        return Told(self.steps.take(slice(at, at + 1)), self.bodies[at : at + 2])


class Life:
    """A page at a moment, and what came then: deltas with the oldest first."""

    def __init__(self, catalog: Catalog, stretch: Stretch | None, known: tuple[int, bytes] | None, runs: list[Steps]):
        """From a page in the layout of a stretch, or from none."""
        self._catalog = catalog
        self.stretch = runs[0].stretch if stretch is None and runs else stretch
        self.epoch, body = known or (0, bytes(self._size))
        self.runs = runs
        self._start = 0  # in the first of them
        self._body: Words = np.frombuffer(bytearray(body), np.uint64)

    @property
    def _size(self) -> int:
        return self.stretch.layout.size if self.stretch is not None else 0

    @property
    def body(self) -> bytes:
        body: bytes = self._body.tobytes()
        return body

    def __len__(self) -> int:
        return sum(map(len, self.runs))

    def run(self, count: int) -> None:
        """Go on over so many deltas; what they leave is not told."""
        while count:
            found, stop = self.runs[0], min(self._start + count, len(self.runs[0]))
            count -= stop - self._start
            self._follow(found, stop, np.empty(0, np.uint64), stop)

    def tell(self) -> Iterator[Told]:
        """Go on over all deltas, some at a time."""
        while self.runs:
            found, start = self.runs[0], self._start
            self.move_to(found.stretch)
            stop = min(start + max(AT_ONCE_BYTES // self._size, 1), len(found))
            words = self._size // 8
            bodies: Words = np.empty((stop - start + 1) * words, np.uint64)
            bodies[:words] = self._body
            self._follow(found, stop, bodies[words:], start)
            yield Told(found.take(slice(start, stop)), bodies.view(np.uint8).reshape(-1, 8 * words))

    def move_to(self, stretch: Stretch) -> None:
        """Follow the page, as it is now, into the layouts that its type got until one."""
        while self.stretch is not None and self.stretch is not stretch:
            became, newer = self.stretch.became, self.stretch.newer
            assert became is not None, "an older layout became another"
            assert newer is not None, "an older layout became another"
            body = convert(self.body, became.new, dict(became.columns)) if self.epoch else bytes(became.new.size)
            self.stretch, self._body = newer, np.frombuffer(bytearray(body), np.uint64)

    def _follow(self, found: Steps, stop: int, bodies: Words, keep: int) -> None:
        """Go on in the first run; of the bodies, those from a delta on are kept."""
        self.move_to(found.stretch)
        memory, start = self._catalog.memory(found.part), self._start
        done = int(steps.follow_deltas(memory, found.columns, start, stop, self._body, self.epoch, bodies, keep))
        if done < stop:
            self._explain(found, done)
        self.epoch = 0 if found.kinds[stop - 1] == DeltaKind.DELETE else int(found.offsets[stop - 1]) + 1
        self._start = stop
        if stop == len(found):
            self.runs.pop(0)
            self._start = 0

    def _explain(self, found: Steps, at: int) -> None:
        """A delta does not follow the one before it: its block is damaged, or one is missing."""
        for each in (at, max(at - 1, 0)):
            self._catalog.read(found.part, found.place(each))
        offset, base = int(found.offsets[at]), int(found.bases[at])
        raise CorruptState(
            f"TLog offset {found.place(at).tlog}: expected a delta on what those before it leave, found one of offset "
            f"{offset} on epoch {base}; run `mmsb verify` on the data folder"
        )


def life_since(catalog: Catalog, line: Line, base: Base, below: int) -> Life:
    """From a base on, over all deltas of intent offsets below one."""
    return _from_base(catalog, line, base, list(walk(catalog, line, base.settled, below)))


def newest_life(catalog: Catalog, line: Line, below: int, count: int) -> Life:
    """The newest deltas of intent offsets below one, as many as wanted, and before them what their bodies follow from.

    That begins with the newest creation or base that none of them is older than.
    """
    above, left, runs = -1 if catalog.floor is None else catalog.floor.settled, count, list[Steps]()
    for found in walk(catalog, line, above, below, max(count, FEW)):
        runs.append(found)
        left -= len(found)
        if left <= 0:
            break
    if not runs:
        return Life(catalog, None, None, [])
    oldest, walked = int(runs[-1].offsets[max(-left, 0)]), int(runs[-1].offsets[0])
    base = catalog.base_before(oldest - 1)
    above = -1 if base is None else base.settled
    kept: list[Steps] = []
    for found in chain(runs, walk(catalog, line, above, walked)):
        start = _start(found, oldest, above)
        if start < len(found):
            kept.append(found if start <= 0 else found.take(slice(start, None)))
        if start >= 0:
            break
    if base is None or (kept and not kept[-1].bases[0]):
        return Life(catalog, None, None, kept[::-1])
    return _from_base(catalog, line, base, kept)


def _start(found: Steps, oldest: int, above: int) -> int:
    """From which delta on a page can be followed; -1: from none of these."""
    low = int(np.searchsorted(found.offsets, above, side="right"))
    created = np.flatnonzero((found.bases[low:] == 0) & (found.offsets[low:] <= oldest))
    return low + int(created[-1]) if len(created) else low or -1


def _from_base(catalog: Catalog, line: Line, base: Base, runs: list[Steps]) -> Life:
    stretch = next((each for each in line.stretches if each.low < base.next), None)
    known = None if stretch is None else base.page((stretch.layout.type_id, line.key))
    return Life(catalog, stretch if known else None, known, runs[::-1])

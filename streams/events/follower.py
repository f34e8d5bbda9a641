"""Goes through an accepted TLog, keeping pages, and packs the events on its way. It runs on a worker's thread.

Where it begins decides what that costs. From a cut of the live pages, which takes as long as copying them, it can give
only what comes. For what was, it folds pages from the newest checkpoint before that on, or from the log's first record,
and says nothing until it is there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mmsb.processors.intake import read_batches
from mmsb.processors.packed_events import PackedEvents, last_place_of, offset_of
from mmsb.processors.packed_rejects import PackedRejects, rejects_of_block
from mmsb.processors.projector import Projector
from mmsb.schemas.tlog.blocks import unpack_block_header
from mmsb.schemas.tlog.claims import Claim
from mmsb.state.home.folding import note_changed, read_at_home
from mmsb.state.home.home import Home
from mmsb.state.page_fold import PageFold
from mmsb.state.store import NoRows
from mmsb.streams.events.source import Cut, Source

READ_BYTES: Final = 1 << 20
"""What is read from the log at a time: at least one batch."""

TAKE_BYTES: Final = 2 << 20
"""So much log, or events, is gone through at a time: some milliseconds, after which others may use the thread."""


_END_BYTES: Final = 512  # that an end takes without its rejects


@dataclass(frozen=True, eq=False)
class BlockEnd:
    """All events of a block were given: what else it says to others."""

    settled: int
    claim: Claim | None
    rejects: PackedRejects

    @property
    def last_place(self) -> int:
        return last_place_of(self.settled)

    @property
    def byte_count(self) -> int:
        return _END_BYTES + self.rejects.nbytes


Piece = PackedEvents | BlockEnd
"""Of what a follower tells, in the order of the log."""


@dataclass(frozen=True)
class Start:
    """Where a follower begins."""

    fold: PageFold
    home: Home
    has: int  # the last intent whose effects the pages have already
    floor: int  # nothing is said of events up to this place


def start_of_cut(cut: Cut) -> Start:
    return Start(cut.fold, cut.home, cut.settled, last_place_of(cut.settled))


def start_of_log(source: Source, floor: int) -> Start:
    """From the newest base before the floor on, or else from the first record; events are wanted behind the floor."""
    base = source.base_before(offset_of(floor + 1))
    if base is not None:
        fold = PageFold.beside(base)
        return Start(fold, Home(fold.pages, NoRows(), 0), base.settled, floor)
    records = read_batches(source.read(0, 1))
    fold = PageFold(records.value(0), records.key(0))
    return Start(fold, Home(fold.pages, NoRows(), 0), -1, floor)


class Follower:
    """All records before `next` have been gone through."""

    def __init__(self, source: Source, start: Start) -> None:
        self._way = _Way(source, start)
        self._steps = self._way.steps()
        self._begun_with = start.home.dirty_bytes

    @property
    def next(self) -> int:
        return self._way.next

    @property
    def is_crowded(self) -> bool:
        """Whether it has changed so many pages, none of which it can write anywhere, that a new cut takes less.

        A cut has what the owner has changed and not written, so one is worth its copying only once that has doubled.
        """
        home = self._way.home
        return not home.is_whole and home.is_crowded and home.dirty_bytes > 2 * self._begun_with

    def has_told(self, settled: int) -> bool:
        """Whether all events of intents up to an offset were given."""
        fold = self._way.fold
        return self.next == fold.next and fold.settled >= settled

    def take(self) -> list[Piece]:
        """Go some way; gives the events on it. At the end of what is accepted it gives nothing."""
        taken: list[Piece] = []
        spent = 0
        while spent < TAKE_BYTES:
            step = next(self._steps, None)
            if step is None:
                self._steps = self._way.steps()
                break
            if isinstance(step, int):
                spent += step
            else:
                taken.append(step)
                spent += step.byte_count
        return taken


class _Way:
    """Does not know its follower, so that pages and a moment of the store go when that goes, not some time later."""

    def __init__(self, source: Source, start: Start) -> None:
        self._source = source
        self.fold = start.fold
        self.home = start.home
        self._has = start.has
        self._floor = start.floor
        self._projector = Projector(start.fold.pages)
        self.next = start.fold.next

    def steps(self) -> Iterator[Piece | int]:
        """What is told, and the size of each record, up to what is accepted by then."""
        fold = self.fold
        while fold.next < self._source.accepted_tlog():
            records = read_batches(self._source.read(fold.next, READ_BYTES))
            for index in range(fold.next - records.first, len(records)):
                value = records.value(index)
                verdict = read_at_home(fold, self.home, records.key(index), value)
                if verdict.value is not None:
                    yield from self._block(verdict.value)
                self.next = fold.next
                yield len(value or b"")

    def _block(self, value: bytes) -> Iterator[Piece]:
        header = unpack_block_header(value)
        assert header is not None, "a block that counts has a header"
        if header.last <= self._has:
            return
        if last_place_of(header.last) <= self._floor:
            self._projector.follow(self.fold.claim, header, value)
        else:
            clock, claim, genesis = self.fold.pages.clock, self.fold.claim, self.fold.pages.genesis
            yield from self._projector.project(claim, header, value)
            yield BlockEnd(header.last, claim, rejects_of_block(value, header, genesis, clock))
        if not self.home.is_whole:
            note_changed(self.home, value)

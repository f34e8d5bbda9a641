"""The past of one partition: what happened to a page, who gave a field its value, what became of an intent.

Read from the TLog alone, so it needs no user code and no state. For one thread, which it blocks while it reads.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from mmsb.schemas.deltas import DeltaKind
from mmsb.schemas.descriptors import Descriptor
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.events import EventKind
from mmsb.schemas.sentences import sentence
from mmsb.schemas.types import I64_MAX
from mmsb.state.pages import PageId
from mmsb.streams.files import Files
from mmsb.streams.folder import TLOG
from mmsb.streams.past.bases import Base, Bases
from mmsb.streams.past.blaming import last_alteration, slots_of
from mmsb.streams.past.catalog import Catalog
from mmsb.streams.past.changes import Change, History
from mmsb.streams.past.columns import BlockColumns
from mmsb.streams.past.entries import Entry, PageChange
from mmsb.streams.past.growing import BlockPlace
from mmsb.streams.past.lives import Life, life_since, newest_life
from mmsb.streams.past.moments import Moment
from mmsb.streams.past.outcomes import OutcomeColumns, read_metadata
from mmsb.streams.past.outline import Outline
from mmsb.streams.past.telling import changes_of
from mmsb.streams.past.walking import Line, stretches_of

Found = tuple[BlockPlace, BlockColumns, OutcomeColumns]


class Past:
    """Follows the TLog while it grows."""

    def __init__(self, files: Files, folder: Path, upto: Callable[[], int], bases: Bases | None = None) -> None:
        """Of a partition's folder. `upto` gives the first TLog offset that may not be read."""
        self._files = files
        self._folder = folder / TLOG
        self._catalog = Catalog(files, self._folder, upto, bases)
        self._last: Found | None = None  # the block that was looked into last

    def close(self) -> None:
        self._catalog.close()

    @property
    def bases(self) -> Bases:
        return self._catalog.bases

    @property
    def outline(self) -> Outline:
        """Who reigned, and which layouts there were; of a TLog that has a record."""
        self._follow()
        return self._catalog.outline

    # Of a page

    def history(self, page: PageId, limit: int, before: int | None = None) -> History[Change]:
        """What happened to a page, the newest first, deletions and earlier lives too.

        At most `limit` changes, of intent offsets below `before` if that is given.
        """
        if limit < 1:
            raise InvalidValue(f"limit: expected 1 or more changes, found {limit}")
        self._follow()
        line = Line.of(self._catalog, page, self._catalog.end)
        life = newest_life(self._catalog, line, I64_MAX if before is None else before, limit)
        floor = self._catalog.floor
        trimmed = floor.settled + 1 if floor is not None and len(life) < limit else None
        return History(self._newest(page[1], life, limit), trimmed)

    def get(self, page: PageId, at: int) -> tuple[int, bytes] | None:
        """Epoch and body as they were right after an intent had settled, in the layout that was asked for."""
        self.check_moment(at)
        return self._get(page, at)

    def get_many(self, pages: Sequence[PageId], at: int) -> list[tuple[int, bytes] | None]:
        self.check_moment(at)
        return [self._get(page, at) for page in pages]

    def moment(self, type_id: int, at: int) -> Moment | None:
        """All pages of a type right after an intent had settled; None before the first."""
        self.check_moment(at)
        if at < 0:
            return None
        found, floor = self.block_at(at), self._catalog.floor
        stretches = stretches_of(self._catalog, type_id, self._catalog.end)
        if found is not None:
            place, block, _ = found
            return Moment(self._files, self._folder, at, place.tlog, block.value, block.header.last, stretches)
        assert floor is not None, "what has settled is in the log, or in the base that it begins with"
        return Moment(self._files, self._folder, at, floor.next, b"", -1, stretches)

    def _get(self, page: PageId, at: int) -> tuple[int, bytes] | None:
        line = Line.of(self._catalog, page, self._catalog.end)
        life = self._life(line, self._catalog.base_before(at), at + 1)
        life.run(len(life))
        if not life.epoch:
            return None
        life.move_to(line.stretches[0])
        return life.epoch, life.body

    def blame(self, page: PageId, field: int | None, byte: int | None = None) -> Change | None:
        """The last change that altered a field, or that created the page; None if there is no such page.

        `field` is an index in the page type's layout; None asks for the creation. With `byte`, that one of the field.
        """
        self._follow()
        line = Line.of(self._catalog, page, self._catalog.end)
        slots = slots_of(line.stretches, field, byte) if line.stretches and field is not None else {}
        below, base = I64_MAX, self._catalog.base_before(I64_MAX)
        life = self._life(line, base, below)
        told = last_alteration(life, slots)
        if not life.epoch:
            return None
        while told is None:
            assert base is not None, "every page was created"
            if self._catalog.floor is not None and base.settled <= self._catalog.floor.settled:
                raise InvalidValue(f"it was altered before intent offset {base.settled + 1}, and that was trimmed")
            below, base = base.settled + 1, self._catalog.base_before(base.settled - 1)
            told = last_alteration(self._life(line, base, below), slots)
        return changes_of(self._catalog, page[1], told)[0]

    # Of an intent

    def outcome_at(self, offset: int) -> Entry | None:
        """What became of an intent; None if it has not settled."""
        return next(self.entries(offset, offset), None)

    def entries(self, first: int, last: int) -> Iterator[Entry]:
        """What became of the intents from one offset to another, as far as they have settled; block by block."""
        for offset in range(max(first, 0), last + 1):
            found = self.block_at(offset)
            if found is None:
                return
            yield self._entry(offset, *found)

    def descriptor_at(self, tlog: int) -> Descriptor:
        """The names and layouts in force at the TLog offset of a block."""
        return self._catalog.outline.reign_at(tlog).descriptor

    def explain(self, entry: Entry) -> str | None:
        """Why an intent was rejected, in words; None if it was not."""
        descriptor = self.descriptor_at(entry.tlog)
        if entry.rejection is None:
            return None
        return sentence(entry.rejection, descriptor.layouts_by_type, descriptor.messages)

    def _follow(self) -> None:
        self._catalog.follow()

    def block_at(self, offset: int) -> Found | None:
        """The block that settles an offset; the one looked into last is at hand."""
        header = self._last[1].header if self._last else None
        if header is None or not header.first <= offset <= header.last:
            self._follow()
            parts = self._catalog.parts
            at = bisect_left(parts, offset, key=lambda part: part.settled)
            floor = self._catalog.floor
            if at == len(parts) or offset <= (-1 if floor is None else floor.settled):
                return None
            place = self._catalog.place(parts[at], self._catalog.find(parts[at], offset))
            block = self._catalog.block(parts[at], place)
            self._last = place, block, OutcomeColumns(block)
        return self._last

    def _entry(self, offset: int, place: BlockPlace, block: BlockColumns, outcomes: OutcomeColumns) -> Entry:
        index = offset - block.header.first
        row, claim = outcomes.outcome(index), self._catalog.outline.reign_at(place.tlog)
        return Entry(
            partition=self._partition,
            offset=offset,
            status=row.status,
            intent_type=row.type_id,
            id=row.id,
            source=row.source,
            metadata=read_metadata(row.metadata),
            time=outcomes.clock(index, place.clock),
            first_offset=row.first_offset,
            rejection=row.rejection,
            pages=tuple(_page_change(block, row) for row in block.rows_at(index)),
            follow_ups=tuple(outcomes.follow_ups(index)),
            tlog=place.tlog,
            generation=claim.generation,
            bundle=claim.bundle,
        )

    def _newest(self, key: bytes, life: Life, count: int) -> list[Change]:
        life.run(max(len(life) - count, 0))
        return [change for told in life.tell() for change in changes_of(self._catalog, key, told)][::-1]

    def _life(self, line: Line, base: Base | None, below: int) -> Life:
        """A page since a base, or since its last creation."""
        catalog = self._catalog
        return newest_life(catalog, line, below, 1) if base is None else life_since(catalog, line, base, below)

    def check_moment(self, at: int) -> None:
        """Raise if nobody can say what was right after an intent had settled: it has not, or the log begins later."""
        self._follow()
        newest = -1 if self._catalog.empty else self._catalog.outline.settled
        floor = -1 if self._catalog.floor is None else self._catalog.floor.settled
        if not floor <= at <= newest:
            older = f": what is older than {floor} was trimmed" if floor >= 0 else ""
            raise InvalidValue(f"at: expected an intent offset from {floor} to {newest}, found {at}{older}")

    @property
    def _partition(self) -> int:
        return self._catalog.outline.genesis.partition


def _kind(kind: DeltaKind, base: int) -> EventKind:
    if kind == DeltaKind.DELETE:
        return EventKind.DELETED
    return EventKind.CHANGED if base else EventKind.CREATED


def _page_change(block: BlockColumns, row: int) -> PageChange:
    delta = block.deltas[row]
    return PageChange(block.page(row), _kind(DeltaKind(int(delta["kind"])), int(delta["base"])), int(delta["base"]))

"""The past of one partition: what happened to a page, who gave a field its value, what became of an intent.

Read from the TLog alone, so it needs no user code and no state. For one thread, which it blocks while it reads.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from mmsb.schemas.deltas import DeltaKind
from mmsb.schemas.descriptors import Descriptor
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.events import EventKind, field_mask
from mmsb.schemas.sentences import sentence
from mmsb.schemas.types import I64_MAX
from mmsb.state.pages import PageId
from mmsb.streams.files import Files
from mmsb.streams.folder import TLOG
from mmsb.streams.past.blaming import alters, slots_of
from mmsb.streams.past.catalog import Catalog
from mmsb.streams.past.changes import Change
from mmsb.streams.past.columns import BlockColumns
from mmsb.streams.past.entries import Entry, PageChange
from mmsb.streams.past.growing import BlockPlace
from mmsb.streams.past.lives import Circumstances, Told, Touch, Touches, circumstances, stretches_of, tell
from mmsb.streams.past.outcomes import OutcomeColumns, read_metadata
from mmsb.streams.past.outline import Outline

Found = tuple[BlockPlace, BlockColumns, OutcomeColumns]


class Past:
    """Follows the TLog while it grows."""

    def __init__(self, files: Files, folder: Path, upto: Callable[[], int]) -> None:
        """Of a partition's folder. `upto` gives the first TLog offset that may not be read."""
        self._catalog = Catalog(files, folder / TLOG, upto)
        self._last: Found | None = None  # the block that was looked into last

    def close(self) -> None:
        self._catalog.close()

    @property
    def outline(self) -> Outline:
        """Who reigned, and which layouts there were; of a TLog that has a record."""
        self._follow()
        return self._catalog.outline

    # Of a page

    def history(self, page: PageId, limit: int, before: int | None = None) -> list[Change]:
        """What happened to a page, the newest first, deletions and earlier lives too.

        At most `limit` changes, of intent offsets below `before` if that is given.
        """
        if limit < 1:
            raise InvalidValue(f"limit: expected 1 or more changes, found {limit}")
        self._follow()
        below = I64_MAX if before is None else before
        touches = _until_created(Touches(self._catalog, page, below, self._catalog.end, limit), limit)
        older = max(len(touches) - limit, 0)
        return [self._change(page[1], told) for told in islice(tell(touches), older, None)][::-1]

    def blame(self, page: PageId, field: int | None) -> Change | None:
        """The last change that altered a field, or that created the page; None if there is no such page.

        `field` is an index in the page type's layout; None asks for the creation.
        """
        self._follow()
        stretches = stretches_of(self._catalog, page[0], self._catalog.end)
        slots = slots_of(stretches, field) if stretches and field is not None else {}
        touches = _until_created(Touches(self._catalog, page, I64_MAX, self._catalog.end), 1)
        if not touches or touches[0].kind == DeltaKind.DELETE:
            return None
        altering = [told for told in tell(touches) if alters(told, slots.get(told.touch.stretch.low))]
        return self._change(page[1], altering[-1])

    # Of an intent

    def changes_at(self, offset: int) -> list[Change]:
        """What one intent changed, in the order of its query; nothing if it has not settled."""
        found = self.block_at(offset)
        if found is None:
            return []
        place, block, _ = found
        changes: list[Change] = []
        for row in block.rows_at(offset - block.header.first):
            page = block.page(row)
            touches = _until_created(Touches(self._catalog, page, offset + 1, place.tlog + 1, 1), 1)
            *_, told = tell(touches)
            changes.append(self._change(page[1], told))
        return changes

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
            if offset < 0 or at == len(parts):
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

    def _change(self, key: bytes, told: Told) -> Change:
        touch = told.touch
        seen = touch.circumstances or self._circumstances(touch)
        row, claim = seen.outcome, self._catalog.outline.reign_at(touch.place.tlog)
        return Change(
            kind=_kind(touch.kind, touch.base),
            partition=self._partition,
            offset=touch.offset,
            ordinal=seen.ordinal,
            page_type=touch.stretch.layout.type_id,
            key=key,
            epoch=0 if told.after is None else touch.offset + 1,
            before=touch.base,
            time=seen.time,
            intent_type=row.type_id,
            id=row.id,
            source=row.source,
            metadata=read_metadata(row.metadata),
            mask=field_mask(touch.stretch.layout, told.before, told.after),
            body=told.after or b"",
            tlog=touch.place.tlog,
            generation=claim.generation,
            bundle=claim.bundle,
        )

    def _circumstances(self, touch: Touch) -> Circumstances:
        block = self._catalog.block(touch.part, touch.place)
        return circumstances(block, OutcomeColumns(block), touch.row, touch.place)

    @property
    def _partition(self) -> int:
        return self._catalog.outline.genesis.partition


def _until_created(touches: Iterable[Touch], limit: int) -> list[Touch]:
    """So many changes of a page, the newest first, and those before them from the creation that they build on."""
    found: list[Touch] = []
    for touch in touches:
        found.append(touch)
        if len(found) >= limit and touch.base == 0:
            break
    return found


def _kind(kind: DeltaKind, base: int) -> EventKind:
    if kind == DeltaKind.DELETE:
        return EventKind.DELETED
    return EventKind.CHANGED if base else EventKind.CREATED


def _page_change(block: BlockColumns, row: int) -> PageChange:
    delta = block.deltas[row]
    return PageChange(block.page(row), _kind(DeltaKind(int(delta["kind"])), int(delta["base"])), int(delta["base"]))

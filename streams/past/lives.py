"""The lives of one page: its deltas found through the index, newest first, and told from its creation on.

A delta says what is new, not what was there, so a body is known only by following its page from where it was created.
A page whose type was converted by a migration is followed into what it was before.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mmsb.schemas.deltas import FINE, DeltaKind, apply_change, check_change
from mmsb.schemas.errors import CorruptState
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.tlog.blocks import OutcomeRow
from mmsb.state.migrations import convert
from mmsb.state.pages import PageId
from mmsb.streams.past.catalog import Catalog, Part
from mmsb.streams.past.columns import BlockColumns, hash_page
from mmsb.streams.past.growing import BlockPlace
from mmsb.streams.past.outcomes import OutcomeColumns
from mmsb.streams.past.outline import Conversion


@dataclass(frozen=True, slots=True)
class Stretch:
    """TLog offsets above `low` and below `high`, in which a page had one layout; what ended it, and what came then."""

    layout: PageLayout
    low: int
    high: int
    became: Conversion | None = None
    newer: "Stretch | None" = None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a block says of a delta besides the delta itself."""

    outcome: OutcomeRow
    time: int
    ordinal: int


@dataclass(frozen=True, slots=True, eq=False)
class Touch:
    """One delta of a page. It does not keep its block, which is large: where no circumstances are, ask it again."""

    place: BlockPlace
    part: Part
    stretch: Stretch
    row: int
    offset: int
    base: int
    kind: DeltaKind
    payload: bytes
    circumstances: Circumstances | None


class Told(NamedTuple):
    """A delta with the page's body before and after it; None is no page."""

    touch: Touch
    before: bytes | None
    after: bytes | None


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


class Touches:
    """Deltas of a page of intent offsets below one, in blocks below a TLog offset: the newest first.

    Of the first `detailed` it notes the circumstances.
    """

    def __init__(self, catalog: Catalog, page: PageId, below: int, high: int, detailed: int = 0) -> None:
        self._catalog = catalog
        self._key = page[1]
        self._below = below
        self._detailed = detailed
        self._stretches = stretches_of(catalog, page[0], high)

    def __iter__(self) -> Iterator[Touch]:
        for stretch in self._stretches:
            if len(self._key) == stretch.layout.key_size:
                yield from self._in_stretch(stretch)

    def _in_stretch(self, stretch: Stretch) -> Iterator[Touch]:
        hashed = hash_page(stretch.layout.type_id, self._key)
        for part in reversed(self._catalog.parts):
            if part.base >= stretch.high:
                continue
            for place in _places(self._catalog, part, hashed, self._below):
                if stretch.low < place.tlog < stretch.high:
                    yield from self._in_block(stretch, part, place)
            if part.base <= stretch.low:
                return

    def _in_block(self, stretch: Stretch, part: Part, place: BlockPlace) -> Iterator[Touch]:
        block = self._catalog.block(part, place)
        outcomes = OutcomeColumns(block) if self._detailed else None
        rows = block.rows_of(stretch.layout.type_id, self._key)[::-1]
        deltas = block.deltas[rows]
        columns = (deltas["index"].tolist(), deltas["base"].tolist(), deltas["kind"].tolist())
        for row, index, base, kind in zip(rows.tolist(), *columns, strict=True):
            offset = block.header.first + index
            if offset < self._below:
                seen = circumstances(block, outcomes, row, place) if outcomes and self._detailed else None
                self._detailed = max(self._detailed - 1, 0)
                yield Touch(place, part, stretch, row, offset, base, DeltaKind(kind), block.payload(row), seen)


def circumstances(block: BlockColumns, outcomes: OutcomeColumns, row: int, place: BlockPlace) -> Circumstances:
    index = block.index(row)
    return Circumstances(outcomes.outcome(index), outcomes.clock(index, place.clock), row - block.rows_at(index).start)


def _places(catalog: Catalog, part: Part, hashed: int, below: int) -> Iterator[BlockPlace]:
    """The blocks of a segment that may change a page, the newest first."""
    last = catalog.find(part, below - 1)
    for number in reversed(catalog.blocks_of(part, hashed)):
        if number <= last:
            yield catalog.place(part, number)


def tell(touches: Sequence[Touch]) -> Iterator[Told]:
    """Follow a page through its deltas from the oldest on, which creates it. They come with the newest first."""
    body: bytes | None = None
    stretch = touches[-1].stretch if touches else None
    for touch in reversed(touches):
        while stretch is not None and stretch is not touch.stretch:
            body, stretch = _converted(body, stretch.became), stretch.newer
        _check_follows(touch, body)
        after = None if touch.kind == DeltaKind.DELETE else _changed(touch, body)
        yield Told(touch, body, after)
        body = after


def _converted(body: bytes | None, conversion: Conversion | None) -> bytes | None:
    return None if body is None or conversion is None else convert(body, conversion.new, dict(conversion.columns))


def _changed(touch: Touch, body: bytes | None) -> bytes:
    layout = touch.stretch.layout
    if check_change(layout.word_count, touch.kind, touch.payload, touch.base) != FINE:
        raise _damaged(touch, "a delta that fits its page")
    return apply_change(body or bytes(layout.size), touch.kind, touch.payload)


def _check_follows(touch: Touch, body: bytes | None) -> None:
    if (touch.base == 0) != (body is None):
        raise _damaged(touch, "a delta on what those before it leave")


def _damaged(touch: Touch, expected: str) -> CorruptState:
    return CorruptState(
        f"TLog offset {touch.place.tlog}: expected {expected}, found another of offset {touch.offset} on epoch "
        f"{touch.base}; run `mmsb verify` on the data folder"
    )

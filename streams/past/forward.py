"""Changes in the words of the layout that their page has now, whatever migrations lie between.

Who asks by a page's type knows the fields of that type only. A field that is new is there with its default, and one
that is gone is not: whoever wants it asks the past for the layout of its time.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypeVar

from mmsb.schemas.events import Event, EventKind
from mmsb.state.migrations import convert
from mmsb.state.pages import PageId
from mmsb.streams.past.changes import Change, History
from mmsb.streams.past.outline import Conversion
from mmsb.streams.past.past import Past

T = TypeVar("T", Change, Event)

MASK_BITS: Final = 64  # a mask is whole words (docs/formats.md, section 12)


def history(past: Past, page: PageId, limit: int) -> History[Change]:
    """`Past.history`, in the layout of the page's type."""
    found, conversions = past.history(page, limit), past.outline.conversions
    if conversions:
        return History((brought_forward(change, page[0], conversions) for change in found), found.trimmed)
    return found


def blame(past: Past, page: PageId, field: int | None, byte: int | None = None) -> Change | None:
    """`Past.blame`, in the layout of the page's type."""
    change = past.blame(page, field, byte)
    return None if change is None else brought_forward(change, page[0], past.outline.conversions)


def brought_forward(change: Change, type_id: int, conversions: Sequence[Conversion]) -> Change:
    for conversion in conversions:
        if change.page_type == type_id:
            return change
        if conversion.tlog > change.tlog and conversion.old.type_id == change.page_type:
            change = _converted(change, conversion, _altered(change, conversion))
    return change


def converted(event: Event, conversion: Conversion) -> Event | None:
    """An event of a page before a migration, told behind it; None if all that changed is gone."""
    altered = _altered(event, conversion)
    if event.kind == EventKind.CHANGED and not altered:
        return None
    return _converted(event, conversion, altered)


def _converted(told: T, conversion: Conversion, altered: int) -> T:
    new = conversion.new
    body = convert(told.body, new, dict(conversion.columns)) if told.body else b""
    mask = altered.to_bytes(8 * -(-len(new.fields) // MASK_BITS), "little")
    return replace(told, page_type=new.type_id, body=body, mask=mask)


def _altered(change: Change | Event, conversion: Conversion) -> int:
    """The bits of the new fields that hold what a change altered; a creation alters all there are."""
    old, new, columns = conversion.old, conversion.new, conversion.columns
    if change.kind == EventKind.CREATED:
        return (1 << len(new.fields)) - 1
    bits = int.from_bytes(change.mask, "little")
    altered = {field.offset for index, field in enumerate(old.fields) if bits >> index & 1}
    places = [columns[field.name].place for field in new.fields]
    return sum(1 << index for index, place in enumerate(places) if place is not None and place.start in altered)

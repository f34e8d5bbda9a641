"""What one consumer wants of the events, in the layout that its pages have now, whatever migrations lie between."""

from collections.abc import Awaitable, Callable, Sequence

from mmsb.processors.packed_events import PackedEvents
from mmsb.schemas.events import Event
from mmsb.streams.door import EventFilter
from mmsb.streams.past.forward import converted
from mmsb.streams.past.outline import Conversion

Conversions = Callable[[], Awaitable[Sequence[Conversion]]]
"""Asks how pages of one layout became those of another, in the order of the log."""


class View:
    def __init__(self, wanted: EventFilter) -> None:
        self._wanted = wanted
        self._ways: dict[int, list[Conversion]] = {}  # from earlier types to the wanted one

    async def learn(self, ask: Conversions) -> None:
        """Take pages of earlier types for what they became. Until then, there are none."""
        if self._wanted.page_type is None:
            return
        ways: dict[int, list[Conversion]] = {self._wanted.page_type: []}
        for conversion in reversed(await ask()):
            onward = ways.get(conversion.new.type_id)
            if onward is not None:
                ways.setdefault(conversion.old.type_id, [conversion, *onward])
        del ways[self._wanted.page_type]
        self._ways = ways

    def find(self, piece: PackedEvents, place: int) -> list[int]:
        """Which of its events behind a place may be wanted."""
        wanted = self._wanted
        found = set[int](piece.find(place, wanted.page_type, wanted.key, wanted.fields).tolist())
        for type_id in self._ways:  # the fields of these have other numbers
            found.update(piece.find(place, type_id, wanted.key).tolist())
        return sorted(found)

    def events(self, piece: PackedEvents, indices: Sequence[int]) -> list[Event]:
        events = piece.events(indices)
        if not self._ways:
            return events
        return [told for event in events if (told := self._told(event)) is not None]

    def _told(self, event: Event) -> Event | None:
        """None if it touches no field that there is still, or none that is wanted."""
        way = self._ways.get(event.page_type, [])
        for conversion in way:
            found = converted(event, conversion)
            if found is None:
                return None
            event = found
        fields = self._wanted.fields
        if not way or fields is None:
            return event
        return event if set(fields) & set(event.fields) else None
